//! The record of one server's clients: who belongs to it (K), whose learn window is open, who must wait.
//!
//! Each walk over the record is one pass of 64 with few branches, and carries no index and no counter out of the loop,
//! only addresses: the verifier then sees one state an iteration instead of one a combination.
//!
//! Nothing is locked. Two processors that open windows at once see each other in [`settle`] and both withdraw; two
//! that take the same free entry leave one host without, which [`open`] reports as [`Reason::Contended`].

use crate::abi::peers::{PEERS, window};
use crate::abi::{Class, Event, Peer, PeerKey, Peers, Reason, Settings, Ticks};
use crate::seam::{Refused, Table, World};

use super::learn::{self, Hosts, Survey};

/// How long a host belongs to K after it was last heard.
const MEMBER: Ticks = Ticks::from_secs(300);
/// The exclusive part of a learn window (rule 4).
const EXCLUSIVE: Ticks = Ticks::from_secs(3);
/// The whole learn window (rule 5).
const LAZY: Ticks = Ticks::from_secs(30);
/// How long SPIs that are not paired count (rule 12, by rate instead of by number: no count to keep when they expire).
const MINUTE: Ticks = Ticks::from_secs(60);
/// SPIs of one host that may come unpaired within [`MINUTE`] (rule 12).
const SPIS: u16 = 64;
/// Unknown inbound SPIs from one server in a second (rule 12).
const UNKNOWN_PER_SECOND: u16 = 50;

/// What a host has sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// IKE.
    Ike,
    /// ESP.
    Esp,
}

/// Why a host wants a learn window (rule 3).
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// It sends ESP with an SPI for the first time, the number beside (rule 3a).
    Esp,
    /// It asks for a child association. The window opens before the association is there (rule 3b opens it after):
    /// so of two hosts that ask at once, one waits before the server can send to both.
    Request,
    /// The exchange that makes the association ends (rule 3b).
    Completed,
    /// A quick-mode message, its ID being the number beside: the third one, or an answer, if the server has sent this ID;
    /// else the first.
    QuickMode,
}

/// What became of a wish for a window.
enum Turn {
    /// The host is not in the record.
    Missing,
    /// No window is needed, or it is open already.
    Pass,
    /// The window is open now.
    Opened,
    /// Another host's window is exclusive.
    Hold,
    /// Too many SPIs.
    Flood,
}

/// The switches' generations, as the record keeps them.
fn generations(settings: &Settings) -> u16 {
    u16::from(settings.generation(Class::Esp)) | u16::from(settings.generation(Class::Ike)) << 8
}

/// Whether less than `length` has passed since a point in time, which another processor's clock may have put a little
/// ahead. One comparison, where `Ticks::since` has two: these stand in loops, and the verifier walks each branch.
#[inline(always)]
fn within(now: Ticks, since: Ticks, length: Ticks) -> bool {
    const AHEAD: u32 = 2;
    now.0.wrapping_sub(since.0).wrapping_add(AHEAD) < length.0 + AHEAD
}

#[inline(always)]
fn is_member(peer: &Peer, now: Ticks) -> bool {
    peer.host != 0 && within(now, peer.seen, MEMBER)
}

#[inline(always)]
fn is_open(peer: &Peer, now: Ticks) -> bool {
    peer.window & window::OPEN != 0 && within(now, peer.window_at, LAZY)
}

#[inline(always)]
fn is_exclusive(peer: &Peer, now: Ticks) -> bool {
    peer.window & window::OPEN != 0 && within(now, peer.window_at, EXCLUSIVE)
}

/// Counts one SPI more that is not paired; `false` if that is too many.
#[inline(always)]
fn count(peer: &mut Peer, now: Ticks) -> bool {
    if !within(now, peer.window_at, MINUTE) {
        // Whatever window this was has been over for long.
        peer.window &= window::PAIRED | window::SPOKE;
        peer.window_at = now;
    }
    if peer.window >> window::SPIS_SHIFT >= SPIS {
        return false;
    }
    peer.window += 1 << window::SPIS_SHIFT;
    true
}

