//! Both halves of a session in the table, or neither; and both out again.

use crate::abi::session::{Rewrite, flag};
use crate::abi::{BindingKey, Class, Direction, Event, Reason, Session, SessionKey, Settings, Ticks};
use crate::seam::{Bindings, Refused, Table, World};
use crate::session::{idle, pair};
use crate::wire::checksum;

use super::gre_pptp;

/// A half of a session as it starts: its rewrite towards `address` and `id`, from what the packet shows.
///
/// `from` is the address and identifier that are replaced.
#[inline(always)]
pub fn half(
    settings: &Settings,
    now: Ticks,
    class: Class,
    rewrite: Rewrite,
    from: (u32, u16),
    to: (u32, u16),
    flags: u8,
) -> Session {
    let id_delta = match rewrite {
        Rewrite::Port | Rewrite::Identifier | Rewrite::TunnelId => checksum::delta16(from.1, to.1),
        Rewrite::Address | Rewrite::CallId => 0,
    };
    Session {
        packets: 0,
        bytes: 0,
        address: to.0,
        seen: now,
        opened: now,
        lease: now.plus(idle::LEASE),
        mark: 0,
        address_delta: checksum::delta32(from.0, to.0),
        id_delta,
        id: to.1,
        generation: settings.generation(class),
        class: class as u8,
        rewrite: rewrite as u8,
        flags,
        reserved: 0,
    }
}

/// Puts both halves into the table: the inbound one first, since it is the one that must be unique.
///
/// # Errors
///
/// `conflict` if the inbound key is another live session's; [`Reason::Contended`] if the outbound key was taken
/// meanwhile; [`Reason::TableFull`]. Nothing stays behind.
pub fn insert<W: World>(
    world: &W,
    outbound: (&SessionKey, &Session),
    inbound: (&SessionKey, &Session),
    conflict: Reason,
) -> Result<(), Reason> {
    insert_one(world, inbound, conflict)?;
    if let Err(reason) = insert_one(world, outbound, Reason::Contended) {
        world.sessions().remove(inbound.0);
        return Err(reason);
    }
    world.event(Event::SessionOpened);
    Ok(())
}

/// Puts one half into the table, in the place of one that is over if need be.
///
/// # Errors
///
/// `conflict` if a live session has this key; [`Reason::TableFull`].
#[inline(never)]
pub fn insert_one<W: World>(world: &W, half: (&SessionKey, &Session), conflict: Reason) -> Result<(), Reason> {
    let (key, session) = half;
    match world.sessions().insert(key, session) {
        Ok(()) => return Ok(()),
        Err(Refused::Exists) => {
            if !remove_if_over(world, key) {
                return Err(conflict);
            }
        }
        Err(Refused::Full) => {
            if !world.reclaim() {
                return Err(Reason::TableFull);
            }
        }
    }
    match world.sessions().insert(key, session) {
        Ok(()) => Ok(()),
        Err(Refused::Exists) => Err(conflict),
        Err(Refused::Full) => Err(Reason::TableFull),
    }
}

/// Removes a session whose time is over, both halves; `true` if nothing is there afterwards.
pub fn remove_if_over<W: World>(world: &W, key: &SessionKey) -> bool {
    let Some(session) = world.sessions().get(key) else { return true };
    if !is_over(world, key, &session) {
        return false;
    }
    remove(world, key, &session);
    true
}

/// Whether a session's time is over, looking at its other half and, for enhanced GRE, at its control connection.
pub fn is_over<W: World>(world: &W, key: &SessionKey, session: &Session) -> bool {
    let now = world.now();
    let twin = pair::twin(key, session).and_then(|twin| world.sessions().get(&twin));
    idle::is_over(world.settings(), now, key, session, twin.as_ref())
        || gre_pptp::call_is_over(world, now, key, session)
}

/// Removes both halves and gives back the binding. Of several who try at once, one counts.
pub fn remove<W: World>(world: &W, key: &SessionKey, session: &Session) {
    let twin = pair::twin(key, session);
    if !world.sessions().remove(key) {
        return;
    }
    if let Some(twin) = twin {
        world.sessions().remove(&twin);
    }
    world.event(Event::SessionClosed);
    if session.has(flag::BOUND) {
        let (address, id) = match key.view() {
            crate::abi::View::Outbound => (key.local(), key.local_id()),
            _ => (session.address, session.id),
        };
        release(world, &BindingKey::new(Direction::Outbound, address, id, key.protocol()));
    }
}

/// Gives back one count of a binding, and removes both its ends with the last.
pub fn release<W: World>(world: &W, inside: &BindingKey) {
    if world.bindings().release(inside) != Some(1) {
        return;
    }
    if let Some(binding) = world.bindings().get(inside) {
        world.bindings().remove(&BindingKey::new(Direction::Inbound, binding.address, binding.id, inside.protocol()));
        world.bindings().remove(inside);
    }
}
