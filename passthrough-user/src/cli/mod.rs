//! The command line: one file a subcommand, each from arguments to a plan, and from its outcome to what is shown.
//!
//! Exit codes: 0 it is done, or nothing is wrong; 1 it failed, or `check` has found a fault; 2 the command was not
//! written as it should be.

pub mod check;
pub mod completions;
pub mod disable;
pub mod down;
pub mod enable;
pub mod flush;
pub mod forward;
pub mod man;
pub mod plain;
pub mod sessions;
pub mod stats;
pub mod status;
pub mod up;

use std::{path::PathBuf, process::ExitCode};

use clap::{Args, CommandFactory, Parser, Subcommand};

use crate::{
    config::{Usage, usage::usage},
    control::{follow, network},
    loader::{Pins, preflight},
    render,
    tables::Tables,
};

/// A NAT gateway with VPN passthrough: PPTP, IPsec, L2TP and GRE get through, many clients to one server.
#[derive(Debug, Parser)]
#[command(
    name = "passthrough",
    version,
    disable_help_subcommand = true,
    after_help = "Example:\n  passthrough up --wan eth0 --enable pptp,ipsec,l2tp\n  passthrough status\n  passthrough check\n\n\
                  Exit codes: 0 done, or nothing wrong; 1 failed, or faults found; 2 the command was not understood."
)]
pub struct Cli {
    #[command(flatten)]
    global: Global,
    #[command(subcommand)]
    command: Command,
}

/// Options that every command takes.
#[derive(Debug, Clone, Args)]
pub struct Global {
    /// Show JSON instead of text
    #[arg(long, global = true)]
    pub json: bool,
    /// Directory of a BPF file system that keeps the kernel objects [default: one for each network namespace]
    #[arg(long, global = true, value_name = "DIR", env = "PASSTHROUGH_PIN_DIR", hide_env_values = true)]
    pub pin_dir: Option<PathBuf>,
}

#[derive(Debug, Subcommand)]
enum Command {
    Up(Box<up::Up>),
    Down(down::Down),
    Enable(enable::Enable),
    Disable(disable::Disable),
    Plain(plain::Plain),
    Forward(forward::Forward),
    Status(status::Status),
    Sessions(sessions::Sessions),
    Stats(stats::Stats),
    Check(check::Check),
    Flush(flush::Flush),
    Completions(completions::Completions),
    Man(man::Man),
}

/// How a command ended, if it did not fail.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Outcome {
    /// Exit code 0.
    Fine,
    /// Exit code 1: it did its work and found faults.
    Faults,
}

/// The definition of all commands, for help, completions and the man page.
pub fn definition() -> clap::Command {
    Cli::command()
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    let answer = Cli::try_parse().map_err(refusal).and_then(|cli| dispatch(cli).map_err(Some));
    match answer {
        Ok(Outcome::Fine) | Err(None) => ExitCode::SUCCESS,
        Ok(Outcome::Faults) => ExitCode::from(1),
        Err(Some(error)) => {
            anstream::eprintln!("passthrough: {error:#}");
            ExitCode::from(if error.is::<Usage>() { 2 } else { 1 })
        }
    }
}

/// The error of arguments that were not understood, in one line; `None` where help or version was asked for.
fn refusal(error: clap::Error) -> Option<anyhow::Error> {
    use clap::error::ErrorKind;
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        // A reader that went away is no fault.
        let _ = error.print();
        return None;
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Some(usage("no command given: `passthrough --help` lists them"));
    }
    let text = error.to_string();
    let first: Vec<&str> = text.lines().take_while(|line| !line.trim().is_empty()).map(str::trim).collect();
    let line = first.join(" ");
    Some(usage(format!("{} (see `passthrough --help`)", line.strip_prefix("error: ").unwrap_or(&line))))
}

fn dispatch(cli: Cli) -> anyhow::Result<Outcome> {
    let global = &cli.global;
    match cli.command {
        Command::Up(up) => up.run(global),
        Command::Down(down) => down.run(global),
        Command::Enable(enable) => enable.run(global),
        Command::Disable(disable) => disable.run(global),
        Command::Plain(plain) => plain.run(global),
        Command::Forward(forward) => forward.run(global),
        Command::Status(status) => status.run(global),
        Command::Sessions(sessions) => sessions.run(global),
        Command::Stats(stats) => stats.run(global),
        Command::Check(check) => check.run(global),
        Command::Flush(flush) => flush.run(global),
        Command::Completions(completions) => completions.run(),
        Command::Man(man) => man.run(),
    }
}

impl Global {
    /// The directory of pins.
    pub fn pins(&self) -> Pins {
        Pins::locate(self.pin_dir.clone())
    }

    /// The tables of the gateway that is up, after it has caught up with the machine's addresses.
    pub fn tables(&self) -> anyhow::Result<Tables> {
        preflight::rights()?;
        let tables = Tables::open(&self.pins())?;
        for note in follow::follow(&tables, &network::read()?)? {
            render::note(&note);
        }
        Ok(tables)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_definition_holds_together() {
        definition().debug_assert();
    }

    #[test]
    fn every_command_has_an_example_in_its_help() {
        for command in definition().get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            assert!(help.contains("Example"), "{}", command.get_name());
        }
    }

    #[test]
    fn what_is_not_understood_is_told_in_one_line() {
        for words in [
            &["passthrough"][..],
            &["passthrough", "upp"],
            &["passthrough", "up", "--wann", "x"],
            &["passthrough", "completions"],
        ] {
            let error = refusal(Cli::try_parse_from(words).expect_err("not understood")).expect("an error");
            let line = format!("{error:#}");
            assert!(!line.contains('\n') && error.is::<Usage>(), "{line}");
        }
        assert!(refusal(Cli::try_parse_from(["passthrough", "--help"]).expect_err("help")).is_none());
    }
}
