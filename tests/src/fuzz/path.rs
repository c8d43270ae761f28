//! A gateway's life in small: frames of all protocols in both directions, damaged or not, answers to what has passed, time
//! that goes by, switches that turn. With the fast path before the steps and without, which must not differ.

use passthrough_common::abi::{Class, Ranges, Settings, Side, Switch, Ticks};
use passthrough_common::path::sweep::{self, Sweep};

use super::laws;
use super::parse::PLACES;
use super::reader::Reader;
use crate::vectors::differential::{TABLES, may_note};
use crate::vectors::host::Host;
use crate::vectors::play::{Device, Fate, Place};
use crate::vectors::state::State;
use crate::vectors::{B, E, corpus, mutate};

/// What an input may begin with; more is not looked at.
const MOST: usize = 120;
/// Frames that can be answered.
const REMEMBERED: usize = 16;
/// Times that may pass, in seconds; all but the first are around one of the gateway's own.
pub const PAUSES: [u32; 8] = [0, 2, 5, 17, 61, 241, 301, 7441];

/// What a byte of an input asks for, by number.
pub mod ask {
    /// A frame of the corpus: its number, then what damage is done to it.
    pub const FRAME: u8 = 0;
    /// The answer to a frame that has passed: its number, then damage.
    pub const ANSWER: u8 = 1;
    /// A frame that has passed, again: its number, then damage.
    pub const AGAIN: u8 = 2;
    /// Bytes of the input's own: place, length, bytes.
    pub const BYTES: u8 = 3;
    /// Time passes: which of the pauses.
    pub const PAUSE: u8 = 4;
    /// A switch is turned: class, position.
    pub const SWITCH: u8 = 5;
    /// Whatever is over is swept.
    pub const SWEEP: u8 = 6;
    /// An option, filtering, a limit, or a forward.
    pub const SETTING: u8 = 7;
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
    let mut life = Life::begin(&mut reader);
    for _ in 0..MOST {
        if reader.is_empty() {
            break;
        }
        life.go_on(&mut reader);
    }
    life.end();
}

/// Frames of every protocol, built once.
fn frames() -> &'static [Vec<u8>] {
    static FRAMES: std::sync::OnceLock<Vec<Vec<u8>>> = std::sync::OnceLock::new();
    FRAMES.get_or_init(corpus::corpus)
}

/// Two gateways, of which the first has the fast path, and what they have let pass.
struct Life {
    sides: [Host; 2],
    settings: Settings,
    passed: Vec<(Place, Vec<u8>, Vec<u8>)>,
    before: State,
}

impl Life {
    fn begin(reader: &mut Reader<'_>) -> Life {
        let mut settings = Settings::DEFAULT;
        settings.wan_ifindex = crate::vectors::host::WAN;
        settings.pool = Ranges::one(E);
        let switch = if reader.byte() & 1 == 0 { Switch::Full } else { Switch::Plain };
        for class in Class::SWITCHED {
            settings.switches[class as usize] = switch as u8;
        }
        let mut life = Life {
            sides: [Host::fast(), Host::default()],
            settings,
            passed: Vec::new(),
            before: State::default(),
        };
        life.set(|_| {});
        life
    }

    fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.settings.changes = self.settings.changes.wrapping_add(1);
        for side in &mut self.sides {
            side.set(&self.settings);
        }
    }

    fn go_on(&mut self, reader: &mut Reader<'_>) {
        match reader.byte() % ask::COUNT {
            ask::FRAME => {
                let frame = frames()[usize::from(reader.byte()) % frames().len()].clone();
                self.send_damaged(None, frame, reader);
            }
            ask::ANSWER => {
                if let Some((_, _, out)) = self.remembered(reader) {
                    self.send_damaged(None, mutate::answer(&out), reader);
                }
            }
            ask::AGAIN => {
                if let Some((place, sent, _)) = self.remembered(reader) {
                    self.send_damaged(Some(place), sent, reader);
                }
            }
            ask::BYTES => {
                let (place, length) = (reader.one(&PLACES), reader.byte());
                let frame = reader.bytes(usize::from(length)).to_vec();
                self.send(place, &frame);
            }
            ask::PAUSE => {
                let length = match reader.one(&PAUSES) {
                    0 => Ticks(1),
                    secs => Ticks::from_secs(secs),
                };
                self.sides.iter_mut().for_each(|side| side.wait(length));
            }
            ask::SWITCH => {
                let class = reader.one(&Class::SWITCHED);
                let switch = reader.one(&[Switch::Full, Switch::Off, Switch::Plain]);
                self.set(|settings| {
                    settings.switches[class as usize] = switch as u8;
                    if switch == Switch::Off {
                        let generation = &mut settings.generations[class as usize];
                        *generation = generation.wrapping_add(1);
                    }
                });
            }
            ask::SWEEP => self.sweep(),
            _ => self.change(reader),
        }
    }

    fn change(&mut self, reader: &mut Reader<'_>) {
        let (what, value) = (reader.byte(), reader.byte());
        match what % 4 {
            0 => self.set(|settings| settings.options ^= u32::from(value) & 7),
            1 => self.set(|settings| settings.filtering = [value % 3, value / 3 % 3]),
            2 => self.set(|settings| {
                (settings.host_sessions, settings.host_connections, settings.host_servers) =
                    (u32::from(value) % 8, u32::from(value) % 4, u32::from(value) / 8 % 4);
            }),
            _ if self.sides[0].gateway.forwards.is_empty() => {
                let (protocol, port) =
                    [(17, 53), (17, 500), (17, 1701), (6, 1723), (47, 0), (50, 0)][usize::from(value) % 6];
                self.sides.iter_mut().for_each(|side| side.forward(protocol, port, (B, port)));
            }
            _ => {}
        }
    }

    fn remembered(&self, reader: &mut Reader<'_>) -> Option<(Place, Vec<u8>, Vec<u8>)> {
        let index = usize::from(reader.byte());
        if self.passed.is_empty() { None } else { Some(self.passed[index % self.passed.len()].clone()) }
    }

    /// Sends a frame with up to three bytes replaced. A byte of bits: how many (2), whether the header is made right
    /// again (1), whether it comes by the LAN's hook (1), whether it is cut (1).
    fn send_damaged(&mut self, place: Option<Place>, mut frame: Vec<u8>, reader: &mut Reader<'_>) {
        let bits = reader.byte();
        for _ in 0..bits & 3 {
            let (at, byte) = (usize::from(reader.byte()), reader.byte());
            if let Some(there) = frame.get_mut(at) {
                *there = byte;
            }
        }
        if bits & 4 != 0 {
            mutate::repair(&mut frame);
        }
        if bits & 16 != 0 {
            frame.truncate(usize::from(reader.byte()));
        }
        let inside = mutate::is_from_inside(&frame);
        let place = match place {
            _ if bits & 8 != 0 => Place::Lan,
            Some(place) => place,
            None if inside => Place::Out,
            None => Place::In,
        };
        self.send(place, &frame);
    }

    fn send(&mut self, place: Place, frame: &[u8]) {
        let [outcome, slow] = self.sides.each_mut().map(|side| side.send(place, frame));
        laws::of_frame(place, frame, &outcome);
        let dropped = outcome.fate == Fate::Dropped;
        assert_eq!(
            outcome.fate, slow.fate,
            "G2: {:?} with the fast path, {:?} without",
            outcome.counted, slow.counted
        );
        assert_eq!(outcome.counted, slow.counted, "G2");
        assert!(dropped || outcome.frame == slow.frame, "G2: other bytes with the fast path");

        // The side without the fast path, which notes in a session where to ask for its way.
        let state = State::of(&self.sides[1].gateway);
        laws::of_tables(&state);
        laws::of_tables(&State::of(&self.sides[0].gateway));
        if dropped {
            self.left_alone(
                &state,
                may_note(place, &outcome),
                &format!("{:?} at {place:?}", outcome.counted),
            );
        }
        self.before = state;
        if !dropped {
            if self.passed.len() == REMEMBERED {
                self.passed.remove(0);
            }
            self.passed.push((place, frame.to_vec(), outcome.frame));
        }
    }

    /// Nothing is new, and nothing has changed, but in tables where it `may` be noted; what is over may be gone.
    fn left_alone(&self, state: &State, may: [bool; 6], what: &str) {
        let before = &self.before;
        let swept = state.sessions.len() < before.sessions.len();
        let changes = before.changes(state);
        for (table, name) in TABLES.iter().enumerate().filter(|(table, _)| !may[*table]) {
            let changed = changes[table].iter().find(|change| !swept || change.made);
            assert!(changed.is_none(), "G4: {what} changes the {name}: {changed:?}");
        }
    }

    fn sweep(&mut self) {
        for side in &mut self.sides {
            side.gateway.arrival.set(passthrough_common::seam::host::arrival(Side::Inside));
            for (key, session) in side.gateway.sessions.dump() {
                // Its twin may have taken it along.
                if side.gateway.sessions.dump().iter().any(|(other, _)| *other == key) {
                    sweep::visit(&side.gateway, &Sweep::default(), &key, &session);
                }
            }
            for (key, _) in side.gateway.controls.dump() {
                sweep::connection(&side.gateway, &key);
            }
            for (key, _) in side.gateway.peers.dump() {
                sweep::server(&side.gateway, &key);
            }
        }
        self.before = State::of(&self.sides[1].gateway);
        laws::of_tables(&self.before);
    }

    /// After all idle times nothing is left: no session, no binding, no host.
    fn end(mut self) {
        for _ in 0..3 {
            for side in &mut self.sides {
                side.wait(Ticks::from_secs(9000));
            }
            self.sweep();
        }
        for side in &self.sides {
            let state = State::of(&side.gateway);
            let left = (&state.sessions, &state.bindings, &state.hosts);
            assert!(
                left.0.is_empty() && left.1.is_empty() && left.2.is_empty(),
                "something outlives every idle time: {left:?}"
            );
        }
    }
}
