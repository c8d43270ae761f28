//! IPv6: not translated, but gated, behind whatever headers (conformance rows S19, O10, O14, F8, F9, Z26, Z27).

use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::six::{Six, authentication, extension, fragment, inbound, outbound, tcp, udp};
use crate::vectors::{Vector, bodies, vector};

const PASSED: Reason = Reason::PassedIpv6;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("what has no switch passes unchanged, both ways", "S19 S8", |play| {
        for (protocol, payload) in
            [(17, udp(5000, 53)), (6, tcp(5000, 80)), (58, vec![128, 0, 0, 0, 0, 7, 0, 1])]
        {
            play.out(outbound(protocol, &payload)).punts(PASSED);
            play.lan(outbound(protocol, &payload)).punts(PASSED);
            play.back(inbound(protocol, &payload)).punts(PASSED);
        }
    }),
    vector("one switch is for both families", "O14 S11 S13", |play| {
        for (class, protocol, payload) in kinds() {
            play.switch(class, Switch::Off);
            for packet in
                [outbound(protocol, &payload), outbound(protocol, &payload).behind(extension(60, 1))]
            {
                play.out(packet.clone()).drops(Reason::SwitchedOff).class(class);
                play.lan(packet.clone()).drops(Reason::SwitchedOff).class(class);
                let back = Six { source: packet.destination, destination: packet.source, ..packet };
                play.back(turned(back)).drops(Reason::SwitchedOff).class(class);
            }
            play.enable(&[class]);
            play.out(outbound(protocol, &payload)).punts(PASSED).class(class);
            play.back(turned(inbound(protocol, &payload))).punts(PASSED).class(class);
        }
    }),
    vector("no extension header hides a protocol", "S19 O10", |play| {
        for number in [0, 43, 60, 135, 139, 140] {
            for units in [0, 1, 5] {
                play.out(outbound(50, &bodies::esp(1, 1)).behind(extension(number, units)))
                    .drops(Reason::SwitchedOff)
                    .class(Class::Esp);
                play.out(outbound(17, &udp(500, 500)).behind(extension(number, units)))
                    .drops(Reason::SwitchedOff)
                    .class(Class::Ike);
                play.out(outbound(47, &bodies::gre_v0(None, b"x")).behind(extension(number, units)))
                    .drops(Reason::SwitchedOff)
                    .class(Class::Gre);
                play.out(outbound(17, &udp(5000, 53)).behind(extension(number, units))).punts(PASSED);
            }
        }
    }),
    vector("chains of several headers are walked, up to eight", "S19 Z26", |play| {
        let chain = |count: usize| {
            (0..count).fold(outbound(50, &bodies::esp(1, 1)), |packet, _| packet.behind(extension(60, 0)))
        };
        for count in [2, 5, 8] {
            play.out(chain(count)).drops(Reason::SwitchedOff).class(Class::Esp);
        }
        play.out(chain(9)).drops(Reason::Ipv6Chain);
        play.enable(&[Class::Esp]);
        play.out(chain(8)).punts(PASSED);
        play.out(chain(9)).drops(Reason::Ipv6Chain);
        play.out(outbound(50, &bodies::esp(1, 1)).behind(extension(60, 31)).behind(extension(60, 1)))
            .drops(Reason::Ipv6Chain);
    }),
    vector("what hides behind a header of a thousand bytes does not pass", "O10 S19 Z26", |play| {
        // Found by the differential test: in the kernel an offset beyond 1023 came back as one within the header itself.
        for units in [32, 121, 127, 129] {
            let hidden = outbound(17, &udp(500, 500)).behind(extension(60, units));
            play.out(hidden).drops(Reason::Ipv6Chain);
        }
    }),
    vector("an authentication header anywhere is AH's switch", "S19 S10", |play| {
        play.out(outbound(6, &tcp(5000, 80)).behind(authentication()))
            .drops(Reason::SwitchedOff)
            .class(Class::Ah);
        play.enable(&[Class::Ah]);
        play.out(outbound(6, &tcp(5000, 80)).behind(extension(0, 0)).behind(authentication()))
            .punts(PASSED)
            .class(Class::Ah);
    }),
    vector("PPTP's GRE and version 0 have a switch each", "O17", |play| {
        play.enable(&[Class::Gre]);
        play.out(outbound(47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::SwitchedOff).class(Class::Pptp);
        play.out(outbound(47, &bodies::gre_v0(None, b"x"))).punts(PASSED).class(Class::Gre);
    }),
    vector("a hop-by-hop header comes first", "Z27", |play| {
        play.out(outbound(17, &udp(5000, 53)).behind(extension(60, 0)).behind(extension(0, 0)))
            .drops(Reason::Ipv6Chain);
    }),
    vector("a payload length of zero, or beyond the frame, is dropped", "Z27 Z26", |play| {
        play.out(outbound(17, &udp(5000, 53)).longer_by(1)).drops(Reason::Malformed);
        play.out(outbound(17, &udp(5000, 53)).longer_by(-12)).drops(Reason::Malformed);
        play.back(inbound(17, &udp(5000, 53)).longer_by(100)).drops(Reason::Malformed);
    }),
    vector("another version than 6 is dropped", "Z3", |play| {
        let mut frame = outbound(17, &udp(5000, 53)).frame();
        frame[14] = 0x45;
        play.out(frame).drops(Reason::Malformed);
    }),
    vector("later fragments follow the first one's switch", "O7 F11", |play| {
        let first = |port| outbound(17, &udp(port, port)).behind(fragment(0, true, 77));
        let later = outbound(17, &[7; 16]).behind(fragment(2, false, 77));
        play.out(later.clone()).drops(Reason::FragmentOrphan);
        play.out(first(500)).drops(Reason::SwitchedOff).class(Class::Ike);
        play.out(later.clone()).drops(Reason::FragmentOrphan);
        play.out(first(5000)).passes_ipv6();
        play.out(later.clone()).punts(PASSED);
    }),
    vector("a later fragment that overlaps the first ends its datagram", "F7 Z22", |play| {
        let first = inbound(17, &[udp(53, 5000), vec![7; 4]].concat()).behind(fragment(0, true, 82));
        let later = |offset| inbound(17, &[7; 16]).behind(fragment(offset, false, 82));
        play.back(first.clone()).passes_ipv6();
        play.back(later(2)).punts(PASSED);
        play.back(later(1)).drops_and_changes(Reason::FragmentTiny);
        play.back(later(2)).drops(Reason::FragmentOrphan);
    }),
    vector("later fragments of what has no ports are told by their protocol", "O7", |play| {
        for protocol in [50, 47, 115, 4, 41] {
            play.out(outbound(protocol, &[7; 16]).behind(fragment(2, false, 78))).drops(Reason::SwitchedOff);
        }
    }),
    vector("an atomic fragment stands alone", "F8", |play| {
        play.out(outbound(17, &udp(500, 500)).behind(fragment(0, false, 79))).drops(Reason::SwitchedOff);
        play.out(outbound(17, &udp(5000, 53)).behind(fragment(0, false, 79))).punts(PASSED);
    }),
    vector("a fragment in a fragment, or a first one without ports, is dropped", "Z26 F9", |play| {
        play.out(outbound(17, &udp(5000, 53)).behind(fragment(0, true, 80)).behind(fragment(0, true, 81)))
            .drops(Reason::Ipv6Chain);
        play.out(outbound(17, &udp(5000, 53)[..4]).behind(fragment(0, true, 80))).drops(Reason::Ipv6Chain);
        play.out(outbound(60, &[17, 3]).behind(fragment(0, true, 80))).drops(Reason::Ipv6Chain);
    }),
    vector(
        "errors pass as they are, and nothing is remembered of any protocol",
        "S9 S12 S14 S15 M7",
        |play| {
            play.enable(&[Class::Esp]);
            for spi in [1, 77, 0xffff_ffff] {
                let sent = outbound(50, &bodies::esp(spi, 1));
                play.out(sent.clone()).punts(PASSED).class(Class::Esp);
                for kind in [[1, 4], [2, 0], [3, 0], [4, 1]] {
                    let error = [&[kind[0], kind[1], 0, 0, 0, 0, 5, 0xd4][..], &sent.frame()[14..]].concat();
                    play.back(inbound(58, &error)).punts(PASSED).class(Class::Icmp);
                }
            }
            for number in [135, 139] {
                play.out(outbound(59, b"").behind(extension(number, 1))).punts(PASSED);
                play.back(inbound(59, b"").behind(extension(number, 1))).punts(PASSED);
            }
        },
    ),
    vector("large packets are not cut, and UDP without a checksum passes as it is", "M7 K10", |play| {
        let mut unsummed = udp(5000, 53);
        unsummed[6..8].fill(0);
        play.out(outbound(17, &unsummed)).punts(PASSED).class(Class::Udp);
        play.back(inbound(17, &unsummed)).punts(PASSED).class(Class::Udp);
        let large = [udp(5000, 53), vec![7; 1448]].concat();
        play.out(outbound(17, &large)).punts(PASSED);
        play.lan(outbound(17, &large)).punts(PASSED);
    }),
    vector("multicast and the gateway's own packets are the stack's", "S20", |play| {
        let mut all_nodes = inbound(50, &bodies::esp(1, 1));
        all_nodes.destination = [0xff, 2, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1];
        play.back(all_nodes).punts(PASSED);
        play.own(outbound(50, &bodies::esp(1, 1))).punts(PASSED);
    }),
    vector("frames that are cut inside the header are dropped", "Z1", |play| {
        let whole = outbound(17, &udp(5000, 53)).frame();
        for length in 14..whole.len() {
            play.out(whole[..length].to_vec()).drops(Reason::Malformed);
        }
    })
    .host_only("test-run takes no frame whose IP header is cut"),
];

