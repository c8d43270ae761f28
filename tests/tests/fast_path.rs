//! What the fast path moves, and what it leaves to the steps: each rule alone, on the host.

use passthrough_common::abi::settings::{option, port};
use passthrough_common::abi::{Class, Epoch, Side, Switch, Ticks};
use passthrough_tests::vectors::frame::{self, Packet, echo, raw, tcp, udp};
use passthrough_tests::vectors::host::{Host, LAN, WAN};
use passthrough_tests::vectors::play::Place;
use passthrough_tests::vectors::{A, B, Device, E, S, bodies};

const SYN: u16 = 0x02;
const FIN: u16 = 0x01;
const RST: u16 = 0x04;
const ACK: u16 = 0x10;

/// A gateway with every switch on, and frames that were counted as moved.
fn gateway() -> Host {
    let mut host = Host::fast();
    for class in Class::SWITCHED {
        host.gateway.settings.switches[class as usize] = Switch::Full as u8;
    }
    host
}

/// Whether the fast path moves this packet.
fn moves(host: &mut Host, place: Place, packet: &Packet) -> bool {
    let before = host.moved;
    host.send(place, &packet.frame());
    host.moved > before
}

fn out(host: &mut Host, packet: &Packet) -> bool {
    moves(host, Place::Out, packet)
}

fn back(host: &mut Host, packet: &Packet) -> bool {
    moves(host, Place::In, packet)
}

/// A UDP session of A with S, whose first packet has made it.
fn udp_session(host: &mut Host) -> (Packet, Packet) {
    let there = udp((A, 4000), (S, 5000), b"there");
    assert!(!out(host, &there), "the first packet makes the session");
    (there, udp((S, 5000), (E, 4000), b"back"))
}

#[test]
fn sessions_of_every_protocol_are_moved_both_ways() {
    let mut host = gateway();
    let (there, returned) = udp_session(&mut host);
    let pairs = [
        (there, returned),
        (echo(8, A, S, 77), echo(0, S, E, 77)),
        (
            raw(A, S, 47, &bodies::gre_v0(Some(9), b"tunnel")),
            raw(S, E, 47, &bodies::gre_v0(Some(9), b"tunnel")),
        ),
        (raw(A, S, 50, &bodies::esp(0x1001, 1)), raw(S, E, 50, &bodies::esp(0x2001, 1))),
        (raw(A, S, 4, &[0x45; 20]), raw(S, E, 4, &[0x45; 20])),
        (raw(A, S, 115, &[0, 0, 0, 7, 1, 2, 3, 4]), raw(S, E, 115, &[0, 0, 0, 7, 1, 2, 3, 4])),
    ];
    for (there, returned) in pairs {
        out(&mut host, &there);
        assert!(out(&mut host, &there), "protocol {} out", there.protocol());
        // The first ESP packet from outside is learned.
        back(&mut host, &returned);
        assert!(back(&mut host, &returned), "protocol {} back", there.protocol());
    }
}

#[test]
fn a_call_s_gre_is_moved_and_its_control_connection_never() {
    let mut host = gateway();
    let control = |flags, data: &[u8]| tcp((A, 4000), (S, 1723), flags, data);
    out(&mut host, &control(SYN, b""));
    for _ in 0..3 {
        assert!(!out(&mut host, &control(ACK, b"")), "it is read");
    }
}

#[test]
fn ike_is_read_and_never_moved() {
    let mut host = gateway();
    let request = udp((A, 500), (S, 500), &bodies::ike(7, 34, 8));
    for _ in 0..3 {
        assert!(!out(&mut host, &request));
    }
}

#[test]
fn with_kept_ports_l2tp_data_is_moved_and_control_is_read() {
    let mut host = gateway();
    host.gateway.settings.options |= option::KEEP_L2TP_PORT;
    let (here, there) = ((A, 1701), (S, 1701));
    out(&mut host, &udp(here, there, &bodies::l2tp_control(0, 1, Some(5))));
    assert!(out(&mut host, &udp(here, there, &bodies::l2tp_data(9))));
    assert!(!out(&mut host, &udp(here, there, &bodies::l2tp_control(9, 3, None))));
    assert!(back(&mut host, &udp(there, (E, 1701), &bodies::l2tp_data(5))));
}

