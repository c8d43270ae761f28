//! `passthrough enable`.

use clap::Args;
use passthrough_common::abi::{Class, Switch};

use super::{Global, Outcome};
use crate::{
    config::{L2tpPort, protocols, usage::usage},
    control::switches,
    render::{self, bring},
};

/// Let protocols through, many clients to one server
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  passthrough enable pptp ipsec\n  passthrough enable l2tp --port keep\n\n\
                        Names: pptp, ipsec (= ike, nat-t, esp, ah), l2tp, gre, ipip, openvpn, wireguard, sstp, all"
)]
pub struct Enable {
    /// Protocols, parted by spaces or commas
    #[arg(required = true, value_name = "NAME")]
    names: Vec<String>,
    /// For l2tp: keep source port 1701 (for servers that insist on it) or translate it
    #[arg(long, value_name = "RULE")]
    port: Option<String>,
}

impl Enable {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let classes = protocols::switches(&self.names)?;
        let rule = self.port.as_deref().map(L2tpPort::parse).transpose()?;
        if rule.is_some() && !classes.contains(&Class::L2tp) {
            return Err(usage("--port is for l2tp: `passthrough enable l2tp --port keep`"));
        }
        turn(global, &classes, Switch::Full, rule)
    }
}

/// Turns switches and shows what that did.
pub fn turn(
    global: &Global,
    classes: &[Class],
    position: Switch,
    rule: Option<L2tpPort>,
) -> anyhow::Result<Outcome> {
    let done = switches::turn(&global.tables()?, classes, position, rule)?;
    let word = |class: Class, switch: Switch| match switch {
        Switch::Full if class.is_ordinary() => "on",
        switch => switch.name(),
    };
    let switches = done
        .turned
        .iter()
        .map(|turned| bring::Turned {
            protocol: turned.class.name(),
            before: word(turned.class, turned.before),
            after: word(turned.class, turned.after),
        })
        .collect();
    render::show(&bring::Switches { switches, entries_removed: done.removed }, global.json)?;
    Ok(Outcome::Fine)
}
