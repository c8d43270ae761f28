//! Runs the benchmark; `cargo xtask bench` builds and starts it.

use std::{path::PathBuf, process::ExitCode};

use anyhow::{Result, bail};
use clap::Parser;
use passthrough_tests::bench::{
    implementation::Implementation,
    machine::Machine,
    plan::Plan,
    report::{self, tables},
    rounds,
};
use passthrough_tests::interrupt;

/// Ways through a gateway side by side
#[derive(Debug, Parser)]
struct Options {
    /// One round, short cells, few rows
    #[arg(long)]
    quick: bool,
    /// Rounds of each implementation [default: 5]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only tests and measures with this in their name
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// What is compared, parted by commas [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    implementation: Vec<String>,
    /// Where the figures go
    #[arg(long, value_name = "DIR", default_value = "docs")]
    out: PathBuf,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let options = Options::parse();
    let mut plan = Plan::new(options.quick);
    plan.rounds = options.rounds.unwrap_or(plan.rounds);
    plan.only = options.only;
    plan.out = options.out;
    if !options.implementation.is_empty() {
        plan.implementations =
            options.implementation.iter().map(|name| named(name)).collect::<Result<_>>()?;
    }
    let interrupted = interrupt::flag()?;
    let _alone = rounds::alone()?;
    let results = rounds::run(&plan, &interrupted)?;
    let machine = Machine::this();
    println!("\n{}", tables::plain(&plan, &machine, &results));
    report::write(&plan, &machine, &results)
}

fn named(name: &str) -> Result<Implementation> {
    let known = Implementation::ALL.map(Implementation::name);
    match Implementation::ALL.into_iter().find(|one| one.name() == name) {
        Some(one) => Ok(one),
        None => bail!("no implementation is called '{name}': there are {}", known.join(", ")),
    }
}
