//! `passthrough disable`.

use clap::Args;
use passthrough_common::abi::Switch;

use super::{Global, Outcome, enable};
use crate::config::protocols;

/// Block protocols in both directions, running sessions too
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough disable pptp\n  passthrough disable all\n\n\
                        When the command has returned, not one packet more of these protocols passes.")]
pub struct Disable {
    /// Protocols, parted by spaces or commas
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Disable {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        enable::turn(global, &protocols::switches(&self.names)?, Switch::Off, None)
    }
}
