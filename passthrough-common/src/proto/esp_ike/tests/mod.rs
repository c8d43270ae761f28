//! Sections 7 and 8 of `conformance.md` against the host doubles: packets in, hosts or reasons out.

mod confidence;
mod esp;
mod ike;

use std::vec;
use std::vec::Vec;

use super::*;
use crate::abi::Class;
use crate::abi::{Event, Switch, Ticks};
use crate::proto::{Part, halves};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway, OUTSIDE};
use crate::session::idle;

const A: u32 = 0xc0a8_010a;
const B: u32 = 0xc0a8_010b;
const C: u32 = 0xc0a8_010c;
const S: u32 = 0xc633_640a;
const T: u32 = 0xc633_6414;

const QUICK_MODE: (u8, u8) = (0x10, 32);
const SA_INIT: (u8, u8) = (0x20, 34);
const AUTH: (u8, u8) = (0x20, 35);
const CHILD: (u8, u8) = (0x20, 36);
const INFORMATIONAL: (u8, u8) = (0x20, 37);
const REQUEST: u8 = 0;
const RESPONSE: u8 = 0x20;

/// A gateway, and the part of `path` that leads to this module and back.
struct Lab(Gateway);

impl Lab {
    fn new() -> Lab {
        let mut gateway = Gateway::default();
        gateway.settings.switches[Class::Esp as usize] = Switch::Full as u8;
        gateway.settings.switches[Class::Ike as usize] = Switch::Full as u8;
        Lab(gateway)
    }

    fn wait(&self, secs: u32) {
        self.0.wait(Ticks::from_secs(secs));
    }

    fn events(&self, event: Event) -> u64 {
        self.0.events.borrow().get(&(event as u8)).copied().unwrap_or(0)
    }

    /// Looks up, renews or makes the session; what its address becomes.
    fn pass(&self, key: &SessionKey, frame: &mut Frame, flow: &Flow) -> Result<u32, Reason> {
        let mut opened = flow.class == Class::Ike;
        for _ in 0..4 {
            match self.0.sessions.get(key) {
                None if opened => return Err(Reason::Contended),
                None => {
                    opened = true;
                    step(frame, flow, &self.0)?;
                }
                Some(session) if halves::is_over(&self.0, key, &session) => {
                    halves::remove(&self.0, key, &session)
                }
                Some(session) if idle::lease_is_over(&session, self.0.now.get()) => {
                    self.0.sessions.update(key, |session| {
                        (session.renewed, session.seen) = (self.0.now.get().coarse(), self.0.now.get())
                    });
                    refresh(&self.0, key, &session);
                }
                Some(session) => {
                    self.0.sessions.update(key, |session| session.seen = self.0.now.get());
                    return Ok(session.address);
                }
            }
        }
        Err(Reason::Contended)
    }

    fn esp_bytes(&self, ends: (u32, u32), outbound: bool, bytes: Vec<u8>) -> Result<u32, Reason> {
        let (mut frame, flow) = packet(Class::Esp, ends, outbound, 0, bytes);
        let word = frame.u32(34).unwrap_or(0);
        let (view, server, local) =
            if outbound { (View::Outbound, ends.1, ends.0) } else { (View::Inbound, ends.0, ends.1) };
        let before = frame.clone();
        let result = self.pass(&esp_key(view, server, local, word), &mut frame, &flow);
        assert_eq!(frame, before, "Q7, N2: the step itself changes no byte");
        result
    }

    /// ESP from a host to a server; the outside address that it gets.
    fn sends(&self, host: u32, server: u32, spi: u32, sequence: u32) -> Result<u32, Reason> {
        self.esp_bytes((host, server), true, [spi.to_be_bytes(), sequence.to_be_bytes()].concat())
    }

    /// ESP from a server to E; the host that receives it.
    fn answers(&self, server: u32, spi: u32, sequence: u32) -> Result<u32, Reason> {
        self.esp_bytes((server, OUTSIDE), false, [spi.to_be_bytes(), sequence.to_be_bytes()].concat())
    }

