//! Plain ESP: who is learned, who waits, and who is refused.

use super::*;

/// Proves: E1.
#[test]
fn one_client_is_learned_from_the_first_inbound_packet() {
    let lab = Lab::new();
    assert_eq!(lab.sends(A, S, 0x1001, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    assert_eq!(lab.events(Event::EspLearned), 1);
    assert!(lab.flags(S, 0x2001) & flag::LEARNED != 0);
    // I16: what an error about the outbound packet quotes leads to A.
    assert_eq!(table::owner(&lab.0, &esp_key(View::Quoted, S, OUTSIDE, 0x1001)), Some(A));
}

/// Proves: E2.
#[test]
fn two_clients_one_after_the_other() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, S, 0x1002, 0x2002);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert_eq!(lab.answers(S, 0x2002, 2), Ok(B));
}

/// Proves: E3.
#[test]
fn the_second_client_waits_until_the_first_is_learned() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.asks(B, S, 0xb, (0x10, 2), 0).unwrap();
    assert_eq!(lab.asks(B, S, 0xb, QUICK_MODE, 1), Err(Reason::EspHold));
    assert_eq!(lab.sends(B, S, 0x1002, 1), Err(Reason::EspHold));
    assert_eq!(lab.sends(A, S, 0x1001, 2), Ok(OUTSIDE), "a known SPI is never held");
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    assert_eq!(lab.asks(B, S, 0xb, QUICK_MODE, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(B));
}

/// Proves: E3.
#[test]
fn a_client_waits_for_three_seconds_at_most() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.wait(2);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Err(Reason::EspHold));
    lab.wait(1);
    assert_eq!(lab.sends(B, S, 0x1002, 2), Ok(OUTSIDE));
    assert_eq!(lab.events(Event::EspHoldExpired), 1);
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(B), "one exclusive window before a lazy one");
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "then the only lazy one");
}

/// Proves: E3.
#[test]
fn quiet_clients_that_start_at_once_are_through_before_their_kernels_forget_the_spi() {
    let lab = Lab::new();
    let hosts: [u32; 8] = core::array::from_fn(|index| A + index as u32);
    let spi = |host: u32| 0xaaaa_0000 + u64::from(host);
    let mut through = Vec::new();
    // When libreswan repeats, in halves of a second.
    for wait in [0, 1, 2, 4, 8, 16] {
        lab.0.wait(Ticks::from_millis(500 * wait));
        for host in hosts {
            if !through.contains(&host) && lab.asks(host, S, spi(host), AUTH, REQUEST).is_ok() {
                assert_eq!(lab.replies(S, spi(host), AUTH, RESPONSE), Ok(host));
                through.push(host);
            }
        }
    }
    assert_eq!(through.len(), 8, "within 15.5 s");
    assert_eq!(lab.events(Event::EspOverdue), 3, "who had no turn of his own");
    // Whose ESP comes first has the window to itself: the server answers within it.
    for host in through {
        lab.wait(3);
        assert_eq!(lab.sends(host, S, host, 1), Ok(OUTSIDE));
        assert_eq!(lab.answers(S, !host, 1), Ok(host));
    }
}

#[test]
fn who_has_waited_and_was_answered_waits_anew() {
    let lab = Lab::new();
    let busy = || lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    lab.asks(A, S, 0xa, AUTH, REQUEST).unwrap();
    assert_eq!(lab.asks(B, S, 0xb, AUTH, REQUEST), Err(Reason::EspHold));
    for _ in 0..10 {
        lab.wait(1);
        busy();
    }
    assert_eq!(lab.asks(B, S, 0xb, AUTH, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb, AUTH, REQUEST), Ok(OUTSIDE), "repeated, it waits no more");
    assert_eq!(lab.replies(S, 0xb, AUTH, RESPONSE), Ok(B));
    lab.wait(3);
    busy();
    assert_eq!(lab.asks(B, S, 0xb, CHILD, REQUEST), Err(Reason::EspHold));
}

/// Proves: E5.
#[test]
fn the_server_first_needs_ike_before() {
    let lab = Lab::new();
    assert_eq!(lab.answers(S, 0x2001, 1), Err(Reason::EspUnsolicited));
    lab.pair(B, S, 0x1002, 0x2002);
    lab.asks(A, S, 0xa, AUTH, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa, AUTH, RESPONSE), Ok(A));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    // A's own first packet opens no window that nothing would fill.
    assert_eq!(lab.sends(A, S, 0x1001, 1), Ok(OUTSIDE));
    assert_eq!(lab.sends(C, S, 0x1003, 1), Ok(OUTSIDE));
}

/// Proves: E6.
#[test]
fn two_lazy_windows_are_ambiguous() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.wait(3);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(3);
    assert_eq!(lab.answers(S, 0x2001, 1), Err(Reason::EspAmbiguous));
    assert_eq!(lab.answers(S, 0x2001, 500), Err(Reason::EspAmbiguous));
}

