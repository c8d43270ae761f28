//! An inside endpoint's outside endpoint: the binding (RFC 4787 REQ-1: endpoint-independent mapping).

use crate::abi::session::flag;
use crate::abi::{Binding, BindingKey, Class, Direction, Reason};
use crate::seam::{Bindings, Refused, Table, World};
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
    let inside = BindingKey::new(Direction::Outbound, wish.inside.0, wish.inside.1, wish.protocol);
    if let Some(binding) = world.bindings().get(&inside) {
        return match world.bindings().hold(&inside) {
            Some(held) if held > 0 => Ok((binding.address, binding.id)),
            // Its last session is taking it away at this moment.
            _ => Err(Reason::Contended),
        };
    }
    let outside = outside_address(world, wish.inside.0);
    let mut attempt = 0;
    while attempt < port::TRIES {
        let id = port::candidate(world.settings(), wish.inside.1, attempt, world.random());
        match claim(world, wish, (outside, id)) {
            Ok(()) => return Ok((outside, id)),
            Err(Refused::Exists) => attempt += 1,
            Err(Refused::Full) => return Err(Reason::TableFull),
        }
    }
    Err(Reason::PortsExhausted)
}

/// The outside address of an inside host: the same for all its flows (RFC 4787 REQ-2), and for the gateway its own.
#[inline(always)]
pub fn outside_address<W: World>(world: &W, inside: u32) -> u32 {
    let settings = world.settings();
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
#[inline(never)]
fn claim<W: World>(world: &W, wish: &Wish, outside: (u32, u16)) -> Result<(), Refused> {
    if outside.1 == wish.shared.0 || outside.1 == wish.shared.1 {
        return Err(Refused::Exists);
    }
    let outer = BindingKey::new(Direction::Inbound, outside.0, outside.1, wish.protocol);
    if world.bindings().get(&outer).is_some() {
        return Err(Refused::Exists);
    }
    if !wish.own && world.has_listener(wish.protocol, outside, wish.remote) {
        return Err(Refused::Exists);
    }
    let mut end = Binding {
        sessions: 0,
        address: wish.inside.0,
        id: wish.inside.1,
        class: wish.class as u8,
        flags: if wish.own { flag::OWN } else { 0 },
    };
    world.bindings().insert(&outer, &end)?;
    end.sessions = 1;
    end.address = outside.0;
    end.id = outside.1;
    let inner = BindingKey::new(Direction::Outbound, wish.inside.0, wish.inside.1, wish.protocol);
    if let Err(refused) = world.bindings().insert(&inner, &end) {
        world.bindings().remove(&outer);
        return Err(refused);
    }
    Ok(())
}
