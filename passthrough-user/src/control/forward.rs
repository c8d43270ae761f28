//! Port forwards: adds them where nothing stands in the way, and takes them away with their sessions.

use std::net::Ipv4Addr;

use anyhow::bail;
use passthrough_common::{
    abi::{
        Class, Session, SessionKey, Settings, Side, Space, Switch, View,
        forward::FORWARDS,
        session::{Rewrite, flag},
    },
    proto::number,
};

use super::{
    listeners::{self, Listener},
    network, quiesce,
};
use crate::{
    config::{
        Network, Prefix,
        forward::{Rule, Service},
    },
    loader::run::{self, Sweep},
    tables::Tables,
};

/// What a forward is held against.
pub struct Ground<'a> {
    /// The settings, as they will be.
    pub settings: &'a Settings,
    /// LAN interfaces, by index.
    pub lans: &'a [u32],
    /// The machine.
    pub network: &'a Network,
    /// Sockets of the gateway.
    pub listeners: &'a [Listener],
}

/// Adds rules, all or none. Answers those that were not there yet.
pub fn add(tables: &Tables, rules: &[Rule]) -> anyhow::Result<Vec<Rule>> {
    let _lock = tables.pins().lock()?;
    let (settings, network) = (tables.settings()?, network::read()?);
    let lans: Vec<u32> = tables
        .interfaces()?
        .into_values()
        .filter(|interface| interface.side == Side::Inside as u8)
        .map(|interface| interface.index)
        .collect();
    let listeners = listeners::read()?;
    let ground = Ground { settings: &settings, lans: &lans, network: &network, listeners: &listeners };
    let standing = tables.forwards()?;
    let added = fresh(rules, &standing, &ground)?;
    write(tables, &standing, &added)?;
    Ok(added)
}

/// Writes rules beside those that stand; takes back what it has written if that fails.
pub fn write(tables: &Tables, standing: &[Rule], added: &[Rule]) -> anyhow::Result<()> {
    let all: Vec<Rule> = standing.iter().chain(added).copied().collect();
    let written = tables.write_forwards(standing, &all);
    if written.is_err() {
        // The first fault is the one to tell.
        let _ = tables.write_forwards(&all, standing);
    }
    written
}

/// The rules that are not there yet, if none of them meets a conflict.
pub fn fresh(rules: &[Rule], standing: &[Rule], ground: &Ground<'_>) -> anyhow::Result<Vec<Rule>> {
    let mut added: Vec<Rule> = Vec::new();
    for rule in rules {
        let mut known = standing.iter().chain(&added);
        if known.clone().any(|known| known == rule) {
            continue;
        }
        if let Some(other) = known.find(|known| known.service.overlaps(&rule.service)) {
            bail!(
                "{} is forwarded to {} already: `passthrough forward del {}` first",
                other.service,
                other.host,
                other.service
            );
        }
        if let Some(other) = standing.iter().chain(&added).find(|known| known.meets(rule)) {
            bail!(
                "{} reaches the same port of {} already, which answers from one outside port (RFC 4787): \
                 `passthrough forward del {}` first",
                other.service,
                other.host,
                other.service
            );
        }
        judge(rule, ground)?;
        added.push(*rule);
    }
    let ports: usize = standing.iter().chain(&added).map(|rule| rule.service.ports().len()).sum();
    if ports > FORWARDS as usize {
        bail!("{ports} ports would be forwarded, and there is room for {FORWARDS}: forward smaller ranges");
    }
    Ok(added)
}

fn judge(rule: &Rule, ground: &Ground<'_>) -> anyhow::Result<()> {
    is_inside(rule.host, ground)?;
    for class in rule.service.classes(ground.settings) {
        if ground.settings.switch(class) == Switch::Off {
            bail!(
                "{} is {}'s, which is off: `passthrough enable {}` first",
                rule.service,
                class.name(),
                class.name()
            );
        }
    }
    let outside = |listener: &&Listener| {
        rule.service.first != 0
            && rule.service.covers(listener.protocol, listener.port)
            && (listener.address.is_unspecified()
                || ground.settings.is_outside_address(u32::from(listener.address)))
    };
    if let Some(listener) = ground.listeners.iter().find(outside) {
        let service = Service { first: listener.port, last: listener.port, ..rule.service };
        bail!(
            "the gateway itself listens on {service}: have that service listen on a LAN address alone, stop it, or \
             forward another port"
        );
    }
    Ok(())
}

