//! ICMP errors on the host: what went in, what must come out, with every checksum computed anew.

use std::vec::Vec;

use super::frames::{
    A, B, E, R, S, T, assert_checksums, error_inbound, error_outbound, flow, frame, icmp, internet_checksum,
    ipv4, ipv4_with, packet_of, query, tcp, udp,
};
use super::{Kind, parse};
use crate::abi::session::{Rewrite, flag};
use crate::abi::{Class, Reason, Session, SessionKey, Space, Switch, Ticks, View};
use crate::proto::{gre_pptp, halves};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway};

fn gateway() -> Gateway {
    let mut gateway = Gateway::default();
    for class in Class::SWITCHED {
        gateway.settings.switches[class as usize] = Switch::Full as u8;
    }
    gateway
}

fn put(gateway: &Gateway, key: SessionKey, class: Class, rewrite: Rewrite, to: (u32, u16)) {
    let half = halves::half(&gateway.settings, gateway.now.get(), class, rewrite, to, 0);
    gateway.sessions.insert(&key, &half).unwrap();
}

/// A session of ports or identifiers: inside endpoint, outside endpoint, server.
fn open(gateway: &Gateway, protocol: u8, inside: (u32, u16), outside: (u32, u16), server: (u32, u16)) {
    let (class, rewrite) = match protocol {
        1 => (Class::Icmp, Rewrite::Identifier),
        6 => (Class::Tcp, Rewrite::Port),
        _ => (Class::Udp, Rewrite::Port),
    };
    let key = |view, local: (u32, u16)| match protocol {
        1 => SessionKey::new(view, server.0, local.0, 1, Space::Identifier, local.1.into()),
        _ => SessionKey::ports(view, server, local, protocol),
    };
    put(gateway, key(View::Outbound, inside), class, rewrite, outside);
    put(gateway, key(View::Inbound, outside), class, rewrite, inside);
}

/// A session of addresses and a selector that is not rewritten.
fn open_selector(gateway: &Gateway, class: Class, protocol: u8, host: u32, space: Space, selector: u32) {
    let key = |view, local| SessionKey::new(view, S, local, protocol, space, selector);
    put(gateway, key(View::Outbound, host), class, Rewrite::Address, (E, 0));
    put(gateway, key(View::Inbound, E), class, Rewrite::Address, (host, 0));
}

fn quoting(ends: (u32, u32), (kind, code): (u8, u8), rest: [u8; 4], quote: &[u8]) -> Frame {
    frame(&ipv4(ends, 1, &icmp(kind, code, rest, quote)))
}

/// An error from R about `wire`, as it left the gateway, must reach `host` as one about `sent`, as the host sent it.
fn reaches(gateway: &Gateway, host: u32, kind: (u8, u8), wire: &[u8], sent: &[u8]) {
    let before = gateway.sessions.dump();
    let rest = if kind == (3, 4) { [0, 0, 0x05, 0x78] } else { [0; 4] };
    let mut error = quoting((R, E), kind, rest, wire);
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, gateway), Ok(host));
    assert_eq!(packet_of(&error), packet_of(&quoting((R, host), kind, rest, sent)));
    assert_checksums(packet_of(&error));
    for (key, session) in before {
        assert_eq!(gateway.sessions.get(&key), Some(session), "I8: an error changes no state");
    }
}

/// An error from `host` about `received` must leave as one from E about `wire`, as the server sent it.
fn leaves(gateway: &Gateway, host: u32, received: &[u8], wire: &[u8]) {
    let mut error = quoting((host, S), (3, 3), [0; 4], received);
    let seen = flow(&error, true);
    assert_eq!(error_outbound(&mut error, &seen, gateway), Ok(E));
    assert_eq!(packet_of(&error), packet_of(&quoting((E, S), (3, 3), [0; 4], wire)));
    assert_checksums(packet_of(&error));
}

fn refused(gateway: &Gateway, mut error: Frame, outbound: bool, reason: Reason) {
    let seen = flow(&error, outbound);
    let result = if outbound {
        error_outbound(&mut error, &seen, gateway)
    } else {
        error_inbound(&mut error, &seen, gateway)
    };
    assert_eq!(result, Err(reason));
}

/// Short and long quotes of a packet: 8 bytes behind the header, and all.
fn cuts(packet: &[u8]) -> [usize; 2] {
    [usize::from(packet[0] & 0x0f) * 4 + 8, packet.len()]
}

