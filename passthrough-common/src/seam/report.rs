//! Counting what became of packets.

use crate::abi::{Class, Direction, Event, Reason};

/// Where counts go. Nothing is dropped without one.
pub trait Report {
    /// One packet of `bytes` bytes.
    fn count(&self, class: Class, direction: Direction, reason: Reason, bytes: u32);

    /// Something happened.
    fn event(&self, event: Event);
}
