//! A short soak: every kind of hostile input at a live gateway, while tunnels of every kind go on.

use std::sync::atomic::AtomicBool;
use std::time::Duration;

use anyhow::Result;
use passthrough_tests::soak::{self, Wanted};

/// Proves: G5, G6, O25, Z19.
#[test]
fn tunnels_of_every_kind_lose_nothing_under_hostile_input_from_both_sides() -> Result<()> {
    let wanted = Wanted { length: Duration::from_secs(10), rate: 400, seed: u64::from(std::process::id()) };
    let report = soak::run(&wanted, &|line| println!("{line}"), &AtomicBool::new(false))?;
    println!("{report}");
    report.nothing_is_lost()?;
    report.nothing_is_full()
}