#[test]
fn claims_queries_and_errors_and_drops_the_rest() {
    let message = |kind| frame(&ipv4((R, E), 1, &icmp(kind, 0, [0x12, 0x34, 0, 1], &[0; 28])));
    let kind = |kind| parse(&message(kind), 34, 70);
    for (request, reply) in [(8, 0), (13, 14)] {
        assert_eq!(kind(request), Ok(Kind::Query { identifier: 0x1234, reply: false }), "I12");
        assert_eq!(kind(reply), Ok(Kind::Query { identifier: 0x1234, reply: true }), "I12");
    }
    for error in [3, 11, 12] {
        assert_eq!(kind(error), Ok(Kind::Error), "I12");
    }
    for dropped in [1, 2, 4, 5, 6, 9, 10, 15, 16, 17, 18, 30, 37, 253, 255] {
        assert_eq!(kind(dropped), Err(Reason::IcmpType), "I12, I14, Z32");
    }
}

#[test]
fn refuses_malformed_messages() {
    let query = frame(&ipv4((R, E), 1, &icmp(8, 0, [0; 4], &[])));
    assert_eq!(parse(&query, 34, 42), Ok(Kind::Query { identifier: 0, reply: false }), "an empty ping");
    assert_eq!(parse(&query, 34, 41), Err(Reason::IcmpMalformed));
    let error = frame(&ipv4((R, E), 1, &icmp(3, 1, [0; 4], &[0; 20])));
    assert_eq!(parse(&error, 34, 62), Ok(Kind::Error));
    assert_eq!(parse(&error, 34, 61), Err(Reason::IcmpMalformed), "Z29");
}

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

fn gre_call(id: u16) -> Vec<u8> {
    let mut header = std::vec![0x30, 0x01, 0x88, 0x0b, 0, 4];
    header.extend(id.to_be_bytes());
    header.extend([0, 0, 0, 9, 0xff, 0x03, 0xc0, 0x21]);
    header
}

/// Pointers of one call, and the control connection that it lives by.
fn open_call(gateway: &Gateway, host: u32, port: u16, (inside, outside, remote): (u16, u16, u16)) {
    use crate::seam::Tables;
    open(gateway, 6, (host, port), (E, port), (S, 1723));
    let control = SessionKey::ports(View::Outbound, (S, 1723), (host, port), 6);
    gateway.open_control(&control).unwrap();
    let call =
        |view, local, id| SessionKey::new(view, S, local, 47, Space::CallId, gre_pptp::header::selector(id));
    let settle = |key: SessionKey, rewrite, to| {
        let mut half = halves::half(&gateway.settings, gateway.now.get(), Class::Pptp, rewrite, to, 0);
        half.set_parent(1723, port);
        gateway.sessions.insert(&key, &half).unwrap();
    };
    settle(call(View::Quoted, E, remote), Rewrite::Address, (host, 0));
    settle(call(View::QuotedInside, host, inside), Rewrite::Address, (E, outside));
}

/// Proves: I16.
#[test]
fn errors_about_enhanced_gre_go_by_the_call_that_they_quote() {
    let gateway = gateway();
    open_call(&gateway, A, 1024, (0, 77, 501));
    open_call(&gateway, B, 1025, (5, 5, 502));
    for (host, remote) in [(A, 501), (B, 502)] {
        let sent = ipv4((host, S), 47, &gre_call(remote));
        let wire = ipv4((E, S), 47, &gre_call(remote));
        for cut in cuts(&sent) {
            reaches(&gateway, host, (3, 4), &wire[..cut], &sent[..cut]); // I15, I16, M2
        }
    }
    let stranger = ipv4((E, S), 47, &gre_call(503));
    refused(&gateway, quoting((R, E), (3, 1), [0; 4], &stranger), false, Reason::IcmpNoSession);
    let received = ipv4((S, A), 47, &gre_call(0));
    let wire = ipv4((S, E), 47, &gre_call(77));
    for cut in cuts(&wire) {
        leaves(&gateway, A, &received[..cut], &wire[..cut]); // I7: the call ID outside
    }
}

