//! What the project set out to reach, and the worst of the tests that each target speaks of.

use super::super::{
    frame::Traffic,
    implementation::Implementation,
    plan::MILLION,
    results::{Measure, Results, Test},
    statistics::Spread,
};

/// What is to be reached.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Wanted {
    /// So much or more.
    AtLeast(f64),
    /// So much or less.
    AtMost(f64),
}

impl Wanted {
    /// In words.
    pub fn words(self) -> String {
        match self {
            Wanted::AtLeast(figure) => format!(">= {figure}"),
            Wanted::AtMost(figure) => format!("<= {figure}"),
        }
    }

    /// Whether a figure is enough.
    pub fn is_met(self, figure: f64) -> bool {
        match self {
            Wanted::AtLeast(wanted) => figure >= wanted,
            Wanted::AtMost(wanted) => figure <= wanted,
        }
    }

    /// The worst figure, with the test that it is of.
    fn worst(self, figures: Vec<(f64, String)>) -> Option<(f64, String)> {
        let order = |one: &(f64, String), other: &(f64, String)| one.0.total_cmp(&other.0);
        match self {
            Wanted::AtLeast(_) => figures.into_iter().min_by(order),
            Wanted::AtMost(_) => figures.into_iter().max_by(order),
        }
    }
}

/// A target and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is spoken of.
    pub what: String,
    /// How much is to be reached.
    pub wanted: Wanted,
    /// What was measured, in the middle of the tests.
    pub median: f64,
    /// What was measured in the worst of them.
    pub figure: f64,
    /// That test.
    pub worst: String,
}

impl Target {
    /// Whether the worst test is good enough.
    pub fn is_met(&self) -> bool {
        self.wanted.is_met(self.figure)
    }
}

use Wanted::{AtLeast, AtMost};

