//! Pools of outside addresses and blocks of ports: who gets which, and who is refused (conformance section 2).

use std::collections::BTreeSet;

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Range, Ranges, Reason, Settings};

use crate::vectors::bodies::{INITIATOR, SA_INIT};
use crate::vectors::frame::flag::SYN;
use crate::vectors::frame::{echo, raw, tcp, udp};
use crate::vectors::{A, B, C, E, Play, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("every address of a pool of ranges is used, and a host keeps its own", "C3 U2 C2", |play| {
        let range = |first, count| Range { first, count };
        let pool = Ranges::of(&[range(E, 1), range(E + 7, 8), range(E + 127, 1)]);
        play.set(|settings| settings.pool = pool);
        let mut seen = BTreeSet::new();
        for (host, port) in (A..A + 100).zip(5000..) {
            let asked = udp((host, port), (S, 53), b"question");
            let answer = play.out(&asked);
            let outside = answer.source();
            answer.passes(asked.clone().from(outside));
            let answer = udp((S, 53), (outside, port), b"answer");
            play.back(&answer).redirects(answer.clone().to(host).hop());
            let syn = tcp((host, port), (T, 80), SYN, b"");
            play.out(&syn).passes(syn.clone().from(outside));
            let ping = echo(8, host, S, port);
            play.out(&ping).passes(ping.clone().from(outside));
            seen.insert(outside);
        }
        assert!(seen.len() == 10 && seen.iter().all(|outside| pool.contains(*outside)), "{seen:x?}");
    }),
    vector("a host whose address is full is refused, with other addresses free", "C2 C11", |play| {
        let (mine, other) = full(play);
        for _ in 0..2 {
            play.out(udp((A, 5000), (S, 53), b"x")).drops(Reason::PortsExhausted).class(Class::Udp);
        }
        let theirs = (B..).find(|host| paired(play, *host, 1999) == other).expect("one of both");
        let sent = udp((theirs, 2000), (S, 53), b"x");
        play.out(&sent).passes(sent.clone().from(other));
        let kept = udp((S, 53), (mine, 2000), b"answer");
        play.back(&kept).redirects(kept.clone().to(A).hop());
    })
    .draws(),
    vector("with soft pooling it is given a port of another address, and keeps that", "C2 U1", |play| {
        let (_, other) = full(play);
        play.set(|settings| settings.options |= option::SOFT_POOLING);
        let sent = udp((A, 5000), (S, 53), b"x");
        let answer = play.out(&sent);
        let end = (answer.source(), answer.source_id());
        assert!(end.0 == other && (2000..=2003).contains(&end.1), "{end:x?}");
        answer.passes(sent.clone().from_end(end)).opens(2);
        let elsewhere = udp((A, 5000), (T, 53), b"y");
        play.out(&elsewhere).passes(elsewhere.clone().from_end(end)).opens(2);
        let back = udp((S, 53), end, b"answer");
        play.back(&back).redirects(back.clone().to_end((A, 5000)).hop());
    })
    .draws(),
    vector("ports are handed out of the range that was given, and of no other", "C14 U4", |play| {
        play.set(|settings| settings.ports = [[20_000, 20_999]; 2]);
        let kept = udp((A, 20_500), (S, 53), b"x");
        play.out(&kept).passes(kept.clone().from(E));
        for port in [53, 5000, 20_500, 65_535] {
            let answer = play.out(tcp((B, port), (S, 80), SYN, b""));
            assert!((20_000..21_000).contains(&answer.is_forwarded().source_id()));
            let answer = play.out(echo(8, B, S, port));
            assert!((20_000..21_000).contains(&answer.is_forwarded().source_id()));
        }
    })
    .draws(),
    vector("a host has the ports of its block and no other, whatever it asks for", "C4 C11", |play| {
        play.set(blocks);
        for (host, first) in [(A, 2000), (B, 2004)] {
            for port in first..first + 4 {
                let sent = udp((host, port), (S, 53), b"x");
                play.out(&sent).passes(sent.clone().from(E)).opens(2);
            }
            for port in [53, 2000, 5000] {
                let answer = play.out(tcp((host, port), (S, 80), SYN, b""));
                let id = answer.is_forwarded().source_id();
                assert!((first..first + 4).contains(&id), "{id}");
            }
        }
        for port in [2008, 501] {
            play.out(udp((A, port), (S, 53), b"x")).drops(Reason::BlockFull).class(Class::Udp);
        }
        let known = udp((A, 2000), (T, 53), b"x");
        play.out(&known).passes(known.clone().from(E)).opens(2);
    })
    .draws(),
    vector("a host without a block is refused, and what needs no port is not", "C4", |play| {
        play.set(blocks);
        play.enable(&[Class::Ipip]);
        play.out(udp((C, 2000), (S, 53), b"x")).drops(Reason::NoBlock).class(Class::Udp);
        play.out(echo(8, C, S, 7)).drops(Reason::NoBlock).class(Class::Icmp);
        let tunnel = raw(C, S, 4, &[0x45; 40]);
        play.out(&tunnel).passes(tunnel.clone().from(E));
    }),
    vector("IPsec clients of a server have an address each, and none waits for another", "E2 U1", |play| {
        addresses(play, 3);
        let mut seen = BTreeSet::new();
        for (host, spi) in [(A, 0x1001), (B, 0x1002), (C, 0x1003)] {
            let ike = udp((host, 500), (S, 500), &bodies::ike(spi.into(), SA_INIT, INITIATOR));
            let outside = play.out(&ike).is_forwarded().source();
            let sent = raw(host, S, 50, &bodies::esp(spi, 1));
            play.out(&sent).passes(sent.clone().from(outside));
            let floated = udp((host, 4500), (T, 4500), &bodies::esp(spi, 1));
            play.out(&floated).passes(floated.clone().from(outside));
            seen.insert(outside);
        }
        assert_eq!(seen.len(), 3, "{seen:x?}");
        for (outside, spi) in seen.iter().zip(0x2001..) {
            let back = raw(S, *outside, 50, &bodies::esp(spi, 1));
            assert!(play.back(&back).is_forwarded().frame()[30..33] == [192, 168, 1], "bound at once");
        }
    }),
    vector("when no address is left, IPsec clients share one and are learned", "E3", |play| {
        addresses(play, 2);
        let sent = |host, spi| raw(host, S, 50, &bodies::esp(spi, 1));
        let first = play.out(sent(A, 0x1001)).is_forwarded().source();
        let second = play.out(sent(B, 0x1002)).is_forwarded().source();
        assert_ne!(first, second);
        play.out(sent(C, 0x1003)).drops_and_changes(Reason::EspHold).class(Class::Esp);
        for (outside, spi) in [(first, 0x2001), (second, 0x2002)] {
            let _learned = play.back(raw(S, outside, 50, &bodies::esp(spi, 1))).is_forwarded();
        }
        let third = play.out(sent(C, 0x1003)).is_forwarded().source();
        assert!(third == first || third == second);
        let elsewhere = play.out(raw(A, T, 50, &bodies::esp(0x1004, 1))).is_forwarded().source();
        assert_eq!(elsewhere, first, "a host shows one address");
    }),
];