/// Proves: I15, M2.
#[test]
fn errors_about_plain_gre_ipip_and_l2tpv3_go_by_what_tells_their_sessions() {
    let gateway = gateway();
    let keyed = |key: u32, checksum: bool| {
        let mut header = std::vec![if checksum { 0xa0 } else { 0x20 }, 0, 8, 0];
        header.extend(if checksum { &[1u8, 2, 0, 0][..] } else { &[] });
        header.extend(key.to_be_bytes());
        header.extend([9; 8]);
        header
    };
    open_selector(&gateway, Class::Gre, 47, A, Space::GreKey, 1);
    open_selector(&gateway, Class::Gre, 47, B, Space::GreKey, 2);
    open_selector(&gateway, Class::Gre, 47, A, Space::Host, 0);
    for (host, key) in [(A, 1), (B, 2)] {
        for checksum in [false, true] {
            let gre = keyed(key, checksum);
            reaches(&gateway, host, (3, 4), &ipv4((E, S), 47, &gre), &ipv4((host, S), 47, &gre));
            leaves(&gateway, host, &ipv4((S, host), 47, &gre), &ipv4((S, E), 47, &gre));
        }
    }
    let keyless = [0, 0, 8, 0, 1, 2, 3, 4, 5];
    reaches(&gateway, A, (3, 4), &ipv4((E, S), 47, &keyless), &ipv4((A, S), 47, &keyless));
    // With a checksum before it, the key is not among the first eight bytes.
    let wire = ipv4((E, S), 47, &keyed(2, true));
    refused(&gateway, quoting((R, E), (3, 4), [0; 4], &wire[..28]), false, Reason::IcmpNoSession);
    for (class, protocol) in [(Class::Ipip, 4), (Class::Ipip, 41), (Class::L2tp, 115)] {
        open_selector(&gateway, class, protocol, B, Space::Host, 0);
        let inner = [7; 40];
        reaches(&gateway, B, (3, 4), &ipv4((E, S), protocol, &inner), &ipv4((B, S), protocol, &inner)); // M2
        leaves(&gateway, B, &ipv4((S, B), protocol, &inner), &ipv4((S, E), protocol, &inner));
    }
}

fn esp(spi: u32) -> Vec<u8> {
    let mut packet = Vec::from(spi.to_be_bytes());
    packet.extend([0, 0, 0, 1]);
    packet.extend([0xee; 32]);
    packet
}

/// Proves: I16, E16.
#[test]
fn errors_about_esp_go_by_the_spi_that_they_quote() {
    let gateway = gateway();
    for (host, out, back) in [(A, 0x1001, 0x2001), (B, 0x1002, 0x2002)] {
        let key = |view, local, spi| SessionKey::new(view, S, local, 50, Space::Spi, spi);
        put(&gateway, key(View::Outbound, host, out), Class::Esp, Rewrite::Address, (E, 0));
        put(&gateway, key(View::Quoted, E, out), Class::Esp, Rewrite::Address, (host, 0));
        put(&gateway, key(View::Inbound, E, back), Class::Esp, Rewrite::Address, (host, 0));
    }
    for (host, spi) in [(A, 0x1001), (B, 0x1002)] {
        let (wire, sent) = (ipv4((E, S), 50, &esp(spi)), ipv4((host, S), 50, &esp(spi)));
        for cut in cuts(&sent) {
            reaches(&gateway, host, (3, 4), &wire[..cut], &sent[..cut]); // I15, I16, E16
        }
    }
    leaves(&gateway, A, &ipv4((S, A), 50, &esp(0x2001)), &ipv4((S, E), 50, &esp(0x2001)));
    // B cannot report on what A received.
    let received = ipv4((S, B), 50, &esp(0x2001));
    refused(&gateway, quoting((B, S), (3, 3), [0; 4], &received), true, Reason::IcmpNoSession);
    // The pointer may be old while the outbound half is in use.
    gateway.wait(Ticks::from_secs(3601));
    let half = SessionKey::new(View::Outbound, S, A, 50, Space::Spi, 0x1001);
    gateway.sessions.update(&half, |session| session.seen = gateway.now.get());
    reaches(&gateway, A, (3, 4), &ipv4((E, S), 50, &esp(0x1001)), &ipv4((A, S), 50, &esp(0x1001)));
    refused(
        &gateway,
        quoting((R, E), (3, 4), [0; 4], &ipv4((E, S), 50, &esp(0x1002))),
        false,
        Reason::IcmpNoSession,
    );
}

#[test]
fn a_plain_switch_finds_its_session_by_address() {
    let gateway = gateway();
    open_selector(&gateway, Class::Esp, 50, A, Space::Spi, 0);
    open_selector(&gateway, Class::Pptp, 47, A, Space::CallId, 0);
    reaches(&gateway, A, (3, 4), &ipv4((E, S), 50, &esp(9)), &ipv4((A, S), 50, &esp(9)));
    leaves(&gateway, A, &ipv4((S, A), 50, &esp(8)), &ipv4((S, E), 50, &esp(8)));
    reaches(&gateway, A, (3, 4), &ipv4((E, S), 47, &gre_call(3)), &ipv4((A, S), 47, &gre_call(3)));
    leaves(&gateway, A, &ipv4((S, A), 47, &gre_call(4)), &ipv4((S, E), 47, &gre_call(4)));
}

