//! Sessions made before a test: the first packets each way, and proof that every flow is translated and comes home.

use std::{thread, time::Duration};

use anyhow::{Context, Result, ensure};

use super::{
    calls::Calls,
    flows::{self, ESP_SERVERS, Ports},
    frame::{Flow, Segment, Shape, Traffic},
    implementation::Gateway,
    network::{Network, OUTSIDE},
    programs::{Programs, Run},
};

/// How often first packets are sent before they are given up, as any client does; tests count what they send once.
const ATTEMPTS: u32 = 3;
/// How long to wait before the next time.
const PAUSE: Duration = Duration::from_millis(200);
/// Size of the frames that make sessions.
const SIZE: u16 = 64;

/// Sessions that are looked at once more after a test.
const LOOKED_AT: u32 = 1000;

/// Sessions that stand.
pub struct Sessions {
    /// What they carry.
    pub traffic: Traffic,
    /// From inside, as the client sends it.
    outbound: Vec<Flow>,
    /// From outside, as the server sends it.
    inbound: Vec<Flow>,
}

impl Sessions {
    /// How many.
    pub fn count(&self) -> u32 {
        self.outbound.len() as u32
    }

    /// Has the generator make data packets of this size, in this direction.
    pub fn load(
        &self,
        programs: &mut Programs,
        network: &Network,
        size: u16,
        outbound: bool,
    ) -> Result<Shape> {
        let shape = shape(network, self.traffic, size, outbound, Segment::Data);
        programs.set_flows(&shape, if outbound { &self.outbound } else { &self.inbound })?;
        Ok(shape)
    }
}

impl Sessions {
    /// Looks at packets of this shape, as [`Sessions::load`] gave it, at the far end: they are translated as those were
    /// that made the sessions, and their checksums are right. So a gateway that has gone over to another path since
    /// does the same there.
    pub fn verify(&self, programs: &mut Programs, network: &Network, shape: &Shape) -> Result<()> {
        let part = self.count().min(LOOKED_AT);
        programs.run_and_note(network, shape, self.count(), (0, part))?;
        for number in 0..part {
            let record = programs.record(number)?;
            let record = record.with_context(|| format!("a packet of session {number} did not arrive"))?;
            let seen = Flow::of_record(self.traffic, &record);
            ensure!(
                self.is_as_before(number, &seen, shape.outbound),
                "session {number} went astray: {seen:x?}"
            );
            ensure!(shape.is_sound(number, &record), "session {number}: a checksum is wrong, or the TTL");
        }
        Ok(())
    }

    fn is_as_before(&self, number: u32, seen: &Flow, outbound: bool) -> bool {
        let (out, inward) = (&self.outbound[number as usize], &self.inbound[number as usize]);
        let ids = matches!(self.traffic, Traffic::Gre | Traffic::Esp);
        match (outbound, self.traffic) {
            (true, _) if ids => {
                *seen == Flow { source: inward.destination, ..*out } && inward.source == seen.destination
            }
            (true, traffic) => flows::answer(traffic, number, seen) == *inward,
            (false, Traffic::Gre) => {
                (seen.source, seen.destination) == (out.destination, out.source)
                    && seen.selector == Calls::client_id(number)
            }
            (false, traffic) => flows::is_home(traffic, number, out, seen),
        }
    }
}

/// What packets of a direction look like.
pub fn shape(network: &Network, traffic: Traffic, size: u16, outbound: bool, segment: Segment) -> Shape {
    Shape { traffic, size, outbound, segment, link: network.link_to_gateway(outbound) }
}

/// Makes `count` sessions through a gateway.
///
/// # Errors
///
/// Not all of them came up, or one was not translated, or did not come home.
pub fn establish(
    gateway: &Gateway,
    programs: &mut Programs,
    calls: &mut Option<Calls>,
    traffic: Traffic,
    count: u32,
) -> Result<Sessions> {
    let mut maker = Maker { gateway, programs, traffic, count };
    if traffic == Traffic::Gre {
        return maker.calls(calls);
    }
    let outbound: Vec<Flow> =
        (0..count).map(|number| flows::outbound(traffic, Ports::Distinct, number, count)).collect();
    let mut inbound = vec![Flow { source: 0, destination: 0, selector: 0 }; outbound.len()];
    // An ESP gateway learns an SPI at a time from each server.
    let part = if traffic == Traffic::Esp { count.min(ESP_SERVERS) } else { count };
    for from in (0..count).step_by(part as usize) {
        maker.part(&outbound, &mut inbound, (from, part.min(count - from)))?;
    }
    Ok(Sessions { traffic, outbound, inbound })
}

