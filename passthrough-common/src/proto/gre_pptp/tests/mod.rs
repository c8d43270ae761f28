//! A PPTP control connection in memory: segments as its ends send them, and what leaves the gateway of them.

mod calls;
mod header;
mod hostile;
mod rewrites;
mod splits;

use core::sync::atomic::{AtomicU16, Ordering};
use std::vec::Vec;

use super::control::{self, Read, read};
use crate::abi::session::Rewrite;
use crate::abi::{Class, Direction, Event, Reason, Session, SessionKey, Space, Switch, View};
use crate::proto::{Flow, Part, halves, number, progress};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway, OUTSIDE};
use crate::session::tcp::header::{ACK, FIN, RST, SYN};
use crate::wire::{checksum, pptp};

pub(super) const A: u32 = 0xc0a8_010a;
pub(super) const B: u32 = 0xc0a8_010b;
pub(super) const S: u32 = 0xc633_640a;
pub(super) const T: u32 = 0xc633_6414;

pub(super) const OUT: Direction = Direction::Outbound;
pub(super) const IN: Direction = Direction::Inbound;

/// Where the TCP header is in the frames here, and how long it is: options make the data begin past 20 bytes.
const L4_AT: u32 = 34;
const TCP_LEN: u32 = 32;

/// The next port that no connection here has had.
static PORTS: AtomicU16 = AtomicU16::new(30_000);

pub(super) fn gateway() -> Gateway {
    let mut gateway = Gateway::default();
    gateway.settings.switches[Class::Pptp as usize] = Switch::Full as u8;
    gateway.settings.switches[Class::Gre as usize] = Switch::Full as u8;
    gateway
}

/// A control message of this type, as long as RFC 2637 says, with both ID fields and the result.
pub(super) fn message(kind: u16, call_id: u16, peer_call_id: u16, result: u8) -> Vec<u8> {
    let length = match pptp::length(kind) {
        pptp::HEADER => 20,
        length => length,
    };
    // What follows is filled so that a byte changed by mistake shows.
    let mut bytes: Vec<u8> = (0..length).map(|index| (index * 7 + 1) as u8).collect();
    bytes[0..2].copy_from_slice(&(length as u16).to_be_bytes());
    bytes[2..4].copy_from_slice(&pptp::CONTROL.to_be_bytes());
    bytes[4..8].copy_from_slice(&pptp::MAGIC.to_be_bytes());
    bytes[8..10].copy_from_slice(&kind.to_be_bytes());
    if length >= 14 {
        bytes[12..14].copy_from_slice(&call_id.to_be_bytes());
    }
    if length >= 16 {
        bytes[14..16].copy_from_slice(&peer_call_id.to_be_bytes());
    }
    if length > 16 {
        bytes[16] = result;
    }
    bytes
}

pub(super) fn id_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_be_bytes([bytes[at], bytes[at + 1]])
}

/// A TCP connection through the gateway, and where each end is in its stream.
pub(super) struct Connection<'a> {
    pub world: &'a Gateway,
    pub host: u32,
    pub server: u32,
    pub host_port: u16,
    pub outside_port: u16,
    pub server_port: u16,
    pub next: [u32; 2],
}

