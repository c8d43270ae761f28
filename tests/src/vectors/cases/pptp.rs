//! PPTP: whole conversations with their enhanced GRE (conformance section 5).

use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::frame::flag::{PUSH, SYN};
use crate::vectors::frame::{raw, tcp};
use crate::vectors::line::{Line, arrives, leaves};
use crate::vectors::{A, B, E, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("a client's whole conversation passes, and its GRE goes by call ID", "P4 P5 P22", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(1, 0, 0, 0), None);
        line.server(play, &bodies::pptp(2, 0, 0, 1), None);
        line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        // P5: GRE may overtake the reply.
        arrives(play, 0x0801, (A, 0x0801));
        line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        leaves(play, A, 0x5500);
        for acknowledgement in [None, Some(7)] {
            let sent = raw(S, E, 47, &bodies::gre(0x0801, 8, acknowledgement, b"ppp"));
            play.back(&sent).redirects(sent.clone().to(A).hop()).class(Class::Pptp);
        }
        let ack_only = crate::vectors::frame::words(&[0x2081, 0x880b, 0, 0x0801, 0, 9]);
        let sent = raw(S, E, 47, &ack_only);
        play.back(&sent).redirects(sent.clone().to(A).hop());
        line.client(play, &bodies::pptp(5, 1, 2, 0), None);
        line.client(play, &bodies::pptp(12, 0x0801, 0, 0), None);
        line.server(play, &bodies::pptp(13, 0x5500, 0, 1), None);
        // P7: what is in flight still arrives.
        arrives(play, 0x0801, (A, 0x0801));
    }),
    vector(
        "two clients with one call ID get two, and the second one's is rewritten both ways",
        "P1 P2 P8 P14 P17",
        |play| {
            play.enable(&[Class::Pptp]);
            let mut ours = Line::open(play, A, 1025, 1025);
            let mut theirs = Line::open(play, B, 1026, 1026);
            ours.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
            ours.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
            let id = theirs.draws_call(play, 0x0801);
            assert!(id != 0x0801 && id >> 8 == 0x08, "the high byte stays (P14): {id:x}");
            let reply = bodies::pptp(8, 0x5501, id, 1);
            theirs.server(play, &reply, Some(&bodies::pptp(8, 0x5501, 0x0801, 1)));
            for _ in 0..2 {
                arrives(play, 0x0801, (A, 0x0801));
                arrives(play, id, (B, 0x0801));
                leaves(play, A, 0x5500);
                leaves(play, B, 0x5501);
            }
            // P8, and other clients' calls live on.
            ours.client(play, &bodies::pptp(3, 0x0100, 0, 0), None);
            play.back(raw(S, E, 47, &bodies::gre(0x0801, 9, None, b"x"))).drops(Reason::GreNoCall);
            play.out(raw(A, S, 47, &bodies::gre(0x5500, 9, None, b"x"))).drops(Reason::GreNoCall);
            arrives(play, id, (B, 0x0801));
            let cleared = bodies::pptp(12, 0x0801, 0, 0);
            theirs.client(play, &cleared, Some(&bodies::pptp(12, id, 0, 0)));
        },
    )
    .draws(),
    vector("several calls in one control connection have a mapping each", "P3", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        for (own, remote) in [(0x0801, 0x5500), (0x0802, 0x5501)] {
            line.client(play, &bodies::pptp(7, own, 0, 0), None);
            line.server(play, &bodies::pptp(8, remote, own, 1), None);
        }
        for (own, remote) in [(0x0801, 0x5500), (0x0802, 0x5501)] {
            arrives(play, own, (A, own));
            leaves(play, A, remote);
        }
    }),
    vector("a call that the server refuses is gone at once", "P6", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        arrives(play, 0x0801, (A, 0x0801));
        line.server(play, &bodies::pptp(8, 0, 0x0801, 2), None);
        play.back(raw(S, E, 47, &bodies::gre(0x0801, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("GRE of no call is dropped in both directions", "P20 O17", |play| {
        play.enable(&[Class::Pptp]);
        play.back(raw(S, E, 47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::GreNoCall).class(Class::Pptp);
        play.out(raw(A, S, 47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("a call ID is believed of its own server only", "P21 Z52", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        play.back(raw(T, E, 47, &bodies::gre(0x0801, 1, None, b"x"))).drops(Reason::GreNoCall);
        play.out(raw(A, T, 47, &bodies::gre(0x5500, 1, None, b"x"))).drops(Reason::GreNoCall);
        play.out(raw(B, S, 47, &bodies::gre(0x5500, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("a disconnected call's packets may arrive for five seconds", "P7", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        line.server(play, &bodies::pptp(13, 0x5500, 0, 1), None);
        play.wait(1);
        arrives(play, 0x0801, (A, 0x0801));
        play.wait(5);
        play.back(raw(S, E, 47, &bodies::gre(0x0801, 1, None, b"x"))).drops_and_changes(Reason::GreNoCall);
    }),
    vector(
        "several messages in one segment are all read, and a split one too",
        "P12 P13 P14 P15 K9",
        |play| {
            play.enable(&[Class::Pptp]);
            let mut other = Line::open(play, B, 1026, 1026);
            other.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
            let mut line = Line::open(play, A, 1025, 1025);
            let echo = bodies::pptp(5, 1, 2, 0);
            let call = bodies::pptp(7, 0x0801, 0, 0);
            let id = {
                let answer = play.out(line.segment(true, &[&echo[..], &call[..13]].concat()));
                // The call ID's first byte has gone, and its second comes.
                assert_eq!(answer.frame()[82], 0x08);
                line.sent(16 + 13);
                let answer = play.out(line.segment(true, &call[13..]));
                u16::from_be_bytes([0x08, answer.frame()[54]])
            };
            assert_ne!(id, 0x0801);
            // Sent again with other boundaries: the same bytes.
            line.sent(13u32.wrapping_neg());
            let whole = line.segment(true, &call);
            play.out(&whole).passes(line.translated(&bodies::pptp(7, id, 0, 0)));
            assert_eq!(play.sizes().controls, 2);
            arrives(play, id, (A, 0x0801));
        },
    )
    .draws(),
    vector("a segment ahead of a gap waits for its resend", "P16", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        let call = bodies::pptp(7, 0x0801, 0, 0);
        line.sent(16);
        play.out(line.segment(true, &call)).drops(Reason::PptpGap);
        line.sent(16u32.wrapping_neg());
        line.client(play, &bodies::pptp(5, 1, 2, 0), None);
        line.client(play, &call, None);
        arrives(play, 0x0801, (A, 0x0801));
    }),
    vector("a stream that is not PPTP ends, and opens no GRE", "P18 Z41 Z42 Z46", |play| {
        play.enable(&[Class::Pptp]);
        let good = bodies::pptp(7, 0x0801, 0, 0);
        let mut lies: Vec<Vec<u8>> = [0u16, 1, 11, 13, 65_535]
            .iter()
            .map(|length| [&length.to_be_bytes()[..], &good[2..]].concat())
            .collect();
        lies.push(b"GET / HTTP/1.1\r\nHost: example\r\n\r\n".to_vec());
        lies.push([&good[..4], &[0x1a, 0x2b, 0x3c, 0x4e], &good[8..]].concat());
        lies.push([&good[..2], &[0, 2], &good[4..]].concat());
        for (index, lie) in lies.iter().enumerate() {
            let mut line = Line::open(play, A, 2000 + index as u16, 2000 + index as u16);
            play.out(line.segment(true, lie)).drops_and_changes(Reason::PptpMalformed).class(Class::Pptp);
            play.out(line.segment(true, &good)).drops(Reason::PptpMalformed);
            line.sent(0);
            play.back(raw(S, E, 47, &bodies::gre(0x0801, 1, None, b"x"))).drops(Reason::GreNoCall);
        }
    }),
    vector("a message of an unknown type is skipped by its length", "P19", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        let mut unknown = bodies::pptp(6, 1, 2, 0);
        unknown[9] = 16;
        line.client(play, &[unknown, bodies::pptp(7, 0x0801, 0, 0)].concat(), None);
        arrives(play, 0x0801, (A, 0x0801));
    }),
    vector("a reply to a call that nobody made makes none", "Z43", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        play.back(raw(S, E, 47, &bodies::gre(0x0801, 1, None, b"x"))).drops(Reason::GreNoCall);
        play.out(raw(A, S, 47, &bodies::gre(0x5500, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("control data without the connection's start does not pass unread", "P16 P18", |play| {
        play.enable(&[Class::Pptp]);
        let data = tcp((A, 1025), (S, 1723), PUSH, &bodies::pptp(7, 0x0801, 0, 0));
        play.out(&data).drops_and_changes(Reason::PptpGap);
    }),
    vector("a fragment of the control stream does not pass unread", "F13", |play| {
        play.enable(&[Class::Pptp]);
        let line = Line::open(play, A, 1025, 1025);
        let pieces = line.segment(true, &bodies::pptp(7, 0x0801, 0, 0)).fragments(&[32]);
        play.out(&pieces[0]).drops(Reason::FragmentTiny);
        play.out(&pieces[1]).drops(Reason::FragmentOrphan);
    }),
    vector("with the switch at plain nothing is read, and one client a server works", "P26 U13", |play| {
        play.switch(Class::Pptp, Switch::Plain);
        let call = tcp((A, 1025), (S, 1723), PUSH, &bodies::pptp(7, 0x0801, 0, 0));
        play.out(&call).passes(call.clone().from(E)).opens(2);
        leaves(play, A, 0x5500);
        arrives(play, 0x0801, (A, 0x0801));
        arrives(play, 0x0999, (A, 0x0999));
        play.out(raw(B, S, 47, &bodies::gre(0x5501, 1, None, b"x"))).drops(Reason::HostConflict);
    }),
    vector("off, neither the control connection nor GRE passes", "O17", |play| {
        play.enable(&[Class::Gre]);
        play.out(tcp((A, 1025), (S, 1723), SYN, b"")).drops(Reason::SwitchedOff).class(Class::Pptp);
        play.lan(tcp((A, 1025), (S, 1723), SYN, b"")).drops(Reason::SwitchedOff);
        play.out(raw(A, S, 47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::SwitchedOff).class(Class::Pptp);
        play.back(raw(S, E, 47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::SwitchedOff);
        play.back(tcp((S, 5000), (E, 1723), SYN, b"")).drops(Reason::SwitchedOff);
        let other = raw(A, S, 47, &bodies::gre_v0(None, b"x"));
        play.out(&other).passes(other.clone().from(E)).class(Class::Gre);
    }),
    vector(
        "switched off in the middle of a call, nothing of it passes, nor after switching on again",
        "O3 O4 O6",
        |play| {
            play.enable(&[Class::Pptp]);
            let mut line = Line::open(play, A, 1025, 1025);
            line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
            line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
            let (there, back) = (
                raw(A, S, 47, &bodies::gre(0x5500, 1, None, b"x")),
                raw(S, E, 47, &bodies::gre(0x0801, 1, None, b"x")),
            );
            play.switch(Class::Pptp, Switch::Off);
            play.out(&there).drops(Reason::SwitchedOffSession);
            play.back(&back).drops(Reason::SwitchedOffSession);
            play.out(line.segment(true, b"")).drops(Reason::SwitchedOffSession);
            play.lan(&there).drops(Reason::SwitchedOff);
            play.switch(Class::Pptp, Switch::Full);
            play.back(&back).drops_and_changes(Reason::GreNoCall);
            play.out(&there).drops_and_changes(Reason::GreNoCall);
        },
    ),
    vector("a control connection from before the switch was off must begin anew", "O6", |play| {
        play.enable(&[Class::Pptp]);
        let line = Line::open(play, A, 1025, 1025);
        play.switch(Class::Pptp, Switch::Off);
        play.wait(1);
        play.switch(Class::Pptp, Switch::Full);
        play.out(line.segment(true, &bodies::pptp(5, 1, 2, 0))).drops_and_changes(Reason::PptpGap);
        Line::open(play, A, 1025, 1025).client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
    }),
    vector("GRE v1 headers that the RFC forbids are dropped", "Z48", |play| {
        play.enable(&[Class::Pptp, Class::Gre]);
        let good = bodies::gre(7, 1, Some(2), b"data");
        for first in [0xb0, 0x70, 0x38, 0x31, 0x10] {
            let bytes = [&[first], &good[1..]].concat();
            play.out(raw(A, S, 47, &bytes)).drops(Reason::GreMalformed);
            play.back(raw(S, E, 47, &bytes)).drops(Reason::GreMalformed);
        }
        for version in 2..8 {
            play.out(raw(A, S, 47, &[&[0x30, version], &good[2..]].concat())).drops(Reason::GreMalformed);
        }
        play.out(raw(A, S, 47, &[&good[..2], &[0x08, 0x00], &good[4..]].concat()))
            .drops(Reason::GreMalformed);
        play.out(raw(A, S, 47, &[&good[..4], &[0, 5], &good[6..]].concat())).drops(Reason::GreMalformed);
        for length in 0..16 {
            play.out(raw(A, S, 47, &good[..length])).drops(Reason::GreMalformed);
        }
    }),
    vector("an enhanced GRE datagram in fragments passes with the GRE switch off", "F10 O17", |play| {
        play.enable(&[Class::Pptp]);
        let mut line = Line::open(play, A, 1025, 1025);
        line.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        let sent = raw(A, S, 47, &bodies::gre(0x5500, 1, None, &[7; 100])).fragment(0);
        for (piece, wanted) in sent.fragments(&[40]).iter().zip(sent.clone().from(E).fragments(&[40])) {
            play.lan(piece).punts(Reason::NeedsStack);
            play.out(piece).passes(wanted);
        }
        let back = raw(S, E, 47, &bodies::gre(0x0801, 1, None, &[7; 100])).fragment(0);
        for (piece, wanted) in back.fragments(&[40]).iter().zip(back.clone().to(A).fragments(&[40])) {
            play.back(piece).redirects(wanted.hop());
        }
    }),
];
