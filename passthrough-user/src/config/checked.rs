//! A plan that fits this machine: its interfaces exist, and nothing contradicts anything.

use anyhow::bail;
use passthrough_common::abi::{Link, Ranges, Settings, settings::option};

use super::{
    Network, Plan,
    network::Device,
    prefix::{is_private, is_special},
    ranges,
};

/// An interface that takes part.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Port {
    /// Its index.
    pub index: u32,
    /// Its name.
    pub name: String,
    /// What stands before the IP header.
    pub link: Link,
    /// Most bytes of an IP packet.
    pub mtu: u32,
}

/// The checked plan.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Checked {
    /// The WAN interface.
    pub wan: Port,
    /// LAN interfaces.
    pub lans: Vec<Port>,
    /// Outside addresses.
    pub pool: Ranges,
    /// Whether the operator named the outside addresses; they are not followed then.
    pub fixed_pool: bool,
    /// Whether sources that no public host has are dropped: not where WAN itself has such an address.
    pub drop_martians: bool,
    /// What the operator should know, a line each.
    pub notes: Vec<String>,
}

/// Checks a plan against the machine, and against what is up already.
pub fn check(plan: &Plan, network: &Network, standing: Option<&Settings>) -> anyhow::Result<Checked> {
    let mut notes = Vec::new();
    let wan_device = device(network, &plan.wan)?;
    let wan = port(wan_device)?;
    if let Some(settings) = standing {
        let old = settings.wan_ifindex;
        if old != wan.index && network.by_index(old).is_some() {
            bail!(
                "already up with WAN {}: run `passthrough down` before `passthrough up --wan {}`",
                network.name_of(old),
                wan.name
            );
        }
    }

    // Addresses that the operator has named stay until others are.
    let named = match standing {
        Some(settings) if plan.addresses == Ranges::NONE && settings.has(option::FIXED_POOL) => settings.pool,
        _ => plan.addresses,
    };
    let fixed_pool = named != Ranges::NONE;
    let wan_addresses = network.addresses_of(wan.index);
    let (pool, left_out) = if fixed_pool { (named, 0) } else { ranges::of(&wan_addresses) };
    if pool == Ranges::NONE {
        bail!(
            "WAN interface {0} has no global IPv4 address: give it one (`ip addr add ADDRESS/LENGTH dev {0}`, or DHCP), \
             or name the outside address with --address",
            wan.name
        );
    }
    if left_out > 0 {
        notes.push(format!("{left_out} addresses of {} are not used: they are too scattered", wan.name));
    }

    let lans = if plan.lans.is_empty() {
        find_lans(network, wan.index)?
    } else {
        plan.lans.iter().map(|name| named_lan(network, name)).collect::<anyhow::Result<Vec<_>>>()?
    };
    for lan in &lans {
        if lan.index == wan.index {
            bail!("{} and {} are the same interface: it cannot be WAN and LAN", lan.name, wan.name);
        }
        for outside in &wan_device.addresses {
            if let Some(inside) =
                network.behind(lan.index).into_iter().find(|inside| inside.overlaps(*outside))
            {
                bail!(
                    "networks overlap: WAN {} is in {outside}, and LAN {} leads to {inside}: renumber one of them",
                    wan.name,
                    lan.name
                );
            }
        }
        if !network.by_index(lan.index).is_some_and(|device| device.up) {
            notes.push(format!("LAN {} is down: `ip link set {} up`", lan.name, lan.name));
        }
    }
    if !wan_device.up {
        notes.push(format!("WAN {0} is down: `ip link set {0} up`", wan.name));
    }
    for range in ranges::beyond(&named, &wan_addresses) {
        notes.push(format!("{} does not have {range}: it must be routed to this gateway", wan.name));
    }

    let drop_martians = !ranges::addresses(&pool).chain(wan_addresses).any(is_special);
    Ok(Checked { wan, lans, pool, fixed_pool, drop_martians, notes })
}

fn device<'a>(network: &'a Network, name: &str) -> anyhow::Result<&'a Device> {
    if let Some(device) = network.by_name(name) {
        return Ok(device);
    }
    let known: Vec<&str> =
        network.devices.iter().filter(|device| !device.loopback).map(|device| device.name.as_str()).collect();
    bail!("no interface is called '{name}': this machine has {}", known.join(", "))
}

/// A LAN interface that the operator named. A bridge's or bond's port carries no addresses: the whole is meant.
fn named_lan(network: &Network, name: &str) -> anyhow::Result<Port> {
    let device = device(network, name)?;
    match device.controller.and_then(|index| network.by_index(index)) {
        Some(whole) if device.addresses.is_empty() => {
            bail!("{name} is a part of {0}: name the whole, --lan {0}", whole.name)
        }
        _ => port(device),
    }
}

fn port(device: &Device) -> anyhow::Result<Port> {
    if device.loopback {
        bail!("{} is the loopback: it is neither WAN nor LAN", device.name);
    }
    let Some(link) = device.link else {
        bail!("{} carries neither Ethernet nor bare IP packets: it cannot be used", device.name);
    };
    Ok(Port { index: device.index, name: device.name.clone(), link, mtu: device.mtu })
}

