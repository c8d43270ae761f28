//! What is in the tables, in memory or in the kernel: to be held against each other, or made the same.

use std::collections::HashMap;
use std::fmt::Debug;
use std::hash::Hash;

use anyhow::Result;
use aya::Pod;
use aya::maps::{HashMap as Table, MapData};
use passthrough_common::abi::{
    Binding, BindingKey, Class, Control, Epoch, Fragment, FragmentKey, Host as HostRecord, HostKey, PeerKey,
    Peers, Session, SessionKey, Settings, Ticks,
};
use passthrough_common::seam::host::{Gateway, Memory};

/// Every table that packets write.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct State {
    /// Session entries.
    pub sessions: HashMap<SessionKey, Session>,
    /// Binding entries.
    pub bindings: HashMap<BindingKey, Binding>,
    /// Inside hosts.
    pub hosts: HashMap<HostKey, HostRecord>,
    /// Fragmented datagrams.
    pub fragments: HashMap<FragmentKey, Fragment>,
    /// PPTP control connections.
    pub controls: HashMap<SessionKey, Control>,
    /// Peers of VPN servers.
    pub peers: HashMap<PeerKey, Peers>,
}

impl State {
    /// What is in the tables of a gateway in memory.
    pub fn of(gateway: &Gateway) -> State {
        State {
            sessions: dumped(&gateway.sessions),
            bindings: dumped(&gateway.bindings),
            hosts: dumped(&gateway.hosts),
            fragments: dumped(&gateway.fragments),
            controls: dumped(&gateway.controls),
            peers: dumped(&gateway.peers),
        }
    }

    /// Puts it into the tables of a gateway in memory. Ways out are asked for anew: those are tables of their own.
    pub fn put_into(self, gateway: &Gateway, settings: &Settings, now: Ticks) {
        let unasked = Epoch::of(settings, now).unasked();
        let again = |(key, mut session): (SessionKey, Session)| {
            session.exit = unasked;
            (key, session)
        };
        gateway.sessions.adopt(self.sessions.into_iter().map(again));
        gateway.bindings.adopt(self.bindings);
        gateway.hosts.adopt(self.hosts);
        gateway.fragments.adopt(self.fragments);
        gateway.controls.adopt(self.controls);
        gateway.peers.adopt(self.peers);
    }

    /// The same without what the clock has written, which runs on between one side and the other, and without ways out.
    #[must_use]
    pub fn timeless(mut self) -> State {
        for session in self.sessions.values_mut() {
            (session.seen, session.renewed, session.exit) = (Ticks(0), 0, 0);
            if session.class() == Class::Esp {
                // When its SPI was learned.
                session.mark = 0;
            }
        }
        for host in self.hosts.values_mut() {
            (host.second, host.opened) = (0, 0);
        }
        for fragment in self.fragments.values_mut() {
            fragment.opened = Ticks(0);
        }
        for peers in self.peers.values_mut() {
            (peers.unknown_since, peers.settled) = (Ticks(0), Ticks(0));
            for peer in &mut peers.hosts {
                (peer.seen, peer.esp_since) = (Ticks(0), Ticks(0));
                (peer.window_at, peer.waits_since) = (Ticks(0), Ticks(0));
            }
        }
        self
    }

    /// Entries that are not the same in both, by table: that of [`TABLES`](super::differential::TABLES).
    pub fn changes(&self, other: &State) -> [Vec<Change>; 6] {
        [
            changed(&self.sessions, &other.sessions),
            changed(&self.bindings, &other.bindings),
            changed(&self.hosts, &other.hosts),
            changed(&self.fragments, &other.fragments),
            changed(&self.controls, &other.controls),
            changed(&self.peers, &other.peers),
        ]
    }

    /// The same, in words.
    pub fn differences(&self, other: &State) -> Vec<String> {
        let tables = self.changes(other).into_iter().zip(super::differential::TABLES);
        tables
            .flat_map(|(changes, name)| {
                changes.into_iter().map(move |change| format!("{name}: {}", change.says))
            })
            .collect()
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.sessions.len()
            + self.bindings.len()
            + self.hosts.len()
            + self.fragments.len()
            + self.controls.len()
            + self.peers.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

fn dumped<K, V>(table: &Memory<K, V>) -> HashMap<K, V>
where
    K: Hash + Eq + Copy,
    V: Copy + PartialEq + Hash,
{
    table.dump().into_iter().collect()
}

/// Every entry of a table of the kernel.
///
/// # Errors
///
/// If it can't be read.
pub fn read<K: Pod + Hash + Eq, V: Pod>(table: &Table<MapData, K, V>) -> Result<HashMap<K, V>> {
    Ok(table.iter().collect::<Result<_, _>>()?)
}

/// An entry that is another one, or is not there, in one of two states.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Change {
    /// Whether only the second has it.
    pub made: bool,
    /// What it is.
    pub says: String,
}

fn changed<K, V>(one: &HashMap<K, V>, other: &HashMap<K, V>) -> Vec<Change>
where
    K: Hash + Eq + Debug,
    V: PartialEq + Debug,
{
    let mut found = Vec::new();
    for (key, value) in one {
        let says = match other.get(key) {
            Some(there) if there == value => continue,
            Some(there) => format!("{key:?}: {value:?} here, {there:?} there"),
            None => format!("{key:?}: {value:?} here, none there"),
        };
        found.push(Change { made: false, says });
    }
    let only = other.iter().filter(|(key, _)| !one.contains_key(key));
    found.extend(
        only.map(|(key, value)| Change { made: true, says: format!("{key:?}: none here, {value:?} there") }),
    );
    found
}
