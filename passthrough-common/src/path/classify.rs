//! Classify: which class a packet belongs to, from its protocol and ports.

use crate::abi::settings::LIST;
use crate::abi::{Class, Settings, Space};
use crate::proto::{Flow, number};

/// The class of a packet. `outbound` tells which port is the server's; inbound, either may be (conformance section 12).
#[inline(always)]
pub fn classify(settings: &Settings, flow: &Flow, outbound: bool) -> Class {
    match flow.protocol {
        number::TCP | number::UDP if flow.space == Space::Ports => {
            let (near, far, server) = if outbound {
                (flow.source_port(), flow.destination_port(), flow.destination)
            } else {
                (flow.destination_port(), flow.source_port(), flow.source)
            };
            let plain = if flow.protocol == number::TCP { Class::Tcp } else { Class::Udp };
            match by_port(settings, flow.protocol, far, server) {
                // IKE peers answer from and to 500; a forwarded server's port is the near one.
                class if class == plain && (!outbound || near == 500) => {
                    by_port(settings, flow.protocol, near, server)
                }
                class => class,
            }
        }
        number::TCP => Class::Tcp,
        number::UDP => Class::Udp,
        protocol => by_protocol(protocol, flow.space),
    }
}

/// The class of a protocol without ports.
#[inline(always)]
pub const fn by_protocol(protocol: u8, space: Space) -> Class {
    match protocol {
        number::ICMP | number::ICMPV6 => Class::Icmp,
        number::GRE if matches!(space, Space::CallId) => Class::Pptp,
        number::GRE => Class::Gre,
        number::ESP => Class::Esp,
        number::AH => Class::Ah,
        number::IPIP | number::SIX_IN_FOUR => Class::Ipip,
        number::L2TP => Class::L2tp,
        _ => Class::Other,
    }
}

/// The class of a server port. `server` is its IPv4 address, 0 for IPv6.
#[inline(always)]
pub fn by_port(settings: &Settings, protocol: u8, port: u16, server: u32) -> Class {
    let udp = protocol == number::UDP;
    match port {
        500 if udp => Class::Ike,
        1701 if udp => Class::L2tp,
        4500 => Class::NatT,
        1723 if !udp => Class::Pptp,
        443 if !udp && listed(&settings.sstp_servers, server) => Class::Sstp,
        port if listed(&settings.openvpn_ports, port) => Class::Openvpn,
        port if udp && listed(&settings.wireguard_ports, port) => Class::Wireguard,
        _ if udp => Class::Udp,
        _ => Class::Tcp,
    }
}

/// Whether a list that 0 ends has this item.
#[inline(always)]
fn listed<T: Copy + PartialEq + Default>(list: &[T; LIST], item: T) -> bool {
    let mut found = false;
    let mut index = 0;
    while index < LIST {
        found |= list[index] == item;
        index += 1;
    }
    found && item != T::default()
}
