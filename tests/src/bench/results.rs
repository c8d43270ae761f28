//! What was measured: figures by test, by implementation, by round.

use std::collections::BTreeMap;

use super::{frame::Traffic, implementation::Implementation, programs::Run, statistics::Spread};

/// One line of the tables of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub struct Test {
    /// What the packets carry.
    pub traffic: Traffic,
    /// Bytes of a frame, without its check sequence.
    pub size: u16,
    /// Sessions, used in turn.
    pub sessions: u32,
    /// From inside; from outside otherwise.
    pub inbound: bool,
}

impl Test {
    /// `udp64_f1000_out`.
    pub fn name(&self) -> String {
        let Test { size, sessions, .. } = self;
        let direction = if self.inbound { "in" } else { "out" };
        format!("{}{size}_f{sessions}_{direction}", self.traffic.name())
    }
}

/// The rounds of one cell.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Cell {
    /// ns a packet, by round.
    pub ns: Vec<f64>,
    /// Share of the clock's time that was left out as interrupted, 0 to 1, by round.
    pub interrupted: Vec<f64>,
    /// Packets sent, all rounds.
    pub sent: u64,
    /// Packets arrived, all rounds.
    pub arrived: u64,
    /// Why there is no figure, or not one for each round.
    pub failure: Option<String>,
}

impl Cell {
    /// Median and extremes of ns a packet.
    pub fn spread(&self) -> Option<Spread> {
        Spread::of(&self.ns)
    }

    /// Share of the packets that arrived, in percent.
    pub fn arrived_percent(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { 100.0 * self.arrived as f64 / self.sent as f64 }
    }

    /// Whether a packet was lost.
    pub const fn is_lossy(&self) -> bool {
        self.arrived < self.sent
    }
}

/// A figure that is not one of packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Measure {
    /// New sessions of new inside endpoints.
    NewEndpoints,
    /// Further sessions of the same endpoints.
    NewSessions,
    /// As [`Measure::NewEndpoints`], with colliding source ports.
    CollidingEndpoints,
    /// As [`Measure::NewSessions`], with colliding source ports.
    CollidingSessions,
    /// Removal of all sessions.
    TearDown,
    /// Sessions taken of those offered.
    Capacity,
    /// Bytes of a session.
    Memory,
    /// UDP ping-pong, the middle round trip.
    Rtt50,
    /// UDP ping-pong, 99 of 100.
    Rtt99,
    /// UDP ping-pong, 999 of 1000.
    Rtt999,
    /// TCP from inside.
    TcpOut,
    /// TCP from outside.
    TcpIn,
}

impl Measure {
    /// All, in the order of the table.
    pub const ALL: [Measure; 12] = [
        Measure::NewEndpoints,
        Measure::NewSessions,
        Measure::CollidingEndpoints,
        Measure::CollidingSessions,
        Measure::TearDown,
        Measure::Capacity,
        Measure::Memory,
        Measure::Rtt50,
        Measure::Rtt99,
        Measure::Rtt999,
        Measure::TcpOut,
        Measure::TcpIn,
    ];

    /// Its name among the figures.
    pub const fn name(self) -> &'static str {
        match self {
            Measure::NewEndpoints => "new_endpoints",
            Measure::NewSessions => "new_sessions",
            Measure::CollidingEndpoints => "new_endpoints_colliding",
            Measure::CollidingSessions => "new_sessions_colliding",
            Measure::TearDown => "tear_down",
            Measure::Capacity => "capacity",
            Measure::Memory => "memory",
            Measure::Rtt50 => "rtt_p50",
            Measure::Rtt99 => "rtt_p99",
            Measure::Rtt999 => "rtt_p999",
            Measure::TcpOut => "tcp_out",
            Measure::TcpIn => "tcp_in",
        }
    }

    /// Its unit.
    pub const fn unit(self) -> &'static str {
        match self {
            Measure::NewEndpoints
            | Measure::NewSessions
            | Measure::CollidingEndpoints
            | Measure::CollidingSessions
            | Measure::TearDown => "sessions/s",
            Measure::Capacity => "sessions",
            Measure::Memory => "bytes/session",
            Measure::Rtt50 | Measure::Rtt99 | Measure::Rtt999 => "us",
            Measure::TcpOut | Measure::TcpIn => "Gbit/s",
        }
    }
}

/// The rounds of one measure.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Figures {
    /// By round, in the measure's unit.
    pub figures: Vec<f64>,
    /// What must be known beside the figure, or why there is none.
    pub note: Option<String>,
}

/// What the kernel tells of a program.
#[derive(Clone, Debug, PartialEq)]
pub struct Program {
    /// Whose it is.
    pub implementation: Implementation,
    /// Its name.
    pub name: String,
    /// Instructions after the verifier.
    pub instructions: u32,
    /// Bytes of machine code.
    pub machine_bytes: u32,
    /// Instructions that the verifier walked through.
    pub verified: u32,
    /// Runs while it was watched.
    pub runs: u64,
    /// ns a run, the watching included.
    pub ns: f64,
}

/// Everything.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// Cells of packets.
    pub cells: BTreeMap<(Test, Implementation), Cell>,
    /// The other measures.
    pub measures: BTreeMap<(Measure, Implementation), Figures>,
    /// Programs, each alone.
    pub programs: Vec<Program>,
    /// Share of the processors' time that the host gave to others meanwhile, 0 to 1.
    pub stolen: f64,
    /// Why an implementation is missing.
    pub missing: BTreeMap<Implementation, String>,
}

