//! Added latency: a UDP ping-pong between a client's socket and a server's, both in one thread.
//!
//! So it is the path and the system calls that count, and not how soon a scheduler wakes somebody.

use std::{
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    time::{Duration, Instant},
};

use anyhow::{Context, Result};

use super::{
    flows::{self, FIRST_SERVER},
    network::Network,
    programs::Programs,
    statistics::percentile,
    take_processor,
};

/// Bytes of a payload.
const SIZE: usize = 64;
/// Ports of server and client, apart from those of other tests.
const PORTS: [u16; 2] = [9, 61_000];
/// Round trips before the clock counts.
const WARM_UP: usize = 1000;
/// How long a packet may take before the test gives up.
const PATIENCE: Duration = Duration::from_secs(1);

/// Times of round trips, ns.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Latency {
    /// The middle one.
    pub p50: u64,
    /// One in a hundred takes longer.
    pub p99: u64,
    /// One in a thousand takes longer.
    pub p999: u64,
}

/// Times so many round trips.
pub fn measure(programs: &mut Programs, network: &Network, rounds: usize) -> Result<Latency> {
    programs.sink(None)?;
    let server = SocketAddrV4::new(FIRST_SERVER, PORTS[0]);
    let server_socket = network.wan.namespace.enter(|| open(server))?;
    let client = SocketAddrV4::new(Ipv4Addr::from(flows::host(0)), PORTS[1]);
    let client_socket = network.lan.namespace.enter(|| open(client))?;
    client_socket.connect(server).context("could not connect a UDP socket")?;
    network.lan.namespace.enter(|| {
        take_processor()?;
        let mut times = Vec::with_capacity(rounds);
        let mut buffer = [0u8; 2 * SIZE];
        for round in 0..WARM_UP + rounds {
            let started = Instant::now();
            client_socket.send(&[0; SIZE]).context("could not send")?;
            let (length, from) = server_socket.recv_from(&mut buffer).context("a request was lost")?;
            server_socket.send_to(&buffer[..length], from).context("could not answer")?;
            client_socket.recv(&mut buffer).context("an answer was lost")?;
            if round >= WARM_UP {
                times.push(started.elapsed().as_nanos() as u64);
            }
        }
        times.sort_unstable();
        let at = |share| percentile(&times, share);
        Ok(Latency { p50: at(0.5), p99: at(0.99), p999: at(0.999) })
    })
}

fn open(address: SocketAddrV4) -> Result<UdpSocket> {
    let what = || format!("could not open UDP {address}");
    let socket = UdpSocket::bind(address).with_context(what)?;
    socket.set_read_timeout(Some(PATIENCE)).with_context(what)?;
    Ok(socket)
}
