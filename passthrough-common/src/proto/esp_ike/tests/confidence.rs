//! Rules 9 and 13 of section 8: bindings that are tentative, confirmed, or given up.

use super::*;

/// Proves: E17.
#[test]
fn rule_9_a_disputed_binding_that_its_host_never_uses_is_given_up() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A), "a wrong guess: it was B's");
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(59);
    assert_eq!(lab.answers(S, 0x2002, 100), Ok(A));
    lab.wait(20);
    assert_eq!(lab.answers(S, 0x2002, 101), Ok(B));
}

#[test]
fn rule_9_an_undisputed_binding_stands_without_an_answer() {
    let lab = Lab::new();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    for sequence in 1..10 {
        lab.wait(30);
        assert_eq!(lab.answers(S, 0x2001, sequence * 100), Ok(A));
    }
    lab.wait(3400);
    assert_eq!(
        lab.answers(S, 0x2001, 9000),
        Err(Reason::EspUnsolicited),
        "rule 11: inbound alone keeps it not"
    );
}

#[test]
fn rule_9_a_pair_that_was_quiet_for_long_is_confirmed_by_its_other_half() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(1);
    // Within the lease: only the session sees it.
    lab.sends(A, S, 0x1001, 3).unwrap();
    lab.wait(200);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A), "kept, though B disputes it");
    lab.wait(200);
    assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    assert!(lab.is_tentative(0x2001), "what B sends was agreed on out of sight, so the SPI may be B's");
}

#[test]
fn rule_9_one_client_is_confirmed_once_no_other_can_be_there() {
    let lab = Lab::new();
    lab.begins(A);
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(100);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert!(lab.is_tentative(0x2001), "another may have been there before, and show itself yet");
    lab.settle(&[A]);
    assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    assert!(lab.is_tentative(0x2001), "A showed an SPI that nobody saw it agree on: when, nobody knows");
    lab.rekeys(A, 1).unwrap();
    lab.pair(A, S, 0x1011, 0x2011);
    lab.lasts(A, 0x1011, 0x2011);
    assert!(!lab.is_tentative(0x2011), "agreed on in sight, by one who was known");
}

#[test]
fn rule_9_a_binding_with_a_rival_stays_tentative_however_much_its_host_sends() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    lab.rekeys(A, 1).unwrap();
    lab.wait(4);
    // A's window is lazy. B's is exclusive when the server first speaks to A.
    lab.rekeys(B, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(B), "a wrong guess");
    lab.sends(B, S, 0x1002, 1).unwrap();
    for sequence in 2..6 {
        lab.wait(20);
        assert_eq!(lab.sends(B, S, 0x1002, sequence), Ok(OUTSIDE));
        assert_eq!(lab.answers(S, 0x2001, sequence), Ok(B));
        assert!(lab.is_tentative(0x2001));
    }
    // As many are learned as were agreed on: from here on the accounts are clear again.
    lab.sends(A, S, 0x1001, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A));
    lab.rekeys(A, 2).unwrap();
    lab.pair(A, S, 0x1011, 0x2011);
    lab.lasts(A, 0x1011, 0x2011);
    assert!(!lab.is_tentative(0x2011));
    assert!(lab.is_tentative(0x2001), "of the two that were guessed, nothing more is known");
}

#[test]
fn rule_9_a_rekeyed_ike_association_is_nobodys_rival() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    // A agrees on a new IKE association, which looks as one of ESP does, and then uses it.
    lab.rekeys(A, 1).unwrap();
    lab.asks(A, S, 0xa2, INFORMATIONAL, REQUEST).unwrap();
    lab.wait(4);
    lab.rekeys(B, 1).unwrap();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.lasts(B, 0x1002, 0x2002);
    assert!(!lab.is_tentative(0x2002));
}

#[test]
fn rule_9_a_retried_exchange_is_owed_one_spi() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    for _ in 0..3 {
        lab.rekeys(A, 1).unwrap();
        lab.wait(1);
    }
    assert_eq!(lab.ike_bytes((S, OUTSIDE), false, ike(0x1_0000 + u64::from(A), CHILD, RESPONSE, 1)), Ok(A));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    lab.rekeys(B, 1).unwrap();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.lasts(B, 0x1002, 0x2002);
    assert!(!lab.is_tentative(0x2002), "A is owed nothing");
}

#[test]
fn e17_an_spi_that_its_host_refuses_goes_to_the_other_candidate() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A), "a wrong guess: it was B's");
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 2), Ok(A), "who has no rival keeps it");
    lab.wait(4);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(4);
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 3), Ok(A), "an error that comes late is about something else");
    refused(&lab.0, B, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 4), Ok(A), "nor may another host speak for it");
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 5), Ok(B));
    assert_eq!(lab.answers(S, 0x2002, 6), Ok(B));
}

#[test]
fn rule_9_what_was_given_up_is_anybodys_until_it_is_paid_for() {
    let lab = Lab::new();
    [A, B, C].iter().for_each(|host| lab.begins(*host));
    lab.settle(&[A, B, C]);
    lab.rekeys(A, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "which is right, and for certain");
    lab.wait(70);
    lab.rekeys(B, 1).unwrap();
    lab.sends(B, S, 0x1002, 1).unwrap();
    // A has sent nothing since, and B waits for an answer: it goes to B, who is the only one that is owed an SPI.
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(B));
    for sequence in 3..6 {
        lab.wait(20);
        lab.asks(C, S, 0x1_0000 + u64::from(C), INFORMATIONAL, REQUEST).unwrap();
        assert_eq!(lab.sends(B, S, 0x1002, sequence), Ok(OUTSIDE));
        assert_eq!(lab.answers(S, 0x2001, sequence), Ok(B));
        assert!(lab.is_tentative(0x2001));
    }
}

#[test]
fn rule_13_who_comes_back_after_a_loss_of_state_waits_for_nobody() {
    let lab = Lab::new();
    for (index, host) in [A, B, C].into_iter().enumerate() {
        assert_eq!(lab.sends(host, S, 0x1001 + index as u32, 5000), Ok(OUTSIDE));
    }
    assert_eq!(lab.answers(S, 0x2001, 5000), Err(Reason::EspAmbiguous));
}

#[test]
fn rule_13_a_switch_that_was_turned_empties_the_record() {
    let mut lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.0.settings.generations[Class::Esp as usize] += 1;
    assert_eq!(lab.answers(S, 0x2001, 2), Err(Reason::EspUnsolicited), "O6: until A sends");
    assert_eq!(lab.sends(A, S, 0x1001, 3), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
}
