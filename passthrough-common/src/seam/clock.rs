//! What time it is.

use crate::abi::Ticks;

/// A coarse monotonic clock: in the kernel a few milliseconds off, which expiry does not notice.
pub trait Clock {
    /// Now.
    fn now(&self) -> Ticks;
}
