//! PPTP calls: an outside call ID for each, the sessions of its enhanced GRE, and their end.
//!
//! **An outside call ID keeps the high byte of the inside one.** A control message may be cut inside the
//! field: then its first byte has gone before the second is seen. So only the low byte is ever replaced, and
//! no segment need be held (conformance P14). 255 or 256 calls with one high byte fit to one server; they are
//! drawn at random (RFC 6056).
//!
//! Entries are put straight into the table, without [`insert`](crate::proto::halves::insert): its frames are too deep
//! for the kernel's stack here, and 32 times too much for its verifier. A full table refuses the message, and
//! its sender repeats it.
//!
//! A call is up to four entries of the session table: inbound and outbound half, and what an ICMP error from
//! outside or from inside quotes of them ([`View::Quoted`], [`View::QuotedInside`]).

use crate::abi::control::CALLS;
use crate::abi::session::flag;
use crate::abi::settings::Idle;
use crate::abi::{Call, Event, Reason, SessionKey, View};
use crate::seam::{Refused, Table, World};
use crate::session::idle;
use crate::session::port::TRIES;

use super::line::Line;
use super::message::Whose;
use super::over::control_is_over;

/// How many IDs are tried to find one that no call has, for a message about a call of somebody else.
const STRANGER_TRIES: u32 = 8;

/// The index of no call.
const NONE: u32 = u32::MAX;

/// By which of its IDs a call is looked up.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum By {
    Inside,
    Outside,
    Remote,
}

/// How a call ends.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ending {
    /// At once.
    Now,
    /// Once packets in flight have had their time ([`Idle::Disconnected`], conformance P7).
    AfterFlight,
}

/// Index of a call, or [`NONE`]. A number, since of an `Option` of more than that LLVM leaves parts undefined
/// (kernel 6.18: "R9 !read_ok").
#[inline(never)]
fn find<W: World>(world: &W, line: &Line, by: By, id: u16) -> u32 {
    let found = world.controls().update(&line.key, |control| {
        let mut index = 0;
        while index < CALLS {
            let call = &control.calls[index & (CALLS - 1)];
            let (known, its) = match by {
                By::Inside => (true, call.inside),
                By::Outside => (true, call.outside),
                By::Remote => (call.connected != 0, call.remote),
            };
            if call.outside != 0 && known && its == id {
                return index as u32;
            }
            index += 1;
        }
        NONE
    });
    found.unwrap_or(NONE)
}

/// The call with this index.
#[inline(always)]
fn at<W: World>(world: &W, line: &Line, index: u32) -> Call {
    let call = world.controls().update(&line.key, |control| control.calls[index as usize & (CALLS - 1)]);
    call.unwrap_or_default()
}

/// Index of the first entry of the connection's calls that is not used, or [`NONE`].
#[inline(never)]
fn free_entry<W: World>(world: &W, line: &Line) -> u32 {
    let found = world.controls().update(&line.key, |control| {
        let mut index = 0;
        while index < CALLS {
            if control.calls[index & (CALLS - 1)].outside == 0 {
                return index as u32;
            }
            index += 1;
        }
        NONE
    });
    found.unwrap_or(NONE)
}

fn put<W: World>(world: &W, line: &Line, index: u32, call: Call) {
    world.controls().update(&line.key, |control| control.calls[index as usize & (CALLS - 1)] = call);
}

/// Makes of a call ID field what it becomes. An ID of a call that the connection does not have stays as it
/// is.
///
/// In place, since of a `Result` with an ID LLVM leaves half undefined (kernel 6.18: "R9 32-bit pointer
/// arithmetic prohibited").
///
/// # Errors
///
/// [`Reason::PptpCalls`], [`Reason::PortsExhausted`], [`Reason::TableFull`].
#[inline(always)]
pub fn translate<W: World>(world: &W, line: &Line, id: &mut u16, whose: Whose) -> Result<(), Reason> {
    let (first, second) = match whose {
        Whose::Announced => return announce(world, line, id),
        Whose::Inside => (By::Inside, By::Inside),
        Whose::Outside => (By::Outside, By::Outside),
        Whose::RemoteOrOutside => (By::Remote, By::Outside),
        Whose::InsideOrRemote => (By::Inside, By::Remote),
    };
    let mut by = first;
    let mut index = find(world, line, by, *id);
    if index == NONE && second != first {
        by = second;
        index = find(world, line, by, *id);
    }
    if index != NONE {
        let call = at(world, line, index);
        match by {
            By::Inside => *id = call.outside,
            By::Outside => *id = call.inside,
            By::Remote => {}
        }
    } else if whose == Whose::Inside {
        *id = nobodys(world, line, *id);
    }
    Ok(())
}

