//! What comes from a LAN host that is not one's friend: floods, lies, and wishes for what others have.

use super::kinds::{D, Kind, all, broken, kind, word};
use crate::vectors::draw::Draw;
use crate::vectors::frame::flag::{PUSH, SYN};
use crate::vectors::frame::{MORE, Packet, echo, icmp_error, raw, tcp, udp};
use crate::vectors::{E, L, S, T, bodies, six};

/// Destinations that nobody routes.
const NOWHERE: [u32; 6] = [0x7f00_0001, 0x0001_0203, 0xa9fe_0001, 0xe000_0001, 0xf000_0001, 0xffff_ffff];
/// Sources that do not lie inside.
const ELSEWHERE: [u32; 5] = [0x0a09_0909, T, E, L, 0];

/// IP options that lie, and source routes.
const OPTIONS: [&[u8]; 4] = [&[130, 0], &[131, 7, 4, 1, 2, 3, 4], &[7, 39, 4], &[1, 1, 1, 130]];

/// A datagram of D's.
fn datagram(draw: &mut Draw) -> Packet {
    udp((D, word(draw)), (T, 53), b"some data behind")
}

/// Every kind.
pub const KINDS: &[Kind] = &[
    kind("Z1 Z3 Z4 Z7", "headers that are cut or lie", |draw, _| {
        let mut cut = datagram(draw).frame();
        cut.truncate(14 + draw.below(20));
        let (at, byte) =
            *draw.one(&[(14, 0x05), (14, 0x65), (14, 0x44), (14, 0x4f), (17, 0), (17, 19), (17, 255)]);
        let wrong = word(draw);
        vec![cut, broken(&datagram(draw), at, byte), datagram(draw).header_wrong_by(wrong).frame()]
    }),
    kind("Z9 Z10 Z11 Z12 Z13", "options, lengths, flags and ports that nobody sends", |draw, _| {
        let options = *draw.one(&OPTIONS);
        let flags = *draw.one(&[0, 0x03, 0x06, 0x3f, 0x07]);
        let port = word(draw);
        let mut segment = tcp((D, port), (S, 80), PUSH, b"x").frame();
        segment[46] = *draw.one(&[0u8, 4, 6, 15]) << 4;
        let mut frames = all([
            datagram(draw).options(options),
            tcp((D, port), (S, 80), flags, b""),
            udp((D, port), (S, 0), b"x"),
        ]);
        frames.push(segment);
        frames
    }),
    kind("Z14 Z16", "to oneself, from elsewhere, and to nowhere", |draw, _| {
        let port = word(draw);
        all([
            tcp((D, port), (D, port), SYN, b""),
            udp((*draw.one(&ELSEWHERE), port), (T, 53), b"x"),
            udp((D, port), (*draw.one(&NOWHERE), 53), b"x"),
        ])
    }),
    kind("Z21 Z22 Z24 Z25", "fragments that are tiny, overlap, or end nowhere", |draw, _| {
        let id = word(draw);
        let piece = |fragment, bytes: &[u8]| raw(D, T, 17, bytes).fragment(fragment).identified(id);
        let other = tcp((D, word(draw)), (T, 1723), PUSH, &bodies::pptp(7, 1, 0, 0)).identified(id);
        let mut frames = all([
            piece(MORE, &[7; 8]),
            piece(1, &[7; 16]),
            piece(MORE, &datagram(draw).payload()),
            piece(0x1fff, &[7; 64]),
        ]);
        frames.extend(all(other.fragment(0).fragments(&[32, 40])));
        frames
    }),
    kind("Z23", "fragments whose first never comes", |draw, _| {
        let protocol = *draw.one(&[1, 6, 17, 47, 50]);
        all([raw(D, S, protocol, &[7; 16]).fragment(2).identified(word(draw))])
    }),
    kind("Z26 Z27", "IPv6 chains without end, and lengths that lie", |draw, _| {
        let mut packet = six::outbound(50, &bodies::esp(1, 1));
        for _ in 0..draw.below(12) {
            packet = packet.behind(six::extension(*draw.one(&[0, 43, 60, 135]), 0));
        }
        vec![
            packet.clone().longer_by(*draw.one(&[-60, 1, 900])).frame(),
            packet.behind(six::authentication()).frame(),
        ]
    }),
    kind("Z28 Z29 Z32", "ICMP errors about nothing, cut, and of types that nobody sends", |draw, _| {
        let about = udp((S, 53), (D, word(draw)), b"x").ip_bytes();
        let (kind, length) = (*draw.one(&[3, 4, 5, 9, 10, 11, 13, 17, 30]), draw.below(28));
        all([icmp_error(D, S, [kind, 1], 0, &about), icmp_error(D, T, [3, 3], 0, &about[..length])])
    }),
    kind("Z33", "pings with every identifier", |draw, _| all((0..4).map(|_| echo(8, D, T, word(draw))))),
    kind("Z36", "a flood of SYNs", |draw, _| {
        all((0..4).map(|_| tcp((D, word(draw)), (T, word(draw)), SYN, b"").numbered(draw.bits() as u32, 0)))
    }),
    kind("Z37", "a flood of UDP flows", |draw, _| {
        all((0..4).map(|_| udp((D, word(draw)), (T, 10_000 + word(draw) % 20_000), b"flood")))
    }),
    kind("Z41 Z42 Z44 Z45 Z46", "PPTP connections that ask for calls without end, and lie", |draw, _| {
        let (port, mut number) = (word(draw), draw.bits() as u32);
        let mut frames = vec![tcp((D, port), (T, 1723), SYN, b"").numbered(number, 0).frame()];
        number = number.wrapping_add(1);
        for _ in 0..24 {
            let mut message = bodies::pptp(7, word(draw), 0, 0);
            if draw.percent(5) {
                let (at, byte) = (draw.below(10), draw.bits() as u8);
                message[at] = byte;
            }
            let again = draw.percent(20);
            frames.push(tcp((D, port), (T, 1723), PUSH, &message).numbered(number, 1).frame());
            number = if again { number } else { number.wrapping_add(message.len() as u32) };
        }
        frames
    }),
    kind("Z47", "another's call, to be cleared", |draw, live| {
        let (port, number) = (word(draw), draw.bits() as u32);
        let clear = bodies::pptp(12, live.call(draw.below(64)), 0, 0);
        all([
            tcp((D, port), (T, 1723), SYN, b"").numbered(number, 0),
            tcp((D, port), (T, 1723), PUSH, &clear).numbered(number.wrapping_add(1), 1),
        ])
    }),
    kind("Z48 Z50", "GRE headers that the RFCs forbid, and calls that nobody has", |draw, _| {
        let mut call = bodies::gre(word(draw), 1, None, b"ppp");
        let (at, bits) =
            *draw.one(&[(0, 0x80), (0, 0x40), (0, 0x08), (0, 0x07), (1, 0x02), (1, 0x05), (2, 0x01)]);
        let nobody = call.clone();
        call[at] ^= bits;
        let mut cut = bodies::gre_v0(Some(1), b"");
        cut.truncate(draw.below(8));
        all([
            raw(D, S, 47, &call),
            raw(D, T, 47, &nobody),
            raw(D, T, 47, &cut),
            raw(D, S, 47, &bodies::gre_v0(None, b"mine")),
        ])
    }),
    kind("Z51 Z60", "tunnels in tunnels, and protocols that nobody knows", |draw, _| {
        let mut packet = datagram(draw);
        for _ in 0..10 {
            packet = raw(D, S, 4, &packet.ip_bytes());
        }
        all([packet, raw(D, S, *draw.one(&[0, 2, 41, 51, 89, 103, 115, 132, 253, 255]), &[7; 40])])
    }),
    kind("Z53 Z54 Z55", "ESP with a new SPI in each packet, to the server that others use", |draw, _| {
        let spi = 0x4000_0000 | draw.bits() as u32;
        all([
            raw(D, S, 50, &bodies::esp(spi, 1)),
            raw(D, S, 50, &bodies::esp(0, 1)),
            raw(D, T, 50, &bodies::esp(spi, 700)),
        ])
    }),
    kind(
        "Z55 Z56",
        "IKE that lies, with a new initiator SPI each, to the server that others use",
        |draw, _| {
            let mut message =
                bodies::ike(draw.bits(), *draw.one(&[34, 35, 36, 37, 2, 4, 32]), draw.bits() as u8);
            let whole = message.clone();
            let (at, byte) = (draw.below(28), draw.bits() as u8);
            message[at] = byte;
            all([&whole, &message, &message[..at].to_vec(), &[&[0; 8], &whole[8..]].concat()]
                .map(|bytes| udp((D, 500), (S, 500), bytes)))
        },
    ),
    kind("Z57", "port 4500 with less than a marker", |draw, _| {
        all([udp((D, 4500), (S, 4500), &vec![0; draw.below(5)])])
    }),
    kind("Z58", "L2TP that lies, and tunnels without end", |draw, _| {
        let mut lying = bodies::l2tp_control(0, 1, Some(word(draw)));
        let (at, byte) = (draw.below(lying.len()), draw.bits() as u8);
        lying[at] = byte;
        all([
            udp((D, 1701), (S, 1701), &bodies::l2tp_control(0, 1, Some(word(draw)))),
            udp((D, 1701), (S, 1701), &lying),
            udp((D, 1701), (T, 1701), &bodies::l2tp_data(word(draw))),
        ])
    }),
    kind("Z61", "tags that are nobody's", |draw, _| {
        let tags: Vec<_> = (0..1 + draw.below(4)).map(|_| [0x8100, draw.bits() as u16]).collect();
        vec![datagram(draw).tags(&tags).frame()]
    }),
    kind("Z1 Z60", "noise", |draw, _| vec![crate::vectors::mutate::noise(draw)]),
];
