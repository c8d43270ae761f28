//! Forward: sends a packet on by the way that the routing table gives, or leaves it to the stack.
//!
//! Packets of existing sessions skip the stack: its connection tracking does not see what the fast path moves, and
//! would call what it sees in between invalid. Only what the kernel must answer goes through it: TTL, MTU, options.

use crate::abi::Reason;
use crate::abi::settings::option;
use crate::proto::Flow;
use crate::seam::{Hop, Packet, Towards, World};
use crate::wire::ipv4;

use super::Verdict;

/// Sends the packet from `source` to `destination`, its addresses now, out towards the side wanted, by the way that is
/// put into `hop`. `otherwise` is the verdict if the stack has to do it.
#[inline(always)]
pub fn send<P: Packet, W: World>(
    packet: &mut P,
    flow: &Flow,
    world: &W,
    path: &Path,
    hop: &mut Hop,
) -> Verdict {
    if flow.options || flow.ttl <= 1 || world.settings().has(option::NO_REDIRECT) {
        return path.otherwise;
    }
    let ifindex = world.arrival().ifindex;
    let route = world.route(ifindex, path.source, path.destination, flow.tos, flow.length() as u16);
    if route.towards != path.towards {
        return path.otherwise;
    }
    *hop = route.hop;
    Verdict::or_drop(decrement_ttl(packet, flow), Verdict::REDIRECT)
}

/// Where a packet is to be sent.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Path {
    /// Its source address now.
    pub source: u32,
    /// Its destination address now.
    pub destination: u32,
    /// The side on which it must leave.
    pub towards: Towards,
    /// The verdict if the stack has to send it.
    pub otherwise: Verdict,
}

/// Takes one from the time to live (RFC 1812 section 5.3.1).
///
/// # Errors
///
/// [`Reason::Malformed`] if it lies beyond the frame, which parsing has ruled out.
#[inline(always)]
pub fn decrement_ttl<P: Packet>(packet: &mut P, flow: &Flow) -> Result<(), Reason> {
    if !count_hop(packet, flow) {
        return Err(Reason::Malformed);
    }
    packet.fix_header_checksum(flow.ip_at + ipv4::CHECKSUM, HOP);
    Ok(())
}

/// The delta of one hop: the time to live is the high byte of its word, and `~m + (m - 0x100)` is the same for every `m`.
pub const HOP: u32 = 0xfeff;

/// Takes one from the time to live, and leaves the header's checksum to the caller, by [`HOP`]. `false` if it lies beyond
/// the frame.
#[inline(always)]
pub fn count_hop<P: Packet>(packet: &mut P, flow: &Flow) -> bool {
    let at = flow.ip_at + ipv4::TTL;
    let Some(word) = packet.u16(at) else { return false };
    packet.store(at, word.wrapping_sub(0x100).to_be_bytes())
}
