//! A PPTP control connection as byte streams: segments cut into messages, and bytes rewritten in place.

use crate::abi::control::FIELDS;
use crate::abi::{Field, Reason, Stream};
use crate::proto::{Flow, progress};
use crate::seam::{Packet, Table, World};
use crate::wire::transport::tcp;
use crate::wire::{checksum, pptp};

use super::line::Line;

/// States of a [`Stream`].
pub mod state {
    /// Nothing was seen.
    pub const NEW: u32 = 0;
    /// Its SYN was seen.
    pub const OPEN: u32 = 1;
    /// Framing is lost.
    pub const LOST: u32 = 2;
    /// Its FIN was read, or a RST ended it.
    pub const CLOSED: u32 = 3;
}

/// How many bytes of a message are kept: all that decide anything.
const HEAD: u32 = 20;

/// A TCP segment of the connection.
#[derive(Clone, Copy, Debug)]
pub struct Segment {
    /// Sequence number of the first byte of data.
    pub sequence: u32,
    /// Acknowledgement number.
    pub acknowledgement: u32,
    /// Where the data is in the frame.
    pub at: u32,
    /// Where it ends.
    pub end: u32,
    /// Where the TCP header is.
    pub l4_at: u32,
    /// TCP header flags.
    pub flags: u8,
    /// Index of its stream: 0 outbound, 1 inbound. A number, since of an enum LLVM knows the values and
    /// leaves out the mask, without which the verifier does not let it be an index.
    pub side: u32,
}

impl Segment {
    /// The segment in hand.
    ///
    /// # Errors
    ///
    /// [`Reason::Malformed`] if the TCP header does not fit.
    #[inline(always)]
    pub fn of<P: Packet>(packet: &P, flow: &Flow) -> Result<Segment, Reason> {
        let room = flow.end.saturating_sub(flow.l4_at);
        let [data_offset, flags] =
            packet.load::<2>(flow.l4_at + tcp::DATA_OFFSET).ok_or(Reason::Malformed)?;
        let header = u32::from(data_offset >> 4) * 4;
        if header < tcp::LEN || header > room {
            return Err(Reason::Malformed);
        }
        let sequence = packet.u32(flow.l4_at + tcp::SEQUENCE).ok_or(Reason::Malformed)?;
        let acknowledgement = packet.u32(flow.l4_at + tcp::ACKNOWLEDGEMENT).ok_or(Reason::Malformed)?;
        Ok(Segment {
            // A SYN has a number of its own (RFC 9293 section 3.4).
            sequence: sequence.wrapping_add(u32::from(flags & crate::session::tcp::header::SYN != 0)),
            acknowledgement,
            at: flow.l4_at + header,
            end: flow.end,
            l4_at: flow.l4_at,
            flags,
            side: u32::from(!flow.has(progress::OUTBOUND)),
        })
    }

    /// Bytes of data.
    #[inline(always)]
    pub const fn data(&self) -> u32 {
        self.end.wrapping_sub(self.at)
    }

    /// Whether any of these TCP flags is set.
    #[inline(always)]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Replaces one byte of data, if it is another, and fixes the checksum.
    #[inline(never)]
    pub fn set<P: Packet>(&self, packet: &mut P, at: u32, value: u8) {
        // As a pair with the byte before, which is there since a TCP header is: see `Packet::u8` for the
        // reason.
        let Some([before, old]) = packet.load::<2>(at - 1) else { return };
        if old == value || !packet.store::<2>(at - 1, [before, value]) {
            return;
        }
        let delta = checksum::delta16(u16::from(old), u16::from(value));
        // The pair stands at `at - 1`; an odd place swaps its bytes (conformance K9, P17).
        let delta = checksum::at_parity(delta, at - 1 - self.l4_at);
        packet.fix_transport_checksum(self.l4_at + tcp::CHECKSUM, 0, delta, false);
    }
}

/// What a segment holds of one message.
#[derive(Clone, Copy, Debug)]
pub struct Piece {
    /// Where in the frame it begins.
    pub at: u32,
    /// Where in the message it begins.
    pub from: u32,
    /// Where in the message it ends.
    pub to: u32,
    /// Length of the message; 0 while unknown.
    pub length: u32,
    /// Control message type; 0 while unknown.
    pub kind: u16,
    /// The call ID field, once `to` is past it.
    pub call_id: u16,
    /// The peer's call ID field, likewise.
    pub peer_call_id: u16,
    /// The result code, likewise.
    pub result: u8,
    /// Whether framing is lost.
    pub lost: bool,
    /// Whether it could be read at all.
    pub reached: bool,
}

impl Piece {
    const UNREACHED: Piece = Piece {
        at: 0,
        from: 0,
        to: 0,
        length: 0,
        kind: 0,
        call_id: 0,
        peer_call_id: 0,
        result: 0,
        lost: false,
        reached: false,
    };

    /// Whether the byte at this offset of the message is here.
    #[inline(always)]
    pub const fn has(&self, offset: u32) -> bool {
        self.from <= offset && offset < self.to
    }
}

const fn pair(head: &[u8; 24], at: u32) -> u16 {
    let at = at as usize;
    // Masked only for the kernel's verifier: every offset is a constant below 20.
    u16::from_be_bytes([head[at % 24], head[(at + 1) % 24]])
}

