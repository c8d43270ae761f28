//! PPTP: every message of the table, ends of calls, and what an end may do to break the stream or take another's call
//! (conformance rows P4, P8-P11, Z34, Z35, Z44, Z45, Z47).

use passthrough_common::abi::{Class, Reason};

use crate::vectors::frame::flag::{FIN_ACK, RST};
use crate::vectors::frame::{raw, tcp};
use crate::vectors::line::{Line, arrives, leaves};
use crate::vectors::{A, B, E, Play, S, Vector, bodies, vector};

/// The call ID that two clients begin with, and the server's IDs of their calls.
const OWN: u16 = 0x0801;
const FIRST: u16 = 0x5500;
const SECOND: u16 = 0x5501;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("each message is rewritten in its direction and nowhere else", "P4 P9", |play| {
        let (mut line, outside) = second_client(play);
        let says = |kind, id, peer| bodies::pptp(kind, id, peer, 1);
        // From the client: its own ID becomes the outside one where it is its own.
        for (kind, id, wanted) in [(12, OWN, outside), (15, SECOND, SECOND), (1, OWN, OWN), (2, OWN, OWN)] {
            line.client(play, &says(kind, id, OWN), Some(&says(kind, wanted, OWN)));
        }
        for kind in [5, 6, 8, 9, 11, 13, 14] {
            line.client(play, &says(kind, 0x0999, 0x0998), None);
        }
        // From the server: the outside ID becomes the client's own where it is the client's.
        for (kind, id, wanted) in
            [(11, outside, OWN), (14, outside, OWN), (12, outside, outside), (15, outside, outside)]
        {
            line.server(play, &says(kind, id, outside), Some(&says(kind, wanted, outside)));
        }
        for kind in [1, 2, 5, 6, 7, 9, 10] {
            line.server(play, &says(kind, SECOND, 0x0998), None);
        }
        // A disconnect that names the client's ID instead of the server's, as some servers have it.
        line.server(play, &says(13, outside, 0), Some(&says(13, OWN, 0)));
    })
    .draws(),
    vector("a disconnect ends the call, whichever end's ID it names", "P7 P9", |play| {
        play.enable(&[Class::Pptp]);
        for (host, port, own, remote, named) in
            [(A, 1025, OWN, FIRST, FIRST), (B, 1026, OWN + 1, SECOND, OWN + 1)]
        {
            let mut line = Line::open(play, host, port, port);
            line.client(play, &bodies::pptp(7, own, 0, 0), None);
            line.server(play, &bodies::pptp(8, remote, own, 1), None);
            line.server(play, &bodies::pptp(13, named, 0, 1), None);
            play.wait(1);
            arrives(play, own, (host, own));
            play.wait(5);
            play.back(raw(S, E, 47, &bodies::gre(own, 1, None, b"x"))).drops_and_changes(Reason::GreNoCall);
            play.out(raw(host, S, 47, &bodies::gre(remote, 1, None, b"x")))
                .drops_and_changes(Reason::GreNoCall);
        }
    }),
    vector("a stop, a FIN and the exact RST end a connection's calls, and nobody else's", "P8", |play| {
        play.enable(&[Class::Pptp]);
        let mut other = Line::open(play, B, 2000, 2000);
        other.client(play, &bodies::pptp(7, 0x0900, 0, 0), None);
        other.server(play, &bodies::pptp(8, 0x5900, 0x0900, 1), None);
        for ending in 0..4u16 {
            let (port, own, remote) = (1025 + ending, OWN + ending, FIRST + ending);
            let mut line = Line::open(play, A, port, port);
            line.client(play, &bodies::pptp(7, own, 0, 0), None);
            line.server(play, &bodies::pptp(8, remote, own, 1), None);
            arrives(play, own, (A, own));
            let [ours, theirs] = line.numbers;
            match ending {
                0 => line.client(play, &bodies::pptp(3, 0x0100, 0, 0), None),
                1 => line.server(play, &bodies::pptp(4, 0x0100, 0, 0), None),
                2 => {
                    let fin = tcp((A, port), (S, 1723), FIN_ACK, b"").numbered(ours, theirs);
                    play.out(&fin).passes(fin.clone().from(E));
                }
                _ => {
                    let reset = tcp((S, 1723), (E, port), RST, b"").numbered(theirs, 0);
                    play.back(&reset).redirects(reset.clone().to(A).hop());
                }
            }
            play.back(raw(S, E, 47, &bodies::gre(own, 1, None, b"x"))).drops(Reason::GreNoCall);
            play.out(raw(A, S, 47, &bodies::gre(remote, 1, None, b"x"))).drops(Reason::GreNoCall);
        }
        arrives(play, 0x0900, (B, 0x0900));
        leaves(play, B, 0x5900);
    }),
    vector("a call is silent for two hours and lives, while its connection does", "P10", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, OWN, 0, 0), None);
        line.server(play, &bodies::pptp(8, FIRST, OWN, 1), None);
        arrives(play, OWN, (A, OWN));
        for _ in 0..120 {
            play.wait(60);
            line.client(play, &bodies::pptp(5, 1, 2, 0), None);
            line.server(play, &bodies::pptp(6, 1, 2, 1), None);
        }
        arrives(play, OWN, (A, OWN));
        leaves(play, A, FIRST);
        // GRE by itself keeps nothing alive.
        for _ in 0..125 {
            play.wait(60);
            let _either = play.out(raw(A, S, 47, &bodies::gre(FIRST, 5, Some(4), b"ppp in gre")));
        }
        play.back(raw(S, E, 47, &bodies::gre(OWN, 1, None, b"x"))).drops_and_changes(Reason::GreNoCall);
    }),
    vector("a server's answer that it has a connection already passes as it is", "P11", |play| {
        play.enable(&[Class::Pptp]);
        let mut ours = Line::open(play, A, 1025, 1025);
        ours.client(play, &bodies::pptp(7, OWN, 0, 0), None);
        ours.server(play, &bodies::pptp(8, FIRST, OWN, 1), None);
        let mut theirs = Line::open(play, B, 1026, 1026);
        theirs.client(play, &bodies::pptp(1, 0x0100, 0, 0), None);
        theirs.server(play, &bodies::pptp(2, 0x0100, 0x0300, 0), None);
        arrives(play, OWN, (A, OWN));
    }),
    vector("RSTs and SYNs at random change nothing of a live connection or its calls", "Z34 Z35", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, OWN, 0, 0), None);
        line.server(play, &bodies::pptp(8, FIRST, OWN, 1), None);
        let [ours, theirs] = line.numbers;
        for distance in [1u32, 2, 1000, 1 << 20, 1 << 31, u32::MAX] {
            for flags in [RST, 0x02, 0x12] {
                let back =
                    tcp((S, 1723), (E, 1025), flags, b"").numbered(theirs.wrapping_add(distance), ours);
                play.back(&back).redirects(back.clone().to(A).hop());
            }
        }
        arrives(play, OWN, (A, OWN));
        line.client(play, &bodies::pptp(7, OWN + 1, 0, 0), None);
        arrives(play, OWN + 1, (A, OWN + 1));
    }),
    vector("a connection has sixteen calls at most, and others still get theirs", "Z44", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        for call in 0..16 {
            line.client(play, &bodies::pptp(7, 0x0100 + call, 0, 0), None);
        }
        for call in 16..40 {
            play.out(line.segment(true, &bodies::pptp(7, 0x0100 + call, 0, 0))).drops(Reason::PptpCalls);
        }
        let mut other = Line::open(play, B, 1026, 1026);
        other.client(play, &bodies::pptp(7, 0x0900, 0, 0), None);
        arrives(play, 0x0900, (B, 0x0900));
        arrives(play, 0x0100, (A, 0x0100));
    }),
    vector("of two retransmissions that differ the first one counts", "Z45 P15", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        let start = line.numbers[0];
        line.client(play, &bodies::pptp(7, OWN, 0, 0), None);
        let again = line.segment(true, &bodies::pptp(7, 0x0999, 0, 0)).numbered(start, line.numbers[1]);
        let wanted = line.translated(&bodies::pptp(7, OWN, 0, 0)).numbered(start, line.numbers[1]);
        play.out(again).passes(wanted);
        arrives(play, OWN, (A, OWN));
        play.back(raw(S, E, 47, &bodies::gre(0x0999, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("nobody can name another's call", "Z47", |play| {
        let (_, outside) = second_client(play);
        let mut line = Line::open(play, A, 1030, 1030);
        let answer = play.out(line.segment(true, &bodies::pptp(12, outside, 0, 0)));
        assert_ne!(answer.id_at(14 + 20 + 20 + 12), outside, "the server would take it for B's call");
        line.sent(16);
        line.client(play, &bodies::pptp(3, 0x0100, 0, 0), None);
        arrives(play, outside, (B, OWN));
        leaves(play, B, SECOND);
    })
    .draws(),
];

/// B's connection with a call whose ID A has too, and the ID by which the server knows it.
fn second_client(play: &mut Play<'_>) -> (Line, u16) {
    play.enable(&[Class::Pptp]);
    let mut ours = Line::open(play, A, 1025, 1025);
    ours.client(play, &bodies::pptp(7, OWN, 0, 0), None);
    ours.server(play, &bodies::pptp(8, FIRST, OWN, 1), None);
    let mut theirs = Line::open(play, B, 1026, 1026);
    let outside = theirs.draws_call(play, OWN);
    theirs.server(play, &bodies::pptp(8, SECOND, outside, 1), Some(&bodies::pptp(8, SECOND, OWN, 1)));
    (theirs, outside)
}
