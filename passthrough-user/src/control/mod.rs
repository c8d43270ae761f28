//! What the commands do to the machine, once it is known what they are to do.

pub mod check;
pub mod down;
pub mod flush;
pub mod follow;
pub mod foreground;
pub mod network;
pub mod switches;
pub mod up;

use passthrough_common::abi::Ticks;
use rustix::time::{ClockId, clock_gettime};

use crate::loader::run::{self, Sweep};
use crate::tables::Tables;

/// The present time, as the tables keep it.
pub fn now() -> Ticks {
    let time = clock_gettime(ClockId::Monotonic);
    Ticks::from_ns(time.tv_sec as u64 * 1_000_000_000 + time.tv_nsec as u64)
}

/// Removes sessions that are over, or those that `sweep` names, and what belonged to them. Answers how many entries of
/// the session table went.
pub fn sweep(tables: &Tables, sweep: &Sweep) -> anyhow::Result<u64> {
    let removed = run::sweep(tables.pins(), sweep)?;
    tables.remove_orphans(now())?;
    Ok(removed)
}