/// Does something to a host's entry, in the first pass that finds it; `None` if it is not in the record.
#[inline(always)]
fn with<R>(record: &mut Peers, host: u32, act: impl FnOnce(&mut Peer) -> R) -> Option<R> {
    let mut index = 0;
    while index < PEERS {
        let peer = &mut record.hosts[index];
        if peer.host == host {
            return Some(act(peer));
        }
        index += 1;
    }
    None
}

/// The host belongs to K from now on.
///
/// # Errors
///
/// [`Reason::PeerLimit`], [`Reason::TableFull`], [`Reason::Contended`].
#[inline(always)]
pub fn join<W: World>(world: &W, key: &PeerKey, host: u32, sent: Sent) -> Result<(), Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    // Looked up twice, so that the verifier walks the record's loops once.
    if world.peers().update(key, |_| ()).is_none() && world.open_peers(key) == Err(Refused::Full) {
        return Err(Reason::TableFull);
    }
    world
        .peers()
        .update(key, |record| enter(record, host, now, generations, sent))
        .unwrap_or(Err(Reason::Contended))
}

#[inline(never)]
fn enter(record: &mut Peers, host: u32, now: Ticks, generations: u16, sent: Sent) -> Result<(), Reason> {
    if record.generations != generations {
        // A switch was turned since: what was known is void (rule 13).
        let mut index = 0;
        while index < PEERS {
            record.hosts[index].host = 0;
            index += 1;
        }
        record.generations = generations;
    }
    if with(record, host, |peer| hear(peer, now, sent)).is_some() {
        return Ok(());
    }
    let mut index = 0;
    while index < PEERS {
        let peer = &mut record.hosts[index];
        if !is_member(peer, now) {
            *peer = Peer { host, ..Peer::default() };
            hear(peer, now, sent);
            return Ok(());
        }
        index += 1;
    }
    Err(Reason::PeerLimit)
}

#[inline(always)]
fn hear(peer: &mut Peer, now: Ticks, sent: Sent) {
    peer.seen = now;
    if sent == Sent::Esp {
        peer.window |= window::SPOKE;
        if peer.esp_since.0 == 0 {
            // Tick 0 means never.
            peer.esp_since = Ticks(if now.0 == 0 { 1 } else { now.0 });
        }
    }
}

/// The host has floated to UDP 4500, and is none of K's any more: unless it sends plain ESP as well, or has just agreed
/// on it over port 500. Two tunnels of one host, or of two behind one inner router, are two; its next SPI must not fall
/// to whoever is left.
#[inline(always)]
pub fn leave<W: World>(world: &W, key: &PeerKey, host: u32) {
    let now = world.now();
    world.peers().update(key, |record| {
        with(record, host, |peer| {
            if peer.esp_since.0 == 0 && !is_open(peer, now) {
                peer.host = 0;
            }
        })
    });
}

/// Counts a new SPI of the host.
///
/// # Errors
///
/// [`Reason::EspFlood`] (rule 12), [`Reason::Contended`].
#[inline(always)]
pub fn charge<W: World>(world: &W, key: &PeerKey, host: u32) -> Result<(), Reason> {
    let now = world.now();
    match world.peers().update(key, |record| with(record, host, |peer| count(peer, now))).flatten() {
        Some(true) => Ok(()),
        Some(false) => Err(Reason::EspFlood),
        None => Err(Reason::Contended),
    }
}

/// Opens the host's learn window if it needs one and no other host's is exclusive (rules 3 and 4). `number` is what
/// the cause speaks of, 0 for nothing: apart from it, since half of an enum may reach the verifier uninitialised.
///
/// # Errors
///
/// [`Reason::EspHold`]: the packet must wait, that is, be sent again. [`Reason::EspFlood`], [`Reason::Contended`].
#[inline(never)]
pub fn open<W: World>(world: &W, key: &PeerKey, host: u32, cause: Cause, number: u32) -> Result<(), Reason> {
    let now = world.now();
    let turn = world.peers().update(key, |record| {
        let mut rivals = Hosts::none(key.server());
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if is_exclusive(peer, now) && peer.host != host && is_member(peer, now) {
                rivals.add(peer.host);
            }
            index += 1;
        }
        let free = rivals.is_empty();
        // Decided on a copy, between two passes: within the loop the verifier would walk the decision 64 times.
        let Some(mut peer) = with(record, host, |peer| *peer) else { return Turn::Missing };
        let turn = take_turn(&mut peer, now, (cause, number), free);
        with(record, host, |place| {
            place.window = peer.window;
            place.window_at = peer.window_at;
            place.spi = peer.spi;
        });
        turn
    });
    match turn {
        Some(Turn::Pass) => Ok(()),
        Some(Turn::Opened) => settle(world, key, host, now),
        Some(Turn::Hold) => Err(Reason::EspHold),
        Some(Turn::Flood) => Err(Reason::EspFlood),
        Some(Turn::Missing) | None => Err(Reason::Contended),
    }
}

