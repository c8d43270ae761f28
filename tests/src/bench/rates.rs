//! New sessions, their removal, and how many there may be: three of the four figures of RFC 9693.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::{
    conntrack,
    flows::{self, ENDPOINTS, Ports},
    frame::{Segment, Traffic},
    implementation::{Gateway, Implementation},
    programs::{Programs, Run},
    sessions,
};

/// Sessions that are opened: eight of each inside endpoint.
pub const SESSIONS: u32 = 200_000;
/// Sessions more that are offered to a table made for [`SESSIONS`].
const MORE: u32 = 20_000;

/// Opens [`SESSIONS`], a packet each: first those of new inside endpoints, then the others.
pub fn open(gateway: &Gateway, programs: &mut Programs, ports: Ports) -> Result<[Run; 2]> {
    let rest = SESSIONS - ENDPOINTS;
    offer(gateway, programs, ports, SESSIONS, [(0, ENDPOINTS), (ENDPOINTS, rest)])
}

/// Offers more sessions than there is room for; answers how many of them all were taken.
pub fn overfill(gateway: &Gateway, programs: &mut Programs) -> Result<u64> {
    let parts = [(0, SESSIONS), (SESSIONS, MORE)];
    let [taken, more] = offer(gateway, programs, Ports::Distinct, SESSIONS + MORE, parts)?;
    Ok(taken.arrived + more.arrived)
}

fn offer(
    gateway: &Gateway,
    programs: &mut Programs,
    ports: Ports,
    count: u32,
    parts: [(u32, u32); 2],
) -> Result<[Run; 2]> {
    let network = &gateway.network;
    let shape = sessions::shape(network, Traffic::Udp, 64, true, Segment::Data);
    let flows: Vec<_> =
        (0..count).map(|number| flows::outbound(Traffic::Udp, ports, number, count)).collect();
    programs.set_flows(&shape, &flows)?;
    let mut runs = [Run::default(), Run::default()];
    for (run, (from, part)) in runs.iter_mut().zip(parts) {
        *run = programs.run(network, &shape, count, u64::from(part), Some(from))?;
    }
    Ok(runs)
}

/// Removes all sessions by the implementation's own command and tells how long that took, the command's start and end
/// included; `None` where there is no such command.
pub fn tear_down(gateway: &Gateway) -> Result<Option<Duration>> {
    match (gateway.implementation, &gateway.cli) {
        (Implementation::Netfilter | Implementation::NetfilterPptp, _) => conntrack::flush(&gateway.network),
        (_, Some(cli)) => {
            let started = Instant::now();
            cli.succeed("flush").context("could not remove the sessions")?;
            Ok(Some(started.elapsed()))
        }
        _ => Ok(None),
    }
}
