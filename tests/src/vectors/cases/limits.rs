//! Limits of an inside host: what is above them is refused, and nothing else is touched (conformance sections 2, 13).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Host, Reason};

use crate::vectors::bodies::{INITIATOR, SA_INIT, SCCRQ};
use crate::vectors::frame::flag::SYN;
use crate::vectors::frame::{echo, raw, tcp, udp};
use crate::vectors::line::{Line, arrives};
use crate::vectors::{A, B, E, Play, R, S, T, Vector, bodies, vector};

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
    vector("sessions of every VPN protocol are of a host's share, and end with it", "C4 C11 Z37", |play| {
        play.enable(&[Class::Gre, Class::Esp, Class::Ike, Class::L2tp, Class::Ipip]);
        play.set(|settings| settings.options |= option::KEEP_L2TP_PORT);
        let ike = |host, server, spi| udp((host, 500), (server, 500), &bodies::ike(spi, SA_INIT, INITIATOR));
        let tunnel = |host, id| udp((host, 1701), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(id)));
        let of = |host, nth: u32| {
            [
                raw(host, S, 47, &bodies::gre_v0(Some(host ^ nth), b"x")),
                raw(host, S, 50, &bodies::esp(host ^ nth, 1)),
                ike(host, T, u64::from(host ^ nth)),
                tunnel(host, host as u16 ^ nth as u16),
            ]
        };
        // Of GRE two halves, of ESP one and what errors quote, of IKE two, of L2TP one and one for each tunnel.
        play.set(|settings| settings.host_sessions = 4);
        for sent in of(A, 1 << 8) {
            play.out(&sent).passes(sent.clone().from(E)).opens(2);
        }
        for sent in of(A, 2 << 8).into_iter().take(3).chain([raw(A, S, 4, b"ipip"), ike(A, S, 9)]) {
            play.out(sent).drops(Reason::HostSessions).opens(0);
        }
        play.wait(4);
        for sent in of(B, 3 << 8) {
            play.out(&sent).passes(sent.clone().from(E)).opens(2);
        }
        // What is over is counted back before it starts again.
        play.wait(4000);
        for sent in of(A, 1 << 8) {
            play.out(&sent).passes(sent.clone().from(E));
        }
        play.out(raw(A, S, 4, b"ipip")).drops(Reason::HostSessions).opens(0);
    }),
    vector("a host is the first client of no more VPN servers than it may be", "C4 C11", |play| {
        play.enable(&[Class::Esp]);
        play.set(|settings| settings.host_servers = 2);
        let esp = |host, server, spi| raw(host, server, 50, &bodies::esp(spi, 1));
        for (server, spi) in [(S, 0x1000), (T, 0x2000)] {
            let sent = esp(A, server, spi);
            play.out(&sent).passes(sent.clone().from(E)).opens(2);
        }
        let third = esp(A, R, 0x3000);
        play.out(&third).drops(Reason::HostServers).opens(0);
        // Others are not held to his share, and he may go where they have been first.
        let theirs = esp(B, R, 0x4000);
        play.out(&theirs).passes(theirs.clone().from(E)).opens(2);
        play.wait(4);
        play.out(&third).passes(third.clone().from(E)).opens(2);
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
