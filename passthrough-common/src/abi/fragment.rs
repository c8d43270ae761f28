//! Fragmented datagrams: what the first fragment decided.

use super::{Direction, Ticks};

/// Key of the fragment table: what every fragment of one datagram shows (RFC 791, RFC 6864).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FragmentKey {
    hosts: u64,
    datagram: u64,
}

impl FragmentKey {
    /// The datagram `identification` from `source` to `destination`, before translation.
    #[inline(always)]
    pub const fn new(
        direction: Direction,
        source: u32,
        destination: u32,
        protocol: u8,
        identification: u16,
    ) -> FragmentKey {
        FragmentKey {
            hosts: source as u64 | (destination as u64) << 32,
            datagram: identification as u64 | (protocol as u64) << 16 | (direction as u64) << 24,
        }
    }

    /// The identification that a translated datagram takes on the wire: no two hosts may have the same one.
    #[inline(always)]
    pub const fn claim(source: u32, destination: u32, protocol: u8, identification: u16) -> FragmentKey {
        FragmentKey {
            hosts: source as u64 | (destination as u64) << 32,
            datagram: identification as u64 | (protocol as u64) << 16 | 1 << 25,
        }
    }

    /// An IPv6 datagram between hosts that `hosts` is a digest of.
    #[inline(always)]
    pub const fn v6(hosts: u64, identification: u32) -> FragmentKey {
        FragmentKey { hosts, datagram: identification as u64 | 1 << 32 }
    }
}

/// What the first fragment decided for its siblings.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Fragment {
    /// Translated address; 0 if the siblings are dropped.
    pub address: u32,
    /// When the first fragment passed.
    pub opened: Ticks,
    /// Fills the word.
    pub reserved: u16,
    /// New identification (RFC 6864 section 5.3.1).
    pub identification: u16,
    /// [`Class`](super::Class) as a byte.
    pub class: u8,
    /// Bytes of the datagram that the first one carries, in units of 8, 255 at most.
    pub covered: u8,
    /// Bits of [`flag`](super::session::flag): [`OWN`](super::session::flag::OWN), [`BY_STACK`](super::session::flag::BY_STACK).
    pub flags: u8,
    /// Generation of the class's switch.
    pub generation: u8,
}

const _: () = {
    assert!(size_of::<FragmentKey>() == 16);
    assert!(size_of::<Fragment>() == 16);
};
