//! The benchmark itself: what it makes arrives, and what arrives is what it counts.

use std::{sync::atomic::AtomicBool, time::Duration};

use passthrough_tests::bench::{implementation::Implementation, plan::Plan, rounds};

#[test]
fn every_kind_of_packet_gets_through_gateways_that_translate_nothing() {
    let plan = Plan {
        length: Duration::from_millis(2),
        only: Some("64_f1_".to_owned()),
        implementations: vec![Implementation::XdpForward, Implementation::Kernel],
        rounds: 1,
        ..Plan::new(false)
    };
    let results = rounds::run(&plan, &AtomicBool::new(false)).expect("the benchmark runs");
    assert_eq!(results.cells.len(), 2 * 2 * 5, "two ways, two directions, five kinds");
    for ((test, one), cell) in &results.cells {
        assert_eq!(cell.failure, None, "{} {}", test.name(), one.name());
        assert_eq!(cell.arrived, cell.sent, "{} {}", test.name(), one.name());
        assert!(cell.ns.iter().all(|ns| *ns > 0.0), "{} {}", test.name(), one.name());
    }
}