/// A packet of each class that has a switch of its own port or protocol, from A6.
fn kinds() -> Vec<(Class, u8, Vec<u8>)> {
    vec![
        (Class::Pptp, 6, tcp(5000, 1723)),
        (Class::Pptp, 47, bodies::gre(7, 1, None, b"x")),
        (Class::Gre, 47, bodies::gre_v0(None, b"x")),
        (Class::Ike, 17, udp(500, 500)),
        (Class::NatT, 17, udp(4500, 4500)),
        (Class::NatT, 6, tcp(5000, 4500)),
        (Class::Esp, 50, bodies::esp(1, 1)),
        (Class::Ah, 51, vec![59, 4, 0, 0, 0, 0, 0, 1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0]),
        (Class::L2tp, 17, udp(5000, 1701)),
        (Class::L2tp, 115, vec![1; 24]),
        (Class::Ipip, 4, vec![0x45; 40]),
        (Class::Ipip, 41, vec![0x60; 40]),
        (Class::Openvpn, 17, udp(5000, 1194)),
        (Class::Wireguard, 17, udp(5000, 51820)),
    ]
}

/// The same with its ports exchanged, if it has any.
fn turned(mut packet: Six) -> Six {
    if packet.protocol == 6 || packet.protocol == 17 {
        packet.payload[..4].rotate_left(2);
    }
    packet
}
