//! Two clients' PPTP control connections to one server, their bytes cut, sent again, sent ahead, and lied about; and the
//! enhanced GRE of their calls.
//!
//! What leaves is held against what went in: no byte changes but call IDs, none of those by half, what comes again is
//! what it was, and GRE reaches whom a call ID was translated for.

use crate::vectors::frame::flag::{ACK, PUSH, RST, SYN};
use std::collections::{HashMap, HashSet};

use passthrough_common::abi::{Class, Ticks};

use super::laws;
use super::reader::Reader;
use crate::vectors::frame::{Packet, raw, tcp};
use crate::vectors::host::Host;
use crate::vectors::play::{Device, Fate, Place};
use crate::vectors::state::State;
use crate::vectors::{A, B, E, Play, S, bodies};

const FIN: u16 = 0x11;

/// Steps of an input that are looked at.
const MOST: usize = 150;
/// Bytes in front of a segment's data.
const HEADERS: usize = 14 + 20 + 20;
/// Where in a message a call ID may stand (RFC 2637 section 2).
const CALL_ID: usize = 12;
const PEER_CALL_ID: usize = 14;
/// Call IDs that both clients like best, and the server's.
const IDS: [u16; 6] = [1, 2, 0x0801, 0x0802, 0x5500, 0xffff];

/// What a byte of an input asks for, by number.
pub mod ask {
    /// The next message in sequence: whose, type, two IDs, result; then how it is cut.
    pub const MESSAGE: u8 = 0;
    /// Bytes of the input's own in sequence: whose, length, bytes.
    pub const BYTES: u8 = 1;
    /// What was sent before, again: whose, how far back, how much.
    pub const AGAIN: u8 = 2;
    /// Other bytes where some were sent before: whose, how far back, bytes.
    pub const OTHERWISE: u8 = 3;
    /// Ahead of a gap: whose, how far, how much.
    pub const AHEAD: u8 = 4;
    /// GRE: which way, whose, ID.
    pub const GRE: u8 = 5;
    /// Time passes.
    pub const PAUSE: u8 = 6;
    /// SYN, FIN or RST: whose, which, how far off.
    pub const FLAGS: u8 = 7;
    /// How many there are.
    pub const COUNT: u8 = 8;
}

/// Input: what is asked for, one after the other.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8]) {
    let mut reader = Reader::new(input);
    let mut talk = Talk::begin();
    for _ in 0..MOST {
        if reader.is_empty() {
            return;
        }
        talk.go_on(&mut reader);
    }
}

/// One direction of a connection: what was sent, and what has left, from the first byte on.
#[derive(Default)]
struct Way {
    first: u32,
    sent: Vec<u8>,
    left: Vec<Option<u8>>,
    /// Whether something was sent in the place of something else: from then on only GRE is looked at.
    forged: bool,
}

/// A control connection.
struct Line {
    inside: (u32, u16),
    ways: [Way; 2],
    /// Call IDs inside and outside that were one call.
    calls: HashSet<(u16, u16)>,
    over: bool,
}

struct Talk {
    host: Host,
    lines: [Line; 2],
}

impl Talk {
    fn begin() -> Talk {
        let mut host = Host::default();
        Play::new(&mut host).enable(&[Class::Pptp]);
        let line = |inside, first: [u32; 2]| Line {
            inside,
            ways: first.map(|first| Way { first, ..Way::default() }),
            calls: HashSet::new(),
            over: false,
        };
        // The first client's numbers wrap.
        let lines = [line((A, 1025), [0xffff_fff0, 77]), line((B, 1026), [5000, 0xffff_ff00])];
        let mut talk = Talk { host, lines };
        for line in 0..2 {
            for side in 0..2 {
                let way = &talk.lines[line].ways[side];
                let number = way.first.wrapping_sub(1);
                let flags = if side == 0 { SYN } else { SYN | ACK };
                let fate = talk.put(line, side, number, flags, &[]).map(|_| ());
                assert!(fate.is_some(), "a handshake passes");
            }
        }
        talk
    }

