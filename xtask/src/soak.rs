//! `cargo xtask soak`: hostile input at a live gateway while tunnels of every kind go on.

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// What `soak` takes; what it means is for the soak itself to say.
#[derive(clap::Args)]
pub struct Arguments {
    /// How long, in minutes
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Hostile frames a second from each side [default: 1000]
    #[arg(long, value_name = "N")]
    rate: Option<u32>,
    /// Where random numbers begin
    #[arg(long)]
    seed: Option<u64>,
}

/// Builds the command and the soak with optimisations, then runs it as root.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure()?;
    let packages = ["--package", "passthrough-user", "--package", "passthrough-tests"];
    process::run(process::cargo().args(["build", "--release", "--bins"]).args(packages))?;
    let soak = process::binary(Profile::Release, "soak")?;
    let mut soak = process::as_root("the soak", soak, &["PASSTHROUGH_BIN"])?;
    soak.arg("--minutes").arg(arguments.minutes.to_string());
    if let Some(rate) = arguments.rate {
        soak.arg("--rate").arg(rate.to_string());
    }
    if let Some(seed) = arguments.seed {
        soak.arg("--seed").arg(seed.to_string());
    }
    soak.current_dir(process::top())
        .env("PASSTHROUGH_BIN", process::binary(Profile::Release, "passthrough")?);
    process::hand_over(&mut soak)
}
