//! Look up: the session that a packet belongs to, and what the packet does to it.

use crate::abi::session::flag;
use crate::abi::{Class, Reason, Session, SessionKey, Settings, Space, Switch, Ticks, View};
use crate::proto::{Flow, esp_ike, l2tp, number, progress};
use crate::seam::{Packet, Table, World};
use crate::session::{idle, tcp};
use crate::wire::transport;

/// UDP port of IKE (RFC 7296 section 2).
pub const IKE_PORT: u16 = 500;

/// What a session does to a packet: the part of it that translation needs.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Edit {
    /// New address of the translated end.
    pub address: u32,
    /// New port, identifier, call ID or tunnel ID.
    pub id: u16,
    /// New IPv4 identification.
    pub identification: u16,
    /// [`crate::abi::session::Rewrite`] as a byte.
    pub rewrite: u8,
    /// Class of the session, as a byte.
    pub class: u8,
    /// Whether the inside endpoint is the gateway itself.
    pub own: bool,
    /// Whether the stack has to see the packet, although it is for an inside host.
    pub by_stack: bool,
}

const _: () = assert!(size_of::<Edit>() == 12);

impl Edit {
    /// Before any session is found.
    pub const NONE: Edit =
        Edit { address: 0, id: 0, identification: 0, rewrite: 0, class: 0, own: false, by_stack: false };
}

/// What the look-up found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Found {
    /// A live session, which has now seen this packet.
    Session,
    /// A session that must be renewed first.
    Stale,
    /// A session whose switch is off.
    SwitchedOff,
    /// None.
    Nothing,
}

/// Whether an IKE packet goes by initiator SPI because port 500 is kept.
#[inline(always)]
pub fn keeps_ike_port<W: World>(world: &W, flow: &Flow, outbound: bool) -> bool {
    let near = if outbound { flow.source_port() } else { flow.destination_port() };
    flow.class == Class::Ike && near == IKE_PORT && world.settings().switch(Class::Ike) == Switch::Full
}

/// The key under which this packet's session is found.
///
/// # Errors
///
/// Why a protocol's own header has none.
#[inline(always)]
pub fn key<P: Packet, W: World>(
    packet: &P,
    flow: &Flow,
    world: &W,
    key: &mut SessionKey,
) -> Result<(), Reason> {
    let (mut space, mut selector) = (Space::Host, 0);
    select(packet, flow, world, &mut space, &mut selector)?;
    *key = key_of(flow, space, selector);
    Ok(())
}

/// The key of a packet whose session is told by this selector.
#[inline(always)]
pub fn key_of(flow: &Flow, space: Space, selector: u32) -> SessionKey {
    let (view, remote, local) = if flow.has(progress::OUTBOUND) {
        (View::Outbound, flow.destination, flow.source)
    } else {
        (View::Inbound, flow.source, flow.destination)
    };
    SessionKey::new(view, remote, local, flow.protocol, space, selector)
}

/// What tells this packet's session, beside addresses and protocol.
///
/// # Errors
///
/// As [`key`].
#[inline(always)]
pub fn select<P: Packet, W: World>(
    packet: &P,
    flow: &Flow,
    world: &W,
    space: &mut Space,
    selector: &mut u32,
) -> Result<(), Reason> {
    let outbound = flow.has(progress::OUTBOUND);
    (*space, *selector) = match flow.space {
        Space::Ports if keeps_ike_port(world, flow, outbound) => {
            (Space::InitiatorSpi, esp_ike::initiator_key(packet, flow)?)
        }
        Space::Ports
            if !outbound && flow.class == Class::L2tp && l2tp::is_kept(flow, world.settings(), false) =>
        {
            (Space::TunnelId, l2tp::tunnel_key(packet, flow)?)
        }
        Space::Ports if outbound => (Space::Ports, flow.selector.rotate_left(16)),
        Space::CallId | Space::GreKey | Space::Spi
            if world.settings().switch(flow.class) == Switch::Plain =>
        {
            (flow.space, 0)
        }
        space => (space, flow.selector),
    };
    Ok(())
}

/// Finds the session and lets it see the packet: time, counters, TCP state.
#[inline(always)]
pub fn session<P: Packet, W: World>(
    packet: &P,
    flow: &Flow,
    world: &W,
    key: &SessionKey,
    edit: &mut Edit,
) -> Found {
    let now = world.now();
    let settings = world.settings();
    let reset = flow.tcp_flags & tcp::header::RST != 0;
    let acknowledged = acknowledged(packet, flow);
    let found = world.sessions().update(
        key,
        #[inline(always)]
        |session| {
            let stale = is_stale(settings, now, session) || (reset && !flow.has(progress::RENEWED));
            if !session.has(flag::OWN) && settings.switch(session.class()) == Switch::Off {
                edit.class = session.class_index();
                return Found::SwitchedOff;
            }
            if stale {
                return Found::Stale;
            }
            note(session, flow, now, acknowledged);
            read_edit(session, flow, edit);
            Found::Session
        },
    );
    found.unwrap_or(Found::Nothing)
}

/// What a TCP segment acknowledges; 0 of anything else.
#[inline(always)]
pub fn acknowledged<P: Packet>(packet: &P, flow: &Flow) -> u32 {
    if flow.tcp_flags & tcp::header::ACK == 0 {
        return 0;
    }
    packet.u32(flow.l4_at + transport::tcp::ACKNOWLEDGEMENT).unwrap_or(0)
}

/// Lets a session see a packet of its own direction: time, counters, TCP state.
#[inline(always)]
pub fn note(session: &mut Session, flow: &Flow, now: Ticks, acknowledged: u32) {
    session.seen = now;
    session.count(flow.length());
    if flow.protocol == number::TCP {
        if flow.tcp_flags & tcp::header::ACK != 0 {
            session.mark = acknowledged;
        }
        if flow.tcp_flags & tcp::header::RST == 0 {
            session.flags = tcp::advance(session.flags, flow.tcp_flags);
        } else if flow.has(progress::RESETS) {
            session.flags |= flag::RST;
        }
    }
}

/// Whether a session must be renewed, or is of a time before its class was switched off.
#[inline(always)]
pub fn is_stale(settings: &Settings, now: Ticks, session: &Session) -> bool {
    let outdated = session.generation != settings.generation(session.class()) && !session.has(flag::OWN);
    outdated || idle::lease_is_over(session, now)
}

/// What a session does to a packet.
#[inline(always)]
pub fn read_edit(session: &Session, flow: &Flow, edit: &mut Edit) {
    edit.address = session.address;
    edit.rewrite = session.rewrite();
    edit.id = session.id;
    edit.identification = flow.identification;
    edit.class = session.class_index();
    edit.own = session.has(flag::OWN);
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::host::Gateway;

    /// Proves: R13.
    #[test]
    fn ike_from_another_port_is_left_to_ordinary_napt() {
        let mut gateway = Gateway::default();
        gateway.settings.switches[Class::Ike as usize] = Switch::Full as u8;
        let flow = |source: u32| Flow { class: Class::Ike, selector: source << 16 | 500, ..Flow::EMPTY };
        assert!(keeps_ike_port(&gateway, &flow(500), true));
        assert!(!keeps_ike_port(&gateway, &flow(5000), true));
        gateway.settings.switches[Class::Ike as usize] = Switch::Plain as u8;
        assert!(
            !keeps_ike_port(&gateway, &flow(500), true),
            "the setting is fixed by configuration, not by load"
        );
    }
}
