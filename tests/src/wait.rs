//! Waiting for a condition, always with a bound.

use std::{
    thread,
    time::{Duration, Instant},
};

use anyhow::{Result, bail};

/// Looks at `condition` until it holds, and fails with `what` if it does not within `bound`.
pub fn until(bound: Duration, what: &str, mut condition: impl FnMut() -> bool) -> Result<()> {
    let deadline = Instant::now() + bound;
    while !condition() {
        if Instant::now() >= deadline {
            bail!("waited {:.1} s in vain: {what}", bound.as_secs_f32());
        }
        thread::sleep(Duration::from_millis(5));
    }
    Ok(())
}

/// What is left until `deadline`, never zero: a zero time limit of a socket means forever.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now()).max(Duration::from_millis(1))
}
