//! `passthrough sessions`.

use std::net::Ipv4Addr;

use clap::Args;
use passthrough_common::abi::Class;

use super::{Global, Outcome};
use crate::{
    config::{protocols, usage::usage},
    control::now,
    render::{self, sessions},
    tables::sessions::{Pair, pairs},
};

/// List sessions: endpoints, call IDs, SPIs, cookies, tunnel IDs, idle time and bytes
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  passthrough sessions\n  passthrough sessions --protocol ipsec --server 203.0.113.9\n  \
                        passthrough sessions --host 192.168.1.10 --json"
)]
pub struct Sessions {
    /// Only this protocol: tcp, udp, icmp, or the name of a switch
    #[arg(long, value_name = "NAME")]
    protocol: Option<String>,
    /// Only this inside host
    #[arg(long, value_name = "ADDRESS")]
    host: Option<String>,
    /// Only this server
    #[arg(long, value_name = "ADDRESS")]
    server: Option<String>,
}

/// Which sessions are wanted.
struct Filter {
    classes: Option<Vec<Class>>,
    host: Option<Ipv4Addr>,
    server: Option<Ipv4Addr>,
}

impl Filter {
    fn takes(&self, pair: &Pair) -> bool {
        self.classes.as_ref().is_none_or(|classes| classes.contains(&pair.class()))
            && self.host.is_none_or(|host| pair.inside().address == host)
            && self.server.is_none_or(|server| pair.server().address == server)
    }
}

/// An address in an option.
pub fn address(option: &str, word: Option<&str>) -> anyhow::Result<Option<Ipv4Addr>> {
    word.map(|word| {
        word.parse().map_err(|_| usage(format!("'{word}' is not an IPv4 address: {option} 192.168.1.10")))
    })
    .transpose()
}

impl Sessions {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let filter = Filter {
            classes: self.protocol.as_deref().map(protocols::any).transpose()?,
            host: address("--host", self.host.as_deref())?,
            server: address("--server", self.server.as_deref())?,
        };
        let tables = global.tables()?;
        let (settings, controls, now) = (tables.settings()?, tables.controls()?, now());
        let sessions = pairs(&tables.sessions()?, &settings, now)
            .iter()
            .filter(|pair| filter.takes(pair))
            .map(|pair| sessions::Row::new(pair, &controls, now))
            .collect();
        render::show(&sessions::Sessions { sessions }, global.json)?;
        Ok(Outcome::Fine)
    }
}
