//! One stream of damaged and random frames through the host's code and through the real programs: same answers, same
//! tables, and nothing in any table from what is dropped.

use std::collections::{BTreeMap, HashMap};

use anyhow::{Context as _, Result, bail, ensure};
use aya::programs::ProgramError;
use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Ranges, Reason, Settings, Switch, Ticks};

use super::corpus::corpus;
use super::draw::Draw;
use super::host::Host;
use super::kernel::{Before, Kernel, now};
use super::mutate::{self, ADDRESSES, is_from_inside};
use super::play::{Counted, Device, Fate, Outcome, Place};
use super::state::State;
use super::{B, E};

/// Frames before both sides begin anew, under other switches.
const ROUND: u64 = 6000;
/// Frames between two leaps of the clock, on the average: as many leases end while they last as not.
const LEAP: usize = 2000;
/// How far it leaps, in seconds.
const LEAPS: [u32; 5] = [5, 17, 61, 301, 4000];
/// How often in a hundred a frame is nothing but noise, or an answer to one that came out before.
const NOISE: u64 = 4;
const ANSWERS: u64 = 60;
/// What is forwarded to B in half of the rounds: protocol, outside port, inside port.
const FORWARDS: [(u8, u16, u16); 8] = [
    (17, 53, 5000),
    (17, 500, 500),
    (17, 1701, 1701),
    (17, 4500, 4500),
    (6, 1723, 1723),
    (47, 0, 0),
    (50, 0, 0),
    (4, 0, 0),
];
/// Frames that are remembered to be answered.
const REMEMBERED: usize = 64;
/// Entries that one packet makes, changes or removes at most.
const TOUCHED: usize = 24;

/// What came of a run.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Frames sent.
    pub frames: u64,
    /// Frames that both sides answered alike, byte for byte.
    pub alike: u64,
    /// Frames of which both sides drew different numbers, or that met another tick of the clock: from then on the host
    /// has the kernel's tables.
    pub drawn: u64,
    /// Frames that test-run does not take.
    pub refused: u64,
    /// Frames that were dropped.
    pub dropped: u64,
    /// Frames that the fast path moved.
    pub moved: u64,
    /// How often the tables of both sides were held against each other.
    pub compared: u64,
    /// Entries that were the same.
    pub entries: u64,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Tally) {
        self.frames += other.frames;
        self.alike += other.alike;
        self.drawn += other.drawn;
        self.refused += other.refused;
        self.dropped += other.dropped;
        self.moved += other.moved;
        self.compared += other.compared;
        self.entries += other.entries;
    }
}

/// Sends `frames` frames through both sides, and tells after each round how far it is.
///
/// # Errors
///
/// The first frame that they answer differently, with both answers; a dropped frame that has left something in a table;
/// tables that are not the same; an answer that no program of ours gives, such as `XDP_ABORTED`.
pub fn run(kernel: &mut Kernel, seed: u64, frames: u64, progress: &dyn Fn(&Tally)) -> Result<Tally> {
    let mut draw = Draw::new(seed);
    let corpus = corpus();
    let mut tally = Tally::default();
    kernel.counting = false;
    kernel.recount()?;
    while tally.frames < frames {
        let count = ROUND.min(frames - tally.frames);
        let before = tally.frames;
        Sides::begin(kernel, &mut draw)?
            .round(&mut draw, &corpus, count, &mut tally)
            .with_context(|| format!("in the round after frame {before}"))?;
        tally.moved = kernel.moved as u64;
        progress(&tally);
    }
    Ok(tally)
}

/// Both sides under one setting of the switches.
struct Sides<'k> {
    kernel: &'k mut Kernel,
    host: Host,
    /// Counters of the host, less those of the kernel at the end.
    counted: HashMap<Counted, i64>,
    /// Whether both must have counted the same: not where one of them met another tick.
    counts: bool,
    /// What was wrong, each kind of it once.
    faults: BTreeMap<String, String>,
}

