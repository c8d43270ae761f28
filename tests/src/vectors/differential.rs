//! One stream of damaged and random frames through the host's code and through the real programs: same answers.

use std::collections::HashMap;

use anyhow::{Result, ensure};
use passthrough_common::abi::{Class, Ranges, Settings, Switch, Ticks};

use super::corpus::corpus;
use super::frame::checksum;
use super::host::Host;
use super::kernel::{Before, Kernel};
use super::play::{Counted, Device, Fate, Outcome, Place};
use super::{A, B, C, E, L, R, S, T};

/// Frames before both sides begin anew, under other switches: few enough that no lease ends meanwhile.
const ROUND: usize = 1500;
/// How often in a hundred a frame is an answer to one that came out before, is damaged, and gets a right checksum again.
const ANSWERS: u64 = 60;
const DAMAGED: u64 = 35;
const REPAIRED: u64 = 75;
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
/// Where an untagged packet's addresses are: damaged only into other addresses of the lab, since the host's double has
/// no routing table for all the world.
const ADDRESSES: std::ops::Range<usize> = 26..34;

/// What came of a run.
#[derive(Clone, Copy, Default, Debug)]
pub struct Tally {
    /// Frames that both sides answered alike.
    pub alike: u64,
    /// Frames of which both sides drew different numbers: they began anew after each.
    pub drawn: u64,
    /// Frames that test-run does not take.
    pub refused: u64,
    /// Frames that the fast path moved.
    pub moved: u64,
}

/// Random numbers from a seed (xorshift64*).
struct Draw(u64);

impl Draw {
    fn next(&mut self) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d) >> 16
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound as u64) as usize
    }

    fn percent(&mut self, share: u64) -> bool {
        self.next() % 100 < share
    }
}

/// Sends `frames` frames through both sides.
///
/// # Errors
///
/// The first frame that they answer differently, with both answers.
pub fn run(kernel: &mut Kernel, seed: u64, frames: usize) -> Result<Tally> {
    let mut draw = Draw(seed | 1);
    let corpus = corpus();
    let mut tally = Tally::default();
    let mut sent = 0;
    kernel.counting = false;
    while sent < frames {
        sent += round(kernel, &mut draw, &corpus, ROUND.min(frames - sent), &mut tally)?;
    }
    tally.moved = kernel.moved as u64;
    Ok(tally)
}

