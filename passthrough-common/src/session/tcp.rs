//! TCP state from what each direction has shown (RFC 5382 section 5, RFC 7857 section 2).

use crate::abi::Session;
use crate::abi::session::flag;
use crate::abi::settings::Idle;

/// TCP header flags (RFC 9293 section 3.1).
pub mod header {
    /// No more data from the sender.
    pub const FIN: u8 = 0x01;
    /// Synchronise sequence numbers.
    pub const SYN: u8 = 0x02;
    /// Reset the connection.
    pub const RST: u8 = 0x04;
    /// Acknowledgement field is significant.
    pub const ACK: u8 = 0x10;
}

/// How far from what the other end has acknowledged a RST may lie, bytes: the largest unscaled windows in use.
const RESET_WINDOW: u32 = 1 << 20;

/// What a direction has shown after a segment with these header flags. A RST is judged elsewhere ([`resets`]).
#[inline(always)]
pub const fn advance(flags: u8, header: u8) -> u8 {
    if header & header::SYN != 0 {
        // A new connection on the same tuple starts afresh (conformance T14).
        return (flags & !(flag::FIN | flag::RST | flag::USED)) | flag::SYN;
    }
    let fin = if header & header::FIN != 0 { flag::FIN } else { 0 };
    // Data after a RST takes the connection back to ESTABLISHED (RFC 7857 section 2.2).
    (flags & !flag::RST) | flag::USED | fin
}

/// Whether no endpoint sends these flags together (conformance Z12).
#[inline(always)]
pub const fn is_bogus(header: u8) -> bool {
    let both = header::SYN | header::FIN;
    let syn_rst = header::SYN | header::RST;
    header & 0x3f == 0 || header & both == both || header & syn_rst == syn_rst
}

/// Whether a RST with this sequence number belongs to the connection: its other end has acknowledged up to
/// `acknowledged` (0: unknown, then it is believed). RFC 5961 section 3.2, loosely.
pub const fn resets(sequence: u32, acknowledged: u32) -> bool {
    acknowledged == 0 || sequence.wrapping_sub(acknowledged) < RESET_WINDOW
}

/// Which idle time holds, from both halves.
pub fn idle(one: &Session, other: &Session) -> Idle {
    let last = if one.seen.since(other.seen).0 > 0 { one } else { other };
    let both = |flags| one.has(flags) && other.has(flags);
    let reset = last.has(flag::RST) || (one.seen == other.seen && one.has(flag::RST));
    if reset || both(flag::FIN) || !(both(flag::USED) || both(flag::SYN)) {
        Idle::TcpTransitory
    } else {
        Idle::TcpEstablished
    }
}