/// Keeps those of the first bytes of the current message that begin at `at`; `false` if the packet ends.
///
/// It tells nothing else: its loop leaves as many combinations of numbers behind as it has ways out, and the
/// verifier would follow each through all that comes after. What is known is read from the stream again.
#[inline(never)]
fn keep<P: Packet>(packet: &P, stream: &mut Stream, at: u32, end: u32) -> bool {
    let from = u32::from(stream.offset);
    let room = end.wrapping_sub(at);
    let wanted = HEAD.saturating_sub(from);
    let count = if room < wanted { room } else { wanted };
    let mut index = 0;
    while index < HEAD {
        if index >= count {
            return true;
        }
        // A pair, for the reason that `Packet::u8` gives; the byte before is there since a header is.
        let Some([_, byte]) = packet.load::<2>(at + index - 1) else { return false };
        if let Some(kept) = stream.head.get_mut((from + index) as usize & 31) {
            *kept = byte;
        }
        index += 1;
    }
    true
}

/// What the first bytes of the current message say, of which `room` bytes more are here.
///
/// Every field has a value on every path, and nothing is an `Option`: what LLVM leaves undefined in one, the
/// verifier calls an unreadable register (kernel 6.18, "R3 !read_ok").
#[inline(always)]
fn understand(stream: &Stream, at: u32, room: u32) -> Piece {
    let from = u32::from(stream.offset);
    let head = &stream.head;
    let have = from.wrapping_add(room);
    let length = if have >= 2 { u32::from(pair(head, 0)) } else { 0 };
    let kind = if have >= 10 { pair(head, 8) } else { 0 };
    let magic = u32::from(pair(head, 4)) << 16 | u32::from(pair(head, 6));
    let lost = (have >= 2 && !(pptp::HEADER..=pptp::LONGEST).contains(&length))
        || (have >= 4 && pair(head, 2) != pptp::CONTROL)
        || (have >= 8 && magic != pptp::MAGIC)
        || (have >= 10 && length < pptp::length(kind))
        || (have >= 2 && from >= length);
    let rest = length.wrapping_sub(from);
    let take = if length != 0 && rest < room { rest } else { room };
    Piece {
        at,
        from,
        to: from.wrapping_add(take),
        length,
        kind,
        call_id: pair(head, pptp::CALL_ID),
        peer_call_id: pair(head, pptp::PEER_CALL_ID),
        result: head[pptp::RESULT as usize],
        lost,
        reached: true,
    }
}

/// Reads on in the current message, `skip` bytes into the segment. Nothing moves on before [`advance`].
///
/// Framing is lost (conformance P18) by a length below the header's, below what the type needs or above 1024,
/// another PPTP type than control, or a wrong magic cookie.
#[inline(never)]
pub fn piece<P: Packet, W: World>(packet: &P, world: &W, line: &Line, segment: &Segment, skip: u32) -> Piece {
    let (side, at, end) = (segment.side, segment.at + skip, segment.end);
    let piece = world.controls().update(&line.key, |control| {
        let stream = &mut control.streams[side as usize & 1];
        let reached = keep(packet, stream, at, end);
        let mut piece = understand(stream, at, end.wrapping_sub(at));
        piece.reached = reached;
        piece
    });
    piece.unwrap_or(Piece::UNREACHED)
}

/// Moves a stream past a piece, and remembers the field that was rewritten in it, if any.
pub fn advance<W: World>(world: &W, line: &Line, side: u32, piece: &Piece, field: Option<Field>) {
    world.controls().update(&line.key, |control| {
        let stream = &mut control.streams[side as usize & 1];
        stream.next = stream.next.wrapping_add(piece.to - piece.from);
        let whole = piece.to == piece.length;
        stream.offset = if whole { 0 } else { piece.to as u16 };
        stream.length = if whole { 0 } else { piece.length as u16 };
        if let Some(field) = field {
            stream.fields[stream.cursor as usize & (FIELDS - 1)] = field;
            stream.cursor = stream.cursor.wrapping_add(1);
        }
    });
}

/// Rewrites again what was rewritten in data that was sent before, wherever its segments are cut now: the
/// bytes seen first win (conformance P15, Z45).
///
/// # Errors
///
/// [`Reason::PptpGap`] if the data is older than the oldest field remembered: it is not known what to
/// rewrite. Eight calls must have been named since, and unless all of that was lost on its way, the receiver
/// has this data already.
#[inline(never)]
pub fn rewrite_again<P: Packet, W: World>(
    packet: &mut P,
    world: &W,
    line: &Line,
    segment: &Segment,
    next: u32,
) -> Result<(), Reason> {
    // Fields are remembered in order: where the next one goes is the oldest.
    let forgotten = world.controls().update(&line.key, |control| {
        let stream = &control.streams[segment.side as usize & 1];
        let oldest = stream.fields[stream.cursor as usize & (FIELDS - 1)].sequence;
        stream.cursor > FIELDS as u32 && oldest.wrapping_sub(segment.sequence) as i32 > 0
    });
    if forgotten == Some(true) {
        return Err(Reason::PptpGap);
    }
    let mut index = 0;
    while index < FIELDS {
        let field = world.controls().update(&line.key, |control| {
            control.streams[segment.side as usize & 1].fields[index & (FIELDS - 1)]
        });
        rewrite_field(packet, segment, next, &field.unwrap_or_default());
        index += 1;
    }
    Ok(())
}

/// Rewrites one field again, as far as it lies in the segment and before `next`.
///
/// Works out by itself how far that is: what the verifier learns of a number here it would else remember in
/// the caller, field by field.
#[inline(never)]
fn rewrite_field<P: Packet>(packet: &mut P, segment: &Segment, next: u32, field: &Field) {
    if field.before == 0 && field.after == 0 {
        return;
    }
    let behind = next.wrapping_sub(segment.sequence);
    let again = if behind < segment.data() { behind } else { segment.data() };
    let [high, low] = field.after.to_be_bytes();
    let place = field.sequence.wrapping_sub(segment.sequence);
    if place < again {
        segment.set(packet, segment.at + place, high);
    }
    let place = place.wrapping_add(1);
    if place < again {
        segment.set(packet, segment.at + place, low);
    }
}
