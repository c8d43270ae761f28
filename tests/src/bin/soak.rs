//! Hostile input at a live gateway for as long as one likes: prints what it did, and fails if a tunnel lost anything.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::Result;
use clap::Parser;
use passthrough_tests::{
    interrupt,
    soak::{self, Wanted},
};

/// What it is run with.
#[derive(Parser)]
struct Arguments {
    /// How long, in minutes
    #[arg(long, default_value_t = 30.0)]
    minutes: f64,
    /// Hostile frames a second from each side
    #[arg(long, default_value_t = 1000)]
    rate: u32,
    /// Where random numbers begin [default: of this process]
    #[arg(long)]
    seed: Option<u64>,
}

fn main() -> ExitCode {
    match run(&Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: &Arguments) -> Result<()> {
    let seed = arguments.seed.unwrap_or_else(|| u64::from(std::process::id()));
    let length = Duration::from_secs_f64(arguments.minutes * 60.0);
    println!("{} s, {} frames a second from each side, seed {seed}", length.as_secs(), arguments.rate);
    let wanted = Wanted { length, rate: arguments.rate, seed };
    let report = soak::run(&wanted, &|line| println!("{line}"), &*interrupt::flag()?)?;
    println!("\n{report}");
    report.nothing_is_lost()?;
    report.nothing_is_full()?;
    println!("nothing is lost, and no table was full");
    Ok(())
}
