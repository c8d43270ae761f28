//! Choice of outside ports on the host: how far they can be used, and how little one tells about the next (RFC 6888 REQ-13
//! and REQ-15, RFC 6056).

use std::collections::HashMap;

use passthrough_common::abi::{Class, Reason};
use passthrough_common::proto::endpoint::{Wish, hold};
use passthrough_common::seam::host::{Gateway, OUTSIDE};
use passthrough_common::seam::{Entropy as _, Remote};

const HOST: u32 = 0x0a40_0001;
const SERVER: (u32, u16) = (0xc633_640a, 53);
/// TCP, UDP, ICMP.
const PROTOCOLS: [u8; 3] = [6, 17, 1];
/// Ports above 1023.
const PORTS: usize = 64_512;

/// What an inside endpoint is given, at the first try.
fn given(gateway: &Gateway, protocol: u8, inside: (u32, u16)) -> Result<u16, Reason> {
    let wish = Wish {
        inside,
        paired: OUTSIDE,
        outside: OUTSIDE,
        remote: Remote::new(protocol, SERVER),
        protocol,
        class: Class::Udp,
        shared: (0, 0),
        own: false,
    };
    hold(gateway, &wish).map(|(_, port)| port)
}

/// A thousand ports that are given to endpoints whose own port is taken.
fn drawn(protocol: u8, seed: u64) -> Vec<u16> {
    let gateway = Gateway::with_capacity(8192);
    gateway.seed(seed);
    assert_eq!(given(&gateway, protocol, (HOST, 5000)), Ok(5000));
    (1..=1000).map(|host| given(&gateway, protocol, (HOST + host, 5000)).expect("few are taken")).collect()
}

/// How often each of these occurs.
fn counts<T: std::hash::Hash + Eq>(items: impl Iterator<Item = T>) -> HashMap<T, usize> {
    items.fold(HashMap::new(), |mut counts, item| {
        *counts.entry(item).or_default() += 1;
        counts
    })
}

/// Proves: C13.
#[test]
fn ninety_five_of_a_hundred_ports_of_an_address_can_be_used() {
    for protocol in PROTOCOLS {
        let (gateway, own) = (Gateway::with_capacity(3 * PORTS), Gateway::with_capacity(1));
        own.seed(7);
        let (mut held, mut tries, mut refused) = (0, 0, 0);
        while held * 100 < PORTS * 95 {
            // Clients whose own ports are as random: most of them are taken once the address is nearly full.
            let endpoint = (HOST + held as u32, 1024 + (own.random() as usize % PORTS) as u16);
            tries += 1;
            match given(&gateway, protocol, endpoint) {
                Ok(port) => {
                    assert!(port >= 1024);
                    held += 1;
                    refused = 0;
                }
                Err(reason) => {
                    assert_eq!(reason, Reason::PortsExhausted);
                    refused += 1;
                }
            }
            assert!(refused < 40, "a sender's retries find nothing at {held} of {PORTS} ports");
        }
        println!("protocol {protocol}: {held} ports in {tries} packets");
    }
}

/// Proves: C15.
#[test]
fn ports_that_are_drawn_are_flat_over_the_range_and_another_run_draws_others() {
    for protocol in PROTOCOLS {
        let (one, other) = (drawn(protocol, 1), drawn(protocol, 2));
        assert_ne!(one, other);
        assert!(counts(one.iter()).values().all(|count| *count == 1), "U3");
        let bins = counts(one.iter().map(|port| (usize::from(*port) - 1024) * 16 / PORTS));
        let expected = one.len() as f64 / 16.0;
        let flat: f64 =
            (0..16).map(|bin| (*bins.get(&bin).unwrap_or(&0) as f64 - expected).powi(2) / expected).sum();
        // Fifteen degrees of freedom: above 37.7 once in a thousand times.
        assert!(flat < 37.7, "chi-square {flat}");
    }
}

/// Proves: C16.
#[test]
fn one_port_does_not_tell_the_next() {
    for protocol in PROTOCOLS {
        let ports = drawn(protocol, 3);
        let steps = counts(ports.windows(2).map(|pair| pair[1].wrapping_sub(pair[0])));
        let most = steps.values().max().expect("there are some");
        assert!(*most <= ports.len() / 100, "one step comes {most} times");
    }
}
