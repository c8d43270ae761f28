//! Halves of sessions in the table and out again, counted for their inside host: both of a session or neither, and those that
//! live alone.

use crate::abi::session::{Rewrite, flag};
use crate::abi::{
    BindingKey, Class, Direction, Epoch, Event, Reason, Session, SessionKey, Settings, Share, Ticks, View,
};
use crate::seam::{Refused, Table, World};
use crate::session::{idle, pair};

use super::{endpoint, gre_pptp, hosts};

/// A half of a session as it starts: its rewrite to this address and identifier.
#[inline(always)]
pub fn half(
    settings: &Settings,
    now: Ticks,
    class: Class,
    rewrite: Rewrite,
    to: (u32, u16),
    flags: u8,
) -> Session {
    let mut half = Session::new(class, rewrite, to, flags);
    half.seen = now;
    half.renewed = now.coarse();
    half.exit = Epoch::of(settings, now).unasked();
    half.generation = settings.generation(class);
    half
}

/// A session that is to be: both keys, and what turns one end into the other.
#[derive(Clone, Copy)]
pub struct Pair {
    /// Under which its outbound packets find it.
    pub outbound: SessionKey,
    /// Under which its inbound packets find it.
    pub inbound: SessionKey,
    /// Inside address and port or identifier.
    pub inside: (u32, u16),
    /// The same as the outside sees it.
    pub outside: (u32, u16),
    /// Its class.
    pub class: Class,
    /// Which field is rewritten beside the address.
    pub rewrite: Rewrite,
    /// Bits of [`flag`].
    pub flags: u8,
}

/// Puts both halves into the table: the inbound one first, since it is the one that must be unique.
///
/// What is over but still there counts as a conflict here. Where ports tell sessions apart that cannot be another
/// host's: the binding keeps the port for as long. Elsewhere the caller clears the place first ([`remove_if_over`]).
///
/// # Errors
///
/// `conflict` if the inbound key is another session's; [`Reason::Contended`] if the outbound key was taken
/// meanwhile; [`Reason::TableFull`]; those of [`hosts::take`]. Nothing stays behind.
#[inline(always)]
pub fn insert<W: World>(world: &W, pair: &Pair, conflict: Reason) -> Result<(), Reason> {
    hosts::charge(
        world,
        hosts::payer(pair.flags, pair.inside.0),
        2,
        #[inline(always)]
        || {
            put(world, pair, Direction::Inbound, conflict)?;
            let result = put(world, pair, Direction::Outbound, Reason::Contended);
            if result.is_err() {
                world.sessions().remove(&pair.inbound);
                return result;
            }
            world.event(Event::SessionOpened);
            Ok(())
        },
    )
}

/// Puts one half into the table. It is made here, since two of them at once are too much for the BPF stack.
#[inline(never)]
fn put<W: World>(world: &W, pair: &Pair, direction: Direction, conflict: Reason) -> Result<(), Reason> {
    let (settings, now) = (world.settings(), world.now());
    let (key, to) = match direction {
        Direction::Outbound => (&pair.outbound, pair.outside),
        Direction::Inbound => (&pair.inbound, pair.inside),
    };
    let half = half(settings, now, pair.class, pair.rewrite, to, pair.flags);
    into_table(world, key, &half, conflict)
}

/// Puts a half, which is counted already, where none is.
///
/// # Errors
///
/// `conflict` if there is one, [`Reason::TableFull`].
#[inline(always)]
pub fn into_table<W: World>(
    world: &W,
    key: &SessionKey,
    half: &Session,
    conflict: Reason,
) -> Result<(), Reason> {
    match world.sessions().insert(key, half) {
        Ok(()) => Ok(()),
        Err(Refused::Exists) => Err(conflict),
        // Making room is a step of its own (`Step::Reclaim`); the sender's retry will find it.
        Err(Refused::Full) => Err(Reason::TableFull),
    }
}

/// Puts a half that lives alone where none is.
///
/// # Errors
///
/// `conflict` if there is one, [`Reason::TableFull`], those of [`hosts::take`].
#[inline(never)]
pub fn put_alone<W: World>(
    world: &W,
    key: &SessionKey,
    half: &Session,
    conflict: Reason,
) -> Result<(), Reason> {
    hosts::charge(
        world,
        hosts::of(key, half),
        1,
        #[inline(always)]
        || into_table(world, key, half, conflict),
    )
}

/// Removes a half that lives alone. Of several who try at once, one counts.
#[inline(never)]
pub fn remove_alone<W: World>(world: &W, key: &SessionKey) {
    let host = world.sessions().update(key, |half| hosts::of(key, half));
    if world.sessions().remove(key) {
        hosts::give_back(world, host.unwrap_or(hosts::NOBODY), Share::Halves, 1);
    }
}

/// Removes a session whose time is over, both halves; `true` if nothing is there afterwards.
#[inline(never)]
pub fn remove_if_over<W: World>(world: &W, key: &SessionKey) -> bool {
    let Some(session) = world.sessions().get(key) else { return true };
    if !is_over(world, key, &session) {
        return false;
    }
    remove(world, key, &session);
    true
}

/// Whether a session's time is over, looking at its other half and, for enhanced GRE, at its control connection.
#[inline(never)]
pub fn is_over<W: World>(world: &W, key: &SessionKey, session: &Session) -> bool {
    let (settings, now) = (world.settings(), world.now());
    // The other half is judged where it lies: a copy of it is an eighth of the BPF stack.
    let judged = pair::twin(key, session).and_then(|twin| {
        world.sessions().update(&twin, |twin| idle::is_over(settings, now, key, session, Some(twin)))
    });
    judged.unwrap_or_else(|| idle::is_over(settings, now, key, session, None))
        || gre_pptp::call_is_over(world, now, key, session)
}

/// Removes both halves and gives back the binding. Of several who try at once, each counts what it has removed, and the
/// binding goes with the inbound half.
#[inline(never)]
pub fn remove<W: World>(world: &W, key: &SessionKey, session: &Session) {
    let twin = pair::twin(key, session);
    if !world.sessions().remove(key) {
        return;
    }
    let twin_gone = twin.is_some_and(|twin| world.sessions().remove(&twin));
    world.event(Event::SessionClosed);
    hosts::give_back(world, hosts::of(key, session), Share::Halves, 1 + u32::from(twin_gone));
    let outbound = key.view() == View::Outbound;
    if session.has(flag::BOUND) && (twin_gone || !outbound) {
        let (address, id) =
            if outbound { (session.address, session.id) } else { (key.local(), key.local_id()) };
        endpoint::release(world, &BindingKey::new(Direction::Inbound, address, id, key.protocol()));
    }
}