/// Proves: E7.
#[test]
fn rekey_by_the_client_with_three_others() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    for (index, host) in [A, B, C, C + 1].into_iter().enumerate() {
        lab.pair(host, S, 0x1001 + index as u32, 0x2001 + index as u32);
    }
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa, CHILD, RESPONSE), Ok(A));
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));
    assert_eq!(lab.sends(A, S, 0x4001, 1), Ok(OUTSIDE));
    for (index, host) in [A, B, C, C + 1].into_iter().enumerate() {
        assert_eq!(lab.answers(S, 0x2001 + index as u32, 9), Ok(host), "old SPIs stay");
    }
    assert_eq!(lab.sends(B, S, 0x4002, 1), Ok(OUTSIDE), "A's window is closed");
}

/// Proves: E8.
#[test]
fn rekey_by_the_server_in_both_versions() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, S, 0x1002, 0x2002);
    // Three quick-mode messages, the first from the server.
    assert_eq!(lab.replies(S, 0xa, QUICK_MODE, 1), Ok(A));
    assert_eq!(lab.asks(A, S, 0xa, QUICK_MODE, 1), Ok(OUTSIDE));
    assert_eq!(lab.sends(B, S, 0x1012, 1), Err(Reason::EspHold));
    assert_eq!(lab.replies(S, 0xa, QUICK_MODE, 1), Ok(A));
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));

    assert_eq!(lab.replies(S, 0xa, CHILD, REQUEST), Ok(A));
    assert_eq!(lab.asks(A, S, 0xa, CHILD, RESPONSE), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x3011, 1), Ok(A));
}

/// Proves: E9.
#[test]
fn a_window_that_nothing_fills_does_no_harm() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    lab.replies(S, 0xa, CHILD, RESPONSE).unwrap();
    lab.wait(30);
    lab.pair(B, S, 0x1002, 0x2002);
}

/// Proves: E10.
#[test]
fn the_same_spi_from_two_servers() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, T, 0x1001, 0x2001);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert_eq!(lab.answers(T, 0x2001, 2), Ok(B));
    assert_eq!(lab.sends(A, S, 0x1001, 3), Ok(OUTSIDE));
}

/// Proves: E11.
#[test]
fn the_first_owner_of_an_spi_keeps_it() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    assert_eq!(lab.sends(B, S, 0x1001, 1), Err(Reason::EspConflict), "outbound: the server gave it to A");
    lab.sends(B, S, 0x1002, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "inbound: N1");
}

/// Proves: E12.
#[test]
fn state_loss_with_one_client() {
    let lab = Lab::new();
    assert_eq!(lab.answers(S, 0x2001, 7000), Err(Reason::EspUnsolicited));
    lab.sends(A, S, 0x1001, 8000).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 7001), Ok(A));
}

/// Proves: E12.
#[test]
fn state_loss_with_several_clients_guesses_nothing() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 8000).unwrap();
    assert_eq!(lab.sends(B, S, 0x1002, 900), Ok(OUTSIDE), "nor keeps anyone waiting");
    assert_eq!(lab.answers(S, 0x2002, 950), Err(Reason::EspAmbiguous));
    // A makes a new association: that one is certain.
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));
    // B is now the only one that waits for a first answer.
    assert_eq!(lab.answers(S, 0x2002, 951), Ok(B));
}

/// Proves: E13.
#[test]
fn a_host_that_floated_takes_no_plain_esp() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    floated(&lab.0, A, S);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Ok(OUTSIDE));
    lab.wait(40);
    assert_eq!(lab.answers(S, 0x2002, 70), Ok(B));
}

/// Proves: E13.
#[test]
fn a_host_with_plain_esp_beside_nat_traversal_stays_a_candidate() {
    let lab = Lab::new();
    // A agrees on plain ESP over port 500, and opens another tunnel to the same server over 4500.
    lab.asks(A, S, 0xa, AUTH, REQUEST).unwrap();
    floated(&lab.0, A, S);
    lab.sends(B, S, 0x1002, 1).unwrap_err();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "not B's, who is all that would be left");
}

/// Proves: E14.
#[test]
fn idle_and_membership_expire_at_their_times() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(299);
    assert_eq!(lab.answers(S, 0x2011, 1), Ok(A));
    lab.wait(3);
    assert_eq!(lab.answers(S, 0x2012, 1), Err(Reason::EspUnsolicited), "K is empty after 300 s");
    // An outbound packet of a known SPI, past its lease, brings A back.
    lab.sends(A, S, 0x1001, 3).unwrap();
    assert_eq!(lab.answers(S, 0x2012, 1), Ok(A));
    lab.wait(3599);
    assert_eq!(lab.sends(A, S, 0x1001, 4), Ok(OUTSIDE));
    assert_eq!(table::owner(&lab.0, &esp_key(View::Quoted, S, OUTSIDE, 0x1001)), Some(A));
    assert_eq!(lab.answers(S, 0x2012, 2), Ok(A));
    lab.wait(3602);
    assert_eq!(lab.answers(S, 0x2012, 3), Err(Reason::EspUnsolicited));
}

