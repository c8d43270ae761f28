//! Counters: one slot per CPU, so that counting needs no lock.

use passthrough_common::abi::Event;
use passthrough_common::seam::Report;

use super::Kernel;
use crate::maps;

impl<C> Report for Kernel<C> {
    #[inline(always)]
    fn count(&self, index: u32, bytes: u32) {
        if let Some(counter) = maps::COUNTERS.get_ptr_mut(index) {
            // SAFETY: the pointer is to this CPU's slot, which nothing else on this CPU writes meanwhile.
            let counter = unsafe { &mut *counter };
            counter.packets += 1;
            counter.bytes += u64::from(bytes);
        }
    }

    #[inline(always)]
    fn event(&self, event: Event) {
        if let Some(count) = maps::EVENTS.get_ptr_mut(event as u32) {
            // SAFETY: the pointer is to this CPU's slot, which nothing else on this CPU writes meanwhile.
            unsafe { *count += 1 };
        }
    }
}
