//! Counting what became of packets.

use crate::abi::Event;

/// Where counts go. Nothing is dropped without one.
pub trait Report {
    /// One packet of `bytes` bytes, under the counter with this [`Counter::index`](crate::abi::Counter::index).
    fn count(&self, index: u32, bytes: u32);

    /// Something happened.
    fn event(&self, event: Event);
}
