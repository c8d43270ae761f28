//! The ICMP header (RFC 792, RFC 4884): offsets from its start, types, and which types ask, answer or report.

use core::mem::offset_of;

use network_types::icmp::Icmpv4Hdr;

/// Bytes of the header, of queries and errors alike.
pub const LEN: u32 = size_of::<Icmpv4Hdr>() as u32;
/// Type.
pub const TYPE: u32 = offset_of!(Icmpv4Hdr, type_) as u32;
/// Code.
pub const CODE: u32 = offset_of!(Icmpv4Hdr, code) as u32;
/// Checksum over the whole message; there is no pseudo header.
pub const CHECKSUM: u32 = offset_of!(Icmpv4Hdr, check) as u32;
/// Identifier of a query.
pub const IDENTIFIER: u32 = offset_of!(Icmpv4Hdr, data) as u32;
/// Length of the quoted datagram in units of 4 bytes, where extensions follow it; 0 otherwise (RFC 4884 section 4).
pub const QUOTE_LENGTH: u32 = IDENTIFIER + 1;
/// MTU of the next hop, of [`kind::UNREACHABLE`] with [`FRAGMENTATION_NEEDED`] (RFC 1191 section 4).
pub const MTU: u32 = IDENTIFIER + 2;

/// Code of [`kind::UNREACHABLE`]: nothing takes this protocol.
pub const PROTOCOL_UNREACHABLE: u8 = 2;
/// Code of [`kind::UNREACHABLE`]: nothing takes this port.
pub const PORT_UNREACHABLE: u8 = 3;
/// Code of [`kind::UNREACHABLE`]: too big and not to be fragmented.
pub const FRAGMENTATION_NEEDED: u8 = 4;
/// The least MTU that IPv4 allows (RFC 791 section 3.2).
pub const LEAST_MTU: u16 = 68;

/// Message types (IANA).
pub mod kind {
    /// Echo reply.
    pub const ECHO_REPLY: u8 = 0;
    /// Destination unreachable.
    pub const UNREACHABLE: u8 = 3;
    /// Echo.
    pub const ECHO: u8 = 8;
    /// Time exceeded.
    pub const TIME_EXCEEDED: u8 = 11;
    /// Parameter problem.
    pub const PARAMETER_PROBLEM: u8 = 12;
    /// Timestamp.
    pub const TIMESTAMP: u8 = 13;
    /// Timestamp reply.
    pub const TIMESTAMP_REPLY: u8 = 14;
}

/// Whether messages of this type ask for an answer and carry an identifier.
#[inline(always)]
pub const fn is_request(kind: u8) -> bool {
    matches!(kind, kind::ECHO | kind::TIMESTAMP)
}

/// Whether messages of this type answer a request.
#[inline(always)]
pub const fn is_reply(kind: u8) -> bool {
    matches!(kind, kind::ECHO_REPLY | kind::TIMESTAMP_REPLY)
}

/// Whether messages of this type report on a packet that they quote.
#[inline(always)]
pub const fn is_error(kind: u8) -> bool {
    matches!(kind, kind::UNREACHABLE | kind::TIME_EXCEEDED | kind::PARAMETER_PROBLEM)
}