/// What a host may do that wants a window; `free` if no other host's is exclusive.
#[inline(always)]
fn take_turn(peer: &mut Peer, now: Ticks, (cause, number): (Cause, u32), free: bool) -> Turn {
    let exclusive = is_exclusive(peer, now);
    let cause = match cause {
        Cause::QuickMode if number == peer.quick_mode => Cause::Completed,
        Cause::QuickMode => Cause::Request,
        cause => cause,
    };
    if cause == Cause::Esp {
        if peer.window & window::AHEAD != 0 && within(now, peer.window_at, LAZY) {
            // The pair of an inbound SPI that came first: nothing is left to learn.
            peer.window &= !window::AHEAD;
            peer.spi = number;
            return if count(peer, now) { Turn::Pass } else { Turn::Flood };
        }
        if !free && !exclusive {
            return Turn::Hold;
        }
        if !count(peer, now) {
            return Turn::Flood;
        }
        let again = exclusive && peer.window & window::SENT != 0;
        peer.spi = number;
        peer.window |= window::SENT;
        if again {
            return Turn::Pass;
        }
    } else {
        // A retransmitted request makes no window longer.
        if exclusive && cause == Cause::Request {
            return Turn::Pass;
        }
        if !free && !exclusive {
            return Turn::Hold;
        }
        if !exclusive {
            peer.window &= !window::SENT;
        }
    }
    peer.window = peer.window & !(window::EXPIRED | window::AHEAD) | window::OPEN;
    peer.window_at = now;
    Turn::Opened
}

/// After an opening: withdraws it if another processor has opened one at the same time, and notes whose turn passed.
#[inline(never)]
fn settle<W: World>(world: &W, key: &PeerKey, host: u32, now: Ticks) -> Result<(), Reason> {
    let rest = world.peers().update(key, |record| {
        let mut rivals = Hosts::none(key.server());
        let mut lapsed = Hosts::none(key.server());
        let mut index = 0;
        while index < PEERS {
            let peer = &mut record.hosts[index];
            if peer.host != host && is_open(peer, now) && is_member(peer, now) {
                if is_exclusive(peer, now) {
                    rivals.add(peer.host);
                } else if peer.window & window::EXPIRED == 0 {
                    peer.window |= window::EXPIRED;
                    lapsed.add(peer.host);
                }
            }
            index += 1;
        }
        let raced = !rivals.is_empty();
        if raced {
            with(record, host, |peer| peer.window &= !window::OPEN);
        }
        (raced, !lapsed.is_empty())
    });
    let Some((raced, lapsed)) = rest else { return Err(Reason::Contended) };
    if lapsed {
        world.event(Event::EspHoldExpired);
    }
    if raced { Err(Reason::EspHold) } else { Ok(()) }
}

/// The server has sent a quick-mode message to the host.
#[inline(always)]
pub fn answered<W: World>(world: &W, key: &PeerKey, host: u32, id: u32) {
    let now = world.now();
    world.peers().update(key, |record| {
        with(record, host, |peer| {
            if peer.quick_mode != id {
                peer.quick_mode = id;
            } else if is_exclusive(peer, now) {
                // The third message of an exchange that the server began (rule 3b).
                peer.window_at = now;
            }
        })
    });
}

/// Whether one more unknown SPI from this server is bearable, and whether the record is of this generation.
#[inline(always)]
fn admit(record: &mut Peers, now: Ticks, generations: u16, unsolicited: Reason) -> Result<(), Reason> {
    if record.generations != generations {
        return Err(unsolicited);
    }
    if now.since(record.unknown_since) >= Ticks::from_secs(1) {
        record.unknown_since = now;
        record.unknown = 0;
    }
    if record.unknown >= UNKNOWN_PER_SECOND {
        return Err(Reason::EspFlood);
    }
    record.unknown += 1;
    Ok(())
}

