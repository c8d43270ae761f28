//! `passthrough forward`.

use std::net::Ipv4Addr;

use clap::{Args, Subcommand};
use passthrough_common::{abi::Settings, session::pool};

use super::{Global, Outcome};
use crate::{
    config::forward::{self, Rule},
    control::forward as control,
    render::{self, forward as shown},
};

/// Let servers inside be reached from outside: add, list and delete port forwards
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough forward add tcp 8080 192.168.1.10:80\n  \
                        passthrough forward add pptp 192.168.1.10\n  passthrough forward list\n  \
                        passthrough forward del tcp 8080\n\n\
                        Your firewall still decides: a new connection meets its forward chain with the inside address.")]
pub struct Forward {
    #[command(subcommand)]
    what: What,
}

#[derive(Debug, Subcommand)]
enum What {
    /// Add a forward: tcp|udp PORTS HOST[:PORT], or esp, gre, ipip, 6in4, l2tpv3, pptp, ipsec, l2tp HOST
    #[command(after_help = "Examples:\n  passthrough forward add udp 51820 192.168.1.5\n  \
                      passthrough forward add tcp 5000-5010 192.168.1.10\n  passthrough forward add ipsec 192.168.1.10\n\n\
                      pptp: TCP 1723 with its GRE. ipsec: UDP 500, UDP 4500 and ESP. l2tp: UDP 1701.")]
    Add(Words),
    /// List the forwards
    #[command(after_help = "Examples:\n  passthrough forward list\n  passthrough forward list --json")]
    List,
    /// Delete a forward and end its sessions: tcp|udp PORTS, or the name of a protocol or VPN
    #[command(
        after_help = "Examples:\n  passthrough forward del tcp 5000-5010\n  passthrough forward del ipsec"
    )]
    Del(Words),
}

#[derive(Debug, Args)]
struct Words {
    /// The rule, word by word
    #[arg(required = true, value_name = "WORD")]
    words: Vec<String>,
}

impl Forward {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        match &self.what {
            What::Add(words) => {
                let rules = forward::rules(&words.words)?;
                let tables = global.tables()?;
                let added = control::add(&tables, &rules)?;
                let settings = tables.settings()?;
                let forwards = rules
                    .iter()
                    .map(|rule| shown::Added { forward: row(rule, &settings), is_new: added.contains(rule) })
                    .collect();
                render::show(&shown::Add { forwards }, global.json)?;
            }
            What::List => {
                let tables = global.tables()?;
                let settings = tables.settings()?;
                let forwards = tables.forwards()?.iter().map(|rule| row(rule, &settings)).collect();
                render::show(&shown::Forwards { forwards }, global.json)?;
            }
            What::Del(words) => {
                let (services, host) = forward::removal(&words.words)?;
                let tables = global.tables()?;
                let gone = control::remove(&tables, &services, host)?;
                let settings = tables.settings()?;
                let forwards = gone.rules.iter().map(|rule| row(rule, &settings)).collect();
                render::show(&shown::Del { forwards, entries_removed: gone.entries }, global.json)?;
            }
        }
        Ok(Outcome::Fine)
    }
}

fn row(rule: &Rule, settings: &Settings) -> shown::Row {
    let ports = (rule.service.first != 0).then_some((rule.service.first, rule.service.last));
    let outside = pool::paired(settings, u32::from(rule.host));
    shown::Row {
        protocol: rule.service.protocol_name(),
        outside_address: Ipv4Addr::from(outside).to_string(),
        first_port: ports.map(|(first, _)| first),
        last_port: ports.map(|(_, last)| last),
        host: rule.host.to_string(),
        inside_port: ports.map(|_| rule.inside),
        switches: rule
            .service
            .classes(settings)
            .into_iter()
            .filter(|class| passthrough_common::abi::Class::SWITCHED.contains(class))
            .map(|class| shown::Gate { protocol: class.name(), switch: settings.switch(class).name() })
            .collect(),
    }
}
