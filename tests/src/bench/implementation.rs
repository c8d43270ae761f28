//! What is compared: ways of getting packets from one side of the gateway to the other.

use std::{fs, os::unix::fs::MetadataExt, path::PathBuf};

use anyhow::{Context, Result, ensure};
use aya::programs::xdp::XdpLink;

use super::{
    frame::Traffic,
    layout::{TO_LAN, TO_WAN},
    network::Network,
    programs::Programs,
};
use crate::lab::cli::Cli;

/// Masquerading, with connection tracking.
const MASQUERADE: &str = "
table ip bench {
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname wan0 masquerade
    }
}
";

/// The same, with the helper that reads PPTP's control connection.
const MASQUERADE_PPTP: &str = r#"
table ip bench {
    ct helper pptp {
        type "pptp" protocol tcp;
    }
    chain prerouting {
        type filter hook prerouting priority -100; policy accept;
        tcp dport 1723 ct helper set "pptp"
    }
    chain postrouting {
        type nat hook postrouting priority 100; policy accept;
        oifname wan0 masquerade
    }
}
"#;

/// Seconds that conntrack keeps a silent entry.
const PATIENCE: &str = "600";

/// One of what is compared.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Implementation {
    /// Bare forwarding in XDP, no translation: the limit.
    XdpForward,
    /// The kernel's forwarding, no translation.
    Kernel,
    /// conntrack and nftables' masquerade.
    Netfilter,
    /// The same with its PPTP helper: for GRE.
    NetfilterPptp,
    /// `passthrough up --mode tc`.
    Tc,
    /// `passthrough up --mode xdp`.
    Xdp,
}

impl Implementation {
    /// All of them, in the order of tables.
    pub const ALL: [Implementation; 6] = [
        Implementation::XdpForward,
        Implementation::Kernel,
        Implementation::Netfilter,
        Implementation::NetfilterPptp,
        Implementation::Tc,
        Implementation::Xdp,
    ];

    /// Its name in options and figures.
    pub const fn name(self) -> &'static str {
        match self {
            Implementation::XdpForward => "xdp-forward",
            Implementation::Kernel => "kernel",
            Implementation::Netfilter => "netfilter",
            Implementation::NetfilterPptp => "netfilter-pptp",
            Implementation::Tc => "passthrough-tc",
            Implementation::Xdp => "passthrough-xdp",
        }
    }

    /// What it is, in a phrase.
    pub const fn about(self) -> &'static str {
        match self {
            Implementation::XdpForward => {
                "link addresses, TTL and redirect in XDP, no translation: the limit here"
            }
            Implementation::Kernel => "the kernel's forwarding, no conntrack, no translation",
            Implementation::Netfilter => "conntrack and nftables' masquerade",
            Implementation::NetfilterPptp => "the same with nf_nat_pptp, for GRE",
            Implementation::Tc => "passthrough up --mode tc",
            Implementation::Xdp => "passthrough up --mode xdp",
        }
    }

    /// Whether it translates addresses.
    pub const fn translates(self) -> bool {
        !matches!(self, Implementation::XdpForward | Implementation::Kernel)
    }

    /// Whether it is `passthrough`.
    pub const fn is_passthrough(self) -> bool {
        matches!(self, Implementation::Tc | Implementation::Xdp)
    }

    /// Whether a comparison of this traffic is of interest: netfilter needs its helper for GRE, and for nothing else.
    pub const fn takes(self, traffic: Traffic) -> bool {
        match self {
            Implementation::Netfilter => !matches!(traffic, Traffic::Gre),
            Implementation::NetfilterPptp => matches!(traffic, Traffic::Gre),
            _ => true,
        }
    }
}

/// A gateway at work. What it has attached goes when this goes, before the network does.
pub struct Gateway {
    /// What it is.
    pub implementation: Implementation,
    /// Where its `passthrough` is, if it is one.
    pub cli: Option<Cli>,
    /// Held for being dropped.
    _links: Vec<XdpLink>,
    /// What the packets cross.
    pub network: Network,
}

impl Gateway {
    /// Brings one up in namespaces of its own, with room for so many sessions.
    ///
    /// # Errors
    ///
    /// Also what `passthrough up` refuses.
    pub fn bring_up(
        implementation: Implementation,
        sessions: u32,
        programs: &mut Programs,
    ) -> Result<Gateway> {
        let network = Network::new(implementation.translates())?;
        if matches!(implementation, Implementation::Netfilter | Implementation::NetfilterPptp) {
            // Sessions wait while those of the others are made; nothing is to expire meanwhile.
            for name in ["udp", "gre", "generic"] {
                network.gateway.sysctl(&format!("netfilter/nf_conntrack_{name}_timeout"), PATIENCE)?;
            }
        }
        let mut cli = None;
        // First, since a veth can be sent to by XDP only once its peer has a program.
        let mut links = sinks(&network, programs)?;
        match implementation {
            Implementation::XdpForward | Implementation::Kernel => {}
            Implementation::Netfilter => {
                network.gateway.run_with_input("nft", &["-f", "-"], MASQUERADE)?;
            }
            Implementation::NetfilterPptp => {
                network.gateway.run_with_input("nft", &["-f", "-"], MASQUERADE_PPTP)?;
            }
            Implementation::Tc | Implementation::Xdp => {
                let mode = if implementation == Implementation::Tc { "tc" } else { "xdp" };
                let up = format!("up --wan wan0 --lan lan0 --mode {mode} --sessions {sessions} --enable all");
                let passthrough = Cli::new(network.gateway.name())?;
                passthrough.succeed(&up)?;
                cli = Some(passthrough);
            }
        }
        links.extend(attach(implementation, &network, programs)?);
        Ok(Gateway { implementation, cli, _links: links, network })
    }

    /// Where `passthrough` keeps its maps and programs.
    pub fn pins(&self) -> Result<PathBuf> {
        let namespace = format!("/run/netns/{}", self.network.gateway.name());
        let inode = fs::metadata(&namespace).with_context(|| format!("could not look at {namespace}"))?.ino();
        let pins = PathBuf::from(format!("/sys/fs/bpf/passthrough-net-{inode}"));
        ensure!(pins.is_dir(), "{} is not there: where does passthrough pin?", pins.display());
        Ok(pins)
    }
}

/// Sinks at both ends.
fn sinks(network: &Network, programs: &mut Programs) -> Result<Vec<XdpLink>> {
    let ends = [(&network.lan, "host0"), (&network.wan, "net0")];
    ends.iter().map(|(end, interface)| end.namespace.enter(|| programs.attach("sink", interface))).collect()
}

/// On the gateway's interfaces, what keeps NAPI on.
fn attach(
    implementation: Implementation,
    network: &Network,
    programs: &mut Programs,
) -> Result<Vec<XdpLink>> {
    let mut links = Vec::new();
    // The product's own programs are there in its XDP mode.
    let [to_wan, to_lan] = match implementation {
        Implementation::Xdp => return Ok(links),
        Implementation::XdpForward => ["forward_to_wan", "forward_to_lan"],
        _ => ["pass", "pass"],
    };
    let [lan0, wan0] = network.ports;
    network.gateway.enter(|| {
        if implementation == Implementation::XdpForward {
            programs.set_hop(TO_WAN, wan0, network.link_from_gateway(true))?;
            programs.set_hop(TO_LAN, lan0, network.link_from_gateway(false))?;
        }
        links.push(programs.attach(to_wan, "lan0")?);
        links.push(programs.attach(to_lan, "wan0")?);
        Ok(())
    })?;
    Ok(links)
}
