//! A packet as fixed-size values at bounded offsets. Offsets count bytes from the start of the frame.

use crate::wire::checksum;

/// A frame that can be read and changed in place.
///
/// Nothing is ever seen as one slice: the kernel side could not prove it in bounds.
pub trait Packet {
    /// Bytes in the frame that can be reached.
    fn len(&self) -> u32;

    /// Whether nothing can be reached.
    fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// The `N` bytes at `at`, if they lie within the frame.
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]>;

    /// Replaces the `N` bytes at `at`; `false` if they do not lie within the frame. Fixes no checksum.
    fn store<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> bool;

    /// Adds a one's complement delta to the IPv4 header checksum at `at`.
    ///
    /// A sum of the whole packet that something else keeps stays right: what the header gains in its fields it loses in
    /// its checksum.
    #[inline(always)]
    fn fix_header_checksum(&mut self, at: u32, delta: u32) {
        if let Some(sum) = self.u16(at) {
            self.store(at, checksum::apply(sum, delta).to_be_bytes());
        }
    }

    /// Adds to the transport checksum at `at` what changed in the pseudo header and in the segment itself.
    ///
    /// `zero_is_none` for UDP: a zero checksum stays zero, and a computed zero becomes all ones (RFC 768).
    #[inline(always)]
    fn fix_transport_checksum(&mut self, at: u32, pseudo: u32, segment: u32, zero_is_none: bool) {
        fix_finished_checksum(self, at, pseudo + segment, zero_is_none);
    }

    /// An offset below 256, as if nothing were known of where it came from.
    ///
    /// For the verifier: it would follow every packet form (tags, links, options) apart to the end, since it keeps
    /// apart what offsets are known exactly.
    #[inline(always)]
    fn forget(&self, offset: u32) -> u32 {
        offset
    }

    /// As [`Packet::forget`], for offsets below 1024.
    #[inline(always)]
    fn forget_far(&self, offset: u32) -> u32 {
        offset
    }

    /// The byte at `at`.
    #[inline(always)]
    fn u8(&self, at: u32) -> Option<u8> {
        // Two bytes are checked where one is wanted: LLVM turns `p + 1 > end` into `p >= end`, which proves
        // nothing to the verifier. No caller reads the last byte of a frame this way.
        self.u16(at).map(|word| (word >> 8) as u8)
    }

    /// The 16-bit number at `at`.
    #[inline(always)]
    fn u16(&self, at: u32) -> Option<u16> {
        self.load::<2>(at).map(u16::from_be_bytes)
    }

    /// The 32-bit number at `at`.
    #[inline(always)]
    fn u32(&self, at: u32) -> Option<u32> {
        self.load::<4>(at).map(u32::from_be_bytes)
    }
}

/// Adds a delta to a transport checksum that is finished: [`Packet::fix_transport_checksum`] where all are.
#[inline(always)]
pub fn fix_finished_checksum<P: Packet + ?Sized>(packet: &mut P, at: u32, delta: u32, zero_is_none: bool) {
    let Some(sum) = packet.u16(at) else { return };
    let sum = if zero_is_none { checksum::apply_udp(sum, delta) } else { checksum::apply(sum, delta) };
    packet.store(at, sum.to_be_bytes());
}
