//! The rounds: all implementations brought up, each test run on one after the other, all taken away.

use std::{
    fs::File,
    sync::atomic::{AtomicBool, Ordering},
};

use anyhow::{Context, Result, anyhow, bail};

use super::{
    calls::Calls,
    conntrack,
    implementation::{Gateway, Implementation},
    machine::Time,
    measure,
    measures::BY_SOCKETS,
    plan::{LARGE_ROOM, MILLION, Plan, ROOM},
    programs::{Programs, Run},
    rates,
    results::{Measure, Results, Test},
    sessions::{self, Sessions},
};

/// Sessions that fill a good part of a gateway's table.
const MANY: u32 = 100_000;

/// Measures everything that the plan asks for.
///
/// # Errors
///
/// The lab cannot be built, or the run was interrupted. What one implementation cannot do is a result.
pub fn run(plan: &Plan, interrupted: &AtomicBool) -> Result<Results> {
    let tracks =
        |one: &Implementation| matches!(one, Implementation::Netfilter | Implementation::NetfilterPptp);
    let tracked = plan.implementations.iter().any(tracks);
    let _limit = tracked.then(|| conntrack::Limit::raise(LARGE_ROOM + LARGE_ROOM / 8));
    let mut bench = Bench { plan, interrupted, programs: Programs::load()?, results: Results::default() };
    let before = Time::now();
    for round in 1..=plan.rounds {
        println!("round {round} of {}", plan.rounds);
        bench.round(round)?;
    }
    bench.results.stolen = Time::now().stolen_since(&before);
    Ok(bench.results)
}

/// Waits until no other benchmark runs, and keeps others away as long as what it gives is there: two at once would measure
/// each other.
pub fn alone() -> Result<File> {
    let path = std::env::temp_dir().join("passthrough-bench.lock");
    let what = || format!("could not lock {}", path.display());
    let file = File::options().create(true).append(true).open(&path).with_context(what)?;
    if file.try_lock().is_err() {
        println!("another benchmark runs; waiting for its end");
        file.lock().with_context(what)?;
    }
    Ok(file)
}

/// A benchmark under way.
pub struct Bench<'b> {
    pub(super) plan: &'b Plan,
    interrupted: &'b AtomicBool,
    pub(super) programs: Programs,
    pub(super) results: Results,
}

/// A gateway beside the others, and what goes through it at the time.
struct Stand {
    /// Before the gateway: sockets are closed while there is still a way between their ends.
    calls: Option<Calls>,
    sessions: Result<Sessions>,
    gateway: Gateway,
}

