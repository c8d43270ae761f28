//! Errors about packets with ports or identifiers: to their host, and from it.

use super::*;

/// Proves: I6, K6.
#[test]
fn errors_about_tcp_and_udp_reach_their_host_as_it_sent_them() {
    let gateway = gateway();
    open(&gateway, 6, (A, 5000), (E, 40001), (S, 80));
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    for payload in [&b"even"[..], b"odd", b""] {
        let sent = ipv4((A, S), 6, &tcp((A, S), (5000, 80), payload));
        let wire = ipv4((E, S), 6, &tcp((E, S), (40001, 80), payload));
        for kind in [(3, 0), (3, 1), (3, 2), (3, 3), (3, 4), (3, 13), (11, 0), (12, 0)] {
            for cut in cuts(&sent) {
                reaches(&gateway, A, kind, &wire[..cut], &sent[..cut]); // I6, I15, K6, T8, U15, M2
            }
        }
        let sent = ipv4((A, S), 17, &udp((A, S), (5000, 53), payload));
        let wire = ipv4((E, S), 17, &udp((E, S), (40002, 53), payload));
        for cut in cuts(&sent) {
            reaches(&gateway, A, (11, 0), &wire[..cut], &sent[..cut]); // M10
        }
    }
}

/// Proves: K6, K2.
#[test]
fn a_quoted_udp_checksum_of_zero_stays_zero_and_a_wrong_one_stays_wrong() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    let without = |mut segment: Vec<u8>| {
        segment[6..8].fill(0);
        segment
    };
    let sent = ipv4((A, S), 17, &without(udp((A, S), (5000, 53), b"x")));
    let wire = ipv4((E, S), 17, &without(udp((E, S), (40002, 53), b"x")));
    reaches(&gateway, A, (3, 1), &wire, &sent); // K6

    open(&gateway, 6, (A, 5000), (E, 40001), (S, 80));
    let wrong = |mut segment: Vec<u8>| {
        // The payload changes behind the checksum's back, by the same bytes on both sides.
        *segment.last_mut().unwrap() ^= 0x40;
        segment
    };
    let sent = ipv4((A, S), 6, &wrong(tcp((A, S), (5000, 80), b"data")));
    let wire = ipv4((E, S), 6, &wrong(tcp((E, S), (40001, 80), b"data")));
    reaches(&gateway, A, (3, 1), &wire, &sent); // I4, K5
}

/// Proves: I4.
#[test]
fn options_of_the_quoted_header_are_skipped() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    for words in [1, 5, 10] {
        let options = std::vec![1; words * 4];
        let sent = ipv4_with(&options, (A, S), 17, &udp((A, S), (5000, 53), b"payload"));
        let wire = ipv4_with(&options, (E, S), 17, &udp((E, S), (40002, 53), b"payload"));
        for cut in cuts(&sent) {
            reaches(&gateway, A, (11, 0), &wire[..cut], &sent[..cut]); // I4: IHL 6, 10, 15
        }
    }
}

/// Proves: I5.
#[test]
fn extensions_behind_the_quote_are_left_alone() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    // RFC 4884: the quote padded to 128 bytes, its length in words, an extension with an MPLS object.
    let extension = [0x20, 0, 0xb0, 0x1f, 0, 8, 1, 1, 0, 1, 0x21, 1];
    let padded = |mut quote: Vec<u8>| {
        quote.resize(128, 0);
        quote.extend(extension);
        quote
    };
    let sent = padded(ipv4((A, S), 17, &udp((A, S), (5000, 53), b"probe")));
    let wire = padded(ipv4((E, S), 17, &udp((E, S), (40002, 53), b"probe")));
    let mut error = quoting((R, E), (11, 0), [0, 32, 0, 0], &wire);
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, &gateway), Ok(A), "I5");
    assert_eq!(packet_of(&error), packet_of(&quoting((R, A), (11, 0), [0, 32, 0, 0], &sent)));
    assert_checksums(packet_of(&error));
    // Where the length says that extensions begin, nothing counts as quoted.
    let mut tcp_wire = ipv4((E, S), 6, &tcp((E, S), (40001, 80), b""));
    tcp_wire.truncate(32);
    tcp_wire.extend(extension);
    open(&gateway, 6, (A, 5000), (E, 40001), (S, 80));
    let mut error = quoting((R, E), (11, 0), [0, 8, 0, 0], &tcp_wire);
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, &gateway), Ok(A));
    assert_eq!(packet_of(&error)[60..], extension, "I5");
    assert_checksums(packet_of(&error));
}

