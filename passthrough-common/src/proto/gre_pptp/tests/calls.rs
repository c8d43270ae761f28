//! Calls from their announcement to their end (P1-P10, P20, P21).

use std::vec::Vec;

use super::*;
use crate::abi::Ticks;
use crate::abi::settings::Idle;
use crate::session::idle::LEASE;

/// Proves: P1, P2, P21.
#[test]
fn many_clients_with_the_same_call_id_share_a_server() {
    // P1, P2: 64 clients, call ID 0 as pptpclient and poptop begin with, on both sides.
    let world = gateway();
    let mut seen = Vec::new();
    for host in 0..64 {
        let mut connection = Connection::client(&world, A + host, S, 1024);
        let outside = connection.call(0, host as u16);
        assert_ne!(outside, 0, "P1");
        assert!(!seen.contains(&outside), "P1");
        seen.push(outside);
    }
    for host in 0..64 {
        let back = gre(&world, View::Inbound, S, OUTSIDE, seen[host as usize]).unwrap();
        assert_eq!((back.address, back.id, back.rewrite()), (A + host, 0, Rewrite::CallId as u8));
        let out = gre(&world, View::Outbound, S, A + host, host as u16).unwrap();
        assert_eq!(
            (out.address, out.id, out.rewrite()),
            (OUTSIDE, seen[host as usize], Rewrite::Address as u8)
        );
        // P21: from another server, nothing.
        assert!(gre(&world, View::Inbound, T, OUTSIDE, seen[host as usize]).is_none());
    }
}

/// Proves: P1.
#[test]
fn an_id_is_kept_where_it_is_free() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    for id in [1, 0x0100, 0x1234, 0xff00, 0xffff] {
        assert_eq!(connection.call(id, id ^ 0x55), id, "P1");
    }
    assert_eq!(Connection::client(&world, B, T, 1024).call(1, 9), 1, "another server has numbers of its own");
    assert_eq!(events(&world, Event::PptpCall), 6);
    assert_eq!(events(&world, Event::PptpRewritten), 0);
}

/// Proves: P3.
#[test]
fn one_connection_has_several_calls() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let ids: Vec<u16> = (1..=16).map(|id| connection.call(id, 100 + id)).collect();
    assert_eq!(ids, (1..=16).collect::<Vec<u16>>(), "P3");
    assert_eq!(connection.inbound_gre(3).unwrap().twin_call(), 103);
}

/// Proves: P5, P20.
#[test]
fn gre_may_overtake_the_reply() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let out = connection.send(OUT, &message(7, 1, 0, 0)).unwrap();
    assert!(connection.inbound_gre(id_at(&out, 12)).is_some(), "P5");
    assert!(connection.outbound_gre(0x5555).is_none(), "P20");
}

/// Proves: P6.
#[test]
fn a_refusal_frees_the_call_at_once() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let before = world.sessions.len();
    connection.send(OUT, &message(7, 1, 0, 0)).unwrap();
    connection.send(IN, &message(8, 0, 1, 5)).unwrap();
    assert_eq!(world.sessions.len(), before, "P6");
    assert!(connection.inbound_gre(1).is_none());
    assert_eq!(connection.call(1, 2), 1, "and the ID is free again");
}

/// Proves: P7.
#[test]
fn a_disconnected_call_has_five_seconds_for_what_is_in_flight() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let outside = connection.call(1, 2);
    connection.send(OUT, &message(12, 1, 0, 0)).unwrap();
    assert!(
        !connection.inbound_gre(outside).unwrap().has(crate::abi::session::flag::FIN),
        "P7: not by type 12"
    );
    connection.send(IN, &message(13, 2, 0, 0)).unwrap();
    world.wait(Ticks::from_secs(1));
    assert!(connection.inbound_gre(outside).is_some() && connection.outbound_gre(2).is_some(), "P7 at 1 s");
    world.wait(Ticks::from_secs(5));
    assert!(connection.inbound_gre(outside).is_none() && connection.outbound_gre(2).is_none(), "P7 at 6 s");
}

