//! Errors about packets without ports.

use super::*;

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
