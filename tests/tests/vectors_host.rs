//! The vectors on the host.

use passthrough_tests::vectors::{cases, hold_on_fast_host, hold_on_host};

macro_rules! topics {
    ($($test:ident = $topic:ident;)*) => {
        $(
            #[test]
            fn $test() {
                hold_on_host(cases::$topic::VECTORS);
            }
        )*

        #[test]
        fn every_topic_is_played() {
            assert_eq!(cases::ALL.len(), [$(stringify!($topic)),*].len());
        }
    };
}

topics! {
    udp_and_tcp_are_mapped_and_filtered = udp_tcp;
    checksums_are_what_a_full_computation_gives = checksums;
    icmp_queries_pass_and_other_types_do_not = icmp;
    ip_headers_options_and_lies_are_judged = ip_header;
    fragments_follow_their_first = fragments;
    a_host_is_held_to_its_limits = limits;
    addresses_and_ports_are_shared_out_as_they_were_set = pools;
    tags_and_hairpins_are_followed = link;
    pptp_conversations_pass_with_their_gre = pptp;
    pptp_calls_end_and_stay_apart_as_they_should = pptp_limits;
    protocols_without_ports_go_by_address = by_address;
    ike_and_esp_reach_their_clients = ipsec;
    l2tp_reaches_its_clients = l2tp;
    forwards_lead_to_servers_inside = forward;
    vpn_servers_inside_are_reached = forward_vpn;
    icmp_errors_are_translated_inside_and_out = icmp_errors;
    switches_stop_their_own_class_and_no_other = switches;
    ipv6_is_gated_behind_every_header = ipv6;
    what_is_silent_lives_to_the_second = timers;
}

/// Frames that must at least take the fast path over all vectors, so that a fast path that does nothing fails.
const MOVED: usize = 140;

#[test]
fn every_vector_gets_the_same_answer_with_the_fast_path() {
    let moved: usize = cases::ALL.iter().map(|(_, vectors)| hold_on_fast_host(vectors)).sum();
    assert!(moved >= MOVED, "only {moved} frames took it");
}
