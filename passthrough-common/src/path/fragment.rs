//! Fragments: the first one decides, and its siblings follow it.
//!
//! A sibling that comes before the first is dropped ([`Reason::FragmentOrphan`]), since nothing is held back here.

use crate::abi::session::flag;
use crate::abi::{Class, Direction, Event, Fragment, FragmentKey, Reason, Ticks};
use crate::proto::{Flow, progress};
use crate::seam::{Table, World};

use super::gate;
use super::lookup::Edit;

/// For how long siblings may follow (RFC 1122 section 3.3.2 has 60 to 120 s for reassembly; RFC 4963 warns of more).
const LIFE: Ticks = Ticks::from_secs(30);
/// Most identifications tried.
const TRIES: u32 = 4;

#[inline(always)]
fn key(flow: &Flow) -> FragmentKey {
    let direction = if flow.has(progress::OUTBOUND) { Direction::Outbound } else { Direction::Inbound };
    FragmentKey::new(direction, flow.source, flow.destination, flow.protocol, flow.identification)
}

/// Remembers what the first fragment's session does, for its siblings, and which identification goes out.
///
/// # Errors
///
/// [`Reason::TableFull`].
#[inline(always)]
pub fn first<W: World>(world: &W, flow: &Flow, edit: &mut Edit) -> Result<(), Reason> {
    let now = world.now();
    let key = key(flow);
    // A second first fragment of a live datagram changes nothing (conformance Z25).
    if let Some(known) = world.fragments().get(&key) {
        if now.since(known.opened) <= LIFE {
            edit.identification = known.identification;
            return Ok(());
        }
        world.fragments().remove(&key);
    }
    if flow.has(progress::OUTBOUND) {
        edit.identification = claim(world, flow, edit.address);
    }
    let fragment = Fragment {
        address: edit.address,
        opened: now,
        reserved: 0,
        identification: edit.identification,
        class: edit.class,
        covered: covered(flow.end - flow.l4_at),
        flags: if edit.own { flag::OWN } else { 0 } | if edit.by_stack { flag::BY_STACK } else { 0 },
        generation: world.settings().generation(Class::from_index(edit.class)),
    };
    world.event(Event::FragmentOpened);
    match world.fragments().insert(&key, &fragment) {
        Ok(()) => Ok(()),
        Err(_) => Err(Reason::TableFull),
    }
}

/// Claims an identification on the wire: the one that the datagram has, or a random one if another host's datagram
/// to the same server has it (RFC 6864 section 5.3.1).
#[inline(always)]
fn claim<W: World>(world: &W, flow: &Flow, outside: u32) -> u16 {
    let now = world.now();
    let owner = Fragment {
        address: flow.source,
        opened: now,
        reserved: 0,
        identification: 0,
        class: 0,
        covered: 0,
        flags: 0,
        generation: 0,
    };
    let mut identification = flow.identification;
    let mut tries = 0;
    while tries < TRIES {
        let key = FragmentKey::claim(outside, flow.destination, flow.protocol, identification);
        if let Some(known) = world.fragments().get(&key) {
            if known.address == flow.source {
                return identification;
            }
            if now.since(known.opened) > LIFE {
                world.fragments().remove(&key);
            }
        }
        if world.fragments().insert(&key, &owner).is_ok() {
            return identification;
        }
        identification = world.random() as u16;
        tries += 1;
    }
    identification
}

/// What a first fragment of this many bytes covers, in units of 8: 255 at most, which no link's first fragment exceeds
/// by what a header lies in.
#[inline(always)]
pub const fn covered(bytes: u32) -> u8 {
    let units = bytes >> 3;
    if units > 255 { 255 } else { units as u8 }
}

/// What the first fragment decided for this later one, whose place in units of 8 bytes is its selector.
///
/// # Errors
///
/// [`Reason::FragmentOrphan`] if no first fragment has passed; [`Reason::FragmentTiny`] if it overlaps the first, which
/// ends the datagram (conformance F7, Z22); [`Reason::SwitchedOffSession`].
#[inline(always)]
pub fn later<W: World>(world: &W, flow: &Flow, edit: &mut Edit) -> Result<(), Reason> {
    let key = key(flow);
    let Some(fragment) = world.fragments().get(&key) else { return Err(Reason::FragmentOrphan) };
    if world.now().since(fragment.opened) > LIFE {
        return Err(Reason::FragmentOrphan);
    }
    if flow.selector < u32::from(fragment.covered) {
        world.fragments().remove(&key);
        return Err(Reason::FragmentTiny);
    }
    edit.address = fragment.address;
    edit.identification = fragment.identification;
    edit.class = fragment.class;
    edit.own = fragment.flags & flag::OWN != 0;
    edit.by_stack = fragment.flags & flag::BY_STACK != 0;
    if edit.own {
        return Ok(());
    }
    let class = Class::from_index(fragment.class);
    if fragment.generation != world.settings().generation(class) {
        return Err(Reason::SwitchedOffSession);
    }
    gate::check(world.settings(), class, Reason::SwitchedOffSession)
}
