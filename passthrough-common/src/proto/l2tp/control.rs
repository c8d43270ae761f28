//! Control messages: the tunnel ID that a message assigns, found among its AVPs (RFC 2661 sections 4.1 and 4.4.3).
//!
//! It is walked to once to be read and once more to be replaced: an offset that was kept in between would make the
//! verifier follow all that happens meanwhile once for each AVP that it may be in.

use super::header::Header;
use crate::abi::Reason;
use crate::seam::Packet;
use crate::wire::l2tp::{CONTROL_LEN, avp, message};
use crate::wire::{checksum, transport};

/// Most AVPs that are walked. An SCCRQ has up to twelve.
const MOST: u32 = 16;

/// More than any offset in a frame: IPv4's largest packet and its link header.
const FRAME: u32 = 0x1_ffff;

/// What a control message assigns to its sender's end of the tunnel: one word, for the verifier's sake.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Assigned(u32);

impl Assigned {
    /// Nothing: it is not of a type that does.
    pub const NOTHING: Assigned = Assigned(0);
    /// A tunnel ID that only the peer can read.
    pub const HIDDEN: Assigned = Assigned(1 << 16);
    /// The message contradicts itself.
    pub const MALFORMED: Assigned = Assigned(2 << 16);

    /// The tunnel ID; 0 if there is none to be read.
    #[inline(always)]
    pub const fn id(self) -> u16 {
        self.0 as u16
    }
}

/// One AVP.
#[derive(Clone, Copy)]
struct Avp {
    flags: u16,
    vendor: u16,
    kind: u16,
    length: u32,
}

impl Avp {
    /// The AVP at `at`; `None` if it is cut, or shorter than its own head.
    #[inline(always)]
    fn read<P: Packet>(packet: &P, at: u32, end: u32) -> Option<Avp> {
        let [flags_high, flags_low, vendor_high, vendor_low, kind_high, kind_low] = packet.load::<6>(at)?;
        let flags = u16::from_be_bytes([flags_high, flags_low]);
        let length = u32::from(flags & avp::LENGTH);
        if length < avp::LEN || at + length > end {
            return None;
        }
        let vendor = u16::from_be_bytes([vendor_high, vendor_low]);
        Some(Avp { flags, vendor, kind: u16::from_be_bytes([kind_high, kind_low]), length })
    }

    #[inline(always)]
    const fn is(&self, kind: u16) -> bool {
        self.vendor == avp::IETF && self.kind == kind
    }

    #[inline(always)]
    const fn is_hidden(&self) -> bool {
        self.flags & avp::HIDDEN != 0
    }

    /// Whether it is an AVP of the RFC's with a 16-bit value that can be read.
    #[inline(always)]
    const fn is_open16(&self, kind: u16) -> bool {
        self.is(kind) && !self.is_hidden() && self.length == avp::LEN16
    }
}

/// Where a message's AVPs start and where they end, masked to more than any frame has. To the verifier these are new
/// numbers: what the walk learns of the header's own would stay known after it, different for each AVP that ends it.
#[inline(always)]
const fn ends(header: &Header) -> (u32, u32) {
    ((header.at & FRAME) + CONTROL_LEN, header.end & FRAME)
}

/// What a message assigns. [`Assigned::MALFORMED`] for an AVP that is cut or shorter than its own head, a first AVP that is
/// not the message type, an SCCRQ or SCCRP that assigns nothing, an ID of 0 (conformance Z58).
#[inline(never)]
pub fn assigned<P: Packet>(packet: &P, header: &Header) -> Assigned {
    let (mut at, end) = ends(header);
    if at >= end {
        // A message without any AVP acknowledges only (RFC 2661 section 5.8).
        return Assigned::NOTHING;
    }
    let Some(first) = Avp::read(packet, at, end) else { return Assigned::MALFORMED };
    let message = packet.u16(at + avp::LEN).unwrap_or(0);
    if !first.is_open16(avp::MESSAGE_TYPE) {
        return Assigned::MALFORMED;
    }
    let assigns = matches!(message, message::SCCRQ | message::SCCRP | message::STOP_CCN);
    let must_assign = assigns && message != message::STOP_CCN;
    at += first.length;
    let mut index = 1;
    while index < MOST && at < end {
        let Some(avp) = Avp::read(packet, at, end) else { return Assigned::MALFORMED };
        if assigns && avp.is(avp::ASSIGNED_TUNNEL_ID) {
            // What follows is not walked: each AVP more would double the verifier's paths.
            if avp.is_hidden() {
                return Assigned::HIDDEN;
            }
            let id = packet.u16(at + avp::LEN).unwrap_or(0);
            return if avp.length == avp::LEN16 && id != 0 {
                Assigned(u32::from(id))
            } else {
                Assigned::MALFORMED
            };
        }
        at += avp.length;
        index += 1;
    }
    if must_assign { Assigned::MALFORMED } else { Assigned::NOTHING }
}

/// Replaces the tunnel ID that a message assigns, and fixes the UDP checksum. Tunnel authentication does not cover the ID
/// (RFC 2661 section 4.4.3).
///
/// # Errors
///
/// [`Reason::L2tpMalformed`] if it is not found, which [`assigned`] has ruled out.
#[inline(never)]
pub fn reassign<P: Packet>(packet: &mut P, header: &Header, from: u16, to: u16) -> Result<(), Reason> {
    let udp_at = header.at - transport::udp::LEN;
    let (mut at, end) = ends(header);
    let mut index = 0;
    while index < MOST {
        let Some(avp) = Avp::read(packet, at, end) else { break };
        if avp.is_open16(avp::ASSIGNED_TUNNEL_ID) {
            let value_at = at + avp::LEN;
            if !packet.store(value_at, to.to_be_bytes()) {
                break;
            }
            // AVPs before this one may have any length: its value may lie at an odd offset (RFC 1071 section 2 B).
            let delta = checksum::at_parity(checksum::delta16(from, to), value_at - udp_at);
            packet.fix_transport_checksum(udp_at + transport::udp::CHECKSUM, 0, delta, true);
            return Ok(());
        }
        at += avp.length;
        index += 1;
    }
    Err(Reason::L2tpMalformed)
}
