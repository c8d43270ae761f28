//! An inside endpoint's outside endpoint: the binding (RFC 4787 REQ-1: endpoint-independent mapping).

use crate::abi::session::flag;
use crate::abi::{Binding, BindingKey, Class, Direction, Forward, Reason, Settings};
use crate::seam::{Held, Refused, Table, World};
use crate::session::port;

/// What asks for an outside endpoint.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Inside address and port or identifier.
    pub inside: (u32, u16),
    /// The peer of the first packet: a local socket with the same two ends is a conflict.
    pub remote: (u32, u16),
    /// IP protocol number.
    pub protocol: u8,
    /// Class of the session that asks.
    pub class: Class,
    /// Outside ports that are not to be had ([`port::shared`]).
    pub shared: (u16, u16),
    /// Whether the gateway itself asks: its sockets are no conflict, and the ports that clients share are its own.
    pub own: bool,
}

/// The outside endpoint of an inside one, counted for one session more: an existing one or a new one.
///
/// # Errors
///
/// [`Reason::PortsExhausted`] if no candidate was free, [`Reason::TableFull`], [`Reason::Contended`].
pub fn hold<W: World>(world: &W, wish: &Wish) -> Result<(u32, u16), Reason> {
    let outside = outside_address(world, wish.inside.0);
    let found = find(world, wish, outside);
    if found != BindingKey::NONE {
        return match world.bindings().hold(&found) {
            Some(held) if held > 0 => Ok((found.address(), found.id())),
            // Its last session is taking it away at this moment.
            _ => Err(Reason::Contended),
        };
    }
    let mut attempt = 0;
    while attempt < port::TRIES {
        let id = port::candidate(world.settings(), wish.inside.1, attempt, world.random());
        match claim(world, wish, (outside, id)) {
            Ok(()) => return Ok((outside, id)),
            Err(Reason::PortsExhausted) => attempt += 1,
            Err(reason) => return Err(reason),
        }
    }
    Err(Reason::PortsExhausted)
}

/// The binding of an inside endpoint, by its key; [`BindingKey::NONE`] if it has none. Where the port could be kept, it is
/// found at once; else its place is noted.
#[inline(always)]
fn find<W: World>(world: &W, wish: &Wish, outside: u32) -> BindingKey {
    let kept = BindingKey::new(Direction::Inbound, outside, wish.inside.1, wish.protocol);
    let is_ours = world.bindings().update(
        &kept,
        #[inline(always)]
        |binding| (binding.address, binding.id) == wish.inside,
    );
    if is_ours == Some(true) {
        return kept;
    }
    match world.bindings().get(&note_key(wish.inside, wish.protocol)) {
        Some(note) => BindingKey::new(Direction::Inbound, note.address, note.id, wish.protocol),
        None => BindingKey::NONE,
    }
}

/// Under which the binding of this inside endpoint is noted, if its port could not be kept.
#[inline(always)]
fn note_key(inside: (u32, u16), protocol: u8) -> BindingKey {
    BindingKey::new(Direction::Outbound, inside.0, inside.1, protocol)
}

/// Gives back one count of the binding with this outside end, and removes it with the last.
pub fn release<W: World>(world: &W, outside: &BindingKey) {
    if world.bindings().release(outside) != Some(1) {
        return;
    }
    if let Some(binding) = world.bindings().get(outside) {
        if binding.id != outside.id() {
            world.bindings().remove(&note_key((binding.address, binding.id), outside.protocol()));
        }
        world.bindings().remove(outside);
    }
}

/// The outside address of an inside host: the same for all its flows (RFC 4787 REQ-2), and for the gateway its own.
#[inline(always)]
pub fn outside_address<W: World>(world: &W, inside: u32) -> u32 {
    outside_of(world.settings(), inside)
}

/// As [`outside_address`], from the settings alone.
#[inline(always)]
pub fn outside_of(settings: &Settings, inside: u32) -> u32 {
    if settings.is_outside_address(inside) {
        return inside;
    }
    if settings.pool_len <= 1 {
        return settings.pool[0];
    }
    // Spread by a multiplicative hash, since neighbouring hosts differ in few bits.
    let index = ((inside.wrapping_mul(0x9e37_79b1) as u64 * settings.pool_len as u64) >> 32) as usize;
    settings.pool[index & (crate::abi::settings::POOL - 1)]
}

/// Takes one outside endpoint, if it is free, with a count of one.
///
/// # Errors
///
/// [`Reason::PortsExhausted`] if it is not free; [`Reason::TableFull`], [`Reason::Contended`].
#[inline(never)]
fn claim<W: World>(world: &W, wish: &Wish, outside: (u32, u16)) -> Result<(), Reason> {
    if outside.1 == wish.shared.0 || outside.1 == wish.shared.1 {
        return Err(Reason::PortsExhausted);
    }
    let outer = BindingKey::new(Direction::Inbound, outside.0, outside.1, wish.protocol);
    if world.bindings().get(&outer).is_some() {
        return Err(Reason::PortsExhausted);
    }
    if !wish.own && world.forwards().get(&Forward::outside(wish.protocol, outside.1)).is_some() {
        return Err(Reason::PortsExhausted);
    }
    if !wish.own && world.has_listener(wish.protocol, outside, wish.remote) {
        return Err(Reason::PortsExhausted);
    }
    let mut record = Binding {
        sessions: 1,
        address: wish.inside.0,
        id: wish.inside.1,
        class: wish.class as u8,
        flags: if wish.own { flag::OWN } else { 0 },
    };
    // Who came first may be a packet of this very endpoint: it is for the next packet to see.
    insert(world, &outer, &record)?;
    if outside.1 == wish.inside.1 {
        return Ok(());
    }
    (record.address, record.id) = outside;
    let noted = insert(world, &note_key(wish.inside, wish.protocol), &record);
    if noted.is_err() {
        world.bindings().remove(&outer);
    }
    noted
}

#[inline(always)]
fn insert<W: World>(world: &W, key: &BindingKey, record: &Binding) -> Result<(), Reason> {
    match world.bindings().insert(key, record) {
        Ok(()) => Ok(()),
        Err(Refused::Exists) => Err(Reason::Contended),
        Err(Refused::Full) => Err(Reason::TableFull),
    }
}
