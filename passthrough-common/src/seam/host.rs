//! The host doubles of every trait: tables in memory, a clock that is set, randomness from a seed.

use core::cell::{Cell, RefCell};
use core::hash::{Hash, Hasher as _};
use std::collections::HashMap;
use std::hash::DefaultHasher;
use std::vec::Vec;

use super::{
    Arrival, Clock, Entropy, Exits, Held, Hop, NextHop, Packet, Refused, Remote, Report, Route, Table,
    Tables, Towards,
};
use crate::abi::exit::EXITS;
use crate::abi::{
    Binding, BindingKey, Call, Class, Control, Counter, Direction, Event, Exit, Field, Forward, Fragment,
    FragmentKey, Host, HostKey, Interface, Link, PeerKey, Peers, Ranges, Reason, Session, SessionKey,
    Settings, Side, Stream, Ticks, View, settings,
};

/// A frame in memory.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Frame(pub Vec<u8>);

impl Packet for Frame {
    fn len(&self) -> u32 {
        self.0.len() as u32
    }

    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        self.0.get(at as usize..at as usize + N)?.try_into().ok()
    }

    fn store<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> bool {
        match self.0.get_mut(at as usize..at as usize + N) {
            Some(place) => {
                place.copy_from_slice(&bytes);
                true
            }
            None => false,
        }
    }
}

/// A table in memory, of bounded size.
#[derive(Debug)]
pub struct Memory<K, V> {
    entries: RefCell<HashMap<K, V>>,
    capacity: usize,
    digest: Cell<u64>,
}

impl<K: Hash + Eq + Copy, V: Copy + PartialEq + Hash> Memory<K, V> {
    /// An empty table for `capacity` entries.
    pub fn with_capacity(capacity: usize) -> Self {
        Memory { entries: RefCell::new(HashMap::new()), capacity, digest: Cell::new(0) }
    }

    /// Every entry, in no order.
    pub fn dump(&self) -> Vec<(K, V)> {
        self.entries.borrow().iter().map(|(key, value)| (*key, *value)).collect()
    }

    /// Takes these entries in place of its own.
    pub fn adopt(&self, entries: impl IntoIterator<Item = (K, V)>) {
        self.entries.borrow_mut().clear();
        self.digest.set(0);
        for (key, value) in entries {
            self.note(&key, &value);
            self.entries.borrow_mut().insert(key, value);
        }
    }

    /// A digest of every entry: the same after a change that was taken back, and another after one that was not.
    pub fn digest(&self) -> u64 {
        self.digest.get()
    }

    /// Takes an entry into the digest, or out of it: the order in which entries came and went leaves nothing in it.
    fn note(&self, key: &K, value: &V) {
        let mut hasher = DefaultHasher::new();
        key.hash(&mut hasher);
        value.hash(&mut hasher);
        self.digest.set(self.digest.get() ^ hasher.finish());
    }

