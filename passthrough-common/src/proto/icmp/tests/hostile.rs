//! Messages that are refused.

use super::*;

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
