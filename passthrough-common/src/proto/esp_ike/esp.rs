//! ESP packets without a session, and the renewal of those that have one.

use crate::abi::peers::IPSEC;
use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::Idle;
use crate::abi::{Class, Event, PeerKey, Reason, Session, SessionKey, Ticks, View};
use crate::proto::{Flow, halves, hosts};
use crate::seam::{Packet, Table, World};
use crate::wire::esp::{self, Header};

use super::cause::Cause;
use super::claims::{self, Claim};
use super::learn::FRESH;
use super::peers::{self, Sent};
use super::turns;
use super::{Ends, debts, esp_key, table};

/// For how long after a packet an error from its receiver counts as being about it (rule 9).
const AT_ONCE: Ticks = Ticks::from_secs(2);
/// For how long a binding that nothing confirms stands against another host's claim (rule 9).
const TENTATIVE: Ticks = Ticks::from_secs(60);

#[inline(always)]
fn header<P: Packet>(packet: &P, flow: &Flow) -> Result<Header, Reason> {
    if flow.end < flow.l4_at + esp::LEN {
        return Err(Reason::Malformed);
    }
    let spi = packet.u32(flow.l4_at + esp::SPI).ok_or(Reason::Malformed)?;
    let sequence = packet.u32(flow.l4_at + esp::SEQUENCE).ok_or(Reason::Malformed)?;
    Header::new(spi, sequence).ok_or(Reason::Malformed)
}

/// A half of the session of one SPI: nothing but the address changes (Q7).
#[inline(always)]
fn half<W: World>(world: &W, to: u32, flags: u8) -> Session {
    halves::half(world.settings(), world.now(), Class::Esp, Rewrite::Address, (to, 0), flags)
}

/// An outbound SPI that has not been seen (rules 3a and 4): its half, and what errors about it quote (I16).
#[inline(always)]
pub fn outbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let header = header(packet, flow)?;
    let cause = if header.sequence > FRESH { Cause::OldEsp } else { Cause::Esp };
    open_outbound(world, &Ends::outbound(world, flow), header.spi, cause)
}

#[inline(never)]
fn open_outbound<W: World>(world: &W, ends: &Ends, spi: u32, cause: Cause) -> Result<(), Reason> {
    let quoted = esp_key(View::Quoted, ends.server, ends.outside, spi);
    let known = table::clear(world, &quoted);
    if known.is_some_and(|host| host != ends.host) {
        // The server chose this SPI for one client, so the other is mistaken, or a liar.
        return Err(Reason::EspConflict);
    }
    let own = hosts::own_flag(world.settings(), ends.host);
    let key = esp_key(View::Outbound, ends.server, ends.host, spi);
    table::clear(world, &key);
    // Counted first: a host that has its share opens no learn window.
    hosts::charge(
        world,
        hosts::payer(own, ends.host),
        if known.is_none() { 2 } else { 1 },
        #[inline(always)]
        || {
            let peers = ends.peers();
            peers::join(world, &peers, ends.host, Sent::Esp)?;
            turns::open(world, &peers, ends.host, cause, spi)?;
            let mut half = half(world, ends.host, own);
            if known.is_none() {
                halves::into_table(world, &quoted, &half, Reason::EspConflict)?;
            }
            half.address = ends.outside;
            if let Err(reason) = halves::into_table(world, &key, &half, Reason::Contended) {
                if known.is_none() {
                    world.sessions().remove(&quoted);
                }
                return Err(reason);
            }
            world.event(Event::SessionOpened);
            Ok(())
        },
    )
}

/// An inbound SPI that nobody has (rules 6 to 8).
#[inline(always)]
pub fn inbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let header = header(packet, flow)?;
    let peers = PeerKey::new(flow.source, flow.destination, IPSEC);
    let mut claim = Claim { spi: header.spi, sequence: header.sequence, host: 0, alone: false };
    claims::claim(world, &peers, &mut claim)?;
    bind(world, &peers, &claim)
}

