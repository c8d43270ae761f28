//! TCP (RFC 9293), UDP (RFC 768), ESP (RFC 4303): offsets from the start of the header.

use core::mem::offset_of;

use network_types::tcp::TcpHdr;
use network_types::udp::UdpHdr;

/// Source port, of TCP and UDP alike.
pub const SOURCE_PORT: u32 = offset_of!(UdpHdr, src) as u32;
/// Destination port, of TCP and UDP alike.
pub const DESTINATION_PORT: u32 = offset_of!(UdpHdr, dst) as u32;

/// TCP.
pub mod tcp {
    use super::*;

    /// Bytes of a header without options.
    pub const LEN: u32 = TcpHdr::LEN as u32;
    /// Sequence number.
    pub const SEQUENCE: u32 = offset_of!(TcpHdr, seq) as u32;
    /// Acknowledgement number.
    pub const ACKNOWLEDGEMENT: u32 = offset_of!(TcpHdr, ack_seq) as u32;
    /// Data offset, in its high four bits, in units of 4 bytes.
    pub const DATA_OFFSET: u32 = offset_of!(TcpHdr, _bitfield_1) as u32;
    /// Flags.
    pub const FLAGS: u32 = DATA_OFFSET + 1;
    /// Checksum.
    pub const CHECKSUM: u32 = offset_of!(TcpHdr, check) as u32;
}

/// UDP.
pub mod udp {
    use super::*;

    /// Bytes of the header.
    pub const LEN: u32 = UdpHdr::LEN as u32;
    /// Length of header and data.
    pub const LENGTH: u32 = offset_of!(UdpHdr, len) as u32;
    /// Checksum.
    pub const CHECKSUM: u32 = offset_of!(UdpHdr, check) as u32;
}
