//! Frames for the tests of this folder and of `l2tp`, built and judged without the code under test.

use std::vec::Vec;

use crate::abi::{Class, Reason, Space};
use crate::proto::{Flow, Part, icmp as errors, progress};
use crate::seam::Packet;
use crate::seam::host::{Frame, Gateway, OUTSIDE};

/// The topology of `conformance.md` section 0.
pub const A: u32 = 0xc0a8_010a;
pub const B: u32 = 0xc0a8_010b;
pub const C: u32 = 0xc0a8_010c;
pub const S: u32 = 0xc633_640a;
pub const T: u32 = 0xc633_6414;
pub const R: u32 = 0xcb00_71fe;
pub const E: u32 = OUTSIDE;

/// The Internet checksum from first principles (RFC 1071): the one's complement of the sum of the 16-bit words.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let mut sum = 0u64;
    for pair in bytes.chunks(2) {
        sum += u64::from(pair[0]) << 8 | pair.get(1).map_or(0, |low| u64::from(*low));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

fn with_pseudo(ends: (u32, u32), protocol: u8, segment: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    bytes.extend(ends.0.to_be_bytes());
    bytes.extend(ends.1.to_be_bytes());
    bytes.extend([0, protocol]);
    bytes.extend((segment.len() as u16).to_be_bytes());
    bytes.extend(segment);
    bytes
}

/// An IPv4 packet with these option bytes (a multiple of four).
pub fn ipv4_with(options: &[u8], ends: (u32, u32), protocol: u8, payload: &[u8]) -> Vec<u8> {
    let header = 20 + options.len();
    let mut packet = std::vec![0x40 | (header / 4) as u8, 0];
    packet.extend(((header + payload.len()) as u16).to_be_bytes());
    packet.extend([0x12, 0x34, 0, 0, 61, protocol, 0, 0]);
    packet.extend(ends.0.to_be_bytes());
    packet.extend(ends.1.to_be_bytes());
    packet.extend(options);
    let sum = internet_checksum(&packet);
    packet[10..12].copy_from_slice(&sum.to_be_bytes());
    packet.extend(payload);
    packet
}

/// An IPv4 packet without options.
pub fn ipv4(ends: (u32, u32), protocol: u8, payload: &[u8]) -> Vec<u8> {
    ipv4_with(&[], ends, protocol, payload)
}

/// A UDP datagram between these ends.
pub fn udp(ends: (u32, u32), ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend((8 + payload.len() as u16).to_be_bytes());
    segment.extend([0, 0]);
    segment.extend(payload);
    let sum = match internet_checksum(&with_pseudo(ends, 17, &segment)) {
        0 => 0xffff,
        sum => sum,
    };
    segment[6..8].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// A TCP segment between these ends.
pub fn tcp(ends: (u32, u32), ports: (u16, u16), payload: &[u8]) -> Vec<u8> {
    let mut segment = Vec::new();
    segment.extend(ports.0.to_be_bytes());
    segment.extend(ports.1.to_be_bytes());
    segment.extend([1, 2, 3, 4, 5, 6, 7, 8, 0x50, 0x10, 0xff, 0xff, 0, 0, 0, 0]);
    segment.extend(payload);
    let sum = internet_checksum(&with_pseudo(ends, 6, &segment));
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

/// An ICMP message: type, code, the rest of its header, and what follows.
pub fn icmp(kind: u8, code: u8, rest: [u8; 4], payload: &[u8]) -> Vec<u8> {
    let mut message = std::vec![kind, code, 0, 0];
    message.extend(rest);
    message.extend(payload);
    let sum = internet_checksum(&message);
    message[2..4].copy_from_slice(&sum.to_be_bytes());
    message
}

/// An ICMP query.
pub fn query(kind: u8, identifier: u16, payload: &[u8]) -> Vec<u8> {
    let [high, low] = identifier.to_be_bytes();
    icmp(kind, 0, [high, low, 0, 9], payload)
}

/// The packet in an Ethernet frame.
pub fn frame(packet: &[u8]) -> Frame {
    let mut bytes = std::vec![2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0];
    bytes.extend(packet);
    Frame(bytes)
}

/// The packet of a frame, by its total length.
pub fn packet_of(frame: &Frame) -> &[u8] {
    let length = usize::from(u16::from_be_bytes([frame.0[16], frame.0[17]]));
    &frame.0[14..14 + length]
}

/// What a frame shows, on its way out (`outbound`) or in.
pub fn flow(frame: &Frame, outbound: bool) -> Flow {
    let header = u32::from(frame.0[14] & 0x0f) * 4;
    let protocol = frame.0[23];
    let l4_at = 14 + header;
    let ports = if matches!(protocol, 6 | 17) { frame.u32(l4_at).unwrap_or(0) } else { 0 };
    Flow {
        source: frame.u32(26).unwrap_or(0),
        destination: frame.u32(30).unwrap_or(0),
        selector: ports,
        ip_at: 14,
        l4_at,
        end: 14 + u32::from(frame.u16(16).unwrap_or(0)),
        protocol,
        space: if matches!(protocol, 6 | 17) { Space::Ports } else { Space::Host },
        ttl: 61,
        class: match protocol {
            1 => Class::Icmp,
            17 if ports as u16 == 1701 || ports >> 16 == 1701 => Class::L2tp,
            _ => Class::Other,
        },
        part: Part::Whole,
        options: header > 20,
        error: protocol == 1,
        identification: 0x1234,
        progress: if outbound { progress::OUTBOUND } else { 0 },
        ..Flow::EMPTY
    }
}

/// Translates an error from outside; its destination then.
pub fn error_inbound(error: &mut Frame, flow: &Flow, gateway: &Gateway) -> Result<u32, Reason> {
    errors::error(error, flow, gateway)?;
    error.u32(30).ok_or(Reason::Malformed)
}

/// Translates an error from inside; its source then.
pub fn error_outbound(error: &mut Frame, flow: &Flow, gateway: &Gateway) -> Result<u32, Reason> {
    errors::error(error, flow, gateway)?;
    error.u32(26).ok_or(Reason::Malformed)
}

/// Panics unless the checksums of the packet's IPv4 header and of its UDP or ICMP message are right.
pub fn assert_checksums(packet: &[u8]) {
    let header = usize::from(packet[0] & 0x0f) * 4;
    assert_eq!(internet_checksum(&packet[..header]), 0, "IPv4 header checksum");
    let segment = &packet[header..];
    match packet[9] {
        1 => assert_eq!(internet_checksum(segment), 0, "ICMP checksum"),
        17 if segment[6..8] == [0, 0] => {}
        17 => {
            let address = |at: usize| u32::from_be_bytes(packet[at..at + 4].try_into().unwrap());
            let whole = with_pseudo((address(12), address(16)), 17, segment);
            assert_eq!(internet_checksum(&whole), 0, "UDP checksum");
        }
        _ => {}
    }
}