impl Bench<'_> {
    fn round(&mut self, round: u32) -> Result<()> {
        self.established(round)?;
        self.million(round)?;
        for one in self.plan.implementations.clone() {
            self.new_sessions(one)?;
            self.room(one)?;
        }
        Ok(())
    }

    fn go_on(&self) -> Result<()> {
        if self.interrupted.load(Ordering::Relaxed) { bail!("interrupted") } else { Ok(()) }
    }

    /// A gateway, or nothing if it cannot be had; it is not tried again if it never could.
    pub(super) fn gateway(&mut self, implementation: Implementation, room: u32) -> Result<Option<Gateway>> {
        self.go_on()?;
        if self.results.missing.contains_key(&implementation) {
            return Ok(None);
        }
        match Gateway::bring_up(implementation, room, &mut self.programs) {
            Ok(gateway) => Ok(Some(gateway)),
            Err(error) => {
                println!("  {} is left out: {error:#}", implementation.name());
                // What has worked before may do so again in the next round.
                if !self.results.implementations().contains(&implementation) {
                    self.results.missing.insert(implementation, format!("{error:#}"));
                }
                Ok(None)
            }
        }
    }

    pub(super) fn wants_any(&self, measures: &[Measure], implementation: Implementation) -> bool {
        measures.iter().any(|measure| self.plan.wants_measure(*measure, implementation))
    }

    /// Everything that needs sessions up to 100,000, or none.
    fn established(&mut self, round: u32) -> Result<()> {
        let alone = |one| round == 1 && self.plan.wants_programs() && one != Implementation::NetfilterPptp;
        let wanted = |one: &Implementation| {
            alone(*one) || self.wants_any(&BY_SOCKETS, *one) || !self.plan.tests(*one, false).is_empty()
        };
        let ones: Vec<_> = self.plan.implementations.iter().copied().filter(wanted).collect();
        let watched: Vec<_> = ones.iter().copied().filter(|one| alone(*one)).collect();
        let mut stands = self.stands(&ones, ROOM)?;
        for stand in &stands {
            self.go_on()?;
            self.ping_pong(&stand.gateway);
            self.tcp(&stand.gateway);
            if watched.contains(&stand.gateway.implementation) {
                self.watch(&stand.gateway);
            }
        }
        self.cells(&mut stands, round, false)
    }

    /// A million sessions, in gateways made for them.
    fn million(&mut self, round: u32) -> Result<()> {
        let wanted = |one: &Implementation| !self.plan.tests(*one, true).is_empty();
        let ones: Vec<_> = self.plan.implementations.iter().copied().filter(wanted).collect();
        let mut stands = self.stands(&ones, LARGE_ROOM)?;
        self.cells(&mut stands, round, true)
    }

    fn stands(&mut self, ones: &[Implementation], room: u32) -> Result<Vec<Stand>> {
        let mut stands = Vec::new();
        for &one in ones {
            if let Some(gateway) = self.gateway(one, room)? {
                stands.push(Stand { calls: None, sessions: Err(anyhow!("no session was made")), gateway });
            }
        }
        Ok(stands)
    }

    /// All tests, each on all gateways one after the other: what changes on the machine meanwhile meets all of them.
    fn cells(&mut self, stands: &mut [Stand], round: u32, million: bool) -> Result<()> {
        let mut tests: Vec<Test> =
            stands.iter().flat_map(|stand| self.plan.tests(stand.gateway.implementation, million)).collect();
        tests.sort_by_key(|test| (test.sessions, *test));
        tests.dedup();
        let same_set =
            |one: &Test, other: &Test| (one.traffic, one.sessions) == (other.traffic, other.sessions);
        for set in tests.chunk_by(same_set) {
            let Some(first) = set.first() else { continue };
            for stand in stands.iter_mut().filter(|stand| stand.gateway.implementation.takes(first.traffic)) {
                self.go_on()?;
                self.make_sessions(stand, first);
            }
            for (number, test) in (round as usize..).zip(set) {
                self.go_on()?;
                // Nobody is always the first.
                let start = number % stands.len().max(1);
                let (later, sooner) = stands.split_at(start);
                for stand in sooner.iter().chain(later) {
                    if stand.gateway.implementation.takes(test.traffic) {
                        self.cell(stand, test);
                    }
                }
            }
        }
        Ok(())
    }

    fn make_sessions(&mut self, stand: &mut Stand, test: &Test) {
        let Stand { calls, sessions, gateway } = stand;
        if test.sessions >= MANY {
            // So that each such test has the table for itself. Where that cannot be done there is room for all.
            if let Err(error) = rates::tear_down(gateway) {
                println!("  could not empty the table of {}: {error:#}", gateway.implementation.name());
            }
        }
        let made = sessions::establish(gateway, &mut self.programs, calls, test.traffic, test.sessions);
        *sessions = made.map_err(|error| with_limit(error, gateway, test));
    }

    fn cell(&mut self, stand: &Stand, test: &Test) {
        let implementation = stand.gateway.implementation;
        let (name, way) = (test.name(), implementation.name());
        match self.run_cell(stand, test) {
            Ok(run) => {
                let lost = if run.arrived < run.sent { "  <-- lost some" } else { "" };
                println!(
                    "  {name:<20} {way:<16} {:>7.1} ns  {:.1} % arrived, {:.0} % interrupted{lost}",
                    run.ns_a_packet(),
                    100.0 * run.arrived as f64 / run.sent.max(1) as f64,
                    100.0 * run.batches.interrupted(),
                );
                self.results.ran(*test, implementation, &run);
            }
            Err(error) => {
                println!("  {name:<20} {way:<16} no figure: {error:#}");
                self.results.failed(*test, implementation, &format!("{error:#}"));
            }
        }
    }

    fn run_cell(&mut self, stand: &Stand, test: &Test) -> Result<Run> {
        let sessions = stand.sessions.as_ref().map_err(|error| anyhow!("{error:#}"))?;
        let network = &stand.gateway.network;
        let shape = sessions.load(&mut self.programs, network, test.size, !test.inbound)?;
        let run = measure::cell(&mut self.programs, network, &shape, sessions.count(), self.plan.length)?;
        sessions.verify(&mut self.programs, network, &shape)?;
        Ok(run)
    }
}

/// Adds the limit of conntrack where that is why sessions are missing.
fn with_limit(error: anyhow::Error, gateway: &Gateway, test: &Test) -> anyhow::Error {
    let netfilter =
        matches!(gateway.implementation, Implementation::Netfilter | Implementation::NetfilterPptp);
    match conntrack::limit() {
        Some(limit) if netfilter && test.sessions >= MILLION.min(limit) => {
            error.context(format!("nf_conntrack_max is {limit}"))
        }
        _ => error,
    }
}