/// Proves: T5.
#[test]
fn a_syn_and_a_rst_are_left_to_the_steps_and_a_fin_is_noted() {
    let mut host = gateway();
    let segment = |flags, data: &[u8]| tcp((A, 4000), (S, 80), flags, data);
    let answer = |flags| tcp((S, 80), (E, 4000), flags, b"");
    assert!(!out(&mut host, &segment(SYN, b"")));
    assert!(!back(&mut host, &answer(SYN | ACK)));
    assert!(out(&mut host, &segment(ACK, b"data")) && back(&mut host, &answer(ACK)));
    assert!(!out(&mut host, &segment(SYN, b"")) && !out(&mut host, &segment(RST, b"")));
    assert!(!out(&mut host, &segment(FIN, b"")), "without ACK no endpoint sends it");
    assert!(out(&mut host, &segment(FIN | ACK, b"")) && back(&mut host, &answer(FIN | ACK)));
    // Both ends have closed: the session ends with the time of a closing one.
    host.gateway.wait(Ticks::from_secs(300));
    assert!(!back(&mut host, &answer(ACK)));
    assert_eq!(host.sizes().sessions, 0);
}

#[test]
fn what_the_kernel_must_answer_or_judge_is_left_to_it() {
    let mut host = gateway();
    let (there, _) = udp_session(&mut host);
    assert!(out(&mut host, &there));
    assert!(!out(&mut host, &there.clone().ttl(1)), "TTL");
    assert!(!out(&mut host, &there.clone().options(&[1, 1, 1, 0])), "options");
    assert!(!out(&mut host, &there.clone().fragment(frame::MORE)), "a fragment");
    assert!(!out(&mut host, &there.clone().tags(&[[0x8100, 5]])), "another zone");
    assert!(!out(&mut host, &there.clone().header_wrong_by(1)), "a wrong header checksum");
    assert!(!out(&mut host, &udp((A, 4000), (S, 5000), &[0; 1473])), "more than the way out takes");
    assert!(out(&mut host, &udp((A, 4000), (S, 5000), &[0; 1472])), "as much as it takes");
    let mut other = there.frame();
    other[5] ^= 1;
    let before = host.moved;
    host.send(Place::Out, &other);
    assert_eq!(host.moved, before, "a frame for another station");
}

/// Turns the switch of ESP as the command line does.
fn turn(host: &mut Host, switch: Switch) {
    let settings = &mut host.gateway.settings;
    settings.switches[Class::Esp as usize] = switch as u8;
    settings.generations[Class::Esp as usize] += u8::from(switch == Switch::Off);
    settings.changes += 1;
}

/// Proves: O11.
#[test]
fn a_switched_off_protocol_stops_at_once_and_stays_stopped() {
    let mut host = gateway();
    let esp = raw(A, S, 50, &bodies::esp(0x1001, 1));
    out(&mut host, &esp);
    assert!(out(&mut host, &esp));
    turn(&mut host, Switch::Off);
    assert!(!out(&mut host, &esp));
    turn(&mut host, Switch::Full);
    assert!(!out(&mut host, &esp), "it is another session by then");
    assert!(out(&mut host, &esp));
}

#[test]
fn the_routing_table_is_asked_once_an_epoch_and_after_every_change() {
    let mut host = gateway();
    let (there, _) = udp_session(&mut host);
    assert!(out(&mut host, &there));
    // The way out is gone, but nobody has said so.
    host.gateway.ports[Side::Outside as usize].flags = 0;
    assert!(out(&mut host, &there));
    host.gateway.settings.changes += 1;
    assert!(!out(&mut host, &there));
    host.gateway.ports[Side::Outside as usize].flags = port::FAST;
    assert!(!out(&mut host, &there), "until the next epoch");
    let epoch = Epoch::of(&host.gateway.settings, host.gateway.now.get());
    while Epoch::of(&host.gateway.settings, host.gateway.now.get()) == epoch {
        host.gateway.wait(Ticks(1));
    }
    assert!(out(&mut host, &there));
}

