//! The PPTP control stream (RFC 2637 section 2): follows both directions of the TCP connection and rewrites
//! call IDs.
//!
//! The stream is read in order and only once: a segment ahead of a gap is dropped, so that its sender repeats
//! it (conformance P16), and data that comes again gets the same bytes as before (P15). A connection whose
//! SYN was not seen - it is older than the gateway, or its state was lost - is dropped too: where its
//! messages begin cannot be known, and its ends find out by their echo timers and connect anew. Nothing is
//! held back, and no segment changes its length.

use crate::abi::session::flag;
use crate::abi::{Class, Direction, Event, Field, Reason, Session, SessionKey, Share, Stream, Switch, View};
use crate::proto::{Flow, Part, halves, hosts, number, progress};
use crate::seam::{Packet, Refused, Table, World};
use crate::session::tcp::header::{ACK, FIN, RST, SYN};
use crate::wire::pptp;

use super::call::{self, Reply};
use super::line::Line;
use super::message::{Role, Settles, meaning};
use super::stream::{self, Piece, Segment, state};

/// What is left to do with a segment.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Read {
    /// Another message, by calling [`read`] again.
    More,
    /// Nothing: the segment may go on.
    Done,
}

/// Where a stream is.
#[derive(Clone, Copy)]
struct Place {
    next: u32,
    state: u32,
    role: Role,
}

/// Reads the next message, or the next part of one, in a TCP segment of a PPTP control connection, and
/// rewrites its call ID.
///
/// With the switch at *plain* nothing is read.
///
/// # Errors
///
/// [`Reason::FirstPacket`] if the connection has no session yet: it must be made first, and this called
/// again. [`Reason::PptpGap`] ahead of a gap or without the connection's start; [`Reason::PptpMalformed`]
/// from the message on at which framing was lost, in both directions; [`Reason::PptpCalls`],
/// [`Reason::PortsExhausted`] or [`Reason::TableFull`] if a call could not be made: the message will be read
/// again when its sender repeats it; [`Reason::FragmentTiny`] for a fragment, which may cut a call ID
/// (conformance F13); [`Reason::Malformed`].
pub fn read<P: Packet, W: World>(packet: &mut P, flow: &Flow, world: &W) -> Result<Read, Reason> {
    if world.settings().switch(Class::Pptp) != Switch::Full {
        return Ok(Read::Done);
    }
    if flow.part != Part::Whole {
        return Err(Reason::FragmentTiny);
    }
    let segment = Segment::of(packet, flow)?;
    let line = line(flow, world).ok_or(Reason::FirstPacket)?;
    let mut ends = false;
    let result = follow(packet, world, &line, &segment, &mut ends);
    if ends {
        call::end_all(world, &line);
    }
    result
}

/// Follows the stream by one message; `ends` says that the connection's calls end with it.
///
/// Ending them is left to the caller because the verifier follows that work anew from every place that asks
/// for it.
#[inline(always)]
fn follow<P: Packet, W: World>(
    packet: &mut P,
    world: &W,
    line: &Line,
    segment: &Segment,
    ends: &mut bool,
) -> Result<Read, Reason> {
    if segment.has(SYN) {
        *ends = synchronise(world, line, segment)?;
        if *ends {
            return Ok(Read::More);
        }
    }
    let place = place(world, line, segment.side);
    if segment.has(RST) {
        // Judged by its exact number (RFC 5961 section 3.2): others pass, and end no call (conformance P8,
        // T11, Z34).
        if place.state != state::NEW && place.next == segment.sequence {
            set_both(world, line, state::CLOSED);
            *ends = true;
        }
        return Ok(Read::Done);
    }
    match place.state {
        state::LOST => return Err(Reason::PptpMalformed),
        state::NEW => return Err(Reason::PptpGap),
        _ => {}
    }
    read_on(packet, world, line, (segment, &place), ends)
}

/// The connection of a segment, from its session; none for the session of another class that has port 1723.
#[inline(always)]
fn line<W: World>(flow: &Flow, world: &W) -> Option<Line> {
    let source = (flow.source, flow.source_port());
    let destination = (flow.destination, flow.destination_port());
    if flow.has(progress::OUTBOUND) {
        let key = SessionKey::ports(View::Outbound, destination, source, number::TCP);
        let session = world.sessions().get(&key).filter(is_control)?;
        return Some(Line { key, outside: session.address, own: session.flags & flag::OWN });
    }
    let session = world
        .sessions()
        .get(&SessionKey::ports(View::Inbound, source, destination, number::TCP))
        .filter(is_control)?;
    let key = SessionKey::ports(View::Outbound, source, (session.address, session.id), number::TCP);
    Some(Line { key, outside: flow.destination, own: session.flags & flag::OWN })
}

fn is_control(session: &Session) -> bool {
    session.class() == Class::Pptp
}

