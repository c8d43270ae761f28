//! The benchmark: ways through a gateway side by side, in one run, on one processor. Method: `docs/performance.md`.
//!
//! All implementations are brought up in fresh namespaces in each round, and each test runs on one after the other: what
//! changes on the machine meanwhile meets all of them.

mod alone;
mod batches;
mod calls;
mod conntrack;
mod flows;
mod frame;
pub mod implementation;
mod latency;
#[path = "../../../passthrough-ebpf/src/bench/layout.rs"]
#[expect(dead_code, reason = "the programs use the rest of it")]
mod layout;
pub mod machine;
mod measure;
mod measures;
mod memory;
mod network;
pub mod plan;
mod programs;
mod rates;
pub mod report;
pub mod results;
pub mod rounds;
mod sessions;
mod statistics;
mod throughput;

use std::process::{Command, Stdio};

use anyhow::{Context, Result};
use nix::{
    sched::{CpuSet, sched_setaffinity},
    unistd::{Pid, gettid},
};

/// The processor that makes, forwards and takes all packets: the second, since the first has the machine's interrupts.
fn processor() -> usize {
    usize::from(std::thread::available_parallelism().is_ok_and(|count| count.get() > 1))
}

/// Keeps the calling thread on [`processor`], before every task without a real-time priority: what its packets cause runs
/// there too, right after they are sent, and nobody else's work in between is counted as theirs.
fn take_processor() -> Result<()> {
    let mut set = CpuSet::new();
    set.set(processor()).context("could not name a processor")?;
    sched_setaffinity(Pid::from_raw(0), &set).context("could not stay on one processor")?;
    let thread = gettid().to_string();
    let mut chrt = Command::new("chrt");
    let chrt = chrt.args(["--fifo", "--pid", "1", &thread]).stdout(Stdio::null()).stderr(Stdio::null());
    // Without it the figures are those of a thread like any other: on an idle machine there is no difference.
    let _ = chrt.status();
    Ok(())
}
