//! Runs the simulation of ESP pairing at length; `cargo xtask simulate` builds and starts it.

use std::{fs, path::PathBuf, process::ExitCode};

use anyhow::{Context, Result, ensure};
use clap::Parser;
use passthrough_tests::simulation::{
    Scenario,
    table::{CLIENTS, place, row},
};

/// ESP pairing: this project's rule and two others on the same traces
#[derive(Debug, Parser)]
struct Options {
    /// The first seed
    #[arg(long, value_name = "N", default_value_t = 1)]
    seed: u64,
    /// Traces a row
    #[arg(long, value_name = "N", default_value_t = 4, value_parser = clap::value_parser!(u64).range(1..=10_000))]
    traces: u64,
    /// The page whose table is written anew
    #[arg(long, value_name = "FILE", default_value = "docs/esp-pairing.md")]
    page: PathBuf,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let seeds = options.seed..options.seed.saturating_add(options.traces);
    println!("seeds {} to {}", seeds.start, seeds.end - 1);
    let page = options.page.display();
    let text = fs::read_to_string(&options.page).with_context(|| format!("reading {page}"))?;
    let mut rows = Vec::new();
    for restarts in [0, 1] {
        for clients in CLIENTS {
            let row = row(Scenario::usual(clients, restarts), seeds.clone());
            let ours = &row.tallies[0];
            println!(
                "{clients} clients, {restarts} restarts; IKE of ours: {} messages dropped, {} to another client by a guess, {} otherwise",
                ours.ike_dropped, ours.ike_guessed, ours.ike_wrong
            );
            rows.push(row);
        }
    }
    let (text, table) = place(&text, &rows, &seeds)
        .with_context(|| format!("{page} has no place for the table: two lines `<!-- table -->`"))?;
    println!("\n{table}");
    let silent: u64 = rows.iter().map(|row| row.tallies[0].silent).sum();
    ensure!(silent == 0, "{silent} packets reached a wrong client unmarked: {page} is left as it was");
    fs::write(&options.page, text).with_context(|| format!("writing {page}"))?;
    println!("written to {page}");
    Ok(())
}
