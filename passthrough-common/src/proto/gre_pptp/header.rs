//! The GRE header: what it tells packets apart by, and which headers are refused.

use crate::abi::{Reason, Space};
use crate::proto::Part;
use crate::seam::Packet;
use crate::wire::gre;

/// Selector of a call ID in [`Space::CallId`].
///
/// Call ID 0 is in use (pptpclient and poptop start there), while selector 0 stands for every call of a
/// *plain* switch: so 0 is moved out of the 16 bits, which [`crate::abi::SessionKey::local_id`] undoes.
#[inline(always)]
pub const fn selector(call_id: u16) -> u32 {
    if call_id == 0 { 0x1_0000 } else { call_id as u32 }
}

/// Space and selector of an unfragmented GRE packet whose header is at `at` and which ends at `end`.
///
/// Version 1 goes by call ID, version 0 by key or, without one, by its addresses alone.
///
/// # Errors
///
/// [`Reason::GreMalformed`] for a header that is cut or that RFC 2784, RFC 2890 and RFC 2637 section 4.1
/// forbid.
#[inline(always)]
pub fn parse<P: Packet>(packet: &P, at: u32, end: u32) -> Result<(Space, u32), Reason> {
    parse_part(packet, at, end, Part::Whole)
}

/// As [`parse`], also for a first fragment: there the payload length cannot be held against the packet's.
///
/// # Errors
///
/// As [`parse`].
#[inline(always)]
pub fn parse_part<P: Packet>(packet: &P, at: u32, end: u32, part: Part) -> Result<(Space, u32), Reason> {
    let room = end.saturating_sub(at);
    if room < gre::BASE {
        return Err(Reason::GreMalformed);
    }
    // By words: the fast path has proven them to be there, and reads each by one instruction.
    let word = packet.u32(at).ok_or(Reason::GreMalformed)?;
    let [first, second, ..] = word.to_be_bytes();
    match second & gre::VERSION {
        0 => version_0(packet, at, room, first),
        1 => {
            let header = gre::enhanced_length(first, second);
            if !gre::is_enhanced(first) || word as u16 != gre::PPP || header > room {
                return Err(Reason::GreMalformed);
            }
            let word = packet.u32(at + gre::PAYLOAD_LENGTH).ok_or(Reason::GreMalformed)?;
            let (payload, call_id) = (word >> 16, word as u16);
            if part == Part::Whole && header + payload > room {
                return Err(Reason::GreMalformed);
            }
            Ok((Space::CallId, selector(call_id)))
        }
        _ => Err(Reason::GreMalformed),
    }
}

#[inline(always)]
fn version_0<P: Packet>(packet: &P, at: u32, room: u32, first: u8) -> Result<(Space, u32), Reason> {
    if first & gre::flag::ROUTING != 0 || gre::length(first) > room {
        return Err(Reason::GreMalformed);
    }
    if first & gre::flag::KEY == 0 {
        return Ok((Space::Host, 0));
    }
    let key = packet.u32(at + gre::key_at(first)).ok_or(Reason::GreMalformed)?;
    Ok((Space::GreKey, key))
}
