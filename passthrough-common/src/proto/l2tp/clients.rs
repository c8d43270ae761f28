//! The clients of one server: who has lately sent it control messages, and whether there is more than one.

use super::tunnels::{self, Client};
use crate::abi::peers::{self, PEERS};
use crate::abi::settings::Idle;
use crate::abi::{Class, Peer, PeerKey, Peers, Reason, Ticks};
use crate::proto::{halves, servers};
use crate::seam::{Table, World};

/// Most messages of one client that assign tunnel IDs, within the idle time of a session: a bound on what an SCCRQ flood
/// may fill (conformance Z58).
const MOST_ASSIGNING: u32 = 256;
/// Most unknown tunnel IDs of one server that are delivered to its only client, within that time (Z38, Z58).
const MOST_GUESSES: u32 = 32;

/// What entering a client has come to.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Entered {
    /// No place was free.
    NoPlace,
    /// It has its place already.
    Known,
    /// It was given a place.
    New,
    /// It assigns too much.
    Floods,
}

fn key(server: u32, outside: u32) -> PeerKey {
    PeerKey::new(server, outside, peers::L2TP)
}

/// What decides whether a client still counts.
#[derive(Clone, Copy)]
struct Times {
    now: Ticks,
    life: Ticks,
    generation: u16,
}

impl Times {
    #[inline(always)]
    fn of<W: World>(world: &W) -> Times {
        let settings = world.settings();
        Times {
            now: world.now(),
            life: settings.idle[Idle::Udp as usize],
            generation: u16::from(settings.generation(Class::L2tp)),
        }
    }

    /// Whether a client that was seen then still counts. One subtraction and one test of its sign, since the verifier
    /// follows every branch of 64: a client whose time is ahead (another processor's clock) counts.
    #[inline(always)]
    const fn counts(self, seen: Ticks) -> bool {
        self.life.0.wrapping_sub(self.now.0.wrapping_sub(seen.0)) as i32 >= 0
    }
}

/// Enters a client that sends a control message, which `assigns` a tunnel ID or does not.
///
/// # Errors
///
/// [`Reason::PeerLimit`], [`Reason::PortsExhausted`], those of [`servers::open`].
#[inline(never)]
pub fn join<W: World>(world: &W, client: &Client, assigns: bool) -> Result<(), Reason> {
    let key = key(client.server, client.outside);
    let times = Times::of(world);
    let host = client.host;
    servers::open(world, &key, host)?;
    world.peers().update(&key, |peers| renew(peers, times.generation));
    let entered = world.peers().update(&key, |peers| {
        peers.generations = times.generation;
        match refresh(peers, times, host, assigns) {
            Entered::NoPlace => place(peers, times, host),
            entered => entered,
        }
    });
    match entered {
        Some(Entered::Known) => Ok(()),
        Some(Entered::New) => {
            // Tunnel ID 0 went to the only client; with two, nobody knows whose it is (conformance L10).
            halves::remove_alone(world, &tunnels::inbound_key(client.server, client.outside, 0));
            Ok(())
        }
        Some(Entered::Floods) => Err(Reason::PortsExhausted),
        Some(Entered::NoPlace) => Err(Reason::PeerLimit),
        None => Err(Reason::Contended),
    }
}

/// Empties a record whose switch has been off since: who was there must start again (conformance O6).
#[inline(never)]
fn renew(peers: &mut Peers, generation: u16) {
    if peers.generations == generation {
        return;
    }
    let mut index = 0;
    while index < PEERS {
        peers.hosts[index].host = 0;
        index += 1;
    }
}

/// Finds the client's place, and has it seen there.
#[inline(never)]
fn refresh(peers: &mut Peers, times: Times, host: u32, assigns: bool) -> Entered {
    match peers.first(|peer| peer.host == host) {
        Some(peer) => see(peer, times, assigns),
        None => Entered::NoPlace,
    }
}

/// Has a client seen in its place.
#[inline(never)]
fn see(peer: &mut Peer, times: Times, assigns: bool) -> Entered {
    let counted = times.counts(peer.seen);
    peer.seen = times.now;
    if assigns && is_flood(peer, times) {
        Entered::Floods
    } else if counted {
        Entered::Known
    } else {
        Entered::New
    }
}

/// Counts one message that assigns; whether there are too many. The fields of an IPsec learn window count here.
#[inline(always)]
fn is_flood(peer: &mut Peer, times: Times) -> bool {
    if !times.counts(peer.window_at) {
        peer.window_at = times.now;
        peer.quick_mode = 0;
    }
    peer.quick_mode = peer.quick_mode.saturating_add(1);
    peer.quick_mode > MOST_ASSIGNING
}

/// Gives the client a place that nobody has, or has any more.
#[inline(never)]
fn place(peers: &mut Peers, times: Times, host: u32) -> Entered {
    let Some(peer) = peers.first(|peer| peer.host == 0 || !times.counts(peer.seen)) else {
        return Entered::NoPlace;
    };
    *peer = Peer { host, seen: times.now, window_at: times.now, quick_mode: 1, ..Peer::default() };
    Entered::New
}

/// Stands for several clients; no host has this address.
const SEVERAL: u32 = u32::MAX;

/// The only live client of a server; 0 for none, [`SEVERAL`] for more.
#[inline(never)]
fn who<W: World>(world: &W, server: u32, outside: u32) -> u32 {
    let times = Times::of(world);
    let found = world.peers().update(&key(server, outside), |peers| {
        if peers.generations != times.generation {
            return 0;
        }
        let mut host = 0;
        let mut index = 0;
        while index < PEERS {
            let peer = &peers.hosts[index];
            if peer.host != 0 && times.counts(peer.seen) {
                if host != 0 {
                    return SEVERAL;
                }
                host = peer.host;
            }
            index += 1;
        }
        host
    });
    found.unwrap_or(0)
}

/// The only client of a server, if there is exactly one.
#[inline(always)]
pub fn sole<W: World>(world: &W, server: u32, outside: u32) -> Option<u32> {
    match who(world, server, outside) {
        0 | SEVERAL => None,
        host => Some(host),
    }
}

/// Whether a server has another client than this one.
#[inline(always)]
pub fn has_others<W: World>(world: &W, client: &Client) -> bool {
    let host = who(world, client.server, client.outside);
    host != 0 && host != client.host
}

/// Whether one more unknown tunnel ID of a server may be delivered to its only client.
#[inline(never)]
pub fn may_guess<W: World>(world: &W, server: u32, outside: u32) -> bool {
    let times = Times::of(world);
    let guesses = world.peers().update(&key(server, outside), |peers| {
        if !times.counts(peers.unknown_since) {
            peers.unknown_since = times.now;
            peers.unknown = 0;
        }
        peers.unknown = peers.unknown.saturating_add(1);
        peers.unknown
    });
    guesses.is_some_and(|guesses| u32::from(guesses) <= MOST_GUESSES)
}
