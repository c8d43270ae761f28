//! The packet that an ICMP error quotes: its headers, and what its session is told by.

use crate::abi::{Reason, Space};
use crate::proto::{Flow, Part, gre_pptp, number, progress};
use crate::seam::Packet;
use crate::wire::{checksum, gre, icmp, ipv4};

/// Longest message whose checksum is verified: the most that a host sends (RFC 1812 section 4.3.2.3).
const VERIFIED: u32 = 576;
/// Bytes behind the quoted IP header that are there at least (RFC 792).
const LEAST: u32 = 8;

/// A quoted packet. All its fields are words: LLVM joins bytes to halves that the verifier finds misaligned on the stack.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Quote {
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
    /// As [`Flow::selector`].
    pub selector: u32,
    /// Where its IPv4 header is in the frame.
    pub ip_at: u32,
    /// Where its transport header is.
    pub l4_at: u32,
    /// Where it ends, or what is quoted of it.
    pub end: u32,
    /// IP protocol number.
    protocol: u32,
    /// [`Space`] as a number.
    space: u32,
    /// Whether the error that quotes it comes from inside.
    outbound: u32,
}

impl Quote {
    /// IP protocol number.
    #[inline(always)]
    pub const fn protocol(&self) -> u8 {
        self.protocol as u8
    }

    /// Whether its selector counts in this space.
    #[inline(always)]
    pub const fn is_in(&self, space: Space) -> bool {
        self.space == space as u32
    }

    /// What its selector counts in: [`Space::Host`] unless it is one that a packet shows.
    #[inline(always)]
    pub const fn space(&self) -> Space {
        match self.space {
            1 => Space::Ports,
            2 => Space::Identifier,
            3 => Space::CallId,
            4 => Space::GreKey,
            5 => Space::Spi,
            _ => Space::Host,
        }
    }

    /// Whether it is a UDP datagram.
    #[inline(always)]
    pub const fn is_udp(&self) -> bool {
        self.protocol == number::UDP as u32
    }

    /// Whether the error that quotes it comes from inside.
    #[inline(always)]
    pub const fn is_outbound(&self) -> bool {
        self.outbound != 0
    }

    /// The peer outside.
    #[inline(always)]
    pub const fn server(&self) -> u32 {
        if self.is_outbound() { self.source } else { self.destination }
    }

    /// The end that is translated: the inside host, or the outside address.
    #[inline(always)]
    pub const fn local(&self) -> u32 {
        if self.is_outbound() { self.destination } else { self.source }
    }

    /// The port at the end that is translated.
    #[inline(always)]
    pub const fn local_port(&self) -> u16 {
        if self.is_outbound() { self.selector as u16 } else { (self.selector >> 16) as u16 }
    }

    /// The quoted packet as a packet of its own, for who reads its payload. Its length is not to be believed.
    #[inline(always)]
    pub const fn flow(&self) -> Flow {
        Flow {
            source: self.source,
            destination: self.destination,
            selector: self.selector,
            ip_at: self.ip_at,
            l4_at: self.l4_at,
            end: self.end,
            protocol: self.protocol(),
            space: self.space(),
            part: Part::First,
            ..Flow::EMPTY
        }
    }
}

/// Reads the quoted packet's headers.
///
/// # Errors
///
/// [`Reason::IcmpMalformed`]: cut, not IPv4, with a wrong header checksum, a later fragment, or an ICMP error itself
/// (conformance I3, Z29). [`Reason::IcmpNoSession`]: what tells its session was not quoted.
#[inline(never)]
pub fn read<P: Packet>(packet: &P, flow: &Flow) -> Result<Quote, Reason> {
    const MALFORMED: Reason = Reason::IcmpMalformed;
    let ip_at = flow.l4_at + icmp::LEN;
    if ip_at + ipv4::LEN > flow.end {
        return Err(MALFORMED);
    }
    let version_length = packet.u8(ip_at + ipv4::VERSION_IHL).ok_or(MALFORMED)?;
    let header_length = u32::from(version_length & 0x0f) * 4;
    let total_length = u32::from(packet.u16(ip_at + ipv4::TOTAL_LENGTH).ok_or(MALFORMED)?);
    let end = end(packet, flow, ip_at + total_length)?;
    let l4_at = ip_at + header_length;
    if version_length >> 4 != 4 || header_length < ipv4::LEN || l4_at + LEAST > end {
        return Err(MALFORMED);
    }
    if !is_header_intact(packet, ip_at, header_length) {
        return Err(MALFORMED);
    }
    let fragment = packet.u16(ip_at + ipv4::FRAGMENT).ok_or(MALFORMED)?;
    if fragment & ipv4::OFFSET != 0 {
        return Err(MALFORMED);
    }
    let mut quote = Quote {
        source: packet.u32(ip_at + ipv4::SOURCE).ok_or(MALFORMED)?,
        destination: packet.u32(ip_at + ipv4::DESTINATION).ok_or(MALFORMED)?,
        selector: 0,
        ip_at,
        l4_at,
        end,
        protocol: u32::from(packet.u8(ip_at + ipv4::PROTOCOL).ok_or(MALFORMED)?),
        space: 0,
        outbound: u32::from(flow.has(progress::OUTBOUND)),
    };
    let (space, selector) = selector(packet, &quote)?;
    quote.space = space as u32;
    quote.selector = selector;
    Ok(quote)
}

