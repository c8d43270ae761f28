//! What the commands do to the machine, once it is known what they are to do.

mod changes;
pub mod check;
pub mod down;
mod fast;
mod features;
pub mod flush;
pub mod follow;
pub mod foreground;
pub mod forward;
mod listeners;
mod netlink;
pub mod network;
mod offload;
pub mod paths;
pub mod pool;
pub mod switches;
pub mod up;

use anyhow::Context;
use passthrough_common::abi::{Settings, Ticks};
use rustix::{
    thread::{MembarrierCommand, membarrier},
    time::{ClockId, clock_gettime},
};

/// The present time, as the tables keep it.
pub fn now() -> Ticks {
    let time = clock_gettime(ClockId::Monotonic);
    Ticks::from_ns(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Sets or clears an option.
fn set_option(settings: &mut Settings, option: u32, on: bool) {
    if on {
        settings.options |= option;
    } else {
        settings.options &= !option;
    }
}

/// Waits until every program that may have read what the tables held before has ended: programs run in RCU's read side,
/// and this barrier waits for a grace period (membarrier(2), `MEMBARRIER_CMD_GLOBAL`).
fn quiesce() -> anyhow::Result<()> {
    membarrier(MembarrierCommand::Global).context("waiting for packets that were under way")
}
