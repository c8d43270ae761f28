//! IKE on port 500.

use super::*;

/// Proves: R8.
#[test]
fn replies_go_by_initiator_spi() {
    let lab = Lab::new();
    assert_eq!(lab.asks(A, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    assert_eq!(lab.replies(S, 0xb, SA_INIT, RESPONSE), Ok(B));
    let (_, session) = lab.0.outbound()[0];
    assert_eq!(
        (session.id, session.rewrite()),
        (500, crate::abi::session::Rewrite::Address as u8),
        "the port stays 500"
    );
}

/// Proves: R9.
#[test]
fn a_retry_keeps_its_host() {
    let lab = Lab::new();
    for _ in 0..3 {
        assert_eq!(lab.asks(A, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE));
        assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    }
    assert_eq!(lab.0.outbound().len(), 1);
}

/// Proves: R10.
#[test]
fn an_initiator_spi_of_another_host_is_refused() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Err(Reason::IkeConflict));
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    assert_eq!(lab.asks(B, T, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE), "another server is another matter");
}

/// Proves: R11.
#[test]
fn a_new_exchange_of_the_server() {
    let lab = Lab::new();
    assert_eq!(lab.replies(S, 0x5, (0x10, 2), 0), Err(Reason::Unsolicited));
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0x5, (0x10, 2), 0), Ok(A));
    assert_eq!(lab.asks(A, S, 0x5, (0x10, 2), 0), Ok(OUTSIDE));
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0x6, (0x10, 2), 0), Err(Reason::IkeAmbiguous));
}

/// The server rekeys the host's association under `old`.
fn is_rekeyed(lab: &Lab, host: u32, old: u64) {
    assert_eq!(lab.replies(S, old, CHILD, REQUEST), Ok(host));
    assert_eq!(lab.asks(host, S, old, CHILD, RESPONSE), Ok(OUTSIDE));
}

/// Proves: R11.
#[test]
fn a_server_that_has_rekeyed_goes_on_with_the_host_it_rekeyed_with() {
    let lab = Lab::new();
    for (host, spi) in [(A, 0xa), (B, 0xb), (C, 0xc)] {
        lab.asks(host, S, spi, SA_INIT, REQUEST).unwrap();
    }
    assert_eq!(lab.replies(S, 0xf, CHILD, REQUEST), Err(Reason::IkeAmbiguous), "it has rekeyed with nobody");
    is_rekeyed(&lab, A, 0xa);
    assert_eq!(lab.replies(S, 0x1, SA_INIT, REQUEST), Err(Reason::IkeAmbiguous), "that would be no rekey");
    // An association of its own under the new one leaves A the last that was asked.
    is_rekeyed(&lab, A, 0xa2);
    lab.wait(4);
    is_rekeyed(&lab, B, 0xb);
    assert_eq!(lab.replies(S, 0xb2, INFORMATIONAL, REQUEST), Ok(B), "B was asked later");
    assert_eq!(lab.replies(S, 0xa3, INFORMATIONAL, REQUEST), Ok(A), "and is through");
    lab.wait(4);
    is_rekeyed(&lab, A, 0xa3);
    assert_eq!(lab.asks(B, S, 0xb2, CHILD, RESPONSE), Err(Reason::EspHold), "B's answer waits for its turn");
    lab.wait(4);
    is_rekeyed(&lab, B, 0xb2);
    lab.wait(4);
    assert_eq!(lab.replies(S, 0xd, INFORMATIONAL, REQUEST), Err(Reason::IkeAmbiguous), "both of late");
}

/// Proves: R11, R12.
#[test]
fn a_guess_gives_way_to_the_host_that_sends_with_the_initiator_spi() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    is_rekeyed(&lab, A, 0xa);
    assert_eq!(
        lab.replies(S, 0xb2, INFORMATIONAL, REQUEST),
        Ok(A),
        "B has rekeyed by itself, and nobody knows"
    );
    assert_eq!(lab.asks(B, S, 0xb2, INFORMATIONAL, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.replies(S, 0xb2, INFORMATIONAL, RESPONSE), Ok(B));
    assert_eq!(lab.asks(A, S, 0xb2, INFORMATIONAL, REQUEST), Err(Reason::IkeConflict), "it is certain now");
}

/// Proves: R12.
#[test]
fn a_rekeyed_sa_is_learned_from_its_first_outbound_packet() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    lab.asks(A, S, 0xa2, (0x20, 37), REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa2, (0x20, 37), RESPONSE), Ok(A));
}

/// Proves: R14.
#[test]
fn an_initiator_spi_idles_out_after_five_minutes() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    lab.wait(299);
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    lab.wait(3);
    assert_eq!(lab.replies(S, 0xb, SA_INIT, RESPONSE), Err(Reason::Unsolicited));
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Err(Reason::IkeConflict), "still A's");
    lab.wait(302);
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE), "free again");
}

/// Proves: Z56.
#[test]
fn refuses_malformed_ike_and_bounds_a_flood() {
    let lab = Lab::new();
    assert_eq!(lab.asks(A, S, 0, SA_INIT, REQUEST), Err(Reason::Malformed));
    assert_eq!(lab.ike_bytes((A, S), true, vec![1; 27]), Err(Reason::Malformed));
    assert_eq!(lab.asks(A, S, 1, (0x00, 32), 0), Ok(OUTSIDE), "version 0 tells nothing");
    assert_eq!(lab.asks(A, S, 1, (0x30, 35), 0), Ok(OUTSIDE), "version 3 neither");
    for spi in 2..100_000u64 {
        let _ = lab.asks(A, S, spi, SA_INIT, REQUEST);
    }
    assert!(lab.0.sessions.len() <= 2 * 64);
    assert_eq!(lab.asks(A, S, 1, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb << 32, SA_INIT, REQUEST), Ok(OUTSIDE));
}

#[test]
fn leaves_alone_what_esp_does_not_need_when_its_switch_is_not_full() {
    let mut lab = Lab::new();
    lab.0.settings.switches[Class::Esp as usize] = Switch::Off as u8;
    assert_eq!(lab.asks(A, S, 0xa, AUTH, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb, AUTH, REQUEST), Ok(OUTSIDE), "nobody waits");
}

#[test]
fn the_gateways_own_associations_are_sessions_too() {
    let lab = Lab::new();
    assert_eq!(lab.asks(OUTSIDE, S, 0xe, AUTH, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.sends(OUTSIDE, S, 0x1000, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2000, 1), Ok(OUTSIDE));
    assert!(lab.flags(S, 0x2000) & flag::OWN != 0);
    lab.pair(A, S, 0x1001, 0x2001);
    assert_eq!(lab.answers(S, 0x2000, 2), Ok(OUTSIDE));
}