/// Binds an inbound SPI to a host, for the time being.
#[inline(never)]
fn bind<W: World>(world: &W, peers: &PeerKey, claim: &Claim) -> Result<(), Reason> {
    let unrivalled = if claim.alone { flag::UNRIVALLED } else { 0 };
    let flags = flag::LEARNED | flag::TENTATIVE | unrivalled | hosts::own_flag(world.settings(), claim.host);
    let mut half = half(world, claim.host, flags);
    half.mark = world.now().0;
    let key = esp_key(View::Inbound, peers.server(), peers.outside(), claim.spi);
    table::clear(world, &key);
    hosts::charge(
        world,
        hosts::payer(flags, claim.host),
        1,
        #[inline(always)]
        || {
            halves::into_table(world, &key, &half, Reason::EspConflict)?;
            if !claims::learned(world, peers, claim.host, claim.alone) {
                world.sessions().remove(&key);
                return Err(Reason::EspFlood);
            }
            world.event(Event::SessionOpened);
            world.event(Event::EspLearned);
            Ok(())
        },
    )
}

/// The host goes on sending: it stays in K, and so does what errors quote.
#[inline(always)]
pub fn renew_outbound<W: World>(world: &W, key: &SessionKey, session: &Session) {
    let (server, host, outside) = (key.remote(), key.local(), session.address);
    let now = world.now();
    let quoted = esp_key(View::Quoted, server, outside, key.selector());
    world.sessions().update(&quoted, |session| session.seen = now);
    // No room in the record is no reason to stop a session that works.
    let _ = peers::join(world, &PeerKey::new(server, outside, IPSEC), host, Sent::Esp);
}

/// A tentative binding: confirmed once its host has sent ESP since, if it cannot be another's; removed when its host has not and
/// another may have a claim to it, or when it has had nothing but inbound packets for an idle time (rules 9 and 11).
///
/// That its host sends says that it lives, not that the SPI is its own: a host with two associations sends on the other. So it
/// keeps a binding that has a rival, but does not confirm it.
#[inline(always)]
pub fn renew_inbound<W: World>(world: &W, key: &SessionKey, session: &Session) {
    let (server, outside, host) = (key.remote(), key.local(), session.address);
    let bound = Ticks(session.mark);
    let age = world.now().since(bound);
    let peers = PeerKey::new(server, outside, IPSEC);
    let evidence = claims::evidence(world, &peers, host, bound);
    let (mut used, mut disputed, mut sure) = (false, false, false);
    if let Some(evidence) = evidence {
        used = evidence.spoke
            || has_sent_since(world, &esp_key(View::Outbound, server, host, evidence.spi), session);
        disputed = evidence.disputed;
        sure = evidence.settled && session.has(flag::UNRIVALLED);
    }
    if used && sure {
        world.sessions().update(key, |session| session.flags &= !flag::TENTATIVE);
    } else if !used && ((disputed && age > TENTATIVE) || age > world.settings().idle(Idle::Esp)) {
        debts::give_up(world, &peers);
        table::remove(world, key);
    }
}

/// What [`super::refused`] says.
#[inline(never)]
pub fn refused<W: World>(world: &W, ends: &Ends, spi: u32) {
    let key = esp_key(View::Inbound, ends.server, ends.outside, spi);
    let now = world.now();
    let doubtful = world.sessions().update(&key, |session| {
        session.address == ends.host && session.has(flag::TENTATIVE) && now.since(session.seen) <= AT_ONCE
    });
    if doubtful == Some(true) && claims::refuse(world, &ends.peers(), ends.host, spi) {
        table::remove(world, &key);
    }
}

/// Whether an outbound session was used after the binding was made.
#[inline(always)]
fn has_sent_since<W: World>(world: &W, outbound: &SessionKey, binding: &Session) -> bool {
    let sent = world.sessions().update(outbound, |outbound| outbound.seen.since(Ticks(binding.mark)).0 > 0);
    sent.unwrap_or(false)
}
