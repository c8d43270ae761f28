//! Limits of an inside host: what is above them is refused, and nothing else is touched (conformance sections 2, 13).

use passthrough_common::abi::{Class, Host, Reason};

use crate::vectors::frame::{echo, tcp, udp};
use crate::vectors::line::{Line, arrives};
use crate::vectors::{A, B, E, Play, S, T, Vector, bodies, vector};

const SYN: u16 = 0x002;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector(
        "a host above its limit is refused; its sessions and other hosts go on",
        "C4 C5 C11 Z37 Z33",
        |play| {
            play.set(|settings| settings.host_sessions = 3);
            opens(play, 5000);
            opens(play, 5001);
            let ping = echo(8, A, S, 7);
            play.out(&ping).passes(ping.clone().from(E)).opens(2);
            for _ in 0..2 {
                play.out(udp((A, 5002), (S, 53), b"x")).drops(Reason::HostSessions).class(Class::Udp);
                play.out(tcp((A, 5003), (S, 80), SYN, b"")).drops(Reason::HostSessions);
                play.out(echo(8, A, S, 8)).drops(Reason::HostSessions);
            }
            // One endpoint's sessions count each: a mapping has no more of them than its host (C5).
            play.out(udp((A, 5000), (T, 53), b"x")).drops(Reason::HostSessions);
            let theirs = udp((B, 5002), (S, 53), b"x");
            play.out(&theirs).passes(theirs.clone().from(E)).opens(2);
            for port in [5000, 5001] {
                let answer = udp((S, 53), (E, port), b"answer");
                play.back(&answer).redirects(answer.clone().to(A).hop());
            }
        },
    ),
    vector("a host opens no faster than it may, and what it has goes on", "Z36", |play| {
        play.set(|settings| settings.host_rate = Host::per_second(2));
        for port in 5000..5003 {
            opens(play, port);
        }
        play.out(udp((A, 5003), (S, 53), b"x")).drops(Reason::HostRate);
        let theirs = udp((B, 5003), (S, 53), b"x");
        play.out(&theirs).passes(theirs.clone().from(E)).opens(2);
        let known = udp((A, 5000), (S, 53), b"again");
        play.out(&known).passes(known.clone().from(E)).opens(0);
    }),
    vector("a host has no more PPTP connections than it may, and what it has goes on", "C4 C11 G4", |play| {
        play.enable(&[Class::Pptp]);
        play.set(|settings| settings.host_connections = 2);
        let mut first = Line::open(play, A, 1025, 1025);
        Line::open(play, A, 1026, 1026);
        for _ in 0..2 {
            play.out(tcp((A, 1027), (S, 1723), SYN, b"")).drops(Reason::HostConnections).opens(0);
        }
        Line::open(play, B, 1028, 1028);
        first.client(play, &bodies::pptp(7, 0x0801, 0, 0), None);
        first.server(play, &bodies::pptp(8, 0x5500, 0x0801, 1), None);
        arrives(play, 0x0801, (A, 0x0801));
    }),
];

fn opens(play: &mut Play, port: u16) {
    let sent = udp((A, port), (S, 53), b"question");
    play.out(&sent).passes(sent.clone().from(E)).opens(2);
}