/// Where a stream is; before its start if the record is of an earlier connection.
#[inline(always)]
fn place<W: World>(world: &W, line: &Line, side: u32) -> Place {
    let mut place = Place { next: 0, state: state::NEW, role: Role::Pns };
    world.controls().update(&line.key, |control| {
        let stream = &control.streams[side as usize & 1];
        place.next = stream.next;
        place.role = if control.opened_from == 0 { Role::Pns } else { Role::Pac };
        place.state = if control.outdated != 0 { state::NEW } else { stream.state };
    });
    place
}

/// What a SYN does to the streams.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Start {
    /// Nothing: it is a repetition, or belongs to no connection that could begin now.
    Not,
    /// Begins this direction's stream.
    Stream,
    /// Begins a new connection on the same tuple.
    Connection,
    /// Begins both streams of a connection from outside: the server inside answers a SYN that a port forward has let in.
    Answer,
}

/// Takes the first sequence number of a stream from its SYN; `true` if the calls of an earlier connection
/// end.
#[inline(never)]
fn synchronise<W: World>(world: &W, line: &Line, segment: &Segment) -> Result<bool, Reason> {
    let own = segment.side as usize & 1;
    let other = own ^ 1;
    let answers = segment.has(ACK);
    let serves = answers && own == 0 && line.key.local_id() == pptp::PORT;
    let opened = (!answers || serves) && open(world, &line.key)?;
    let start = world.controls().update(&line.key, |control| {
        let (mine, theirs) = (&control.streams[own & 1], &control.streams[other & 1]);
        let older = control.outdated != 0;
        let pristine = older || (mine.state == state::NEW && theirs.state == state::NEW);
        let over = |state| state == state::CLOSED || state == state::LOST;
        // Sent again with another number before anybody answered: the client began anew on the same port.
        let begins_anew = mine.state == state::OPEN
            && theirs.state == state::NEW
            && mine.next.wrapping_sub(segment.sequence) > u32::from(u16::MAX);
        if answers {
            // The other end's SYN must be what it answers: nobody else can know its number.
            let before = theirs.next.wrapping_sub(segment.acknowledgement);
            let fits = !older && theirs.state == state::OPEN && before <= u32::from(u16::MAX);
            if mine.state == state::NEW && fits {
                Start::Stream
            } else if serves && (pristine || (over(mine.state) && over(theirs.state))) {
                Start::Answer
            } else {
                Start::Not
            }
        } else if pristine {
            Start::Connection
        } else if mine.state == state::NEW {
            // Simultaneous open (conformance T2).
            if theirs.state == state::OPEN { Start::Stream } else { Start::Not }
        } else {
            // The same end as before opens again, or either end once both are through (conformance T14).
            let again = control.opened_from == own as u32 && (over(mine.state) || begins_anew);
            let anew = again || (over(mine.state) && over(theirs.state));
            if anew { Start::Connection } else { Start::Not }
        }
    });
    match start {
        None => return Err(Reason::PptpGap),
        Some(Start::Not) => return Ok(false),
        Some(_) => {}
    }
    world.controls().update(&line.key, |control| {
        if start == Some(Start::Connection) {
            control.outdated = 0;
            control.opened_from = own as u32;
            control.streams[other & 1].state = state::NEW;
        }
        if start == Some(Start::Answer) {
            control.outdated = 0;
            control.opened_from = other as u32;
            begin(&mut control.streams[other & 1], segment.acknowledgement);
        }
        begin(&mut control.streams[own & 1], segment.sequence);
    });
    let anew = start == Some(Start::Connection) || start == Some(Start::Answer);
    Ok(anew && !opened)
}

/// Makes the connection's record, if there is none; `true` if it did.
///
/// # Errors
///
/// [`Reason::TableFull`]; those of [`hosts::take`], since the table is shared by all hosts.
#[inline(never)]
fn open<W: World>(world: &W, key: &SessionKey) -> Result<bool, Reason> {
    let refused = match world.open_control(key) {
        Ok(()) => match hosts::take(world, key.local(), Share::Connections, 1) {
            Ok(()) => return Ok(true),
            Err(reason) => {
                world.controls().remove(key);
                reason
            }
        },
        Err(Refused::Exists) => return Ok(false),
        Err(Refused::Full) => Reason::TableFull,
    };
    // Nothing stays of a connection that is refused (conformance G4).
    if let Some(session) = world.sessions().get(key) {
        halves::remove(world, key, &session);
    }
    Err(refused)
}

/// Begins a stream at this sequence number.
#[inline(always)]
fn begin(stream: &mut Stream, next: u32) {
    stream.next = next;
    stream.state = state::OPEN;
    stream.offset = 0;
    stream.length = 0;
    stream.cursor = 0;
    let mut index = 0;
    while index < crate::abi::control::FIELDS {
        stream.fields[index] = Field { sequence: 0, before: 0, after: 0 };
        index += 1;
    }
}

