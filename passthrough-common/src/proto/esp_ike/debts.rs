//! What is owed: how many inbound SPIs each host may yet be shown, and so, whether a binding has a rival.
//!
//! Each association has one SPI a direction. From the moment that a host asks for one (or shows an outbound SPI that
//! nobody saw it agree on) it is owed an inbound SPI, until one is learned while nobody else is owed any: then it must be
//! this host's. An SPI that is learned while several are owed one is a guess, and pays nobody: whoever got it, somebody's debt is
//! paid by it, and only when as many have been guessed as were owed is nothing owed any more (a new *round*).
//!
//! A binding that is given up leaves a debt to nobody known, and while there is one, every binding is a guess.
//!
//! Counted too high, never too low: an exchange that fails, or an association that its server never uses, leaves a debt that is
//! not there, and bindings stay tentative that are right. A binding is only called learned when it cannot be another's.
//!
//! All of this supposes that every host is known. One that was there before the record shows itself within the time for
//! which hosts are remembered; until nothing of that kind has been seen for so long, the record is not *settled*,
//! and what is bound before the last such sign stays tentative.

use crate::abi::peers::window;
use crate::abi::{Peer, PeerKey, Peers, Ticks};
use crate::seam::{Table, World};

use super::cause::Cause;
use super::peers::{unsettle, with, within};
use crate::proto::servers::MEMBER;

/// Whether every host of the server is known.
#[inline(always)]
pub const fn is_settled(record: &Peers, now: Ticks) -> bool {
    record.settled.0 != 0 && !within(now, record.settled, MEMBER)
}

/// Begins a new round if everything has been paid.
#[inline(always)]
const fn close(record: &mut Peers, now: Ticks) {
    if record.owed == record.guessed && is_settled(record, now) {
        record.round = record.round.wrapping_add(1);
        record.owed = 0;
        record.guessed = 0;
        record.orphans = 0;
    }
}

/// A binding is given up: its SPI is somebody's, and until it is paid for, anybody's.
#[inline(always)]
pub const fn orphan(record: &mut Peers) {
    record.orphans += 1;
    record.owed += 1;
}

/// The same, for a server's record.
#[inline(always)]
pub fn give_up<W: World>(world: &W, key: &PeerKey) {
    world.peers().update(key, orphan);
}

/// The host has asked for an association or agreed on it in the exchange `number`, or sends ESP with the new SPI
/// `number`. `peer` is a copy of its entry.
#[inline(always)]
pub fn note(record: &mut Peers, peer: &mut Peer, now: Ticks, cause: Cause, number: u32) {
    if matches!(cause, Cause::Esp | Cause::OldEsp) {
        if peer.unsent > 0 {
            peer.unsent -= 1;
            return;
        }
        unsettle(record, now);
    } else {
        if peer.exchange == number {
            return;
        }
        peer.exchange = number;
        peer.unsent = peer.unsent.saturating_add(1);
    }
    close(record, now);
    let owed = peer.owed_in(record.round);
    if owed < u8::MAX {
        peer.owed = owed + 1;
        peer.round = record.round;
        record.owed += 1;
    }
}

/// The host goes on under a new initiator SPI without having begun anew: what it agreed on last was that (RFC 7296 section
/// 2.18), and no SPI of ESP will come of it.
#[inline(always)]
pub fn forgive<W: World>(world: &W, key: &PeerKey, host: u32) {
    world.peers().update(key, |record| {
        let round = record.round;
        let forgiven = with(record, host, |peer| {
            let owes = peer.unsent > 0 && peer.owed_in(round) > 0;
            if owes {
                peer.unsent -= 1;
                peer.owed -= 1;
            }
            peer.window &= !window::ASKED;
            owes
        });
        if forgiven == Some(true) {
            record.owed = record.owed.saturating_sub(1);
        }
    });
}

/// An inbound SPI was learned for the host; `alone` if nobody else was owed one.
#[inline(always)]
pub fn pay(record: &mut Peers, host: u32, now: Ticks, alone: bool) {
    let round = record.round;
    if alone && is_settled(record, now) {
        with(record, host, |peer| peer.owed = peer.owed_in(round).saturating_sub(1));
        record.owed = record.owed.saturating_sub(1);
    } else if record.owed > record.guessed {
        record.guessed += 1;
    }
    close(record, now);
}
