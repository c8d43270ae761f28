//! Messages cut over segments, sent again, out of order, several in one (P12-P17, Z45).

use std::vec::Vec;

use super::*;

/// A second client with the same call ID, so that the first client's cannot be kept.
fn occupied(world: &Gateway, id: u16) {
    assert_eq!(Connection::client(world, B, S, 1025).call(id, 0x7777), id);
}

/// Proves: P13, P14.
#[test]
fn a_request_is_rewritten_whatever_way_it_is_cut_in_two() {
    // P13, P14, P17: all 167 two-way splits of type 7, cut after an even or odd number of bytes.
    let request = message(7, 0x1201, 0x5555, 0);
    for cut in 1..request.len() {
        let world = gateway();
        occupied(&world, 0x1201);
        let mut connection = Connection::client(&world, A, S, 1024);
        let out = connection.send_cut(OUT, &request, &[cut]);
        let outside = id_at(&out, 12);
        assert_ne!(outside, 0x1201, "P1, cut at {cut}");
        assert_eq!(out[12], 0x12, "P14: the first byte may be gone already");
        assert_eq!((&out[..12], &out[14..]), (&request[..12], &request[14..]), "cut at {cut}");
        let session = connection.inbound_gre(outside).expect("P5: ready before type 8");
        assert_eq!((session.address, session.id), (A, 0x1201));
    }
}

/// Proves: P13, P14.
#[test]
fn a_reply_is_rewritten_whatever_way_it_is_cut_in_two() {
    // P13, P14: all 31 two-way splits of type 8.
    for cut in 1..32 {
        let world = gateway();
        occupied(&world, 1);
        let mut connection = Connection::client(&world, A, S, 1024);
        let out = connection.send(OUT, &message(7, 1, 0, 0)).unwrap();
        let outside = id_at(&out, 12);
        let reply = message(8, 0x0a0b, outside, 1);
        let back = connection.send_cut(IN, &reply, &[cut]);
        assert_eq!(id_at(&back, 14), 1, "cut at {cut}");
        assert_eq!((&back[..14], &back[16..]), (&reply[..14], &reply[16..]), "cut at {cut}");
        let session = connection.outbound_gre(0x0a0b).expect("connected");
        assert_eq!((session.address, session.id), (OUTSIDE, outside));
    }
}

#[test]
fn every_split_also_works_where_the_server_is_inside() {
    for cut in 1..32 {
        let world = gateway();
        let mut first = Connection::server(&world, B, S);
        first.send(OUT, &message(8, 0x0a01, 5, 1)).unwrap();
        let mut connection = Connection::server(&world, A, S);
        let reply = message(8, 0x0a01, 6, 1);
        let out = connection.send_cut(OUT, &reply, &[cut]);
        assert_ne!(id_at(&out, 12), 0x0a01, "cut at {cut}");
        assert_eq!((&out[..12], &out[14..]), (&reply[..12], &reply[14..]));
        assert_eq!(connection.inbound_gre(id_at(&out, 12)).unwrap().id, 0x0a01);
    }
    let request = message(7, 9, 0, 0);
    for cut in 1..request.len() {
        let world = gateway();
        let mut connection = Connection::server(&world, A, S);
        assert_eq!(connection.send_cut(IN, &request, &[cut]), request, "P4: left as it is");
    }
}

/// Proves: P13.
#[test]
fn one_byte_per_segment_is_enough() {
    let world = gateway();
    occupied(&world, 0x33);
    let mut connection = Connection::client(&world, A, S, 1024);
    let request = message(7, 0x33, 0, 0);
    let cuts: Vec<usize> = (1..request.len()).collect();
    let out = connection.send_cut(OUT, &request, &cuts);
    let outside = id_at(&out, 12);
    assert_ne!(outside, 0x33);
    let reply = message(8, 0x44, outside, 1);
    let cuts: Vec<usize> = (1..reply.len()).collect();
    let back = connection.send_cut(IN, &reply, &cuts);
    assert_eq!(id_at(&back, 14), 0x33, "P13");
    assert!(connection.outbound_gre(0x44).is_some());
}

/// Proves: P12.
#[test]
fn several_messages_in_a_segment_are_all_read() {
    let world = gateway();
    occupied(&world, 2);
    let mut connection = Connection::client(&world, A, S, 1024);
    connection.call(1, 0x10);
    // P12: 12 + 3 + 7, and 16 echoes and a request.
    let both = [message(12, 1, 0, 0), message(3, 0, 0, 0), message(7, 2, 0, 0)].concat();
    let out = connection.send(OUT, &both).unwrap();
    assert_eq!(out[..44], both[..44]);
    assert_ne!(id_at(&out, 44), 2);
    let mut many: Vec<u8> = (0..16).flat_map(|_| message(5, 0, 0, 0)).collect();
    many.extend(message(7, 2, 0, 0));
    let mut other = Connection::client(&world, A, S, 1030);
    let out = other.send(OUT, &many).unwrap();
    assert_ne!(id_at(&out, 16 * 16 + 12), 2);
    assert_eq!(out[..16 * 16 + 12], many[..16 * 16 + 12]);
}

