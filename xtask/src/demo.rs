//! `cargo xtask demo`: the gateway at work in a lab of namespaces.

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// Builds the command and the demo with optimisations, then runs the demo as root.
pub fn run() -> Result<()> {
    setup::ensure()?;
    let packages = ["--package", "passthrough-user", "--package", "passthrough-tests"];
    process::run(process::cargo().args(["build", "--release", "--bins"]).args(packages))?;
    let demo = process::binary(Profile::Release, "demo")?;
    let mut demo = process::as_root("the demo", demo, &["PASSTHROUGH_BIN"])?;
    demo.current_dir(process::top())
        .env("PASSTHROUGH_BIN", process::binary(Profile::Release, "passthrough")?);
    process::hand_over(&mut demo)
}
