//! The session table as ESP and IKE use it: who has a selector, and making room for another who takes it.
//!
//! As `halves`, but for sessions whose end never depends on another protocol's state. What `halves` must ask for the
//! sake of GRE takes half of the stack that the kernel gives a program, and these steps need theirs for the peers.

use crate::abi::session::flag;
use crate::abi::settings::Idle;
use crate::abi::{Class, Event, SessionKey, Share, Space, View};
use crate::proto::{hosts, number};
use crate::seam::{Table, World};

/// The address that a live session translates to; `None` for no session, and for one whose time is over.
#[inline(always)]
pub fn owner<W: World>(world: &W, key: &SessionKey) -> Option<u32> {
    let (settings, now) = (world.settings(), world.now());
    let (class, idle) = match key.space() {
        Space::Spi => (Class::Esp, Idle::Esp),
        _ => (Class::Ike, Idle::Udp),
    };
    let (generation, limit) = (settings.generation(class), settings.idle(idle));
    let (address, fresh) = world.sessions().update(key, |session| {
        let current = session.generation == generation || session.has(flag::OWN);
        (if current { session.address } else { 0 }, now.since(session.seen) <= limit)
    })?;
    if address == 0 {
        return None;
    }
    if fresh {
        return Some(address);
    }
    // Either half's packets keep both alive.
    let twin = twin(key, address)?;
    let fresh = world.sessions().update(&twin, |twin| now.since(twin.seen) <= limit)?;
    fresh.then_some(address)
}

/// Key of the other half of an IKE session that translates to `address`. The halves of ESP live alone.
#[inline(always)]
fn twin(key: &SessionKey, address: u32) -> Option<SessionKey> {
    let view = match (key.space(), key.view()) {
        (Space::InitiatorSpi, View::Outbound) => View::Inbound,
        (Space::InitiatorSpi, View::Inbound) => View::Outbound,
        _ => return None,
    };
    Some(SessionKey::new(view, key.remote(), address, number::UDP, Space::InitiatorSpi, key.selector()))
}

/// As [`owner`]; a session whose time is over is removed, so that its host is not charged for it beside the next.
#[inline(never)]
pub fn clear<W: World>(world: &W, key: &SessionKey) -> Option<u32> {
    let owner = owner(world, key);
    if owner.is_none() {
        remove(world, key);
    }
    owner
}

/// Removes a session, both halves if it has two. Of several who try at once, one counts.
#[inline(always)]
pub fn remove<W: World>(world: &W, key: &SessionKey) {
    let found = world.sessions().update(key, |session| (session.address, hosts::of(key, session)));
    let Some((address, host)) = found else { return };
    if !world.sessions().remove(key) {
        return;
    }
    let twin_gone = twin(key, address).is_some_and(|twin| world.sessions().remove(&twin));
    hosts::give_back(world, host, Share::Halves, 1 + u32::from(twin_gone));
    world.event(Event::SessionClosed);
}
