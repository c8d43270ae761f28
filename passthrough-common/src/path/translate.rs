//! Translate: applies a session's edit to a packet, field by field, each with its checksums.

use crate::abi::Reason;
use crate::abi::session::Rewrite;
use crate::proto::l2tp::tunnel_id_at;
use crate::proto::{Flow, Part, number, progress};
use crate::seam::Packet;
use crate::wire::{checksum, gre, icmp, ipv4, transport};

use super::lookup::Edit;

/// Rewrites the packet. `header` is the delta of what the caller has changed in the IPv4 header beside it, so that its
/// checksum is fixed once.
///
/// # Errors
///
/// [`Reason::Malformed`] if a field lies beyond the frame, which parsing has ruled out.
#[inline(always)]
pub fn apply<P: Packet>(packet: &mut P, flow: &Flow, edit: &Edit, header: u32) -> Result<(), Reason> {
    let (field, before) = if flow.has(progress::OUTBOUND) {
        (ipv4::SOURCE, flow.source)
    } else {
        (ipv4::DESTINATION, flow.destination)
    };
    let pseudo = checksum::delta32(before, edit.address);
    let header = pseudo + header + identification(packet, flow, edit.identification)?;
    if !packet.store(flow.ip_at + field, edit.address.to_be_bytes()) {
        return Err(Reason::Malformed);
    }
    packet.fix_header_checksum(flow.ip_at + ipv4::CHECKSUM, header);
    if flow.part == Part::Later {
        return Ok(());
    }
    let segment = identifier(packet, flow, edit)?;
    let at = flow.l4_at;
    match flow.protocol {
        number::TCP => {
            packet.fix_transport_checksum(at + transport::tcp::CHECKSUM, pseudo, segment, false);
        }
        number::UDP => {
            packet.fix_transport_checksum(at + transport::udp::CHECKSUM, pseudo, segment, true);
        }
        // ICMP has no pseudo header (RFC 792).
        number::ICMP => packet.fix_transport_checksum(at + icmp::CHECKSUM, 0, segment, false),
        _ => {}
    }
    Ok(())
}

/// Rewrites the port, identifier, call ID or tunnel ID; what that changes in the transport checksum.
#[inline(always)]
fn identifier<P: Packet>(packet: &mut P, flow: &Flow, edit: &Edit) -> Result<u32, Reason> {
    let at = flow.l4_at;
    match edit.rewrite {
        rewrite if rewrite == Rewrite::Port as u8 => {
            if flow.has(progress::OUTBOUND) {
                replace(packet, at + transport::SOURCE_PORT, flow.source_port(), edit.id)
            } else {
                replace(packet, at + transport::DESTINATION_PORT, flow.destination_port(), edit.id)
            }
        }
        rewrite if rewrite == Rewrite::Identifier as u8 => {
            replace(packet, at + icmp::IDENTIFIER, flow.selector as u16, edit.id)
        }
        rewrite if rewrite == Rewrite::CallId as u8 => {
            // Outside every checksum.
            replace(packet, at + gre::CALL_ID, flow.selector as u16, edit.id)
        }
        rewrite if rewrite == Rewrite::TunnelId as u8 => {
            let Some(at) = tunnel_id_at(packet, at + transport::udp::LEN) else {
                return Err(Reason::Malformed);
            };
            let before = packet.u16(at).unwrap_or(0);
            replace(packet, at, before, edit.id)
        }
        _ => Ok(0),
    }
}

/// Replaces a 16-bit field; its delta.
#[inline(always)]
fn replace<P: Packet>(packet: &mut P, at: u32, before: u16, after: u16) -> Result<u32, Reason> {
    if packet.store(at, after.to_be_bytes()) {
        Ok(checksum::delta16(before, after))
    } else {
        Err(Reason::Malformed)
    }
}

/// Rewrites the identification of a fragment that another datagram of the same two ends already has; its delta.
#[inline(always)]
fn identification<P: Packet>(packet: &mut P, flow: &Flow, identification: u16) -> Result<u32, Reason> {
    if identification == flow.identification {
        return Ok(0);
    }
    replace(packet, flow.ip_at + ipv4::IDENTIFICATION, flow.identification, identification)
}