    fn go_on(&mut self, reader: &mut Reader<'_>) {
        let (what, whose) = (reader.byte() % ask::COUNT, reader.byte());
        let (line, side) = (usize::from(whose & 1), usize::from(whose >> 1 & 1));
        let length = self.lines[line].ways[side].sent.len();
        match what {
            ask::MESSAGE => {
                let kind = 1 + u16::from(reader.byte()) % 15;
                let message = bodies::pptp(kind, reader.one(&IDS), self.id(reader, line), reader.byte() % 4);
                self.cut(line, side, &message, reader);
            }
            ask::BYTES => {
                let count = reader.byte();
                let bytes = reader.bytes(usize::from(count)).to_vec();
                self.cut(line, side, &bytes, reader);
            }
            ask::AGAIN => {
                let (back, count) = (usize::from(reader.byte()) * 2, usize::from(reader.byte()) + 1);
                let from = length.saturating_sub(back);
                let bytes = self.lines[line].ways[side].sent[from..length.min(from + count)].to_vec();
                self.segment(line, side, from, &bytes);
            }
            ask::OTHERWISE => {
                let (back, count) = (usize::from(reader.byte()), usize::from(reader.byte()) % 64);
                let from = length.saturating_sub(back);
                let bytes = reader.bytes(count).to_vec();
                self.lines[line].ways[side].forged |= !bytes.is_empty();
                self.segment(line, side, from, &bytes);
            }
            ask::AHEAD => {
                let (gap, count) = (1 + usize::from(reader.byte()), usize::from(reader.byte()));
                let number = self.number(line, side, length + gap);
                let data = bodies::pptp(7, IDS[0], 0, 0);
                let passed = self.put(line, side, number, PUSH, &data[..count.min(data.len())]);
                let line = &self.lines[line];
                let known = !line.over && !line.ways[side].forged;
                assert!(passed.is_none() || count == 0 || !known, "P16: what is ahead of a gap leaves");
            }
            ask::GRE => self.gre(reader, line, side),
            ask::PAUSE => self.host.wait(Ticks::from_secs(u32::from(whose) * 30)),
            _ => {
                let flags = [SYN, FIN, RST, RST | ACK][usize::from(reader.byte() & 3)];
                let number = self.number(line, side, length).wrapping_add(u32::from(reader.byte()));
                let before = State::of(&self.host.gateway).controls;
                let _ = self.put(line, side, number, flags, &[]);
                // It may have begun anew, or ended.
                self.lines[line].over |= before != State::of(&self.host.gateway).controls;
            }
        }
        laws::of_tables(&State::of(&self.host.gateway));
        self.ids();
    }

    /// An ID: one that everybody likes, or one that this line's calls have outside.
    fn id(&self, reader: &mut Reader<'_>, line: usize) -> u16 {
        let choice = reader.byte();
        let outside: Vec<u16> = {
            let mut all: Vec<u16> = self.lines[line].calls.iter().map(|call| call.1).collect();
            all.sort_unstable();
            all
        };
        if choice & 1 == 0 || outside.is_empty() {
            return IDS[usize::from(choice >> 1) % IDS.len()];
        }
        outside[usize::from(choice >> 1) % outside.len()]
    }

    fn number(&self, line: usize, side: usize, at: usize) -> u32 {
        self.lines[line].ways[side].first.wrapping_add(at as u32)
    }

    /// Sends bytes in sequence, in as many segments as the input cuts them into.
    fn cut(&mut self, line: usize, side: usize, bytes: &[u8], reader: &mut Reader<'_>) {
        let piece = match reader.byte() {
            0 => bytes.len(),
            piece => usize::from(piece),
        };
        for bytes in bytes.chunks(piece.max(1)) {
            let from = self.lines[line].ways[side].sent.len();
            if !self.segment(line, side, from, bytes) {
                // Parts of it may have been read, and what comes next in its place is not the same.
                self.lines[line].ways[side].forged = true;
                return;
            }
            self.lines[line].ways[side].sent.extend(bytes);
        }
    }

    /// Sends a segment, and holds what leaves against what has left; whether it has.
    fn segment(&mut self, line: usize, side: usize, from: usize, bytes: &[u8]) -> bool {
        let Some(left) = self.put(line, side, self.number(line, side, from), PUSH, bytes) else {
            return false;
        };
        let over = self.lines[line].over;
        let way = &mut self.lines[line].ways[side];
        way.left.resize(way.left.len().max(from + left.len()), None);
        for (at, byte) in left.iter().enumerate() {
            let before = way.left[from + at].get_or_insert(*byte);
            assert!(
                *before == *byte || way.forged || over,
                "P15: byte {} leaves as {byte:02x}, and before as {before:02x}",
                from + at
            );
        }
        true
    }