/// Proves: I3.
#[test]
fn bad_checksums_are_dropped_in_silence() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    for payload in [&b"even"[..], b"odd", &[0x55; 500], &[0x55; 501]] {
        let wire = ipv4((E, S), 17, &udp((E, S), (40002, 53), payload));
        let good = quoting((R, E), (3, 1), [0; 4], &wire);
        for at in 34..good.0.len() {
            let mut bad = good.clone();
            bad.0[at] ^= 0x10;
            let seen = flow(&bad, false);
            assert!(error_inbound(&mut bad, &seen, &gateway).is_err(), "I3: byte {at}");
        }
        let mut trailed = good.clone();
        trailed.0.extend([0xaa; 7]);
        let seen = flow(&trailed, false);
        assert_eq!(error_inbound(&mut trailed, &seen, &gateway), Ok(A), "K7");
        let mut quote = wire.clone();
        quote[10] ^= 1;
        refused(&gateway, quoting((R, E), (3, 1), [0; 4], &quote), false, Reason::IcmpMalformed); // I3: REQ-3a
    }
}

/// Proves: M5.
#[test]
fn an_mtu_below_68_is_bogus_and_0_is_an_old_router() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    let wire = ipv4((E, S), 17, &udp((E, S), (40002, 53), b"x"));
    for (mtu, result) in [
        (0u16, Ok(A)),
        (1, Err(Reason::IcmpMalformed)),
        (67, Err(Reason::IcmpMalformed)),
        (68, Ok(A)),
        (1400, Ok(A)),
    ] {
        let [high, low] = mtu.to_be_bytes();
        let mut error = quoting((R, E), (3, 4), [0, 0, high, low], &wire);
        let seen = flow(&error, false);
        assert_eq!(error_inbound(&mut error, &seen, &gateway), result, "M5, Z31: {mtu}");
        assert_eq!(packet_of(&error)[26..28], [high, low], "M2: the MTU stays");
    }
}

/// Proves: I6, Z28.
#[test]
fn errors_about_nothing_known_are_dropped() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    let about = |ends, ports| quoting((R, E), (3, 1), [0; 4], &ipv4(ends, 17, &udp(ends, ports, b"x")));
    refused(&gateway, about((E, S), (40003, 53)), false, Reason::IcmpNoSession); // Z28
    refused(&gateway, about((E, T), (40002, 53)), false, Reason::IcmpNoSession);
    refused(&gateway, about((E, S), (40002, 54)), false, Reason::IcmpNoSession);
    refused(&gateway, about((A, S), (5000, 53)), false, Reason::IcmpNoSession);
    let segment = ipv4((E, S), 6, &tcp((E, S), (40002, 53), b"x"));
    refused(&gateway, quoting((R, E), (3, 1), [0; 4], &segment), false, Reason::IcmpNoSession);
    // From inside, too.
    let received = ipv4((S, B), 17, &udp((S, B), (53, 5000), b"x"));
    refused(&gateway, quoting((B, S), (3, 3), [0; 4], &received), true, Reason::IcmpNoSession);
    let received = ipv4((S, A), 17, &udp((S, A), (53, 5000), b"x"));
    refused(&gateway, quoting((A, T), (3, 3), [0; 4], &received), true, Reason::IcmpNoSession);
    // A session whose time is over counts as none.
    gateway.wait(Ticks::from_secs(301));
    refused(&gateway, about((E, S), (40002, 53)), false, Reason::IcmpNoSession);
}

/// Proves: Z29.
#[test]
fn refuses_malformed_quotes() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    let wire = ipv4((E, S), 17, &udp((E, S), (40002, 53), b"payload"));
    let inbound = |quote: &[u8]| quoting((R, E), (3, 1), [0; 4], quote);
    let resealed = |change: fn(&mut Vec<u8>)| {
        let mut quote = wire.clone();
        change(&mut quote);
        quote[10..12].fill(0);
        let length = (usize::from(quote[0] & 0x0f) * 4).min(quote.len());
        let sum = internet_checksum(&quote[..length]);
        quote[10..12].copy_from_slice(&sum.to_be_bytes());
        quote
    };
    for cut in 0..28 {
        refused(&gateway, inbound(&wire[..cut]), false, Reason::IcmpMalformed); // Z29: cut
    }
    refused(&gateway, inbound(&resealed(|quote| quote[0] = 0x44)), false, Reason::IcmpMalformed); // IHL lies
    refused(&gateway, inbound(&resealed(|quote| quote[0] = 0x4f)), false, Reason::IcmpMalformed);
    refused(&gateway, inbound(&resealed(|quote| quote[0] = 0x65)), false, Reason::IcmpMalformed); // version
    refused(&gateway, inbound(&resealed(|quote| quote[7] = 1)), false, Reason::IcmpMalformed); // later fragment
    refused(&gateway, inbound(&resealed(|quote| quote[3] = 27)), false, Reason::IcmpMalformed); // total length
    for kind in [3, 4, 5, 11, 12] {
        let error = ipv4((E, S), 1, &icmp(kind, 0, [0; 4], &wire));
        refused(&gateway, inbound(&error), false, Reason::IcmpMalformed); // Z29: an error about an error
    }
    // A first fragment tells as much as a whole packet.
    let mut first = inbound(&resealed(|quote| quote[6] = 0x20));
    let seen = flow(&first, false);
    assert_eq!(error_inbound(&mut first, &seen, &gateway), Ok(A));
}

