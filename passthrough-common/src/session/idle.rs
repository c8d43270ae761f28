//! How long a session may be silent.

use crate::abi::settings::Idle;
use crate::abi::{Class, Session, SessionKey, Settings, Ticks};

use super::tcp;

/// For how long a packet needs no look at binding, parent and the other half. Shorter than every idle time that can
/// be set but that of a disconnected call, whose lease is cut short.
pub const LEASE: Ticks = Ticks::from_secs(16);

/// Which idle time holds for the session found under `key`; `twin` is its other half, if it has one.
pub fn kind(key: &SessionKey, session: &Session, twin: Option<&Session>) -> Idle {
    match key.protocol() {
        6 => twin.map_or(Idle::TcpTransitory, |twin| tcp::idle(session, twin)),
        17 => Idle::Udp,
        1 => Idle::Icmp,
        50 => Idle::Esp,
        _ => Idle::Generic,
    }
}

/// Whether the session has been silent for too long, or its switch has been off since it was made.
///
/// Either half's packets keep both alive (RFC 4787 REQ-6 lets inbound packets refresh). Enhanced GRE lives as long as
/// its control connection (conformance P10), which is for `proto` to judge: here it never idles out.
pub fn is_over(
    settings: &Settings,
    now: Ticks,
    key: &SessionKey,
    session: &Session,
    twin: Option<&Session>,
) -> bool {
    let class = session.class();
    if session.generation != settings.generation(class) && !session.has(crate::abi::session::flag::OWN) {
        return true;
    }
    if class == Class::Pptp && key.protocol() == 47 {
        return false;
    }
    let limit = settings.idle(kind(key, session, twin));
    let quiet = |session: &Session| now.since(session.seen) > limit;
    quiet(session) && twin.is_none_or(quiet)
}