/// Proves: U7.
#[test]
fn a_session_that_only_the_fast_path_has_seen_lives_as_long_as_it_is_used() {
    let mut host = gateway();
    let (there, returned) = udp_session(&mut host);
    let mut left = 0;
    // Twenty minutes at a packet a second each way: four times the idle time.
    for _ in 0..1200 {
        left += usize::from(!out(&mut host, &there)) + usize::from(!back(&mut host, &returned));
        host.gateway.wait(Ticks::from_secs(1));
    }
    assert_eq!(left, 0, "a session that hangs on nothing is never left to the steps while it is used");
    assert_eq!(host.sizes().sessions, 2);
    host.gateway.wait(Ticks::from_secs(301));
    assert!(!back(&mut host, &returned), "idle");
    assert_eq!(host.sizes().sessions, 0);
}

#[test]
fn esp_is_renewed_by_the_steps_while_the_fast_path_moves_it() {
    let mut host = gateway();
    let esp = raw(A, S, 50, &bodies::esp(0x1001, 1));
    out(&mut host, &esp);
    let mut left = 0;
    for _ in 0..600 {
        left += usize::from(!out(&mut host, &esp));
        host.gateway.wait(Ticks::from_secs(1));
    }
    assert!((35..=45).contains(&left), "once in a lease of sixteen seconds: {left} in 600");
}

#[test]
fn hairpins_and_the_gateway_s_own_traffic_are_left_to_the_steps() {
    let mut host = gateway();
    host.gateway.settings.filtering = [2; 2];
    udp_session(&mut host);
    let hairpin = udp((B, 6000), (E, 4000), b"round");
    for _ in 0..3 {
        host.send(Place::Lan, &hairpin.frame());
        assert!(!out(&mut host, &hairpin));
    }
    let own = udp((E, 7000), (S, 53), b"query");
    host.send(Place::Own, &own.frame());
    for _ in 0..3 {
        assert!(!back(&mut host, &udp((S, 53), (E, 7000), b"answer")));
    }
}

#[test]
fn sources_that_the_steps_would_drop_are_left_to_them() {
    let mut host = gateway();
    // To a private address on the WAN side, which the martian rule keeps from answering.
    let private = 0x0a01_0203;
    let there = udp((A, 4000), (private, 5000), b"there");
    out(&mut host, &there);
    assert!(out(&mut host, &there));
    assert!(!back(&mut host, &udp((private, 5000), (E, 4000), b"back")));
    host.gateway.settings.options &= !option::DROP_MARTIANS;
    host.gateway.settings.changes += 1;
    back(&mut host, &udp((private, 5000), (E, 4000), b"back"));
    assert!(back(&mut host, &udp((private, 5000), (E, 4000), b"back")));
}

#[test]
fn with_redirects_off_nothing_is_moved() {
    let mut host = gateway();
    let (there, _) = udp_session(&mut host);
    host.gateway.settings.options |= option::NO_REDIRECT;
    host.gateway.settings.changes += 1;
    assert!(!out(&mut host, &there) && !out(&mut host, &there));
}

#[test]
fn many_neighbours_share_the_table_and_none_gets_another_s_frames() {
    let mut host = gateway();
    let hosts: Vec<u32> = (2..255).map(|low| 0xc0a8_0100 | low).collect();
    for inside in &hosts {
        out(&mut host, &udp((*inside, 4000), (S, 5000), b"there"));
    }
    for epoch in 0..40 {
        for inside in &hosts {
            let packet = udp((S, 5000), (E, outside_port(&host, *inside)), b"back");
            let frame = packet.frame();
            // The first of a lease is for the steps.
            host.send(Place::In, &frame);
            let before = host.moved;
            host.send(Place::In, &frame);
            assert!(host.moved > before, "epoch {epoch}: {inside:#x}");
        }
        // Every way out that is in use leads to its owner.
        for (_, exit) in host.gateway.exits.dump() {
            let towards = passthrough_common::seam::host::ethernet_towards(exit.owner as u32);
            assert_eq!(exit.addresses, towards);
            assert!(exit.port == LAN || exit.port == WAN);
        }
        host.gateway.wait(Ticks::from_secs(2));
    }
}

/// The outside port of a host's endpoint 4000.
fn outside_port(host: &Host, inside: u32) -> u16 {
    let sessions = host.gateway.outbound();
    sessions.iter().find(|(key, _)| key.local() == inside).map(|(_, session)| session.id).expect("a session")
}
