//! Synthetic first packets, one of each class, from an inside address that nobody uses to one that nobody has.

use std::net::Ipv4Addr;

use passthrough_common::abi::{Class, Link};

/// Where they go: a documentation address (RFC 5737).
pub const SERVER: Ipv4Addr = Ipv4Addr::new(192, 0, 2, 1);

/// IP protocol of a class's first packet, with its ports if it has any. `None` for classes that have no packet of
/// their own: what is SSTP depends on the server, and "other" is everything else.
pub fn first_packet(class: Class) -> Option<(u8, Option<(u16, u16)>)> {
    Some(match class {
        Class::Tcp => (6, Some((40_000, 9))),
        Class::Udp => (17, Some((40_000, 9))),
        Class::Icmp => (1, None),
        Class::Pptp => (6, Some((40_000, 1723))),
        Class::Gre => (47, None),
        Class::Ike => (17, Some((500, 500))),
        Class::NatT => (17, Some((4500, 4500))),
        Class::Esp => (50, None),
        Class::Ah => (51, None),
        Class::L2tp => (17, Some((1701, 1701))),
        Class::Ipip => (4, None),
        Class::Openvpn => (17, Some((40_000, 1194))),
        Class::Wireguard => (17, Some((40_000, 51820))),
        Class::Sstp | Class::Other => return None,
    })
}

/// The frame of a class's first packet.
pub fn frame(class: Class, source: Ipv4Addr, link: Link) -> Option<Vec<u8>> {
    let (protocol, ports) = first_packet(class)?;
    let inner = match class {
        Class::Icmp => with_checksum(vec![8, 0, 0, 0, 0x50, 0x54, 0, 1], 2),
        // GRE v0 with a key (RFC 2890).
        Class::Gre => vec![0x20, 0, 0x08, 0, 0, 0, 0x50, 0x54],
        Class::Ike => ike(),
        // The non-ESP marker, then IKE (RFC 3948 section 2.2).
        Class::NatT => [vec![0; 4], ike()].concat(),
        Class::Esp => [vec![0x50, 0x54, 0x50, 0x54, 0, 0, 0, 1], vec![0; 32]].concat(),
        Class::Ah => [vec![4, 4, 0, 0, 0x50, 0x54, 0x50, 0x54, 0, 0, 0, 1], vec![0; 12]].concat(),
        Class::L2tp => start_control_connection(),
        Class::Ipip => ipv4(17, Ipv4Addr::new(10, 0, 0, 1), Ipv4Addr::new(10, 0, 0, 2), &[0; 8]),
        _ => vec![0; 16],
    };
    let payload = match (protocol, ports) {
        (6, Some(ports)) => tcp_syn(source, ports),
        (17, Some(ports)) => udp(source, ports, &inner),
        _ => inner,
    };
    let packet = ipv4(protocol, source, SERVER, &payload);
    Some(match link {
        Link::Ethernet => [&[2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0][..], &packet].concat(),
        Link::Raw => packet,
    })
}

/// The source address of the IPv4 packet in a frame.
pub fn source_of(frame: &[u8], link: Link) -> Option<Ipv4Addr> {
    let at = if link == Link::Ethernet { 14 + 12 } else { 12 };
    let bytes: [u8; 4] = frame.get(at..at + 4)?.try_into().ok()?;
    Some(Ipv4Addr::from(bytes))
}

/// An IKEv1 main mode header and an empty SA payload: a stranger's first message (RFC 2408 section 3.1).
fn ike() -> Vec<u8> {
    let mut message = b"passthru".to_vec();
    message.extend([0; 8]);
    message.extend([1, 0x10, 2, 0]);
    message.extend([0; 4]);
    message.extend(36u32.to_be_bytes());
    message.extend([0, 0, 0, 8, 0, 0, 0, 1]);
    message
}

/// L2TP's start-control-connection-request with message type and assigned tunnel ID (RFC 2661 section 6.1).
fn start_control_connection() -> Vec<u8> {
    let mut message = vec![0xc8, 0x02, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0];
    message.extend([0x80, 8, 0, 0, 0, 0, 0, 1]);
    message.extend([0x80, 8, 0, 0, 0, 9, 0x50, 0x54]);
    message
}

fn tcp_syn(source: Ipv4Addr, (from, to): (u16, u16)) -> Vec<u8> {
    let mut segment = [from.to_be_bytes(), to.to_be_bytes()].concat();
    segment.extend([0x50, 0x54, 0, 1, 0, 0, 0, 0, 0x50, 0x02, 0xff, 0xff, 0, 0, 0, 0]);
    let sum = checksum(&[pseudo(source, 6, segment.len()), segment.clone()].concat());
    segment[16..18].copy_from_slice(&sum.to_be_bytes());
    segment
}

fn udp(source: Ipv4Addr, (from, to): (u16, u16), payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 8) as u16;
    let mut datagram = [from.to_be_bytes(), to.to_be_bytes(), length.to_be_bytes(), [0; 2]].concat();
    datagram.extend(payload);
    let sum = checksum(&[pseudo(source, 17, datagram.len()), datagram.clone()].concat());
    datagram[6..8].copy_from_slice(&sum.to_be_bytes());
    datagram
}

/// The pseudo header (RFC 9293 section 3.1).
fn pseudo(source: Ipv4Addr, protocol: u8, length: usize) -> Vec<u8> {
    let mut header = [source.octets(), SERVER.octets()].concat();
    header.extend([0, protocol]);
    header.extend((length as u16).to_be_bytes());
    header
}

fn ipv4(protocol: u8, source: Ipv4Addr, destination: Ipv4Addr, payload: &[u8]) -> Vec<u8> {
    let length = (payload.len() + 20) as u16;
    let mut packet = vec![0x45, 0];
    packet.extend(length.to_be_bytes());
    packet.extend([0x50, 0x54, 0x40, 0, 63, protocol, 0, 0]);
    packet.extend(source.octets());
    packet.extend(destination.octets());
    let mut packet = with_checksum(packet, 10);
    packet.extend(payload);
    packet
}

fn with_checksum(mut bytes: Vec<u8>, at: usize) -> Vec<u8> {
    let sum = checksum(&bytes);
    bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
    bytes
}

/// The internet checksum (RFC 1071).
fn checksum(bytes: &[u8]) -> u16 {
    let mut sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !(sum as u16)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_frame_holds_together() {
        let source = Ipv4Addr::new(192, 168, 1, 254);
        for class in Class::ALL {
            let Some(frame) = frame(class, source, Link::Ethernet) else { continue };
            let packet = &frame[14..];
            assert_eq!(source_of(&frame, Link::Ethernet), Some(source));
            assert_eq!(checksum(&packet[..20]), 0, "{}", class.name());
            assert_eq!(usize::from(u16::from_be_bytes([packet[2], packet[3]])), packet.len());
            let (protocol, ports) = first_packet(class).expect("it has a frame");
            assert_eq!(packet[9], protocol);
            if ports.is_some() {
                let whole = [pseudo(source, protocol, packet.len() - 20), packet[20..].to_vec()].concat();
                assert_eq!(checksum(&whole), 0, "{}", class.name());
            }
        }
    }
}
