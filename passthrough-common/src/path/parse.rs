//! Parse: from bytes to a [`Flow`], or to the reason why not.

use crate::abi::{Link, Reason, Space};
use crate::proto::{Flow, Part, gre_pptp, icmp, number, progress};
use crate::seam::{Arrival, Packet};
use crate::session::tcp;
use crate::wire::transport;
use crate::wire::{checksum, ethernet, ipv4};

use super::Verdict;

/// Where the network header is, and which.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Network {
    /// Offset in the frame.
    pub at: u32,
    /// IPv6; IPv4 otherwise.
    pub is_v6: bool,
}

/// Finds the network header.
///
/// Anything but [`Verdict::PROCEED`] is the fate of a frame that is none of ours: other protocols, zones, hosts.
#[inline(always)]
pub fn network<P: Packet>(packet: &P, arrival: &Arrival, network: &mut Network) -> Verdict {
    if !arrival.to_us {
        return Verdict::pass(Reason::Multicast);
    }
    if arrival.link == Link::Raw {
        let version = packet.u8(0).unwrap_or(0) >> 4;
        network.is_v6 = version == 6;
        return if version == 4 || version == 6 { Verdict::PROCEED } else { Verdict::pass(Reason::NotIp) };
    }
    let Some(mut ether_type) = packet.u16(ethernet::ETHER_TYPE) else {
        return Verdict::drop(Reason::Malformed);
    };
    let mut at = ethernet::LEN;
    let mut vlan = arrival.stripped_vlan;
    let mut tags = 0;
    while tags < 2 && (ether_type == ethernet::TAG || ether_type == ethernet::SERVICE_TAG) {
        let Some(tag) = packet.u32(at) else { return Verdict::drop(Reason::Malformed) };
        let identifier = (tag >> 16) as u16 & ethernet::VLAN_ID;
        // Identifier 0 only carries a priority (conformance W2). A second identifier is a zone that no interface of
        // ours has.
        if identifier != 0 {
            vlan = if vlan == 0 { identifier } else { ethernet::VLAN_ID };
        }
        ether_type = tag as u16;
        at += ethernet::TAG_LEN;
        tags += 1;
    }
    network.at = at;
    network.is_v6 = ether_type == ethernet::IPV6;
    if ether_type != ethernet::IPV4 && ether_type != ethernet::IPV6 {
        return Verdict::pass(Reason::NotIp);
    }
    if vlan != arrival.vlan { Verdict::pass(Reason::OtherZone) } else { Verdict::PROCEED }
}

/// Reads an IPv4 packet.
///
/// # Errors
///
/// Why it is dropped: section 13 of `conformance.md`.
#[inline(always)]
pub fn ipv4<P: Packet>(packet: &P, ip_at: u32, flow: &mut Flow) -> Result<(), Reason> {
    let ip_at = packet.forget(ip_at);
    let Some(first) = packet.u32(ip_at) else { return Err(Reason::Malformed) };
    let version_ihl = first >> 24;
    if version_ihl >> 4 != 4 {
        return Err(Reason::Malformed);
    }
    let Some(second) = packet.u32(ip_at + ipv4::IDENTIFICATION) else { return Err(Reason::Malformed) };
    datagram(packet, ip_at, (first, second), (version_ihl & 0x0f) * 4, flow)
}

/// Reads an IPv4 packet that is whole and has no options: all fields are where the compiler knows them to be.
///
/// # Errors
///
/// [`Reason::NeedsStack`] if it is another; else as [`ipv4()`].
#[inline(always)]
pub fn plain_ipv4<P: Packet>(packet: &P, ip_at: u32, flow: &mut Flow) -> Result<(), Reason> {
    let Some(first) = packet.u32(ip_at) else { return Err(Reason::Malformed) };
    let Some(second) = packet.u32(ip_at + ipv4::IDENTIFICATION) else { return Err(Reason::Malformed) };
    let fragment = u32::from(ipv4::OFFSET | ipv4::MORE_FRAGMENTS);
    if first >> 24 != (0x40 | (ipv4::LEN / 4)) || second & fragment != 0 {
        return Err(Reason::NeedsStack);
    }
    datagram(packet, ip_at, (first, second & !fragment), ipv4::LEN, flow)
}

