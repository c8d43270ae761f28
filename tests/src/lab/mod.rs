//! The lab: LAN clients, a gateway, an internet router and two servers, each a network namespace.
//!
//! ```text
//! A .10  B .11  C .12 ...        192.168.1.0/24
//!   |      |      |
//!   +------+------+-- br0  gateway  wan0 ------ isp0  router R  net0 --+-- S 198.51.100.10
//!                  192.168.1.1  203.0.113.1/24  203.0.113.254          +-- T 198.51.100.20
//! ```
//!
//! IPv6, which is not translated, runs beside it: 3fff:0:1::/64 inside, 3fff:0:3::/64 for the servers (RFC 9637).
//! R has no route to 192.168.1.0/24 (but in the routed lab), so an untranslated packet finds no way back. The lab
//! deletes what it made when it is dropped, and nothing else.

pub mod cli;
pub mod firewall;
pub mod namespace;
pub mod offload;
pub mod sniffer;
mod topology;
pub mod wire;

use std::net::{Ipv4Addr, Ipv6Addr};

use anyhow::{Context, Result};

use self::{cli::Cli, namespace::Namespace, sniffer::Sniffer};

/// The gateway's LAN address, L.
pub const GATEWAY_LAN: Ipv4Addr = Ipv4Addr::new(192, 168, 1, 1);
/// The gateway's WAN address, E.
pub const GATEWAY_WAN: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);
/// The router's address on the gateway's side, R.
pub const ROUTER: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 254);
/// Server S.
pub const SERVER_S: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 10);
/// Server T.
pub const SERVER_T: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 20);
/// Server S.
pub const SERVER_S6: Ipv6Addr = Ipv6Addr::new(0x3fff, 0, 3, 0, 0, 0, 0, 10);
/// Most clients that a lab can have.
pub const MOST_CLIENTS: usize = 64;

/// Whether the router knows the way to the LAN.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Routing {
    /// The router knows the LAN: peers can be checked without any NAT.
    Routed,
    /// The router does not know the LAN, as on the internet.
    Internet,
}

/// What a lab shall be like.
#[derive(Clone, Debug)]
pub struct Plan {
    /// LAN clients, 64 at most.
    pub clients: usize,
    /// Whether the router knows the LAN.
    pub routing: Routing,
    /// MTU of the link between gateway and router, in bytes.
    pub wan_mtu: u32,
    /// MTU of the links between router and servers, in bytes.
    pub server_mtu: u32,
    /// An nftables ruleset for the gateway.
    pub firewall: Option<&'static str>,
}

impl Default for Plan {
    fn default() -> Plan {
        Plan { clients: 4, routing: Routing::Internet, wan_mtu: 1500, server_mtu: 1500, firewall: None }
    }
}

/// A host of the lab.
#[derive(Debug)]
pub struct Host {
    /// Its name: `A`, `B`, ... for clients.
    pub name: String,
    /// Its address.
    pub address: Ipv4Addr,
    /// Its IPv6 address.
    pub address6: Ipv6Addr,
    /// Where it lives.
    pub namespace: Namespace,
}

/// The namespaces and what runs in them. Fields are dropped in this order.
#[derive(Debug)]
pub struct Lab {
    /// The `passthrough` command in the gateway.
    pub cli: Cli,
    /// What arrives at the router from the gateway's WAN interface, and what goes there.
    pub sniffer: Sniffer,
    /// LAN clients.
    pub clients: Vec<Host>,
    /// The gateway.
    pub gateway: Host,
    /// The internet.
    pub router: Host,
    /// Server S.
    pub s: Host,
    /// Server T.
    pub t: Host,
}

impl Lab {
    /// Four clients, the internet, no firewall.
    pub fn new() -> Result<Lab> {
        Lab::planned(&Plan::default())
    }

    /// A lab after a plan.
    pub fn planned(plan: &Plan) -> Result<Lab> {
        topology::build(plan)
    }

    /// One client, which hangs on a veth of the gateway's own instead of a bridge. Both of the gateway's veths can transmit
    /// frames that XDP redirects to them: their peers have GRO on.
    pub fn without_bridge(plan: &Plan) -> Result<Lab> {
        let lab = Lab::planned(&Plan { clients: 1, ..plan.clone() })?;
        lab.gateway.namespace.ip(&format!(
            "link set lan0 nomaster\naddr del {GATEWAY_LAN}/24 dev br0\naddr add {GATEWAY_LAN}/24 dev lan0\nlink del br0\n"
        ))?;
        for (host, interface) in [(&lab.router, "isp0"), (&lab.clients[0], "eth0")] {
            host.namespace.run("ethtool", &["-K", interface, "gro", "on"])?;
        }
        Ok(lab)
    }

    /// Frames that XDP programs have redirected from an interface of the gateway, as its driver counts them.
    pub fn redirected(&self, interface: &str) -> Result<u64> {
        let counters = self.gateway.namespace.run("ethtool", &["-S", interface])?;
        let of = |line: &str| line.trim().strip_prefix("rx_queue_0_xdp_redirect: ")?.parse().ok();
        counters.lines().find_map(of).context("the driver does not count redirected frames")
    }

    /// Loads an nftables ruleset on the gateway, beside what is there.
    pub fn load_firewall(&self, ruleset: &str) -> Result<()> {
        self.gateway.namespace.run_with_input("nft", &["-f", "-"], ruleset).map(drop)
    }
}
