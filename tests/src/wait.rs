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

/// What is left until `deadline`; zero once it has passed.
pub fn left(deadline: Instant) -> Duration {
    deadline.saturating_duration_since(Instant::now())
}

/// As [`left`], as a socket's time limit: never zero, which would mean forever.
pub fn limit(deadline: Instant) -> Option<Duration> {
    Some(left(deadline).max(Duration::from_millis(1)))
}
