//! Servers inside, reached from outside by port forwards: real sockets, with the peers' roles turned.

use std::{
    net::{IpAddr, Ipv4Addr},
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{
        GATEWAY_WAN, Lab, Plan, firewall,
        sniffer::{Packet, Sniffer, Way},
    },
    peers::{
        self, Peer, Protocol, Who,
        flow::{Flow, STOPPED},
        l2tp::SourcePort,
        pptp,
        site::Site,
        traffic::{TCP_PORT, Tcp},
    },
    wait,
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what is not blocked to work.
const BRIEF: Duration = Duration::from_millis(1500);

/// Everything that B serves: TCP as it is and under another port, UDP in a range, and each VPN.
const FORWARDS: [&str; 7] = [
    "tcp 9000 192.168.1.11",
    "tcp 8443 192.168.1.11:8080",
    "udp 9000-9010 192.168.1.11",
    "pptp 192.168.1.11",
    "ipsec 192.168.1.11",
    "l2tp 192.168.1.11",
    "gre 192.168.1.11",
];

/// The gateway with every forward to B.
fn up(lab: &Lab) -> Result<()> {
    lab.cli.up("pptp,ipsec,l2tp,gre")?;
    for rule in FORWARDS {
        lab.cli.succeed(&format!("forward add {rule}"))?;
    }
    Ok(())
}

/// A TCP connection from outside to a port of the gateway.
fn dial(lab: &Lab, port: u16, patience: Duration) -> Result<Tcp> {
    lab.s.namespace.enter(|| Tcp::connect(&Who::from(&lab.s), GATEWAY_WAN, port, patience))
}

#[test]
fn servers_of_every_kind_inside_are_reached_from_outside_and_from_inside() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 3, ..Plan::default() })?;
    let site = Site::start(&lab.clients[1], SourcePort::Any)?;
    up(&lab)?;
    for port in [TCP_PORT, 8443] {
        dial(&lab, port, PATIENCE)?.transfer(1 << 20, PATIENCE).with_context(|| format!("TCP {port}"))?;
    }
    let protocols =
        [Protocol::Udp, Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp, Protocol::GreKeyed, Protocol::Tcp];
    let mut open = Vec::new();
    for protocol in protocols {
        let mut peer = peers::open(protocol, &lab.s, GATEWAY_WAN, PATIENCE)
            .with_context(|| format!("{} from S", protocol.name()))?;
        peer.exchange(20, PATIENCE).with_context(|| protocol.name())?;
        open.push(peer);
    }
    // NAT-T for another client, since who talks on 4500 has no use for plain ESP.
    for (protocol, client) in [(Protocol::NatT, &lab.t), (Protocol::Pptp, &lab.t), (Protocol::Udp, &lab.t)] {
        let mut peer = peers::open(protocol, client, GATEWAY_WAN, PATIENCE)
            .with_context(|| format!("{} from T", protocol.name()))?;
        peer.exchange(20, PATIENCE)?;
        open.push(peer);
    }
    for peer in &mut open {
        peer.exchange(5, PATIENCE)?;
    }
    ensure!(site.pptp.calls().len() == 2, "{} calls", site.pptp.calls().len());

    // Hairpin: B sees the outside address of the client that dials it.
    let at_server = Sniffer::start(&lab.clients[1].namespace, "eth0")?;
    let start = SystemTime::now();
    let client = &lab.clients[0];
    for protocol in [Protocol::Tcp, Protocol::Udp, Protocol::Pptp] {
        let mut peer = peers::open(protocol, client, GATEWAY_WAN, PATIENCE)
            .with_context(|| format!("{} from inside", protocol.name()))?;
        peer.exchange(20, PATIENCE)?;
    }
    let tcp = client.namespace.enter(|| Tcp::connect(&Who::from(client), GATEWAY_WAN, 8443, PATIENCE));
    tcp?.transfer(1 << 20, PATIENCE)?;
    let from = |address: Ipv4Addr| move |packet: &Packet| packet.source == IpAddr::from(address);
    let seen = at_server.since(start, from(GATEWAY_WAN))?;
    ensure!(seen.iter().any(|packet| packet.protocol == 47), "no GRE came by the outside address");
    ensure!(seen.iter().any(|packet| packet.has_port(6, TCP_PORT)), "no TCP came by the outside address");
    let bare = at_server.since(start, from(client.address))?;
    let bare: Vec<_> = bare.iter().filter(|packet| matches!(packet.protocol, 6 | 17 | 47)).collect();
    ensure!(bare.is_empty(), "the client's inside address was seen: {:?}", bare[0]);
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