impl<'k> Sides<'k> {
    fn begin(kernel: &'k mut Kernel, draw: &mut Draw) -> Result<Sides<'k>> {
        let mut host = Host::fast();
        kernel.before = if draw.percent(50) { Before::Xdp } else { Before::Tc };
        kernel.clear()?;
        let settings = settings(draw);
        kernel.set(&settings);
        host.set(&kernel.settings()?);
        if draw.percent(50) {
            for (protocol, port, to) in FORWARDS {
                host.forward(protocol, port, (B, to));
                kernel.forward(protocol, port, (B, to));
            }
        }
        host.lan_first = kernel.before == Before::Tc;
        Ok(Sides { kernel, host, counted: HashMap::new(), counts: true, faults: BTreeMap::new() })
    }

    fn round(mut self, draw: &mut Draw, corpus: &[Vec<u8>], frames: u64, tally: &mut Tally) -> Result<()> {
        let mut remembered: Vec<Passed> = Vec::new();
        for _ in 0..frames {
            if draw.below(LEAP) == 0 {
                self.leap(*draw.one(&LEAPS), tally)?;
            }
            let (place, frame) = next_frame(draw, corpus, &remembered);
            tally.frames += 1;
            let Some(outcome) = self.send(place, &frame, tally)? else { continue };
            if outcome.fate == Fate::Dropped {
                tally.dropped += 1;
                continue;
            }
            if remembered.len() == REMEMBERED {
                remembered.swap_remove(draw.below(REMEMBERED));
            }
            remembered.push(Passed { place, sent: frame, out: outcome.frame });
        }
        self.compare(0, tally)?;
        for one in self.kernel.recount()? {
            *self.counted.entry(one).or_default() -= 1;
        }
        self.counted.retain(|_, difference| *difference != 0);
        ensure!(
            !self.counts || self.counted.is_empty(),
            "counted differently (host less kernel): {:?}",
            self.counted
        );
        let faults: Vec<_> = self.faults.iter().map(|(what, how)| format!("{what}: {how}")).collect();
        ensure!(faults.is_empty(), "{} kinds of fault:\n {}", faults.len(), faults.join("\n "));
        Ok(())
    }

    /// Notes what is wrong and goes on, so that a run tells of more than one thing.
    fn fault(&mut self, what: &str, how: impl FnOnce() -> String) {
        if !self.faults.contains_key(what) {
            self.faults.insert(what.to_owned(), how());
        }
    }

    /// Puts a frame before both sides; what the kernel has made of it, or nothing if test-run does not take it.
    fn send(&mut self, place: Place, frame: &[u8], tally: &mut Tally) -> Result<Option<Outcome>> {
        self.host.gateway.now.set(now());
        let there = match self.kernel.run(place, frame) {
            Ok(outcome) => outcome,
            // What test-run itself does not take has touched nothing.
            Err(error) if error.is::<ProgramError>() => {
                tally.refused += 1;
                return Ok(None);
            }
            Err(error) => return Err(error.context(format!("{} at {place:?}", hex(frame)))),
        };
        let ticked = now() != self.host.gateway.now.get();
        let sessions = self.host.gateway.sessions.len();
        let drawn = self.host.gateway.drawn.get();
        let here = self.host.send(place, frame);
        for one in here.counted.iter().chain(&self.host.counted_first) {
            *self.counted.entry(*one).or_default() += 1;
        }
        // What is over is removed by whoever comes across it.
        let swept = self.host.gateway.sessions.len() < sessions;
        if here.fate == Fate::Dropped && !swept {
            let noted = may_note(place, &here);
            let (digest, after) = (self.host.digest, self.host.gateway.digest());
            for (table, name) in TABLES
                .iter()
                .enumerate()
                .filter(|(table, _)| digest[*table] != after[*table] && !noted[*table])
            {
                let what = format!("dropped as {:?}, and changes the {name}", here.counted.first());
                self.fault(&what, || format!("table {table}: {} at {place:?}", hex(frame)));
            }
        }
        // One number is drawn for every new binding, in case that its port is taken.
        let drawn = self.host.gateway.drawn.get() - drawn;
        // But what is drawn and then dropped cannot be seen to be the same.
        let shown = drawn == 0 || (drawn == 1 && here.fate != Fate::Dropped);
        // What met another tick keeps another time on each side, which shows many frames later: who came first, for one.
        if same(&here, &there) && shown && !ticked {
            tally.alike += 1;
        } else if ticked || (here.fate == there.fate && drawn > 0) {
            tally.drawn += 1;
            self.counts &= here.fate == there.fate;
            self.adopt(TOUCHED, tally)?;
        } else {
            bail!(
                "frame {} at {place:?}: {}\n the host says   {here:?} {}\n the kernel says {:?} {}\n settings {:?}",
                tally.frames,
                hex(frame),
                hex(&here.frame),
                there.fate,
                hex(&there.frame),
                self.host.gateway.settings
            );
        }
        Ok(Some(there))
    }

    /// Lets time pass on both sides.
    fn leap(&mut self, secs: u32, tally: &mut Tally) -> Result<()> {
        self.compare(0, tally)?;
        self.kernel.wait(Ticks::from_secs(secs));
        self.host.set(&self.kernel.settings()?);
        self.kernel.state()?.put_into(&self.host.gateway, &self.host.gateway.settings, now());
        Ok(())
    }

    /// Gives the host the kernel's tables, which may differ in so many entries.
    fn adopt(&mut self, most: usize, tally: &mut Tally) -> Result<()> {
        let state = self.compare(most, tally)?;
        state.put_into(&self.host.gateway, &self.host.gateway.settings, now());
        Ok(())
    }

    /// Holds the tables of both sides against each other, and gives the kernel's.
    fn compare(&mut self, most: usize, tally: &mut Tally) -> Result<State> {
        let state = self.kernel.state()?;
        let there = state.clone().timeless();
        let differences = State::of(&self.host.gateway).timeless().differences(&there);
        if differences.len() > most {
            let (frames, before) = (tally.frames, self.kernel.before);
            self.fault(
                &format!("after one frame {most} entries at most may differ (host here, kernel there)"),
                || {
                    format!(
                        "{} do after frame {frames} with {before:?}:\n  {}",
                        differences.len(),
                        differences.join("\n  ")
                    )
                },
            );
        }
        tally.compared += 1;
        tally.entries += there.len() as u64;
        Ok(state)
    }
}

/// The tables of [`Gateway::digest`](passthrough_common::seam::host::Gateway::digest), in order.
pub const TABLES: [&str; 6] = ["sessions", "bindings", "hosts", "fragments", "controls", "peers"];

/// In which tables a packet that is dropped like this one may be noted.
///
/// The calls of a control connection end with its framing, and a hairpinned packet has gone half its way. A fragment that overlaps ends its datagram. Who must wait for an SPI, and how many were
/// unknown, is evidence that a server's record keeps.
pub fn may_note(place: Place, outcome: &Outcome) -> [bool; 6] {
    let Some((class, _, reason)) = outcome.counted.first() else { return [false; 6] };
    let lost = matches!(reason, Reason::PptpMalformed | Reason::PptpGap);
    let session = place == Place::Lan || lost || *reason == Reason::EspHold;
    let server = matches!(class, Class::Esp | Class::Ike | Class::NatT | Class::L2tp);
    let control = lost || *class == Class::Pptp;
    // Who makes a server's record is counted for it, and who tries to open something, against its rate.
    [session, session, session || server || control, *reason == Reason::FragmentTiny, control, server]
}

/// Whether both sides have done the same. A dropped frame's bytes are nobody's.
fn same(here: &Outcome, there: &Outcome) -> bool {
    here.fate == there.fate && (here.frame == there.frame || here.fate == Fate::Dropped)
}

/// Settings with every class at one of its positions, mostly *full*.
fn settings(draw: &mut Draw) -> Settings {
    let mut settings = Settings::DEFAULT;
    settings.wan_ifindex = super::host::WAN;
    settings.pool = Ranges::one(E);
    settings.changes = draw.bits() as u32;
    for class in Class::SWITCHED {
        let position = match draw.below(8) {
            0 => Switch::Off,
            1 => Switch::Plain,
            _ => Switch::Full,
        };
        settings.switches[class as usize] = position as u8;
    }
    if draw.percent(30) {
        settings.options |= option::KEEP_L2TP_PORT;
    }
    settings.filtering = [draw.below(3) as u8, draw.below(3) as u8];
    settings
}

/// A frame that was not dropped.
struct Passed {
    place: Place,
    sent: Vec<u8>,
    out: Vec<u8>,
}

fn next_frame(draw: &mut Draw, corpus: &[Vec<u8>], remembered: &[Passed]) -> (Place, Vec<u8>) {
    let (place, frame) = if draw.percent(NOISE) {
        (*draw.one(&[Place::Out, Place::In, Place::Lan]), mutate::noise(draw))
    } else if !remembered.is_empty() && draw.percent(ANSWERS) {
        let passed = draw.one(remembered);
        // The same again, or what its receiver answers.
        let (place, mut frame) = if draw.percent(50) {
            (passed.place, passed.sent.clone())
        } else {
            let frame = mutate::answer(&passed.out);
            (if is_from_inside(&frame) { Place::Out } else { Place::In }, frame)
        };
        mutate::damage(draw, &mut frame);
        (place, frame)
    } else {
        let mut frame = draw.one(corpus).clone();
        // Each host has its own ports, so that outside ports seldom have to be drawn.
        mutate::spread(draw, &mut frame);
        mutate::damage(draw, &mut frame);
        let place = match draw.below(20) {
            0 => Place::Lan,
            _ if is_from_inside(&frame) => Place::Out,
            _ => Place::In,
        };
        (place, frame)
    };
    // What a client sends to an outside address never gets as far as WAN egress.
    let to_gateway = frame.get(30..ADDRESSES.end) == Some(&E.to_be_bytes());
    (if place == Place::Out && to_gateway { Place::Lan } else { place }, frame)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
