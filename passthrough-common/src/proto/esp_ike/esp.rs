//! ESP packets without a session, and the renewal of those that have one.

use crate::abi::peers::IPSEC;
use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::Idle;
use crate::abi::{Class, Event, PeerKey, Reason, Session, SessionKey, Ticks, View};
use crate::proto::{Flow, halves};
use crate::seam::{Packet, Table, World};
use crate::wire::esp::{self, Header};

use super::peers::{self, Cause, Sent};
use super::{Ends, esp_key, own_flag, table};

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
    let spi = header(packet, flow)?.spi;
    open_outbound(world, &Ends::outbound(world, flow), spi)
}

#[inline(never)]
fn open_outbound<W: World>(world: &W, ends: &Ends, spi: u32) -> Result<(), Reason> {
    let quoted = esp_key(View::Quoted, ends.server, ends.outside, spi);
    let known = table::owner(world, &quoted);
    if known.is_some_and(|host| host != ends.host) {
        // The server chose this SPI for one client, so the other is mistaken, or a liar.
        return Err(Reason::EspConflict);
    }
    let peers = ends.peers();
    peers::join(world, &peers, ends.host, Sent::Esp)?;
    peers::open(world, &peers, ends.host, Cause::Esp, spi)?;

    let mut half = half(world, ends.host, own_flag(world.settings(), ends.host));
    if known.is_none() {
        table::put(world, &quoted, &half, Reason::EspConflict)?;
    }
    half.address = ends.outside;
    let key = esp_key(View::Outbound, ends.server, ends.host, spi);
    if let Err(reason) = table::put(world, &key, &half, Reason::Contended) {
        if known.is_none() {
            world.sessions().remove(&quoted);
        }
        return Err(reason);
    }
    world.event(Event::SessionOpened);
    Ok(())
}

/// An inbound SPI that nobody has (rules 6 to 8).
#[inline(always)]
pub fn inbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let header = header(packet, flow)?;
    let peers = PeerKey::new(flow.source, flow.destination, IPSEC);
    let mut host = 0;
    peers::claim(world, &peers, header.sequence, &mut host)?;
    bind(world, &peers, host, &header)
}

/// Binds an inbound SPI to a host, for the time being.
#[inline(never)]
fn bind<W: World>(world: &W, peers: &PeerKey, host: u32, header: &Header) -> Result<(), Reason> {
    let flags = flag::LEARNED | flag::TENTATIVE | own_flag(world.settings(), host);
    let mut half = half(world, host, flags);
    half.mark = world.now().0;
    let key = esp_key(View::Inbound, peers.server(), peers.outside(), header.spi);
    table::put(world, &key, &half, Reason::EspConflict)?;
    if !peers::learned(world, peers, host) {
        world.sessions().remove(&key);
        return Err(Reason::EspFlood);
    }
    world.event(Event::SessionOpened);
    world.event(Event::EspLearned);
    Ok(())
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

/// A tentative binding: confirmed once its host has sent ESP since; removed when another host may have a claim to it,
/// or when it has had nothing but inbound packets for an idle time (rules 9 and 11).
#[inline(always)]
pub fn renew_inbound<W: World>(world: &W, key: &SessionKey, session: &Session) {
    let (server, outside, host) = (key.remote(), key.local(), session.address);
    let age = world.now().since(Ticks(session.mark));
    let evidence = peers::evidence(world, &PeerKey::new(server, outside, IPSEC), host);
    let (mut confirmed, mut disputed) = (false, false);
    if let Some(evidence) = evidence {
        confirmed = evidence.spoke
            || has_sent_since(world, &esp_key(View::Outbound, server, host, evidence.spi), session);
        disputed = evidence.disputed;
    }
    if confirmed {
        world.sessions().update(key, |session| session.flags &= !flag::TENTATIVE);
    } else if (disputed && age > TENTATIVE) || age > world.settings().idle(Idle::Esp) {
        table::remove(world, key);
    }
}

/// Whether an outbound session was used after the binding was made.
#[inline(always)]
fn has_sent_since<W: World>(world: &W, outbound: &SessionKey, binding: &Session) -> bool {
    let sent = world.sessions().update(outbound, |outbound| outbound.seen.since(Ticks(binding.mark)).0 > 0);
    sent.unwrap_or(false)
}
