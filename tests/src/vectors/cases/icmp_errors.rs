//! ICMP errors and what they quote (conformance rows I3-I7, I15, I16, K6, M2, M5, O13, U15, Z28, Z29).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::frame::{DONT, Packet, echo, icmp_error, raw, tcp, udp};
use crate::vectors::{A, B, E, Play, R, S, T, Vector, bodies, vector};

const TOO_BIG: [u8; 2] = [3, 4];

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector(
        "an error from outside reaches the host with its own packet quoted",
        "I6 K6 U15 T8 M10 I15",
        |play| {
            for sent in [
                udp((A, 5000), (S, 53), b"asked"),
                udp((A, 5001), (S, 53), b"odd").unsummed(),
                tcp((A, 5000), (S, 80), 0x02, b""),
                tcp((A, 5001), (S, 80), 0x10, b"odd"),
                echo(8, A, S, 7),
                udp((A, 5002), (S, 53), b"damaged").wrong_by(0x0100),
            ] {
                play.out(&sent).passes(sent.clone().from(E));
                for kind in [[3, 0], [3, 1], [3, 3], [3, 13], [11, 0], [12, 0], TOO_BIG] {
                    for length in [28, 29, 31, 1000] {
                        inbound(play, kind, &sent, &sent.clone().from(E), length);
                    }
                }
            }
        },
    ),
    vector("an error changes no state", "I8 U15 T8", |play| {
        let sent = udp((A, 5000), (S, 53), b"asked");
        play.out(&sent).passes(sent.clone().from(E));
        inbound(play, [3, 3], &sent, &sent.clone().from(E), 28).opens(0);
        let back = udp((S, 53), (E, 5000), b"answered");
        play.back(&back).redirects(back.clone().to(A).hop());
    }),
    vector("a translated port is restored in the quote", "I6 K6", |play| {
        let first = udp((A, 5000), (S, 53), b"first");
        play.out(&first).passes(first.clone().from(E));
        let sent = udp((B, 5000), (S, 53), b"second");
        let port = play.out(&sent).source_id();
        inbound(play, [3, 3], &sent, &sent.clone().from_end((E, port)), 1000);
        let ping = echo(8, A, S, 7);
        play.out(&ping).passes(ping.clone().from(E));
        let ping = echo(8, B, S, 7);
        let identifier = play.out(&ping).source_id();
        inbound(play, [11, 0], &ping, &ping.clone().from_end((E, identifier)), 1000);
    })
    .draws(),
    vector(
        "an error from inside leaves as the outside address's, and so does what it quotes",
        "I7 K6",
        |play| {
            let sent = udp((A, 5000), (S, 53), b"asked");
            play.out(&sent).passes(sent.clone().from(E));
            let back = udp((S, 53), (E, 5000), b"too late").ttl(50);
            let told = back.clone().to(A);
            for length in [28, 30, 33, 1000] {
                let report = icmp_error(A, S, [3, 3], 0, &cut(&told, length));
                play.out(&report).passes(icmp_error(E, S, [3, 3], 0, &cut(&back, length))).class(Class::Icmp);
            }
        },
    ),
    vector("an error from inside about nothing known is dropped", "I7", |play| {
        let told = udp((S, 53), (A, 5000), b"x");
        play.out(icmp_error(A, S, [3, 3], 0, &told.ip_bytes())).drops(Reason::IcmpNoSession);
    }),
    vector("a wrong checksum, of the error or of the quoted header, is dropped in silence", "I3", |play| {
        let sent = udp((A, 5000), (S, 53), b"asked");
        play.out(&sent).passes(sent.clone().from(E));
        let wire = sent.clone().from(E);
        play.back(icmp_error(R, E, [3, 3], 0, &wire.ip_bytes()).wrong_by(1)).drops(Reason::IcmpMalformed);
        let broken = wire.header_wrong_by(1);
        play.back(icmp_error(R, E, [3, 3], 0, &broken.ip_bytes())).drops(Reason::IcmpMalformed);
    }),
    vector("a quoted header's options are skipped", "I4", |play| {
        let plain = tcp((A, 5000), (S, 80), 0x02, b"");
        play.out(&plain).passes(plain.clone().from(E));
        for count in [4, 20, 40] {
            let sent = plain.clone().options(&[1; 40][..count]);
            inbound(play, [3, 1], &sent, &sent.clone().from(E), 20 + count + 8);
            inbound(play, [3, 1], &sent, &sent.clone().from(E), 1000);
        }
        let damaged = plain.wrong_by(77);
        inbound(play, [3, 1], &damaged, &damaged.clone().from(E), 1000);
    }),
    vector("extensions behind the quoted datagram stay as they are", "I5", |play| {
        let sent = udp((A, 5000), (S, 53), b"asked");
        play.out(&sent).passes(sent.clone().from(E));
        let message = |from: u32, to: u32, packet: &Packet| {
            let mut quote = packet.ip_bytes();
            quote.resize(128, 0);
            quote.extend([0x20, 0, 0x99, 0x99, 0, 8, 1, 1, 0x12, 0x34, 0x51, 0xff]);
            let mut error = icmp_error(from, to, [11, 0], 0, &quote);
            if let super::Body::Icmp { rest, .. } = &mut error.body {
                rest[0] = 128 / 4;
            }
            error
        };
        play.back(message(R, E, &sent.clone().from(E))).passes(message(R, A, &sent));
    }),
    vector("an MTU that no link has is refused; 0 is an old router's", "M5 Z31 U16", |play| {
        let sent = udp((A, 5000), (S, 53), b"asked");
        play.out(&sent).passes(sent.clone().from(E));
        for (mtu, passes) in [(0, true), (1, false), (67, false), (68, true), (1400, true)] {
            let answer = play.back(icmp_error(R, E, TOO_BIG, mtu, &sent.clone().from(E).ip_bytes()));
            if passes {
                answer.passes(icmp_error(R, A, TOO_BIG, mtu, &sent.ip_bytes()));
            } else {
                answer.drops(Reason::IcmpMalformed);
            }
        }
    }),
    vector(
        "an error about nothing known, or about another flow than it says, is dropped",
        "I6 Z28",
        |play| {
            let sent = udp((A, 5000), (S, 53), b"asked");
            play.out(&sent).passes(sent.clone().from(E));
            for wire in [
                udp((E, 5001), (S, 53), b"x"),
                udp((E, 5000), (S, 54), b"x"),
                udp((E, 5000), (T, 53), b"x"),
                tcp((E, 5000), (S, 53), 2, b""),
                udp((A, 5000), (S, 53), b"x"),
                echo(8, E, S, 7),
            ] {
                play.back(icmp_error(R, E, [3, 3], 0, &wire.ip_bytes())).drops(Reason::IcmpNoSession);
            }
        },
    ),
    vector(
        "a quote that is cut, lies, is a later fragment or an error itself is dropped",
        "Z29 F5",
        |play| {
            let sent = udp((A, 5000), (S, 53), b"asked");
            play.out(&sent).passes(sent.clone().from(E));
            let wire = sent.clone().from(E);
            let whole = wire.ip_bytes();
            for length in 0..28 {
                play.back(icmp_error(R, E, [3, 3], 0, &whole[..length])).drops(Reason::IcmpMalformed);
            }
            for first in [0x35, 0x44, 0x4f, 0x65, 0x40] {
                let lie = [&[first], &whole[1..]].concat();
                play.back(icmp_error(R, E, [3, 3], 0, &lie)).drops(Reason::IcmpMalformed);
            }
            let later = wire.clone().fragment(DONT | 1).ip_bytes();
            play.back(icmp_error(R, E, [3, 3], 0, &later)).drops(Reason::IcmpMalformed);
            let error = icmp_error(E, S, [3, 3], 0, &udp((S, 53), (E, 5000), b"x").ip_bytes()).ip_bytes();
            play.back(icmp_error(R, E, [3, 3], 0, &error)).drops(Reason::IcmpMalformed);
        },
    ),
    vector(
        "errors about GRE, ESP and IPIP reach their client alone, MTU unchanged",
        "I15 I16 M2 E16",
        |play| {
            play.enable(&[Class::Esp, Class::Gre, Class::Ipip, Class::L2tp]);
            for sent in [
                raw(A, S, 50, &bodies::esp(0x1001, 1)),
                raw(A, S, 47, &bodies::gre_v0(Some(1), b"long enough")),
                raw(A, S, 4, &[0x45; 40]),
                raw(A, S, 115, &[1; 40]),
            ] {
                play.out(&sent).passes(sent.clone().from(E));
                for length in [28, 1000] {
                    inbound(play, TOO_BIG, &sent, &sent.clone().from(E), length);
                }
            }
            let back = raw(S, E, 50, &bodies::esp(0x2001, 1));
            play.back(&back).redirects(back.clone().to(A).hop());
            let theirs = raw(B, S, 50, &bodies::esp(0x1002, 1));
            play.out(&theirs).passes(theirs.clone().from(E));
            inbound(play, TOO_BIG, &theirs, &theirs.clone().from(E), 28);
        },
    ),
    vector(
        "an error about PPTP's GRE quotes the server's call ID, and finds its client",
        "I16 I15",
        |play| {
            play.enable(&[Class::Pptp]);
            for (host, port, own, remote) in [(A, 1025, 0x0801, 0x5500), (B, 1026, 0x0802, 0x5501)] {
                call(play, (host, port), own, remote);
            }
            for (host, remote) in [(A, 0x5500), (B, 0x5501)] {
                let sent = raw(host, S, 47, &bodies::gre(remote, 1, None, b"big"));
                inbound(play, TOO_BIG, &sent, &sent.clone().from(E), 28);
            }
        },
    ),
    vector(
        "errors about kept IKE and L2TP ports find their client by what they quote",
        "I15 R8 L6",
        |play| {
            play.enable(&[Class::Ike, Class::L2tp]);
            play.set(|settings| settings.options |= option::KEEP_L2TP_PORT);
            for (host, spi, tunnel) in [(A, 1, 5), (B, 2, 6)] {
                let ike = udp((host, 500), (S, 500), &bodies::ike(spi, 34, 8));
                play.out(&ike).passes(ike.clone().from(E));
                let sccrq = udp((host, 1701), (S, 1701), &bodies::l2tp_control(0, 1, Some(tunnel)));
                play.out(&sccrq).passes(sccrq.clone().from(E));
                let scccn = udp((host, 1701), (S, 1701), &bodies::l2tp_control(tunnel + 90, 3, None));
                play.out(&scccn).passes(scccn.clone().from(E));
                inbound(play, [3, 3], &ike, &ike.clone().from(E), 1000);
                inbound(play, [3, 3], &scccn, &scccn.clone().from(E), 1000);
            }
        },
    ),
    vector("errors about what is switched off are dropped", "O13", |play| {
        play.enable(&[Class::Esp, Class::NatT]);
        let esp = raw(A, S, 50, &bodies::esp(0x1001, 1));
        let float = udp((A, 4500), (T, 4500), b"x");
        for sent in [&esp, &float] {
            play.out(sent).passes(sent.clone().from(E));
        }
        play.switch(Class::Esp, Switch::Off);
        play.switch(Class::NatT, Switch::Off);
        for sent in [&esp, &float] {
            let report = icmp_error(R, E, TOO_BIG, 1400, &sent.clone().from(E).ip_bytes());
            play.back(report).drops(Reason::SwitchedOffError);
        }
        let never = raw(A, T, 50, &bodies::esp(0x1002, 1)).from(E);
        play.back(icmp_error(R, E, TOO_BIG, 1400, &never.ip_bytes())).drops(Reason::IcmpNoSession);
    }),
];