/// Interfaces that lead to private networks: up, with an address or a route there, not on the way to the internet.
fn find_lans(network: &Network, wan: u32) -> anyhow::Result<Vec<Port>> {
    let lans: Vec<Port> = network
        .devices
        .iter()
        .filter(|device| device.index != wan && device.up && !device.loopback)
        .filter(|device| !network.has_default_route(device.index))
        .filter(|device| network.behind(device.index).iter().any(|prefix| is_private(prefix.address)))
        .filter_map(|device| port(device).ok())
        .collect();
    if lans.is_empty() {
        bail!(
            "no LAN interface found: none but WAN is up with a private IPv4 network; name one with --lan IF, \
             or give it an address"
        );
    }
    Ok(lans)
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;
    use crate::config::{Prefix, network::Route, plan::Words};

    fn device(index: u32, name: &str, addresses: &[(Ipv4Addr, u8)]) -> Device {
        Device {
            index,
            name: name.into(),
            link: Some(Link::Ethernet),
            mtu: 1500,
            up: true,
            loopback: name == "lo",
            addresses: addresses.iter().map(|(address, length)| Prefix::new(*address, *length)).collect(),
            ..Device::default()
        }
    }

    fn machine() -> Network {
        let any = Ipv4Addr::UNSPECIFIED;
        Network {
            devices: vec![
                device(1, "lo", &[]),
                device(2, "wan0", &[(Ipv4Addr::new(5, 6, 7, 8), 24)]),
                device(3, "lan0", &[(Ipv4Addr::new(192, 168, 1, 1), 24)]),
                device(4, "lan1", &[]),
                device(5, "idle0", &[]),
            ],
            routes: vec![
                Route { destination: Prefix::new(any, 0), index: 2 },
                Route { destination: Prefix::new(Ipv4Addr::new(10, 7, 0, 0), 16), index: 4 },
            ],
        }
    }

    fn plan(wan: &str, lan: &[&str]) -> Plan {
        let lan = lan.iter().map(ToString::to_string).collect();
        Plan::read(Words { wan: Some(wan.into()), lan, ..Words::default() }).expect("a plan")
    }

    fn refusal(plan: &Plan, network: &Network, standing: Option<&Settings>) -> String {
        let sentence = check(plan, network, standing).expect_err("a refusal").to_string();
        assert!(!sentence.contains('\n'), "{sentence}");
        sentence
    }

    #[test]
    fn lan_interfaces_are_found_from_addresses_and_from_routes() {
        let checked = check(&plan("wan0", &[]), &machine(), None).expect("fits");
        let names: Vec<&str> = checked.lans.iter().map(|lan| lan.name.as_str()).collect();
        assert_eq!(names, ["lan0", "lan1"]);
        assert_eq!(ranges::words(&checked.pool), ["5.6.7.8"]);
        assert!(checked.drop_martians && !checked.fixed_pool);
    }

    #[test]
    fn bad_input_is_refused_in_one_line_with_its_fix() {
        let machine = machine();
        assert!(refusal(&plan("eth7", &[]), &machine, None).contains("no interface is called 'eth7'"));
        assert!(refusal(&plan("lo", &[]), &machine, None).contains("loopback"));
        assert!(refusal(&plan("idle0", &["lan0"]), &machine, None).contains("no global IPv4 address"));
        let settings = Settings { wan_ifindex: 2, ..Settings::DEFAULT };
        assert!(
            refusal(&plan("lan0", &["lan1"]), &machine, Some(&settings)).contains("already up with WAN wan0")
        );
        let mut overlapping = machine.clone();
        overlapping.devices[1].addresses[0] = Prefix::new(Ipv4Addr::new(192, 168, 0, 9), 16);
        assert!(refusal(&plan("wan0", &["lan0"]), &overlapping, None).contains("networks overlap"));
        let mut bare = machine.clone();
        bare.devices.truncate(2);
        assert!(refusal(&plan("wan0", &[]), &bare, None).contains("no LAN interface found"));
    }

    #[test]
    fn a_private_wan_address_leaves_the_martian_filter_off() {
        let mut inner = machine();
        inner.devices[1].addresses[0] = Prefix::new(Ipv4Addr::new(10, 0, 0, 2), 24);
        assert!(!check(&plan("wan0", &["lan0"]), &inner, None).expect("fits").drop_martians);
    }

    #[test]
    fn outside_addresses_that_were_named_stay() {
        let pool = Ranges::one(u32::from_be_bytes([5, 6, 7, 99]));
        let settings = Settings { wan_ifindex: 2, pool, options: option::FIXED_POOL, ..Settings::DEFAULT };
        let checked = check(&plan("wan0", &[]), &machine(), Some(&settings)).expect("fits");
        assert_eq!(checked.pool, pool);
        assert!(checked.notes.iter().any(|note| note.starts_with("wan0 does not have 5.6.7.99:")));
        assert!(checked.fixed_pool);
    }

    #[test]
    fn a_wan_that_came_back_under_another_index_is_taken() {
        let settings = Settings { wan_ifindex: 77, ..Settings::DEFAULT };
        assert!(check(&plan("wan0", &[]), &machine(), Some(&settings)).is_ok());
    }
}
