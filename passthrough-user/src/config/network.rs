//! What a machine's network looks like at one moment: interfaces, their addresses, and routes. Only data.

use std::net::Ipv4Addr;

use passthrough_common::abi::Link;

use super::Prefix;

/// Kinds of interfaces that matter for the choice of a path.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Kind {
    /// Several ports made one network.
    Bridge,
    /// One tag's frames of another interface.
    Vlan,
    /// One end of a pair, the other often in another network namespace.
    Veth,
    /// A program's device: `tun` or `tap`, of a virtual machine for example.
    Tap,
    /// Anything else, hardware among it.
    #[default]
    Other,
}

/// An XDP program that runs on an interface.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct XdpProgram {
    /// Its id; 0 if there are several.
    pub id: u32,
    /// Whether it runs in the driver, not on the stack's buffers.
    pub native: bool,
}

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Device {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What stands before the IP header; nothing if the gateway cannot use the interface at all.
    pub link: Option<Link>,
    /// Most bytes of an IP packet.
    pub mtu: u32,
    /// Whether it is up.
    pub up: bool,
    /// Whether it is the loopback.
    pub loopback: bool,
    /// The bridge or bond that it is a part of: such a port has no traffic of its own.
    pub controller: Option<u32>,
    /// What kind it is.
    pub kind: Kind,
    /// The interface that it is a part of the frames of, for a VLAN.
    pub lower: Option<u32>,
    /// Its Ethernet address.
    pub address: Option<[u8; 6]>,
    /// The XDP program that runs on it.
    pub xdp: Option<XdpProgram>,
    /// What it can do with XDP at this moment (`NETDEV_XDP_ACT_*`), where the kernel tells.
    pub features: Option<u64>,
    /// Global IPv4 addresses, the first being the primary.
    pub addresses: Vec<Prefix>,
}

/// A unicast IPv4 route.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where to; length 0 is the default route.
    pub destination: Prefix,
    /// Index of the interface that it leaves by.
    pub index: u32,
}

/// All of it.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Network {
    /// Interfaces, by index.
    pub devices: Vec<Device>,
    /// Routes of the main table.
    pub routes: Vec<Route>,
}

impl Network {
    /// The interface of this name.
    pub fn by_name(&self, name: &str) -> Option<&Device> {
        self.devices.iter().find(|device| device.name == name)
    }

    /// The interface with this index.
    pub fn by_index(&self, index: u32) -> Option<&Device> {
        self.devices.iter().find(|device| device.index == index)
    }

    /// Name of the interface with this index; its number if it is gone.
    pub fn name_of(&self, index: u32) -> String {
        self.by_index(index).map_or_else(|| format!("interface {index} (gone)"), |device| device.name.clone())
    }

    /// VLAN interfaces that are stacked on an interface.
    pub fn vlans_on(&self, index: u32) -> impl Iterator<Item = &Device> {
        self.devices.iter().filter(move |device| device.kind == Kind::Vlan && device.lower == Some(index))
    }

    /// Networks behind an interface: those of its addresses, and those that routes lead to through it.
    /// A default route does not count.
    pub fn behind(&self, index: u32) -> Vec<Prefix> {
        let mut networks: Vec<Prefix> =
            self.by_index(index).map(|device| device.addresses.clone()).unwrap_or_default();
        for route in self.routes.iter().filter(|route| route.index == index && route.destination.length > 0) {
            if !networks.iter().any(|known| known.to_string() == route.destination.to_string()) {
                networks.push(route.destination);
            }
        }
        networks
    }

    /// Whether a default route leaves by this interface.
    pub fn has_default_route(&self, index: u32) -> bool {
        self.routes.iter().any(|route| route.index == index && route.destination.length == 0)
    }

    /// All outside addresses that an interface offers.
    pub fn addresses_of(&self, index: u32) -> Vec<Ipv4Addr> {
        self.by_index(index)
            .map(|device| device.addresses.iter().map(|prefix| prefix.address).collect())
            .unwrap_or_default()
    }
}
