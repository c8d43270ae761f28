//! What the control tunnels use at the moment: what hostile input aims at, and what it must not hit by chance.

use std::net::{Ipv4Addr, SocketAddrV4};

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::Lab;
use crate::vectors::E;

/// Ports, call IDs and SPIs of sessions that are up.
#[derive(Clone, Debug, Default)]
pub struct Live {
    /// TCP: server and outside end.
    pub tcp: Vec<[(u32, u16); 2]>,
    /// UDP: outside ports.
    pub udp: Vec<u16>,
    /// PPTP: call IDs that the outside sees.
    pub calls: Vec<u16>,
    /// ESP: inbound SPIs.
    pub spis: Vec<u32>,
    /// L2TP: tunnel IDs that the outside sees.
    pub tunnels: Vec<u16>,
}

impl Live {
    /// Asks the gateway; sessions of `besides` are left out.
    ///
    /// # Errors
    ///
    /// If it does not answer.
    pub fn ask(lab: &Lab, besides: Ipv4Addr) -> Result<Live> {
        let text = lab.cli.succeed("sessions --json")?;
        let value: Value = serde_json::from_str(&text).context("reading `passthrough sessions --json`")?;
        let sessions =
            value["sessions"].as_array().context("`passthrough sessions --json` shows no sessions")?;
        let mut live = Live::default();
        for session in sessions {
            let inside = session["inside"].as_str().unwrap_or_default();
            if inside.split(':').next() != Some(&besides.to_string()) {
                live.note(session);
            }
        }
        Ok(live)
    }

    fn note(&mut self, session: &Value) {
        let end = |name: &str| -> Option<(u32, u16)> {
            let end: SocketAddrV4 = session[name].as_str()?.parse().ok()?;
            Some((u32::from(*end.ip()), end.port()))
        };
        match (session["ip_protocol"].as_u64(), end("server"), end("outside")) {
            (Some(6), Some(server), Some(outside)) => self.tcp.push([server, outside]),
            (Some(17), _, Some(outside)) => self.udp.push(outside.1),
            _ => {}
        }
        let id = |name: &str| session[name].as_u64().and_then(|id| u16::try_from(id).ok());
        self.calls.extend(id("call_id_outside"));
        self.tunnels.extend(id("tunnel_id_outside"));
        let spi = session["spi_in"].as_str().map(|spi| spi.trim_start_matches("0x"));
        self.spis.extend(spi.and_then(|spi| u32::from_str_radix(spi, 16).ok()));
    }

    /// A live TCP connection, or one that might be.
    pub fn connection(&self, at: usize) -> [(u32, u16); 2] {
        pick(&self.tcp, at, [(super::kinds::X, 80), (E, 2)])
    }

    /// A live UDP port.
    pub fn udp_port(&self, at: usize) -> u16 {
        pick(&self.udp, at, 2)
    }

    /// A live call ID.
    pub fn call(&self, at: usize) -> u16 {
        pick(&self.calls, at, 1)
    }

    /// A live SPI.
    pub fn spi(&self, at: usize) -> u32 {
        pick(&self.spis, at, 0x1001)
    }

    /// Whether nobody is known by this call ID, tunnel ID or UDP port.
    pub fn is_free(&self, id: u16) -> bool {
        !self.calls.contains(&id) && !self.tunnels.contains(&id) && !self.udp.contains(&id)
    }
}

fn pick<T: Copy>(of: &[T], at: usize, otherwise: T) -> T {
    if of.is_empty() { otherwise } else { of[at % of.len()] }
}
