//! L2TPv2 where port 1701 is kept (RFC 2661): clients of one server are told apart by the tunnel IDs that they assign.
//!
//! A header's tunnel ID is the one that its receiver assigned (RFC 2661 section 3.1), in the AVP Assigned Tunnel ID of
//! its SCCRQ or SCCRP. So it is read there, and inbound messages are found by it. Two clients of one server that assign
//! the same one are given different ones outside: the AVP is rewritten outbound, and the header inbound.
//!
//! Without [`option::KEEP_L2TP_PORT`] nothing here runs: L2TP, of any version, is then plain UDP (conformance L1, L5,
//! V4). With it, L2F and L2TPv3 over UDP are dropped (L11), and a server that answers from another port than 1701 is
//! heard, but its client's answers to that port are ordinary UDP with a port of their own (L2): the option is for peers
//! that insist on 1701. A session is a pair: outbound by ports, inbound by tunnel ID; a client with several tunnels to
//! one server has one outbound half and an inbound half for each. L2TPv3 over IP is `by_address`.

mod clients;
mod control;
mod header;
#[cfg(test)]
mod tests;
mod tunnels;

use crate::abi::settings::option;
use crate::abi::{Class, Reason, Settings, Space, Switch};
use crate::seam::{Packet, Remote, Table, World};
use crate::session::pair::L2TP_PORT;
use crate::wire::l2tp::Flags;
use crate::wire::transport;

use super::{Flow, endpoint, number, progress};
use control::Assigned;

pub use clients::sole;
pub use tunnels::{Client, outside_id, quoted_key};

/// Whether this packet's inside port is kept, so that its session goes by tunnel ID inbound.
#[inline(always)]
pub fn is_kept(flow: &Flow, settings: &Settings, outbound: bool) -> bool {
    let near = if outbound { flow.source_port() } else { flow.destination_port() };
    near == L2TP_PORT
        && flow.class == Class::L2tp
        && flow.protocol == number::UDP
        && flow.space == Space::Ports
        && settings.has(option::KEEP_L2TP_PORT)
        && settings.switch(Class::L2tp) == Switch::Full
}

/// The tunnel ID of a kept inbound message: what its session's key counts.
///
/// # Errors
///
/// [`Reason::L2tpMalformed`], also for L2F and L2TPv3 (conformance L11).
#[inline(always)]
pub fn tunnel_key<P: Packet>(packet: &P, flow: &Flow) -> Result<u32, Reason> {
    header::read(packet, flow).map(|header| u32::from(header.tunnel))
}

/// Where the tunnel ID is in a frame whose L2TPv2 header starts at `at`, for the edit that rewrites it.
#[inline(always)]
pub fn tunnel_id_at<P: Packet>(packet: &P, at: u32) -> Option<u32> {
    packet.u16(at).map(|flags| at + Flags(flags).tunnel_id())
}

/// Whether [`step`] must read this kept message even if its session is known: an outbound control message.
#[inline(always)]
pub fn must_read<P: Packet>(packet: &P, flow: &Flow) -> bool {
    flow.has(progress::OUTBOUND)
        && packet.u16(flow.l4_at + transport::udp::LEN).is_some_and(|flags| Flags(flags).is_control())
}

/// Reads a kept message, before its session is looked up: learns what it assigns, and makes the halves that are missing.
/// Not to be called twice for one packet, since it may rewrite what it reads.
///
/// # Errors
///
/// [`Reason::ToGateway`], a punt: the message is for the gateway's own L2TP server (conformance O26).
/// [`Reason::L2tpMalformed`]; [`Reason::L2tpHidden`] (L9); [`Reason::L2tpUnknown`] (L10);
/// [`Reason::PeerLimit`]; [`Reason::PortsExhausted`] for a client that assigns too fast; those of `halves::insert`.
#[inline(always)]
pub fn step<P: Packet, W: World>(packet: &mut P, flow: &Flow, world: &W) -> Result<(), Reason> {
    if flow.has(progress::OUTBOUND) { outbound(packet, flow, world) } else { inbound(packet, flow, world) }
}

/// A message from a client.
fn outbound<P: Packet, W: World>(packet: &mut P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let header = header::read(packet, flow)?;
    let client = Client {
        server: flow.destination,
        outside: endpoint::outside_address(world, flow.source),
        host: flow.source,
    };
    let known = tunnels::last_assigned(world, &client);
    if known == Some(tunnels::TRANSLATED) {
        return Ok(());
    }
    if !header.flags.is_control() {
        if known.is_none() {
            return tunnels::open(world, &client);
        }
        tunnels::see(world, &client, 0);
        return Ok(());
    }
    let assigned = control::assigned(packet, &header);
    if assigned == Assigned::MALFORMED {
        return Err(Reason::L2tpMalformed);
    }
    // Judged before it joins: a client that is refused must not be company for the one that is there.
    if assigned == Assigned::HIDDEN && clients::has_others(world, &client) {
        return Err(Reason::L2tpHidden);
    }
    clients::join(world, &client, assigned != Assigned::NOTHING)?;
    if known.is_none() {
        tunnels::open(world, &client)?;
    }
    let id = assigned.id();
    if id == 0 {
        // What assigns an ID comes before the tunnel is used.
        if header.tunnel != 0 {
            tunnels::remember_quoted(world, &client, header.tunnel);
        }
        tunnels::see(world, &client, 0);
        return Ok(());
    }
    let outside = tunnels::assign(world, &client, known.unwrap_or(0) as u16, id);
    if outside == 0 {
        // Nothing stays of a message that is refused (conformance G4).
        if known.is_none() {
            tunnels::close(world, &client);
        }
        return Err(Reason::PortsExhausted);
    }
    tunnels::see(world, &client, outside);
    if outside == id { Ok(()) } else { control::reassign(packet, &header, id, outside) }
}

/// A message from a server.
fn inbound<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let tunnel = header::read(packet, flow)?.tunnel;
    let (server, outside) = (flow.source, flow.destination);
    if world.sessions().get(&tunnels::inbound_key(server, outside, tunnel)).is_some() {
        return Ok(());
    }
    let Some(host) = clients::sole(world, server, outside) else {
        // The gateway's own L2TP server has its socket here (conformance O26).
        let local = (outside, flow.destination_port());
        let served = world.has_listener(local, &Remote::new(number::UDP, (server, flow.source_port())));
        return Err(if served { Reason::ToGateway } else { Reason::L2tpUnknown });
    };
    if !clients::may_guess(world, server, outside) {
        return Err(Reason::L2tpUnknown);
    }
    tunnels::insert(world, &Client { server, outside, host }, tunnel, tunnel)
}