/// Whether the routing table has the host behind a LAN interface.
fn is_inside(host: Ipv4Addr, ground: &Ground<'_>) -> anyhow::Result<()> {
    let network = ground.network;
    if network.devices.iter().any(|device| device.addresses.iter().any(|prefix| prefix.address == host)) {
        bail!("{host} is the gateway itself: what it serves needs no forward");
    }
    let closest = network
        .devices
        .iter()
        .flat_map(|device| {
            network.behind(device.index).into_iter().map(|prefix| (prefix.length, device.index, prefix))
        })
        .filter(|(_, _, prefix)| prefix.contains(host))
        .max_by_key(|(length, ..)| *length);
    if closest.is_some_and(|(_, index, _)| ground.lans.contains(&index)) {
        return Ok(());
    }
    let networks: Vec<String> = ground
        .lans
        .iter()
        .flat_map(|index| network.behind(*index))
        .map(|prefix: Prefix| prefix.to_string())
        .collect();
    bail!("{host} does not lie inside: LAN interfaces lead to {}", networks.join(", "))
}

/// What was taken away.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Gone {
    /// The rules.
    pub rules: Vec<Rule>,
    /// Entries of the session table that went with them.
    pub entries: u64,
}

/// Takes away the rules of these services, of this host alone if one is named, and ends their sessions.
pub fn remove(tables: &Tables, services: &[Service], host: Option<Ipv4Addr>) -> anyhow::Result<Gone> {
    let _lock = tables.pins().lock()?;
    let standing = tables.forwards()?;
    let wanted = |rule: &Rule| services.contains(&rule.service) && host.is_none_or(|host| rule.host == host);
    let (gone, kept): (Vec<Rule>, Vec<Rule>) = standing.iter().partition(|rule| wanted(rule));
    if gone.is_empty() {
        let words: Vec<String> = services.iter().map(ToString::to_string).collect();
        let of = host.map(|host| format!(" to {host}")).unwrap_or_default();
        bail!("no forward of {}{of}: `passthrough forward list` shows what there is", words.join(", "));
    }
    tables.write_forwards(&standing, &kept)?;
    quiesce()?;
    let entries = tables.remove_sessions(|key, session| gone.iter().any(|rule| made(rule, key, session)))?;
    // What belonged to them.
    run::sweep(tables.pins(), &Sweep::default())?;
    Ok(Gone { rules: gone, entries })
}

/// Whether an entry of the session table is of a session that a rule has let in.
fn made(rule: &Rule, key: &SessionKey, session: &Session) -> bool {
    let (inside, own_port, outside_port) = match key.view() {
        View::Outbound | View::QuotedInside | View::Held => (key.local(), key.local_id(), session.id),
        View::Inbound | View::Quoted | View::Permit | View::Taken => {
            (session.address, session.id, key.local_id())
        }
    };
    if inside != u32::from(rule.host) {
        return false;
    }
    let service = &rule.service;
    match key.space() {
        // What a client has begun has a binding.
        Space::Ports if session.has(flag::BOUND) => false,
        // A kept port has no other outside.
        Space::Ports if session.class() == Class::L2tp && session.rewrite() == Rewrite::Address as u8 => {
            service.covers(number::UDP, own_port)
        }
        Space::Ports => service.covers(key.protocol(), outside_port),
        Space::InitiatorSpi => service.covers(number::UDP, 500),
        Space::TunnelId => service.covers(number::UDP, 1701),
        Space::CallId => {
            let serves = session.has(flag::SERVER_INSIDE) || key.selector() == 0;
            serves && service.covers(number::TCP, 1723)
        }
        Space::Identifier => false,
        Space::Host | Space::GreKey | Space::Spi => service.covers(key.protocol(), 0),
    }
}

#[cfg(test)]
mod tests {
    use passthrough_common::abi::Ranges;

    use super::*;
    use crate::config::{forward, network::Device};

    fn rule(text: &str) -> Rule {
        let words: Vec<String> = text.split_whitespace().map(ToString::to_string).collect();
        forward::rules(&words).expect(text)[0]
    }

    fn machine() -> Network {
        let device = |index, name: &str, address: [u8; 4]| Device {
            index,
            name: name.into(),
            addresses: vec![Prefix::new(address.into(), 24)],
            ..Device::default()
        };
        Network {
            devices: vec![device(2, "wan0", [5, 6, 7, 8]), device(3, "lan0", [192, 168, 1, 1])],
            routes: Vec::new(),
        }
    }

