//! The IPv4 header (RFC 791): offsets from its start, and what its fields may be.

use core::mem::offset_of;

use network_types::ip::Ipv4Hdr;

/// Bytes of a header without options.
pub const LEN: u32 = Ipv4Hdr::LEN as u32;
/// Version and header length.
pub const VERSION_IHL: u32 = offset_of!(Ipv4Hdr, vihl) as u32;
/// Type of service.
pub const TOS: u32 = offset_of!(Ipv4Hdr, tos) as u32;
/// Total length.
pub const TOTAL_LENGTH: u32 = offset_of!(Ipv4Hdr, tot_len) as u32;
/// Identification.
pub const IDENTIFICATION: u32 = offset_of!(Ipv4Hdr, id) as u32;
/// Flags and fragment offset.
pub const FRAGMENT: u32 = offset_of!(Ipv4Hdr, frags) as u32;
/// Time to live.
pub const TTL: u32 = offset_of!(Ipv4Hdr, ttl) as u32;
/// Protocol.
pub const PROTOCOL: u32 = offset_of!(Ipv4Hdr, proto) as u32;
/// Header checksum.
pub const CHECKSUM: u32 = offset_of!(Ipv4Hdr, check) as u32;
/// Source address.
pub const SOURCE: u32 = offset_of!(Ipv4Hdr, src_addr) as u32;
/// Destination address.
pub const DESTINATION: u32 = offset_of!(Ipv4Hdr, dst_addr) as u32;

/// More fragments follow.
pub const MORE_FRAGMENTS: u16 = 0x2000;
/// Bits of the fragment offset, in units of 8 bytes.
pub const OFFSET: u16 = 0x1fff;

/// Options that a router does not forward: what RFC 7126 section 4 advises to drop by default.
pub mod option {
    /// End of the options.
    pub const END: u8 = 0;
    /// No operation.
    pub const NOP: u8 = 1;
    /// Record route.
    pub const RECORD_ROUTE: u8 = 7;
    /// Timestamp.
    pub const TIMESTAMP: u8 = 68;
    /// Loose source route.
    pub const LOOSE_SOURCE_ROUTE: u8 = 131;
    /// Stream identifier.
    pub const STREAM: u8 = 136;
    /// Strict source route.
    pub const STRICT_SOURCE_ROUTE: u8 = 137;

    /// Whether RFC 7126 has it dropped.
    #[inline(always)]
    pub const fn is_dropped(kind: u8) -> bool {
        matches!(kind, RECORD_ROUTE | TIMESTAMP | LOOSE_SOURCE_ROUTE | STREAM | STRICT_SOURCE_ROUTE)
    }
}

/// Whether no host sends from this address across the Internet (RFC 6890; 203.0.113.0/24 and its like are left in,
/// since tests live there).
#[inline(always)]
pub const fn is_martian(address: u32) -> bool {
    let [a, b, c, _] = address.to_be_bytes();
    matches!(
        (a, b),
        (0 | 10 | 127 | 224..=255, _) | (100, 64..=127) | (169, 254) | (172, 16..=31) | (192, 168)
    ) || (a == 192 && b == 0 && c == 0)
}

/// Whether this is a multicast or broadcast address, or no address at all.
#[inline(always)]
pub const fn is_not_unicast(address: u32) -> bool {
    address >= 0xe000_0000 || address == 0
}
