//! What the fuzzer starts from: every frame of the vectors, every vector as a life, and conversations of PPTP.

use std::collections::HashSet;

use passthrough_common::abi::{Class, Settings, Side, Switch, Ticks};

use super::parse::{PLACES, REPAIRED};
use super::{path, pptp};
use crate::vectors::cases;
use crate::vectors::host::Host;
use crate::vectors::play::{Device, Outcome, Place, Sizes};

/// Inputs for a target; none for one that there is not.
pub fn of(target: &str) -> Vec<Vec<u8>> {
    match target {
        "parse" => frames(),
        "path" => lives(),
        "pptp" => talks(),
        _ => Vec::new(),
    }
}

fn frames() -> Vec<Vec<u8>> {
    let mut seen = HashSet::new();
    let mut seeds = Vec::new();
    for recorded in recordings() {
        for (place, frame) in recorded.sent {
            let input = [&[number(place), REPAIRED], &frame[..]].concat();
            if seen.insert(input.clone()) {
                seeds.push(input);
            }
        }
    }
    seeds
}

fn lives() -> Vec<Vec<u8>> {
    recordings().into_iter().map(|recorded| [vec![0], recorded.asked].concat()).collect()
}

/// Every vector, played on the host and noted.
fn recordings() -> Vec<Recorder> {
    let vectors = cases::ALL.iter().flat_map(|(_, vectors)| vectors.iter());
    let play = |vector: &crate::vectors::Vector| {
        let mut recorder = Recorder::default();
        // One that fails is for its own test to tell.
        let _ = vector.run(&mut recorder);
        recorder
    };
    vectors.map(play).collect()
}

fn number(place: Place) -> u8 {
    PLACES.iter().position(|other| *other == place).unwrap_or(0) as u8
}

/// A host that notes what it is given, as the target `path` would ask for it.
#[derive(Default)]
struct Recorder {
    host: Host,
    settings: Option<Settings>,
    sent: Vec<(Place, Vec<u8>)>,
    asked: Vec<u8>,
}

impl Device for Recorder {
    fn set(&mut self, settings: &Settings) {
        let before = self.settings.replace(*settings);
        for (index, class) in Class::SWITCHED.into_iter().enumerate() {
            let now = settings.switch(class);
            if before.is_none_or(|before| before.switch(class) != now) {
                let position = match now {
                    Switch::Full => 0,
                    Switch::Off => 1,
                    Switch::Plain => 2,
                };
                self.asked.extend([path::ask::SWITCH, index as u8, position]);
            }
        }
        self.host.set(settings);
    }

    fn zone(&mut self, side: Side, vlan: u16) {
        self.host.zone(side, vlan);
    }

    fn listen(&mut self, protocol: u8, local: (u32, u16)) {
        self.host.listen(protocol, local);
    }

    fn forward(&mut self, protocol: u8, port: u16, to: (u32, u16)) {
        self.host.forward(protocol, port, to);
    }

    fn wait(&mut self, length: Ticks) {
        let pause = path::PAUSES.iter().position(|secs| Ticks::from_secs(*secs) >= length);
        self.asked.extend([path::ask::PAUSE, pause.unwrap_or(path::PAUSES.len() - 1) as u8]);
        self.host.wait(length);
    }

    fn send(&mut self, place: Place, frame: &[u8]) -> Outcome {
        self.sent.push((place, frame.to_vec()));
        if let Ok(length) = u8::try_from(frame.len()) {
            self.asked.extend([path::ask::BYTES, number(place), length]);
            self.asked.extend(frame);
        }
        self.host.send(place, frame)
    }

    fn sizes(&mut self) -> Sizes {
        self.host.sizes()
    }
}

/// Conversations: a call, two clients with one call ID, a message byte by byte, what comes again, and what lies.
fn talks() -> Vec<Vec<u8>> {
    use pptp::ask::{AGAIN, AHEAD, BYTES, FLAGS, GRE, MESSAGE, OTHERWISE, PAUSE};
    // Whose: bit 0 the line, bit 1 the server's side. A message: type less one, ID, peer's ID, result, cut.
    let request = |line: u8, id: u8, cut: u8| vec![MESSAGE, line, 6, id, 0, 0, cut];
    let reply = |line: u8, id: u8, cut: u8| vec![MESSAGE, line | 2, 7, id, 1, 1, cut];
    let start = |line: u8| vec![MESSAGE, line, 0, 0, 0, 0, 0, MESSAGE, line | 2, 1, 0, 0, 1, 0];
    let data = |line: u8| vec![GRE, line, 8, GRE, line | 2, 1];
    let clear = |line: u8, id: u8| vec![MESSAGE, line, 11, id, 0, 0, 0, MESSAGE, line | 2, 12, 4, 0, 1, 0];
    vec![
        [start(0), request(0, 2, 0), reply(0, 4, 0), data(0), clear(0, 2)].concat(),
        [
            start(0),
            request(0, 0, 0),
            reply(0, 4, 0),
            start(1),
            request(1, 0, 0),
            reply(1, 4, 0),
            data(0),
            data(1),
        ]
        .concat(),
        [request(0, 0, 1), reply(0, 4, 1), request(1, 0, 1), reply(1, 4, 1), data(1)].concat(),
        [request(0, 0, 13), request(1, 0, 13), vec![AGAIN, 1, 84, 167], vec![AGAIN, 1, 80, 3], data(1)]
            .concat(),
        [
            request(0, 0, 0),
            request(1, 0, 0),
            vec![OTHERWISE, 1, 168, 32],
            crate::vectors::bodies::pptp(7, 9, 0, 0)[..32].to_vec(),
        ]
        .concat(),
        [vec![AHEAD, 0, 9, 100], request(0, 1, 7), vec![PAUSE, 3], reply(0, 5, 2), vec![FLAGS, 0, 2, 0]]
            .concat(),
        [vec![BYTES, 0, 16], b"GET / HTTP/1.1\r\n".to_vec(), vec![0], request(0, 1, 0)].concat(),
        (0..18u8).flat_map(|id| request(id & 1, id % 6, id)).collect(),
        [
            request(0, 0, 0),
            vec![FLAGS, 0, 1, 0, FLAGS, 2, 1, 0, PAUSE, 1, FLAGS, 0, 0, 100],
            request(0, 0, 0),
        ]
        .concat(),
    ]
}
