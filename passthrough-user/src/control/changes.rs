//! What the kernel tells of changes: links, addresses, routes, rules, neighbours, XDP features.
//!
//! Told at most ten times a second: between two answers nobody reads, and the kernel forgets what finds no room. So a
//! flood of changes costs little, and none is missed for longer than that.

use std::{
    collections::HashMap,
    io,
    net::IpAddr,
    time::{Duration, Instant},
};

use anyhow::Context;
use netlink_packet_core::{NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    neighbour::{NeighbourAddress, NeighbourAttribute, NeighbourMessage, NeighbourState},
};
use netlink_sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};

use super::{features, netlink};

/// Multicast groups (rtnetlink.h): links, neighbours, IPv4 addresses, IPv4 routes, IPv4 rules.
const GROUPS: u32 = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7;
/// Least time between two answers.
const PAUSE: Duration = Duration::from_millis(100);
/// Most neighbours that are remembered; then they are forgotten, and the next of each counts as new.
const MOST_NEIGHBOURS: usize = 16_384;

/// What has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Changed {
    /// Links, addresses, routes, rules or features: the machine is to be looked at again.
    pub machine: bool,
    /// Somebody is reached by another Ethernet address than before, or no longer, or only now.
    pub neighbours: bool,
}

impl Changed {
    const ALL: Changed = Changed { machine: true, neighbours: true };

    /// Whether anything has.
    pub fn any(self) -> bool {
        self.machine || self.neighbours
    }

    /// Adds what else has.
    fn add(&mut self, other: Changed) {
        self.machine |= other.machine;
        self.neighbours |= other.neighbours;
    }
}

/// Ears for changes.
pub struct Changes {
    routing: TokioSocket,
    features: Option<TokioSocket>,
    neighbours: Neighbours,
    last: Option<Instant>,
}

impl Changes {
    /// Begins to listen. Needs a runtime.
    pub fn listen() -> anyhow::Result<Changes> {
        let mut routing = TokioSocket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
        routing.socket_mut().bind(&SocketAddr::new(0, GROUPS)).context("listening for changes of routes")?;
        Ok(Changes { routing, features: features::changes()?, neighbours: Neighbours::default(), last: None })
    }

    /// Waits until something has changed. May be dropped and called again: nothing is lost by that.
    pub async fn next(&mut self) -> Changed {
        loop {
            if let Some(last) = self.last {
                tokio::time::sleep_until((last + PAUSE).into()).await;
            }
            let first = tokio::select! {
                datagram = self.routing.recv_from_full() => self.neighbours.read(datagram),
                () = heard(self.features.as_ref()) => Changed { machine: true, neighbours: false },
            };
            let mut changed = first;
            changed.add(self.drain());
            self.last = Some(Instant::now());
            if changed.any() {
                return changed;
            }
        }
    }

    /// Reads what else is there.
    fn drain(&mut self) -> Changed {
        let mut changed = Changed::default();
        loop {
            match self.routing.socket_ref().recv_from_full() {
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => break,
                datagram => changed.add(self.neighbours.read(datagram)),
            }
        }
        if let Some(socket) = &self.features {
            while !matches!(socket.socket_ref().recv_from_full(), Err(error) if error.kind() == io::ErrorKind::WouldBlock)
            {
                changed.machine = true;
            }
        }
        changed
    }
}

/// Waits for any message, or forever where there is no socket.
async fn heard(socket: Option<&TokioSocket>) {
    match socket {
        // What it says does not matter, nor whether some were lost.
        Some(socket) => drop(socket.recv_from_full().await),
        None => std::future::pending().await,
    }
}

/// By which Ethernet address each neighbour is reached, as far as has been told. The kernel tells of every change of a
/// neighbour's state, and most of them - confirmed, stale, asked again - change no packet's way.
#[derive(Debug, Default)]
struct Neighbours {
    known: HashMap<(u32, IpAddr), Option<Vec<u8>>>,
}

impl Neighbours {
    fn read(&mut self, datagram: io::Result<(Vec<u8>, SocketAddr)>) -> Changed {
        let Ok((datagram, _)) = datagram else {
            // There was no room for all (ENOBUFS): anything may have changed.
            self.known.clear();
            return Changed::ALL;
        };
        let mut changed = Changed::default();
        for message in netlink::messages(&datagram) {
            let message = NetlinkMessage::<RouteNetlinkMessage>::deserialize(message);
            match message.map(|message| message.payload) {
                Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::NewNeighbour(neighbour))) => {
                    changed.neighbours |= self.learn(&neighbour, false);
                }
                Ok(NetlinkPayload::InnerMessage(RouteNetlinkMessage::DelNeighbour(neighbour))) => {
                    changed.neighbours |= self.learn(&neighbour, true);
                }
                _ => changed.machine = true,
            }
        }
        changed
    }

    /// Notes a neighbour; answers whether packets go another way now.
    fn learn(&mut self, message: &NeighbourMessage, gone: bool) -> bool {
        if message.header.family != AddressFamily::Inet {
            return false;
        }
        let address = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::Destination(NeighbourAddress::Inet(address)) => Some(IpAddr::V4(*address)),
            _ => None,
        });
        let Some(address) = address else { return false };
        let usable = !gone
            && !matches!(
                message.header.state,
                NeighbourState::Failed | NeighbourState::Incomplete | NeighbourState::None
            );
        let way = message.attributes.iter().find_map(|attribute| match attribute {
            NeighbourAttribute::LinkLayerAddress(bytes) if usable => Some(bytes.clone()),
            _ => None,
        });
        if self.known.len() >= MOST_NEIGHBOURS {
            self.known.clear();
        }
        let before = self.known.insert((message.header.ifindex, address), way.clone());
        // One that was never heard of and cannot be reached has taken no packet yet.
        before.unwrap_or_default() != way
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn neighbour(state: NeighbourState, way: Option<[u8; 6]>) -> NeighbourMessage {
        let mut message = NeighbourMessage::default();
        message.header.family = AddressFamily::Inet;
        message.header.ifindex = 3;
        message.header.state = state;
        message
            .attributes
            .push(NeighbourAttribute::Destination(NeighbourAddress::Inet([192, 168, 1, 10].into())));
        message.attributes.extend(way.map(|way| NeighbourAttribute::LinkLayerAddress(way.to_vec())));
        message
    }

    #[test]
    fn only_another_way_to_a_neighbour_counts() {
        let mut neighbours = Neighbours::default();
        let (one, two) = (Some([2, 0, 0, 0, 0, 1]), Some([2, 0, 0, 0, 0, 2]));
        let told: Vec<bool> = [
            (NeighbourState::Incomplete, None, false),
            (NeighbourState::Reachable, one, false),
            (NeighbourState::Stale, one, false),
            (NeighbourState::Probe, one, false),
            (NeighbourState::Reachable, two, false),
            (NeighbourState::Failed, two, false),
            (NeighbourState::Stale, two, false),
            (NeighbourState::Stale, two, true),
        ]
        .into_iter()
        .map(|(state, way, gone)| neighbours.learn(&neighbour(state, way), gone))
        .collect();
        assert_eq!(told, [false, true, false, false, true, true, true, true]);
    }

    #[test]
    fn a_lost_message_may_have_been_anything() {
        let mut neighbours = Neighbours::default();
        neighbours.learn(&neighbour(NeighbourState::Reachable, Some([2; 6])), false);
        assert_eq!(neighbours.read(Err(io::Error::from_raw_os_error(105))), Changed::ALL);
        assert!(neighbours.known.is_empty());
    }
}
