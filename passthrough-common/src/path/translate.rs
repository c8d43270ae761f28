//! Translate: applies a session's edit to a packet, field by field, each with its checksums.

use crate::abi::Reason;
use crate::abi::session::Rewrite;
use crate::proto::l2tp::tunnel_id_at;
use crate::proto::{Flow, Part, number, progress};
use crate::seam::Packet;
use crate::wire::{checksum, gre, icmp, ipv4, transport};

use super::lookup::Edit;

/// Rewrites the packet.
///
/// # Errors
///
/// [`Reason::Malformed`] if a field lies beyond the frame, which parsing has ruled out.
#[inline(always)]
pub fn apply<P: Packet>(packet: &mut P, flow: &Flow, edit: &Edit) -> Result<(), Reason> {
    identification(packet, flow, edit.identification)?;
    address(packet, flow, edit.address, edit.address_delta)?;
    if flow.part == Part::Later {
        return Ok(());
    }
    let at = flow.l4_at;
    let outbound = flow.has(progress::OUTBOUND);
    let stored = match edit.rewrite {
        rewrite if rewrite == Rewrite::Port as u8 => {
            let port = if outbound { transport::SOURCE_PORT } else { transport::DESTINATION_PORT };
            packet.store(at + port, edit.id.to_be_bytes())
        }
        rewrite if rewrite == Rewrite::Identifier as u8 => {
            packet.store(at + icmp::IDENTIFIER, edit.id.to_be_bytes())
        }
        rewrite if rewrite == Rewrite::CallId as u8 => packet.store(at + gre::CALL_ID, edit.id.to_be_bytes()),
        rewrite if rewrite == Rewrite::TunnelId as u8 => match tunnel_id_at(packet, at + transport::udp::LEN)
        {
            Some(at) => packet.store(at, edit.id.to_be_bytes()),
            None => false,
        },
        _ => true,
    };
    if !stored {
        return Err(Reason::Malformed);
    }
    match flow.protocol {
        number::TCP => {
            packet.fix_transport_checksum(
                at + transport::tcp::CHECKSUM,
                edit.address_delta,
                edit.id_delta,
                false,
            );
        }
        number::UDP => {
            packet.fix_transport_checksum(
                at + transport::udp::CHECKSUM,
                edit.address_delta,
                edit.id_delta,
                true,
            );
        }
        // ICMP has no pseudo header (RFC 792).
        number::ICMP => packet.fix_transport_checksum(at + icmp::CHECKSUM, 0, edit.id_delta, false),
        _ => {}
    }
    Ok(())
}

/// Rewrites the address of the translated end, and the header checksum.
#[inline(always)]
fn address<P: Packet>(packet: &mut P, flow: &Flow, address: u32, delta: u16) -> Result<(), Reason> {
    let field = if flow.has(progress::OUTBOUND) { ipv4::SOURCE } else { ipv4::DESTINATION };
    if !packet.store(flow.ip_at + field, address.to_be_bytes()) {
        return Err(Reason::Malformed);
    }
    packet.fix_header_checksum(flow.ip_at + ipv4::CHECKSUM, delta);
    Ok(())
}

/// Rewrites the identification of a fragment that another datagram of the same two ends already has.
#[inline(always)]
fn identification<P: Packet>(packet: &mut P, flow: &Flow, identification: u16) -> Result<(), Reason> {
    if identification == flow.identification {
        return Ok(());
    }
    if !packet.store(flow.ip_at + ipv4::IDENTIFICATION, identification.to_be_bytes()) {
        return Err(Reason::Malformed);
    }
    let delta = checksum::delta16(flow.identification, identification);
    packet.fix_header_checksum(flow.ip_at + ipv4::CHECKSUM, delta);
    Ok(())
}