#[test]
fn errors_about_queries_restore_the_identifier() {
    let gateway = gateway();
    open(&gateway, 1, (A, 7), (E, 4242), (S, 0));
    for kind in [8, 13] {
        let sent = ipv4((A, S), 1, &query(kind, 7, b"abcdefghijklm"));
        let wire = ipv4((E, S), 1, &query(kind, 4242, b"abcdefghijklm"));
        for cut in cuts(&sent) {
            reaches(&gateway, A, (11, 0), &wire[..cut], &sent[..cut]); // I8, M10
        }
    }
    let received = ipv4((S, A), 1, &query(0, 7, b"answer"));
    let wire = ipv4((S, E), 1, &query(0, 4242, b"answer"));
    leaves(&gateway, A, &received, &wire);
}

/// Proves: I7.
#[test]
fn errors_from_inside_leave_with_the_outside_endpoint() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    open(&gateway, 6, (A, 5000), (E, 40001), (S, 80));
    for payload in [&b"even"[..], b"odd"] {
        let received = ipv4((S, A), 17, &udp((S, A), (53, 5000), payload));
        let wire = ipv4((S, E), 17, &udp((S, E), (53, 40002), payload));
        for cut in cuts(&wire) {
            leaves(&gateway, A, &received[..cut], &wire[..cut]); // I7
        }
        let received = ipv4((S, A), 6, &tcp((S, A), (80, 5000), payload));
        let wire = ipv4((S, E), 6, &tcp((S, E), (80, 40001), payload));
        for cut in cuts(&wire) {
            leaves(&gateway, A, &received[..cut], &wire[..cut]);
        }
    }
    // A router behind the LAN reports in its own name: it leaves as E too (G5).
    let received = ipv4((S, A), 17, &udp((S, A), (53, 5000), b"x"));
    let mut error = quoting((0xc0a8_0102, S), (11, 0), [0; 4], &received);
    let seen = flow(&error, true);
    assert_eq!(error_outbound(&mut error, &seen, &gateway), Ok(E));
    assert_checksums(packet_of(&error));
}

#[test]
fn the_gateways_own_errors_keep_their_source() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    // After translation the LAN's MTU was too small: the kernel quotes what it saw.
    let received = ipv4((S, A), 17, &udp((S, A), (53, 5000), b"large"));
    let wire = ipv4((S, E), 17, &udp((S, E), (53, 40002), b"large"));
    let mut error = quoting((E, S), (3, 4), [0, 0, 5, 0xdc], &received);
    let seen = flow(&error, true);
    assert_eq!(error_outbound(&mut error, &seen, &gateway), Ok(E));
    assert_eq!(packet_of(&error), packet_of(&quoting((E, S), (3, 4), [0, 0, 5, 0xdc], &wire)));
    // What its stack says of a packet to itself needs no session.
    let to_itself = ipv4((S, E), 17, &udp((S, E), (9, 9), b"x"));
    let mut error = quoting((E, S), (3, 3), [0; 4], &to_itself);
    let (seen, before) = (flow(&error, true), error.clone());
    assert_eq!(error_outbound(&mut error, &seen, &gateway), Ok(E));
    assert_eq!(error, before);
    // Nor does what is said of a packet from one of its server sockets.
    gateway.listeners.borrow_mut().push((6, E, 22));
    let from_itself = ipv4((E, S), 6, &tcp((E, S), (22, 999), b"x"));
    let mut error = quoting((R, E), (3, 4), [0, 0, 5, 0], &from_itself);
    let (seen, before) = (flow(&error, false), error.clone());
    assert_eq!(error_inbound(&mut error, &seen, &gateway), Ok(E));
    assert_eq!(error, before);
}

/// Proves: I9.
#[test]
fn a_hairpinned_error_goes_through_both_translations() {
    let gateway = gateway();
    // A:5000 is E:40000 and has sent to E:40010, which is B:9.
    open(&gateway, 17, (A, 5000), (E, 40000), (E, 40010));
    open(&gateway, 17, (B, 9), (E, 40010), (E, 40000));
    let received = ipv4((E, B), 17, &udp((E, B), (40000, 9), b"hello"));
    let sent = ipv4((A, E), 17, &udp((A, E), (5000, 40010), b"hello"));
    let mut error = quoting((B, E), (3, 3), [0; 4], &received);
    let seen = flow(&error, true);
    assert_eq!(error_outbound(&mut error, &seen, &gateway), Ok(E), "I9");
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, &gateway), Ok(A), "I9");
    assert_eq!(packet_of(&error), packet_of(&quoting((E, A), (3, 3), [0; 4], &sent)));
    assert_checksums(packet_of(&error));
}