/// Proves: P15.
#[test]
fn data_sent_again_leaves_as_before_however_it_is_cut() {
    // P15: whole, then in two at every place, then one byte at a time.
    let world = gateway();
    occupied(&world, 0x0203);
    let mut connection = Connection::client(&world, A, S, 1024);
    let start = connection.next[0];
    let request = message(7, 0x0203, 0, 0);
    let first = connection.send(OUT, &request).unwrap();
    assert_ne!(first, request);
    let sessions = world.sessions.len();
    let again = |from: usize, to: usize| {
        connection.segment(OUT, start.wrapping_add(from as u32), ACK, &request[from..to]).unwrap()
    };
    assert_eq!(again(0, 168), first);
    for cut in 1..168 {
        assert_eq!([again(0, cut), again(cut, 168)].concat(), first, "cut at {cut}");
    }
    for byte in 0..168 {
        assert_eq!(again(byte, byte + 1), first[byte..=byte]);
    }
    assert_eq!(world.sessions.len(), sessions, "no second mapping");
}

/// Proves: P15.
#[test]
fn new_data_behind_data_sent_again_is_read() {
    let world = gateway();
    occupied(&world, 3);
    let mut connection = Connection::client(&world, A, S, 1024);
    let start = connection.next[0];
    let request = message(7, 3, 0, 0);
    // P15: first only as far as the first byte of the ID, then all of it and another message.
    let first = connection.send(OUT, &request[..13]).unwrap();
    let all = [request.clone(), message(7, 4, 0, 0)].concat();
    let out = connection.segment(OUT, start, ACK, &all).unwrap();
    assert_eq!(out[..13], first);
    assert_ne!(id_at(&out, 12), 3);
    assert_eq!(id_at(&out, 168 + 12), 4);
    assert_eq!(connection.inbound_gre(id_at(&out, 12)).unwrap().id, 3);
    assert_eq!(connection.inbound_gre(4).unwrap().id, 4);
}

/// Proves: P16.
#[test]
fn a_segment_ahead_of_a_gap_waits_for_its_resend() {
    let world = gateway();
    occupied(&world, 3);
    let mut connection = Connection::client(&world, A, S, 1024);
    let start = connection.next[0];
    let request = message(7, 3, 0, 0);
    assert_eq!(
        connection.segment(OUT, start.wrapping_add(50), ACK, &request[50..]),
        Err(Reason::PptpGap),
        "P16"
    );
    assert_eq!(connection.segment(OUT, start.wrapping_add(168), FIN | ACK, &[]), Err(Reason::PptpGap), "P16");
    assert_eq!(connection.segment(OUT, start.wrapping_add(168), ACK, &[]), Ok(Vec::new()), "carries nothing");
    let out = connection.send_cut(OUT, &request, &[50]);
    assert_ne!(id_at(&out, 12), 3);
}

/// Proves: Z45.
#[test]
fn bytes_seen_first_win() {
    // Z45: sent again with another call ID.
    let world = gateway();
    occupied(&world, 3);
    let mut connection = Connection::client(&world, A, S, 1024);
    let start = connection.next[0];
    let first = connection.send(OUT, &message(7, 4, 0, 0)).unwrap();
    assert_eq!(id_at(&first, 12), 4);
    let again = connection.segment(OUT, start, ACK, &message(7, 3, 0, 0)).unwrap();
    assert_eq!(again, first);
    // Another first byte of the ID, after the first was sent alone.
    let start = connection.next[0];
    connection.send(OUT, &message(7, 0x0105, 0, 0)[..13]).unwrap();
    let out = connection.segment(OUT, start, ACK, &message(7, 0x0205, 0, 0)).unwrap();
    assert_eq!(id_at(&out, 12), 0x0105);
    assert!(connection.inbound_gre(0x0205).is_none());
}

#[test]
fn data_older_than_what_is_remembered_is_not_passed_on() {
    let world = gateway();
    let mut connection = Connection::client(&world, A, S, 1024);
    let start = connection.next[0];
    for id in 1..=9 {
        connection.send(OUT, &message(7, id, 0, 0)).unwrap();
    }
    assert_eq!(connection.segment(OUT, start, ACK, &message(7, 1, 0, 0)), Err(Reason::PptpGap));
    let second = connection.segment(OUT, start.wrapping_add(168), ACK, &message(7, 2, 0, 0)[12..]);
    assert_eq!(second, Err(Reason::PptpGap), "begins before the oldest field that is remembered");
    let third = start.wrapping_add(2 * 168);
    assert!(connection.segment(OUT, third, ACK, &message(7, 3, 0, 0)).is_ok());
}
