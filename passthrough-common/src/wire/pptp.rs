//! PPTP control messages (RFC 2637 section 2). Offsets from the start of a message, lengths in bytes.

/// TCP port of the server.
pub const PORT: u16 = 1723;
/// Length of the header that every message has.
pub const HEADER: u32 = 12;
/// The longest message that is believed; the longest of RFC 2637 has 220 bytes.
pub const LONGEST: u32 = 1024;
/// PPTP message type: control.
pub const CONTROL: u16 = 1;
/// The magic cookie.
pub const MAGIC: u32 = 0x1a2b_3c4d;
/// Offset of the call ID, and in messages without one of its own, of the peer's call ID.
pub const CALL_ID: u32 = 12;
/// Offset of the peer's call ID where both are there.
pub const PEER_CALL_ID: u32 = 14;
/// Offset of the result code of both call replies.
pub const RESULT: u32 = 16;
/// Result code of both call replies: connected.
pub const CONNECTED: u8 = 1;

/// Control message types.
pub mod kind {
    /// Stop-Control-Connection-Request.
    pub const STOP_REQUEST: u16 = 3;
    /// Stop-Control-Connection-Reply.
    pub const STOP_REPLY: u16 = 4;
    /// Outgoing-Call-Request.
    pub const OUTGOING_CALL_REQUEST: u16 = 7;
    /// Outgoing-Call-Reply.
    pub const OUTGOING_CALL_REPLY: u16 = 8;
    /// Incoming-Call-Request.
    pub const INCOMING_CALL_REQUEST: u16 = 9;
    /// Incoming-Call-Reply.
    pub const INCOMING_CALL_REPLY: u16 = 10;
    /// Incoming-Call-Connected.
    pub const INCOMING_CALL_CONNECTED: u16 = 11;
    /// Call-Clear-Request.
    pub const CALL_CLEAR_REQUEST: u16 = 12;
    /// Call-Disconnect-Notify.
    pub const CALL_DISCONNECT_NOTIFY: u16 = 13;
    /// WAN-Error-Notify.
    pub const WAN_ERROR_NOTIFY: u16 = 14;
    /// Set-Link-Info.
    pub const SET_LINK_INFO: u16 = 15;
}

/// Length of a message of this control type; the header's for types that RFC 2637 does not know.
pub const fn length(kind: u16) -> u32 {
    match kind {
        1 | 2 => 156,
        3..=5 | 12 => 16,
        6 => 20,
        7 => 168,
        8 => 32,
        9 => 220,
        10 | 15 => 24,
        11 => 28,
        13 => 148,
        14 => 40,
        _ => HEADER,
    }
}
