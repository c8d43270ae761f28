//! Peers that speak real protocol bytes through real kernel sockets, and check that nothing is lost, changed or crossed.
//!
//! Every payload names its client. A peer is opened in its host's namespace, by [`open`] or by its own module, and may
//! then be used from any thread: a socket stays where it was made.

pub mod esp;
pub mod flow;
pub mod gre;
pub mod ip;
pub mod ipsec;
pub mod l2tp;
pub mod payload;
pub mod pptp;
pub mod probe;
pub mod service;
pub mod site;
pub mod six;
pub mod socket;
pub mod traffic;

use std::{
    net::Ipv4Addr,
    sync::atomic::{AtomicU64, Ordering},
    thread,
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::lab::{Host, SERVER_S, SERVER_T};

/// What became of one payload and its answer.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[must_use]
pub enum Round {
    /// The right answer came.
    Answered,
    /// None came in time.
    Lost,
}

/// A peer that can move data.
pub trait Peer: Send {
    /// Sends a numbered payload and waits for its answer. Anything that belongs to another client is an error.
    fn round(&mut self, patience: Duration) -> Result<Round>;

    /// Moves `count` payloads both ways; none may be lost.
    fn exchange(&mut self, count: u32, patience: Duration) -> Result<()> {
        for number in 1..=count {
            ensure!(self.round(patience)? == Round::Answered, "payload {number} of {count} was not answered");
        }
        Ok(())
    }
}

impl Peer for Box<dyn Peer> {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        (**self).round(patience)
    }
}

/// Whose peer it is.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Who {
    /// The client's name, in every payload.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
}

impl From<&Host> for Who {
    fn from(host: &Host) -> Who {
        Who { name: host.name.clone(), address: host.address }
    }
}

/// Counts what must differ between two peers of one client.
static PEERS: AtomicU64 = AtomicU64::new(1);

impl Who {
    /// A number that no other peer of this process has, well spread.
    fn seed(&self) -> u64 {
        let count = PEERS.fetch_add(1, Ordering::Relaxed);
        (u64::from(u32::from(self.address)) << 32 | count).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1
    }

    /// An ESP SPI that no other peer of this process has.
    fn spi(&self) -> u32 {
        let count = PEERS.fetch_add(1, Ordering::Relaxed) as u32;
        0x1000_0000 | u32::from(self.address.octets()[3]) << 16 | (count & 0xffff)
    }
}

/// The protocols that peers speak.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Protocol {
    /// PPTP control and enhanced GRE; every client takes call ID 1.
    Pptp,
    /// IKE on UDP 500 and ESP.
    Ipsec,
    /// IKE and ESP on UDP 4500.
    NatT,
    /// L2TP from UDP 1701; every client takes tunnel ID 1.
    L2tp,
    /// GRE version 0 with a key for each client.
    GreKeyed,
    /// GRE version 0 without a key.
    GrePlain,
    /// IP in IP.
    Ipip,
    /// L2TPv3 over IP.
    L2tpV3,
    /// TCP.
    Tcp,
    /// UDP.
    Udp,
    /// ICMP echo.
    Ping,
}

impl Protocol {
    /// Every protocol.
    pub const ALL: [Protocol; 11] = [
        Protocol::Pptp,
        Protocol::Ipsec,
        Protocol::NatT,
        Protocol::L2tp,
        Protocol::GreKeyed,
        Protocol::GrePlain,
        Protocol::Ipip,
        Protocol::L2tpV3,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Ping,
    ];
    /// Those of which many clients can talk to one server at once through a gateway.
    pub const SHARED: [Protocol; 8] = [
        Protocol::Pptp,
        Protocol::Ipsec,
        Protocol::NatT,
        Protocol::L2tp,
        Protocol::GreKeyed,
        Protocol::Tcp,
        Protocol::Udp,
        Protocol::Ping,
    ];
    /// Those that a switch blocks until it is enabled.
    pub const SWITCHED: [Protocol; 8] = [
        Protocol::Pptp,
        Protocol::Ipsec,
        Protocol::NatT,
        Protocol::L2tp,
        Protocol::GreKeyed,
        Protocol::GrePlain,
        Protocol::Ipip,
        Protocol::L2tpV3,
    ];

    /// The server that all clients of this protocol talk to: S, but T for NAT-T. A host that talks to a server on port
    /// 4500 counts as one that has no use for plain ESP from there (`conformance.md` section 8 rule 1).
    pub const fn server(self) -> Ipv4Addr {
        match self {
            Protocol::NatT => SERVER_T,
            _ => SERVER_S,
        }
    }

