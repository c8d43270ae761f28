//! The L2TPv2 header and its AVPs (RFC 2661 sections 3.1 and 4.1): offsets, lengths, types.

/// Bytes of flags, tunnel ID and session ID: the shortest header.
pub const LEAST_LEN: u32 = 6;
/// Bytes of a control message's header, behind which its AVPs start.
pub const CONTROL_LEN: u32 = 12;
/// Where the length field is, if there is one.
pub const LENGTH: u32 = 2;

/// T in the first byte: the message is control, not data.
pub const CONTROL: u8 = 0x80;

/// The first two bytes of a header.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flags(pub u16);

impl Flags {
    const TYPE: u16 = (CONTROL as u16) << 8;
    const LENGTH: u16 = 0x4000;
    const SEQUENCE: u16 = 0x0800;
    const OFFSET: u16 = 0x0200;
    const VERSION: u16 = 0x000f;

    /// 2 for L2TPv2; 1 is L2F, 3 is L2TPv3. It is read before any other flag: theirs mean other things.
    #[inline(always)]
    pub const fn version(self) -> u16 {
        self.0 & Self::VERSION
    }

    /// Whether the message is control, not data (T).
    #[inline(always)]
    pub const fn is_control(self) -> bool {
        self.0 & Self::TYPE != 0
    }

    /// Whether there is a length field (L).
    #[inline(always)]
    pub const fn has_length(self) -> bool {
        self.0 & Self::LENGTH != 0
    }

    /// Whether there are Ns and Nr (S).
    #[inline(always)]
    pub const fn has_sequence(self) -> bool {
        self.0 & Self::SEQUENCE != 0
    }

    /// Whether there is an offset size (O).
    #[inline(always)]
    pub const fn has_offset(self) -> bool {
        self.0 & Self::OFFSET != 0
    }

    /// Where the tunnel ID is.
    #[inline(always)]
    pub const fn tunnel_id(self) -> u32 {
        if self.has_length() { 4 } else { 2 }
    }

    /// Where the offset size is, if there is one: behind the session ID, and behind Ns and Nr.
    #[inline(always)]
    pub const fn offset_size(self) -> u32 {
        self.tunnel_id() + 4 + if self.has_sequence() { 4 } else { 0 }
    }

    /// Bytes of the header, padding behind the offset size not counted.
    #[inline(always)]
    pub const fn header_len(self) -> u32 {
        self.offset_size() + if self.has_offset() { 2 } else { 0 }
    }
}

/// Control message types, the ones that assign a tunnel ID (RFC 2661 section 3.2).
pub mod message {
    /// Start-Control-Connection-Request.
    pub const SCCRQ: u16 = 1;
    /// Start-Control-Connection-Reply.
    pub const SCCRP: u16 = 2;
    /// Stop-Control-Connection-Notification.
    pub const STOP_CCN: u16 = 4;
}

/// Attribute-value pairs of control messages.
pub mod avp {
    /// Bytes before the value: flags and length, vendor, type.
    pub const LEN: u32 = 6;
    /// Bytes of an AVP with a 16-bit value.
    pub const LEN16: u32 = 8;
    /// Bits of the first two bytes that count the AVP's bytes.
    pub const LENGTH: u16 = 0x03ff;
    /// The value is hidden by the tunnel's secret (H).
    pub const HIDDEN: u16 = 0x4000;
    /// Vendor ID of the RFC's own attributes.
    pub const IETF: u16 = 0;
    /// Message Type: the first AVP of every message.
    pub const MESSAGE_TYPE: u16 = 0;
    /// Assigned Tunnel ID.
    pub const ASSIGNED_TUNNEL_ID: u16 = 9;
}
