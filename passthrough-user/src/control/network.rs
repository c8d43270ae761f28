//! Reads interfaces, addresses and routes of this process's network namespace, by netlink.
//!
//! Not from `/sys/class/net`: that shows the namespace in which `/sys` was mounted.

use std::net::{IpAddr, Ipv4Addr};

use anyhow::{Context, bail};
use netlink_packet_core::{NLM_F_DUMP, NLM_F_REQUEST, NetlinkHeader, NetlinkMessage, NetlinkPayload};
use netlink_packet_route::{
    AddressFamily, RouteNetlinkMessage,
    address::{AddressAttribute, AddressMessage, AddressScope},
    link::{LinkAttribute, LinkFlags, LinkLayerType, LinkMessage, LinkXdp, XdpAttached},
    route::{RouteAddress, RouteAttribute, RouteHeader, RouteMessage, RouteType},
};
use netlink_sys::{AsyncSocket, Socket, SocketAddr, TokioSocket, protocols::NETLINK_ROUTE};
use passthrough_common::abi::Link;

use crate::config::{
    Network, Prefix,
    network::{Device, Route},
};

/// Multicast groups that tell of changes (rtnetlink.h): links, IPv4 addresses, IPv4 routes.
const GROUPS: u32 = 1 << 0 | 1 << 4 | 1 << 6;
/// Bytes of a netlink message's header, in which the length comes first.
const HEADER: usize = 16;

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
    network.devices.sort_by_key(|device| device.index);
    Ok(network)
}

/// A socket on which the kernel tells of changes to links, addresses and routes. Needs a runtime.
pub fn changes() -> anyhow::Result<TokioSocket> {
    let mut socket = TokioSocket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
    socket.socket_mut().bind(&SocketAddr::new(0, GROUPS)).context("listening for changes of addresses")?;
    Ok(socket)
}

fn dump(request: RouteNetlinkMessage) -> anyhow::Result<Vec<RouteNetlinkMessage>> {
    let mut socket = Socket::new(NETLINK_ROUTE).context("opening a netlink socket")?;
    socket.bind_auto().context("binding a netlink socket")?;
    socket.connect(&SocketAddr::new(0, 0)).context("connecting a netlink socket")?;
    let mut header = NetlinkHeader::default();
    header.flags = NLM_F_DUMP | NLM_F_REQUEST;
    header.sequence_number = 1;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::from(request));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0).context("asking the kernel for the network's state")?;

    let mut messages = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full().context("reading the network's state")?;
        let mut rest = datagram.as_slice();
        while rest.len() >= HEADER {
            let length = u32::from_ne_bytes([rest[0], rest[1], rest[2], rest[3]]) as usize;
            if length < HEADER || length > rest.len() {
                bail!("reading the network's state: a netlink message of {length} bytes in {}", rest.len());
            }
            // A message with parts that are newer than this program is left out, not fatal.
            match NetlinkMessage::<RouteNetlinkMessage>::deserialize(&rest[..length])
                .map(|message| message.payload)
            {
                Ok(NetlinkPayload::Done(_)) => return Ok(messages),
                Ok(NetlinkPayload::Error(error)) => bail!("reading the network's state: {error}"),
                Ok(NetlinkPayload::InnerMessage(message)) => messages.push(message),
                Ok(_) => {}
                Err(error) => log::debug!("a netlink message was not understood: {error}"),
            }
            rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        }
    }
}

fn device(message: &LinkMessage) -> Option<Device> {
    let mut device = Device {
        index: message.header.index,
        name: String::new(),
        link: link_type(message.header.link_layer_type),
        mtu: 1500,
        up: message.header.flags.contains(LinkFlags::Up),
        loopback: message.header.flags.contains(LinkFlags::Loopback),
        controller: None,
        xdp: false,
        addresses: Vec::new(),
    };
    for attribute in &message.attributes {
        match attribute {
            LinkAttribute::IfName(name) => device.name.clone_from(name),
            LinkAttribute::Mtu(mtu) => device.mtu = *mtu,
            LinkAttribute::Controller(index) => device.controller = Some(*index),
            LinkAttribute::Xdp(about) => {
                device.xdp = about
                    .iter()
                    .any(|one| matches!(one, LinkXdp::Attached(mode) if *mode != XdpAttached::None));
            }
            _ => {}
        }
    }
    (!device.name.is_empty()).then_some(device)
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
