//! UDP and TCP out and in: mapping, filtering, ports (conformance section 1).

use passthrough_common::abi::{Class, Filtering, Reason};

use crate::vectors::frame::flag::{ACK, FIN, RST, SYN};
use crate::vectors::frame::{tcp, udp};
use crate::vectors::{A, B, C, E, Play, S, T, Vector, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("an inside endpoint keeps one outside port for every destination", "U1", |play| {
        for server in [(S, 53), (S, 54), (T, 53)] {
            let asked = udp((A, 5000), server, b"question");
            play.out(&asked).passes(asked.clone().from(E)).class(Class::Udp).opens(2);
            let answer = udp(server, (E, 5000), b"answer");
            play.back(&answer).redirects(answer.clone().to(A).hop()).class(Class::Udp);
        }
        assert_eq!(play.sizes().bindings, 1);
    }),
    vector("the second packet of a session gets what the first got", "G2", |play| {
        let asked = udp((A, 5000), (S, 53), b"question");
        play.out(&asked).passes(asked.clone().from(E));
        play.out(&asked).passes(asked.clone().from(E)).opens(0);
    }),
    vector("two inside endpoints never share an outside port, to another server neither", "U3 C17", |play| {
        let ours = udp((A, 5000), (S, 53), b"a");
        play.out(&ours).passes(ours.clone().from(E));
        let theirs = udp((B, 5000), (S, 53), b"b");
        let answer = play.out(&theirs);
        let port = answer.source_id();
        assert!(port != 5000 && port >= 1024, "U4: a port of its class, not {port}");
        answer.passes(theirs.clone().from_end((E, port)));
        let (to_a, to_b) = (udp((S, 53), (E, 5000), b"1"), udp((S, 53), (E, port), b"2"));
        play.back(&to_a).redirects(to_a.clone().to(A).hop());
        play.back(&to_b).redirects(to_b.clone().to_end((B, 5000)).hop());
        let third = play.out(udp((C, 5000), (T, 53), b"c")).source_id();
        assert!(third != 5000 && third != port, "{third}");
    })
    .draws(),
    vector("ports below 1024 stay below 1024", "U4", |play| {
        for host in [A, B, C] {
            let sent = udp((host, 123), (S, 123), b"time");
            let answer = play.out(&sent);
            let port = answer.source_id();
            assert!((1..1024).contains(&port), "{port}");
            answer.passes(sent.clone().from_end((E, port)));
        }
    })
    .draws(),
    vector("by default only the peer's own port is let in", "U11", |play| {
        open(play);
        play.back(udp((S, 54), (E, 5000), b"x")).drops(Reason::Filtered).class(Class::Udp);
        play.back(udp((T, 53), (E, 5000), b"x")).drops(Reason::Filtered);
        play.back(udp((S, 53), (E, 5001), b"x")).drops(Reason::Unsolicited);
    }),
    vector("address-dependent filtering lets every port of a peer in, and nobody else", "U11", |play| {
        play.set(|settings| settings.filtering = [Filtering::Address as u8; 2]);
        open(play);
        let other = udp((S, 54), (E, 5000), b"x");
        play.back(&other).redirects(other.clone().to(A).hop()).opens(2);
        play.back(udp((T, 53), (E, 5000), b"x")).drops(Reason::Filtered);
    }),
    vector("endpoint-independent filtering lets everybody in", "U11", |play| {
        play.set(|settings| settings.filtering = [Filtering::Endpoint as u8; 2]);
        open(play);
        let other = udp((T, 9), (E, 5000), b"x");
        play.back(&other).redirects(other.clone().to(A).hop()).opens(2);
        play.out(udp((A, 5000), (T, 9), b"y")).passes(udp((E, 5000), (T, 9), b"y")).opens(0);
    }),
    vector("TCP has a filter of its own", "T3", |play| {
        let syn = tcp((A, 5000), (S, 80), SYN, b"");
        play.out(&syn).passes(syn.clone().from(E));
        play.back(tcp((T, 9), (E, 5000), SYN, b"")).drops(Reason::Filtered).class(Class::Tcp);
        play.set(|settings| {
            settings.filtering = [Filtering::Endpoint as u8, Filtering::AddressAndPort as u8]
        });
        let other = tcp((T, 9), (E, 5000), SYN, b"");
        play.back(&other).redirects(other.clone().to(A).hop()).opens(2);
        open(play);
        play.back(udp((T, 9), (E, 5000), b"x")).drops(Reason::Filtered).class(Class::Udp);
    }),
    vector("TCP's mapping opens nothing for UDP", "U18", |play| {
        play.set(|settings| settings.filtering = [Filtering::Endpoint as u8; 2]);
        let syn = tcp((A, 5000), (S, 80), SYN, b"");
        play.out(&syn).passes(syn.clone().from(E)).class(Class::Tcp);
        play.back(udp((T, 9), (E, 5000), b"x")).drops(Reason::Unsolicited);
    }),
    vector("UDP from port 0 gets a real port", "U19", |play| {
        let sent = udp((A, 0), (S, 53), b"x");
        let answer = play.out(&sent);
        let port = answer.source_id();
        assert!(port >= 1024);
        answer.passes(sent.clone().from_end((E, port)));
    })
    .draws(),
    vector("an empty datagram is forwarded", "U19", |play| {
        let sent = udp((A, 5000), (S, 53), b"");
        play.out(&sent).passes(sent.clone().from(E));
    }),
    vector("an inside endpoint keeps one outside port for TCP as well", "T1", |play| {
        for server in [(S, 80), (S, 81), (T, 80)] {
            let syn = tcp((A, 5000), server, SYN, b"");
            play.out(&syn).passes(syn.clone().from(E)).opens(2);
        }
        let theirs = tcp((B, 5000), (S, 80), SYN, b"");
        let answer = play.out(&theirs);
        let port = answer.source_id();
        assert_ne!(port, 5000);
        answer.passes(theirs.clone().from_end((E, port)));
    })
    .draws(),
    vector("simultaneous open passes", "T2", |play| {
        exchange(
            play,
            &[(true, SYN, b""), (false, SYN, b""), (true, SYN | ACK, b""), (false, SYN | ACK, b"")],
        );
        exchange(play, &[(true, ACK, b"data"), (false, ACK, b"data")]);
    }),
    vector("an unsolicited SYN gets no answer", "T4 T12", |play| {
        play.back(tcp((T, 80), (E, 5000), SYN, b"")).drops(Reason::Unsolicited).class(Class::Tcp);
    }),
    vector("a RST in either direction is forwarded", "T10", |play| {
        exchange(
            play,
            &[(true, SYN, b""), (false, SYN | ACK, b""), (true, ACK, b""), (false, RST | ACK, b"")],
        );
        exchange(play, &[(true, RST, b"")]);
    }),
    vector("a new SYN on a closing tuple starts a new connection on the same mapping", "T14", |play| {
        exchange(play, &[(true, SYN, b""), (false, SYN | ACK, b""), (true, ACK, b"x")]);
        exchange(play, &[(true, FIN | ACK, b""), (false, FIN | ACK, b""), (true, ACK, b"")]);
        exchange(play, &[(true, SYN, b""), (false, SYN | ACK, b"")]);
        assert_eq!(play.sizes().sessions, 2);
    }),
    vector("odd but valid segments pass: ECN set-up, urgent data, keepalives", "T15", |play| {
        exchange(play, &[(true, SYN | 0xc0, b""), (false, SYN | ACK | 0x40, b""), (true, SYN | 0xc0, b"")]);
        exchange(
            play,
            &[(true, ACK | 0x20, b"!"), (true, ACK, b""), (false, ACK, b"\0"), (true, ACK | 0x100, b"")],
        );
    }),
    vector("a segment without a session is picked up", "T13 T15", |play| {
        exchange(play, &[(true, ACK, b"in the middle"), (false, ACK, b"of it")]);
    }),
];

/// A's session with S: UDP, ports 5000 and 53.
fn open(play: &mut Play<'_>) {
    let asked = udp((A, 5000), (S, 53), b"question");
    play.out(&asked).passes(asked.clone().from(E));
}

/// Segments of the connection from A port 5000 to S port 80: whether outbound, flags, data. All pass.
fn exchange(play: &mut Play<'_>, segments: &[(bool, u16, &[u8])]) {
    for (outbound, flags, data) in segments {
        if *outbound {
            let segment = tcp((A, 5000), (S, 80), *flags, data);
            play.out(&segment).passes(segment.clone().from(E));
        } else {
            let segment = tcp((S, 80), (E, 5000), *flags, data);
            play.back(&segment).redirects(segment.clone().to(A).hop());
        }
    }
}
