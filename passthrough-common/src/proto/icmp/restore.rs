//! The edits of an ICMP error: the quote as its reader knows it, the outer address, and every checksum by delta.
//!
//! Three checksums cover the quoted fields, one inside the other: the quoted IPv4 header's, the quoted transport's if
//! the quote reaches so far, and the error's own, which covers the other two as well. Each is fixed by what changed in
//! what it covers, so the quoted ones become again what the host sent, right or wrong (conformance K5, K6).

use super::find::Owner;
use super::quote::Quote;
use crate::abi::Reason;
use crate::abi::session::Rewrite;
use crate::proto::{Flow, l2tp, number, progress};
use crate::seam::Packet;
use crate::wire::{checksum, gre, icmp, ipv4, transport};

const MALFORMED: Reason = Reason::IcmpMalformed;

/// Replaces the 16-bit field at `at`; the delta.
#[inline(always)]
fn replace<P: Packet>(packet: &mut P, at: u32, change: impl FnOnce(u16) -> u16) -> Result<u32, Reason> {
    let before = packet.u16(at).ok_or(MALFORMED)?;
    let after = change(before);
    if packet.store(at, after.to_be_bytes()) { Ok(checksum::delta16(before, after)) } else { Err(MALFORMED) }
}

/// Rewrites the quote to its owner, and fixes the error's checksum.
///
/// # Errors
///
/// [`Reason::IcmpMalformed`] if a field lies beyond the frame, which reading has ruled out.
#[inline(never)]
pub fn quote<P: Packet>(packet: &mut P, error_at: u32, quote: &Quote, owner: Owner) -> Result<(), Reason> {
    let field = if quote.is_outbound() { ipv4::DESTINATION } else { ipv4::SOURCE };
    if !packet.store(quote.ip_at + field, owner.address().to_be_bytes()) {
        return Err(MALFORMED);
    }
    let address = checksum::delta32(quote.local(), owner.address());
    let header = replace(packet, quote.ip_at + ipv4::CHECKSUM, |sum| checksum::apply(sum, address))?;
    let id = match id_at(packet, quote, owner) {
        0 => 0,
        at => replace(packet, at, |_| owner.id())?,
    };
    let sum = transport_checksum(packet, quote, address, id)?;
    let all = address + header + id + sum;
    packet.fix_transport_checksum(error_at + icmp::CHECKSUM, 0, all, false);
    Ok(())
}

/// Where the owner's identifier is in the quote; 0 if it was not rewritten, or is not quoted.
#[inline(always)]
fn id_at<P: Packet>(packet: &P, quote: &Quote, owner: Owner) -> u32 {
    let at = if owner.shows(Rewrite::Port) {
        quote.l4_at + if quote.is_outbound() { transport::DESTINATION_PORT } else { transport::SOURCE_PORT }
    } else if owner.shows(Rewrite::Identifier) {
        quote.l4_at + icmp::IDENTIFIER
    } else if owner.shows(Rewrite::CallId) {
        quote.l4_at + gre::CALL_ID
    } else if owner.shows(Rewrite::TunnelId) {
        l2tp::tunnel_id_at(packet, quote.l4_at + transport::udp::LEN).unwrap_or(0)
    } else {
        0
    };
    if at + 2 <= quote.end { at } else { 0 }
}

/// Fixes the quoted transport checksum, if the protocol has one and the quote reaches so far; its own delta.
#[inline(always)]
fn transport_checksum<P: Packet>(
    packet: &mut P,
    quote: &Quote,
    address: u32,
    id: u32,
) -> Result<u32, Reason> {
    let with_pseudo = address + id;
    let (at, delta) = match quote.protocol() {
        number::TCP => (quote.l4_at + transport::tcp::CHECKSUM, with_pseudo),
        number::UDP => (quote.l4_at + transport::udp::CHECKSUM, with_pseudo),
        // ICMP has no pseudo header.
        number::ICMP => (quote.l4_at + icmp::CHECKSUM, id),
        _ => return Ok(0),
    };
    if at + 2 > quote.end {
        return Ok(0);
    }
    if quote.is_udp() {
        replace(packet, at, |sum| checksum::apply_udp(sum, delta))
    } else {
        replace(packet, at, |sum| checksum::apply(sum, delta))
    }
}

/// Rewrites the error's own destination (inbound) or source (outbound).
///
/// # Errors
///
/// [`Reason::IcmpMalformed`] if it lies beyond the frame.
#[inline(always)]
pub fn outer_address<P: Packet>(packet: &mut P, flow: &Flow, address: u32) -> Result<(), Reason> {
    let (field, before) = if flow.has(progress::OUTBOUND) {
        (ipv4::SOURCE, flow.source)
    } else {
        (ipv4::DESTINATION, flow.destination)
    };
    if !packet.store(flow.ip_at + field, address.to_be_bytes()) {
        return Err(MALFORMED);
    }
    packet.fix_header_checksum(flow.ip_at + ipv4::CHECKSUM, checksum::delta32(before, address));
    Ok(())
}