/// The data of a segment of an open or closed stream.
#[inline(always)]
fn read_on<P: Packet, W: World>(
    packet: &mut P,
    world: &W,
    line: &Line,
    (segment, place): (&Segment, &Place),
    ends: &mut bool,
) -> Result<Read, Reason> {
    let length = segment.data();
    let behind = place.next.wrapping_sub(segment.sequence);
    if (behind as i32) < 0 {
        // A bare acknowledgement carries nothing of the stream, whatever was lost before it.
        return if length == 0 && !segment.has(FIN) { Ok(Read::Done) } else { Err(Reason::PptpGap) };
    }
    if behind > 0 && length > 0 {
        stream::rewrite_again(packet, world, line, segment, place.next)?;
    }
    if behind >= length {
        *ends = finish(world, line, segment, place.next);
        return Ok(Read::Done);
    }
    if place.state != state::OPEN {
        return Err(Reason::PptpGap);
    }
    let piece = stream::piece(packet, world, line, segment, behind);
    if !piece.reached {
        return Err(Reason::Malformed);
    }
    if piece.lost {
        // Both: what one end believes now is anybody's guess.
        set_both(world, line, state::LOST);
        *ends = true;
        return Err(Reason::PptpMalformed);
    }
    let settles = act(packet, world, line, (segment, &piece), place)?;
    *ends = settles == Settles::Stop;
    let taken = piece.to.wrapping_sub(piece.from);
    if behind.wrapping_add(taken) < length {
        return Ok(Read::More);
    }
    *ends |= finish(world, line, segment, place.next.wrapping_add(taken));
    Ok(Read::Done)
}

/// Does what a piece of a message asks for, and moves the stream past it. What it settles is done, but for
/// [`Settles::Stop`].
#[inline(always)]
fn act<P: Packet, W: World>(
    packet: &mut P,
    world: &W,
    line: &Line,
    (segment, piece): (&Segment, &Piece),
    place: &Place,
) -> Result<Settles, Reason> {
    let outbound = segment.side == 0;
    let direction = if outbound { Direction::Outbound } else { Direction::Inbound };
    let meaning = meaning(piece.kind, direction, place.role);
    let mut rewritten = None;
    // Once the field's second byte is here, the ID is known; its first byte stays the same (see `call`).
    let second = meaning.field + 1;
    if meaning.field != 0 && piece.has(second) {
        let before = if meaning.field == pptp::CALL_ID { piece.call_id } else { piece.peer_call_id };
        let mut after = before;
        call::translate(world, line, &mut after, meaning.whose)?;
        let at = piece.at + (second - piece.from);
        let [high, low] = after.to_be_bytes();
        segment.set(packet, at, low);
        if at > segment.at {
            // A repeated first byte may differ from the one that was read: the one seen first wins
            // (conformance Z45).
            segment.set(packet, at - 1, high);
        }
        if before != after {
            world.event(Event::PptpRewritten);
        }
        let sequence = place.next.wrapping_add(meaning.field).wrapping_sub(piece.from);
        rewritten = Some(Field { sequence, before, after });
    }
    let mut settled = Settles::Nothing;
    if meaning.needs != 0 && piece.has(meaning.needs - 1) {
        settled = meaning.settles;
        match settled {
            Settles::Reply => {
                let (own, remote) = if outbound {
                    (piece.call_id, piece.peer_call_id)
                } else {
                    (piece.peer_call_id, piece.call_id)
                };
                let connected = piece.result == pptp::CONNECTED;
                call::settle(world, line, &Reply { local: own, remote, outbound, connected })?;
            }
            Settles::Disconnect => call::disconnect(world, line, piece.call_id, outbound),
            Settles::Stop | Settles::Nothing => {}
        }
    }
    stream::advance(world, line, segment.side, piece, rewritten);
    Ok(settled)
}

/// Closes the stream if the segment, read to its end, carries the FIN that comes next; `true` if so.
#[inline(always)]
fn finish<W: World>(world: &W, line: &Line, segment: &Segment, next: u32) -> bool {
    let closes = segment.has(FIN) && segment.sequence.wrapping_add(segment.data()) == next;
    if closes {
        world.controls().update(&line.key, |control| {
            let stream = &mut control.streams[segment.side as usize & 1];
            if stream.state == state::OPEN {
                stream.next = stream.next.wrapping_add(1);
                stream.state = state::CLOSED;
            }
        });
    }
    closes
}

/// Puts both streams into this state.
#[inline(never)]
fn set_both<W: World>(world: &W, line: &Line, state: u32) {
    world.controls().update(&line.key, |control| {
        control.streams[0].state = state;
        control.streams[1].state = state;
    });
}

/// Removes the record of a control connection whose session is gone. `key` is its outbound session key.
#[inline(always)]
pub fn remove_if_over<W: World>(world: &W, key: &SessionKey) {
    if world.sessions().get(key).is_none() && world.controls().remove(key) {
        hosts::give_back(world, key.local(), Share::Connections, 1);
    }
}
