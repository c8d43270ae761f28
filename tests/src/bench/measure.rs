//! One cell of the tables: how long a packet of established sessions takes, through the whole chain.

use std::time::Duration;

use anyhow::Result;

use super::{
    frame::Shape,
    layout::BATCH,
    network::Network,
    programs::{Programs, Run},
};

/// Least packets before the clock counts: caches and branch predictors, and how many packets fit a run. Each flow has its turn
/// before, so that what a gateway does for the first packet after a pause is not taken for what every packet costs.
const WARM_UP: u64 = 128 * BATCH;
/// How long a run of the generator shall be. Its beginning is cold: new frames, an empty veth ring.
const RUN: Duration = Duration::from_millis(100);
/// Most packets of a run before the clock counts.
const PART: u64 = 1 << 16;
/// Most packets of one run.
const MOST: u64 = 1 << 24;

/// Sends packets of these flows round robin until the clock has counted `length`.
pub fn cell(
    programs: &mut Programs,
    network: &Network,
    shape: &Shape,
    flows: u32,
    length: Duration,
) -> Result<Run> {
    let mut warm = Run::default();
    while warm.sent < WARM_UP.max(u64::from(flows)) {
        let from = if warm.sent == 0 { Some(0) } else { None };
        let left = WARM_UP.max(u64::from(flows)) - warm.sent;
        let part = left.min(PART).div_ceil(BATCH) * BATCH;
        warm.add(&programs.run(network, shape, flows, part, from)?);
    }
    let mut sum = Run { sent: warm.sent, arrived: warm.arrived, ..Run::default() };
    let mut ns = warm.ns_a_packet().max(1.0);
    while sum.batches.ns() < length.as_nanos() as u64 {
        let left = length.as_nanos() as f64 - sum.batches.ns() as f64;
        let packets = (left.min(RUN.as_nanos() as f64) / ns) as u64;
        let run = programs.run(network, shape, flows, packets.clamp(WARM_UP, MOST) / BATCH * BATCH, None)?;
        ns = run.ns_a_packet().max(1.0);
        sum.add(&run);
    }
    Ok(sum)
}
