//! ICMP errors on the host: what went in, what must come out, with every checksum computed anew.

mod hostile;
mod quotes;
mod vpn;

use std::vec::Vec;

use super::frames::{
    A, B, E, R, S, T, assert_checksums, error_inbound, error_outbound, flow, frame, icmp, internet_checksum,
    ipv4, ipv4_with, packet_of, query, tcp, udp,
};
use super::{Kind, parse};
use crate::abi::session::{Rewrite, flag};
use crate::abi::{Class, Reason, Session, SessionKey, Space, Switch, Ticks, View};
use crate::proto::{gre_pptp, halves};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway};

fn gateway() -> Gateway {
    let mut gateway = Gateway::default();
    for class in Class::SWITCHED {
        gateway.settings.switches[class as usize] = Switch::Full as u8;
    }
    gateway
}

fn put(gateway: &Gateway, key: SessionKey, class: Class, rewrite: Rewrite, to: (u32, u16)) {
    let half = halves::half(&gateway.settings, gateway.now.get(), class, rewrite, to, 0);
    gateway.sessions.insert(&key, &half).unwrap();
}

/// A session of ports or identifiers: inside endpoint, outside endpoint, server.
fn open(gateway: &Gateway, protocol: u8, inside: (u32, u16), outside: (u32, u16), server: (u32, u16)) {
    let (class, rewrite) = match protocol {
        1 => (Class::Icmp, Rewrite::Identifier),
        6 => (Class::Tcp, Rewrite::Port),
        _ => (Class::Udp, Rewrite::Port),
    };
    let key = |view, local: (u32, u16)| match protocol {
        1 => SessionKey::new(view, server.0, local.0, 1, Space::Identifier, local.1.into()),
        _ => SessionKey::ports(view, server, local, protocol),
    };
    put(gateway, key(View::Outbound, inside), class, rewrite, outside);
    put(gateway, key(View::Inbound, outside), class, rewrite, inside);
}

/// A session of addresses and a selector that is not rewritten.
fn open_selector(gateway: &Gateway, class: Class, protocol: u8, host: u32, space: Space, selector: u32) {
    let key = |view, local| SessionKey::new(view, S, local, protocol, space, selector);
    put(gateway, key(View::Outbound, host), class, Rewrite::Address, (E, 0));
    put(gateway, key(View::Inbound, E), class, Rewrite::Address, (host, 0));
}

fn quoting(ends: (u32, u32), (kind, code): (u8, u8), rest: [u8; 4], quote: &[u8]) -> Frame {
    frame(&ipv4(ends, 1, &icmp(kind, code, rest, quote)))
}

/// An error from R about `wire`, as it left the gateway, must reach `host` as one about `sent`, as the host sent it.
fn reaches(gateway: &Gateway, host: u32, kind: (u8, u8), wire: &[u8], sent: &[u8]) {
    let before = gateway.sessions.dump();
    let rest = if kind == (3, 4) { [0, 0, 0x05, 0x78] } else { [0; 4] };
    let mut error = quoting((R, E), kind, rest, wire);
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, gateway), Ok(host));
    assert_eq!(packet_of(&error), packet_of(&quoting((R, host), kind, rest, sent)));
    assert_checksums(packet_of(&error));
    for (key, session) in before {
        assert_eq!(gateway.sessions.get(&key), Some(session), "I8: an error changes no state");
    }
}

/// An error from `host` about `received` must leave as one from E about `wire`, as the server sent it.
fn leaves(gateway: &Gateway, host: u32, received: &[u8], wire: &[u8]) {
    let mut error = quoting((host, S), (3, 3), [0; 4], received);
    let seen = flow(&error, true);
    assert_eq!(error_outbound(&mut error, &seen, gateway), Ok(E));
    assert_eq!(packet_of(&error), packet_of(&quoting((E, S), (3, 3), [0; 4], wire)));
    assert_checksums(packet_of(&error));
}

fn refused(gateway: &Gateway, mut error: Frame, outbound: bool, reason: Reason) {
    let seen = flow(&error, outbound);
    let result = if outbound {
        error_outbound(&mut error, &seen, gateway)
    } else {
        error_inbound(&mut error, &seen, gateway)
    };
    assert_eq!(result, Err(reason));
}

/// Short and long quotes of a packet: 8 bytes behind the header, and all.
fn cuts(packet: &[u8]) -> [usize; 2] {
    [usize::from(packet[0] & 0x0f) * 4 + 8, packet.len()]
}

fn esp(spi: u32) -> Vec<u8> {
    let mut packet = Vec::from(spi.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend([0xee; 32]);
    packet
}