/// All targets for which anything was measured.
pub fn of(results: &Results) -> Vec<Target> {
    let mut targets = Vec::new();
    let mut add = |what: String, wanted: Wanted, figures: Vec<(f64, String)>| {
        let median = Spread::of(&figures.iter().map(|(figure, _)| *figure).collect::<Vec<_>>());
        if let Some(((figure, worst), spread)) = wanted.worst(figures).zip(median) {
            targets.push(Target { what, wanted, median: spread.median, figure, worst });
        }
    };
    let (tc, xdp, limit) = (Implementation::Tc, Implementation::Xdp, Implementation::XdpForward);
    let tests = results.tests();
    let ratios = |picked: fn(&Test) -> bool, base: &dyn Fn(Test) -> (Test, Implementation), one| {
        let picked = tests.iter().filter(|test| picked(test));
        let ratio = |test: &Test| Some((results.ratio(base(*test), (*test, one))?, test.name()));
        picked.filter_map(ratio).collect::<Vec<_>>()
    };
    let few = |test: &Test| test.sessions <= 1000;
    let thousand = |test: &Test| test.sessions == 1000;
    let many = |test: &Test| test.sessions == 100_000;
    let calls = |test: &Test| test.traffic == Traffic::Gre && test.sessions == 500;
    let bare = |test: Test| (test, limit);
    let rival = |test: Test| (test, Results::rival(test));
    let (x, t) = (xdp.name(), tc.name());
    add(format!("{x}: up to 1,000 sessions, to xdp-forward"), AtLeast(0.72), ratios(few, &bare, xdp));
    add(format!("{x}: up to 1,000 sessions, to netfilter"), AtLeast(4.5), ratios(few, &rival, xdp));
    add(format!("{x}: 100,000 sessions, to xdp-forward"), AtLeast(0.45), ratios(many, &bare, xdp));
    add(format!("{x}: 100,000 sessions, to netfilter"), AtLeast(5.0), ratios(many, &rival, xdp));
    add(format!("{x}: 500 PPTP calls, to nf_nat_pptp"), AtLeast(25.0), ratios(calls, &rival, xdp));
    add(format!("{t}: 1,000 sessions, to netfilter"), AtLeast(1.3), ratios(thousand, &rival, tc));
    add(format!("{t}: 100,000 sessions, to netfilter"), AtLeast(2.0), ratios(many, &rival, tc));
    // By the rates, as everywhere: a ratio of costs is the other way round.
    let costs =
        |ratios: Vec<(f64, String)>| ratios.into_iter().map(|(rate, name)| (1.0 / rate, name)).collect();
    let hundredth = |test: Test| (Test { sessions: 100_000, ..test }, xdp);
    let million = ratios(|test| test.sessions == MILLION, &hundredth, xdp);
    add(format!("{x}: cost of a million sessions, to 100,000"), AtMost(1.5), costs(million));
    let udp = |test: Test| (Test { traffic: Traffic::Udp, ..test }, xdp);
    let tunnels = ratios(|test| matches!(test.traffic, Traffic::Gre | Traffic::Esp), &udp, xdp);
    add(format!("{x}: cost of GRE and ESP, to UDP"), AtMost(1.05), costs(tunnels));

    let median = |measure, one| {
        let figures = results.measures.get(&(measure, one))?;
        Some(Spread::of(&figures.figures)?.median)
    };
    let one = |figure: Option<f64>, measure: Measure| {
        figure.map(|figure| (figure, measure.name().to_owned())).into_iter().collect::<Vec<_>>()
    };
    let quotient = |own: Option<f64>, other: Option<f64>| Some(own? / other?);
    for implementation in [tc, xdp] {
        let name = implementation.name();
        let own = |measure| median(measure, implementation);
        let memory = one(own(Measure::Memory), Measure::Memory);
        add(format!("{name}: bytes of a session"), AtMost(256.0), memory);
        let rtt = quotient(own(Measure::Rtt50), median(Measure::Rtt50, Implementation::Kernel));
        add(format!("{name}: UDP ping-pong, to kernel"), AtMost(1.0), one(rtt, Measure::Rtt50));
        for (plain, colliding) in [
            (Measure::NewEndpoints, Measure::CollidingEndpoints),
            (Measure::NewSessions, Measure::CollidingSessions),
        ] {
            let fresh = quotient(own(plain), median(plain, Implementation::Netfilter));
            add(format!("{name}: new sessions a second, to netfilter"), AtLeast(2.0), one(fresh, plain));
            let slowed = quotient(own(colliding), own(plain));
            let what = format!("{name}: the same with colliding ports, to its own");
            add(what, AtLeast(0.5), one(slowed, colliding));
        }
        let cells = results.cells.iter().filter(|((_, of), cell)| *of == implementation && cell.sent > 0);
        let arrived = cells.map(|((test, _), cell)| (cell.arrived_percent(), test.name())).collect();
        add(format!("{name}: packets arrived, %"), AtLeast(100.0), arrived);
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::super::super::results::Cell;
    use super::*;

    const LIMIT: Implementation = Implementation::XdpForward;

    #[test]
    fn the_worst_test_counts() {
        let mut results = Results::default();
        for (inbound, ns) in [(false, 120.0), (true, 150.0)] {
            let test = Test { traffic: Traffic::Udp, size: 64, sessions: 1000, inbound };
            for (one, ns) in [(LIMIT, 90.0), (Implementation::Xdp, ns), (Implementation::Netfilter, 540.0)] {
                let cell = Cell { ns: vec![ns], sent: 1, arrived: 1, ..Cell::default() };
                results.cells.insert((test, one), cell);
            }
        }
        let targets = of(&results);
        let first = &targets[0];
        assert_eq!((first.figure, first.worst.as_str(), first.is_met()), (0.6, "udp64_f1000_in", false));
        assert_eq!(first.median, 0.675);
        assert_eq!(targets[1].figure, 3.6);
        assert!(targets.iter().any(|target| target.what.contains("arrived") && target.is_met()));
    }
}
