//! The ways out of the fast path, in an array whose slots change owner by compare-and-exchange.

use core::arch::asm;
use core::ptr::write_volatile;

use passthrough_common::abi::settings::{PORT_TRIES, PORTS};
use passthrough_common::abi::{Exit, Interface, Link};
use passthrough_common::seam::{Exits, Towards};

use super::Kernel;
use super::next_hop::{Arrives, FIB_SUCCESS, Query, answered, interface, look_up};
use crate::maps;

/// Owner of a slot that is being filled.
const BUSY: u64 = u64::MAX;

impl<C: Arrives> Exits for Kernel<C> {
    #[inline(always)]
    fn port(&self) -> Option<&Interface> {
        // SAFETY: an element of an array stays where it is.
        interface(C::ifindex(self.context)).map(|interface| unsafe { &*interface })
    }

    #[inline(always)]
    fn exit<R>(&self, slot: u32, look: impl FnOnce(&Exit) -> R) -> Option<R> {
        let exit = maps::EXITS.get_ptr(slot)?;
        // SAFETY: an element of an array is always readable; its fields are words.
        Some(look(unsafe { &*exit }))
    }

    #[inline(always)]
    fn target(&self, exit: &Exit) -> Option<u32> {
        C::target(exit)
    }

    #[inline(always)]
    fn fill(&self, slot: u32, before: u64, exit: &Exit) -> bool {
        let Some(place) = maps::EXITS.get_ptr_mut(slot) else { return false };
        if before == BUSY || exchange(place, before, BUSY) != before {
            return false;
        }
        // SAFETY: the slot is this processor's as long as its owner is BUSY, and nobody uses what it says in an
        // earlier epoch.
        unsafe {
            write_volatile(&raw mut (*place).addresses, exit.addresses);
            write_volatile(&raw mut (*place).mtu, exit.mtu);
            write_volatile(&raw mut (*place).port, exit.port);
            write_volatile(&raw mut (*place).epoch, exit.epoch);
        }
        exchange(place, BUSY, exit.owner);
        true
    }

    #[inline(always)]
    fn ask(&self, source: u32, destination: u32, tos: u8, length: u16, exit: &mut Exit) -> Towards {
        let entered = C::ifindex(self.context);
        let mut query = Query::NONE;
        let query = Query::clear(&mut query);
        let answer = look_up(self.context, (entered, tos, length), (source, destination), query);
        let (hop, towards, fast) = answered(query);
        let Some(port) = interface(hop.ifindex) else { return Towards::Nowhere };
        // SAFETY: an element of an array is always readable.
        let (mtu, link) = unsafe { ((*port).mtu, (*port).link) };
        if answer != FIB_SUCCESS || link != Link::Ethernet as u8 {
            return Towards::Nowhere;
        }
        let Query(query) = query;
        // SAFETY: the helper leaves the route's MTU there.
        let of_route = u32::from(unsafe { query.__bindgen_anon_1.mtu_result });
        // A way out is shared by all who take it; a destination with an MTU of its own is the stack's.
        if of_route != mtu {
            return Towards::Nowhere;
        }
        let [a, b, c, d, e, f] = query.dmac;
        let [g, h, i, j, k, l] = query.smac;
        exit.owner = Exit::owner(hop.ifindex, hop.gateway);
        exit.addresses = [[a, b, c, d], [e, f, g, h], [i, j, k, l]].map(u32::from_ne_bytes);
        exit.mtu = mtu;
        exit.port = if fast { slot_of(hop.ifindex) } else { Exit::NO_PORT };
        towards
    }
}

/// The slot of an interface; one beyond the last if it takes no part.
#[inline(always)]
fn slot_of(ifindex: u32) -> u32 {
    let mut attempt = 0;
    while attempt < PORT_TRIES {
        let slot = Interface::slot(ifindex, attempt);
        // SAFETY: an element of an array is always readable.
        if maps::INTERFACES.get_ptr(slot).is_some_and(|interface| unsafe { (*interface).index } == ifindex) {
            return slot;
        }
        attempt += 1;
    }
    PORTS
}

/// Makes `after` the owner if it is `before` now; the owner that it was.
#[inline(always)]
fn exchange(place: *mut Exit, before: u64, after: u64) -> u64 {
    let mut owner = before;
    // SAFETY: the field is 8 bytes, aligned, in an element of an array. In assembly as in `BindingTable::add`: register 0
    // holds what is compared, and what was found.
    unsafe {
        asm!("r0 = cmpxchg_64({place} + 0, r0, {after})", place = in(reg) &raw mut (*place).owner,
            after = in(reg) after, inout("r0") owner);
    }
    owner
}