/// Reads the packet whose header of `header_length` bytes begins with the words `first` and `second`.
#[inline(always)]
fn datagram<P: Packet>(
    packet: &P,
    ip_at: u32,
    (first, second): (u32, u32),
    header_length: u32,
    flow: &mut Flow,
) -> Result<(), Reason> {
    // One `let` a word: several in one pattern leave registers undefined (6.18: "!read_ok").
    let Some(third) = packet.u32(ip_at + ipv4::TTL) else { return Err(Reason::Malformed) };
    let Some(source) = packet.u32(ip_at + ipv4::SOURCE) else { return Err(Reason::Malformed) };
    let Some(destination) = packet.u32(ip_at + ipv4::DESTINATION) else { return Err(Reason::Malformed) };
    let tos = (first >> 16) as u8;
    let [ttl, protocol, ..] = third.to_be_bytes();
    let total_length = first & 0xffff;
    if header_length < ipv4::LEN || total_length < header_length || ip_at + total_length > packet.len() {
        return Err(Reason::Malformed);
    }
    let options = header_length > ipv4::LEN;
    if !options {
        // With options the packet goes through the stack, which checks the sum.
        let words = [first, second, third, source, destination];
        if !checksum::is_valid(words.iter().fold(0u64, |sum, word| sum + u64::from(*word))) {
            return Err(Reason::Malformed);
        }
    }

    let fragment = second as u16;
    let offset = u32::from(fragment & ipv4::OFFSET) * 8;
    let more = fragment & ipv4::MORE_FRAGMENTS != 0;
    let payload = total_length - header_length;
    if offset + payload > 65_535 || (more && payload & 7 != 0) {
        return Err(Reason::Malformed);
    }
    flow.source = source;
    flow.destination = destination;
    flow.ip_at = ip_at;
    flow.l4_at = packet.forget(ip_at + header_length);
    flow.end = ip_at + total_length;
    flow.protocol = protocol;
    flow.ttl = ttl;
    flow.tos = tos;
    flow.identification = (second >> 16) as u16;
    flow.options = options;
    flow.part = if offset != 0 {
        Part::Later
    } else if more {
        Part::First
    } else {
        Part::Whole
    };
    // A hairpinned packet goes from an outside address to an outside address in between.
    if flow.source == flow.destination && !flow.has(progress::HAIRPIN) {
        return Err(Reason::Land);
    }
    if flow.part == Part::Later {
        flow.selector = offset / 8;
        // A later fragment that reaches back into the TCP header (RFC 1858 section 4).
        return if flow.protocol == number::TCP && offset == 8 { Err(Reason::FragmentTiny) } else { Ok(()) };
    }
    transport(packet, flow)
}

/// Reads the transport header into the flow.
#[inline(always)]
fn transport<P: Packet>(packet: &P, flow: &mut Flow) -> Result<(), Reason> {
    let at = flow.l4_at;
    let room = flow.end - at;
    let short = if flow.part == Part::Whole { Reason::Malformed } else { Reason::FragmentTiny };
    match flow.protocol {
        number::TCP => {
            if room < transport::tcp::LEN {
                return Err(short);
            }
            let Some(ports) = packet.u32(at) else { return Err(short) };
            let Some(offset_flags) = packet.u16(at + transport::tcp::DATA_OFFSET) else { return Err(short) };
            let header = u32::from(offset_flags >> 12) * 4;
            if header < transport::tcp::LEN
                || (header > room && flow.part == Part::Whole)
                || ports as u16 == 0
            {
                return Err(Reason::Malformed);
            }
            flow.tcp_flags = offset_flags as u8;
            if tcp::is_bogus(flow.tcp_flags) {
                return Err(Reason::BadTcpFlags);
            }
            (flow.space, flow.selector) = (Space::Ports, ports);
        }
        number::UDP => {
            if room < transport::udp::LEN {
                return Err(short);
            }
            let Some(ports) = packet.u32(at) else { return Err(short) };
            let Some(length) = packet.u16(at + transport::udp::LENGTH) else { return Err(short) };
            let length = u32::from(length);
            if length < transport::udp::LEN
                || (length > room && flow.part == Part::Whole)
                || ports as u16 == 0
            {
                return Err(Reason::Malformed);
            }
            (flow.space, flow.selector) = (Space::Ports, ports);
        }
        number::ICMP => match icmp::parse(packet, at, flow.end)? {
            icmp::Kind::Query { identifier, .. } => {
                (flow.space, flow.selector) = (Space::Identifier, u32::from(identifier));
            }
            icmp::Kind::Error => flow.error = true,
        },
        number::GRE => {
            (flow.space, flow.selector) = gre_pptp::header::parse_part(packet, at, flow.end, flow.part)?
        }
        number::ESP => {
            let Some(spi) = packet.u32(at) else { return Err(short) };
            // SPI 0 never goes over the wire (RFC 4303 section 2.1).
            if room < 8 || spi == 0 {
                return Err(short);
            }
            (flow.space, flow.selector) = (Space::Spi, spi);
        }
        _ => {}
    }
    Ok(())
}

