//! The IPv6 header and its extension headers (RFC 8200): offsets, numbers.

use core::mem::offset_of;

use network_types::ip::Ipv6Hdr;

/// Bytes of the fixed header.
pub const LEN: u32 = Ipv6Hdr::LEN as u32;
/// Payload length.
pub const PAYLOAD_LENGTH: u32 = offset_of!(Ipv6Hdr, payload_len) as u32;
/// Next header.
pub const NEXT_HEADER: u32 = offset_of!(Ipv6Hdr, next_hdr) as u32;
/// Source address.
pub const SOURCE: u32 = offset_of!(Ipv6Hdr, src_addr) as u32;
/// Destination address.
pub const DESTINATION: u32 = offset_of!(Ipv6Hdr, dst_addr) as u32;

/// Next header numbers that lead on (RFC 8200 section 4, RFC 6275, RFC 7401, RFC 5533).
pub mod header {
    /// Hop-by-hop options.
    pub const HOP_BY_HOP: u8 = 0;
    /// Routing.
    pub const ROUTING: u8 = 43;
    /// Fragment.
    pub const FRAGMENT: u8 = 44;
    /// Authentication: it is a class of its own, and leads on too.
    pub const AUTHENTICATION: u8 = 51;
    /// Nothing follows.
    pub const NONE: u8 = 59;
    /// Destination options.
    pub const DESTINATION: u8 = 60;
    /// Mobility.
    pub const MOBILITY: u8 = 135;
    /// Host identity protocol.
    pub const HIP: u8 = 139;
    /// Shim6.
    pub const SHIM6: u8 = 140;
}

/// Most extension headers that are walked (project number, conformance S19).
pub const HEADERS: u32 = 8;
/// Most bytes of them.
pub const CHAIN: u32 = 256;
