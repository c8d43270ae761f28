//! The control tunnels: one of every kind, each of which must not lose a packet.

use std::time::Duration;

use anyhow::{Context, Result};

use crate::{
    lab::{Host, SERVER_S, SERVER_T},
    peers::{
        self, Peer, Protocol, Round, Who,
        flow::Flow,
        ipsec::{self, Transport},
        l2tp, pptp,
    },
};

/// How long a tunnel may take to come up.
const PATIENCE: Duration = Duration::from_secs(20);
/// From one packet of a tunnel to the next: many tunnels leave the machine room for what is hostile.
const PAUSE: Duration = Duration::from_millis(20);
/// From one message of a control connection to the next.
const SELDOM: Duration = Duration::from_millis(200);

/// Protocols of which one host alone can talk to a server. GRE without a key is not for a host that has some with one.
const ALONE: [Protocol; 2] = [Protocol::Ipip, Protocol::L2tpV3];

/// A running tunnel with its name.
pub type Tunnel = (String, Flow);

/// Opens all of them: from each friend the protocols that share a server, from the first one the others too, and from
/// the `talker` control connections that go on talking.
///
/// # Errors
///
/// A tunnel that does not come up.
pub fn open(friends: &[Host], talker: &Host) -> Result<Vec<Tunnel>> {
    let mut tunnels = Vec::new();
    for (protocol, peer) in peers::open_all(&Protocol::SHARED, friends, 5, PATIENCE)? {
        tunnels.push(flow(protocol.name(), peer, PAUSE)?);
    }
    let first = friends.first().context("a soak has friends")?;
    for protocol in ALONE {
        tunnels.push(flow(protocol.name(), peers::open(protocol, first, SERVER_S, PATIENCE)?, PAUSE)?);
    }
    let plain = peers::open(Protocol::GrePlain, talker, SERVER_S, PATIENCE)?;
    tunnels.push(flow(Protocol::GrePlain.name(), plain, PAUSE)?);
    let who = Who::from(talker);
    let enter = &talker.namespace;
    let ike = enter.enter(|| ipsec::Client::connect(&who, SERVER_T, Transport::Float, PATIENCE))?;
    tunnels.push(flow("IKE (4500)", Ike(ike), SELDOM)?);
    let control = enter.enter(|| pptp::Client::connect(&who, SERVER_S, PATIENCE))?;
    tunnels.push(flow("PPTP control (echo)", Control(control), SELDOM)?);
    let hello = enter.enter(|| l2tp::Client::connect(&who, SERVER_T, 1, PATIENCE))?;
    tunnels.push(flow("L2TP control (hello)", Hello(hello), SELDOM)?);
    Ok(tunnels)
}

fn flow(name: &str, peer: impl Peer + 'static, pause: Duration) -> Result<Tunnel> {
    Ok((name.to_owned(), Flow::paced(name, peer, pause)?))
}

/// IKE's own messages: is the server still there?
struct Ike(ipsec::Client);

impl Peer for Ike {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.0.probe(patience).map(|()| Round::Answered)
    }
}

/// PPTP's echo.
struct Control(pptp::Client);

impl Peer for Control {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.0.echo(patience).map(|()| Round::Answered)
    }
}

/// L2TP's hello.
struct Hello(l2tp::Client);

impl Peer for Hello {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.0.hello(patience).map(|()| Round::Answered)
    }
}
