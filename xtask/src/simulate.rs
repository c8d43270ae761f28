//! `cargo xtask simulate`: who gets which packet of plain ESP, under three rules, into `docs/esp-pairing.md`.

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// What `simulate` takes; what it means is for the simulation itself to say.
#[derive(clap::Args)]
pub struct Arguments {
    /// The first seed [default: 1]
    #[arg(long, value_name = "N")]
    seed: Option<u64>,
    /// Traces a row [default: 4]
    #[arg(long, value_name = "N")]
    traces: Option<u64>,
}

/// Builds the simulation with optimisations and runs it.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure()?;
    let package = ["--package", "passthrough-tests", "--bin", "simulate"];
    process::run(process::cargo().args(["build", "--release"]).args(package))?;
    let mut simulate = std::process::Command::new(process::binary(Profile::Release, "simulate")?);
    for (name, value) in [("--seed", arguments.seed), ("--traces", arguments.traces)] {
        if let Some(value) = value {
            simulate.args([name.to_owned(), value.to_string()]);
        }
    }
    process::hand_over(simulate.current_dir(process::top()))
}
