//! The peers without any gateway between them: kernel forwarding must let all of them work, so that what fails
//! behind the gateway is the gateway's doing.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result};
use passthrough_tests::{
    lab::{GATEWAY_LAN, GATEWAY_WAN, Lab, Plan, ROUTER, Routing, SERVER_S, firewall},
    peers::{
        self, Peer, Protocol, Round, Who,
        ip::{self, Shape},
        ipsec,
        l2tp::{self, SourcePort},
        pptp,
        probe::Prober,
        site::Site,
        traffic::{TCP_PORT, Tcp, Udp},
    },
};

const PATIENCE: Duration = Duration::from_secs(5);

fn routed(clients: usize) -> Result<Lab> {
    Lab::planned(&Plan { clients, routing: Routing::Routed, ..Plan::default() })
}

/// The lab looks at every offload when it is made.
///
/// Proves: G8.
#[test]
fn every_protocol_works_through_plain_routing() -> Result<()> {
    let lab = routed(4)?;
    let site = Site::start(&lab.s, SourcePort::Insist)?;
    for protocol in Protocol::ALL {
        let mut open = lab
            .clients
            .iter()
            .map(|client| peers::open(protocol, client, SERVER_S, PATIENCE))
            .collect::<Result<Vec<_>>>()?;
        for peer in &mut open {
            peer.exchange(10, PATIENCE).with_context(|| protocol.name())?;
        }
    }
    site.assert_no_faults()
}

#[test]
fn sixty_four_clients_hold_three_tunnels_each_through_plain_routing() -> Result<()> {
    let lab = routed(64)?;
    let site = Site::start(&lab.s, SourcePort::Insist)?;
    thread::scope(|scope| {
        let mut clients = Vec::new();
        for protocol in [Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp] {
            for client in &lab.clients {
                clients.push(
                    scope.spawn(move || {
                        peers::open(protocol, client, SERVER_S, PATIENCE)?.exchange(5, PATIENCE)
                    }),
                );
            }
        }
        clients.into_iter().try_for_each(|thread| thread.join().expect("a client panicked"))
    })?;
    site.assert_no_faults()
}

#[test]
fn tunnels_end_and_change_as_their_protocols_say() -> Result<()> {
    let lab = routed(1)?;
    let site = Site::start(&lab.s, SourcePort::Any)?;
    let client = &lab.clients[0];
    let who = Who::from(client);

    let mut pptp = client.namespace.enter(|| pptp::Client::connect(&who, SERVER_S, PATIENCE))?;
    for call_id in [7, 8] {
        pptp.call(call_id, PATIENCE)?;
        pptp.exchange(3, PATIENCE)?;
        pptp.echo(PATIENCE)?;
        assert_eq!(site.pptp.calls().len(), 1);
        pptp.clear(PATIENCE)?;
        assert_eq!(site.pptp.calls().len(), 0);
    }
    pptp.stop(PATIENCE)?;

    for transport in [ipsec::Transport::Plain, ipsec::Transport::Float] {
        let mut ipsec =
            client.namespace.enter(|| ipsec::Client::connect(&who, SERVER_S, transport, PATIENCE))?;
        ipsec.exchange(3, PATIENCE)?;
        if transport == ipsec::Transport::Float {
            ipsec.keepalive()?;
        }
        ipsec.rekey(0x0bad_cafe, PATIENCE)?;
        ipsec.delete_old(PATIENCE)?;
        ipsec.probe(PATIENCE)?;
        ipsec.exchange(3, PATIENCE)?;
    }
    assert_eq!(site.ipsec.children().len(), 2);

    let mut l2tp = client.namespace.enter(|| l2tp::Client::connect(&who, SERVER_S, 99, PATIENCE))?;
    l2tp.exchange(3, PATIENCE)?;
    l2tp.hello(PATIENCE)?;
    assert_eq!(site.l2tp.tunnels().len(), 1);
    l2tp.stop(PATIENCE)?;
    assert_eq!(site.l2tp.tunnels().len(), 0);
    site.assert_no_faults()
}

#[test]
fn a_transfer_and_large_datagrams_come_back_unchanged() -> Result<()> {
    let lab = routed(1)?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    let client = &lab.clients[0];
    let who = Who::from(client);
    let mut tcp = client.namespace.enter(|| Tcp::connect(&who, SERVER_S, TCP_PORT, PATIENCE))?;
    tcp.transfer(4 << 20, PATIENCE)?;
    let mut udp = client.namespace.enter(|| Udp::open(&who, SERVER_S, 4000))?;
    udp.exchange(5, PATIENCE)
}

#[test]
fn probes_see_each_hop_and_the_smaller_mtu() -> Result<()> {
    let plan = Plan { clients: 1, routing: Routing::Routed, wan_mtu: 1400, ..Plan::default() };
    let lab = Lab::planned(&plan)?;
    let client = &lab.clients[0];
    let prober = client.namespace.enter(|| Prober::open(&Who::from(client), SERVER_S, 33434))?;
    for (ttl, kind, code, from) in [(1, 11, 0, GATEWAY_LAN), (2, 11, 0, ROUTER), (3, 3, 3, SERVER_S)] {
        let error = prober.provoke(64, ttl, PATIENCE)?.context("no ICMP error came")?;
        assert_eq!((error.kind, error.code, error.from), (kind, code, from), "TTL {ttl}");
    }
    let error = prober.provoke(1460, 64, PATIENCE)?.context("no ICMP error came")?;
    assert_eq!((error.kind, error.code, error.from, error.info), (3, 4, GATEWAY_LAN, 1400));
    Ok(())
}

#[test]
fn a_single_client_works_behind_the_kernels_own_masquerade() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 1, firewall: Some(firewall::MASQUERADE), ..Plan::default() })?;
    let site = Site::start(&lab.s, SourcePort::Any)?;
    for protocol in
        [Protocol::Tcp, Protocol::Udp, Protocol::Ping, Protocol::NatT, Protocol::L2tp, Protocol::Ipip]
    {
        peers::open(protocol, &lab.clients[0], SERVER_S, PATIENCE)?.exchange(5, PATIENCE)?;
    }
    assert!(site.l2tp.tunnels().iter().all(|tunnel| *tunnel.from.ip() == GATEWAY_WAN));
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: G5.
#[test]
fn the_sniffer_sees_a_leak_and_the_router_has_no_way_back() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 1, ..Plan::default() })?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    let start = SystemTime::now();
    let client = &lab.clients[0];
    let shape = Shape::Gre(Some(1));
    let mut gre = client.namespace.enter(|| ip::Client::open(&Who::from(client), SERVER_S, shape))?;
    assert_eq!(gre.round(Duration::from_millis(300))?, Round::Lost);
    assert_eq!(lab.sniffer.since(start, |packet| packet.protocol == 47)?.len(), 1);
    assert!(lab.sniffer.assert_no_private_address().is_err());
    Ok(())
}