    fn judged(text: &str, standing: &[&str]) -> Result<Vec<Rule>, String> {
        let pool = Ranges::one(u32::from_be_bytes([5, 6, 7, 8]));
        let settings = Settings { pool, ..Settings::DEFAULT };
        let listeners = [
            Listener { protocol: 6, address: Ipv4Addr::UNSPECIFIED, port: 22 },
            Listener { protocol: 17, address: Ipv4Addr::new(192, 168, 1, 1), port: 53 },
        ];
        let network = machine();
        let ground = Ground { settings: &settings, lans: &[3], network: &network, listeners: &listeners };
        let standing: Vec<Rule> = standing.iter().map(|text| rule(text)).collect();
        fresh(&[rule(text)], &standing, &ground).map_err(|error| error.to_string())
    }

    #[test]
    fn what_stands_in_the_way_is_told_in_one_line() {
        for (text, standing, word) in [
            ("tcp 80 192.168.1.10", &["tcp 80-90 192.168.1.11"][..], "forward del tcp 80-90"),
            ("tcp 8080 192.168.1.10:80", &["tcp 80 192.168.1.10"], "answers from one outside port"),
            ("tcp 20-30 192.168.1.10", &[], "listens on tcp 22"),
            ("tcp 80 10.0.0.1", &[], "192.168.1.0/24"),
            ("tcp 80 5.6.7.9", &[], "does not lie inside"),
            ("tcp 80 192.168.1.1", &[], "gateway itself"),
            ("pptp 192.168.1.10", &[], "passthrough enable pptp"),
            ("esp 192.168.1.10", &[], "passthrough enable esp"),
            ("tcp 20000-50000 192.168.1.10", &[], "room for 16384"),
        ] {
            let line = judged(text, standing).expect_err(text);
            assert!(line.contains(word) && !line.contains('\n'), "{line}");
        }
    }

    #[test]
    fn what_is_there_already_is_no_conflict() {
        assert_eq!(judged("tcp 80 192.168.1.10", &["tcp 80 192.168.1.10"]), Ok(Vec::new()));
        assert_eq!(judged("udp 53 192.168.1.10", &["tcp 53 192.168.1.11"]).expect("free").len(), 1);
    }

    #[test]
    fn a_rule_takes_its_own_sessions_with_it_and_no_others() {
        let remote = (u32::from_be_bytes([9, 9, 9, 9]), 5000);
        let host = u32::from_be_bytes([192, 168, 1, 10]);
        let outside = u32::from_be_bytes([5, 6, 7, 8]);
        let half = |class, rewrite, to, flags| Session::new(class, rewrite, to, flags);
        let outbound = SessionKey::ports(View::Outbound, remote, (host, 80), 6);
        let inbound = SessionKey::ports(View::Inbound, remote, (outside, 8080), 6);
        let web = rule("tcp 8080 192.168.1.10:80");
        assert!(made(&web, &outbound, &half(Class::Tcp, Rewrite::Port, (outside, 8080), 0)));
        assert!(made(&web, &inbound, &half(Class::Tcp, Rewrite::Port, (host, 80), 0)));
        assert!(
            !made(&web, &outbound, &half(Class::Tcp, Rewrite::Port, (outside, 80), 0)),
            "another outside port"
        );
        let client = half(Class::Tcp, Rewrite::Port, (outside, 8080), flag::BOUND);
        assert!(!made(&web, &outbound, &client), "a client's own");
        assert!(!made(
            &rule("tcp 8080 192.168.1.11:80"),
            &inbound,
            &half(Class::Tcp, Rewrite::Port, (host, 80), 0)
        ));
        let call = SessionKey::new(View::Outbound, remote.0, host, 47, Space::CallId, 7);
        let served = half(Class::Pptp, Rewrite::Address, (outside, 7), flag::SERVER_INSIDE);
        assert!(made(&rule("pptp 192.168.1.10"), &call, &served));
        assert!(!made(&rule("gre 192.168.1.10"), &call, &served));
        assert!(!made(
            &rule("pptp 192.168.1.10"),
            &call,
            &half(Class::Pptp, Rewrite::Address, (outside, 7), 0)
        ));
    }
}
