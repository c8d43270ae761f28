//! `passthrough plain`.

use clap::Args;
use passthrough_common::abi::Switch;

use super::{Global, Outcome, enable};
use crate::config::protocols;

/// Translate protocols by address only: one client a server, nothing read inside packets
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  passthrough plain esp\n\n\
                        Names: pptp, ipsec (= ike, nat-t, esp, ah), l2tp, gre, ipip, all of these")]
pub struct Plain {
    /// Protocols, parted by spaces or commas
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
}

impl Plain {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        enable::turn(global, &protocols::plain(&self.names)?, Switch::Plain, None)
    }
}
