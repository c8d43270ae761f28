//! Laws of translation: what goes out comes back as it was, and only the named fields change (conformance G1, K5).

use passthrough_common::abi::Class;
use passthrough_tests::vectors::frame::{Body, Packet, echo, raw, tcp, udp};
use passthrough_tests::vectors::host::Host;
use passthrough_tests::vectors::play::{Device, Fate, Place};
use passthrough_tests::vectors::{E, Play, bodies};
use proptest::prelude::*;

/// A packet from some inside host to some server, of every kind that goes both ways.
fn packet() -> impl Strategy<Value = Packet> {
    let host = 2u32..255;
    let server = (11u32..100, any::<[u8; 3]>());
    let ports = (any::<u16>(), 1..u16::MAX);
    let data = prop::collection::vec(any::<u8>(), 0..200);
    let rest = (any::<u16>(), 2u8..255, any::<u8>(), any::<bool>(), 0u16..0xffff);
    (host, server, ports, data, 0..9u8, rest).prop_map(|(host, server, ports, data, kind, rest)| {
        let source = 0xc0a8_0100 | host;
        let [a, b, c] = server.1;
        let destination = u32::from_be_bytes([server.0 as u8, a, b, c]);
        let (near, far) = ((source, ports.0), (destination, ports.1));
        let id = u32::from(ports.0) << 16 | u32::from(ports.1);
        let (identification, ttl, tos, summed, wrong) = rest;
        let built = match kind {
            0 => udp(near, far, &data),
            1 => udp(near, far, &data).unsummed(),
            2 => tcp(near, far, 0x18, &data),
            3 => echo(8, source, destination, ports.0),
            4 => raw(source, destination, 47, &bodies::gre_v0(Some(id), &data)),
            5 => raw(source, destination, 47, &bodies::gre_v0(None, &data)),
            6 => raw(source, destination, 50, &bodies::esp(id, 1)),
            7 => raw(source, destination, 4, &data),
            _ => raw(source, destination, 115, &data),
        };
        Packet { identification, ttl, tos, wrong_by: if summed { 0 } else { wrong }, ..built }
    })
}

/// The same with enough data for three fragments.
fn long() -> impl Strategy<Value = Packet> {
    packet().prop_filter("too short to be cut", |packet| packet.payload().len() >= 56)
}

/// The answer to a packet: its ends exchanged, an echo replied to.
fn answer(packet: &Packet) -> Packet {
    let mut back = packet.clone().from(packet.destination).to(packet.source);
    match &mut back.body {
        Body::Udp { ports, .. } | Body::Tcp { ports, .. } => ports.swap(0, 1),
        Body::Icmp { kind, .. } => kind[0] = 0,
        Body::Raw { .. } => {}
    }
    back
}

/// A gateway with every switch at full, but for kept ports.
fn gateway() -> Host {
    let mut host = Host::default();
    let mut play = Play::new(&mut host);
    play.enable(&[Class::Gre, Class::Esp, Class::L2tp, Class::Ipip, Class::NatT]);
    // IKE is never at full here: it would be read.
    play.set(|settings| settings.switches[Class::Ike as usize] = 1);
    play.set(|settings| settings.switches[Class::Pptp as usize] = 1);
    host
}

/// A packet as the wire shows it: with what the gateway chose read from the frame that left.
fn translated(sent: &Packet, frame: &[u8]) -> Packet {
    let at = match sent.body {
        Body::Udp { .. } | Body::Tcp { .. } => 34,
        Body::Icmp { .. } => 38,
        Body::Raw { .. } => return sent.clone().from(E),
    };
    sent.clone().from_end((E, u16::from_be_bytes([frame[at], frame[at + 1]])))
}

/// Whether two frames are one but for plus and minus zero in the transport checksum, which are one number.
fn same(one: &[u8], other: &[u8], sum_at: Option<usize>) -> bool {
    let Some(at) = sum_at else { return one == other };
    let (mut one, mut other) = (one.to_vec(), other.to_vec());
    for frame in [&mut one, &mut other] {
        if frame[at..at + 2] == [0xff, 0xff] {
            frame[at..at + 2].fill(0);
        }
    }
    one == other
}

fn sum_at(packet: &Packet) -> Option<usize> {
    match packet.body {
        Body::Udp { summed: false, .. } | Body::Raw { .. } => None,
        Body::Udp { .. } => Some(40),
        Body::Tcp { .. } => Some(50),
        Body::Icmp { .. } => Some(36),
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 4_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves: G1, G2, K5.
    #[test]
    fn only_the_named_fields_change_and_what_comes_back_is_as_it_was(sent in packet()) {
        let mut host = gateway();
        let out = host.send(Place::Out, &sent.frame());
        prop_assert_eq!(out.fate, Fate::Passed, "{:?}", out.counted);
        // Built anew from its fields: every other byte is the sender's, every checksum is computed in full.
        let wire = translated(&sent, &out.frame);
        prop_assert!(same(&out.frame, &wire.frame(), sum_at(&sent)), "{:x?}\n{:x?}", out.frame, wire.frame());
        let again = host.send(Place::Out, &sent.frame());
        prop_assert!(again.fate == out.fate && again.frame == out.frame, "G2");

        let reply = answer(&wire);
        let back = host.send(Place::In, &reply.frame());
        prop_assert_eq!(back.fate, Fate::Redirected, "{:?}", back.counted);
        let home = answer(&sent).hop();
        prop_assert!(same(&back.frame, &home.frame(), sum_at(&sent)), "{:x?}\n{:x?}", back.frame, home.frame());
    }

    /// Proves: K8, F1.
    #[test]
    fn a_datagram_in_fragments_is_the_same_datagram(sent in long(), cuts in any::<[prop::sample::Index; 2]>()) {
        let sent = sent.fragment(0);
        // The first carries the largest header of all, and something is left for the last.
        let eighths = sent.payload().len() / 8;
        let first = 4 + cuts[0].index(eighths - 5);
        let second = 1 + cuts[1].index(eighths - first);
        let (first, second) = (first * 8, second.min(eighths - first - 1).max(1) * 8);
        let mut host = gateway();
        let mut wire: Option<Vec<Packet>> = None;
        for (index, piece) in sent.fragments(&[first, second]).iter().enumerate() {
            let out = host.send(Place::Out, &piece.frame());
            prop_assert_eq!(out.fate, Fate::Passed, "{:?}", out.counted);
            let wanted = wire.get_or_insert_with(|| translated(&sent, &out.frame).fragments(&[first, second]));
            let sum = if index == 0 { sum_at(&sent) } else { None };
            prop_assert!(same(&out.frame, &wanted[index].frame(), sum));
        }
    }

    /// Proves: U3, U14.
    #[test]
    fn no_two_inside_endpoints_share_an_outside_one(ends in prop::collection::hash_set((2u32..255, 1024u16..1100), 2..60)) {
        let mut host = gateway();
        let mut seen = std::collections::HashSet::new();
        for (address, port) in ends {
            let sent = udp((0xc0a8_0100 | address, port), (0xc633_640a, 53), b"x");
            let out = host.send(Place::Out, &sent.frame());
            prop_assert_eq!(out.fate, Fate::Passed);
            prop_assert!(seen.insert(out.frame[34..36].to_vec()), "U3");
        }
    }
}
