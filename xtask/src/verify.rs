//! `cargo xtask verify`: loads every kernel program on this kernel and holds it to its budget.
//!
//! The loading itself is `load-programs`, a binary of its own, since it needs the built kernel programs.

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// What `verify` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write the budget anew: what is measured here and a quarter more
    #[arg(long)]
    write: bool,
}

/// Builds the programs and their loader, then runs it as root.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure()?;
    let package = ["--package", "xtask", "--features", "verify", "--bin", "load-programs"];
    process::run(process::cargo().arg("build").args(package))?;
    let mut load = process::as_root("loading kernel programs", "sh", &[])?;
    // `load-programs` uses up all descriptors on purpose: let that be few.
    load.args(["-c", r#"ulimit -n 256 && exec "$0" "$@""#])
        .arg(process::binary(Profile::Debug, "load-programs")?);
    load.arg(process::top().join("xtask/verify-budget.toml"));
    if arguments.write {
        load.arg("--write");
    }
    process::hand_over(&mut load)
}
