//! Learn windows: whose turn it is to be learned, and who must wait (rules 3 to 5).
//!
//! Two processors that open windows at once see each other in [`settle`] and both withdraw.

use crate::abi::peers::{PEERS, window};
use crate::abi::{Event, Peer, PeerKey, Reason, Ticks};
use crate::seam::{Table, World};

use super::cause::Cause;
use super::debts;
use super::learn::Hosts;
use super::peers::{
    self, ANSWERED, EXCLUSIVE, LAZY, count, has_waited, is_exclusive, is_member, is_open, with, within,
};

/// What became of a wish for a window.
#[derive(Clone, Copy)]
enum Turn {
    /// The host is not in the record.
    Missing,
    /// No window is needed, or it is open already.
    Pass,
    /// The window is open now.
    Opened,
    /// The same, behind another host's window that is exclusive.
    Overdue,
    /// Another host's window is exclusive.
    Hold,
    /// Too many SPIs.
    Flood,
}

/// Opens the host's learn window if it needs one and no other host's is exclusive (rules 3 and 4). `number` is what
/// the cause speaks of, 0 for nothing: apart from it, since half of an enum may reach the verifier uninitialised.
///
/// # Errors
///
/// [`Reason::EspHold`]: the packet must wait, that is, be sent again. [`Reason::EspFlood`], [`Reason::Contended`].
#[inline(always)]
pub fn open<W: World>(world: &W, key: &PeerKey, host: u32, cause: Cause, number: u32) -> Result<(), Reason> {
    match wish(world, key, host, cause, number) {
        Turn::Pass => Ok(()),
        Turn::Opened => settle(world, key, host),
        Turn::Overdue => {
            world.event(Event::EspOverdue);
            Ok(())
        }
        Turn::Hold => Err(Reason::EspHold),
        Turn::Flood => Err(Reason::EspFlood),
        Turn::Missing => Err(Reason::Contended),
    }
}

#[inline(never)]
fn wish<W: World>(world: &W, key: &PeerKey, host: u32, cause: Cause, number: u32) -> Turn {
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
        // What was agreed on before the record began, or out of its sight, has no window to wait for: who comes back after a
        // loss of state keeps nobody waiting, and the sequence numbers of what answers him tell as much.
        let predates = cause == Cause::OldEsp && peer.unsent == 0 && !debts::is_settled(record, now);
        let turn = if predates {
            peer.spi = number;
            if count(&mut peer, now) { Turn::Pass } else { Turn::Flood }
        } else {
            take_turn(&mut peer, now, (cause, number), free)
        };
        if matches!(turn, Turn::Pass | Turn::Opened | Turn::Overdue) {
            debts::note(record, &mut peer, now, cause, number);
        }
        with(record, host, |place| {
            place.window = peer.window;
            place.window_at = peer.window_at;
            place.waits_since = peer.waits_since;
            place.spi = peer.spi;
            place.exchange = peer.exchange;
            place.owed = peer.owed;
            place.unsent = peer.unsent;
            place.round = peer.round;
        });
        turn
    });
    turn.unwrap_or(Turn::Missing)
}

/// What a host may do that wants a window; `free` if no other host's is exclusive.
#[inline(always)]
fn take_turn(peer: &mut Peer, now: Ticks, (cause, number): (Cause, u32), free: bool) -> Turn {
    // The server's answer: what the host asked for waits no longer.
    let answered = cause == Cause::Completed;
    if answered {
        peer.waits_since = Ticks(0);
    }
    match cause {
        Cause::Answered => peer.window |= window::ASKED,
        Cause::Completed | Cause::QuickMode => {}
        Cause::Esp | Cause::OldEsp | Cause::Request => peer.window &= !window::ASKED,
    }
    let turn = match cause {
        Cause::Esp | Cause::OldEsp => turn_by_esp(peer, now, number, free),
        Cause::Request => turn_by_exchange(peer, now, true, false, free),
        Cause::QuickMode => turn_by_exchange(peer, now, number != peer.quick_mode, false, free),
        Cause::Answered | Cause::Completed => turn_by_exchange(peer, now, false, answered, free),
    };
    if matches!(turn, Turn::Opened) {
        peer.window &= !(window::EXPIRED | window::AHEAD);
        let shortened = answered && peer.window & window::SENT == 0;
        peers::open(peer, now, if shortened { ANSWERED } else { EXCLUSIVE });
    }
    turn
}

/// The turn of a host that sends ESP with a new SPI.
#[inline(always)]
fn turn_by_esp(peer: &mut Peer, now: Ticks, spi: u32, free: bool) -> Turn {
    if peer.window & window::AHEAD != 0 && within(now, peer.window_at, LAZY) {
        // The pair of an inbound SPI that came first: nothing is left to learn.
        peer.window &= !window::AHEAD;
        peer.spi = spi;
        return if count(peer, now) { Turn::Pass } else { Turn::Flood };
    }
    let exclusive = is_exclusive(peer, now);
    if !free && !exclusive {
        return Turn::Hold;
    }
    if !count(peer, now) {
        return Turn::Flood;
    }
    let again = exclusive && peer.window & window::SENT != 0;
    peer.spi = spi;
    peer.window |= window::SENT;
    if again { Turn::Pass } else { Turn::Opened }
}

/// The turn of a host that begins an exchange, or that takes part in one; `answered` if it is the server's answer to it.
#[inline(always)]
fn turn_by_exchange(peer: &mut Peer, now: Ticks, begins: bool, answered: bool, free: bool) -> Turn {
    let exclusive = is_exclusive(peer, now);
    // A retransmitted request makes no window longer.
    if exclusive && begins {
        return Turn::Pass;
    }
    if !free && !exclusive {
        if answered || !has_waited(peer, now) {
            return Turn::Hold;
        }
        // As if its exclusive part were over, and nobody had waited for that.
        peer.window = peer.window & !(window::AHEAD | window::SENT) | window::EXPIRED;
        peers::open(peer, now, Ticks(0));
        return Turn::Overdue;
    }
    if !exclusive {
        peer.window &= !window::SENT;
    }
    peer.waits_since = Ticks(0);
    Turn::Opened
}

/// After an opening: withdraws it if another processor has opened one at the same time, and notes whose turn passed.
#[inline(never)]
fn settle<W: World>(world: &W, key: &PeerKey, host: u32) -> Result<(), Reason> {
    let now = world.now();
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