/// An ID for a message about a call that its sender does not have: not that of another host's call
/// (conformance Z47).
#[inline(never)]
fn nobodys<W: World>(world: &W, line: &Line, id: u16) -> u16 {
    let mut candidate = id;
    let mut attempt = 0;
    while attempt < STRANGER_TRIES {
        match world.sessions().get(&line.call_key(View::Inbound, candidate)) {
            Some(session) if session.address != line.key.local() => {}
            _ => return candidate,
        }
        candidate = (id & 0xff00) | (world.random() >> 24) as u16;
        attempt += 1;
    }
    candidate
}

/// Gives a call its outside ID in place of the inside one, and lets GRE in before the message that tells of
/// it goes out (conformance P5).
///
/// # Errors
///
/// [`Reason::PptpCalls`] if the connection has no room for a call, [`Reason::PortsExhausted`] if no ID was
/// free, [`Reason::TableFull`].
#[inline(never)]
fn announce<W: World>(world: &W, line: &Line, id: &mut u16) -> Result<(), Reason> {
    let inside = *id;
    let known = find(world, line, By::Inside, inside);
    if known != NONE {
        *id = at(world, line, known).outside;
        return Ok(());
    }
    if free_entry(world, line) == NONE {
        return Err(Reason::PptpCalls);
    }
    clear_if_over(world, &line.call_key(View::Inbound, inside));
    let outside = take(world, line, inside)?;
    put(
        world,
        line,
        free_entry(world, line),
        Call { inside, outside: outside as u16, remote: 0, connected: 0 },
    );
    world.event(Event::PptpCall);
    world.event(Event::SessionOpened);
    *id = outside as u16;
    Ok(())
}

/// Puts one entry of a call into the table: found by the call ID `named`, it makes `id` of it or knows it so.
///
/// One that has the inside host in its key takes the place of an older one, which was the same host's. Not
/// inlined, for the kernel's stack; and of constants side by side LLVM would make one misaligned store, which
/// the verifier refuses there.
#[inline(never)]
fn put_entry<W: World>(world: &W, line: &Line, view: View, named: u16, id: u16) -> Result<(), Refused> {
    let key = line.call_key(view, named);
    let entry = line.entry(world, view, id);
    let replaces = matches!(view, View::Outbound | View::QuotedInside);
    if replaces && world.sessions().update(&key, |session| *session = entry).is_some() {
        return Ok(());
    }
    world.sessions().insert(&key, &entry)
}

/// Takes an outside ID that is free, by putting the inbound half there.
#[inline(always)]
fn take<W: World>(world: &W, line: &Line, inside: u16) -> Result<u32, Reason> {
    let mut outside = inside;
    let mut attempt = 0;
    while attempt < TRIES {
        // Never 0, which stands for an entry not used, and which some ends take for none (conformance P1).
        if outside != 0 {
            match put_entry(world, line, View::Inbound, outside, inside) {
                Ok(()) => return Ok(u32::from(outside)),
                Err(Refused::Exists) => {}
                Err(Refused::Full) => return Err(Reason::TableFull),
            }
        }
        outside = (inside & 0xff00) | (world.random() >> 24) as u16;
        attempt += 1;
    }
    Err(Reason::PortsExhausted)
}

/// Makes room for an ID that is wanted, if its call is over but nothing has swept it yet.
#[inline(never)]
fn clear_if_over<W: World>(world: &W, key: &SessionKey) {
    let now = world.now();
    let over = world.sessions().update(key, |session| {
        let flown = session.has(flag::FIN) && idle::lease_is_over(session, now);
        (flown, Line::of_call(key, session))
    });
    let over = match over {
        Some((flown, control)) => flown || control_is_over(world, now, &control),
        None => false,
    };
    if over {
        world.sessions().remove(key);
    }
}

/// What a reply to a call settles.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Reply {
    /// The ID by which the inside end's call is named: its own if the reply goes out, the outside one if it
    /// comes in.
    pub local: u16,
    /// The remote end's ID.
    pub remote: u16,
    /// Whether the inside end sent it.
    pub outbound: bool,
    /// Whether the call stands.
    pub connected: bool,
}

