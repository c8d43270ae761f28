//! What the project set out to reach, and the worst of the tests that each target speaks of.

use super::super::{
    frame::Traffic,
    implementation::Implementation,
    plan::MILLION,
    results::{Measure, Results, Test},
    statistics::Spread,
};

/// A target and what came of it.
#[derive(Clone, Debug, PartialEq)]
pub struct Target {
    /// What is to be reached.
    pub what: String,
    /// How much.
    pub wanted: String,
    /// What was measured, in the test that was worst.
    pub figure: f64,
    /// That test.
    pub worst: String,
    /// Whether it is enough.
    pub met: bool,
}

const LIMIT: Implementation = Implementation::XdpForward;

/// All targets for which anything was measured.
pub fn of(results: &Results) -> Vec<Target> {
    let few = |test: &Test| test.sessions <= 1000;
    let many = |test: &Test| test.sessions == 100_000;
    let calls = |test: &Test| test.traffic == Traffic::Gre && test.sessions == 500;
    let thousand = |test: &Test| test.sessions == 1000;
    let (tc, xdp) = (Implementation::Tc, Implementation::Xdp);
    let limit = |_: Test| LIMIT;
    let rival = Results::rival;
    let tests = results.tests();
    let mut targets = Vec::new();
    let mut ratio = |what: &str,
                     wanted: f64,
                     picked: &dyn Fn(&Test) -> bool,
                     base: &dyn Fn(Test) -> Implementation,
                     one: Implementation| {
        let ratios = tests
            .iter()
            .filter(|test| picked(test))
            .filter_map(|test| Some((results.ratio((*test, base(*test)), (*test, one))?, test.name())));
        if let Some((figure, worst)) = ratios.min_by(|one, other| one.0.total_cmp(&other.0)) {
            let what = format!("{}: {what}", one.name());
            targets.push(Target {
                what,
                wanted: format!(">= {wanted}"),
                figure,
                worst,
                met: figure >= wanted,
            });
        }
    };
    ratio("up to 1,000 sessions, to xdp-forward", 0.72, &few, &limit, xdp);
    ratio("up to 1,000 sessions, to netfilter", 4.5, &few, &rival, xdp);
    ratio("100,000 sessions, to xdp-forward", 0.45, &many, &limit, xdp);
    ratio("100,000 sessions, to netfilter", 5.0, &many, &rival, xdp);
    ratio("500 PPTP calls, to nf_nat_pptp", 25.0, &calls, &rival, xdp);
    ratio("1,000 sessions, to netfilter", 1.3, &thousand, &rival, tc);
    ratio("100,000 sessions, to netfilter", 2.0, &many, &rival, tc);

    let mut most = |what: &str, wanted: f64, figures: Vec<(f64, String)>| {
        if let Some((figure, worst)) = figures.into_iter().max_by(|one, other| one.0.total_cmp(&other.0)) {
            let wanted_text = format!("<= {wanted}");
            targets.push(Target {
                what: what.to_owned(),
                wanted: wanted_text,
                figure,
                worst,
                met: figure <= wanted,
            });
        }
    };
    let of_like = |test: &Test, like: Test| Some((results.ratio((*test, xdp), (like, xdp))?, test.name()));
    let million = tests.iter().filter(|test| test.sessions == MILLION);
    let million = million.filter_map(|test| of_like(test, Test { sessions: 100_000, ..*test }));
    most("passthrough-xdp: a million sessions, to 100,000", 1.5, million.collect());
    let tunnels = tests.iter().filter(|test| matches!(test.traffic, Traffic::Gre | Traffic::Esp));
    let tunnels = tunnels.filter_map(|test| of_like(test, Test { traffic: Traffic::Udp, ..*test }));
    most("passthrough-xdp: GRE and ESP, to UDP", 1.05, tunnels.collect());

    let median = |measure, one| {
        let figures = results.measures.get(&(measure, one))?;
        Some(Spread::of(&figures.figures)?.median)
    };
    for one in [tc, xdp] {
        let name = one.name();
        let memory = median(Measure::Memory, one).map(|bytes| (bytes, "memory".to_owned()));
        most(&format!("{name}: bytes of a session"), 256.0, memory.into_iter().collect());
        let rtt = median(Measure::Rtt50, one).zip(median(Measure::Rtt50, Implementation::Kernel));
        let rtt = rtt.map(|(own, kernel)| (own / kernel, "rtt_p50".to_owned()));
        most(&format!("{name}: UDP ping-pong, to kernel"), 1.0, rtt.into_iter().collect());
    }
    let mut least = |what: String, wanted: f64, pair: Option<(f64, f64)>, worst: &str| {
        if let Some((own, other)) = pair {
            let figure = own / other;
            let worst = worst.to_owned();
            targets.push(Target {
                what,
                wanted: format!(">= {wanted}"),
                figure,
                worst,
                met: figure >= wanted,
            });
        }
    };
    for one in [tc, xdp] {
        let name = one.name();
        for (plain, colliding) in [
            (Measure::NewEndpoints, Measure::CollidingEndpoints),
            (Measure::NewSessions, Measure::CollidingSessions),
        ] {
            let own = median(plain, one);
            let theirs = median(plain, Implementation::Netfilter);
            let what = format!("{name}: new sessions a second, to netfilter");
            least(what, 2.0, own.zip(theirs), plain.name());
            let what = format!("{name}: the same with colliding ports, to its own");
            least(what, 0.5, median(colliding, one).zip(own), colliding.name());
        }
        let cells = results.cells.iter().filter(|((_, other), _)| *other == one);
        let arrived = cells.filter(|(_, cell)| cell.sent > 0);
        let arrived = arrived.map(|((test, _), cell)| (cell.arrived_percent(), test.name()));
        if let Some((percent, worst)) = arrived.min_by(|one, other| one.0.total_cmp(&other.0)) {
            least(format!("{name}: packets arrived, %"), 100.0, Some((percent, 1.0)), &worst);
        }
    }
    targets
}

#[cfg(test)]
mod tests {
    use super::super::super::results::Cell;
    use super::*;

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
        assert_eq!((first.figure, first.worst.as_str(), first.met), (0.6, "udp64_f1000_in", false));
        assert_eq!(targets[1].figure, 3.6);
        assert!(targets.iter().any(|target| target.what.contains("arrived") && target.met));
    }
}