    fn ike_bytes(&self, ends: (u32, u32), outbound: bool, ike: Vec<u8>) -> Result<u32, Reason> {
        let mut bytes = vec![0x01, 0xf4, 0x01, 0xf4, 0, 0, 0, 0];
        bytes.extend(ike);
        let (mut frame, flow) = packet(Class::Ike, ends, outbound, 500 << 16 | 500, bytes);
        step(&mut frame, &flow, &self.0)?;
        let initiator = initiator_key(&frame, &flow)?;
        let (view, server, local) =
            if outbound { (View::Outbound, ends.1, ends.0) } else { (View::Inbound, ends.0, ends.1) };
        let key = SessionKey::new(view, server, local, 17, Space::InitiatorSpi, initiator);
        self.pass(&key, &mut frame, &flow)
    }

    /// IKE from a host to a server.
    fn asks(&self, host: u32, server: u32, spi: u64, kind: (u8, u8), flags: u8) -> Result<u32, Reason> {
        self.ike_bytes((host, server), true, ike(spi, kind, flags, 1))
    }

    /// IKE from a server to E; the host that receives it.
    fn replies(&self, server: u32, spi: u64, kind: (u8, u8), flags: u8) -> Result<u32, Reason> {
        self.ike_bytes((server, OUTSIDE), false, ike(spi, kind, flags, 1))
    }

    /// A host and a server exchange one packet each way with their own SPIs, as a fresh association does.
    fn pair(&self, host: u32, server: u32, out: u32, back: u32) {
        assert_eq!(self.sends(host, server, out, 1), Ok(OUTSIDE));
        assert_eq!(self.answers(server, back, 1), Ok(host));
        assert_eq!(self.sends(host, server, out, 2), Ok(OUTSIDE));
    }

    /// Time passes in which everyone keeps in touch, until the record counts as complete.
    fn settle(&self, hosts: &[u32]) {
        for _ in 0..4 {
            self.wait(100);
            for host in hosts {
                self.asks(*host, S, 0x1_0000 + u64::from(*host), INFORMATIONAL, REQUEST).unwrap();
            }
        }
    }

    /// A host begins IKE with S, as one that was not there before.
    fn begins(&self, host: u32) {
        self.asks(host, S, 0x1_0000 + u64::from(host), SA_INIT, REQUEST).unwrap();
    }

    /// A host's association in place of its last one, as IKE shows it; the exchange has this message ID.
    fn rekeys(&self, host: u32, id: u32) -> Result<u32, Reason> {
        self.ike_bytes((host, S), true, ike(0x1_0000 + u64::from(host), CHILD, REQUEST, id))
    }

    /// An association with S is still in use when its sessions are looked at again.
    fn lasts(&self, host: u32, out: u32, back: u32) {
        self.wait(20);
        assert_eq!(self.sends(host, S, out, 3), Ok(OUTSIDE));
        assert_eq!(self.answers(S, back, 3), Ok(host));
    }

    fn is_tentative(&self, spi: u32) -> bool {
        self.flags(S, spi) & flag::TENTATIVE != 0
    }

    fn flags(&self, server: u32, spi: u32) -> u8 {
        self.0.sessions.get(&esp_key(View::Inbound, server, OUTSIDE, spi)).unwrap().flags
    }
}

fn ike(spi: u64, (version, kind): (u8, u8), flags: u8, id: u32) -> Vec<u8> {
    let mut bytes = spi.to_be_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend([0, version, kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(28u32.to_be_bytes());
    bytes
}

fn packet(class: Class, ends: (u32, u32), outbound: bool, ports: u32, l4: Vec<u8>) -> (Frame, Flow) {
    let mut bytes = vec![0; 34];
    bytes.extend(l4);
    let esp = class == Class::Esp;
    let flow = Flow {
        source: ends.0,
        destination: ends.1,
        selector: ports,
        ip_at: 14,
        l4_at: 34,
        end: bytes.len() as u32,
        protocol: if esp { number::ESP } else { number::UDP },
        space: if esp { Space::Spi } else { Space::Ports },
        tcp_flags: 0,
        ttl: 64,
        tos: 0,
        class,
        part: Part::Whole,
        options: false,
        error: false,
        identification: 0,
        progress: if outbound { progress::OUTBOUND } else { 0 },
        reserved: Default::default(),
    };
    (Frame(bytes), flow)
}

/// The step that a packet of this class goes through.
fn step(frame: &mut Frame, flow: &Flow, gateway: &Gateway) -> Result<(), Reason> {
    match flow.class {
        Class::Ike if flow.has(progress::OUTBOUND) => super::ike_outbound(frame, flow, gateway),
        Class::Ike => super::ike_inbound(frame, flow, gateway),
        _ => super::esp(frame, flow, gateway),
    }
}
