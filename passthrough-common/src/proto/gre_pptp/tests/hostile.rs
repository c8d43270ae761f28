//! What an end may send to break the stream or take another's call (P18, Z34, Z41-Z47).

use std::vec::Vec;

use super::*;
use crate::abi::Ticks;

fn lost(world: &Gateway, data: &[u8]) {
    let mut connection = Connection::client(world, A, S, 1024);
    let outside = connection.call(1, 2);
    assert_eq!(connection.send(OUT, data), Err(Reason::PptpMalformed), "P18");
    for direction in [OUT, IN] {
        assert_eq!(connection.send(direction, &message(5, 0, 0, 0)), Err(Reason::PptpMalformed), "no resync");
    }
    assert!(
        connection.inbound_gre(outside).is_none() && connection.outbound_gre(2).is_none(),
        "its GRE ends"
    );
    assert!(connection.reset(OUT, connection.next[0]).is_ok(), "its ends may close it");
    // T14: a new connection on the same tuple starts afresh.
    connection.next[0] = connection.next[0].wrapping_add(100_000);
    connection.next[1] = connection.next[1].wrapping_add(100_000);
    connection.handshake(OUT);
    assert_eq!(connection.call(1, 2), 1);
}

/// Proves: P18, Z41.
#[test]
fn a_wrong_length_loses_the_stream() {
    // Z41: also a length that the type does not fit in.
    for length in [0_u16, 1, 11, 13, 1025, 65_535, 167] {
        let mut bad = message(7, 3, 0, 0);
        bad[0..2].copy_from_slice(&length.to_be_bytes());
        lost(&gateway(), &bad);
    }
}

/// Proves: P18, Z42, Z46.
#[test]
fn a_wrong_magic_or_type_loses_the_stream() {
    let mut magic = message(5, 0, 0, 0);
    magic[7] ^= 1;
    lost(&gateway(), &magic);
    let mut management = message(5, 0, 0, 0);
    management[3] = 2;
    lost(&gateway(), &management);
    // Z42: in the second message of a segment; the magic inside the first means nothing.
    let mut first = message(7, 3, 0, 0);
    first[60..64].copy_from_slice(&pptp::MAGIC.to_be_bytes());
    lost(&gateway(), &[first, magic].concat());
    // Z46.
    lost(&gateway(), b"GET / HTTP/1.1\r\nHost: example.net\r\n\r\n");
}

#[test]
fn a_connection_without_its_start_is_not_guessed_at() {
    let world = gateway();
    let connection = Connection::unopened(&world, A, S, 1024);
    assert_eq!(connection.segment(OUT, 1, ACK, &message(7, 1, 0, 0)), Err(Reason::PptpGap));
    assert_eq!(connection.segment(IN, 1, SYN | ACK, &[]), Err(Reason::PptpGap));
    assert_eq!(connection.segment(IN, 1, RST, &[]), Ok(Vec::new()));
    assert!(world.controls.is_empty());
}

/// Proves: O6.
#[test]
fn a_record_older_than_the_session_is_another_connection_s() {
    // O6: the session was made anew, the client goes on, then begins anew from the same port.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    connection.call(1, 2);
    world.wait(Ticks::from_secs(9));
    world.sessions.remove(&connection.key());
    connection.insert_session();
    assert_eq!(connection.segment(OUT, connection.next[0], ACK, &message(7, 3, 0, 0)), Err(Reason::PptpGap));
    connection.next[0] = connection.next[0].wrapping_add(1_000_000);
    connection.handshake_again();
    assert!(connection.inbound_gre(1).is_none());
    assert_eq!(connection.call(3, 4), 3);
}

impl Connection<'_> {
    fn handshake_again(&mut self) {
        let inbound = SessionKey::ports(
            View::Inbound,
            (self.server, self.server_port),
            (OUTSIDE, self.outside_port),
            number::TCP,
        );
        self.world.sessions.remove(&inbound);
        self.insert_session();
        self.handshake(OUT);
    }
}

#[test]
fn without_a_session_the_session_comes_first() {
    let world = gateway();
    let connection = Connection::unopened(&world, A, S, 1024);
    world.sessions.remove(&connection.key());
    assert_eq!(connection.segment(OUT, 1, SYN, &[]), Err(Reason::FirstPacket));
    assert!(world.controls.is_empty());
}

/// Proves: Z43.
#[test]
fn a_reply_to_no_call_makes_none() {
    // Z43: nobody asked; and a second answer to a call, with another ID.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    connection.send(IN, &message(8, 0x10, 0x20, 1)).unwrap();
    assert!(connection.outbound_gre(0x10).is_none());
    let outside = connection.call(1, 2);
    connection.send(IN, &message(8, 0x11, outside, 1)).unwrap();
    assert!(connection.outbound_gre(0x11).is_none());
    assert_eq!(connection.inbound_gre(outside).unwrap().twin_call(), 2);
    assert_eq!(events(&world, Event::PptpUncalled), 2);
}