/// Sends up to `frames` frames under one setting of the switches; how many it has sent.
fn round(
    kernel: &mut Kernel,
    draw: &mut Draw,
    corpus: &[Vec<u8>],
    frames: usize,
    tally: &mut Tally,
) -> Result<usize> {
    let mut host = Host::fast();
    kernel.before = if draw.percent(50) { Before::Xdp } else { Before::Tc };
    kernel.renew()?;
    let settings = settings(draw);
    host.set(&settings);
    kernel.set(&settings);
    if draw.percent(50) {
        for (protocol, port, to) in FORWARDS {
            host.forward(protocol, port, (B, to));
            kernel.forward(protocol, port, (B, to));
        }
    }
    let mut remembered: Vec<Passed> = Vec::new();
    let mut counted: HashMap<Counted, i64> = HashMap::new();
    for index in 1..=frames {
        let (place, frame) = next_frame(draw, corpus, &remembered);
        // What a client sends to an outside address never gets as far as WAN egress.
        let to_gateway = frame.get(30..ADDRESSES.end) == Some(&E.to_be_bytes());
        let place = if place == Place::Out && to_gateway { Place::Lan } else { place };
        host.gateway.now.set(now());
        let there = match kernel.run(place, &frame) {
            Ok(outcome) => outcome,
            // What test-run itself does not take has touched nothing.
            Err(_) => {
                tally.refused += 1;
                continue;
            }
        };
        let ticked = now() != host.gateway.now.get();
        let drawn = host.gateway.drawn.get();
        let here = host.send(place, &frame);
        for one in &here.counted {
            *counted.entry(*one).or_default() += 1;
        }
        // One number is drawn for every new binding, in case that its port is taken.
        let drawn = host.gateway.drawn.get() - drawn;
        if same(&here, &there) && drawn < 2 {
            tally.alike += 1;
        } else if ticked || (here.fate == there.fate && drawn > 0) {
            tally.drawn += 1;
            kernel.recount()?;
            return Ok(index);
        } else {
            anyhow::bail!(
                "frame {index} at {place:?}: {}\n the host says   {here:?}\n the kernel says {:?} {}\n settings {settings:?}",
                hex(&frame),
                there.fate,
                hex(&there.frame)
            );
        }
        if there.fate != Fate::Dropped {
            if remembered.len() == REMEMBERED {
                remembered.swap_remove(draw.below(REMEMBERED));
            }
            remembered.push(Passed { place, sent: frame, out: there.frame });
        }
    }
    let there = kernel.recount()?;
    if kernel.before == Before::Tc {
        // A LAN's hook counts what it drops, and WAN egress is asked about it all the same.
        return Ok(frames);
    }
    for one in there {
        *counted.entry(one).or_default() -= 1;
    }
    counted.retain(|_, difference| *difference != 0);
    ensure!(counted.is_empty(), "counted differently (host less kernel): {counted:?}");
    Ok(frames)
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
    settings.changes = draw.next() as u32;
    for class in Class::SWITCHED {
        let position = match draw.below(8) {
            0 => Switch::Off,
            1 => Switch::Plain,
            _ => Switch::Full,
        };
        settings.switches[class as usize] = position as u8;
    }
    if draw.percent(30) {
        settings.options |= passthrough_common::abi::settings::option::KEEP_L2TP_PORT;
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
    if !remembered.is_empty() && draw.percent(ANSWERS) {
        let passed = &remembered[draw.below(remembered.len())];
        // The same again, or what its receiver answers.
        let (place, mut frame) = if draw.percent(50) {
            (passed.place, passed.sent.clone())
        } else {
            let frame = answer(&passed.out);
            (if is_from_inside(&frame) { Place::Out } else { Place::In }, frame)
        };
        damage(draw, &mut frame);
        return (place, frame);
    }
    let mut frame = corpus[draw.below(corpus.len())].clone();
    // Each host has its own ports, so that outside ports seldom have to be drawn.
    spread(draw, &mut frame);
    damage(draw, &mut frame);
    let place = match draw.below(20) {
        0 => Place::Lan,
        _ if is_from_inside(&frame) => Place::Out,
        _ => Place::In,
    };
    (place, frame)
}

/// Whether an untagged IPv4 packet's source is in the LAN.
fn is_from_inside(frame: &[u8]) -> bool {
    frame.get(ADDRESSES.start..ADDRESSES.start + 3) == Some(&[192, 168, 1])
}

/// Moves the inside port of UDP and TCP to one of the host's own, and mostly that of a service too: what clients share
/// has its outside port drawn.
fn spread(draw: &mut Draw, frame: &mut [u8]) {
    let is_transport =
        frame.len() > 42 && frame[12..15] == [8, 0, 0x45] && (frame[23] == 6 || frame[23] == 17);
    if !is_transport || !is_from_inside(frame) || frame[20..22] != [0x40, 0] {
        return;
    }
    let port = u16::from_be_bytes([frame[34], frame[35]]);
    if [500, 1701, 1723, 4500].contains(&port) && draw.percent(if port == 500 { 100 } else { 15 }) {
        return;
    }
    let own = 10_000 + 1000 * u16::from(frame[29]) + draw.below(20) as u16;
    let sum_at = if frame[23] == 6 { 50 } else { 40 };
    let sum = u16::from_be_bytes([frame[sum_at], frame[sum_at + 1]]);
    if frame[23] == 17 && sum == 0 {
        return;
    }
    let delta = passthrough_common::wire::checksum::delta16(port, own);
    let sum = passthrough_common::wire::checksum::apply_udp(sum.max(1), delta);
    frame[34..36].copy_from_slice(&own.to_be_bytes());
    frame[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The frame with both ends exchanged.
fn answer(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame.len() < 38 || frame[12..15] != [8, 0, 0x45] {
        return frame;
    }
    let (source, destination) = frame[26..34].split_at_mut(4);
    source.swap_with_slice(destination);
    if frame[23] == 6 || frame[23] == 17 {
        let (source, destination) = frame[34..38].split_at_mut(2);
        source.swap_with_slice(destination);
    }
    frame[22] = 64;
    repair(&mut frame);
    frame
}

/// Changes a few bytes, or cuts the frame.
fn damage(draw: &mut Draw, frame: &mut Vec<u8>) {
    if !draw.percent(DAMAGED) {
        return;
    }
    for _ in 0..=draw.below(3) {
        let at = 14 + draw.below(80.min(frame.len().max(15) - 14));
        if at >= frame.len() || frame[12..14] != [8, 0] {
            continue;
        }
        if ADDRESSES.contains(&at) {
            let address = [A, B, C, E, L, R, S, T][draw.below(8)];
            let start = if at < 30 { 26 } else { 30 };
            frame[start..start + 4].copy_from_slice(&address.to_be_bytes());
        } else {
            frame[at] = draw.next() as u8;
        }
    }
    if draw.percent(8) {
        frame.truncate(14 + draw.below(frame.len() - 14));
    }
    if draw.percent(REPAIRED) {
        repair(frame);
    }
}

/// Gives the header the checksum that it should have.
fn repair(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let length = usize::from(frame[14] & 0xf) * 4;
    if length < 20 || frame.len() < 14 + length {
        return;
    }
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..14 + length], 0);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}

/// The kernel's coarse clock, as the programs read it.
fn now() -> Ticks {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE)
        .expect("every Linux has a coarse clock");
    Ticks::from_ns(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
