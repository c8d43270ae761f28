//! What comes from the internet: forged servers, strangers, scans, and bytes that are no packets.

use super::kinds::{D, Kind, X, all, broken, kind, word};
use crate::vectors::draw::Draw;
use crate::vectors::frame::flag::{PUSH, RST, SYN};
use crate::vectors::frame::{Body, echo};
use crate::vectors::frame::{DONT, MORE, Packet, ethernet, icmp_error, ip, raw, tcp, udp, words};
use crate::vectors::{A, E, L, MARTIANS, R, S, T, bodies, six};

/// Sources that are ours, and so as little an outside host's as [`MARTIANS`].
const OURS: [u32; 4] = [A, D, L, E];

/// IP options that lie, and source routes.
const OPTIONS: [&[u8]; 8] = [
    &[130, 0],
    &[130, 1],
    &[130, 9, 0, 0],
    &[1, 1, 1, 130],
    &[131, 7, 4, 1, 2, 3, 4],
    &[137, 7, 4, 1, 2, 3, 4, 131, 7, 4, 1, 2, 3, 4],
    &[7, 39, 4],
    &[68, 40, 4],
];

/// A datagram from a server to a port that nobody has.
fn stray(draw: &mut Draw) -> Packet {
    udp((S, 53), (E, 1 + draw.below(1000) as u16), b"some data behind")
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    kind("Z1", "frames that are cut", |draw, _| {
        let mut frame = stray(draw).frame();
        frame.truncate(14 + draw.below(20));
        vec![frame]
    }),
    kind("Z3", "wrong IP versions", |draw, _| {
        let version = *draw.one(&[0u8, 5, 6, 15]);
        vec![broken(&stray(draw), 14, version << 4 | 5)]
    }),
    kind("Z4", "header and total lengths that lie", |draw, _| {
        let (length, total) = (draw.below(5) as u8, *draw.one(&[0, 19, 255]));
        vec![broken(&stray(draw), 14, 0x40 | length), broken(&stray(draw), 17, total)]
    }),
    kind("Z6", "a reset hidden behind a packet", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        vec![stray(draw).padded(&tcp(server, outside, RST, b"").ip_bytes()).frame()]
    }),
    kind("Z7", "resets with a wrong header checksum", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        all([tcp(server, outside, RST, b"").header_wrong_by(word(draw))])
    }),
    kind("Z8", "the reserved flag", |draw, _| all([stray(draw).fragment(0x8000)])),
    kind("Z9 Z10", "options that lie, and source routes", |draw, _| {
        let options = *draw.one(&OPTIONS);
        all([stray(draw).options(options)])
    }),
    kind("Z11", "TCP and UDP lengths that lie", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        let mut segment = tcp(server, outside, PUSH, b"x").frame();
        segment[46] = *draw.one(&[0u8, 4, 6, 15]) << 4;
        let mut datagram = udp((S, 9000), (E, live.udp_port(draw.below(64))), b"x").frame();
        datagram[39] = *draw.one(&[0u8, 7, 10]);
        vec![segment, datagram]
    }),
    kind("Z12", "TCP flags that no endpoint sends", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        all([tcp(server, outside, *draw.one(&[0, 0x03, 0x06, 0x3f, 0x07]), b"")])
    }),
    kind("Z13 Z14", "port 0, and packets from E to E", |draw, _| {
        let port = word(draw);
        all([
            udp((S, port), (E, 0), b"x"),
            tcp((S, port), (E, 0), SYN, b""),
            tcp((E, port), (E, port), SYN, b""),
        ])
    }),
    kind("Z15 Z18", "sources that are ours, or nobody's", |draw, live| {
        let spoofed = [&MARTIANS[..], &OURS[..]].concat();
        let (source, port) = (*draw.one(&spoofed), live.udp_port(draw.below(64)));
        all([udp((source, 9000), (E, port), b"x"), udp((source, 53), (A, 5000), b"x")])
    }),
    kind("Z19", "unicast packets in frames for all, and for others", |draw, _| {
        let mut frame = stray(draw).frame();
        frame[..6].copy_from_slice(*draw.one(&[&[0xff; 6], &[1, 0, 0x5e, 0, 0, 9], &[2, 0, 0, 0, 0, 0x77]]));
        vec![frame]
    }),
    kind("Z21 Z22 Z24 Z25", "fragments that are tiny, overlap, or end nowhere", |draw, live| {
        let (id, port) = (word(draw), live.udp_port(draw.below(64)));
        let piece = |fragment, bytes: &[u8]| raw(S, E, 17, bytes).fragment(fragment).identified(id);
        let head = words(&[53, 1 + draw.below(1000) as u16, 64, 0]);
        let over = words(&[9000, port, 64, 0]);
        all([
            piece(MORE, &head),
            piece(1, &over),
            piece(MORE, &[&over[..], &[0; 16]].concat()),
            piece(0x1fff, &[7; 64]),
            raw(S, E, 6, &[7; 8]).fragment(MORE).identified(id),
            raw(S, E, 47, &[7; 8]).fragment(MORE | 1),
        ])
    }),
    kind("Z23", "fragments whose first never comes", |draw, _| {
        let protocol = *draw.one(&[1, 6, 17, 47, 50]);
        all([raw(S, E, protocol, &[7; 16]).fragment(2).identified(word(draw))])
    }),
    kind("Z26 Z27", "IPv6 chains without end, and lengths that lie", |draw, _| {
        let mut packet = six::inbound(17, &six::udp(500, 500));
        for _ in 0..draw.below(12) {
            packet = packet.behind(six::extension(*draw.one(&[0, 43, 60, 135]), 0));
        }
        let fragment = six::fragment(draw.below(9) as u16, true, draw.bits() as u32);
        vec![packet.clone().longer_by(*draw.one(&[-60, 1, 900])).frame(), packet.behind(fragment).frame()]
    }),
    kind(
        "Z28 Z29 Z32",
        "ICMP errors about nothing, about errors, cut, and of types that nobody sends",
        |draw, _| {
            let about = udp((E, word(draw) % 1000), (S, 53), b"x");
            let mut cut = about.ip_bytes();
            cut.truncate(draw.below(28));
            let error = icmp_error(S, E, [3, 3], 0, &about.ip_bytes());
            let kind = *draw.one(&[4, 5, 9, 10, 13, 17, 30]);
            all([
                error.clone(),
                icmp_error(X, E, [3, 1], 0, &cut),
                icmp_error(X, E, [3, 4], 0, &error.ip_bytes()),
                icmp_error(R, E, [kind, 1], 0x0102, &about.ip_bytes()),
            ])
        },
    ),
    kind("Z31", "forged 3/4 for live connections", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        let about = tcp(outside, server, PUSH, b"x").numbered(draw.bits() as u32, 0);
        all([icmp_error(R, E, [3, 4], *draw.one(&[0, 60, 68, 576]), &about.ip_bytes())])
    }),
    kind("Z34", "resets at random in live connections", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        all((0..4).map(|_| tcp(server, outside, RST, b"").numbered(draw.bits() as u32, draw.bits() as u32)))
    }),
    kind("Z35", "SYNs on live connections", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        all([tcp(server, outside, SYN, b"").numbered(draw.bits() as u32, 0)])
    }),
    kind("Z38", "scans of every port", |draw, _| {
        let port = word(draw);
        all([udp((X, 40_000), (E, port), b"?"), tcp((X, 40_000), (E, port), SYN, b""), echo(0, X, E, port)])
    }),
    kind("Z40", "strangers at live ports", |draw, live| {
        all([udp((X, word(draw)), (E, live.udp_port(draw.below(64))), b"still there?")])
    }),
    kind("Z43", "PPTP replies in live connections, out of place", |draw, live| {
        let [server, outside] = live.connection(draw.below(64));
        let reply = bodies::pptp(8, word(draw), live.call(draw.below(64)), 1);
        all([tcp((server.0, 1723), outside, PUSH, &reply).numbered(draw.bits() as u32, 1)])
    }),
    kind("Z48 Z50", "GRE headers that the RFCs forbid, with live call IDs", |draw, live| {
        let mut call = bodies::gre(live.call(draw.below(64)), 1, None, b"ppp");
        let (at, bits) =
            *draw.one(&[(0, 0x80), (0, 0x40), (0, 0x08), (0, 0x07), (1, 0x02), (1, 0x05), (2, 0x01)]);
        call[at] ^= bits;
        let mut cut = bodies::gre(live.call(draw.below(64)), 1, None, b"ppp");
        cut.truncate(draw.below(8));
        let routed = [&[0x40u8, 0, 8, 0][..], &[0; 12]].concat();
        all([raw(S, E, 47, &call), raw(S, E, 47, &cut), raw(S, E, 47, &routed)])
    }),
    kind("Z51", "tunnels in tunnels", |draw, live| {
        let mut packet = raw(S, A, 47, &bodies::gre(live.call(draw.below(64)), 1, None, b"ppp"));
        for depth in 0..20 {
            let protocol = if depth % 2 == 0 { 4 } else { 47 };
            let header: &[u8] = if protocol == 47 { &[0, 0, 8, 0] } else { &[] };
            packet = raw(X, E, protocol, &[header, &packet.ip_bytes()].concat());
        }
        vec![packet.frame()]
    }),
    kind("Z52", "live call IDs and SPIs from another server", |draw, live| {
        let call = bodies::gre(live.call(draw.below(64)), 1, None, b"ppp");
        all([raw(X, E, 47, &call), raw(X, E, 50, &bodies::esp(live.spi(draw.below(64)), 9))])
    }),
    kind("Z53", "SPI 0, reserved SPIs, cut ESP", |draw, live| {
        let mut cut = bodies::esp(live.spi(draw.below(64)), 9);
        cut.truncate(draw.below(8));
        all([
            raw(S, E, 50, &bodies::esp(0, 1)),
            raw(X, E, 50, &bodies::esp(1 + draw.below(255) as u32, 1)),
            raw(S, E, 50, &cut),
        ])
    }),
    kind("Z54", "SPIs at random", |draw, _| {
        let spi = 0x8000_0000 | draw.bits() as u32;
        all([
            raw(S, E, 50, &bodies::esp(spi, 1)),
            raw(S, E, 50, &bodies::esp(!spi, 5000)),
            raw(X, E, 50, &bodies::esp(spi, 1)),
        ])
    }),
    kind("Z56", "IKE that lies, and that nobody asked for", |draw, _| {
        let mut message = bodies::ike(draw.bits(), *draw.one(&[34, 35, 36, 37, 2, 4, 32]), draw.bits() as u8);
        let (at, byte) = (draw.below(28), draw.bits() as u8);
        message[at] = byte;
        let mut cut = message.clone();
        cut.truncate(draw.below(28));
        all([
            udp((S, 500), (E, 500), &message),
            udp((S, 500), (E, 500), &cut),
            udp((X, 500), (E, 500), &message),
        ])
    }),
    kind("Z57", "port 4500 with less than a marker", |draw, _| {
        all([udp((X, 4500), (E, 4500), &vec![0; draw.below(5)])])
    }),
    kind("Z58", "L2TP that lies, or means nobody", |draw, live| {
        let id = word(draw);
        if !live.is_free(id) {
            return Vec::new();
        }
        let mut control = bodies::l2tp_control(id, draw.below(20) as u16, Some(word(draw)));
        control[12] = 0x80 | draw.below(4) as u8;
        control[13] = draw.below(8) as u8;
        let mut lying = bodies::l2tp_control(id, 1, None);
        lying[3] = draw.bits() as u8;
        all([&bodies::l2tp_data(id), &control, &lying].map(|bytes| udp((S, 1701), (E, 1701), bytes)))
    }),
    kind("Z60", "protocols that nobody knows", |draw, _| {
        all([raw(X, E, *draw.one(&[0, 2, 41, 51, 89, 103, 132, 253, 255]), &[7; 40])])
    }),
    kind("Z61", "tags up to the end, and PPPoE that lies", |draw, _| {
        let tag = |draw: &mut Draw| [*draw.one(&[0x8100, 0x88a8, 0x9100]), draw.bits() as u16];
        let tags: Vec<_> = (0..1 + draw.below(4)).map(|_| tag(draw)).collect();
        let mut cut = stray(draw).tags(&tags).frame();
        cut.truncate(14 + draw.below(16));
        let mut session = ethernet(0x8864, &[]);
        session.extend(words(&[0x1100 | draw.bits() as u16 & 0xff, word(draw), word(draw), 0x0021]));
        session.extend(stray(draw).ip_bytes());
        vec![stray(draw).tags(&tags).frame(), cut, session]
    }),
    kind("Z1 Z60", "noise", |draw, _| {
        let length = draw.below(200);
        let body = Body::Raw { protocol: draw.bits() as u8 | 0x80, bytes: draw.bytes(length) };
        vec![crate::vectors::mutate::noise(draw), ip(X, E, body).fragment(draw.bits() as u16 & !DONT).frame()]
    }),
    kind("Z46", "what is no PPTP at port 1723", |draw, _| {
        all([tcp((T, 1723), (E, word(draw)), PUSH, b"GET / HTTP/1.1\r\n\r\n")])
    }),
];
