//! From one half of a session to the key of the other.

use crate::abi::session::Rewrite;
use crate::abi::{Class, Session, SessionKey, Space, View};

/// UDP port of L2TP (RFC 2661 section 8.1).
pub const L2TP_PORT: u16 = 1701;

/// The inside host of an entry of the session table.
#[inline(always)]
pub const fn inside(key: &SessionKey, session: &Session) -> u32 {
    match key.view() {
        View::Outbound | View::QuotedInside | View::Held => key.local(),
        View::Inbound | View::Quoted | View::Permit | View::Taken => session.address,
    }
}

/// Key of the other half. `None` for halves that live alone: ESP, whose two SPIs nobody pairs, permits, quotes, and a
/// PPTP call whose remote end has not answered yet.
pub fn twin(key: &SessionKey, session: &Session) -> Option<SessionKey> {
    let view = match key.view() {
        View::Outbound => View::Inbound,
        View::Inbound => View::Outbound,
        _ => return None,
    };
    let other = |space, selector| {
        Some(SessionKey::new(view, key.remote(), session.address, key.protocol(), space, selector))
    };
    let ports = |remote_port: u16, local_port: u16| {
        other(Space::Ports, u32::from(remote_port) << 16 | u32::from(local_port))
    };
    match key.space() {
        Space::Ports if keeps_l2tp_port(session) => other(Space::TunnelId, u32::from(session.id)),
        Space::Ports => ports(key.remote_port(), session.id),
        Space::TunnelId => ports(L2TP_PORT, L2TP_PORT),
        Space::Identifier => other(Space::Identifier, u32::from(session.id)),
        // Plain: call ID 0 stands for all (RFC 2637 call IDs are never 0 here).
        Space::CallId if key.selector() == 0 => other(Space::CallId, 0),
        Space::CallId => {
            let id = if view == View::Inbound { session.id } else { session.twin_call() };
            if id == 0 { None } else { other(Space::CallId, u32::from(id)) }
        }
        Space::Spi if key.selector() != 0 => None,
        Space::Host | Space::GreKey | Space::InitiatorSpi | Space::Spi => other(key.space(), key.selector()),
    }
}

/// Whether this outbound half keeps port 1701, so that its other half goes by tunnel ID (held in `id`).
fn keeps_l2tp_port(session: &Session) -> bool {
    session.class() == Class::L2tp && session.rewrite() == Rewrite::Address as u8
}