/// To whom an unknown inbound SPI belongs that came with this sequence number (rules 6 and 7), into `host`.
///
/// Not returned: a host and a reason would share a register, and what the verifier must know of the one it would follow
/// through the whole loop for the other (6.18: a million instructions).
///
/// # Errors
///
/// [`Reason::EspUnsolicited`], [`Reason::EspAmbiguous`], [`Reason::EspFlood`].
#[inline(never)]
pub fn claim<W: World>(world: &W, key: &PeerKey, sequence: u32, host: &mut u32) -> Result<(), Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    let mut survey = Survey::empty(key.server());
    let admitted = world.peers().update(key, |record| {
        admit(record, now, generations, Reason::EspUnsolicited)?;
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if is_member(peer, now) {
                survey.members.add(peer.host);
                if is_exclusive(peer, now) {
                    survey.exclusive.add(peer.host);
                } else if is_open(peer, now) {
                    survey.lazy.add(peer.host);
                }
                if peer.esp_since.0 != 0 {
                    let old = !within(now, peer.esp_since, LAZY);
                    if old {
                        survey.old.add(peer.host);
                    }
                    if peer.window & window::PAIRED == 0 {
                        survey.unpaired.add(peer.host);
                        if old {
                            survey.unpaired_old.add(peer.host);
                        }
                    }
                }
            }
            index += 1;
        }
        Ok(())
    });
    admitted.unwrap_or(Err(Reason::EspUnsolicited))?;
    *host = learn::decide(&survey, sequence)?;
    Ok(())
}

/// The only host of K, for an unknown initiator SPI from the server (R11).
///
/// # Errors
///
/// [`Reason::Unsolicited`], [`Reason::IkeAmbiguous`], [`Reason::EspFlood`].
#[inline(always)]
pub fn sole<W: World>(world: &W, key: &PeerKey) -> Result<u32, Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    let found = world.peers().update(key, |record| {
        admit(record, now, generations, Reason::Unsolicited)?;
        let mut members = Hosts::none(key.server());
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if is_member(peer, now) {
                members.add(peer.host);
            }
            index += 1;
        }
        if members.is_empty() { Err(Reason::Unsolicited) } else { members.only().ok_or(Reason::IkeAmbiguous) }
    });
    found.unwrap_or(Err(Reason::Unsolicited))
}

/// An inbound SPI was learned for the host: its window closes. `false` if it came without a window and too many did.
#[inline(always)]
pub fn learned<W: World>(world: &W, key: &PeerKey, host: u32) -> bool {
    let now = world.now();
    let fits = world.peers().update(key, |record| {
        with(record, host, |peer| {
            if !is_open(peer, now) {
                peer.window = peer.window & !window::SPOKE | window::PAIRED;
                return count(peer, now);
            }
            if peer.window & window::SENT == 0 {
                peer.window = window::PAIRED | window::AHEAD;
                peer.window_at = now;
            } else {
                peer.window = window::PAIRED;
            }
            true
        })
    });
    fits.flatten().unwrap_or(true)
}

/// What speaks for and against a tentative binding.
pub struct Evidence {
    /// The host has sent ESP since.
    pub spoke: bool,
    /// The host's last new outbound SPI; 0 if none.
    pub spi: u32,
    /// Another host of K has sent ESP and never had an answer.
    pub disputed: bool,
}

/// Looks for [`Evidence`] about a binding to the host.
#[inline(always)]
pub fn evidence<W: World>(world: &W, key: &PeerKey, host: u32) -> Option<Evidence> {
    let now = world.now();
    world.peers().update(key, |record| {
        let mut others = Hosts::none(key.server());
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            let unpaired = peer.window & window::PAIRED == 0 && peer.esp_since.0 != 0;
            if unpaired && peer.host != host && is_member(peer, now) {
                others.add(peer.host);
            }
            index += 1;
        }
        let disputed = !others.is_empty();
        let own = with(record, host, |peer| (peer.window & window::SPOKE != 0, peer.spi));
        let (spoke, spi) = own.unwrap_or((false, 0));
        Evidence { spoke, spi, disputed }
    })
}
