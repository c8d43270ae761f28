//! What a machine's network looks like at one moment: interfaces, their addresses, and routes. Only data.

use std::net::Ipv4Addr;

use passthrough_common::abi::Link;

use super::Prefix;

/// An interface.
#[derive(Clone, PartialEq, Eq, Debug)]
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
    /// Whether an XDP program runs on it.
    pub xdp: bool,
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
