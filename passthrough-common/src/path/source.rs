//! Source: whether a packet comes from where its source address says (RFC 2827).

use crate::abi::Reason;
use crate::abi::settings::option;
use crate::proto::{Flow, progress};
use crate::seam::{Towards, World};
use crate::wire::ipv4;

/// Whether a packet from outside claims a source that it cannot have.
///
/// # Errors
///
/// [`Reason::Spoofed`], [`Reason::Martian`].
#[inline(always)]
pub fn check<W: World>(world: &W, flow: &Flow) -> Result<(), Reason> {
    if flow.has(progress::HAIRPIN) {
        return Ok(());
    }
    let settings = world.settings();
    if settings.is_outside_address(flow.source) {
        return Err(Reason::Spoofed);
    }
    if settings.has(option::DROP_MARTIANS) && ipv4::is_martian(flow.source) {
        return Err(Reason::Martian);
    }
    Ok(())
}

/// Whether a packet may open a session: from inside if its source lies behind the interface that it came by, from
/// outside if its source does not lie inside (conformance Z15).
///
/// # Errors
///
/// [`Reason::Spoofed`].
#[inline(always)]
pub fn may_open<W: World>(world: &W, flow: &Flow, own: bool) -> Result<(), Reason> {
    let spoofed = if flow.has(progress::OUTBOUND) {
        !own && !is_from_inside(world, flow)
    } else {
        !flow.has(progress::HAIRPIN) && is_inside(world, flow)
    };
    if spoofed { Err(Reason::Spoofed) } else { Ok(()) }
}

/// Whether the routing table has the source of a packet from outside behind a LAN interface.
#[inline(always)]
fn is_inside<W: World>(world: &W, flow: &Flow) -> bool {
    let arrival = world.arrival();
    world.route(arrival.ifindex, flow.destination, flow.source, 0, 0).towards == Towards::Inside
}

/// Whether the routing table has the packet's source behind the interface that it came by (conformance Z16).
#[inline(always)]
fn is_from_inside<W: World>(world: &W, flow: &Flow) -> bool {
    let arrival = world.arrival();
    if arrival.side.is_none() && !arrival.foreign {
        // The gateway itself, from another of its addresses.
        return true;
    }
    // Zero unless the route leads out.
    world.route(arrival.ifindex, flow.destination, flow.source, 0, 0).hop.ifindex == arrival.ifindex
}