/// Proves: O13.
#[test]
fn an_error_about_a_class_that_is_off_is_dropped_unless_it_is_the_gateways_own() {
    let mut gateway = gateway();
    open_selector(&gateway, Class::Esp, 50, A, Space::Spi, 0);
    gateway.settings.switches[Class::Esp as usize] = Switch::Off as u8;
    gateway.settings.generations[Class::Esp as usize] += 1;
    let error = || quoting((R, E), (3, 4), [0; 4], &ipv4((E, S), 50, &esp(9)));
    refused(&gateway, error(), false, Reason::SwitchedOffError); // O13
    let key = SessionKey::new(View::Inbound, S, E, 50, Space::Spi, 0);
    gateway.sessions.update(&key, |session: &mut Session| {
        session.flags |= flag::OWN;
        session.address = E;
    });
    let mut error = error();
    let seen = flow(&error, false);
    assert_eq!(error_inbound(&mut error, &seen, &gateway), Ok(E));
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

#[test]
fn errors_about_ike_on_500_go_by_initiator_spi() {
    let gateway = gateway();
    let message = |spi: u64| {
        let mut bytes = Vec::from(spi.to_be_bytes());
        bytes.extend([0; 20]);
        bytes
    };
    for (host, spi) in [(A, 0x1111_2222_3333_4444), (B, 0x5555_6666_7777_8888)] {
        let ike = message(spi);
        let probe = frame(&ipv4((host, S), 17, &udp((host, S), (500, 500), &ike)));
        let selector = crate::proto::esp_ike::initiator_key(&probe, &flow(&probe, true)).unwrap();
        let key = |view, local| SessionKey::new(view, S, local, 17, Space::InitiatorSpi, selector);
        put(&gateway, key(View::Outbound, host), Class::Ike, Rewrite::Address, (E, 0));
        put(&gateway, key(View::Inbound, E), Class::Ike, Rewrite::Address, (host, 0));
        let sent = ipv4((host, S), 17, &udp((host, S), (500, 500), &ike));
        let wire = ipv4((E, S), 17, &udp((E, S), (500, 500), &ike));
        reaches(&gateway, host, (3, 4), &wire, &sent);
        let received = ipv4((S, host), 17, &udp((S, host), (500, 500), &ike));
        let back = ipv4((S, E), 17, &udp((S, E), (500, 500), &ike));
        leaves(&gateway, host, &received, &back);
        refused(&gateway, quoting((R, E), (3, 4), [0; 4], &wire[..28]), false, Reason::IcmpNoSession);
    }
}

/// Proves: G6.
#[test]
fn any_bytes_give_an_answer() {
    let gateway = gateway();
    open(&gateway, 17, (A, 5000), (E, 40002), (S, 53));
    let wire = ipv4((E, S), 17, &udp((E, S), (40002, 53), b"payload"));
    let good = quoting((R, E), (3, 1), [0; 4], &wire);
    let mut state = 7u32;
    for _ in 0..20_000 {
        let mut bad = good.clone();
        for _ in 0..3 {
            state = state.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
            let at = 34 + (state >> 8) as usize % (bad.0.len() - 34);
            bad.0[at] = state as u8;
        }
        // The outer checksum is made right, so that it is the quote that is judged.
        let message = 34..14 + packet_of(&bad).len();
        bad.0[36..38].fill(0);
        let sum = internet_checksum(&bad.0[message]);
        bad.0[36..38].copy_from_slice(&sum.to_be_bytes());
        for outbound in [false, true] {
            let seen = flow(&bad, outbound);
            let _ = error_inbound(&mut bad.clone(), &seen, &gateway);
        }
    }
}