    /// Its name for people.
    pub const fn name(self) -> &'static str {
        match self {
            Protocol::Pptp => "PPTP",
            Protocol::Ipsec => "IPsec (IKE 500, ESP)",
            Protocol::NatT => "IPsec NAT-T (4500)",
            Protocol::L2tp => "L2TP",
            Protocol::GreKeyed => "GRE with key",
            Protocol::GrePlain => "GRE",
            Protocol::Ipip => "IP in IP",
            Protocol::L2tpV3 => "L2TPv3 (115)",
            Protocol::Tcp => "TCP",
            Protocol::Udp => "UDP",
            Protocol::Ping => "ping",
        }
    }
}

/// Connects a client of a lab to a server, and moves a first payload both ways.
pub fn open(
    protocol: Protocol,
    client: &Host,
    server: Ipv4Addr,
    patience: Duration,
) -> Result<Box<dyn Peer>> {
    let who = Who::from(client);
    let own = u32::from(client.address.octets()[3]);
    let mut peer: Box<dyn Peer> = client.namespace.enter(|| {
        Ok(match protocol {
            Protocol::Pptp => {
                let mut peer = pptp::Client::connect(&who, server, patience)?;
                peer.call(1, patience)?;
                Box::new(peer)
            }
            Protocol::Ipsec => {
                Box::new(ipsec::Client::connect(&who, server, ipsec::Transport::Plain, patience)?)
                    as Box<dyn Peer>
            }
            Protocol::NatT => {
                Box::new(ipsec::Client::connect(&who, server, ipsec::Transport::NatT, patience)?)
            }
            Protocol::L2tp => Box::new(l2tp::Client::connect(&who, server, 1, patience)?),
            Protocol::GreKeyed => Box::new(ip::Client::open(&who, server, ip::Shape::Gre(Some(own)))?),
            Protocol::GrePlain => Box::new(ip::Client::open(&who, server, ip::Shape::Gre(None))?),
            Protocol::Ipip => Box::new(ip::Client::open(&who, server, ip::Shape::Ipip)?),
            Protocol::L2tpV3 => Box::new(ip::Client::open(&who, server, ip::Shape::L2tpV3(own))?),
            Protocol::Tcp => Box::new(traffic::Tcp::connect(&who, server, traffic::TCP_PORT, patience)?),
            Protocol::Udp => Box::new(traffic::Udp::open(&who, server, 400)?),
            Protocol::Ping => Box::new(probe::Ping::open(&who, server, 1)?),
        })
    })?;
    peer.exchange(1, patience)
        .with_context(|| format!("{} of {} to {server}", protocol.name(), client.name))?;
    Ok(peer)
}

/// Connects each client to [`Protocol::server`] with each protocol, all at once, and moves `count` payloads; none may be
/// lost.
pub fn open_all(
    protocols: &[Protocol],
    clients: &[Host],
    count: u32,
    patience: Duration,
) -> Result<Vec<(Protocol, Box<dyn Peer>)>> {
    thread::scope(|scope| {
        let mut threads = Vec::new();
        for &protocol in protocols {
            for client in clients {
                threads.push(scope.spawn(move || -> Result<_> {
                    let mut peer = open(protocol, client, protocol.server(), patience)?;
                    let what = || format!("{} of {}", protocol.name(), client.name);
                    peer.exchange(count, flow::ANSWER_WITHIN).with_context(what)?;
                    Ok((protocol, peer))
                }));
            }
        }
        let join = |thread: thread::ScopedJoinHandle<'_, _>| {
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        };
        // Every thread is waited for, so that the error tells how many failed.
        let (open, failed): (Vec<_>, Vec<_>) = threads.into_iter().map(join).partition(Result::is_ok);
        let errors: Vec<String> =
            failed.into_iter().filter_map(Result::err).map(|error| format!("{error:#}")).collect();
        ensure!(
            errors.is_empty(),
            "{} of {} failed: {}",
            errors.len(),
            errors.len() + open.len(),
            errors.join("; ")
        );
        open.into_iter().collect()
    })
}

/// RFC 1071; zero over bytes that contain a right checksum.
pub fn internet_checksum(bytes: &[u8]) -> u16 {
    let sum: u32 =
        bytes.chunks(2).map(|pair| u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0))).sum();
    let folded = (sum & 0xffff) + (sum >> 16);
    !((folded & 0xffff) + (folded >> 16)) as u16
}
