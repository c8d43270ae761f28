//! The gateway between real sockets: ordinary traffic, and many VPN clients to one server.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{GATEWAY_LAN, GATEWAY_WAN, Lab, Plan, ROUTER, SERVER_S, SERVER_T},
    peers::{
        self, Peer, Protocol, Who, ipsec,
        l2tp::{self, SourcePort},
        pptp,
        probe::Prober,
        site::Site,
        traffic::{TCP_PORT, Tcp, Udp},
    },
};

const PATIENCE: Duration = Duration::from_secs(10);

/// Proves: K4.
#[test]
fn a_tcp_transfer_comes_back_unchanged() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("")?;
    let client = &lab.clients[0];
    let mut tcp =
        client.namespace.enter(|| Tcp::connect(&Who::from(client), SERVER_S, TCP_PORT, PATIENCE))?;
    tcp.transfer(8 << 20, PATIENCE)?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: F1, U17.
#[test]
fn udp_ping_and_fragmented_datagrams_of_four_clients_come_back() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("")?;
    // All four ping with the same identifier.
    peers::open_all(&[Protocol::Udp, Protocol::Ping], &lab.clients, 20, PATIENCE)?;
    for client in &lab.clients {
        let mut large = client.namespace.enter(|| Udp::open(&Who::from(client), SERVER_S, 4000))?;
        large
            .exchange(10, PATIENCE)
            .with_context(|| format!("datagrams of 4000 bytes of {}", client.name))?;
    }
    lab.sniffer.assert_no_private_address()
}

/// Proves: M9, M10, I11.
#[test]
fn traceroute_sees_every_hop() -> Result<()> {
    let lab = Lab::new()?;
    lab.cli.up("")?;
    let client = &lab.clients[0];
    let prober = client.namespace.enter(|| Prober::open(&Who::from(client), SERVER_S, 33434))?;
    for (ttl, kind, code, from) in [(1, 11, 0, GATEWAY_LAN), (2, 11, 0, ROUTER), (3, 3, 3, SERVER_S)] {
        let error =
            prober.provoke(64, ttl, PATIENCE)?.with_context(|| format!("no ICMP error for TTL {ttl}"))?;
        assert_eq!((error.kind, error.code, error.from), (kind, code, from), "TTL {ttl}");
    }
    lab.sniffer.assert_no_private_address()
}

/// Proves: M1, M2, M4, U16, W10.
#[test]
fn the_path_mtu_is_learned_from_the_gateway_and_from_beyond_it() -> Result<()> {
    for (plan, mtu) in [
        (Plan { clients: 1, wan_mtu: 1492, ..Plan::default() }, 1492),
        (Plan { clients: 1, server_mtu: 1300, ..Plan::default() }, 1300),
    ] {
        let lab = Lab::planned(&plan)?;
        let _site = Site::start(&lab.s, SourcePort::Any)?;
        lab.cli.up("")?;
        let client = &lab.clients[0];
        let who = Who::from(client);
        // Before the client knows better, its fragments are as large as its own link takes.
        let mut large = client.namespace.enter(|| Udp::open(&who, SERVER_S, 4000))?;
        large.exchange(10, PATIENCE).context("fragments that must be cut again")?;
        let prober = client.namespace.enter(|| Prober::open(&who, SERVER_S, 33434))?;
        let error =
            prober.provoke(1472, 64, PATIENCE)?.with_context(|| format!("no ICMP error, MTU {mtu}"))?;
        assert_eq!((error.kind, error.code, error.info), (3, 4, mtu));
        let mut tcp = client.namespace.enter(|| Tcp::connect(&who, SERVER_S, TCP_PORT, PATIENCE))?;
        tcp.transfer(1 << 20, PATIENCE)?;
        lab.sniffer.assert_no_private_address()?;
    }
    Ok(())
}

/// Proves: P2, R8, E2, L6, Q1.
#[test]
fn four_clients_a_protocol_share_one_server() -> Result<()> {
    let lab = Lab::new()?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp,gre")?;
    let _open = peers::open_all(&Protocol::SHARED, &lab.clients, 50, 3 * PATIENCE)?;
    t.assert_no_faults()?;
    site.assert_no_faults()?;
    ensure!(site.pptp.calls().iter().all(|call| call.address == GATEWAY_WAN), "a call came from elsewhere");
    lab.sniffer.assert_no_private_address()
}

