//! What is to be measured: the tests, how often and how long.

use std::{path::PathBuf, time::Duration};

use super::{
    frame::Traffic,
    implementation::Implementation,
    results::{Measure, Test},
};

/// Sessions that are measured in a gateway of their own, made for so many: its tables are larger, and so colder.
pub const MILLION: u32 = 1_000_000;
/// Room for sessions in the gateway that takes all other tests: tables of one size, whatever the test.
pub const ROOM: u32 = 262_144;
/// Room in the gateway of [`MILLION`].
pub const LARGE_ROOM: u32 = 1_048_576;

/// What was asked for.
#[derive(Clone, Debug)]
pub struct Plan {
    /// How often each implementation is measured.
    pub rounds: u32,
    /// How long a cell's clock runs.
    pub length: Duration,
    /// Round trips of the ping-pong.
    pub round_trips: usize,
    /// How long iperf3 runs.
    pub iperf: Duration,
    /// Few rows.
    pub quick: bool,
    /// Only what has this in its name.
    pub only: Option<String>,
    /// What is compared.
    pub implementations: Vec<Implementation>,
    /// Where the figures go.
    pub out: PathBuf,
}

impl Plan {
    /// The whole set, or a short one.
    pub fn new(quick: bool) -> Plan {
        Plan {
            rounds: if quick { 1 } else { 5 },
            length: Duration::from_millis(if quick { 100 } else { 300 }),
            round_trips: if quick { 10_000 } else { 40_000 },
            iperf: Duration::from_secs(if quick { 1 } else { 3 }),
            quick,
            only: None,
            implementations: Implementation::ALL.to_vec(),
            out: PathBuf::from("docs"),
        }
    }

    fn wants(&self, name: &str) -> bool {
        self.only.as_ref().is_none_or(|only| name.contains(only.as_str()))
    }

    /// Whether a measure is wanted of an implementation.
    pub fn wants_measure(&self, measure: Measure, implementation: Implementation) -> bool {
        let about_sessions = !matches!(
            measure,
            Measure::Rtt50 | Measure::Rtt99 | Measure::Rtt999 | Measure::TcpOut | Measure::TcpIn
        );
        let fits = implementation != Implementation::NetfilterPptp
            && (!about_sessions || implementation.translates());
        fits && self.wants(measure.name())
    }

    /// Whether the programs are to be looked at, each alone.
    pub fn wants_programs(&self) -> bool {
        self.wants("programs")
    }

    /// The tests of one stage, in order: few sessions first, the tests of one set of sessions together.
    pub fn tests(&self, implementation: Implementation, million: bool) -> Vec<Test> {
        let mut tests = Vec::new();
        let sizes: &[u16] = if self.quick || million { &[64] } else { &[64, 1400] };
        let mut sets: Vec<(u32, Traffic)> =
            Traffic::ALL.into_iter().flat_map(|traffic| self.sets(traffic)).collect();
        sets.sort();
        for (sessions, traffic) in sets {
            if (sessions == MILLION) != million || !implementation.takes(traffic) {
                continue;
            }
            for &size in sizes {
                for inbound in [false, true] {
                    tests.push(Test { traffic, size, sessions, inbound });
                }
            }
        }
        tests.retain(|test| self.wants(&test.name()));
        tests
    }

    /// Numbers of sessions to measure with one kind of traffic.
    fn sets(&self, traffic: Traffic) -> Vec<(u32, Traffic)> {
        let counts: &[u32] = match (traffic, self.quick) {
            (Traffic::Udp, false) => &[1, 1000, 100_000, MILLION],
            (Traffic::Udp, true) => &[1000, 100_000],
            (Traffic::Tcp, false) => &[1, 1000],
            (Traffic::Gre, false) => &[1, 500, 1000],
            (Traffic::Gre, true) => &[500],
            (Traffic::Esp | Traffic::L2tp, false) => &[1, 1000, 100_000],
            (_, true) => &[1000],
        };
        counts.iter().map(|count| (*count, traffic)).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn tests_of_one_set_of_sessions_stand_together() {
        let tests = Plan::new(false).tests(Implementation::Tc, false);
        let mut sets: Vec<_> = tests.iter().map(|test| (test.sessions, test.traffic)).collect();
        sets.dedup();
        let mut once = sets.clone();
        once.sort();
        once.dedup();
        assert_eq!(sets, once);
        assert!(tests.iter().all(|test| test.sessions < MILLION));
    }

    #[test]
    fn a_filter_leaves_what_it_names() {
        let plan = Plan { only: Some("gre64_f500".to_owned()), ..Plan::new(false) };
        let names: Vec<_> = plan.tests(Implementation::Kernel, false).iter().map(Test::name).collect();
        assert_eq!(names, ["gre64_f500_out", "gre64_f500_in"]);
        assert!(plan.tests(Implementation::Netfilter, false).is_empty());
        assert!(!plan.wants_measure(Measure::Rtt50, Implementation::Kernel));
    }

    #[test]
    fn only_gateways_that_translate_have_sessions_to_count() {
        let plan = Plan::new(false);
        assert!(!plan.wants_measure(Measure::Memory, Implementation::Kernel));
        assert!(plan.wants_measure(Measure::Rtt50, Implementation::Kernel));
        assert!(plan.wants_measure(Measure::Memory, Implementation::Tc));
    }
}
