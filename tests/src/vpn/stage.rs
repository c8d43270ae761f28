//! Where the scenarios play: the lab, its clients behind a switch of their own, and one way through the gateway.
//!
//! The gateway's LAN interface is a veth, not a bridge, so that XDP can run on it.

use std::{
    net::Ipv4Addr,
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    daemon::{Daemon, Folder},
    wan::Wan,
};
use crate::lab::{
    GATEWAY_LAN, GATEWAY_WAN, Host, Lab, Plan,
    namespace::{Namespace, ip_batch},
    offload,
};

/// Who translates.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Way {
    /// `passthrough up --mode tc`.
    Tc,
    /// `passthrough up --mode xdp`.
    Xdp,
    /// The kernel's masquerade, with its helper for PPTP.
    Netfilter,
    /// The kernel's masquerade, and nothing else.
    Plain,
}

impl Way {
    /// All of them.
    pub const ALL: [Way; 4] = [Way::Tc, Way::Xdp, Way::Netfilter, Way::Plain];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Way::Tc => "tc",
            Way::Xdp => "xdp",
            Way::Netfilter => "netfilter",
            Way::Plain => "plain",
        }
    }

    /// Whether switches mean anything to it.
    pub const fn is_passthrough(self) -> bool {
        matches!(self, Way::Tc | Way::Xdp)
    }
}

/// Masquerade.
const PLAIN: &str = r#"
table ip nat {
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname { "wan0", "wan0.7", "ppp0" } masquerade
    }
}
"#;

/// Beside it, what a careful owner sets up: since 6.0 a helper works only where a rule asks for it.
const HELPERS: &str = r#"
table ip helpers {
    ct helper pptp-calls { type "pptp" protocol tcp; }
    chain prerouting {
        type filter hook prerouting priority 0; policy accept;
        tcp dport 1723 ct helper set "pptp-calls"
    }
}
"#;

/// What a gateway enables for the scenarios.
const SWITCHES: &str = "pptp,ipsec,l2tp,gre,ipip";

/// The table of a server that does not take everything.
const INSISTS: &str = "insists";

/// The lab and its gateway. Fields are dropped in this order.
#[derive(Debug)]
pub struct Stage {
    /// Clients, gateway, router, servers.
    pub lab: Lab,
    /// Where the clients' links meet.
    pub switch: Namespace,
    /// Where logs and captures go.
    pub out: PathBuf,
    way: Option<Way>,
    wan: Wan,
    /// What keeps the WAN link up.
    link: Vec<Daemon>,
}

impl Stage {
    /// A lab with so many clients.
    pub fn new(clients: usize, out: &Path) -> Result<Stage> {
        let lab = Lab::planned(&Plan { clients, ..Plan::default() })?;
        let gateway = lab.gateway.namespace.name().to_owned();
        let switch = Namespace::new(format!("{}-sw", gateway.trim_end_matches("-gw")))?;
        let mut moved = String::from("link del br0\n");
        for port in 0..clients {
            moved.push_str(&format!("link set lan{port} name port{port} netns {}\n", switch.name()));
        }
        lab.gateway.namespace.ip(&moved)?;
        ip_batch(
            None,
            &format!("link add name lan0 netns {gateway} type veth peer name up0 netns {}\n", switch.name()),
        )?;
        let mut ports =
            String::from("link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0\n");
        for port in (0..clients).map(|port| format!("port{port}")).chain(["up0".to_owned()]) {
            ports.push_str(&format!("link set {port} master br0 up\n"));
        }
        switch.ip(&format!("{ports}link set br0 up\n"))?;
        lab.gateway.namespace.ip(&format!("addr add {GATEWAY_LAN}/24 dev lan0\nlink set lan0 up\n"))?;
        for (namespace, interface) in [(&lab.gateway.namespace, "lan0"), (&switch, "up0")] {
            offload::switch_off(namespace, interface)?;
        }
        // A veth takes frames that XDP redirects to it only while its peer has GRO on.
        for (namespace, interface) in [(&lab.router.namespace, "isp0"), (&switch, "up0")] {
            namespace.run("ethtool", &["-K", interface, "gro", "on"])?;
        }
        Ok(Stage { lab, switch, out: out.to_owned(), way: None, wan: Wan::Ethernet, link: Vec::new() })
    }