    /// Sends a segment; its data as it leaves.
    fn put(&mut self, line: usize, side: usize, number: u32, flags: u16, data: &[u8]) -> Option<Vec<u8>> {
        let inside = self.lines[line].inside;
        let (place, packet) = match side {
            0 => (Place::Out, tcp(inside, (S, 1723), flags, data)),
            _ => (Place::In, tcp((S, 1723), (E, inside.1), flags, data)),
        };
        let heard = self.number(line, side ^ 1, self.lines[line].ways[side ^ 1].sent.len());
        self.send(place, &packet.numbered(number, heard)).map(|frame| frame[HEADERS..].to_vec())
    }

    fn send(&mut self, place: Place, packet: &Packet) -> Option<Vec<u8>> {
        let frame = packet.frame();
        let outcome = self.host.send(place, &frame);
        laws::of_frame(place, &frame, &outcome);
        for (key, control) in self.host.gateway.controls.dump() {
            let line = self.lines.iter_mut().find(|line| line.inside.0 == key.local());
            let calls = control.calls.iter().filter(|call| call.outside != 0);
            line.into_iter()
                .for_each(|line| line.calls.extend(calls.clone().map(|call| (call.inside, call.outside))));
        }
        if outcome.fate == Fate::Dropped { None } else { Some(outcome.frame) }
    }

    /// Every call ID that has left whole in a message that was sent whole: as it was, or as that of a call.
    fn ids(&self) {
        for line in self.lines.iter().filter(|line| !line.over) {
            for (side, way) in line.ways.iter().enumerate() {
                let mut at = 0;
                while let Some(length) = message(&way.sent[at..]) {
                    let end = at + length;
                    for offset in 0..length {
                        let place = at + offset;
                        let changed = way
                            .left
                            .get(place)
                            .copied()
                            .flatten()
                            .is_some_and(|left| left != way.sent[place]);
                        let is_id = (CALL_ID..PEER_CALL_ID + 2).contains(&offset);
                        assert!(
                            !changed || is_id || way.forged,
                            "G1: byte {offset} of a message has changed"
                        );
                    }
                    for field in
                        [at + CALL_ID, at + PEER_CALL_ID].into_iter().filter(|field| field + 2 <= end)
                    {
                        let Some(&[Some(high), Some(low)]) = way.left.get(field..field + 2) else { continue };
                        let before = u16::from_be_bytes([way.sent[field], way.sent[field + 1]]);
                        let after = u16::from_be_bytes([high, low]);
                        // Elsewhere an ID of no call is made one that nobody has (Z47).
                        let kind = way.sent[at + 9];
                        let announces = (side, kind, field - at) == (0, 7, CALL_ID)
                            || (side, kind, field - at) == (1, 8, PEER_CALL_ID);
                        let call = if side == 0 { (before, after) } else { (after, before) };
                        assert!(
                            before == after || line.calls.contains(&call) || way.forged || !announces,
                            "P13: ID {before:#06x} has left as {after:#06x}, which is half of one or nobody's: {:x?}",
                            line.calls
                        );
                    }
                    at = end;
                }
            }
        }
    }

    /// Enhanced GRE reaches whom its call ID was translated for.
    fn gre(&mut self, reader: &mut Reader<'_>, line: usize, side: usize) {
        let id = self.id(reader, line);
        let bytes = bodies::gre(id, 1, None, b"ppp");
        if side == 0 {
            let _ = self.send(Place::Out, &raw(self.lines[line].inside.0, S, 47, &bytes));
            return;
        }
        let Some(frame) = self.send(Place::In, &raw(S, E, 47, &bytes)) else { return };
        let to = u32::from_be_bytes([frame[30], frame[31], frame[32], frame[33]]);
        let inside = u16::from_be_bytes([frame[40], frame[41]]);
        let mut of: HashMap<u32, &Line> = HashMap::new();
        of.extend(self.lines.iter().map(|line| (line.inside.0, line)));
        let line = of.get(&to).expect("GRE goes to a client");
        assert!(
            line.calls.contains(&(inside, id)),
            "P1: GRE of call {id:#06x} reaches {to:#x} as {inside:#06x}"
        );
    }
}

/// Length of the message that bytes begin with, if it is whole and one of PPTP's.
fn message(bytes: &[u8]) -> Option<usize> {
    let head = bytes.get(..8)?;
    let length = usize::from(u16::from_be_bytes([head[0], head[1]]));
    let is_control = head[2..4] == [0, 1] && head[4..8] == 0x1a2b_3c4d_u32.to_be_bytes();
    (is_control && length >= 12 && length <= bytes.len()).then_some(length)
}