/// Proves: Z44.
#[test]
fn a_flood_of_requests_stops_at_sixteen_calls() {
    // Z44.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    for id in 1..=16 {
        connection.send(OUT, &message(7, id, 0, 0)).unwrap();
    }
    let sessions = world.sessions.len();
    for id in 17..=10_000 {
        assert_eq!(connection.send(OUT, &message(7, id, 0, 0)), Err(Reason::PptpCalls));
    }
    assert_eq!(world.sessions.len(), sessions);
    assert_eq!(Connection::client(&world, B, S, 1025).call(17, 1), 17, "others work");
}

#[test]
fn a_server_s_numbers_may_run_out() {
    let world = gateway();
    let mut made = 0;
    let mut refused = 0;
    for host in 0..20 {
        let mut connection = Connection::client(&world, A + host, S, 1024);
        for call in 0..16 {
            match connection.send(OUT, &message(7, call, 0, 0)) {
                Ok(_) => made += 1,
                Err(reason) => {
                    assert_eq!(reason, Reason::PortsExhausted);
                    refused += 1;
                    break;
                }
            }
        }
    }
    assert!(made > 200 && made <= 255 && refused > 0, "{made} of 255 with one high byte");
}

#[test]
fn a_full_table_refuses_and_the_resend_passes() {
    let mut world = gateway();
    world.sessions = crate::seam::host::Memory::with_capacity(3);
    let mut connection = Connection::client(&world, A, S, 1024);
    connection.send(OUT, &message(7, 1, 0, 0)).unwrap();
    assert_eq!(connection.send(IN, &message(8, 2, 1, 1)), Err(Reason::TableFull));
    assert!(connection.outbound_gre(2).is_none());
    assert_eq!(connection.send(OUT, &message(7, 3, 0, 0)), Err(Reason::TableFull));
    assert!(connection.send(IN, &message(8, 2, 1, 5)).is_ok(), "the place in the stream was kept");
    assert!(connection.send(OUT, &message(7, 3, 0, 0)).is_ok());
}

/// Proves: Z47.
#[test]
fn a_client_cannot_name_another_s_call() {
    // Z47: type 12 with B's outside ID on A's connection.
    let world = gateway();
    let other = Connection::client(&world, B, S, 1025).call(9, 1);
    let mut connection = Connection::client(&world, A, S, 1024);
    let out = connection.send(OUT, &message(12, other, 0, 0)).unwrap();
    assert_ne!(id_at(&out, 12), other);
    assert!(gre(&world, View::Inbound, S, OUTSIDE, other).is_some());
}

/// Proves: P8, Z34.
#[test]
fn only_the_exact_reset_ends_calls() {
    // Z34, P8: others pass and change nothing.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let outside = connection.call(1, 2);
    for distance in [1, 2, 1000, 1 << 20, 1 << 31, u32::MAX] {
        assert!(connection.reset(IN, connection.next[1].wrapping_add(distance)).is_ok());
    }
    assert!(connection.inbound_gre(outside).is_some());
    connection.reset(IN, connection.next[1]).unwrap();
    assert!(connection.inbound_gre(outside).is_none());
}

/// Proves: Z35.
#[test]
fn a_syn_on_a_live_connection_changes_nothing() {
    // Z35.
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let outside = connection.call(1, 2);
    for direction in [OUT, IN] {
        for flags in [SYN, SYN | ACK] {
            assert!(connection.segment(direction, 0x1234_5678, flags, &[]).is_ok());
        }
    }
    assert_eq!(connection.call(3, 4), 3);
    assert!(connection.inbound_gre(outside).is_some());
}

/// Proves: G6.
#[test]
fn any_bytes_give_a_verdict() {
    // G6: random data, cut at random.
    let world = gateway();
    let mut random = 1_u32;
    let mut byte = || {
        random = random.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        (random >> 24) as u8
    };
    for round in 0..2000_u32 {
        let mut connection = Connection::client(&world, A, S, round as u16);
        for _ in 0..4 {
            let mut data = message(u16::from(byte() % 17), 1, 1, byte() & 1);
            let at = usize::from(byte()) % data.len();
            data[at] ^= byte() & byte() & byte();
            let cut = usize::from(byte()) % data.len();
            let direction = if byte() & 1 == 0 { OUT } else { IN };
            let _ = connection.send(direction, &data[..cut]);
            let _ = connection.send(direction, &data[cut..]);
        }
        connection.expire();
    }
    world.wait(Ticks::from_secs(6));
    for (key, session) in world.sessions.dump() {
        let left = key.protocol() == number::GRE && !halves::is_over(&world, &key, &session);
        assert!(!left, "no call outlives its connection: {key:?} {session:?}");
    }
}