/// Proves: E18.
#[test]
fn a_flood_of_unknown_spis_leaves_the_learned_one_alone() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    let before = lab.0.sessions.len();
    for spi in 0..100_000u32 {
        let _ = lab.answers(S, 0x10_0000 + spi, spi);
        if spi % 1000 == 0 {
            assert_eq!(lab.answers(S, 0x2001, spi), Ok(A));
            assert_eq!(lab.sends(A, S, 0x1001, spi), Ok(OUTSIDE));
            lab.wait(1);
        }
    }
    // 64 a minute and host.
    assert!(lab.0.sessions.len() - before <= 64 * 3, "{}", lab.0.sessions.len());
}

/// Proves: Z54.
#[test]
fn a_flood_of_outbound_spis_is_bounded_and_holds_no_other_client_for_long() {
    let lab = Lab::new();
    let mut refused = 0;
    for spi in 0..10_000u32 {
        refused += u32::from(lab.sends(A, S, 0x10_0000 + spi, 1) == Err(Reason::EspFlood));
    }
    assert_eq!(refused, 10_000 - 64);
    lab.wait(3);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Ok(OUTSIDE));
    lab.wait(60);
    assert_eq!(lab.sends(A, S, 0x9999, 1), Ok(OUTSIDE), "and forgotten after a minute");
}

/// Proves: Z53.
#[test]
fn refuses_malformed() {
    let lab = Lab::new();
    assert_eq!(lab.sends(A, S, 0, 1), Err(Reason::Malformed));
    assert_eq!(lab.esp_bytes((A, S), true, vec![0, 0, 1, 1, 0, 0, 0]), Err(Reason::Malformed));
    assert_eq!(lab.answers(S, 0, 1), Err(Reason::Malformed));
    assert_eq!(lab.esp_bytes((S, OUTSIDE), false, vec![0, 0, 1]), Err(Reason::Malformed));
    assert_eq!(lab.sends(A, S, 255, 1), Ok(OUTSIDE), "reserved SPIs pass");
    assert!(lab.0.peers.len() == 1);
}

/// Proves: Z55.
#[test]
fn another_host_cannot_steal_a_binding() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(20);
    lab.sends(A, S, 0x1001, 3).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    lab.sends(B, S, 0x6666, 1).unwrap();
    lab.asks(B, S, 0xb, CHILD, REQUEST).unwrap();
    for _ in 0..10 {
        lab.wait(30);
        lab.sends(B, S, 0x6666, 2).unwrap();
        assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    }
}

/// 64 clients that retry, in an order that changes each round; the server answers every association that it has.
fn crowd(lab: &Lab, with_ike: bool) {
    let hosts: Vec<u32> = (0..64).map(|index| 0xc0a8_0164 + index).collect();
    let (mut authenticated, mut sent, mut learned) = ([false; 64], [false; 64], [false; 64]);
    let mut sequence = [0; 64];
    let mut rounds = 0;
    while learned.contains(&false) {
        rounds += 1;
        assert!(rounds < 2000, "{learned:?}");
        for turn in 0..64usize {
            let index = (turn * 37 + rounds * 11) % 64;
            let (host, number) = (hosts[index], index as u32);
            if with_ike && !authenticated[index] {
                lab.asks(host, S, 0xaaaa_0000 + u64::from(number), SA_INIT, REQUEST).unwrap();
                match lab.asks(host, S, 0xaaaa_0000 + u64::from(number), AUTH, REQUEST) {
                    Ok(_) => authenticated[index] = true,
                    Err(reason) => assert_eq!(reason, Reason::EspHold),
                }
                continue;
            }
            match lab.sends(host, S, 0x1000 + number, 1) {
                Ok(_) => sent[index] = true,
                Err(reason) => assert_eq!(reason, Reason::EspHold),
            }
        }
        for (index, host) in hosts.iter().enumerate() {
            if with_ike && authenticated[index] && !learned[index] {
                assert_eq!(lab.replies(S, 0xaaaa_0000 + index as u64, AUTH, RESPONSE), Ok(*host));
            }
            if sent[index] {
                sequence[index] += 1;
                assert_eq!(lab.answers(S, 0x2000 + index as u32, sequence[index]), Ok(*host), "none crossed");
                learned[index] = true;
            }
        }
        lab.0.wait(Ticks::from_millis(100));
    }
    for (index, host) in hosts.iter().enumerate() {
        assert_eq!(lab.answers(S, 0x2000 + index as u32, 9999), Ok(*host));
        assert_eq!(lab.sends(*host, S, 0x1000 + index as u32, 9999), Ok(OUTSIDE));
    }
}

#[test]
fn sixty_four_clients_of_one_server_are_all_learned_from_esp_alone() {
    let lab = Lab::new();
    crowd(&lab, false);
    assert_eq!(lab.events(Event::EspLearned), 64);
    assert_eq!(lab.sends(A, S, 0x1, 1), Err(Reason::PeerLimit), "the 65th is refused");
}

#[test]
fn sixty_four_clients_of_one_server_are_all_learned_with_ike() {
    crowd(&Lab::new(), true);
}