/// Proves: Q2, V1.
#[test]
fn protocols_without_a_selector_serve_one_client_a_server() -> Result<()> {
    let lab = Lab::new()?;
    let sites = [Site::start(&lab.s, SourcePort::Any)?, Site::start(&lab.t, SourcePort::Any)?];
    lab.cli.up("gre,ipip,l2tp")?;
    for protocol in [Protocol::GrePlain, Protocol::Ipip, Protocol::L2tpV3] {
        let mut first = peers::open(protocol, &lab.clients[0], SERVER_S, PATIENCE)?;
        let second = peers::open(protocol, &lab.clients[1], SERVER_S, Duration::from_millis(500));
        ensure!(second.is_err(), "two clients share a server with {}", protocol.name());
        // The second one is refused, not mixed, and another server is free for it.
        first.exchange(5, PATIENCE)?;
        peers::open(protocol, &lab.clients[1], SERVER_T, PATIENCE)?.exchange(5, PATIENCE)?;
    }
    sites.iter().try_for_each(Site::assert_no_faults)?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: P1, P2, E3, L8.
#[test]
fn sixty_four_clients_hold_a_call_an_esp_pair_and_a_tunnel_each_to_one_server() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 64, ..Plan::default() })?;
    let site = Site::start(&lab.s, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp")?;
    let protocols = [Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp];
    let mut open = peers::open_all(&protocols, &lab.clients, 5, 9 * PATIENCE)?;
    assert_eq!(open.len(), 3 * 64);
    assert_eq!(
        (site.pptp.calls().len(), site.ipsec.children().len(), site.l2tp.tunnels().len()),
        (64, 64, 64)
    );
    // All are up now; once more, one after the other, while the rest is idle.
    for (protocol, peer) in &mut open {
        peer.exchange(2, PATIENCE).with_context(|| protocol.name())?;
    }
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: E7, P8.
#[test]
fn tunnels_are_rekeyed_kept_alive_and_ended_while_others_go_on() -> Result<()> {
    let lab = Lab::new()?;
    let site = Site::start(&lab.s, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp")?;
    let protocols = [Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp];
    let mut others = peers::open_all(&protocols, &lab.clients[1..], 5, 3 * PATIENCE)?;
    let client = &lab.clients[0];
    let who = Who::from(client);

    let mut call = client.namespace.enter(|| pptp::Client::connect(&who, SERVER_S, PATIENCE))?;
    for call_id in [1, 2] {
        call.call(call_id, PATIENCE)?;
        call.exchange(5, PATIENCE)?;
        call.echo(PATIENCE)?;
        call.clear(PATIENCE)?;
    }
    call.stop(PATIENCE)?;

    for transport in [ipsec::Transport::Plain, ipsec::Transport::Float] {
        let mut pair =
            client.namespace.enter(|| ipsec::Client::connect(&who, SERVER_S, transport, 3 * PATIENCE))?;
        pair.rekey(0x0bad_cafe, 3 * PATIENCE).with_context(|| format!("{transport:?}"))?;
        pair.exchange(5, PATIENCE)?;
        pair.delete_old(PATIENCE)?;
        pair.probe(PATIENCE)?;
        pair.exchange(5, PATIENCE)?;
    }

    // Client B holds tunnel ID 1 as well.
    let mut tunnel = client.namespace.enter(|| l2tp::Client::connect(&who, SERVER_S, 1, PATIENCE))?;
    tunnel.exchange(5, PATIENCE)?;
    tunnel.hello(PATIENCE)?;
    tunnel.stop(PATIENCE)?;

    for (protocol, peer) in &mut others {
        peer.exchange(5, PATIENCE).with_context(|| protocol.name())?;
    }
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: P13, P14, P1.
#[test]
fn call_ids_are_kept_apart_however_control_messages_are_split() -> Result<()> {
    let lab = Lab::new()?;
    let site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("pptp")?;
    let mut calls = Vec::new();
    // At 13 bytes the first segment ends inside the call ID (row P14).
    for (client, segment) in lab.clients.iter().zip([1, 2, 13, 100]) {
        let who = Who::from(client);
        let mut call = client.namespace.enter(|| pptp::Client::connect(&who, SERVER_S, PATIENCE))?;
        call.split_into(segment);
        call.call(1, PATIENCE).with_context(|| format!("in segments of {segment} bytes"))?;
        calls.push(call);
    }
    for call in &mut calls {
        call.exchange(10, PATIENCE)?;
        call.echo(PATIENCE)?;
    }
    site.assert_no_faults()
}

/// Proves: L1.
#[test]
fn l2tp_ports_are_translated_where_they_need_not_be_kept() -> Result<()> {
    let lab = Lab::new()?;
    let site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.succeed("up --wan wan0 --lan br0 --l2tp-port translate --enable l2tp")?;
    let _open = peers::open_all(&[Protocol::L2tp], &lab.clients, 20, PATIENCE)?;
    let mut ports: Vec<u16> = site.l2tp.tunnels().iter().map(|tunnel| tunnel.from.port()).collect();
    ports.sort_unstable();
    ports.dedup();
    assert_eq!(ports.len(), 4, "four clients show ports {ports:?}");
    site.assert_no_faults()
}

/// Proves: O26, C14.
#[test]
fn the_gateways_own_connections_work_beside_its_clients() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("")?;
    let own = Who { name: "gateway".into(), address: GATEWAY_WAN };
    let mut tcp = lab.gateway.namespace.enter(|| Tcp::connect(&own, SERVER_S, TCP_PORT, PATIENCE))?;
    let mut udp = lab.gateway.namespace.enter(|| Udp::open(&own, SERVER_S, 400))?;
    peers::open_all(&[Protocol::Tcp, Protocol::Udp], &lab.clients, 5, PATIENCE)?;
    tcp.exchange(5, PATIENCE)?;
    udp.exchange(5, PATIENCE)
}
