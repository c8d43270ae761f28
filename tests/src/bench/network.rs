//! Three namespaces in a row: where clients are, the gateway, where servers are.
//!
//! ```text
//! lan: 10.66.0.0/16 behind host0 10.65.0.2 -- lan0 10.65.0.1  gateway  203.0.113.1 wan0 -- net0 203.0.113.254: 198.18.0.0/15
//! ```
//!
//! Clients and servers are addresses that exist in no interface: frames are made and taken at host0 and net0, and sockets
//! may still be bound to them. Neighbours are fixed, offloads are off, and IPv6 is silent.

use std::net::Ipv4Addr;

use anyhow::{Context, Result};

use crate::lab::{
    namespace::{Namespace, ip_batch, unique_prefix},
    offload,
};

/// The gateway's outside address.
pub const OUTSIDE: Ipv4Addr = Ipv4Addr::new(203, 0, 113, 1);

/// One end of a link.
#[derive(Debug)]
pub struct End {
    /// Where it is.
    pub namespace: Namespace,
    /// Its index there.
    pub index: u32,
    /// Its link address.
    pub address: [u8; 6],
}

/// The namespaces. They go when this goes.
#[derive(Debug)]
pub struct Network {
    /// The LAN's end.
    pub lan: End,
    /// The gateway; its interfaces are `lan0` and `wan0`.
    pub gateway: Namespace,
    /// Indices of `lan0` and `wan0`.
    pub ports: [u32; 2],
    /// The WAN's end.
    pub wan: End,
}

/// Link addresses of the gateway's two interfaces.
const GATEWAY: [[u8; 6]; 2] = [[2, 0, 0, 0, 0, 2], [2, 0, 0, 0, 0, 3]];
const LAN: [u8; 6] = [2, 0, 0, 0, 0, 1];
const WAN: [u8; 6] = [2, 0, 0, 0, 0, 4];

impl Network {
    /// Builds it. `translated`: the WAN has no way back to inside addresses.
    pub fn new(translated: bool) -> Result<Network> {
        let prefix = unique_prefix();
        let lan = Namespace::new(format!("{prefix}-lan"))?;
        let gateway = Namespace::new(format!("{prefix}-gw"))?;
        let wan = Namespace::new(format!("{prefix}-wan"))?;
        for namespace in [&lan, &gateway, &wan] {
            namespace.sysctl("ipv6/conf/all/disable_ipv6", "1")?;
            namespace.sysctl("ipv6/conf/default/disable_ipv6", "1")?;
        }
        let text = |address: [u8; 6]| address.map(|byte| format!("{byte:02x}")).join(":");
        let [gw_lan, gw_wan] = GATEWAY.map(text);
        let (host, net) = (text(LAN), text(WAN));
        ip_batch(
            None,
            &format!(
                "link add name lan0 address {gw_lan} netns {0} type veth peer name host0 address {host} netns {1}\n\
                 link add name wan0 address {gw_wan} netns {0} type veth peer name net0 address {net} netns {2}\n",
                gateway.name(),
                lan.name(),
                wan.name()
            ),
        )?;
        lan.ip(&format!(
            "addr add 10.65.0.2/24 dev host0\nlink set host0 up\n\
             neigh replace 10.65.0.1 lladdr {gw_lan} dev host0 nud permanent\n\
             route add default via 10.65.0.1\nroute add local 10.66.0.0/16 dev lo\n"
        ))?;
        gateway.ip(&format!(
            "addr add 10.65.0.1/24 dev lan0\naddr add {OUTSIDE}/24 dev wan0\n\
             link set lan0 up\nlink set wan0 up\n\
             neigh replace 10.65.0.2 lladdr {host} dev lan0 nud permanent\n\
             neigh replace 203.0.113.254 lladdr {net} dev wan0 nud permanent\n\
             route add 10.66.0.0/16 via 10.65.0.2\nroute add default via 203.0.113.254\n"
        ))?;
        gateway.sysctl("ipv4/ip_forward", "1")?;
        wan.ip(&format!(
            "addr add 203.0.113.254/24 dev net0\nlink set net0 up\n\
             neigh replace {OUTSIDE} lladdr {gw_wan} dev net0 nud permanent\n\
             route add local 198.18.0.0/15 dev lo\n"
        ))?;
        if !translated {
            wan.ip(&format!("route add 10.64.0.0/14 via {OUTSIDE}\n"))?;
        }
        for (namespace, interface) in
            [(&lan, "host0"), (&gateway, "lan0"), (&gateway, "wan0"), (&wan, "net0")]
        {
            offload::switch_off(namespace, interface)?;
        }
        let ports = [index(&gateway, "lan0")?, index(&gateway, "wan0")?];
        let lan = End { index: index(&lan, "host0")?, namespace: lan, address: LAN };
        let wan = End { index: index(&wan, "net0")?, namespace: wan, address: WAN };
        Ok(Network { lan, gateway, ports, wan })
    }

    /// Where packets of a direction are made.
    pub fn sender(&self, outbound: bool) -> &End {
        if outbound { &self.lan } else { &self.wan }
    }

    /// Destination and source address of frames to the gateway, in this direction.
    pub fn link_to_gateway(&self, outbound: bool) -> [[u8; 6]; 2] {
        [GATEWAY[usize::from(!outbound)], self.sender(outbound).address]
    }

    /// Destination and source address of frames that the gateway sends on, in this direction.
    pub fn link_from_gateway(&self, outbound: bool) -> [[u8; 6]; 2] {
        [self.sender(!outbound).address, GATEWAY[usize::from(outbound)]]
    }
}

fn index(namespace: &Namespace, interface: &str) -> Result<u32> {
    let what = || format!("could not find {interface} in {}", namespace.name());
    namespace.enter(|| nix::net::if_::if_nametoindex(interface).with_context(what))
}
