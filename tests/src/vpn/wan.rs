//! What the gateway reaches the internet by: Ethernet as the lab has it, a tagged VLAN on it (IEEE 802.1Q), or PPPoE
//! (RFC 2516). Its addresses are the same each time.

use std::time::Duration;

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    tunnel::address_of,
};
use crate::lab::{GATEWAY_LAN, GATEWAY_WAN, Lab, ROUTER, namespace::Namespace};

/// A kind of link.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Wan {
    /// Without a tag.
    Ethernet,
    /// With the tag 7, on devices of their own; and the LAN with the tag 5.
    Vlan,
    /// Through `ppp0`.
    Pppoe,
}

impl Wan {
    /// All of them.
    pub const ALL: [Wan; 3] = [Wan::Ethernet, Wan::Vlan, Wan::Pppoe];

    /// The gateway's device.
    pub const fn device(self) -> &'static str {
        match self {
            Wan::Ethernet => "wan0",
            Wan::Vlan => "wan0.7",
            Wan::Pppoe => "ppp0",
        }
    }

    /// The gateway's device towards the LAN.
    pub const fn lan(self) -> &'static str {
        match self {
            Wan::Vlan => "lan0.5",
            Wan::Ethernet | Wan::Pppoe => "lan0",
        }
    }

    /// Takes the addresses from plain Ethernet to this kind of link; what is returned keeps it up.
    pub fn lay(
        self,
        lab: &Lab,
        switch: &Namespace,
        folder: &Folder,
        patience: Duration,
    ) -> Result<Vec<Daemon>> {
        if self == Wan::Ethernet {
            return Ok(Vec::new());
        }
        lab.gateway.namespace.ip(&format!("addr del {GATEWAY_WAN}/24 dev wan0\n"))?;
        lab.router.namespace.ip(&format!("addr del {ROUTER}/24 dev isp0\n"))?;
        if self == Wan::Pppoe {
            return dial(lab, folder, patience);
        }
        lab.gateway.namespace.ip(&format!("addr del {GATEWAY_LAN}/24 dev lan0\n"))?;
        for (host, below, tag, address) in [
            (&lab.gateway, "lan0", 5, GATEWAY_LAN),
            (&lab.gateway, "wan0", 7, GATEWAY_WAN),
            (&lab.router, "isp0", 7, ROUTER),
        ] {
            host.namespace.ip(&format!(
                "link add link {below} name {below}.{tag} type vlan id {tag}\naddr add {address}/24 dev {below}.{tag}\n\
                 link set {below}.{tag} up\n"
            ))?;
        }
        switch.ip("link set up0 nomaster\nlink add link up0 name up0.5 type vlan id 5\nlink set up0.5 master br0 up\n")?;
        lab.gateway.namespace.ip(&format!("route add default via {ROUTER}\n"))?;
        Ok(Vec::new())
    }

    /// Takes them back. Daemons of the link have ended before.
    pub fn lift(self, lab: &Lab, switch: &Namespace) -> Result<()> {
        if self == Wan::Ethernet {
            return Ok(());
        }
        if self == Wan::Vlan {
            lab.gateway
                .namespace
                .ip(&format!("link del wan0.7\nlink del lan0.5\naddr add {GATEWAY_LAN}/24 dev lan0\n"))?;
            lab.router.namespace.ip("link del isp0.7\n")?;
            switch.ip("link del up0.5\nlink set up0 master br0\n")?;
        }
        lab.router.namespace.ip(&format!("addr add {ROUTER}/24 dev isp0\n"))?;
        lab.gateway
            .namespace
            .ip(&format!("addr add {GATEWAY_WAN}/24 dev wan0\nroute replace default via {ROUTER}\n"))
    }
}

/// The router serves PPPoE (rp-pppoe in userspace), and the gateway dials (in the kernel).
fn dial(lab: &Lab, folder: &Folder, patience: Duration) -> Result<Vec<Daemon>> {
    let (near, far) = (folder.below("gateway")?, folder.below("router")?);
    for folder in [&near, &far] {
        folder.write("ppp/options", "")?;
    }
    far.write("ppp/pppoe-server-options", "noauth\nlcp-echo-interval 10\nnoipv6\n")?;
    let (own, peer) = (ROUTER.to_string(), GATEWAY_WAN.to_string());
    let words = ["-F", "-I", "isp0", "-L", &own, "-R", &peer, "-N", "1"];
    let server = far.start(&lab.router.namespace, "pppoe-server", &words)?;
    let words = "plugin rp-pppoe.so wan0 nodetach noauth defaultroute noipv6 persist maxfail 0 holdoff 1 debug logfd 2";
    let words: Vec<&str> = words.split_whitespace().collect();
    let mut client = near.start(&lab.gateway.namespace, "pppd", &words)?;
    address_of(&lab.gateway, "ppp0", &mut client, patience)?;
    Ok(vec![client, server])
}