/// Walks the IP options (conformance M13, Z9, Z10).
///
/// Where the next option begins is forgotten, so that the verifier has one state for each option and not one for each sum of
/// lengths. To go byte by byte, and only compare with where it begins, was too much for Linux 7.3 (1,000,001 instructions).
///
/// # Errors
///
/// [`Reason::SourceRoute`] for an option that is dropped, [`Reason::Malformed`] for a length that lies.
#[inline(always)]
pub fn options<P: Packet>(packet: &P, flow: &Flow) -> Result<(), Reason> {
    let at = flow.ip_at + ipv4::LEN;
    let length = flow.l4_at - at;
    let (mut next, mut walked) = (0, 0);
    while walked < MOST_OPTIONS && next < length {
        let Some(word) = packet.u16(at + next) else { return Err(Reason::Malformed) };
        let [kind, size] = word.to_be_bytes();
        let size = match kind {
            ipv4::option::END => return Ok(()),
            ipv4::option::NOP => 1,
            kind if ipv4::option::is_dropped(kind) => return Err(Reason::SourceRoute),
            _ if size < 2 || next + u32::from(size) > length => return Err(Reason::Malformed),
            _ => u32::from(size),
        };
        next = packet.forget(next + size);
        walked += 1;
    }
    Ok(())
}

/// Most options: one in each byte of a header of 60, less the 20 that every header has.
const MOST_OPTIONS: u32 = 40;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Side;
    use crate::seam::host::{Frame, arrival};

    /// A frame's verdict by its tags in the bytes, and by the one that the device has taken out.
    fn judged(tags: &[u16], stripped_vlan: u16, vlan: u16) -> Verdict {
        let mut bytes = std::vec![0; 12];
        for tag in tags {
            bytes.extend(ethernet::TAG.to_be_bytes());
            bytes.extend(tag.to_be_bytes());
        }
        bytes.extend(ethernet::IPV4.to_be_bytes());
        bytes.extend([0; 40]);
        let mut found = Network { at: 0, is_v6: false };
        let arrival = Arrival { stripped_vlan, vlan, ..arrival(Side::Outside) };
        let verdict = network(&Frame(bytes), &arrival, &mut found);
        assert!(verdict != Verdict::PROCEED || found.at == 14 + 4 * tags.len() as u32);
        verdict
    }

    /// Proves: W5.
    #[test]
    fn a_tag_beside_the_frame_counts_as_one_in_it() {
        for zone in [0, 7, 8] {
            assert_eq!(judged(&[7], 0, zone), judged(&[], 7, zone), "zone {zone}");
        }
        assert_eq!(judged(&[], 7, 7), Verdict::PROCEED);
        assert_eq!(judged(&[8], 7, 7), Verdict::pass(Reason::OtherZone), "two identifiers are another zone");
        assert_eq!(judged(&[8], 7, 8), Verdict::pass(Reason::OtherZone));
    }
}
