//! An inside endpoint's outside endpoint: the binding (RFC 4787 REQ-1: endpoint-independent mapping).

use crate::abi::session::flag;
use crate::abi::settings::option;
use crate::abi::{Binding, BindingKey, Class, Direction, Event, Forward, Reason};
use crate::seam::{Held, Refused, Remote, Table, World};
use crate::session::{pool, port};

/// What asks for an outside endpoint.
#[derive(Clone, Copy)]
pub struct Wish {
    /// Inside address and port or identifier.
    pub inside: (u32, u16),
    /// The outside address that its host usually has.
    pub paired: u32,
    /// The outside address that it shall have.
    pub outside: u32,
    /// The peer of the first packet: a local socket with the same two ends is a conflict.
    pub remote: Remote,
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
/// [`Reason::PortsExhausted`] if no candidate was free at the address that it shall have, and with soft pooling at another one;
/// [`Reason::BlockFull`] and [`Reason::NoBlock`] where hosts have blocks of ports; [`Reason::TableFull`],
/// [`Reason::Contended`].
pub fn hold<W: World>(world: &W, wish: &Wish) -> Result<(u32, u16), Reason> {
    let found = find(world, wish);
    if found != BindingKey::NONE {
        return match world.bindings().hold(&found, 1) {
            Some(held) if held > 0 => Ok((found.address(), found.id())),
            // Its last session is taking it away at this moment.
            _ => Err(Reason::Contended),
        };
    }
    let settings = world.settings();
    let ports = pool::ports(settings, wish.inside.0, wish.inside.1);
    if ports == pool::NO_PORTS {
        return Err(Reason::NoBlock);
    }
    let other = if wish.own { wish.outside } else { other_address(world, wish) };
    let key = free(world, wish, ports, other);
    if key == BindingKey::NONE {
        return Err(if settings.block_size == 0 { Reason::PortsExhausted } else { Reason::BlockFull });
    }
    claim(world, wish, &key)?;
    if key.address() != wish.outside {
        world.event(Event::OtherAddress);
    }
    Ok((key.address(), key.id()))
}

/// The key of a free outside endpoint with one of these ports; [`BindingKey::NONE`] if no candidate was free. Only looks: what
/// is done with it is not in the loop, where the verifier would walk it once for each try.
#[inline(never)]
fn free<W: World>(world: &W, wish: &Wish, ports: [u16; 2], other: u32) -> BindingKey {
    let mut id = port::candidate(ports, wish.inside.1, 0, world.random());
    let mut attempt = 0;
    while attempt < port::TRIES {
        let address = if attempt < port::TRIES / 2 { wish.outside } else { other };
        let key = BindingKey::new(Direction::Inbound, address, id, wish.protocol);
        if is_free(world, wish, &key) {
            return key;
        }
        attempt += 1;
        id = port::candidate(ports, wish.inside.1, attempt, world.random());
    }
    BindingKey::NONE
}

/// The address that is tried when the one that the endpoint shall have seems full: the same, or with soft pooling another
/// (RFC 7857 section 4).
#[inline(always)]
fn other_address<W: World>(world: &W, wish: &Wish) -> u32 {
    let settings = world.settings();
    if settings.has(option::SOFT_POOLING) {
        pool::another(settings, wish.outside, world.random())
    } else {
        wish.outside
    }
}

/// The binding of an inside endpoint, by its key; [`BindingKey::NONE`] if it has none. Where the port could be kept, it is
/// found at once; else its place is noted.
#[inline(always)]
fn find<W: World>(world: &W, wish: &Wish) -> BindingKey {
    let kept = BindingKey::new(Direction::Inbound, wish.paired, wish.inside.1, wish.protocol);
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

/// Under which the binding of this inside endpoint is noted, if it is not its host's usual address with the port kept.
#[inline(always)]
fn note_key(inside: (u32, u16), protocol: u8) -> BindingKey {
    BindingKey::new(Direction::Outbound, inside.0, inside.1, protocol)
}

/// Gives back one count of the binding with this outside end, and removes it with the last.
pub fn release<W: World>(world: &W, outside: &BindingKey) {
    if world.bindings().release(outside, 1) != Some(1) {
        return;
    }
    if let Some(binding) = world.bindings().get(outside) {
        if binding.flags & flag::NOTED != 0 {
            world.bindings().remove(&note_key((binding.address, binding.id), outside.protocol()));
        }
        world.bindings().remove(outside);
    }
}

/// The outside address of an inside host: the same for all its flows (RFC 4787 REQ-2), and for the gateway its own.
#[inline(always)]
pub fn outside_address<W: World>(world: &W, inside: u32) -> u32 {
    pool::paired(world.settings(), inside)
}

#[inline(always)]
fn is_free<W: World>(world: &W, wish: &Wish, outer: &BindingKey) -> bool {
    let (address, port) = (outer.address(), outer.id());
    // One question for both: the verifier walks each in every try.
    let shared = u32::from(port ^ wish.shared.0) * u32::from(port ^ wish.shared.1) == 0;
    if shared || world.bindings().get(outer).is_some() {
        return false;
    }
    wish.own
        || (world.forwards().get(&Forward::outside(wish.protocol, port)).is_none()
            && !world.has_listener((address, port), &wish.remote))
}

/// Takes a free outside endpoint, with a count of one.
///
/// # Errors
///
/// [`Reason::TableFull`], [`Reason::Contended`].
#[inline(never)]
fn claim<W: World>(world: &W, wish: &Wish, outer: &BindingKey) -> Result<(), Reason> {
    let outside = (outer.address(), outer.id());
    let noted = outside != (wish.paired, wish.inside.1);
    let mut record = Binding {
        sessions: 1,
        address: wish.inside.0,
        id: wish.inside.1,
        class: wish.class as u8,
        flags: if wish.own { flag::OWN } else { 0 } | if noted { flag::NOTED } else { 0 },
    };
    // Who came first may be a packet of this very endpoint: it is for the next packet to see.
    insert(world, outer, &record)?;
    if !noted {
        return Ok(());
    }
    (record.address, record.id) = outside;
    let inserted = insert(world, &note_key(wish.inside, wish.protocol), &record);
    if inserted.is_err() {
        world.bindings().remove(outer);
    }
    inserted
}

#[inline(always)]
fn insert<W: World>(world: &W, key: &BindingKey, record: &Binding) -> Result<(), Reason> {
    match world.bindings().insert(key, record) {
        Ok(()) => Ok(()),
        Err(Refused::Exists) => Err(Reason::Contended),
        Err(Refused::Full) => Err(Reason::TableFull),
    }
}