/// Two addresses of four ports each, and those of A's address all taken by A; that address, and the other.
fn full(play: &mut Play<'_>) -> (u32, u32) {
    play.set(|settings| {
        settings.pool = Ranges::of(&[Range { first: E, count: 2 }]);
        settings.ports = [[2000, 2003]; 2];
    });
    let mut mine = 0;
    for port in 2000..2004 {
        let sent = udp((A, port), (S, 53), b"x");
        let answer = play.out(&sent);
        mine = answer.source();
        answer.passes(sent.clone().from(mine)).opens(2);
    }
    (mine, if mine == E { E + 1 } else { E })
}

/// The outside address of a host, by what its ping to T shows.
fn paired(play: &mut Play<'_>, host: u32, id: u16) -> u32 {
    play.out(echo(8, host, T, id)).is_forwarded().source()
}

/// A and B have a block of four ports each, from 2000 on.
fn blocks(settings: &mut Settings) {
    settings.ports = [[2000, 2007]; 2];
    settings.block_size = 4;
    settings.blocks = 2;
    settings.subscribers = Ranges::of(&[Range { first: A, count: 2 }]);
}

/// A pool of so many addresses, one for each IPsec client of a server.
fn addresses(play: &mut Play<'_>, count: u32) {
    play.enable(&[Class::Esp, Class::Ike, Class::NatT]);
    play.set(|settings| {
        settings.pool = Ranges::of(&[Range { first: E, count }]);
        settings.options |= option::IPSEC_ADDRESSES;
    });
}