impl Results {
    /// Adds a round's run to a cell.
    pub fn ran(&mut self, test: Test, implementation: Implementation, run: &Run) {
        let cell = self.cells.entry((test, implementation)).or_default();
        cell.ns.push(run.ns_a_packet());
        cell.interrupted.push(run.batches.interrupted());
        cell.sent += run.sent;
        cell.arrived += run.arrived;
    }

    /// Says why a cell has no figure in a round.
    pub fn failed(&mut self, test: Test, implementation: Implementation, why: &str) {
        self.cells.entry((test, implementation)).or_default().failure = Some(why.to_owned());
    }

    /// Adds a round's figure.
    pub fn measured(&mut self, measure: Measure, implementation: Implementation, figure: f64) {
        self.measures.entry((measure, implementation)).or_default().figures.push(figure);
    }

    /// Adds what must be known beside a measure.
    pub fn note(&mut self, measure: Measure, implementation: Implementation, note: &str) {
        self.measures.entry((measure, implementation)).or_default().note = Some(note.to_owned());
    }

    /// Median of a cell, ns a packet.
    pub fn median(&self, test: Test, implementation: Implementation) -> Option<f64> {
        Some(self.cells.get(&(test, implementation))?.spread()?.median)
    }

    /// How many times as long a packet takes by `one` as by `other`: the median of the rounds' ratios, since what slows a
    /// machine down for a while meets all of a round.
    pub fn ratio(&self, one: (Test, Implementation), other: (Test, Implementation)) -> Option<f64> {
        let (one, other) = (self.cells.get(&one)?, self.cells.get(&other)?);
        if one.ns.len() != other.ns.len() {
            // A round is missing of one of them.
            return Some(one.spread()?.median / other.spread()?.median);
        }
        let ratios: Vec<f64> = one.ns.iter().zip(&other.ns).map(|(one, other)| one / other).collect();
        Some(Spread::of(&ratios)?.median)
    }

    /// The tests that have a cell, in order.
    pub fn tests(&self) -> Vec<Test> {
        let mut tests: Vec<Test> = self.cells.keys().map(|(test, _)| *test).collect();
        tests.dedup();
        tests
    }

    /// The implementations that have any figure or a reason why not, in order.
    pub fn implementations(&self) -> Vec<Implementation> {
        let has = |one: &Implementation| {
            self.missing.contains_key(one)
                || self.cells.keys().any(|(_, other)| other == one)
                || self.measures.keys().any(|(_, other)| other == one)
        };
        Implementation::ALL.into_iter().filter(has).collect()
    }

    /// What a test is compared with as "netfilter": with its helper where that is for this traffic.
    pub fn rival(test: Test) -> Implementation {
        if Implementation::Netfilter.takes(test.traffic) {
            Implementation::Netfilter
        } else {
            Implementation::NetfilterPptp
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::{
        batches::Batches,
        layout::{BATCH, BUCKETS, bucket},
    };
    use super::*;

    const TEST: Test = Test { traffic: Traffic::Udp, size: 64, sessions: 1000, inbound: false };

    #[test]
    fn a_test_is_named_by_what_it_is() {
        assert_eq!(TEST.name(), "udp64_f1000_out");
        assert_eq!(Test { inbound: true, traffic: Traffic::L2tp, ..TEST }.name(), "l2tp64_f1000_in");
    }

    #[test]
    fn rounds_come_together_in_a_cell() {
        let mut results = Results::default();
        for (ns, arrived) in [(90, 10), (100, 9), (130, 10)] {
            let mut buckets = vec![[0; 2]; BUCKETS as usize];
            buckets[bucket(ns * BATCH) as usize] = [1, ns * BATCH];
            let run = Run { sent: 10, arrived, batches: Batches::new(buckets) };
            results.ran(TEST, Implementation::Kernel, &run);
        }
        assert_eq!(results.median(TEST, Implementation::Kernel), Some(100.0));
        let cell = &results.cells[&(TEST, Implementation::Kernel)];
        assert!(cell.is_lossy());
        assert!((cell.arrived_percent() - 96.666).abs() < 0.01);
        assert_eq!(results.tests(), [TEST]);
        assert_eq!(results.implementations(), [Implementation::Kernel]);
    }

    #[test]
    fn ratios_are_taken_round_by_round() {
        let mut results = Results::default();
        let slow = Cell { ns: vec![100.0, 900.0, 110.0], ..Cell::default() };
        let fast = Cell { ns: vec![50.0, 300.0, 55.0], ..Cell::default() };
        results.cells.insert((TEST, Implementation::Netfilter), slow);
        results.cells.insert((TEST, Implementation::Kernel), fast);
        let (slow, fast) = ((TEST, Implementation::Netfilter), (TEST, Implementation::Kernel));
        assert_eq!(results.ratio(slow, fast), Some(2.0));
        assert_eq!(results.ratio(slow, (TEST, Implementation::Tc)), None);
    }

    #[test]
    fn gre_is_compared_with_the_helper() {
        assert_eq!(Results::rival(TEST), Implementation::Netfilter);
        assert_eq!(Results::rival(Test { traffic: Traffic::Gre, ..TEST }), Implementation::NetfilterPptp);
    }
}
