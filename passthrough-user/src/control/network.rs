//! Reads interfaces, addresses and routes of this process's network namespace, by netlink.
//!
//! Not from `/sys/class/net`: that shows the namespace in which `/sys` was mounted.

use std::net::{IpAddr, Ipv4Addr};

use netlink_packet_core::NLM_F_DUMP;
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage, AddressScope},
    link::{InfoKind, LinkAttribute, LinkFlags, LinkInfo, LinkLayerType, LinkMessage, LinkXdp, XdpAttached},
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType},
};
use netlink_sys::protocols::NETLINK_ROUTE;
use passthrough_common::abi::Link;

use super::{features, netlink};
use crate::config::{
    Network, Prefix,
    network::{Device, Kind, Route, XdpProgram},
};

/// Reads everything.
pub fn read() -> anyhow::Result<Network> {
    let mut network = Network::default();
    for message in dump(RouteNetlinkMessage::GetLink(LinkMessage::default()))? {
        if let RouteNetlinkMessage::NewLink(link) = message {
            network.devices.extend(device(&link));
        }
    }
    for message in dump(RouteNetlinkMessage::GetAddress(AddressMessage::default()))? {
        if let RouteNetlinkMessage::NewAddress(message) = message
            && let Some((index, prefix)) = address(&message)
            && let Some(device) = network.devices.iter_mut().find(|device| device.index == index)
        {
            device.addresses.push(prefix);
        }
    }
    for message in dump(RouteNetlinkMessage::GetRoute(RouteMessage::default()))? {
        if let RouteNetlinkMessage::NewRoute(message) = message {
            network.routes.extend(routes(&message));
        }
    }
    if let Some(features) = features::read() {
        for device in &mut network.devices {
            // A device that the kernel leaves out can do nothing.
            device.features = Some(features.get(&device.index).copied().unwrap_or(0));
        }
    }
    network.devices.sort_by_key(|device| device.index);
    Ok(network)
}

fn dump(request: RouteNetlinkMessage) -> anyhow::Result<Vec<RouteNetlinkMessage>> {
    netlink::ask(NETLINK_ROUTE, request, NLM_F_DUMP, "the network's state")
}

fn device(message: &LinkMessage) -> Option<Device> {
    let mut device = Device {
        index: message.header.index,
        link: link_type(message.header.link_layer_type),
        mtu: 1500,
        up: message.header.flags.contains(LinkFlags::Up),
        loopback: message.header.flags.contains(LinkFlags::Loopback),
        ..Device::default()
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::Controller(index) => device.controller = Some(*index),
            LinkAttribute::Link(index) => device.lower = Some(*index),
            LinkAttribute::Address(bytes) => device.address = bytes.as_slice().try_into().ok(),
            LinkAttribute::LinkInfo(about) => device.kind = kind(about),
            LinkAttribute::Xdp(about) => device.xdp = xdp(about),
            _ => {}
        }
    }
    // The index of an interface in another network namespace says nothing here.
    if message.attributes.iter().any(|attribute| matches!(attribute, LinkAttribute::LinkNetNsId(_))) {
        device.lower = None;
    }
    (!device.name.is_empty()).then_some(device)
}

fn kind(about: &[LinkInfo]) -> Kind {
    let kind = about.iter().find_map(|one| match one {
        LinkInfo::Kind(kind) => Some(kind),
        _ => None,
    });
    match kind {
        Some(InfoKind::Bridge) => Kind::Bridge,
        Some(InfoKind::Vlan) => Kind::Vlan,
        Some(InfoKind::Veth) => Kind::Veth,
        Some(InfoKind::Tun) => Kind::Tap,
        _ => Kind::Other,
    }
}

fn xdp(about: &[LinkXdp]) -> Option<XdpProgram> {
    let mode = about.iter().find_map(|one| match one {
        LinkXdp::Attached(mode) if *mode != XdpAttached::None => Some(*mode),
        _ => None,
    })?;
    // Of several at once, none is the one of the interface.
    let id = about.iter().find_map(|one| match one {
        LinkXdp::ProgId(id) if mode != XdpAttached::Multiple => Some(*id),
        _ => None,
    });
    Some(XdpProgram { id: id.unwrap_or(0), native: mode == XdpAttached::Driver })
}

/// What stands before the IP header, by ARPHRD.
fn link_type(kind: LinkLayerType) -> Option<Link> {
    match kind {
        LinkLayerType::Ether => Some(Link::Ethernet),
        LinkLayerType::Ppp | LinkLayerType::None | LinkLayerType::Rawip => Some(Link::Raw),
        LinkLayerType::Tunnel | LinkLayerType::Sit | LinkLayerType::Ipgre => Some(Link::Raw),
        LinkLayerType::Loopback => Some(Link::Ethernet),
        _ => None,
    }
}

fn address(message: &AddressMessage) -> Option<(u32, Prefix)> {
    if message.header.family != AddressFamily::Inet || message.header.scope != AddressScope::Universe {
        return None;
    }
    let of = |wanted: fn(&AddressAttribute) -> Option<IpAddr>| message.attributes.iter().find_map(wanted);
    // On a point-to-point link ADDRESS is the peer's; LOCAL is ours.
    let local = of(|attribute| match attribute {
        AddressAttribute::Local(address) => Some(*address),
        _ => None,
    });
    let address = local.or_else(|| {
        of(|attribute| match attribute {
            AddressAttribute::Address(address) => Some(*address),
            _ => None,
        })
    });
    match address {
        Some(IpAddr::V4(address)) => {
            Some((message.header.index, Prefix::new(address, message.header.prefix_len)))
        }
        _ => None,
    }
}

fn routes(message: &RouteMessage) -> Vec<Route> {
    let header = &message.header;
    if header.address_family != AddressFamily::Inet
        || header.table != RouteHeader::RT_TABLE_MAIN
        || header.kind != RouteType::Unicast
    {
        return Vec::new();
    }
    let mut destination = Prefix::new(Ipv4Addr::UNSPECIFIED, header.destination_prefix_length);
    let mut interfaces = Vec::new();
    for attribute in &message.attributes {
        match attribute {
            RouteAttribute::Destination(RouteAddress::Inet(address)) => destination.address = *address,
            RouteAttribute::Oif(index) => interfaces.push(*index),
            RouteAttribute::MultiPath(hops) => interfaces.extend(hops.iter().map(|hop| hop.interface_index)),
            _ => {}
        }
    }
    interfaces.into_iter().map(|index| Route { destination, index }).collect()
}
