//! Who may claim what comes from the server: an inbound SPI or an initiator SPI that nobody has (rules 6, 7, 9 and 12; R11).

use crate::abi::peers::{PEERS, UNKNOWN_SPIS, window};
use crate::abi::{PeerKey, Peers, Reason, Ticks};
use crate::seam::{Table, World};

use super::debts;
use super::learn::{self, Hosts, Survey};
use super::peers::{LAZY, count, generations, is_exclusive, is_member, is_open, with, within};

/// An inbound SPI that nobody has, as a packet shows it, and whom it is given to.
#[derive(Clone, Copy)]
pub struct Claim {
    /// The SPI.
    pub spi: u32,
    /// Its sequence number.
    pub sequence: u32,
    /// The host; 0 until decided.
    pub host: u32,
    /// Whether nobody else is owed an SPI.
    pub alone: bool,
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
    if record.unknown >= UNKNOWN_SPIS {
        return Err(Reason::EspFlood);
    }
    record.unknown += 1;
    Ok(())
}

/// To whom an unknown inbound SPI belongs (rules 6 and 7), into the claim.
///
/// Not returned: a host and a reason would share a register, and what the verifier must know of the one it would follow
/// through the whole loop for the other (6.18: a million instructions).
///
/// # Errors
///
/// [`Reason::EspUnsolicited`], [`Reason::EspAmbiguous`], [`Reason::EspFlood`].
#[inline(never)]
pub fn claim<W: World>(world: &W, key: &PeerKey, claim: &mut Claim) -> Result<(), Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    let mut survey = Survey::empty(key.server());
    let mut orphans = 0;
    let admitted = world.peers().update(key, |record| {
        admit(record, now, generations, Reason::EspUnsolicited)?;
        let round = record.round;
        orphans = record.orphans;
        let refused_by = if record.refused == claim.spi { record.refused_by } else { 0 };
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if is_member(peer, now) && peer.host != refused_by {
                if peer.owed_in(round) > 0 {
                    survey.owed.add(peer.host);
                }
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
    let host = learn::decide(&survey, claim.sequence)?;
    claim.host = host;
    claim.alone = orphans == 0 && survey.owed.only() == Some(host);
    Ok(())
}

/// An initiator SPI that nobody has, as a server shows it, and whom it means by it.
#[derive(Clone, Copy)]
pub struct Meant {
    /// Whether it begins an association; it goes on with one otherwise.
    pub begins: bool,
    /// The host; 0 until decided.
    pub host: u32,
    /// Whether it could be another.
    pub guessed: bool,
}

/// The host that the server means by an unknown initiator SPI: the only one of K (R11). Of several, if it goes on with an
/// association, the only one with a learn window from an exchange that the server began, which may have rekeyed it (RFC 7296
/// section 2.18): the new SPIs are agreed on under encryption, and a server that rekeys may speak first.
///
/// # Errors
///
/// [`Reason::Unsolicited`], [`Reason::IkeAmbiguous`], [`Reason::EspFlood`].
#[inline(never)]
pub fn meant<W: World>(world: &W, key: &PeerKey, meant: &mut Meant) -> Result<(), Reason> {
    let now = world.now();
    let generations = generations(world.settings());
    // Of those with a window, the survey has those alone that the server has asked.
    let mut survey = Survey::empty(key.server());
    let mut settled = false;
    let admitted = world.peers().update(key, |record| {
        admit(record, now, generations, Reason::Unsolicited)?;
        settled = debts::is_settled(record, now);
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if is_member(peer, now) {
                survey.members.add(peer.host);
                let asked = peer.window & window::ASKED != 0;
                if asked && is_exclusive(peer, now) {
                    survey.exclusive.add(peer.host);
                } else if asked && is_open(peer, now) {
                    survey.lazy.add(peer.host);
                }
            }
            index += 1;
        }
        Ok(())
    });
    admitted.unwrap_or(Err(Reason::Unsolicited))?;
    if survey.members.is_empty() {
        return Err(Reason::Unsolicited);
    }
    if let Some(host) = survey.members.only() {
        meant.host = host;
        meant.guessed = !settled;
        return Ok(());
    }
    let latest = if survey.exclusive.is_empty() { survey.lazy.only() } else { survey.exclusive.only() };
    match latest {
        Some(host) if !meant.begins => {
            meant.host = host;
            meant.guessed = true;
            Ok(())
        }
        _ => Err(Reason::IkeAmbiguous),
    }
}

/// An inbound SPI was learned for the host: its window closes. `false` if it came without a window and too many did.
#[inline(always)]
pub fn learned<W: World>(world: &W, key: &PeerKey, host: u32, alone: bool) -> bool {
    let now = world.now();
    let fits = world.peers().update(key, |record| {
        debts::pay(record, host, now, alone);
        let fits = with(record, host, |peer| {
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
        });
        if fits == Some(false) {
            debts::orphan(record);
        }
        fits != Some(false)
    });
    fits.unwrap_or(true)
}

/// The host has said that an inbound SPI is not its own: if the server has another client, it is not given to this one again
/// (rule 9). `true` if it has. The last refusal is remembered, not each.
#[inline(always)]
pub fn refuse<W: World>(world: &W, key: &PeerKey, host: u32, spi: u32) -> bool {
    let now = world.now();
    let refused = world.peers().update(key, |record| {
        let mut others = Hosts::none(key.server());
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            if peer.host != host && is_member(peer, now) {
                others.add(peer.host);
            }
            index += 1;
        }
        if others.is_empty() {
            return false;
        }
        debts::orphan(record);
        record.refused = spi;
        record.refused_by = host;
        // It still waits for the one that is its own.
        with(record, host, |peer| peer.window &= !window::PAIRED);
        true
    });
    refused.unwrap_or(false)
}

/// What speaks for and against a tentative binding.
pub struct Evidence {
    /// The host has sent ESP since.
    pub spoke: bool,
    /// The host's last new outbound SPI; 0 if none.
    pub spi: u32,
    /// Another host of K has sent ESP and never had an answer.
    pub disputed: bool,
    /// Every host was known when it was made, as far as can be told by now.
    pub settled: bool,
}

/// Looks for [`Evidence`] about a binding to the host, made at `bound`.
#[inline(always)]
pub fn evidence<W: World>(world: &W, key: &PeerKey, host: u32, bound: Ticks) -> Option<Evidence> {
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
        let settled = debts::is_settled(record, now) && bound.since(record.settled).0 > 0;
        Evidence { spoke, spi, disputed, settled }
    })
}
