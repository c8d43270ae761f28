//! What is measured of one gateway at a time: latency, throughput, programs alone, new sessions, memory.

use anyhow::{Result, anyhow};

use super::{
    alone, conntrack,
    flows::Ports,
    frame::Traffic,
    implementation::{Gateway, Implementation},
    latency, memory,
    plan::ROOM,
    rates::{self, SESSIONS},
    results::Measure,
    rounds::Bench,
    sessions, throughput,
};

/// Sessions with which programs are looked at alone.
const WATCHED: u32 = 1000;
/// What is measured with sockets.
pub const BY_SOCKETS: [Measure; 5] =
    [Measure::Rtt50, Measure::Rtt99, Measure::Rtt999, Measure::TcpOut, Measure::TcpIn];

impl Bench<'_> {
    /// Takes a figure, or notes why there is none.
    fn note(&mut self, gateway: &Gateway, measure: Measure, figure: Result<f64>) {
        let implementation = gateway.implementation;
        if !self.plan.wants_measure(measure, implementation) {
            return;
        }
        match figure {
            Ok(figure) => {
                println!(
                    "  {:<24} {:<16} {figure:>10.2} {}",
                    measure.name(),
                    implementation.name(),
                    measure.unit()
                );
                self.results.measured(measure, implementation, figure);
            }
            Err(error) => {
                println!("  {:<24} {:<16} no figure: {error:#}", measure.name(), implementation.name());
                self.results.note(measure, implementation, &format!("{error:#}"));
            }
        }
    }

    /// Round trips of UDP.
    pub(super) fn ping_pong(&mut self, gateway: &Gateway) {
        if !self.wants_any(&[Measure::Rtt50, Measure::Rtt99, Measure::Rtt999], gateway.implementation) {
            return;
        }
        let measured = latency::measure(&mut self.programs, &gateway.network, self.plan.round_trips);
        match measured {
            Ok(times) => {
                for (measure, ns) in
                    [(Measure::Rtt50, times.p50), (Measure::Rtt99, times.p99), (Measure::Rtt999, times.p999)]
                {
                    self.note(gateway, measure, Ok(ns as f64 / 1000.0));
                }
            }
            Err(error) => self.note(gateway, Measure::Rtt50, Err(error)),
        }
    }

    /// TCP, out and in.
    pub(super) fn tcp(&mut self, gateway: &Gateway) {
        for (measure, outbound) in [(Measure::TcpOut, true), (Measure::TcpIn, false)] {
            if !self.plan.wants_measure(measure, gateway.implementation) {
                continue;
            }
            let bits = if throughput::is_there() {
                throughput::measure(&mut self.programs, &gateway.network, outbound, self.plan.iperf)
            } else {
                Err(anyhow!("iperf3 is not installed"))
            };
            self.note(gateway, measure, bits.map(|bits| bits / 1e9));
        }
    }

    /// The gateway's programs, each alone.
    pub(super) fn watch(&mut self, gateway: &Gateway) {
        let traffic = Traffic::Udp;
        let sessions = sessions::establish(gateway, &mut self.programs, &mut None, traffic, WATCHED);
        match sessions.and_then(|sessions| alone::watch(gateway, &mut self.programs, &sessions)) {
            Ok(found) => {
                for program in &found {
                    println!(
                        "  program {:<14} {:>7.1} ns a run, {} instructions",
                        program.name, program.ns, program.instructions
                    );
                }
                self.results.programs.extend(found);
            }
            Err(error) => println!("  programs alone: no figures: {error:#}"),
        }
    }

    /// New sessions, with distinct source ports and with colliding ones, and their removal.
    pub(super) fn new_sessions(&mut self, implementation: Implementation) -> Result<()> {
        let sets = [
            (Ports::Distinct, [Measure::NewEndpoints, Measure::NewSessions]),
            (Ports::Colliding, [Measure::CollidingEndpoints, Measure::CollidingSessions]),
        ];
        let all = [&sets[0].1[..], &sets[1].1[..], &[Measure::TearDown]].concat();
        if !self.wants_any(&all, implementation) {
            return Ok(());
        }
        let Some(gateway) = self.gateway(implementation, ROOM)? else { return Ok(()) };
        for (ports, measures) in sets {
            let runs = rates::open(&gateway, &mut self.programs, ports);
            match runs {
                Ok(runs) => {
                    for (measure, run) in measures.into_iter().zip(runs) {
                        self.note(&gateway, measure, Ok(1e9 / run.ns_a_packet().max(1e-3)));
                        if run.arrived < run.sent {
                            let lost = format!("{} of {} were refused", run.sent - run.arrived, run.sent);
                            println!("  {:<24} {:<16} {lost}", measure.name(), implementation.name());
                            self.results.note(measure, implementation, &lost);
                        }
                    }
                }
                Err(error) => self.note(&gateway, measures[0], Err(error)),
            }
            let took = rates::tear_down(&gateway);
            // One of the two is enough, and the first has all of its sessions.
            if ports == Ports::Distinct {
                match took {
                    Ok(Some(took)) => {
                        self.note(&gateway, Measure::TearDown, Ok(f64::from(SESSIONS) / took.as_secs_f64()));
                    }
                    Ok(None) => self.note(
                        &gateway,
                        Measure::TearDown,
                        Err(anyhow!("no command for it is installed (conntrack)")),
                    ),
                    Err(error) => self.note(&gateway, Measure::TearDown, Err(error)),
                }
            }
        }
        Ok(())
    }

    /// Memory of sessions, and what happens when there is no room for more.
    pub(super) fn room(&mut self, implementation: Implementation) -> Result<()> {
        if !self.wants_any(&[Measure::Memory, Measure::Capacity], implementation) {
            return Ok(());
        }
        let Some(gateway) = self.gateway(implementation, SESSIONS)? else { return Ok(()) };
        let before = memory::of_slabs()?;
        let taken = rates::overfill(&gateway, &mut self.programs);
        let after = memory::of_slabs()?;
        let taken = match taken {
            Ok(taken) => taken,
            Err(error) => {
                self.note(&gateway, Measure::Capacity, Err(error));
                return Ok(());
            }
        };
        self.note(&gateway, Measure::Capacity, Ok(taken as f64));
        if implementation.is_passthrough() {
            match memory::of_maps(&gateway) {
                Ok(maps) => self.note_maps(&gateway, &maps),
                Err(error) => self.note(&gateway, Measure::Memory, Err(error)),
            }
            self.results.note(Measure::Capacity, implementation, &format!("made for {SESSIONS}"));
        } else {
            let each = after.saturating_sub(before) as f64 / taken.max(1) as f64;
            self.note(&gateway, Measure::Memory, Ok(each));
            let buckets = conntrack::buckets().unwrap_or(0);
            let note = format!("slabs; beside them {buckets} hash buckets of 8 bytes");
            self.results.note(Measure::Memory, implementation, &note);
            let limit = conntrack::limit().unwrap_or(0);
            let note = format!("all that were offered; nf_conntrack_max was {limit}");
            self.results.note(Measure::Capacity, implementation, &note);
        }
        Ok(())
    }

    fn note_maps(&mut self, gateway: &Gateway, maps: &[(String, u64)]) {
        let bytes: u64 = maps.iter().map(|(_, bytes)| bytes).sum();
        self.note(gateway, Measure::Memory, Ok(bytes as f64 / f64::from(SESSIONS)));
        let largest = maps.iter().take(4).map(|(name, bytes)| format!("{name} {} KiB", bytes / 1024));
        let largest = largest.collect::<Vec<_>>().join(", ");
        let note = format!("all maps, made for {SESSIONS}: {largest}");
        self.results.note(Measure::Memory, gateway.implementation, &note);
    }
}
