//! Inside hosts, and what each of them has: for the limits that keep one from taking what is there for all.

use super::Ticks;

/// What is counted of an inside host.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Share {
    /// Entries of the session table, two for most sessions: those of all but the gateway itself and the calls of PPTP, of
    /// which a control connection has no more than a few.
    Halves = 0,
    /// PPTP control connections whose streams are read.
    Connections = 1,
    /// Records of the clients of one server ([`super::Peers`]) that it was the first in.
    Servers = 2,
}

/// Key of the table of inside hosts.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct HostKey {
    /// The host's IPv4 address.
    pub address: u32,
    /// [`Share`].
    pub share: u32,
}

impl HostKey {
    /// Of this host and share.
    #[inline(always)]
    pub const fn new(address: u32, share: Share) -> HostKey {
        HostKey { address, share: share as u32 }
    }
}

/// What an inside host has open of one [`Share`].
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Host {
    /// How many. As a signed number: a count that two processors have taken to different records may fall below zero.
    pub held: u32,
    /// In which second of the clock ([`Host::second`]) it last opened one.
    pub second: u32,
    /// How many it has taken in that second, given back or not.
    pub opened: u32,
}

impl Host {
    /// The second in which `now` lies: of 1.07 s, so that no division is needed.
    #[inline(always)]
    pub const fn second(now: Ticks) -> u32 {
        now.0 >> 4
    }

    /// How many it may open in such a second if it may open `rate` in a real one.
    pub const fn per_second(rate: u32) -> u32 {
        // 2^30 ns.
        ((rate as u64 * (1 << 30)).div_ceil(1_000_000_000)) as u32
    }
}

const _: () = assert!(size_of::<Host>() == 12 && size_of::<HostKey>() == 8);
