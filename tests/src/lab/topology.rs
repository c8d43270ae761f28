//! Builds the lab's namespaces, links, addresses and routes.

use std::{
    fmt::Write,
    net::{Ipv4Addr, Ipv6Addr},
};

use anyhow::{Result, ensure};

use super::{
    GATEWAY_LAN, GATEWAY_WAN, Host, Lab, MOST_CLIENTS, Plan, ROUTER, Routing, SERVER_S, SERVER_T,
    cli::Cli,
    namespace::{Namespace, ip_batch, unique_prefix},
    offload,
    sniffer::Sniffer,
};

/// Halves 2 of the IPv6 prefixes: LAN, link between gateway and router, servers.
const LAN6: u16 = 1;
const WAN6: u16 = 2;
const SERVERS6: u16 = 3;

fn address6(net: u16, host: u8) -> Ipv6Addr {
    Ipv6Addr::new(0x3fff, 0, net, 0, 0, 0, 0, u16::from(host))
}

/// The router's address on the servers' side.
const ROUTER_SERVERS: Ipv4Addr = Ipv4Addr::new(198, 51, 100, 1);

pub(super) fn build(plan: &Plan) -> Result<Lab> {
    ensure!(
        (1..=MOST_CLIENTS).contains(&plan.clients),
        "a lab has 1 to {MOST_CLIENTS} clients, and not {}",
        plan.clients
    );
    let prefix = unique_prefix();
    let host = |name: &str, address: Ipv4Addr, net6: u16| -> Result<Host> {
        let namespace = Namespace::new(format!("{prefix}-{name}"))?;
        // The last byte of the two addresses is the same.
        Ok(Host { name: name.to_owned(), address, address6: address6(net6, address.octets()[3]), namespace })
    };
    let gateway = host("gw", GATEWAY_LAN, LAN6)?;
    let router = host("r", ROUTER, WAN6)?;
    let s = host("S", SERVER_S, SERVERS6)?;
    let t = host("T", SERVER_T, SERVERS6)?;
    let clients = (0..plan.clients)
        .map(|index| host(&client_name(index), Ipv4Addr::new(192, 168, 1, 10 + index as u8), LAN6))
        .collect::<Result<Vec<_>>>()?;

    links(plan, &clients, &gateway, &router, [&s, &t])?;
    set_up_gateway(plan, clients.len(), &gateway)?;
    set_up_router(plan, &router)?;
    for server in [&s, &t] {
        set_up_leaf(server, ROUTER_SERVERS, address6(SERVERS6, 1), plan.server_mtu)?;
    }
    for client in &clients {
        set_up_leaf(client, GATEWAY_LAN, gateway.address6, 1500)?;
    }

    let cli = Cli::new(gateway.namespace.name())?;
    let sniffer = Sniffer::start(&router.namespace, "isp0")?;
    let lab = Lab { cli, sniffer, clients, gateway, router, s, t };
    if let Some(ruleset) = plan.firewall {
        lab.load_firewall(ruleset)?;
    }
    Ok(lab)
}

fn client_name(index: usize) -> String {
    match u8::try_from(index) {
        // A to R: the next two letters are servers.
        Ok(index) if index < 18 => char::from(b'A' + index).to_string(),
        _ => format!("c{index}"),
    }
}

fn links(plan: &Plan, clients: &[Host], gateway: &Host, router: &Host, servers: [&Host; 2]) -> Result<()> {
    let (gw, r) = (gateway.namespace.name(), router.namespace.name());
    let mut batch = String::new();
    writeln!(
        batch,
        "link add name wan0 mtu {0} netns {gw} type veth peer name isp0 mtu {0} netns {r}",
        plan.wan_mtu
    )?;
    for (index, client) in clients.iter().enumerate() {
        let name = client.namespace.name();
        writeln!(batch, "link add name eth0 netns {name} type veth peer name lan{index} netns {gw}")?;
    }
    for (index, server) in servers.iter().enumerate() {
        let name = server.namespace.name();
        writeln!(batch, "link add name eth0 netns {name} type veth peer name srv{index} netns {r}")?;
    }
    ip_batch(None, &batch)
}

fn set_up_gateway(plan: &Plan, ports: usize, gateway: &Host) -> Result<()> {
    let mut batch = String::new();
    writeln!(batch, "link add br0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")?;
    for port in 0..ports {
        writeln!(batch, "link set lan{port} master br0 up")?;
    }
    writeln!(batch, "link set br0 up\nlink set wan0 up mtu {}", plan.wan_mtu)?;
    writeln!(batch, "addr add {GATEWAY_LAN}/24 dev br0\naddr add {GATEWAY_WAN}/24 dev wan0")?;
    writeln!(batch, "route add default via {ROUTER}")?;
    writeln!(batch, "addr add {}/64 dev br0 nodad", gateway.address6)?;
    writeln!(batch, "addr add {}/64 dev wan0 nodad", address6(WAN6, 1))?;
    writeln!(batch, "route add default via {}", address6(WAN6, 254))?;
    gateway.namespace.ip(&batch)?;
    for port in 0..ports {
        offload::switch_off(&gateway.namespace, &format!("lan{port}"))?;
    }
    offload::switch_off(&gateway.namespace, "wan0")?;
    // Most gateways do not have br_netfilter, which would run the IP firewall on bridged frames.
    let _ = gateway.namespace.sysctl("bridge/bridge-nf-call-iptables", "0");
    gateway.namespace.sysctl("ipv6/conf/all/forwarding", "1")?;
    gateway.namespace.sysctl("ipv4/ip_forward", "1")
}

fn set_up_router(plan: &Plan, router: &Host) -> Result<()> {
    let mut batch = String::new();
    writeln!(batch, "link add net0 type bridge forward_delay 0 stp_state 0 mcast_snooping 0")?;
    for port in 0..2 {
        writeln!(batch, "link set srv{port} mtu {} master net0 up", plan.server_mtu)?;
    }
    writeln!(batch, "link set net0 up mtu {}\nlink set isp0 up mtu {}", plan.server_mtu, plan.wan_mtu)?;
    writeln!(batch, "addr add {ROUTER}/24 dev isp0\naddr add {ROUTER_SERVERS}/24 dev net0")?;
    writeln!(
        batch,
        "addr add {}/64 dev isp0 nodad\naddr add {}/64 dev net0 nodad",
        router.address6,
        address6(SERVERS6, 1)
    )?;
    writeln!(batch, "route add {}/64 via {}", address6(LAN6, 0), address6(WAN6, 1))?;
    if plan.routing == Routing::Routed {
        writeln!(batch, "route add 192.168.1.0/24 via {GATEWAY_WAN}")?;
    }
    router.namespace.ip(&batch)?;
    for interface in ["isp0", "srv0", "srv1"] {
        offload::switch_off(&router.namespace, interface)?;
    }
    router.namespace.sysctl("ipv6/conf/all/forwarding", "1")?;
    router.namespace.sysctl("ipv4/ip_forward", "1")
}

fn set_up_leaf(host: &Host, gateway: Ipv4Addr, gateway6: Ipv6Addr, mtu: u32) -> Result<()> {
    host.namespace.ip(&format!(
        "addr add {}/24 dev eth0\naddr add {}/64 dev eth0 nodad\nlink set eth0 up mtu {mtu}\n\
         route add default via {gateway}\nroute add default via {gateway6}\n",
        host.address, host.address6
    ))?;
    offload::switch_off(&host.namespace, "eth0")
}
