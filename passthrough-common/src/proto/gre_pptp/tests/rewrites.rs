//! The table of conformance section 5, byte for byte (P4, P9), and both roles.

use super::*;

/// What may change in a message: offset of the field, and what it becomes; `None` for nothing.
fn expected(kind: u16, direction: Direction, server_inside: bool, ids: (u16, u16)) -> Option<(usize, u16)> {
    let (inside, outside) = ids;
    match (direction, server_inside, kind) {
        (OUT, false, 7 | 10 | 12) | (OUT, true, 8 | 9 | 13) => Some((12, outside)),
        (IN, false, 8) | (IN, true, 10) => Some((14, inside)),
        (IN, false, 11 | 13 | 14) | (IN, true, 15) => Some((12, inside)),
        _ => None,
    }
}

/// Proves: P4.
#[test]
fn each_message_is_rewritten_in_its_direction_and_nowhere_else() {
    // P4: 15 types and an unknown one, both directions, both roles, on a call that is connected.
    for server_inside in [false, true] {
        for direction in [OUT, IN] {
            for kind in 1..=16 {
                let world = gateway();
                Connection::client(&world, B, S, 1025).call(0x0a01, 0x7777);
                let mut connection = if server_inside {
                    Connection::server(&world, A, S)
                } else {
                    Connection::client(&world, A, S, 1024)
                };
                let outside = if server_inside {
                    connection.send(IN, &message(7, 0x0b0b, 0, 0)).unwrap();
                    id_at(&connection.send(OUT, &message(8, 0x0a01, 0x0b0b, 1)).unwrap(), 12)
                } else {
                    connection.call(0x0a01, 0x0b0b)
                };
                assert_ne!(outside, 0x0a01);
                let own = if direction == OUT { 0x0a01 } else { outside };
                // Both ID fields hold the same, so that a wrong offset shows.
                let before = message(kind, own, own, 1);
                let mut after = before.clone();
                if let Some((at, id)) = expected(kind, direction, server_inside, (0x0a01, outside)) {
                    after[at..at + 2].copy_from_slice(&id.to_be_bytes());
                }
                let sent = connection.send(direction, &before).unwrap();
                assert_eq!(sent, after, "type {kind}, {direction:?}, server inside: {server_inside}");
            }
        }
    }
}

#[test]
fn an_id_of_no_call_passes_as_it_is() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    for kind in [8, 11, 13, 14] {
        let before = message(kind, 0x0909, 0x0909, 1);
        assert_eq!(connection.send(IN, &before), Ok(before));
    }
    let before = message(12, 0x0909, 0, 0);
    assert_eq!(connection.send(OUT, &before), Ok(before));
}

/// Proves: P19.
#[test]
fn unknown_and_longer_messages_are_skipped_by_their_length() {
    let world = gateway();
    Connection::client(&world, B, S, 1025).call(7, 0x7777);
    let mut connection = Connection::client(&world, A, S, 1024);
    // P19: type 16 of length 20, then type 7 longer than RFC 2637 has it, then another.
    let mut longer = message(7, 7, 0, 0);
    longer.extend([0xee; 12]);
    longer[0..2].copy_from_slice(&180_u16.to_be_bytes());
    let all = [message(16, 7, 7, 1), longer, message(7, 8, 0, 0)].concat();
    let out = connection.send(OUT, &all).unwrap();
    assert_eq!(out[..32], all[..32]);
    assert_ne!(id_at(&out, 32), 7);
    assert_eq!(out[34..], all[34..]);
    assert_eq!(connection.inbound_gre(8).unwrap().id, 8);
}

#[test]
fn plain_reads_nothing() {
    let mut world = gateway();
    world.settings.switches[Class::Pptp as usize] = Switch::Plain as u8;
    let mut connection = Connection::client(&world, A, S, 1024);
    let anything = std::vec![0x47; 33];
    assert_eq!(connection.send(OUT, &anything), Ok(anything), "P26");
    assert!(world.controls.is_empty());
}

/// Proves: T2.
#[test]
fn the_handshake_may_cross_and_repeat() {
    let world = gateway();
    let mut connection = Connection::unopened(&world, A, S, 1024);
    // T2: simultaneous open.
    for (direction, flags) in [(OUT, SYN), (IN, SYN), (OUT, SYN | ACK), (IN, SYN | ACK), (OUT, SYN)] {
        connection.segment(direction, connection.next[direction as usize], flags, &[]).unwrap();
    }
    connection.next = connection.next.map(|next| next.wrapping_add(1));
    assert_eq!(connection.call(5, 6), 5);
}

#[test]
fn a_syn_may_carry_data() {
    let world = gateway();
    let connection = Connection::unopened(&world, A, S, 1024);
    let start = connection.next[0];
    let out = connection.segment(OUT, start, SYN, &message(7, 5, 0, 0)).unwrap();
    assert_eq!(connection.inbound_gre(id_at(&out, 12)).unwrap().id, 5);
    let again = connection.segment(OUT, start.wrapping_add(1), ACK, &message(7, 5, 0, 0)).unwrap();
    assert_eq!(again, out);
}
