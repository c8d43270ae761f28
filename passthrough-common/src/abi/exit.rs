//! Ways out that are ready to use: what the fast path puts in front of a packet, and where it sends it.
//!
//! A session does not hold its way out, only the slot of one, since all sessions of a host or a router share it. Slot
//! and way out each carry the epoch in which the routing table was asked for them; in another epoch it is asked again.

use super::{Settings, Ticks};

/// Slots of the table of ways out. Slot 0 is never used: it stands for none.
pub const EXITS: u32 = 4096;

/// When the routing table was asked: counts up every 2.15 s, and whenever userspace has seen a route, a neighbour, a
/// link or a setting change.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Epoch(pub u32);

impl Epoch {
    /// The epoch of now.
    #[inline(always)]
    pub const fn of(settings: &Settings, now: Ticks) -> Epoch {
        Epoch(now.epoch().wrapping_add(settings.changes))
    }

    /// What [`Session::exit`](super::Session::exit) holds for a slot in this epoch. Slot 0: not for the fast path.
    ///
    /// The epoch is kept modulo 16: a session that was silent for that long has lost its lease before.
    #[inline(always)]
    pub const fn slot(self, slot: u32) -> u16 {
        (slot & (EXITS - 1)) as u16 | (self.0 << 12) as u16
    }

    /// What a session holds that nobody has asked for yet.
    #[inline(always)]
    pub const fn unasked(self) -> u16 {
        Epoch(self.0.wrapping_sub(1)).slot(0)
    }

    /// Whether what a session holds is of this epoch.
    #[inline(always)]
    pub const fn holds(self, exit: u16) -> bool {
        exit >> 12 == (self.0 & 0xf) as u16
    }
}

/// The slot in what a session holds.
#[inline(always)]
pub const fn slot_of(exit: u16) -> u32 {
    exit as u32 & (EXITS - 1)
}

/// A way out.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Exit {
    /// Whose it is: interface index in the high 32 bits, the next IPv4 address in the low. 0 if free. Changed by
    /// compare-and-exchange, and only in another epoch than `epoch`: nobody uses the slot then.
    pub owner: u64,
    /// Destination and source address of the Ethernet header, as three words in network order.
    pub addresses: [u32; 3],
    /// When it was last asked for; written last.
    pub epoch: Epoch,
    /// Most bytes of an IP packet.
    pub mtu: u32,
    /// Where the interface is in the table of interfaces, and in that of XDP's devices; [`Exit::NO_PORT`] if XDP can't
    /// send there, and only TC can.
    pub port: u32,
}

impl Exit {
    /// What [`Exit::port`] says of an interface that XDP can't send to.
    pub const NO_PORT: u32 = u32::MAX;

    /// Index of the interface.
    #[inline(always)]
    pub const fn ifindex(&self) -> u32 {
        (self.owner >> 32) as u32
    }

    /// The owner of the way to `gateway` by interface `ifindex`.
    #[inline(always)]
    pub const fn owner(ifindex: u32, gateway: u32) -> u64 {
        (ifindex as u64) << 32 | gateway as u64
    }

    /// Where the search for this owner's slot begins.
    #[inline(always)]
    pub const fn home(owner: u64) -> u32 {
        // Multiplicative hash: neighbouring hosts differ in few bits.
        (owner.wrapping_mul(0x9e37_79b9_7f4a_7c15) >> 52) as u32
    }
}

const _: () = assert!(size_of::<Exit>() == 32);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_holds_in_its_epoch_alone() {
        let epoch = Epoch(0x1234_567f);
        let held = epoch.slot(77);
        assert!(epoch.holds(held) && slot_of(held) == 77);
        assert!(!Epoch(epoch.0 + 1).holds(held));
        assert!(!epoch.holds(epoch.unasked()) && !Epoch(0).holds(Epoch(0).unasked()));
        assert_eq!(slot_of(epoch.unasked()), 0);
    }

    #[test]
    fn a_change_and_the_clock_both_begin_an_epoch() {
        let mut settings = Settings::DEFAULT;
        let (now, later) = (Ticks(64), Ticks(96));
        assert_ne!(Epoch::of(&settings, now), Epoch::of(&settings, later));
        let before = Epoch::of(&settings, now);
        settings.changes += 1;
        assert_ne!(Epoch::of(&settings, now), before);
    }

    #[test]
    fn homes_of_neighbouring_hosts_spread() {
        let homes: std::collections::HashSet<u32> =
            (0..1024).map(|host| Exit::home(Exit::owner(3, 0x0a00_0000 + host))).collect();
        assert!(homes.len() > 700 && homes.iter().all(|home| *home < EXITS), "{}", homes.len());
    }
}