    /// How many entries there are.
    pub fn len(&self) -> usize {
        self.entries.borrow().len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl<K: Hash + Eq + Copy, V: Copy + PartialEq + Hash> Table<K, V> for Memory<K, V> {
    fn get(&self, key: &K) -> Option<V> {
        self.entries.borrow().get(key).copied()
    }

    fn update<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R> {
        let mut entries = self.entries.borrow_mut();
        let value = entries.get_mut(key)?;
        let before = *value;
        let answer = change(value);
        if *value != before {
            self.note(key, &before);
            self.note(key, value);
        }
        Some(answer)
    }

    fn insert(&self, key: &K, value: &V) -> Result<(), Refused> {
        let mut entries = self.entries.borrow_mut();
        if entries.contains_key(key) {
            return Err(Refused::Exists);
        }
        if entries.len() >= self.capacity {
            return Err(Refused::Full);
        }
        entries.insert(*key, *value);
        self.note(key, value);
        Ok(())
    }

    fn remove(&self, key: &K) -> bool {
        let removed = self.entries.borrow_mut().remove(key);
        if let Some(value) = &removed {
            self.note(key, value);
        }
        removed.is_some()
    }
}

macro_rules! held {
    ($key:ty, $value:ty, $count:ident) => {
        impl Held<$key, $value> for Memory<$key, $value> {
            fn hold(&self, key: &$key, more: u32) -> Option<u32> {
                self.update(key, |value| {
                    let before = value.$count;
                    value.$count = before.wrapping_add(more);
                    before
                })
            }

            fn release(&self, key: &$key, less: u32) -> Option<u32> {
                self.hold(key, less.wrapping_neg())
            }
        }
    };
}

held!(BindingKey, Binding, sessions);
held!(HostKey, Host, held);

/// The gateway of `conformance.md` section 0 in memory: LAN 192.168.1.0/24 (L = .1), WAN E = 203.0.113.1/24, everything
/// else behind R = 203.0.113.254.
#[derive(Debug)]
pub struct Gateway {
    /// What the operator has set.
    pub settings: Settings,
    /// The session table.
    pub sessions: Memory<SessionKey, Session>,
    /// The binding table.
    pub bindings: Memory<BindingKey, Binding>,
    /// The inside hosts.
    pub hosts: Memory<HostKey, Host>,
    /// The port forwards.
    pub forwards: Memory<BindingKey, Forward>,
    /// The fragment table.
    pub fragments: Memory<FragmentKey, Fragment>,
    /// The control connections.
    pub controls: Memory<SessionKey, Control>,
    /// The peers of servers.
    pub peers: Memory<PeerKey, Peers>,
    /// What the clock shows.
    pub now: Cell<Ticks>,
    /// Where the packet in hand came from.
    pub arrival: Cell<Arrival>,
    /// The LAN interface and the WAN interface.
    pub ports: [Interface; 2],
    /// Ways out.
    pub exits: Memory<u32, Exit>,
    /// Local sockets: protocol, address, port.
    pub listeners: RefCell<Vec<(u8, u32, u16)>>,
    /// Counts by class, direction and reason.
    pub counts: RefCell<HashMap<(Class, Direction, Reason), u64>>,
    /// Counts of events.
    pub events: RefCell<HashMap<u8, u64>>,
    /// MTU of both ways out.
    pub mtu: Cell<u16>,
    /// How many random numbers have been drawn.
    pub drawn: Cell<u64>,
    random: Cell<u64>,
}

/// L, the gateway's address inside.
pub const GATEWAY_INSIDE: u32 = 0xc0a8_0101;
/// E, the gateway's address outside.
pub const OUTSIDE: u32 = 0xcb00_7101;
/// Ethernet address of both interfaces.
pub const GATEWAY_ETHERNET: [u8; 6] = [2, 0, 0, 0, 0, 1];
/// Index of the LAN interface.
pub const LAN: u32 = 2;
/// Index of the WAN interface.
pub const WAN: u32 = 3;
const ROUTER: u32 = 0xcb00_71fe;

impl Default for Gateway {
    fn default() -> Self {
        Gateway::with_capacity(1 << 16)
    }
}

impl Gateway {
    /// A gateway whose tables hold this many entries each.
    pub fn with_capacity(capacity: usize) -> Gateway {
        let mut settings = Settings::DEFAULT;
        settings.wan_ifindex = WAN;
        settings.pool = Ranges::one(OUTSIDE);
        Gateway {
            settings,
            sessions: Memory::with_capacity(capacity),
            bindings: Memory::with_capacity(capacity),
            hosts: Memory::with_capacity(1024),
            forwards: Memory::with_capacity(1024),
            fragments: Memory::with_capacity(capacity),
            controls: Memory::with_capacity(1024),
            peers: Memory::with_capacity(1024),
            now: Cell::new(Ticks::from_secs(1000)),
            arrival: Cell::new(arrival(Side::Inside)),
            ports: [port(Side::Inside), port(Side::Outside)],
            exits: Memory::with_capacity(EXITS as usize),
            listeners: RefCell::default(),
            counts: RefCell::default(),
            events: RefCell::default(),
            mtu: Cell::new(1500),
            drawn: Cell::new(0),
            random: Cell::new(0x9e37_79b9_7f4a_7c15),
        }
    }

    /// Lets time pass.
    pub fn wait(&self, length: Ticks) {
        self.now.set(self.now.get().plus(length));
    }

    /// Forwards an outside port to an inside host and port.
    pub fn forward(&self, protocol: u8, port: u16, to: (u32, u16)) {
        for (key, end) in Forward::ends(protocol, port, port, to) {
            self.forwards.insert(&key, &end).expect("a forward of its own");
        }
    }

    /// A digest of every table that packets write: see [`Memory::digest`].
    pub fn digest(&self) -> [u64; 6] {
        [
            self.sessions.digest(),
            self.bindings.digest(),
            self.hosts.digest(),
            self.fragments.digest(),
            self.controls.digest(),
            self.peers.digest(),
        ]
    }

    /// Sets the seed of the random numbers.
    pub fn seed(&self, seed: u64) {
        self.random.set(seed | 1);
    }

    /// Sessions as their outbound halves see them, in no order.
    pub fn outbound(&self) -> Vec<(SessionKey, Session)> {
        let mut halves = self.sessions.dump();
        halves.retain(|(key, _)| key.view() == View::Outbound);
        halves
    }

    /// How many packets of any class and direction were counted under a reason.
    pub fn counted(&self, reason: Reason) -> u64 {
        self.counts
            .borrow()
            .iter()
            .filter(|((_, _, counted), _)| *counted == reason)
            .map(|(_, count)| count)
            .sum()
    }
}

/// An arrival by the LAN or the WAN interface, without tags.
pub fn arrival(side: Side) -> Arrival {
    Arrival {
        side: Some(side),
        foreign: false,
        ifindex: if side == Side::Inside { LAN } else { WAN },
        link: Link::Ethernet,
        vlan: 0,
        stripped_vlan: 0,
        to_us: true,
    }
}

impl Tables for Gateway {
    type Sessions = Memory<SessionKey, Session>;
    type Bindings = Memory<BindingKey, Binding>;
    type Hosts = Memory<HostKey, Host>;
    type Forwards = Memory<BindingKey, Forward>;
    type Fragments = Memory<FragmentKey, Fragment>;
    type Controls = Memory<SessionKey, Control>;
    type Peers = Memory<PeerKey, Peers>;

    fn settings(&self) -> &Settings {
        &self.settings
    }
    fn sessions(&self) -> &Self::Sessions {
        &self.sessions
    }
    fn bindings(&self) -> &Self::Bindings {
        &self.bindings
    }
    fn hosts(&self) -> &Self::Hosts {
        &self.hosts
    }
    fn forwards(&self) -> &Self::Forwards {
        &self.forwards
    }
    fn fragments(&self) -> &Self::Fragments {
        &self.fragments
    }
    fn controls(&self) -> &Self::Controls {
        &self.controls
    }
    fn open_control(&self, key: &SessionKey) -> Result<(), Refused> {
        let stream = Stream {
            next: 0,
            offset: 0,
            length: 0,
            head: [0; 24],
            cursor: 0,
            state: 0,
            fields: [Field::default(); 8],
        };
        let empty =
            Control { streams: [stream; 2], calls: [Call::default(); 16], outdated: 0, opened_from: 0 };
        self.controls.insert(key, &empty)
    }
    fn peers(&self) -> &Self::Peers {
        &self.peers
    }
    fn open_peers(&self, key: &PeerKey) -> Result<(), Refused> {
        self.peers.insert(key, &Peers::EMPTY)
    }
}

impl Clock for Gateway {
    fn now(&self) -> Ticks {
        self.now.get()
    }
}

impl Entropy for Gateway {
    fn random(&self) -> u32 {
        self.drawn.set(self.drawn.get() + 1);
        // xorshift64*: enough for tests, and the same on every run.
        let mut state = self.random.get();
        state ^= state >> 12;
        state ^= state << 25;
        state ^= state >> 27;
        self.random.set(state);
        (state.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 32) as u32
    }
}

impl NextHop for Gateway {
    fn arrival(&self) -> Arrival {
        self.arrival.get()
    }

    fn route(&self, _ifindex: u32, _source: u32, destination: u32, _tos: u8, length: u16) -> Route {
        if destination == GATEWAY_INSIDE || self.settings.is_outside_address(destination) {
            return Route::to(Towards::Local);
        }
        if length > self.mtu.get() {
            return Route::to(Towards::TooBig);
        }
        if destination >> 8 == GATEWAY_INSIDE >> 8 {
            return Route { towards: Towards::Inside, hop: Hop { ifindex: LAN, gateway: destination } };
        }
        let gateway = if destination >> 8 == OUTSIDE >> 8 { destination } else { ROUTER };
        Route { towards: Towards::Outside, hop: Hop { ifindex: WAN, gateway } }
    }

    fn is_local_v6(&self, _ifindex: u32, _source: &[u32; 4], _destination: &[u32; 4]) -> bool {
        false
    }

    fn has_listener(&self, local: (u32, u16), remote: &Remote) -> bool {
        self.listeners.borrow().contains(&(remote.protocol as u8, local.0, local.1))
    }
}

/// An interface of the gateway.
pub fn port(side: Side) -> Interface {
    let (address_head, address_tail) = Interface::split(GATEWAY_ETHERNET);
    Interface {
        side: side as u8,
        flags: settings::port::FAST,
        address_head,
        address_tail,
        mtu: 1500,
        index: arrival(side).ifindex,
        ..Interface::default()
    }
}

/// Destination and source address of a frame that the gateway sends to `host`.
pub fn ethernet_towards(host: u32) -> [u32; 3] {
    let [a, b, c, d] = host.to_be_bytes();
    let [e, f, g, h, i, j] = GATEWAY_ETHERNET;
    [[2, 0, a, b], [c, d, e, f], [g, h, i, j]].map(u32::from_ne_bytes)
}

impl Exits for Gateway {
    fn port(&self) -> Option<&Interface> {
        self.arrival.get().side.map(|side| &self.ports[side as usize])
    }

    fn exit<R>(&self, slot: u32, look: impl FnOnce(&Exit) -> R) -> Option<R> {
        assert!(slot < EXITS, "slot {slot}");
        Some(look(&self.exits.get(&slot).unwrap_or_default()))
    }

    fn target(&self, exit: &Exit) -> Option<u32> {
        if exit.port == Exit::NO_PORT { None } else { Some(exit.port) }
    }

    fn fill(&self, slot: u32, before: u64, exit: &Exit) -> bool {
        let own = self.exits.get(&slot).unwrap_or_default().owner == before;
        if own {
            self.exits.remove(&slot);
            self.exits.insert(&slot, exit).expect("every slot has room");
        }
        own
    }

    fn ask(&self, source: u32, destination: u32, tos: u8, length: u16, exit: &mut Exit) -> Towards {
        let Route { towards, hop } = self.route(self.arrival.get().ifindex, source, destination, tos, length);
        exit.owner = Exit::owner(hop.ifindex, hop.gateway);
        exit.addresses = ethernet_towards(hop.gateway);
        exit.mtu = u32::from(self.mtu.get());
        let can_send = |port: &Interface| port.index == hop.ifindex && port.flags & settings::port::FAST != 0;
        exit.port = if self.ports.iter().any(can_send) { hop.ifindex } else { Exit::NO_PORT };
        towards
    }
}

impl Report for Gateway {
    fn count(&self, index: u32, _bytes: u32) {
        let counter = Counter::of(index).expect("a counter of the table");
        *self.counts.borrow_mut().entry(counter).or_default() += 1;
    }

    fn event(&self, event: Event) {
        *self.events.borrow_mut().entry(event as u8).or_default() += 1;
    }
}