impl<'a> Connection<'a> {
    /// The client inside, handshake done.
    pub fn client(world: &'a Gateway, host: u32, server: u32, port: u16) -> Connection<'a> {
        let mut connection = Connection::unopened(world, host, server, port);
        connection.handshake(OUT);
        connection
    }

    /// The server inside, behind a forward of port 1723, handshake done.
    pub fn server(world: &'a Gateway, host: u32, client: u32) -> Connection<'a> {
        let mut connection = Connection::unopened(world, host, client, pptp::PORT);
        connection.outside_port = pptp::PORT;
        connection.server_port = PORTS.fetch_add(1, Ordering::Relaxed);
        connection.insert_session();
        connection.answer();
        connection
    }

    /// The server inside answers a SYN that nobody has read, since it had no session.
    pub fn answer(&mut self) {
        self.next[IN as usize] = self.next[IN as usize].wrapping_add(1);
        let sequence = self.next[OUT as usize];
        self.segment(OUT, sequence, SYN | ACK, &[]).expect("the answer passes");
        self.next[OUT as usize] = sequence.wrapping_add(1);
    }

    pub fn unopened(world: &'a Gateway, host: u32, server: u32, port: u16) -> Connection<'a> {
        let connection = Connection {
            world,
            host,
            server,
            host_port: port,
            // Never the same twice, and another than the inside port.
            outside_port: PORTS.fetch_add(1, Ordering::Relaxed),
            server_port: pptp::PORT,
            // Close to the wrap of sequence numbers.
            next: [0xffff_ff80, 0xffff_fff0],
        };
        connection.insert_session();
        connection
    }

    pub fn insert_session(&self) {
        let (settings, now) = (&self.world.settings, self.world.now.get());
        let (inside, outside) = ((self.host, self.host_port), (OUTSIDE, self.outside_port));
        let remote = (self.server, self.server_port);
        let half = |to| halves::half(settings, now, Class::Pptp, Rewrite::Port, to, 0);
        let outbound = SessionKey::ports(View::Outbound, remote, inside, number::TCP);
        let inbound = SessionKey::ports(View::Inbound, remote, outside, number::TCP);
        if self.world.sessions.insert(&outbound, &half(outside)).is_ok() {
            self.world.controls.update(&outbound, |control| control.outdated = 1);
        }
        let _ = self.world.sessions.insert(&inbound, &half(inside));
    }

    pub fn key(&self) -> SessionKey {
        let remote = (self.server, self.server_port);
        SessionKey::ports(View::Outbound, remote, (self.host, self.host_port), number::TCP)
    }

    pub fn handshake(&mut self, from: Direction) {
        for (direction, flags) in [(from, SYN), (from.reversed(), SYN | ACK)] {
            let sequence = self.next[direction as usize];
            self.segment(direction, sequence, flags, &[]).expect("a SYN passes");
            self.next[direction as usize] = sequence.wrapping_add(1);
        }
    }

    /// Sends data in sequence and returns what leaves.
    pub fn send(&mut self, direction: Direction, data: &[u8]) -> Result<Vec<u8>, Reason> {
        let sequence = self.next[direction as usize];
        let out = self.segment(direction, sequence, ACK, data)?;
        self.next[direction as usize] = sequence.wrapping_add(data.len() as u32);
        Ok(out)
    }

    /// Sends data in sequence, cut at these places, and returns what leaves in all.
    pub fn send_cut(&mut self, direction: Direction, data: &[u8], cuts: &[usize]) -> Vec<u8> {
        let mut out = Vec::new();
        let mut from = 0;
        for to in cuts.iter().copied().chain([data.len()]) {
            out.extend(self.send(direction, &data[from..to]).expect("a part in sequence passes"));
            from = to;
        }
        out
    }

    pub fn fin(&mut self, direction: Direction) -> Result<Vec<u8>, Reason> {
        self.segment(direction, self.next[direction as usize], FIN | ACK, &[])
    }

    pub fn reset(&mut self, direction: Direction, sequence: u32) -> Result<Vec<u8>, Reason> {
        self.segment(direction, sequence, RST, &[])
    }

    /// Its idle time is over, and the sweep comes by.
    pub fn expire(&self) {
        let key = self.key();
        let session = self.world.sessions.get(&key).expect("a session");
        control::remove_if_over(self.world, &key);
        assert!(self.world.controls.get(&key).is_some(), "not while it is there");
        halves::remove(self.world, &key, &session);
        control::remove_if_over(self.world, &key);
        assert!(self.world.controls.get(&key).is_none());
        for (key, session) in self.world.sessions.dump() {
            if halves::is_over(self.world, &key, &session) {
                halves::remove(self.world, &key, &session);
            }
        }
    }

    /// Sends one segment; checks that nothing but data and checksum changed and that the checksum is right.
    pub fn segment(
        &self,
        direction: Direction,
        sequence: u32,
        flags: u8,
        data: &[u8],
    ) -> Result<Vec<u8>, Reason> {
        let (source, destination) = match direction {
            Direction::Outbound => ((self.host, self.host_port), (self.server, self.server_port)),
            Direction::Inbound => ((self.server, self.server_port), (OUTSIDE, self.outside_port)),
        };
        let acknowledgement = self.next[direction.reversed() as usize];
        let mut bytes = std::vec![0; L4_AT as usize];
        bytes.extend(source.1.to_be_bytes());
        bytes.extend(destination.1.to_be_bytes());
        bytes.extend(sequence.to_be_bytes());
        bytes.extend(acknowledgement.to_be_bytes());
        bytes.extend([((TCP_LEN / 4) << 4) as u8, flags, 0x20, 0, 0, 0, 0, 0]);
        bytes.extend([1; 12]);
        bytes.extend(data);
        let sum = tcp_sum(&bytes[L4_AT as usize..], source.0, destination.0);
        bytes[L4_AT as usize + 16..L4_AT as usize + 18].copy_from_slice(&sum.to_be_bytes());
        let flow = Flow {
            source: source.0,
            destination: destination.0,
            selector: u32::from(source.1) << 16 | u32::from(destination.1),
            ip_at: 14,
            l4_at: L4_AT,
            end: bytes.len() as u32,
            protocol: number::TCP,
            space: Space::Ports,
            tcp_flags: flags,
            class: Class::Pptp,
            part: Part::Whole,
            progress: if direction == OUT { progress::OUTBOUND } else { 0 },
            ..Flow::EMPTY
        };
        let mut frame = Frame(bytes.clone());
        let mut calls = 0;
        while read(&mut frame, &flow, self.world)? == Read::More {
            calls += 1;
            assert!(calls < 33, "bounded by the kernel's tail calls");
        }
        let header = (L4_AT + TCP_LEN) as usize;
        assert_eq!(frame.0.len(), bytes.len());
        assert_eq!(tcp_sum(&frame.0[L4_AT as usize..], source.0, destination.0), 0, "P17: full recompute");
        frame.0[L4_AT as usize + 16..L4_AT as usize + 18].copy_from_slice(&sum.to_be_bytes());
        assert_eq!(frame.0[..header], bytes[..header], "nothing but data and checksum changes");
        Ok(frame.0.split_off(header))
    }

    /// What enhanced GRE from the server with this call ID finds.
    pub fn inbound_gre(&self, call_id: u16) -> Option<Session> {
        gre(self.world, View::Inbound, self.server, OUTSIDE, call_id)
    }

    /// What enhanced GRE from the inside host with this call ID finds.
    pub fn outbound_gre(&self, call_id: u16) -> Option<Session> {
        gre(self.world, View::Outbound, self.server, self.host, call_id)
    }

    /// Calls out: type 7 and its reply; returns the outside call ID.
    pub fn call(&mut self, inside: u16, remote: u16) -> u16 {
        let out = self.send(OUT, &message(7, inside, 0x5555, 0)).expect("type 7 passes");
        let outside = id_at(&out, 12);
        let back = self.send(IN, &message(8, remote, outside, 1)).expect("type 8 passes");
        assert_eq!((id_at(&back, 12), id_at(&back, 14)), (remote, inside));
        outside
    }
}

/// What an enhanced GRE packet finds, as `path::lookup` would see it: nothing if its session is over.
pub(super) fn gre(world: &Gateway, view: View, remote: u32, local: u32, call_id: u16) -> Option<Session> {
    let key =
        SessionKey::new(view, remote, local, number::GRE, Space::CallId, super::header::selector(call_id));
    let session = world.sessions.get(&key)?;
    if halves::is_over(world, &key, &session) { None } else { Some(session) }
}

pub(super) fn events(world: &Gateway, event: Event) -> u64 {
    world.events.borrow().get(&(event as u8)).copied().unwrap_or(0)
}

/// The checksum of a TCP segment that contains its own: 0 if that is right.
fn tcp_sum(segment: &[u8], source: u32, destination: u32) -> u16 {
    let mut sum = u32::from(number::TCP) + segment.len() as u32;
    for address in [source, destination] {
        sum += (address >> 16) + (address & 0xffff);
    }
    for pair in segment.chunks(2) {
        sum += u32::from(pair[0]) << 8 | u32::from(*pair.get(1).unwrap_or(&0));
    }
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    !checksum::fold(sum)
}
