//! Ways out that are ready to use, and the interfaces they lead by: for the fast path.

use crate::abi::{Exit, Interface};

use super::Towards;

/// The table of ways out, and what fills it.
pub trait Exits {
    /// The interface that the frame in hand arrived by; `None` if it takes no part.
    fn port(&self) -> Option<&Interface>;

    /// What `look` sees of the way out in a slot. Fields may change under it; `epoch` says whether they count.
    fn exit<R>(&self, slot: u32, look: impl FnOnce(&Exit) -> R) -> Option<R>;

    /// By what this hook names the interface that a way out leads by; `None` if it can't send there.
    fn target(&self, exit: &Exit) -> Option<u32>;

    /// Fills a slot whose owner is `before`, and nobody else's meanwhile; `false` if it is another's by now. The epoch
    /// is written last.
    fn fill(&self, slot: u32, before: u64, exit: &Exit) -> bool;

    /// Asks the routing table and the neighbours for the way of an IPv4 packet that came by the interface in hand;
    /// everything but the epoch is put into `exit`. [`Towards::Inside`] and [`Towards::Outside`] only if frames go that
    /// way, and the neighbour's address is known.
    fn ask(&self, source: u32, destination: u32, tos: u8, length: u16, exit: &mut Exit) -> Towards;
}
