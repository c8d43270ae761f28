//! Single packets over IPv6, which the gateway does not translate but whose switches it obeys: sent here, seen by the sniffer.

use std::{
    net::{IpAddr, Ipv6Addr, SocketAddrV6},
    time::Duration,
};

use anyhow::{Context, Result};
use socket2::{Domain, SockAddr, Socket, Type};

use super::gre;
use crate::lab::sniffer::{Packet, Way};

/// One packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Probe {
    /// A TCP SYN to a port.
    Tcp(u16),
    /// A UDP datagram from and to a port.
    Udp(u16),
    /// GRE of a version.
    Gre(u8),
    /// Another IP protocol.
    Protocol(u8),
}

impl Probe {
    /// Sends it.
    pub fn send(self, from: Ipv6Addr, to: Ipv6Addr) -> Result<()> {
        let what = || format!("could not send {self:?} from {from} to {to}");
        let address = |host, port| SockAddr::from(SocketAddrV6::new(host, port, 0, 0));
        let (kind, protocol, port, payload) = match self {
            Probe::Tcp(port) => (Type::STREAM, 6, port, vec![]),
            Probe::Udp(port) => (Type::DGRAM, 17, port, b"probe".to_vec()),
            Probe::Gre(1) => {
                let packet =
                    gre::Enhanced { call_id: 1, sequence: None, acknowledgement: Some(1), payload: &[] };
                (Type::RAW, gre::PROTOCOL, 0, packet.encode())
            }
            Probe::Gre(_) => {
                (Type::RAW, gre::PROTOCOL, 0, gre::Plain { key: Some(1), payload: b"probe" }.encode())
            }
            Probe::Protocol(number) => (Type::RAW, number, 0, ipv6_payload(number)),
        };
        let socket = Socket::new(Domain::IPV6, kind, Some(i32::from(protocol).into())).with_context(what)?;
        if kind == Type::STREAM {
            // Whether it connects is not the question; whether the SYN passes is.
            let _ = socket.connect_timeout(&address(to, port), Duration::from_millis(50));
            return Ok(());
        }
        socket.bind(&address(from, port)).with_context(what)?;
        // A raw IPv6 socket takes no port.
        socket.send_to(&payload, &address(to, port)).with_context(what)?;
        Ok(())
    }

    /// Whether a packet that left the gateway is this one.
    pub fn is_seen_in(self, packet: &Packet, from: Ipv6Addr) -> bool {
        let out = packet.way == Way::FromGateway && packet.source == IpAddr::V6(from);
        out && match self {
            Probe::Tcp(port) => packet.has_port(6, port),
            Probe::Udp(port) => packet.has_port(17, port),
            Probe::Gre(version) => packet.protocol == gre::PROTOCOL && packet.head[1] & 7 == version,
            Probe::Protocol(number) => packet.protocol == number,
        }
    }
}

/// A payload that is well formed as far as a gateway looks: an AH header, an inner IP header, or an SPI and sequence.
fn ipv6_payload(protocol: u8) -> Vec<u8> {
    let mut bytes = vec![0; 44];
    match protocol {
        4 => bytes[..4].copy_from_slice(&[0x45, 0, 0, 44]),
        41 => bytes[..8].copy_from_slice(&[0x60, 0, 0, 0, 0, 4, 59, 64]),
        // Next header none, length 4 words, SPI and sequence.
        51 => bytes[..12].copy_from_slice(&[59, 4, 0, 0, 0, 0, 16, 1, 0, 0, 0, 1]),
        _ => bytes[..8].copy_from_slice(&[0, 0, 16, 1, 0, 0, 0, 1]),
    }
    bytes
}
