//! `cargo xtask build`: everything, the kernel programs included.

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// What `build` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Build with optimisations
    #[arg(long)]
    release: bool,
}

/// Makes sure of the tools, then builds.
pub fn run(arguments: &Arguments) -> Result<()> {
    let profile = if arguments.release { Profile::Release } else { Profile::Debug };
    workspace(profile)?;
    println!("built {}", process::binary(profile, "passthrough")?.display());
    Ok(())
}

/// Builds the workspace; `passthrough-user/build.rs` builds the kernel programs.
pub fn workspace(profile: Profile) -> Result<()> {
    setup::ensure()?;
    let mut build = process::cargo();
    build.arg("build");
    if profile == Profile::Release {
        build.arg("--release");
    }
    process::run(&mut build)
}
