//! Peers of IP protocols that carry their payload bare: GRE version 0, IP in IP (RFC 2003), L2TPv3 over IP (RFC 3931
//! section 4.1.1). The server answers each payload to where it came from; the client knows its own by its name.

use std::{
    net::Ipv4Addr,
    time::{Duration, Instant},
};

use anyhow::{Result, ensure};

use super::{
    Peer, Round, Who,
    gre::{self, Plain},
    payload,
    service::{Service, Watch},
    socket::{RawIp, SERVER_PATIENCE},
};
use crate::{lab::Host, wait};

/// Size of a packet's payload, in bytes.
const SIZE: usize = 400;

/// What a packet looks like in front of its payload.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Shape {
    /// GRE version 0, with or without a key.
    Gre(Option<u32>),
    /// An inner IPv4 header.
    Ipip,
    /// An L2TPv3 session ID, no cookie.
    L2tpV3(u32),
}

impl Shape {
    /// IP protocol number.
    pub fn protocol(self) -> u8 {
        match self {
            Shape::Gre(_) => gre::PROTOCOL,
            Shape::Ipip => 4,
            Shape::L2tpV3(_) => 115,
        }
    }

    fn channel(self) -> &'static str {
        match self {
            Shape::Gre(_) => "gre",
            Shape::Ipip => "ipip",
            Shape::L2tpV3(_) => "l2tpv3",
        }
    }

    fn encode(self, payload: &[u8]) -> Vec<u8> {
        match self {
            Shape::Gre(key) => Plain { key, payload }.encode(),
            Shape::Ipip => [&inner_header(payload.len())[..], payload].concat(),
            Shape::L2tpV3(session) => [&session.to_be_bytes()[..], payload].concat(),
        }
    }

    /// Reads a packet of this kind: how it looked, and its payload. `None` if it is of a kind that others serve.
    fn decode(self, bytes: &[u8]) -> Result<Option<(Shape, &[u8])>> {
        match self {
            Shape::Gre(_) => Ok(Plain::decode(bytes)?.map(|packet| (Shape::Gre(packet.key), packet.payload))),
            Shape::Ipip => {
                let header = inner_header(bytes.len().saturating_sub(20));
                ensure!(bytes.starts_with(&header), "an inner header {:02x?}", &bytes[..20.min(bytes.len())]);
                Ok(Some((Shape::Ipip, &bytes[20..])))
            }
            Shape::L2tpV3(_) => {
                ensure!(bytes.len() >= 4, "an L2TPv3 packet of {} bytes", bytes.len());
                let session = u32::from_be_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]);
                ensure!(session != 0, "L2TPv3 control where data was expected");
                Ok(Some((Shape::L2tpV3(session), &bytes[4..])))
            }
        }
    }
}

/// An IPv4 header between two addresses of TEST-NET-1, protocol 253 (for experiments), with a right checksum.
fn inner_header(length: usize) -> [u8; 20] {
    let mut header = [0x45, 0, 0, 0, 0, 0, 0, 0, 64, 253, 0, 0, 192, 0, 2, 1, 192, 0, 2, 2];
    header[2..4].copy_from_slice(&(20 + length as u16).to_be_bytes());
    let checksum = super::internet_checksum(&header);
    header[10..12].copy_from_slice(&checksum.to_be_bytes());
    header
}

/// A client.
#[derive(Debug)]
pub struct Client {
    name: String,
    shape: Shape,
    socket: RawIp,
    number: u32,
}

impl Client {
    /// Opens the socket; nothing is sent yet.
    pub fn open(who: &Who, server: Ipv4Addr, shape: Shape) -> Result<Client> {
        let socket = RawIp::open(shape.protocol(), who.address, Some(server))?;
        Ok(Client { name: who.name.clone(), shape, socket, number: 0 })
    }
}

impl Peer for Client {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let channel = self.shape.channel();
        let payload = payload::make(&self.name, &format!("{channel} up"), self.number, SIZE);
        self.socket.send(&self.shape.encode(&payload))?;
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 2048];
        while let Some((_, bytes)) = self.socket.receive(&mut buffer, wait::left(deadline))? {
            let Some((shape, payload)) = self.shape.decode(bytes)? else { continue };
            ensure!(shape == self.shape, "crossed: {} of {:?} got {shape:?}", self.name, self.shape);
            if payload::expect(payload, &self.name, &format!("{channel} down"))? == self.number {
                return Ok(Round::Answered);
            }
        }
        Ok(Round::Lost)
    }
}

/// A running server of GRE version 0, IP in IP and L2TPv3; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its threads and what they complain about.
    pub service: Service,
}

impl Server {
    /// Starts a server on a host.
    pub fn start(host: &Host) -> Result<Server> {
        let mut service = Service::new("raw IP");
        for shape in [Shape::Gre(None), Shape::Ipip, Shape::L2tpV3(0)] {
            let socket = host.namespace.enter(|| RawIp::open(shape.protocol(), host.address, None))?;
            service.spawn(&host.namespace, move |watch| serve(&socket, shape, watch))?;
        }
        Ok(Server { service })
    }
}

fn serve(socket: &RawIp, shape: Shape, watch: &Watch) -> Result<()> {
    let mut buffer = [0; 2048];
    while !watch.stopped() {
        let Some((from, bytes)) = socket.receive(&mut buffer, SERVER_PATIENCE)? else { continue };
        match answer(shape, bytes) {
            Ok(Some(answer)) => socket.send_to(&answer, from)?,
            Ok(None) => {}
            Err(error) => watch.fault(format!("IP protocol {} from {from}: {error:#}", shape.protocol())),
        }
    }
    Ok(())
}

fn answer(kind: Shape, bytes: &[u8]) -> Result<Option<Vec<u8>>> {
    let Some((shape, payload)) = kind.decode(bytes)? else { return Ok(None) };
    let label = payload::read(payload)?;
    ensure!(label.channel == format!("{} up", kind.channel()), "a payload of {}", label.channel);
    let down = format!("{} down", kind.channel());
    Ok(Some(shape.encode(&payload::make(&label.client, &down, label.number, payload.len()))))
}