#[test]
fn a_call_may_follow_another_with_the_same_ids_at_once() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let first = connection.call(1, 0);
    connection.send(IN, &message(13, 0, 0, 0)).unwrap();
    let second = connection.call(1, 0);
    assert_ne!(first, second, "packets of the first are still in flight");
    world.wait(Ticks::from_secs(6));
    assert!(connection.inbound_gre(first).is_none());
    assert_eq!(connection.inbound_gre(second).unwrap().id, 1);
    assert_eq!(connection.outbound_gre(0).unwrap().id, second);
}

/// Proves: P9.
#[test]
fn a_disconnect_names_either_end_s_id() {
    let world = gateway();
    Connection::client(&world, B, S, 1025).call(1, 7);
    let mut connection = Connection::client(&world, A, S, 1024);
    let outside = connection.call(1, 2);
    assert_ne!(outside, 1);
    // P9, second variant: the PNS's ID, as accel-ppp sends it.
    let back = connection.send(IN, &message(13, outside, 0, 0)).unwrap();
    assert_eq!(id_at(&back, 12), 1);
    world.wait(Ticks::from_secs(6));
    assert!(connection.inbound_gre(outside).is_none());
    assert!(gre(&world, View::Inbound, S, OUTSIDE, 1).is_some(), "P8: the other client's call lives on");
}

