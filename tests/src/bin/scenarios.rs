//! Plays VPN software through the gateway; `cargo xtask vm-test` builds it and starts it, mostly in a guest.

use std::{path::PathBuf, process::ExitCode, time::Duration};

use anyhow::{Result, bail};
use clap::Parser;
use passthrough_tests::vpn::{
    SCENARIOS, Scenario,
    play::{self, Plan},
    report,
    stage::Way,
};

/// VPN software that nobody here wrote, through the gateway
#[derive(Debug, Parser)]
struct Options {
    /// Scenarios, by name [default: all]
    scenarios: Vec<String>,
    /// Ways through the gateway, parted by commas: tc, xdp, netfilter, plain [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mode: Vec<Way>,
    /// Clients of the scenarios with many
    #[arg(long, value_name = "N", default_value_t = 8, value_parser = clap::value_parser!(u8).range(1..=18))]
    clients: u8,
    /// How long something may take that should work, in seconds
    #[arg(long, value_name = "N", default_value_t = 120)]
    patience: u64,
    /// Where logs, captures and results go
    #[arg(long, value_name = "DIR", default_value = "target/vm/out")]
    out: PathBuf,
    /// Keep logs and captures of what passed, too
    #[arg(long)]
    keep: bool,
    /// Play none, and write a document from files of results, which stand in the place of scenarios
    #[arg(long, value_name = "FILE")]
    write: Option<PathBuf>,
    /// For the document: the list of packages at the ends of the tunnels
    #[arg(long, value_name = "FILE", default_value = "target/vm/root.ready")]
    versions: PathBuf,
    /// Name the scenarios, and play none
    #[arg(long)]
    list: bool,
}

fn main() -> ExitCode {
    match run() {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            play::say(&format!("error: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<bool> {
    let options = Options::parse();
    if options.list {
        SCENARIOS.iter().for_each(|scenario| println!("{:<14} {}", scenario.name, scenario.about));
        return Ok(true);
    }
    if let Some(file) = &options.write {
        let results: Vec<_> = options.scenarios.iter().map(PathBuf::from).collect();
        report::write(file, &results, &options.versions)?;
        return Ok(true);
    }
    std::fs::create_dir_all(&options.out)?;
    let plan = Plan {
        scenarios: named(&options.scenarios)?,
        ways: if options.mode.is_empty() { Way::ALL.to_vec() } else { options.mode },
        clients: usize::from(options.clients),
        patience: Duration::from_secs(options.patience),
        brief: Duration::from_secs(options.patience / 6),
        out: options.out,
        keep: options.keep,
    };
    Ok(play::all(&plan)?.passed())
}

/// The scenarios of these names; all of them if there is none.
fn named(names: &[String]) -> Result<Vec<&'static Scenario>> {
    if let Some(unknown) = names.iter().find(|name| SCENARIOS.iter().all(|scenario| scenario.name != **name))
    {
        let known: Vec<_> = SCENARIOS.iter().map(|scenario| scenario.name).collect();
        bail!("no scenario is called '{unknown}': there are {}", known.join(", "));
    }
    let wanted = |scenario: &&Scenario| names.is_empty() || names.iter().any(|name| scenario.name == name);
    Ok(SCENARIOS.iter().filter(wanted).collect())
}
