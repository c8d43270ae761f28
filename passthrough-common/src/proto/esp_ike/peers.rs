//! The record of one server's clients: who belongs to it (K), whose learn window is open, who must wait.
//!
//! Each walk over the record is one pass of 64 with few branches, and carries no index and no counter out of the loop,
//! only addresses: the verifier then sees one state an iteration instead of one a combination.
//!
//! Nothing is locked. Two that take the same free entry leave one host without, which `turns::open` reports as
//! [`Reason::Contended`].

use crate::abi::peers::{PEERS, SPIS, window};
use crate::abi::{Class, Peer, PeerKey, Peers, Reason, Settings, Ticks};
use crate::proto::servers::{self, MEMBER};
use crate::seam::{Table, World};

/// The exclusive part of a learn window (rule 4).
pub const EXCLUSIVE: Ticks = Ticks::from_secs(3);
/// The whole learn window (rule 5).
pub const LAZY: Ticks = Ticks::from_secs(30);
/// What is left of it when the server has answered the host's exchange: who has something to say under the new association says
/// it at once. Not so for an exchange that the server began, which may be followed by another one (R11).
pub const ANSWERED: Ticks = Ticks::from_secs(1);
/// How long IKE waits for other hosts' windows, all of them together: what is held is repeated at twice the distance each time,
/// and after 30 s Linux has forgotten the SPI that its daemon asked for.
const PATIENCE: Ticks = Ticks::from_secs(10);
/// How long SPIs that are not paired count (rule 12, by rate instead of by number: no count to keep when they expire).
const MINUTE: Ticks = Ticks::from_secs(60);

/// What a host has sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Sent {
    /// IKE that begins an association.
    Begin,
    /// IKE of an association that exists.
    Ike,
    /// ESP.
    Esp,
}

/// The switches' generations, as the record keeps them.
pub fn generations(settings: &Settings) -> u16 {
    u16::from(settings.generation(Class::Esp)) | u16::from(settings.generation(Class::Ike)) << 8
}

/// Whether less than `length` has passed since a point in time, which another processor's clock may have put a little
/// ahead. One comparison, where `Ticks::since` has two: these stand in loops, and the verifier walks each branch.
#[inline(always)]
pub const fn within(now: Ticks, since: Ticks, length: Ticks) -> bool {
    const AHEAD: u32 = 2;
    now.0.wrapping_sub(since.0).wrapping_add(AHEAD) < length.0 + AHEAD
}

/// This point, where tick 0 means never.
#[inline(always)]
const fn marked(now: Ticks) -> Ticks {
    Ticks(if now.0 == 0 { 1 } else { now.0 })
}

/// Whether the entry is of a host of K.
#[inline(always)]
pub fn is_member(peer: &Peer, now: Ticks) -> bool {
    peer.host != 0 && within(now, peer.seen, MEMBER)
}

/// Whether its learn window is open.
#[inline(always)]
pub fn is_open(peer: &Peer, now: Ticks) -> bool {
    peer.window & window::OPEN != 0 && within(now, peer.window_at, LAZY)
}

/// Whether its learn window is in its exclusive part.
#[inline(always)]
pub fn is_exclusive(peer: &Peer, now: Ticks) -> bool {
    peer.window & window::OPEN != 0 && within(now, peer.window_at, EXCLUSIVE)
}

/// It waits, from now on if it did not; `true` once it has for as long as IKE may. What it waited with a minute ago it has
/// given up.
#[inline(always)]
pub fn has_waited(peer: &mut Peer, now: Ticks) -> bool {
    if peer.waits_since.0 == 0 || !within(now, peer.waits_since, MINUTE) {
        peer.waits_since = marked(now);
    }
    !within(now, peer.waits_since, PATIENCE)
}

/// Its learn window opens, with so much of its exclusive part to come.
#[inline(always)]
pub fn open(peer: &mut Peer, now: Ticks, exclusive: Ticks) {
    peer.window |= window::OPEN;
    peer.window_at = Ticks(now.0.wrapping_sub(EXCLUSIVE.0 - exclusive.0));
}

/// Counts one SPI more that is not paired; `false` if that is too many.
#[inline(always)]
pub fn count(peer: &mut Peer, now: Ticks) -> bool {
    if !within(now, peer.window_at, MINUTE) {
        // Whatever window this was has been over for long.
        peer.window &= window::PAIRED | window::SPOKE | window::ASKED;
        peer.window_at = now;
    }
    if peer.window >> window::SPIS_SHIFT >= SPIS {
        return false;
    }
    peer.window += 1 << window::SPIS_SHIFT;
    true
}

/// Does something to a host's entry; `None` if it is not in the record.
#[inline(always)]
pub fn with<R>(record: &mut Peers, host: u32, act: impl FnOnce(&mut Peer) -> R) -> Option<R> {
    record.first(|peer| peer.host == host).map(act)
}

/// The host belongs to K from now on.
///
/// # Errors
///
/// [`Reason::PeerLimit`], [`Reason::Contended`], those of [`servers::open`].
#[inline(always)]
pub fn join<W: World>(world: &W, key: &PeerKey, host: u32, sent: Sent) -> Result<(), Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    servers::open(world, key, host)?;
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
        record.settled = Ticks(0);
        record.owed = 0;
        record.guessed = 0;
        record.orphans = 0;
        record.round = record.round.wrapping_add(1);
    }
    if record.settled.0 == 0 {
        unsettle(record, now);
    }
    if with(record, host, |peer| hear(peer, now, sent)).is_some() {
        return Ok(());
    }
    if sent != Sent::Begin {
        unsettle(record, now);
    }
    let round = record.round;
    let Some(peer) = record.first(|peer| !is_member(peer, now)) else { return Err(Reason::PeerLimit) };
    let owed = u32::from(peer.owed_in(round));
    *peer = Peer { host, ..Peer::default() };
    hear(peer, now, sent);
    record.owed = record.owed.saturating_sub(owed);
    Ok(())
}

/// Something shows that began before the record, or out of its sight: not every host is known (see [`super::debts`]).
#[inline(always)]
pub const fn unsettle(record: &mut Peers, now: Ticks) {
    record.settled = marked(now);
}

#[inline(always)]
fn hear(peer: &mut Peer, now: Ticks, sent: Sent) {
    peer.seen = now;
    if sent == Sent::Esp {
        peer.window |= window::SPOKE;
        if peer.esp_since.0 == 0 {
            peer.esp_since = marked(now);
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
        let round = record.round;
        let owed = with(record, host, |peer| {
            if peer.esp_since.0 != 0 || is_open(peer, now) {
                return 0;
            }
            peer.host = 0;
            u32::from(peer.owed_in(round))
        });
        record.owed = record.owed.saturating_sub(owed.unwrap_or(0));
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
