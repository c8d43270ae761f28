//! L2TP on UDP 1701 (conformance section 9).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::bodies::{SCCCN, SCCRP, SCCRQ};
use crate::vectors::frame::udp;
use crate::vectors::{A, B, E, Play, S, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("two clients with source port 1701 get two ports, and no byte changes", "L1 L5 U3", |play| {
        play.enable(&[Class::L2tp]);
        let mut ports = Vec::new();
        for host in [A, B] {
            let sent = udp((host, 1701), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(5)));
            let answer = play.out(&sent);
            let port = answer.source_id();
            answer.passes(sent.clone().from_end((E, port))).class(Class::L2tp);
            let back = udp((S, 1701), (E, port), &bodies::l2tp_control(5, SCCRP, Some(9)));
            play.back(&back).redirects(back.clone().to_end((host, 1701)).hop()).class(Class::L2tp);
            ports.push(port);
        }
        assert_ne!(ports[0], ports[1]);
    })
    .draws(),
    vector(
        "the server may answer from another port, and its session is stopped by the switch",
        "L2 O2 O5",
        |play| {
            play.enable(&[Class::L2tp]);
            let sent = udp((A, 5000), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(5)));
            play.out(&sent).passes(sent.clone().from(E));
            let back = udp((S, 3000), (E, 5000), &bodies::l2tp_control(5, SCCRP, Some(9)));
            play.back(&back).redirects(back.clone().to(A).hop()).class(Class::L2tp);
            let there = udp((A, 5000), (S, 3000), &bodies::l2tp_control(9, SCCCN, None));
            play.out(&there).passes(there.clone().from(E)).class(Class::L2tp);
            play.switch(Class::L2tp, Switch::Off);
            play.back(&back).drops(Reason::SwitchedOffSession).class(Class::L2tp);
            play.out(&there).drops(Reason::SwitchedOffSession).class(Class::L2tp);
            // Nor from one more port, whose class is on: the binding's is not. The fuzzer found a session made and then refused.
            play.back(udp((S, 4000), (E, 5000), b"x")).drops(Reason::SwitchedOffSession);
        },
    ),
    vector("L2F and L2TPv3 on port 1701 are UDP", "L11 V4 Z58", |play| {
        play.enable(&[Class::L2tp]);
        for data in [&[0x40, 0x01, 0, 0][..], &[0x00, 0x03, 0, 0, 0, 0, 0, 1], &[0xc8, 0x02, 0, 99], b""] {
            let sent = udp((A, 5000), (S, 1701), data).unsummed();
            play.out(&sent).passes(sent.clone().from(E)).class(Class::L2tp);
        }
    }),
    // The fuzzer found the first message dropped, and a half of a session left behind.
    vector(
        "a client from before the option and a switch that was off starts anew on its kept port",
        "L6 O6 G4",
        |play| {
            play.enable(&[Class::L2tp]);
            let asks = udp((A, 1701), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(5)));
            play.out(&asks).is_forwarded();
            play.switch(Class::L2tp, Switch::Off);
            keep(play);
            leaves(play, A, &bodies::l2tp_control(0, SCCRQ, Some(5)));
            arrives(play, &bodies::l2tp_control(5, SCCRP, Some(9)), A, None);
        },
    ),
    vector("kept port 1701: clients are told apart by the tunnel IDs they assign", "L6 L7", |play| {
        keep(play);
        for (host, tunnel) in [(A, 5), (B, 6)] {
            leaves(play, host, &bodies::l2tp_control(0, SCCRQ, Some(tunnel)));
        }
        for (host, tunnel) in [(B, 6), (A, 5)] {
            arrives(play, &bodies::l2tp_control(tunnel, SCCRP, Some(9)), host, None);
            leaves(play, host, &bodies::l2tp_control(9, SCCCN, None));
            arrives(play, &bodies::l2tp_data(tunnel), host, None);
            leaves(play, host, &bodies::l2tp_data(9));
        }
    }),
    vector(
        "kept port 1701: equal tunnel IDs become two outside, in the AVP and in the header",
        "L8",
        |play| {
            keep(play);
            leaves(play, A, &bodies::l2tp_control(0, SCCRQ, Some(5)));
            let theirs = udp((B, 1701), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(5)));
            let answer = play.out(&theirs);
            let tunnel = answer.id_at(14 + 20 + 8 + 12 + 8 + 6);
            assert_ne!(tunnel, 5);
            let wanted = udp((E, 1701), (S, 1701), &bodies::l2tp_control(0, SCCRQ, Some(tunnel)));
            answer.passes(&wanted);
            // A retransmission gets the same ID again.
            play.out(&theirs).passes(&wanted).opens(0);
            arrives(play, &bodies::l2tp_control(5, SCCRP, Some(9)), A, None);
            let (got, told) =
                (bodies::l2tp_control(tunnel, SCCRP, Some(10)), bodies::l2tp_control(5, SCCRP, Some(10)));
            arrives(play, &got, B, Some(&told));
            arrives(play, &bodies::l2tp_data(tunnel), B, Some(&bodies::l2tp_data(5)));
            arrives(play, &bodies::l2tp_data(5), A, None);
            let unsummed = udp((S, 1701), (E, 1701), &bodies::l2tp_data(tunnel)).unsummed();
            play.back(unsummed).redirects(udp((S, 1701), (B, 1701), &bodies::l2tp_data(5)).unsummed().hop());
        },
    ),
    vector(
        "kept port 1701: an unknown tunnel goes to the only client, and to nobody if there are two",
        "L10",
        |play| {
            keep(play);
            let unknown = udp((S, 1701), (E, 1701), &bodies::l2tp_control(77, SCCCN, None));
            play.back(&unknown).drops(Reason::L2tpUnknown).class(Class::L2tp);
            leaves(play, A, &bodies::l2tp_control(0, SCCRQ, Some(5)));
            play.back(&unknown).redirects(unknown.clone().to(A).hop());
            leaves(play, B, &bodies::l2tp_control(0, SCCRQ, Some(6)));
            play.back(udp((S, 1701), (E, 1701), &bodies::l2tp_data(78))).drops(Reason::L2tpUnknown);
        },
    ),
    vector("kept port 1701: a hidden tunnel ID is for a server with one client", "L9", |play| {
        keep(play);
        let mut hidden = bodies::l2tp_control(0, SCCRQ, Some(5));
        hidden[20] |= 0x40;
        leaves(play, A, &hidden);
        play.out(udp((B, 1701), (S, 1701), &hidden)).drops(Reason::L2tpHidden).class(Class::L2tp);
    }),
    vector("kept port 1701: other versions and lies are dropped", "L11 Z58", |play| {
        keep(play);
        for data in
            [&[0x40, 0x01, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0][..], &[0x00, 0x03, 0, 0, 0, 0, 0, 1], &[0xc8, 0x02]]
        {
            play.out(udp((A, 1701), (S, 1701), data)).drops(Reason::L2tpMalformed);
            play.back(udp((S, 1701), (E, 1701), data)).drops(Reason::L2tpMalformed);
        }
        let good = bodies::l2tp_control(0, SCCRQ, Some(5));
        for (at, byte) in [(3, 99), (13, 5), (21, 0), (21, 200)] {
            let mut lie = good.clone();
            lie[at] = byte;
            play.out(udp((A, 1701), (S, 1701), &lie)).drops(Reason::L2tpMalformed);
        }
    }),
    vector("L2TP is off until enabled", "O2", |play| {
        play.out(udp((A, 5000), (S, 1701), b"x")).drops(Reason::SwitchedOff).class(Class::L2tp);
        play.back(udp((S, 1701), (E, 1701), b"x")).drops(Reason::SwitchedOff).class(Class::L2tp);
    }),
];

fn keep(play: &mut Play<'_>) {
    play.enable(&[Class::L2tp]);
    play.set(|settings| settings.options |= option::KEEP_L2TP_PORT);
}

/// A host's message to S leaves from port 1701.
fn leaves(play: &mut Play<'_>, host: u32, message: &[u8]) {
    let sent = udp((host, 1701), (S, 1701), message);
    play.out(&sent).passes(sent.clone().from(E)).class(Class::L2tp);
}

/// A message of S reaches a host, as it is or as another.
fn arrives(play: &mut Play<'_>, message: &[u8], host: u32, wanted: Option<&[u8]>) {
    let sent = udp((S, 1701), (E, 1701), message);
    let told = udp((S, 1701), (host, 1701), wanted.unwrap_or(message)).hop();
    play.back(&sent).redirects(told).class(Class::L2tp);
}
