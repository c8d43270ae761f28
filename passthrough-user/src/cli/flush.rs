//! `passthrough flush`.

use clap::Args;

use super::{Global, Outcome, sessions::address};
use crate::{
    config::protocols,
    control::flush,
    render::{self, bring},
};

/// End sessions: all of them, or those of a protocol or an inside host
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough flush\n  passthrough flush --protocol pptp\n  \
                        passthrough flush --host 192.168.1.10\n\n\
                        Clients that go on sending get new sessions, if the switch lets them.")]
pub struct Flush {
    /// Only this protocol: tcp, udp, icmp, or the name of a switch
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Only this inside host, all its protocols
    #[arg(long, value_name = "ADDRESS", conflicts_with = "protocol")]
    host: Option<String>,
}

impl Flush {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let classes = self.protocol.as_deref().map(protocols::any).transpose()?.unwrap_or_default();
        let host = address("--host", self.host.as_deref())?;
        let entries_removed = flush::flush(&global.tables()?, &classes, host)?;
        render::show(&bring::Flush { entries_removed }, global.json)?;
        Ok(Outcome::Fine)
    }
}
