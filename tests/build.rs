//! Builds the benchmark's kernel programs into `OUT_DIR/bench`.

#[path = "../passthrough-ebpf/rule.rs"]
mod rule;
#[path = "../xtask/src/toolchain.rs"]
#[expect(dead_code, reason = "xtask uses the rest of the rule")]
mod toolchain;

use std::process::ExitCode;

fn main() -> ExitCode {
    rule::run(&rule::Wanted { feature: "bench", binary: "bench", inputs: &[] })
}
