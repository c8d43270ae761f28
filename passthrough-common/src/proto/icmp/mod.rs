//! ICMP (RFC 792) through the NAT as RFC 5508 wants it: queries by identifier, errors by the packet that they quote.
//!
//! Echo and timestamp queries are sessions like UDP's, made by `tcp_udp`; here is only what a message is. Errors have no
//! session: [`error`] finds the one that the quoted packet belongs to and restores the
//! quote as its reader knows it, with every checksum in it. An error changes no state: it refreshes nothing and ends
//! nothing (conformance I8, U15), but for a host's own word that an inbound SPI is not its own (section 8 rule 9).
//!
//! Types that pass: 0, 8, 13, 14 (queries), 3, 11, 12 (errors). Every other one is dropped (I12, I14, Z32).
//! Not done: the sequence number in a quoted TCP header is not checked against the connection (Z31 allows that), and
//! the checksum of a message that is a fragment or longer than 576 bytes, which no host sends (RFC 1812 section
//! 4.3.2.3), is left to its reader. Source routes in quoted headers (M14) have no session to be found by: packets that
//! carry one are never forwarded.

mod find;
#[cfg(test)]
pub(crate) mod frames;
mod quote;
mod restore;
#[cfg(test)]
mod tests;

use crate::abi::{Reason, Space};
use crate::seam::{Packet, World};
use crate::wire::{icmp, ipv4};

use super::{Flow, Part, esp_ike, progress};

/// What a message is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// A query or its answer.
    Query {
        /// What its session goes by.
        identifier: u16,
        /// Whether it is the answer: an answer from inside and a request from outside belong to no session that
        /// started inside.
        reply: bool,
    },
    /// An error about another packet.
    Error,
}

/// Reads the message that starts at `at` in a packet that ends at `end`.
///
/// # Errors
///
/// [`Reason::IcmpMalformed`] if it is cut, [`Reason::IcmpType`] if its type is not forwarded.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, at: u32, end: u32) -> Result<Kind, Reason> {
    if at + icmp::LEN > end {
        return Err(Reason::IcmpMalformed);
    }
    let (Some(kind), Some(identifier)) = (packet.u8(at + icmp::TYPE), packet.u16(at + icmp::IDENTIFIER))
    else {
        return Err(Reason::IcmpMalformed);
    };
    if icmp::is_request(kind) || icmp::is_reply(kind) {
        return Ok(Kind::Query { identifier, reply: icmp::is_reply(kind) });
    }
    if !icmp::is_error(kind) {
        return Err(Reason::IcmpType);
    }
    if at + icmp::LEN + ipv4::LEN > end { Err(Reason::IcmpMalformed) } else { Ok(Kind::Error) }
}

/// Translates an error and its quote. From outside it is about a packet that went out: quote and destination become the
/// inside host's. From inside it is about one that came in: quote and source become the outside address's (conformance
/// I7). The end that is the gateway itself stays.
///
/// # Errors
///
/// [`Reason::IcmpMalformed`]; [`Reason::IcmpNoSession`] (conformance I6, Z28); [`Reason::SwitchedOffError`] (O13).
#[inline(always)]
pub fn error<P: Packet, W: World>(packet: &mut P, flow: &Flow, world: &W) -> Result<(), Reason> {
    let outbound = flow.has(progress::OUTBOUND);
    let near = if outbound { flow.source } else { flow.destination };
    check(packet, flow)?;
    let quote = quote::read(packet, flow)?;
    // An error goes to the source of what it quotes.
    if quote.source != flow.destination {
        return Err(Reason::IcmpNoSession);
    }
    let owner = match find::quoted(packet, &quote, world).found() {
        Err(Reason::IcmpNoSession) if find::is_gateways_own(flow, &quote, world) => return Ok(()),
        found => found?,
    };
    if outbound && quote.is_in(Space::Spi) && says_unwanted(packet, flow) {
        esp_ike::refused(world, near, quote.server(), quote.selector);
    }
    restore::quote(packet, flow.l4_at, &quote, owner)?;
    if outbound && world.settings().is_outside_address(near) {
        return Ok(());
    }
    restore::outer_address(packet, flow, owner.address())
}

/// Whether an error says that its sender has no use for the protocol, or the port: 3/2 or 3/3 (RFC 792).
///
/// One number: of a pair in an `Option` the verifier finds the half that `None` leaves undefined (6.18: "!read_ok").
#[inline(always)]
fn says_unwanted<P: Packet>(packet: &P, flow: &Flow) -> bool {
    const PROTOCOL: u16 = u16::from_be_bytes([icmp::kind::UNREACHABLE, icmp::PROTOCOL_UNREACHABLE]);
    const PORT: u16 = u16::from_be_bytes([icmp::kind::UNREACHABLE, icmp::PORT_UNREACHABLE]);
    let said = packet.u16(flow.l4_at + icmp::TYPE).unwrap_or(0);
    said == PROTOCOL || said == PORT
}

/// Checks the message itself: its checksum (conformance I3), and an MTU that no link has (M5; 0 is an old router's).
#[inline(always)]
fn check<P: Packet>(packet: &P, flow: &Flow) -> Result<(), Reason> {
    const MALFORMED: Reason = Reason::IcmpMalformed;
    let [kind, code] = packet.load::<2>(flow.l4_at + icmp::TYPE).ok_or(MALFORMED)?;
    let mtu = packet.u16(flow.l4_at + icmp::MTU).ok_or(MALFORMED)?;
    let is_too_big = kind == icmp::kind::UNREACHABLE && code == icmp::FRAGMENTATION_NEEDED;
    if is_too_big && mtu != 0 && mtu < icmp::LEAST_MTU {
        return Err(MALFORMED);
    }
    if flow.part == Part::Whole && !quote::is_intact(packet, flow.l4_at, flow.end) {
        return Err(MALFORMED);
    }
    Ok(())
}
