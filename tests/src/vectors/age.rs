//! Time that passes in the kernel's tables: its clock cannot be turned on, so what they remember is turned back.

use passthrough_common::abi::{Fragment, Peers, Session, Ticks};

/// What remembers points of time.
pub trait Aged {
    /// Makes them lie further back by `length`.
    fn age(&mut self, length: Ticks);
}

impl Aged for Session {
    fn age(&mut self, length: Ticks) {
        // Kept in steps of 16 ticks: what is left over counts as a step, so that no lease gets longer.
        self.renewed = self.renewed.wrapping_sub(length.plus(Ticks(15)).coarse());
        back(&mut self.seen, length);
    }
}

impl Aged for Fragment {
    fn age(&mut self, length: Ticks) {
        back(&mut self.opened, length);
    }
}

impl Aged for Peers {
    fn age(&mut self, length: Ticks) {
        back(&mut self.unknown_since, length);
        for peer in &mut self.hosts {
            for point in [&mut peer.seen, &mut peer.esp_since, &mut peer.window_at, &mut peer.waits_since] {
                back(point, length);
            }
        }
    }
}

/// Zero means that it never was.
fn back(point: &mut Ticks, length: Ticks) {
    if *point != Ticks(0) {
        *point = Ticks(point.0.wrapping_sub(length.0));
    }
}

/// Epochs that begin within `length`, at least one.
pub fn epochs(length: Ticks) -> u32 {
    length.epoch() + 1
}