    /// Has the gateway reach the internet by this link and translate this way, and nothing else. `keep_1701` says whether L2TP keeps
    /// its source port.
    pub fn translate(&mut self, way: Way, wan: Wan, keep_1701: bool, patience: Duration) -> Result<()> {
        let gateway = &self.lab.gateway.namespace;
        match self.way {
            Some(way) if way.is_passthrough() => drop(self.lab.cli.succeed("down")?),
            Some(_) => drop(gateway.run("nft", &["flush", "ruleset"])?),
            None => {}
        }
        self.way = None;
        if wan != self.wan {
            self.link.clear();
            self.wan.lift(&self.lab, &self.switch)?;
            self.wan = Wan::Ethernet;
            let folder = Folder::new(&self.out, wan.device())?;
            self.link = wan.lay(&self.lab, &self.switch, &folder, patience)?;
            self.wan = wan;
        }
        if way.is_passthrough() {
            // A device that is no card's own has no XDP; `auto` takes it where it is.
            let mode = if way == Way::Xdp && wan != Wan::Ethernet { "auto" } else { way.name() };
            let rule = if keep_1701 { "keep" } else { "translate" };
            let up = format!("--l2tp-port {rule} --sessions 4096");
            let (device, lan) = (wan.device(), wan.lan());
            self.lab
                .cli
                .succeed(&format!("up --wan {device} --lan {lan} {up} --mode {mode} --enable {SWITCHES}"))?;
        } else {
            let helpers = if way == Way::Netfilter { HELPERS } else { "" };
            let ruleset = format!("{PLAIN}{helpers}");
            self.lab.load_firewall(&ruleset).context("masquerade could not be set up")?;
        }
        // What tunnels of earlier scenarios sent while nobody translated.
        self.lab.sniffer.forget();
        self.way = Some(way);
        Ok(())
    }

    /// Takes what comes to a TCP port of the outside address to an inside host, until [`Stage::clear`].
    pub fn forward(&self, port: u16, to: Ipv4Addr) -> Result<()> {
        if self.way.is_some_and(Way::is_passthrough) {
            return self.lab.cli.succeed(&format!("forward add tcp {port} {to}")).map(drop);
        }
        self.lab.load_firewall(&format!(
            "table ip forwards {{ chain prerouting {{ type nat hook prerouting priority -100; policy accept; \
             ip daddr {GATEWAY_WAN} tcp dport {port} dnat to {to}; }}\n}}"
        ))
    }

    /// Has server S drop what fits these words of an nftables rule, until [`Stage::clear`].
    pub fn insist(&self, refused: &str) -> Result<()> {
        let ruleset = format!(
            "table ip {INSISTS} {{ chain input {{ type filter hook input priority 0; policy accept; {refused} drop; }}\n}}"
        );
        self.lab.s.namespace.run("nft", &[&ruleset]).map(drop)
    }

    /// Puts what a client or server has of IPsec and of rules away, and what the gateway knows of sessions.
    pub fn clear(&self) -> Result<()> {
        for host in self.lab.clients.iter().chain([&self.lab.s, &self.lab.t]) {
            host.namespace.run("ip", &["xfrm", "state", "flush"])?;
            host.namespace.run("ip", &["xfrm", "policy", "flush"])?;
        }
        let _ = self.lab.s.namespace.run("nft", &["delete", "table", "ip", INSISTS]);
        if self.way.is_some_and(Way::is_passthrough) {
            // There is one forward at most.
            let _ = self.lab.cli.run("forward del tcp 1723")?;
            self.lab.cli.succeed("flush")?;
        } else {
            let _ = self.lab.gateway.namespace.run("nft", &["delete", "table", "ip", "forwards"]);
        }
        Ok(())
    }

    /// The first `count` clients.
    pub fn clients(&self, count: usize) -> &[Host] {
        &self.lab.clients[..count.min(self.lab.clients.len())]
    }
}

/// An inner address of a client, by its place: nothing on the way knows it.
pub fn inner(index: usize) -> Ipv4Addr {
    Ipv4Addr::new(10, 77, index as u8 + 1, 1)
}

/// The server's inner address.
pub const INNER_SERVER: Ipv4Addr = Ipv4Addr::new(10, 88, 0, 1);
