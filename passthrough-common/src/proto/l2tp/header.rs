//! The L2TPv2 header of a message in UDP: what it says, once it contradicts nothing.

use crate::abi::Reason;
use crate::proto::{Flow, Part};
use crate::seam::Packet;
use crate::wire::l2tp::{CONTROL_LEN, Flags, LEAST_LEN, LENGTH};
use crate::wire::transport;

/// A header, and where its message is in the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// What is where.
    pub flags: Flags,
    /// The tunnel ID that the receiver assigned; 0 while the sender knows none.
    pub tunnel: u16,
    /// Where it starts.
    pub at: u32,
    /// Where the message ends.
    pub end: u32,
}

/// Reads the header behind a packet's UDP header. Lengths that lie beyond a first fragment are believed.
///
/// # Errors
///
/// [`Reason::L2tpMalformed`]: cut, contradicting itself, or of another version.
#[inline(always)]
pub fn read<P: Packet>(packet: &P, flow: &Flow) -> Result<Header, Reason> {
    const MALFORMED: Reason = Reason::L2tpMalformed;
    let at = flow.l4_at + transport::udp::LEN;
    if at + LEAST_LEN > flow.end {
        return Err(MALFORMED);
    }
    let flags = Flags(packet.u16(at).ok_or(MALFORMED)?);
    // Control is always 0xC802: with length and sequence numbers, without offset (RFC 2661 section 3.1).
    let is_odd_control =
        flags.is_control() && !(flags.has_length() && flags.has_sequence() && !flags.has_offset());
    let room = flow.end - at;
    if flags.version() != 2 || is_odd_control || flags.header_len() > room {
        return Err(MALFORMED);
    }
    let mut length = room;
    if flags.has_length() {
        length = u32::from(packet.u16(at + LENGTH).ok_or(MALFORMED)?);
        let least = if flags.is_control() { CONTROL_LEN } else { flags.header_len() };
        if length < least || (length > room && flow.part == Part::Whole) {
            return Err(MALFORMED);
        }
    }
    if flags.has_offset() {
        let size = u32::from(packet.u16(at + flags.offset_size()).ok_or(MALFORMED)?);
        if flags.header_len() + size > length && flow.part == Part::Whole {
            return Err(MALFORMED);
        }
    }
    let tunnel = packet.u16(at + flags.tunnel_id()).ok_or(MALFORMED)?;
    Ok(Header { flags, tunnel, at, end: at + if length < room { length } else { room } })
}
