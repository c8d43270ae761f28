//! How long a session may be silent.

use crate::abi::settings::Idle;
use crate::abi::{Class, Session, SessionKey, Settings, Ticks};

use super::tcp;

/// For how long a packet needs no look at binding, parent and the other half. Shorter than every idle time that can
/// be set but that of a disconnected call, whose lease is cut short.
pub const LEASE: Ticks = Ticks::from_secs(16);

/// Whether a session's lease is over: nobody has looked at binding, parent and the other half for [`LEASE`].
///
/// Only sessions of some classes hang on more than their other half: those have to be renewed while they are in use.
///
/// What says when that was wraps after 4.6 minutes. A session that has been used within a lease has been renewed within
/// two, and the lease of one that has not ends by its last packet: to renew is to note a packet, too.
#[inline(always)]
pub fn lease_is_over(session: &Session, now: Ticks) -> bool {
    if now.since(session.seen) > LEASE {
        return true;
    }
    // A difference of points is a sign: another processor's clock may have run ahead.
    let held = now.coarse().wrapping_sub(session.renewed) as i8;
    DEPENDENT >> session.class_index() & 1 != 0 && held > LEASE.coarse() as i8
}

/// Classes whose sessions hang on a control connection or on what their server's other clients do: a bit each.
const DEPENDENT: u32 = 1 << Class::Pptp as u32 | 1 << Class::Ike as u32 | 1 << Class::Esp as u32;

/// What [`Session::renewed`] must say for the lease to end `length` from now, half a second sooner or later.
pub const fn lease_that_ends(now: Ticks, length: Ticks) -> u8 {
    now.coarse().wrapping_add(length.coarse()).wrapping_sub(LEASE.coarse())
}

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