/// Proves: P8.
#[test]
fn whatever_ends_the_connection_ends_its_calls_and_no_others() {
    // P8: types 3 and 4 from either end, FIN, RST, expiry.
    type End = fn(&mut Connection<'_>);
    let ends: [End; 7] = [
        |connection| drop(connection.send(OUT, &message(3, 0, 0, 0))),
        |connection| drop(connection.send(IN, &message(3, 0, 0, 0))),
        |connection| drop(connection.send(IN, &message(4, 0, 0, 0))),
        |connection| drop(connection.fin(OUT)),
        |connection| drop(connection.fin(IN)),
        |connection| drop(connection.reset(IN, connection.next[1])),
        |connection| connection.expire(),
    ];
    for (index, end) in ends.iter().enumerate() {
        let world = gateway();
        let other = Connection::client(&world, B, S, 1025).call(1, 1);
        let others = world.sessions.len();
        let mut connection = Connection::client(&world, A, S, 1024);
        let outside = connection.call(1, 2);
        let second = connection.call(5, 6);
        end(&mut connection);
        for id in [outside, second] {
            assert!(connection.inbound_gre(id).is_none(), "end {index}");
        }
        assert!(connection.outbound_gre(2).is_none() && connection.outbound_gre(6).is_none(), "end {index}");
        assert!(gre(&world, View::Inbound, S, OUTSIDE, other).is_some(), "end {index}");
        let own = usize::from(world.sessions.get(&connection.key()).is_some()) * 2;
        assert_eq!(own == 0, index == 6, "end {index}");
        assert_eq!(world.sessions.len(), others + own, "nothing else is left of them, end {index}");
    }
}

/// Proves: P10.
#[test]
fn a_call_lives_as_long_as_its_control_connection() {
    // P10: GRE silent for 2 h with an echo every minute; then the control connection silent for longer than
    // TCP may be.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let outside = connection.call(1, 2);
    let minute = Ticks::from_secs(60);
    for _ in 0..120 {
        world.wait(minute);
        connection.send(OUT, &message(5, 0, 0, 0)).unwrap();
        // The look-up does this for every packet.
        let now = world.now.get();
        let seen = |session: &mut Session| {
            session.seen = now;
            session.flags |= crate::abi::session::flag::USED | crate::abi::session::flag::SYN;
        };
        world.sessions.update(&connection.key(), seen);
        let inbound = (connection.server, connection.server_port);
        let inbound =
            SessionKey::ports(View::Inbound, inbound, (OUTSIDE, connection.outside_port), number::TCP);
        world.sessions.update(&inbound, seen);
    }
    assert!(connection.inbound_gre(outside).is_some() && connection.outbound_gre(2).is_some());
    world.wait(world.settings.idle[Idle::TcpEstablished as usize].plus(LEASE));
    assert!(connection.inbound_gre(outside).is_none() && connection.outbound_gre(2).is_none());
}

/// Proves: O4, O6.
#[test]
fn a_call_does_not_outlive_its_switch() {
    let mut world = gateway();
    let outside = Connection::client(&world, A, S, 1024).call(1, 2);
    world.settings.generations[Class::Pptp as usize] += 1;
    assert!(gre(&world, View::Inbound, S, OUTSIDE, outside).is_none(), "O6");
}

#[test]
fn incoming_calls_work_from_both_sides() {
    // The remote PAC calls the client inside: types 9, 10, 11.
    let world = gateway();
    Connection::client(&world, B, S, 1025).call(3, 7);
    let mut connection = Connection::client(&world, A, S, 1024);
    connection.send(IN, &message(9, 0x20, 0, 0)).unwrap();
    let out = connection.send(OUT, &message(10, 3, 0x20, 1)).unwrap();
    let outside = id_at(&out, 12);
    assert_ne!(outside, 3);
    assert_eq!(id_at(&out, 14), 0x20);
    assert_eq!(id_at(&connection.send(IN, &message(11, outside, 0, 0)).unwrap(), 12), 3);
    assert_eq!(connection.inbound_gre(outside).unwrap().twin_call(), 0x20);
    assert_eq!(connection.outbound_gre(0x20).unwrap().id, outside);
    // And the PAC inside calls its client.
    let mut server = Connection::server(&world, A, T);
    let out = server.send(OUT, &message(9, 3, 0, 0)).unwrap();
    server.send(IN, &message(10, 0x30, id_at(&out, 12), 1)).unwrap();
    assert_eq!(server.outbound_gre(0x30).unwrap().id, id_at(&out, 12), "P24");
    server.send(OUT, &message(13, 3, 0, 0)).unwrap();
    world.wait(Ticks::from_secs(6));
    assert!(server.outbound_gre(0x30).is_none());
}

/// Proves: I16.
#[test]
fn errors_about_a_call_find_it() {
    // I15, I16: what a quote shows of GRE, from outside and from inside.
    let world = gateway();
    let outside = Connection::client(&world, A, S, 1024).call(1, 0);
    let quoted = gre(&world, View::Quoted, S, OUTSIDE, 0).unwrap();
    assert_eq!(quoted.address, A);
    let inside = gre(&world, View::QuotedInside, S, A, 1).unwrap();
    assert_eq!((inside.address, inside.id), (OUTSIDE, outside));
}

#[test]
fn only_a_server_inside_begins_a_connection_by_its_answer() {
    let world = gateway();
    // A client's port is no server's: what it answers was never asked.
    let client = Connection::unopened(&world, A, S, 1024);
    assert_eq!(client.segment(OUT, 7, SYN | ACK, &[]), Err(Reason::PptpGap));
    let mut server = Connection::server(&world, B, T);
    server.send(IN, &message(7, 0x0901, 0, 0)).unwrap();
    let out = server.send(OUT, &message(8, 0x5500, 0x0901, 1)).unwrap();
    assert_eq!((id_at(&out, 12), id_at(&out, 14)), (0x5500, 0x0901), "P24");
    // Sent again, the answer begins nothing.
    let again = server.next[OUT as usize].wrapping_sub(message(8, 0, 0, 0).len() as u32 + 1);
    server.segment(OUT, again, SYN | ACK, &[]).unwrap();
    assert!(server.inbound_gre(0x5500).is_some() && server.outbound_gre(0x0901).is_some());
    // A new session on the same ends: its answer ends what was before (T14).
    world.controls.update(&server.key(), |control| control.outdated = 1);
    server.next = [500, 900];
    server.answer();
    assert!(server.inbound_gre(0x5500).is_none() && server.outbound_gre(0x0901).is_none());
    server.send(IN, &message(5, 1, 2, 0)).unwrap();
}

#[test]
fn a_connection_of_another_class_is_not_read() {
    let world = gateway();
    let connection = Connection::unopened(&world, A, S, 1723);
    let other = |session: &mut Session| *session = Session::new(Class::Tcp, Rewrite::Port, (OUTSIDE, 9), 0);
    world.sessions.update(&connection.key(), other);
    assert_eq!(connection.segment(OUT, 7, ACK, b"GET /"), Err(Reason::FirstPacket));
}
