//! VLAN tags and hairpinning (conformance rows W1-W5, U12, M11).

use passthrough_common::abi::{Class, Filtering, Reason, Side};

use crate::vectors::frame::{icmp_error, tcp, udp};
use crate::vectors::{A, B, E, Play, S, Vector, vector};

const TAG: u16 = 0x8100;
const SERVICE: u16 = 0x88a8;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("a tagged zone's frames are translated behind their tag", "W1 G3", |play| {
        play.zone(Side::Outside, 7);
        for tags in [&[[TAG, 7]][..], &[[SERVICE, 7]], &[[TAG, 0xe007]], &[[SERVICE, 7], [TAG, 0]]] {
            let sent = udp((A, 5000), (S, 53), b"tagged").tags(tags);
            play.out(&sent).passes(sent.clone().from(E));
            let back = udp((S, 53), (E, 5000), b"tagged").tags(tags);
            play.back(&back).redirects(back.clone().to(A).hop());
        }
    }),
    vector("a priority tag is no tag", "W2", |play| {
        let sent = udp((A, 5000), (S, 53), b"x").tags(&[[TAG, 0xa000]]);
        play.out(&sent).passes(sent.clone().from(E));
        let back = udp((S, 53), (E, 5000), b"x").tags(&[[TAG, 0]]);
        play.back(&back).redirects(back.clone().to(A).hop());
        play.lan(&sent).is_sent_on(sent.clone().hop());
    }),
    vector("a frame of no zone is never translated", "W3", |play| {
        let back = udp((S, 53), (E, 5000), b"x");
        play.out(udp((A, 5000), (S, 53), b"x")).passes(udp((E, 5000), (S, 53), b"x"));
        for tags in [&[[TAG, 7]][..], &[[SERVICE, 7], [TAG, 8]], &[[TAG, 4095]]] {
            play.back(back.clone().tags(tags)).punts(Reason::OtherZone);
            play.lan(udp((A, 5000), (S, 53), b"x").tags(tags)).punts(Reason::OtherZone);
        }
        play.zone(Side::Outside, 7);
        play.back(&back).punts(Reason::OtherZone);
        play.back(back.clone().tags(&[[TAG, 8]])).punts(Reason::OtherZone);
        play.back(back.tags(&[[SERVICE, 7], [TAG, 8]])).punts(Reason::OtherZone);
    }),
    vector("behind three tags nothing is looked for", "W1 Z61", |play| {
        let tags = [[SERVICE, 0], [TAG, 0], [TAG, 0]];
        play.back(udp((S, 53), (E, 5000), b"x").tags(&tags)).punts(Reason::NotIp);
    }),
    vector("a tag hides no protocol from its switch", "O9", |play| {
        for tags in [&[[TAG, 0]][..], &[[SERVICE, 0], [TAG, 0]]] {
            play.out(udp((A, 500), (S, 500), b"x").tags(tags)).drops(Reason::SwitchedOff).class(Class::Ike);
            play.lan(tcp((A, 5000), (S, 1723), 2, b"").tags(tags))
                .drops(Reason::SwitchedOff)
                .class(Class::Pptp);
            play.back(udp((S, 500), (E, 500), b"x").tags(tags)).drops(Reason::SwitchedOff);
        }
    }),
    vector("two inside hosts talk by their outside endpoints", "U12", |play| {
        bind(play);
        let ours = udp((A, 5000), (E, 6000), b"hello");
        play.lan(&ours).redirects(udp((E, 5000), (B, 6000), b"hello").hop()).opens(4);
        let theirs = udp((B, 6000), (E, 5000), b"hello yourself");
        play.lan(&theirs).redirects(udp((E, 6000), (A, 5000), b"hello yourself").hop()).opens(0);
        play.lan(&ours).redirects(udp((E, 5000), (B, 6000), b"hello").hop()).opens(0);
    }),
    vector(
        "an error about a hairpinned packet reaches its sender, by both outside endpoints",
        "I9",
        |play| {
            bind(play);
            let ours = udp((A, 5000), (E, 6000), b"hello");
            let told = udp((E, 5000), (B, 6000), b"hello").hop();
            play.lan(&ours).redirects(&told).opens(4);
            for length in [28, 33] {
                let report = icmp_error(B, E, [3, 3], 0, &told.ip_bytes()[..length]);
                let home = icmp_error(E, A, [3, 3], 0, &ours.clone().hop().ip_bytes()[..length]);
                play.lan(report).redirects(home.hop()).class(Class::Icmp);
            }
            let unknown = udp((E, 5001), (B, 6000), b"hello");
            play.lan(icmp_error(B, E, [3, 3], 0, &unknown.ip_bytes())).punts(Reason::ToGateway);
        },
    ),
    vector("a TCP connection between two inside hosts goes by their outside endpoints", "T7", |play| {
        bind(play);
        let server = tcp((B, 7000), (S, 80), 2, b"");
        play.out(&server).passes(server.clone().from(E));
        for (flags, data) in [(0x02, &b""[..]), (0x10, b"data")] {
            let ours = tcp((A, 5000), (E, 7000), flags, data);
            play.lan(&ours).redirects(tcp((E, 5000), (B, 7000), flags, data).hop());
            let theirs = tcp((B, 7000), (E, 5000), flags | 0x10, data);
            play.lan(&theirs).redirects(tcp((E, 7000), (A, 5000), flags | 0x10, data).hop());
        }
    }),
    vector("hairpinned packets are filtered like any other", "M11", |play| {
        bind(play);
        play.set(|settings| settings.filtering = [Filtering::AddressAndPort as u8; 2]);
        play.lan(udp((A, 5000), (E, 6000), b"hello")).drops_and_changes(Reason::Filtered);
    }),
    vector("a hairpinned packet with TTL 1 is the stack's", "M11", |play| {
        bind(play);
        let ours = udp((A, 5000), (E, 6000), b"hello").ttl(1);
        play.lan(&ours).passes(udp((E, 5000), (B, 6000), b"hello").ttl(1));
    }),
    vector("a packet to an outside endpoint that nobody has is for the gateway itself", "O26", |play| {
        play.lan(udp((A, 5000), (E, 6000), b"hello")).punts(Reason::ToGateway);
    }),
    vector("a class that is off does not hairpin", "O12", |play| {
        play.enable(&[Class::NatT]);
        bind(play);
        let server = udp((B, 4500), (S, 4500), b"x");
        play.out(&server).passes(server.clone().from(E));
        play.switch(Class::NatT, passthrough_common::abi::Switch::Off);
        // To the gateway's own server, as far as this hook can tell: the stack has none there.
        play.lan(udp((A, 5000), (E, 4500), b"x")).punts(Reason::ToGateway);
    }),
];

/// B has bound port 6000, and everybody may send to it.
fn bind(play: &mut Play<'_>) {
    play.set(|settings| settings.filtering = [Filtering::Endpoint as u8; 2]);
    let sent = udp((B, 6000), (S, 53), b"x");
    play.out(&sent).passes(sent.clone().from(E));
}
