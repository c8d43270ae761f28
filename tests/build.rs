//! Builds the benchmark's kernel programs into `OUT_DIR/bench`, where they are wanted.

#[path = "../passthrough-ebpf/rule.rs"]
mod rule;
#[path = "../xtask/src/toolchain.rs"]
#[expect(dead_code, reason = "xtask uses the rest of the rule")]
mod toolchain;

use std::process::ExitCode;

fn main() -> ExitCode {
    if std::env::var_os("CARGO_FEATURE_PROGRAMS").is_none() {
        return ExitCode::SUCCESS;
    }
    rule::run(&rule::Wanted { feature: "bench", binary: "bench", inputs: &[] })
}
