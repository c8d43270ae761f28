//! `passthrough check`.

use clap::Args;
use passthrough_common::abi::Class;

use super::{Global, Outcome};
use crate::{
    config::protocols,
    control::{check, network},
    render::{self, check as shown},
};

/// Find out whether the passthrough is really active, and what keeps it from being so
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough check\n  passthrough check pptp\n\n\
                        Exit code 0: no faults. 1: at least one fault, each with its fix.")]
pub struct Check {
    /// Only this protocol: tcp, udp, icmp, or the name of a switch [default: all]
    protocol: Option<String>,
}

impl Check {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let classes = match &self.protocol {
            Some(name) => protocols::any(name)?,
            None => Class::ALL.to_vec(),
        };
        let tables = global.tables()?;
        let check =
            shown::Check::new(check::check(&tables, &network::read()?, &classes, self.protocol.is_some())?);
        let outcome = if check.faults == 0 { Outcome::Fine } else { Outcome::Faults };
        render::show(&check, global.json)?;
        Ok(outcome)
    }
}
