//! Checksums after translation, against a full computation (conformance section 3, rows K).

use crate::vectors::frame::{tcp, udp};
use crate::vectors::{A, E, Packet, Play, S, Vector, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("both addresses count in TCP's and UDP's checksum, at odd lengths too", "K4", |play| {
        for data in [&b"even"[..], b"odd", b"", b"\0", b"\xff\xff\xff"] {
            both_ways(play, &udp((A, 5000), (S, 53), data));
            both_ways(play, &tcp((A, 5000), (S, 80), 0x10, data));
        }
    }),
    vector("a UDP checksum of zero stays zero", "K2 R6", |play| {
        both_ways(play, &udp((A, 5000), (S, 53), b"unsummed").unsummed());
    }),
    vector("a UDP checksum that becomes zero is sent as all ones", "K3", |play| {
        let candidate = |word: u16| udp((A, 5000), (S, 53), &word.to_be_bytes());
        let is_zero = |packet: &Packet| packet.clone().from(E).payload()[6..8] == [0xff, 0xff];
        let sent = (0..=u16::MAX).map(candidate).find(is_zero).expect("one of all words gives zero");
        play.out(&sent).passes(sent.clone().from(E));
    }),
    vector("a TCP checksum that becomes zero stays zero", "K3", |play| {
        let candidate = |word: u16| tcp((A, 5000), (S, 80), 0x10, &word.to_be_bytes());
        let is_zero = |packet: &Packet| packet.clone().from(E).payload()[16..18] == [0, 0];
        let sent = (0..=u16::MAX).map(candidate).find(is_zero).expect("one of all words gives zero");
        play.out(&sent).passes(sent.clone().from(E));
    }),
    vector("a wrong checksum stays wrong by the same amount", "K5", |play| {
        both_ways(play, &udp((A, 5000), (S, 53), b"damaged").wrong_by(0x0100));
        both_ways(play, &tcp((A, 5000), (S, 80), 0x10, b"damaged").wrong_by(1));
    }),
    vector("bytes behind the packet are neither summed nor changed", "K7 Z6 G3", |play| {
        both_ways(play, &udp((A, 5000), (S, 53), b"x").padded(b"17 bytes of trash"));
        both_ways(play, &tcp((A, 5000), (S, 80), 0x10, b"x").padded(&[0xff; 5]));
    }),
    vector("the first fragment's checksum covers the whole datagram", "K8", |play| {
        let sent = udp((A, 5000), (S, 53), &[0xa7; 99]);
        let fragments = sent.fragments(&[32, 40]);
        for (piece, wanted) in fragments.iter().zip(sent.clone().from(E).fragments(&[32, 40])) {
            play.out(piece).passes(wanted);
        }
    }),
    vector("DF, type of service and identification are not touched", "M3 G1", |play| {
        for fragment in [0, 0x4000] {
            let mut sent = udp((A, 5000), (S, 53), b"x").fragment(fragment).identified(0xbeef);
            sent.tos = 0xb9;
            both_ways(play, &sent);
        }
    }),
];

/// A packet from A goes out, and the same comes back with its ends exchanged.
fn both_ways(play: &mut Play<'_>, sent: &Packet) {
    play.out(sent).passes(sent.clone().from(E));
    let mut back = sent.clone().from(sent.destination).to(E);
    if let super::Body::Udp { ports, .. } | super::Body::Tcp { ports, .. } = &mut back.body {
        ports.swap(0, 1);
    }
    play.back(&back).redirects(back.clone().to(A).hop());
}
