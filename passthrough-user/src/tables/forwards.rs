//! The table of port forwards: rules to entries, port by port, and entries to rules.

use std::{
    collections::{BTreeMap, HashMap},
    net::Ipv4Addr,
};

use anyhow::Context;
use aya::maps::{HashMap as KernelHash, MapData};
use passthrough_common::abi::{BindingKey, Direction, Forward, names::map};

use super::{Tables, snapshot};
use crate::config::forward::{Rule, Service};

impl Tables {
    fn forward_entries(&self) -> anyhow::Result<KernelHash<MapData, BindingKey, Forward>> {
        self.hash(map::FORWARDS)
    }

    /// The port forwards, in order.
    pub fn forwards(&self) -> anyhow::Result<Vec<Rule>> {
        Ok(rules(&snapshot(&self.forward_entries()?).context("reading the port forwards")?))
    }

    /// Makes the entries those of `after` where they were those of `before`. An outside end comes last and goes first: a
    /// host that is reached is known.
    pub fn write_forwards(&self, before: &[Rule], after: &[Rule]) -> anyhow::Result<()> {
        let mut entries = self.forward_entries()?;
        let (old, new) = (ends(before), ends(after));
        for key in old.keys().rev().filter(|key| !new.contains_key(key)) {
            entries.remove(&key.key()).context("removing a port forward")?;
        }
        for (key, end) in new.iter().filter(|(key, end)| old.get(key) != Some(end)) {
            entries.insert(key.key(), end, 0).context("writing a port forward")?;
        }
        Ok(())
    }
}

/// A key in the order of writing: inside ends, then outside ends.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct End {
    outside: bool,
    protocol: u8,
    address: u32,
    port: u16,
}

impl End {
    fn of(key: &BindingKey) -> End {
        End {
            outside: key.direction() == Direction::Inbound,
            protocol: key.protocol(),
            address: key.address(),
            port: key.id(),
        }
    }

    fn key(&self) -> BindingKey {
        if self.outside {
            Forward::outside(self.protocol, self.port)
        } else {
            Forward::inside(self.protocol, (self.address, self.port))
        }
    }
}

/// All entries of these rules, of which no two meet at an inside end.
fn ends(rules: &[Rule]) -> BTreeMap<End, Forward> {
    let mut ends = BTreeMap::new();
    for rule in rules {
        let Service { protocol, first, .. } = rule.service;
        for port in rule.service.ports() {
            let to = (u32::from(rule.host), rule.inside_of(port));
            for (key, end) in Forward::ends(protocol, port, first, to) {
                ends.insert(End::of(&key), end);
            }
        }
    }
    ends
}

/// The rules that made these entries.
fn rules(entries: &HashMap<BindingKey, Forward>) -> Vec<Rule> {
    let mut ports: Vec<(u8, u16, Forward)> = entries
        .iter()
        .filter(|(key, _)| key.direction() == Direction::Inbound)
        .map(|(key, end)| (key.protocol(), key.id(), *end))
        .collect();
    ports.sort_unstable_by_key(|(protocol, port, _)| (*protocol, *port));
    let mut rules: Vec<Rule> = Vec::new();
    for (protocol, port, end) in ports {
        match rules.last_mut() {
            Some(rule) if rule.service.protocol == protocol && rule.service.first == end.first => {
                rule.service.last = port;
            }
            _ => rules.push(Rule {
                service: Service { protocol, first: port, last: port },
                host: Ipv4Addr::from(end.host),
                inside: end.port,
            }),
        }
    }
    rules
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rule(protocol: u8, first: u16, last: u16, host: u8, inside: u16) -> Rule {
        let host = Ipv4Addr::new(192, 168, 1, host);
        Rule { service: Service { protocol, first, last }, host, inside }
    }

    #[test]
    fn rules_are_read_as_they_were_written() {
        let written = [
            rule(6, 80, 80, 10, 80),
            rule(6, 81, 90, 10, 8081),
            rule(17, 51820, 51820, 11, 51820),
            rule(50, 0, 0, 10, 0),
        ];
        let entries = ends(&written).iter().map(|(end, forward)| (end.key(), *forward)).collect();
        assert_eq!(rules(&entries), written);
    }

    #[test]
    fn inside_ends_come_before_outside_ends() {
        let order: Vec<bool> = ends(&[rule(6, 80, 82, 10, 80)]).keys().map(|end| end.outside).collect();
        assert_eq!(order, [false, false, false, true, true, true]);
    }
}
