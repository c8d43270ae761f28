//! When the session of an enhanced GRE packet is over: with its call, which ends with its control connection.

use crate::abi::session::flag;
use crate::abi::settings::Idle;
use crate::abi::{Class, Session, SessionKey, Space, Ticks, View};
use crate::proto::number;
use crate::seam::{Table, World};
use crate::session::{idle, pair};

use super::line::Line;
use super::stream::state;

/// Whether an enhanced GRE session's call has ended; `false` for every other session.
///
/// GRE itself neither keeps a call alive nor lets one end by silence (conformance P10): what counts is the
/// control connection. A call that was disconnected ends with its lease. Under a *plain* switch there are no
/// calls, and the session ends as any that has only addresses.
#[inline(always)]
pub fn call_is_over<W: World>(world: &W, now: Ticks, key: &SessionKey, session: &Session) -> bool {
    let is_call =
        key.protocol() == number::GRE && key.space() == Space::CallId && session.class() == Class::Pptp;
    if !is_call {
        return false;
    }
    if key.selector() == 0 {
        let limit = world.settings().idle[Idle::Generic as usize];
        let twin = pair::twin(key, session);
        let seen = twin.and_then(|twin| world.sessions().update(&twin, |twin| twin.seen));
        return now.since(session.seen) > limit && seen.is_none_or(|seen| now.since(seen) > limit);
    }
    if session.has(flag::FIN) {
        return idle::lease_is_over(session, now);
    }
    control_is_over(world, now, &Line::of_call(key, session))
}

/// Whether a control connection has no session any more, or has lost its framing. `key` is its outbound key.
///
/// Of the idle times only that of an established connection matters: one that opens has no calls, and one
/// that closes has ended them. What is read of a session is taken from where it lies: copies are too much for
/// the kernel's stack, on which this stands far down.
#[inline(always)]
pub fn control_is_over<W: World>(world: &W, now: Ticks, key: &SessionKey) -> bool {
    let lost = world.controls().update(key, |control| {
        control.streams[0].state == state::LOST || control.streams[1].state == state::LOST
    });
    if lost.unwrap_or(true) {
        return true;
    }
    let settings = world.settings();
    let limit = settings.idle[Idle::TcpEstablished as usize];
    let remote = (key.remote(), key.remote_port());
    let outbound = world.sessions().update(key, |session| {
        let class = session.class();
        let outdated = session.generation != settings.generation(class) && !session.has(flag::OWN);
        let other = SessionKey::ports(View::Inbound, remote, (session.address, session.id), number::TCP);
        (outdated, now.since(session.seen) > limit, other)
    });
    match outbound {
        Some((false, true, other)) => {
            let quiet = world.sessions().update(&other, |session| now.since(session.seen) > limit);
            quiet.unwrap_or(true)
        }
        Some((outdated, _, _)) => outdated,
        None => true,
    }
}