struct Maker<'m> {
    gateway: &'m Gateway,
    programs: &'m mut Programs,
    traffic: Traffic,
    count: u32,
}

impl Maker<'_> {
    /// Sessions `from` to `from + part`, out and in.
    fn part(&mut self, outbound: &[Flow], inbound: &mut [Flow], (from, part): (u32, u32)) -> Result<()> {
        let numbers = from as usize..(from + part) as usize;
        let first = if self.traffic == Traffic::Tcp { Segment::Syn } else { Segment::Data };
        self.send(outbound, true, first, (from, part))?;
        for number in numbers.clone() {
            let seen = self.seen(number as u32, outbound.len())?;
            self.check_translated(&outbound[number], &seen)?;
            inbound[number] = flows::answer(self.traffic, number as u32, &seen);
        }
        let answer = if self.traffic == Traffic::Tcp { Segment::SynAck } else { Segment::Data };
        self.send(inbound, false, answer, (from, part))?;
        for number in numbers {
            let home = self.seen(number as u32, outbound.len())?;
            ensure!(
                flows::is_home(self.traffic, number as u32, &outbound[number], &home),
                "session {number} did not come home: {home:x?} instead of an answer to {:x?}",
                outbound[number]
            );
        }
        if self.traffic == Traffic::Tcp {
            self.send(outbound, true, Segment::Ack, (from, part))?;
        }
        Ok(())
    }

    /// PPTP calls, by their control connections, and a data packet each way.
    fn calls(&mut self, calls: &mut Option<Calls>) -> Result<Sessions> {
        self.programs.sink(None)?;
        let network = &self.gateway.network;
        let calls = match calls {
            Some(calls) => calls,
            None => calls.insert(Calls::new(network)?),
        };
        let (outbound, inbound) = calls.bring_to(network, self.count)?;
        let (outbound, inbound) = (outbound.to_vec(), inbound.to_vec());
        self.send(&outbound, true, Segment::Data, (0, self.count))?;
        for (number, flow) in (0..).zip(&outbound) {
            let seen = self.seen(number, outbound.len())?;
            self.check_translated(flow, &seen)?;
        }
        self.send(&inbound, false, Segment::Data, (0, self.count))?;
        for (number, flow) in (0..).zip(&outbound) {
            let home = self.seen(number, outbound.len())?;
            ensure!(
                home.destination == flow.source && home.selector == Calls::client_id(number),
                "call {number} did not come home: {home:x?}"
            );
        }
        Ok(Sessions { traffic: self.traffic, outbound, inbound })
    }

    fn send(
        &mut self,
        flows: &[Flow],
        outbound: bool,
        segment: Segment,
        (from, part): (u32, u32),
    ) -> Result<Run> {
        let network = &self.gateway.network;
        // Even a SYN carries ten bytes here: the flow number is among them.
        let shape = shape(network, self.traffic, SIZE, outbound, segment);
        let numbers = from as usize..(from + part) as usize;
        if from == 0 {
            self.programs.set_flows(&shape, flows)?;
        } else if !outbound {
            self.programs.set_some_flows(&shape, &flows[numbers], from)?;
        }
        let mut run = Run::default();
        for attempt in 0..ATTEMPTS {
            if attempt > 0 {
                thread::sleep(PAUSE);
            }
            run = self.programs.run_and_note(network, &shape, flows.len() as u32, (from, part))?;
            if run.arrived == run.sent {
                break;
            }
        }
        ensure!(
            run.arrived == run.sent,
            "{} of {} sessions did not come up{}",
            run.sent - run.arrived.min(run.sent),
            self.count,
            if outbound { "" } else { " inbound" }
        );
        Ok(run)
    }

    fn seen(&self, number: u32, count: usize) -> Result<Flow> {
        let seen = self.programs.seen(self.traffic, number)?;
        seen.ok_or_else(|| anyhow::anyhow!("session {number} of {count} never arrived"))
    }

    fn check_translated(&self, sent: &Flow, seen: &Flow) -> Result<()> {
        let translates = self.gateway.implementation.translates();
        let source = if translates { u32::from(OUTSIDE) } else { sent.source };
        ensure!(seen.source == source, "a packet left the gateway as {seen:x?}, sent as {sent:x?}");
        Ok(())
    }
}
