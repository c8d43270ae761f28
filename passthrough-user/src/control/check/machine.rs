//! What the machine itself must do for a gateway: addresses, forwarding, reverse path, offloads, old helpers.

use std::{collections::BTreeMap, fs};

use passthrough_common::abi::{Interface, Settings, settings::option};

use super::super::offload;
use crate::{
    config::{Network, network::Device, ranges},
    render::check::Finding,
};

/// Looks at everything.
pub fn check(network: &Network, settings: &Settings, interfaces: &BTreeMap<u32, Interface>) -> Vec<Finding> {
    let mut findings = vec![addresses(network, settings)];
    let devices: Vec<&Device> = interfaces.keys().filter_map(|index| network.by_index(*index)).collect();
    for device in devices.iter().filter(|device| !device.up) {
        findings.push(Finding::fault(
            "interfaces",
            format!("{} is down", device.name),
            format!("ip link set {} up", device.name),
        ));
    }
    if !network.has_default_route(settings.wan_ifindex) {
        findings.push(Finding::note(
            "routes",
            format!(
                "no default route leaves by {}: clients reach only what has a route there",
                network.name_of(settings.wan_ifindex)
            ),
        ));
    }
    findings.extend(forwarding(&devices));
    findings.extend(reverse_path(&devices));
    for device in &devices {
        findings.extend(offloads(device));
    }
    findings.extend(helpers());
    findings
}

/// The pool, against what the WAN interface has.
fn addresses(network: &Network, settings: &Settings) -> Finding {
    let outside = ranges::words(&settings.pool).join(", ");
    let has = network.addresses_of(settings.wan_ifindex);
    let wan = network.name_of(settings.wan_ifindex);
    let missing = ranges::beyond(&settings.pool, &has).join(", ");
    if missing.is_empty() {
        Finding::fine("addresses", format!("outside {outside} on {wan}"))
    } else if settings.has(option::FIXED_POOL) {
        Finding::note(
            "addresses",
            format!("{wan} does not have {missing}: it must be routed to this gateway"),
        )
    } else {
        Finding::fault(
            "addresses",
            format!("{wan} has lost {missing}"),
            format!("ip addr add {missing}/LENGTH dev {wan}, or DHCP"),
        )
    }
}

/// A setting of `/proc/sys/net/ipv4`, which shows this process's network namespace.
fn sysctl(name: &str) -> Option<u32> {
    // Names of interfaces may have dots; the tree has them as they are.
    fs::read_to_string(format!("/proc/sys/net/ipv4/{name}")).ok()?.trim().parse().ok()
}

fn forwarding(devices: &[&Device]) -> Vec<Finding> {
    if sysctl("ip_forward") == Some(0) {
        return vec![Finding::fault(
            "forwarding",
            "IPv4 is not forwarded",
            "sysctl -w net.ipv4.ip_forward=1",
        )];
    }
    let closed: Vec<Finding> = devices
        .iter()
        .filter(|device| sysctl(&format!("conf/{}/forwarding", device.name)) == Some(0))
        .map(|device| {
            Finding::fault(
                "forwarding",
                format!("{} does not forward IPv4", device.name),
                format!("sysctl -w net/ipv4/conf/{}/forwarding=1", device.name),
            )
        })
        .collect();
    if closed.is_empty() { vec![Finding::fine("forwarding", "IPv4 is forwarded")] } else { closed }
}

/// Strict reverse path filters: right as long as answers come in by the way that packets go out by.
fn reverse_path(devices: &[&Device]) -> Vec<Finding> {
    let all = sysctl("conf/all/rp_filter").unwrap_or(0);
    devices
        .iter()
        .filter(|device| sysctl(&format!("conf/{}/rp_filter", device.name)).unwrap_or(0).max(all) == 1)
        .map(|device| {
            Finding::note(
                "reverse path",
                format!(
                    "{0} filters strictly: packets whose way back is another interface are dropped \
                     (`sysctl -w net/ipv4/conf/{0}/rp_filter=2` where routes are asymmetric)",
                    device.name
                ),
            )
        })
        .collect()
}

/// Large receive offload joins packets in a way that a forwarder cannot take apart again.
fn offloads(device: &Device) -> Option<Finding> {
    let joins = offload::is_on(&device.name, "large-receive-offload")?;
    joins.then(|| {
        Finding::fault(
            "offloads",
            format!("{} joins received packets (LRO), which cannot be forwarded", device.name),
            format!("ethtool -K {} lro off", device.name),
        )
    })
}

/// The kernel's own PPTP helpers, which rewrite call IDs as well.
fn helpers() -> Option<Finding> {
    let modules = fs::read_to_string("/proc/modules").ok()?;
    let loaded = |name: &str| modules.lines().any(|line| line.split(' ').next() == Some(name));
    if loaded("nf_nat_pptp") {
        return Some(Finding::fault(
            "helpers",
            "the kernel's own PPTP helper (nf_nat_pptp) is loaded and may rewrite call IDs a second time",
            "modprobe -r nf_nat_pptp nf_conntrack_pptp",
        ));
    }
    loaded("nf_conntrack_pptp").then(|| {
        Finding::note("helpers", "nf_conntrack_pptp is loaded: harmless unless a rule assigns it to TCP 1723")
    })
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use passthrough_common::abi::Ranges;

    use super::*;
    use crate::{config::Prefix, render::check::Weight};

    #[test]
    fn a_lost_outside_address_is_a_fault_unless_it_was_given() {
        let pool = Ranges::one(u32::from_be_bytes([5, 6, 7, 8]));
        let mut settings = Settings { wan_ifindex: 2, pool, ..Settings::DEFAULT };
        let mut network = Network::default();
        assert_eq!(addresses(&network, &settings).weight, Weight::Fault);
        settings.options |= option::FIXED_POOL;
        assert_eq!(addresses(&network, &settings).weight, Weight::Note);
        network.devices.push(Device {
            index: 2,
            name: "wan0".into(),
            addresses: vec![Prefix::new(Ipv4Addr::new(5, 6, 7, 8), 24)],
            ..Device::default()
        });
        assert_eq!(addresses(&network, &settings).weight, Weight::Fine);
    }
}