/// The first bytes of a packet without its frame.
fn cut(packet: &Packet, length: usize) -> Vec<u8> {
    let bytes = packet.ip_bytes();
    bytes[..length.min(bytes.len())].to_vec()
}

/// An error from R that quotes the first bytes of what the wire shows reaches the sender, quoting what he sent.
fn inbound(
    play: &mut Play<'_>,
    kind: [u8; 2],
    sent: &Packet,
    wire: &Packet,
    length: usize,
) -> crate::vectors::play::Answer {
    let mtu = if kind == TOO_BIG { 1400 } else { 0 };
    let (wire, home) = (wire.clone().ttl(60), sent.clone().ttl(60));
    let report = icmp_error(R, E, kind, mtu, &cut(&wire, length));
    play.back(&report).passes(icmp_error(R, sent.source, kind, mtu, &cut(&home, length))).class(Class::Icmp)
}

/// A PPTP call that is connected.
fn call(play: &mut Play<'_>, inside: (u32, u16), own: u16, remote: u16) {
    let (outside, server) = ((E, inside.1), (S, 1723));
    let segments = [
        (true, 0x02, 10, 0, Vec::new()),
        (false, 0x12, 90, 11, Vec::new()),
        (true, 0x18, 11, 91, bodies::pptp(7, own, 0, 0)),
        (false, 0x18, 91, 11 + 168, bodies::pptp(8, remote, own, 1)),
    ];
    for (client, flags, sequence, acknowledgement, data) in segments {
        if client {
            let segment = tcp(inside, server, flags, &data).numbered(sequence, acknowledgement);
            play.out(&segment).passes(segment.clone().from(E));
        } else {
            let segment = tcp(server, outside, flags, &data).numbered(sequence, acknowledgement);
            play.back(&segment).redirects(segment.clone().to(inside.0).hop());
        }
    }
}
