//! IKE on UDP 500 where the port is kept: sessions by initiator SPI, and the exchanges that announce new SPIs.

use crate::abi::peers::IPSEC;
use crate::abi::session::{Rewrite, flag};
use crate::abi::{Class, Forward, PeerKey, Reason, SessionKey, Space, Switch, View};
use crate::proto::halves::{self, Pair};
use crate::proto::{Flow, hosts, number};
use crate::seam::{Packet, Table, World};
use crate::wire;
use crate::wire::ike::Exchange;

use super::cause::Cause;
use super::claims::{self, Meant};
use super::peers::{self, Sent};
use super::turns;
use super::{Ends, debts, initiator_key, table};

#[inline(always)]
const fn key(view: View, server: u32, local: u32, initiator: u32) -> SessionKey {
    SessionKey::new(view, server, local, number::UDP, Space::InitiatorSpi, initiator)
}

#[inline(always)]
fn exchange<P: Packet>(packet: &P, flow: &Flow) -> Result<Exchange, Reason> {
    let at = flow.l4_at + wire::transport::udp::LEN;
    let exchange = packet.u32(at + wire::ike::EXCHANGE).ok_or(Reason::Malformed)?;
    let message_id = packet.u32(at + wire::ike::MESSAGE_ID).ok_or(Reason::Malformed)?;
    Ok(Exchange::parse(exchange, message_id))
}

/// Both halves of a session by initiator SPI; the port stays 500. The inbound one first: it must be unique. `flags` are bits
/// of [`flag`] beside those of the host.
#[inline(never)]
fn make_pair<W: World>(world: &W, ends: &Ends, initiator: u32, flags: u8) -> Result<(), Reason> {
    let pair = Pair {
        outbound: key(View::Outbound, ends.server, ends.host, initiator),
        inbound: key(View::Inbound, ends.server, ends.outside, initiator),
        inside: (ends.host, 500),
        outside: (ends.outside, 500),
        class: Class::Ike,
        rewrite: Rewrite::Address,
        flags: flags | hosts::own_flag(world.settings(), ends.host),
    };
    table::clear(world, &pair.inbound);
    table::clear(world, &pair.outbound);
    halves::insert(world, &pair, Reason::IkeConflict)
}

/// From a host: a session for a new initiator SPI (R8, R12), and a learn window for what asks for one.
#[inline(always)]
pub fn outbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let initiator = initiator_key(packet, flow)?;
    let exchange = exchange(packet, flow)?;
    let ends = Ends::outbound(world, flow);
    let sent = if exchange == Exchange::Begin { Sent::Begin } else { Sent::Ike };
    // One after the other, not one in the other: Linux 6.1 adds up the stacks of those that call each other, by 32 bytes.
    let known = owner(world, &ends, initiator);
    if known != 0 && known != ends.host {
        return Err(Reason::IkeConflict);
    }
    enlist(world, &ends, sent, known == 0)?;
    if known == 0 {
        make_pair(world, &ends, initiator, 0)?;
    }
    if world.settings().switch(Class::Esp) != Switch::Full {
        return Ok(());
    }
    let (cause, number) = match exchange {
        Exchange::Other | Exchange::Begin => return Ok(()),
        Exchange::QuickMode(id) => (Cause::QuickMode, id),
        Exchange::Request(id) => (Cause::Request, initiator ^ id),
        // Each end counts its own exchanges.
        Exchange::Response(id) => (Cause::Answered, !(initiator ^ id)),
    };
    turns::open(world, &ends.peers(), ends.host, cause, number)
}

/// The host that has this initiator SPI when one sends with it; 0 for none. A guess is confirmed by its host, and gives way to
/// any other.
#[inline(never)]
fn owner<W: World>(world: &W, ends: &Ends, initiator: u32) -> u32 {
    let inbound = key(View::Inbound, ends.server, ends.outside, initiator);
    let host = table::owner(world, &inbound).unwrap_or(0);
    let was_guessed = world.sessions().update(&inbound, |session| {
        let guessed = session.has(flag::TENTATIVE);
        if host == ends.host {
            session.flags &= !flag::TENTATIVE;
        }
        guessed
    });
    if host == ends.host || was_guessed != Some(true) {
        return host;
    }
    table::remove(world, &inbound);
    0
}

/// Has the host in the server's record, and charges it for an initiator SPI that is `new`.
#[inline(never)]
fn enlist<W: World>(world: &W, ends: &Ends, sent: Sent, new: bool) -> Result<(), Reason> {
    peers::join(world, &ends.peers(), ends.host, sent)?;
    if !new {
        return Ok(());
    }
    if sent == Sent::Ike {
        debts::forgive(world, &ends.peers(), ends.host);
    }
    peers::charge(world, &ends.peers(), ends.host)
}

/// Whether a message begins an association: nobody has answered it yet.
#[inline(always)]
fn begins<P: Packet>(packet: &P, flow: &Flow) -> bool {
    let at = flow.l4_at + wire::transport::udp::LEN + wire::ike::RESPONDER_SPI;
    packet.u32(at).unwrap_or(1) | packet.u32(at + 4).unwrap_or(1) == 0
}

/// Charges the host for an initiator SPI under which the server goes on.
#[inline(never)]
fn claimed<W: World>(world: &W, peers: &PeerKey, host: u32, exchange: Exchange) -> Result<(), Reason> {
    if exchange != Exchange::Begin {
        debts::forgive(world, peers, host);
    }
    peers::charge(world, peers, host)
}

/// From a server: to the host that has this initiator SPI, or to the one that the server must mean (R11).
/// [`Reason::FirstPacket`] leaves it to the forward of port 500: an association that begins, before any of the server's
/// clients is asked, and what is for none of them.
#[inline(always)]
pub fn inbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let initiator = initiator_key(packet, flow)?;
    let exchange = exchange(packet, flow)?;
    let peers = PeerKey::new(flow.source, flow.destination, IPSEC);
    let host = match table::owner(world, &key(View::Inbound, flow.source, flow.destination, initiator)) {
        Some(host) => host,
        None => {
            let forwarded = world.forwards().get(&Forward::outside(number::UDP, 500)).is_some();
            if forwarded && begins(packet, flow) {
                return Err(Reason::FirstPacket);
            }
            let mut meant = Meant { begins: exchange == Exchange::Begin, host: 0, guessed: false };
            match claims::meant(world, &peers, &mut meant) {
                Err(_) if forwarded => return Err(Reason::FirstPacket),
                decided => decided?,
            }
            let host = meant.host;
            claimed(world, &peers, host, exchange)?;
            let flags = if meant.guessed { flag::TENTATIVE } else { 0 };
            make_pair(
                world,
                &Ends { server: flow.source, host, outside: flow.destination },
                initiator,
                flags,
            )?;
            host
        }
    };
    if world.settings().switch(Class::Esp) != Switch::Full {
        return Ok(());
    }
    match exchange {
        Exchange::QuickMode(id) => turns::answered(world, &peers, host, id),
        // It goes on whether or not the window opens: rule 4 holds back only what asks for one.
        Exchange::Response(id) => {
            let _ = turns::open(world, &peers, host, Cause::Completed, initiator ^ id);
        }
        Exchange::Request(_) | Exchange::Begin | Exchange::Other => {}
    }
    Ok(())
}
