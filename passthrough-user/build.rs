//! Builds the kernel programs into `OUT_DIR/passthrough`.

#[path = "../passthrough-ebpf/rule.rs"]
mod rule;
#[path = "../xtask/src/toolchain.rs"]
#[expect(dead_code, reason = "xtask uses the rest of the rule")]
mod toolchain;

use std::process::ExitCode;

fn main() -> ExitCode {
    rule::run(&rule::Wanted {
        feature: "gateway",
        binary: "passthrough",
        inputs: &["../passthrough-common/Cargo.toml", "../passthrough-common/src"],
    })
}