/// Where the quote ends: with the message, with the quoted packet, or where extensions begin (RFC 4884 section 4).
#[inline(always)]
fn end<P: Packet>(packet: &P, flow: &Flow, quoted_end: u32) -> Result<u32, Reason> {
    let words = packet.u8(flow.l4_at + icmp::QUOTE_LENGTH).ok_or(Reason::IcmpMalformed)?;
    let mut end = if quoted_end < flow.end { quoted_end } else { flow.end };
    let extensions = flow.l4_at + icmp::LEN + u32::from(words) * 4;
    if words != 0 && extensions < end {
        end = extensions;
    }
    Ok(end)
}

/// What the quoted packet's session is told by.
#[inline(always)]
fn selector<P: Packet>(packet: &P, quote: &Quote) -> Result<(Space, u32), Reason> {
    const MALFORMED: Reason = Reason::IcmpMalformed;
    let at = quote.l4_at;
    match quote.protocol() {
        number::TCP | number::UDP => Ok((Space::Ports, packet.u32(at).ok_or(MALFORMED)?)),
        number::ICMP => {
            let kind = packet.u8(at + icmp::TYPE).ok_or(MALFORMED)?;
            if !icmp::is_request(kind) && !icmp::is_reply(kind) {
                // An error about an error (RFC 1122 section 3.2.2), or about something never forwarded.
                return Err(MALFORMED);
            }
            Ok((Space::Identifier, u32::from(packet.u16(at + icmp::IDENTIFIER).ok_or(MALFORMED)?)))
        }
        number::GRE => gre_selector(packet, quote),
        number::ESP => Ok((Space::Spi, packet.u32(at).ok_or(MALFORMED)?)),
        _ => Ok((Space::Host, 0)),
    }
}

/// Call ID or key of a quoted GRE header. Only its first eight bytes need be there: the header's own parser wants all.
#[inline(always)]
fn gre_selector<P: Packet>(packet: &P, quote: &Quote) -> Result<(Space, u32), Reason> {
    const MALFORMED: Reason = Reason::IcmpMalformed;
    let [first, second] = packet.load::<2>(quote.l4_at).ok_or(MALFORMED)?;
    if second & gre::VERSION == 1 {
        let id = packet.u16(quote.l4_at + gre::CALL_ID).ok_or(MALFORMED)?;
        return Ok((Space::CallId, gre_pptp::header::selector(id)));
    }
    if first & gre::flag::KEY == 0 {
        return Ok((Space::Host, 0));
    }
    let at = quote.l4_at + gre::key_at(first);
    if at + 4 > quote.end {
        return Err(Reason::IcmpNoSession);
    }
    Ok((Space::GreKey, packet.u32(at).ok_or(MALFORMED)?))
}

/// Whether the checksum of a quoted IPv4 header is right (RFC 5508 REQ-3a).
#[inline(never)]
fn is_header_intact<P: Packet>(packet: &P, at: u32, length: u32) -> bool {
    let mut sum = 0u64;
    let mut index = 0;
    while index < 60 {
        if index < length {
            sum += u64::from(packet.u32(at + index).unwrap_or(0));
        }
        index += 4;
    }
    is_all_ones(sum)
}

/// Whether the ICMP checksum over what lies from `at` to `end` is right; one that is too long to verify counts as such.
///
/// Where the loop ended is forgotten: the verifier would walk what is left once for each of 36 ways out.
#[inline(never)]
pub fn is_intact<P: Packet>(packet: &P, at: u32, end: u32) -> bool {
    let length = end - at;
    if length > VERIFIED {
        return true;
    }
    let mut sum = 0u64;
    let mut index = 0;
    while index + 16 <= length {
        let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] =
            packet.load::<16>(at + index).unwrap_or([0; 16]);
        sum += u64::from(u32::from_be_bytes([a, b, c, d])) + u64::from(u32::from_be_bytes([e, f, g, h]));
        sum += u64::from(u32::from_be_bytes([i, j, k, l])) + u64::from(u32::from_be_bytes([m, n, o, p]));
        index += 16;
    }
    let rest = at + packet.forget_far(index);
    let left = packet.forget(length - index);
    let mut index = 0;
    while index < 14 {
        if index + 2 <= left {
            sum += u64::from(packet.u16(rest + index).unwrap_or(0));
        }
        index += 2;
    }
    if left & 1 != 0 {
        // The last byte counts as the high half of a word; it is read with the one before it.
        sum += u64::from(packet.u16(end - 2).unwrap_or(0) & 0xff) << 8;
    }
    is_all_ones(sum)
}

/// Whether a sum of 32-bit words, checksum included, is minus zero.
#[inline(always)]
const fn is_all_ones(sum: u64) -> bool {
    checksum::fold(checksum::fold_words(sum)) == 0xffff
}
