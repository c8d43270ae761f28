//! GRE headers: version 0 (RFC 2784, RFC 2890) and version 1, enhanced (RFC 2637 section 4.1). Offsets from
//! its start.

/// Bits of the first byte.
pub mod flag {
    /// C: a checksum and a reserved word follow.
    pub const CHECKSUM: u8 = 0x80;
    /// R: source routes follow (RFC 1701 only).
    pub const ROUTING: u8 = 0x40;
    /// K: a key follows; in version 1, payload length and call ID.
    pub const KEY: u8 = 0x20;
    /// S: a sequence number follows.
    pub const SEQUENCE: u8 = 0x10;
}

/// A, a bit of the second byte: an acknowledgement number follows (version 1 only).
pub const ACKNOWLEDGEMENT: u8 = 0x80;
/// The version, in the second byte.
pub const VERSION: u8 = 0x07;
/// The only protocol type of version 1: PPP.
pub const PPP: u16 = 0x880b;

/// Length of flags and, in its last two bytes, protocol type.
pub const BASE: u32 = 4;
/// Version 1: offset of the payload length, in bytes.
pub const PAYLOAD_LENGTH: u32 = 4;
/// Version 1: offset of the call ID. No checksum covers it.
pub const CALL_ID: u32 = 6;

const fn word_if(bits: u8, bit: u8) -> u32 {
    if bits & bit != 0 { 4 } else { 0 }
}

/// Version 0: offset of the key, if the first byte has [`flag::KEY`].
pub const fn key_at(first: u8) -> u32 {
    BASE + word_if(first, flag::CHECKSUM)
}

/// Version 0: length of the header with this first byte, without source routes.
pub const fn length(first: u8) -> u32 {
    key_at(first) + word_if(first, flag::KEY) + word_if(first, flag::SEQUENCE)
}

/// Version 1: length of the header with these first two bytes.
pub const fn enhanced_length(first: u8, second: u8) -> u32 {
    BASE + 4 + word_if(first, flag::SEQUENCE) + word_if(second, ACKNOWLEDGEMENT)
}

/// Version 1: whether the first byte has K and none of C, R, s and recursion (RFC 2637 section 4.1).
pub const fn is_enhanced(first: u8) -> bool {
    first & !flag::SEQUENCE == flag::KEY
}