#[test]
fn the_firewall_still_decides_what_comes_in() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 2, firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    let _site = Site::start(&lab.clients[1], SourcePort::Any)?;
    up(&lab)?;
    // Twice: what the first packet was refused, the second is not let in by.
    for _ in 0..2 {
        ensure!(dial(&lab, TCP_PORT, BRIEF).is_err(), "TCP passed against the firewall");
        let udp = peers::open(Protocol::Udp, &lab.s, GATEWAY_WAN, BRIEF);
        ensure!(udp.is_err(), "UDP passed against the firewall");
    }
    let sessions = lab.cli.succeed("sessions --host 192.168.1.11 --json")?;
    ensure!(!sessions.contains("192.168.1.11"), "a session for nobody: {sessions}");
    lab.load_firewall("add rule inet filter forward iifname wan0 ip daddr 192.168.1.11 accept\n")?;
    dial(&lab, TCP_PORT, PATIENCE)?.transfer(1 << 20, PATIENCE)?;
    for protocol in [Protocol::Udp, Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp] {
        peers::open(protocol, &lab.s, GATEWAY_WAN, PATIENCE)
            .with_context(|| protocol.name())?
            .exchange(10, PATIENCE)?;
    }
    lab.sniffer.assert_no_private_address()
}

#[test]
fn a_switch_and_a_forward_that_go_stop_their_servers_and_nothing_else() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 2, ..Plan::default() })?;
    let site = Site::start(&lab.clients[1], SourcePort::Any)?;
    up(&lab)?;
    let flow = |protocol: Protocol| -> Result<Flow> {
        let peer = peers::open(protocol, &lab.s, GATEWAY_WAN, PATIENCE).with_context(|| protocol.name())?;
        Flow::start(protocol.name(), peer)
    };
    let call = flow(Protocol::Pptp)?;
    let others = [Protocol::Tcp, Protocol::Udp, Protocol::L2tp].map(flow);
    let others = others.into_iter().collect::<Result<Vec<_>>>()?;
    let at_server = Sniffer::start(&lab.clients[1].namespace, "eth0")?;
    for flow in others.iter().chain([&call]) {
        flow.go_on(30, PATIENCE)?;
    }
    lab.cli.succeed("disable pptp")?;
    let returned = SystemTime::now();
    wait::until(STOPPED, "the call to stop", || call.lost() > 1 || call.error().is_some())?;
    for flow in &others {
        flow.go_on(100, PATIENCE)?;
    }
    let refused = lab.s.namespace.enter(|| pptp::Client::connect(&Who::from(&lab.s), GATEWAY_WAN, BRIEF));
    ensure!(refused.is_err(), "PPTP was let in while its switch is off");
    let leaks = lab.sniffer.since(returned, |packet| packet.is_pptp() && packet.way == Way::FromGateway)?;
    ensure!(leaks.is_empty(), "{} PPTP packets left: {:?}", leaks.len(), leaks[0]);
    // What B itself still sends is seen there, too.
    let from_outside = |packet: &Packet| packet.is_pptp() && packet.source == IpAddr::from(lab.s.address);
    let leaks = at_server.since(returned, from_outside)?;
    ensure!(leaks.is_empty(), "{} PPTP packets came in: {:?}", leaks.len(), leaks[0]);

    site.pptp.hang_up();
    lab.cli.succeed("enable pptp")?;
    peers::open(Protocol::Pptp, &lab.s, GATEWAY_WAN, PATIENCE)?.exchange(5, PATIENCE)?;

    let udp = &others[1];
    {
        // An answer under way would pass as what it then is, the beginning of a session of B's own, and keep B's port open.
        let _pause = udp.pause();
        lab.cli.succeed("forward del udp 9000-9010")?;
    }
    wait::until(STOPPED, "UDP to stop", || udp.lost() > 1)?;
    for flow in [&others[0], &others[2]] {
        flow.go_on(50, PATIENCE)?;
        flow.assert_nothing_lost()?;
    }
    let list = lab.cli.succeed("forward list")?;
    ensure!(!list.contains("9000-9010") && list.contains(":1723"), "{list}");
    lab.sniffer.assert_no_private_address()
}

#[test]
fn forwards_outlive_another_up_and_follow_the_outside_address() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 2, ..Plan::default() })?;
    let _site = Site::start(&lab.clients[1], SourcePort::Any)?;
    up(&lab)?;
    lab.cli.up("")?;
    dial(&lab, TCP_PORT, PATIENCE)?.transfer(1 << 20, PATIENCE)?;
    let other = Ipv4Addr::new(203, 0, 113, 7);
    lab.gateway.namespace.sysctl("ipv4/conf/wan0/promote_secondaries", "1")?;
    lab.gateway.namespace.ip(&format!(
        "addr add {other}/24 dev wan0\naddr del {GATEWAY_WAN}/24 dev wan0\n\
         route replace default via 203.0.113.254 dev wan0\n"
    ))?;
    let list = lab.cli.succeed("forward list")?;
    ensure!(list.contains("203.0.113.7:9000") && !list.contains("203.0.113.1:"), "{list}");
    for protocol in [Protocol::Tcp, Protocol::Pptp, Protocol::Ipsec] {
        peers::open(protocol, &lab.s, other, PATIENCE)
            .with_context(|| protocol.name())?
            .exchange(10, PATIENCE)?;
    }
    lab.sniffer.assert_no_private_address()
}