/// Connects the call that a reply names, or ends it at once (conformance P6).
///
/// A reply to no call, or to one that has been answered otherwise, changes nothing (conformance Z43).
///
/// # Errors
///
/// [`Reason::TableFull`].
#[inline(never)]
pub fn settle<W: World>(world: &W, line: &Line, reply: &Reply) -> Result<(), Reason> {
    let by = if reply.outbound { By::Inside } else { By::Outside };
    let index = find(world, line, by, reply.local);
    if index == NONE {
        world.event(Event::PptpUncalled);
        return Ok(());
    }
    let mut call = at(world, line, index);
    if !reply.connected {
        put(world, line, index, Call::default());
        end(world, line, &call, Ending::Now);
        return Ok(());
    }
    if call.connected != 0 {
        if call.remote != reply.remote {
            world.event(Event::PptpUncalled);
        }
        return Ok(());
    }
    call.remote = reply.remote;
    call.connected = 1;
    connect(world, line, &call)?;
    put(world, line, index, call);
    Ok(())
}

/// Lets the inside end's GRE out, and ICMP errors about the call through.
#[inline(never)]
fn connect<W: World>(world: &W, line: &Line, call: &Call) -> Result<(), Reason> {
    let out = put_entry(world, line, View::Outbound, call.remote, call.outside);
    let quoted = put_entry(world, line, View::QuotedInside, call.inside, call.outside);
    if out.is_err() || quoted.is_err() {
        return Err(Reason::TableFull);
    }
    // Some servers give two clients behind one address the same ID: then errors go to the first.
    let _ = put_entry(world, line, View::Quoted, call.remote, call.inside);
    let remote = u32::from(call.remote) << 16;
    world.sessions().update(&line.call_key(View::Inbound, call.outside), |session| {
        session.mark = (session.mark & 0xffff) | remote;
    });
    Ok(())
}

/// Ends the call that a disconnect notification names: by the sender's ID as RFC 2637 has it, or by the other
/// end's, as some servers do (conformance P9).
#[inline(never)]
pub fn disconnect<W: World>(world: &W, line: &Line, id: u16, outbound: bool) {
    let (first, second) = if outbound { (By::Inside, By::Remote) } else { (By::Remote, By::Outside) };
    let mut index = find(world, line, first, id);
    if index == NONE {
        index = find(world, line, second, id);
    }
    if index != NONE {
        let call = at(world, line, index);
        put(world, line, index, Call::default());
        end(world, line, &call, Ending::AfterFlight);
    }
}

/// Ends every call of a connection at once (conformance P8).
#[inline(never)]
pub fn end_all<W: World>(world: &W, line: &Line) {
    let mut index = 0;
    while index < CALLS {
        let call = world.controls().update(&line.key, |control| {
            let call = control.calls[index & (CALLS - 1)];
            control.calls[index & (CALLS - 1)] = Call::default();
            call
        });
        if let Some(call) = call
            && call.outside != 0
        {
            end(world, line, &call, Ending::Now);
        }
        index += 1;
    }
}

#[inline(never)]
fn end<W: World>(world: &W, line: &Line, call: &Call, ending: Ending) {
    // Nothing but this call's own entries: an ID may have become another call's meanwhile.
    let inbound = (line.key.local(), call.inside);
    end_entry(world, &line.call_key(View::Inbound, call.outside), inbound, ending);
    if call.connected != 0 {
        let outbound = (line.outside, call.outside);
        end_entry(world, &line.call_key(View::Outbound, call.remote), outbound, ending);
        end_entry(world, &line.call_key(View::QuotedInside, call.inside), outbound, ending);
        end_entry(world, &line.call_key(View::Quoted, call.remote), inbound, ending);
    }
    if ending == Ending::Now {
        world.event(Event::SessionClosed);
    }
}

#[inline(never)]
fn end_entry<W: World>(world: &W, key: &SessionKey, (address, id): (u32, u16), ending: Ending) {
    let renewed = idle::lease_that_ends(world.now(), world.settings().idle(Idle::Disconnected));
    let belongs = world.sessions().update(key, |session| {
        let belongs = session.address == address && session.id == id;
        if belongs && ending == Ending::AfterFlight {
            session.flags |= flag::FIN;
            session.renewed = renewed;
        }
        belongs
    });
    if belongs == Some(true) && ending == Ending::Now {
        world.sessions().remove(key);
    }
}
