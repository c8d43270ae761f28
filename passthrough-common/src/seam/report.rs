//! Counting what became of packets.

use crate::abi::{Class, Direction, Event};

/// Where counts go. Nothing is dropped without one.
pub trait Report {
    /// One packet of `bytes` bytes; `reason` is [`Reason`](crate::abi::Reason) as a byte.
    fn count(&self, class: Class, direction: Direction, reason: u8, bytes: u32);

    /// Something happened.
    fn event(&self, event: Event);
}
