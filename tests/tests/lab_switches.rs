//! Switches, while real traffic runs: what is off stops at once and completely, and nothing else notices.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{
        Lab, Plan, SERVER_S, SERVER_S6,
        sniffer::{Packet, Sniffer, Way},
    },
    peers::{
        self, Peer, Protocol,
        flow::{Flow, STOPPED},
        l2tp::SourcePort,
        site::Site,
        six,
    },
};

const PATIENCE: Duration = Duration::from_secs(20);
/// Long enough for what is not blocked to work.
const BRIEF: Duration = Duration::from_millis(1500);

/// Tries each protocol with a client of its own choice, all at once, and gives those that work.
fn working(lab: &Lab, protocols: &[Protocol]) -> Vec<Protocol> {
    thread::scope(|scope| {
        let tries: Vec<_> = protocols
            .iter()
            .map(|&protocol| {
                scope.spawn(move || peers::open(protocol, &lab.clients[0], protocol.server(), BRIEF).is_ok())
            })
            .collect();
        let results: Vec<bool> =
            tries.into_iter().map(|thread| thread.join().expect("a try panicked")).collect();
        protocols.iter().zip(results).filter_map(|(&protocol, works)| works.then_some(protocol)).collect()
    })
}

/// Whether a packet is one that only a VPN protocol sends.
fn is_vpn(packet: &Packet) -> bool {
    let port = |port| packet.has_port(6, port) || packet.has_port(17, port);
    matches!(packet.protocol, 4 | 41 | 47 | 50 | 51 | 115) || [500, 1701, 1723, 4500].into_iter().any(port)
}

/// Proves: O2, T6.
#[test]
fn nothing_but_ordinary_traffic_passes_before_a_switch_is_on() -> Result<()> {
    let lab = Lab::new()?;
    let _sites = Site::start_both(&lab, SourcePort::Any)?;
    lab.cli.up("")?;
    let ordinary = [Protocol::Tcp, Protocol::Udp, Protocol::Ping];
    assert_eq!(working(&lab, &Protocol::ALL), ordinary);
    let leaks = lab.sniffer.since(SystemTime::UNIX_EPOCH, is_vpn)?;
    ensure!(
        leaks.is_empty(),
        "{} packets of blocked protocols passed, the first: {:?}",
        leaks.len(),
        leaks[0]
    );
    lab.sniffer.assert_no_private_address()
}

/// Proves: O1, O16.
#[test]
fn each_switch_opens_its_own_protocols_alone() -> Result<()> {
    let lab = Lab::new()?;
    let [site, t] = Site::start_both(&lab, SourcePort::Any)?;
    lab.cli.up("")?;
    for (switch, expected) in [
        ("pptp", vec![Protocol::Pptp]),
        ("ipsec", vec![Protocol::Ipsec, Protocol::NatT]),
        ("nat-t", vec![Protocol::NatT]),
        ("l2tp", vec![Protocol::L2tp, Protocol::L2tpV3]),
        ("gre", vec![Protocol::GreKeyed]),
        ("ipip", vec![Protocol::Ipip]),
    ] {
        lab.cli.succeed(&format!("enable {switch}"))?;
        // Keyed and plain GRE of one host to one server are two sessions, but one conversation at a time is enough.
        let tried: Vec<Protocol> =
            Protocol::SWITCHED.into_iter().filter(|&protocol| protocol != Protocol::GrePlain).collect();
        assert_eq!(working(&lab, &tried), expected, "with {switch} on");
        lab.cli.succeed(&format!("disable {switch}"))?;
        site.pptp.hang_up();
        site.l2tp.hang_up();
    }
    t.assert_no_faults()?;
    site.assert_no_faults()
}

/// Proves: O14.
#[test]
fn a_switch_counts_for_ipv6_as_well() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 1, ..Plan::default() })?;
    lab.cli.up("")?;
    let client = &lab.clients[0];
    let passes = |probe: six::Probe| -> Result<bool> {
        let start = SystemTime::now();
        client.namespace.enter(|| probe.send(client.address6, SERVER_S6))?;
        let seen = || lab.sniffer.since(start, |packet| probe.is_seen_in(packet, client.address6));
        // A packet after it, which nothing blocks, tells when this one has had its chance.
        client.namespace.enter(|| six::Probe::Udp(9).send(client.address6, SERVER_S6))?;
        passthrough_tests::wait::until(PATIENCE, "an ordinary datagram over IPv6 to pass", || {
            let ordinary = |packet: &Packet| six::Probe::Udp(9).is_seen_in(packet, client.address6);
            lab.sniffer.since(start, ordinary).is_ok_and(|packets| !packets.is_empty())
        })?;
        Ok(!seen()?.is_empty())
    };
    use six::Probe::{Gre, Protocol, Tcp, Udp};
    for (switch, probes) in [
        ("pptp", vec![Tcp(1723), Gre(1)]),
        ("gre", vec![Gre(0)]),
        ("ike", vec![Udp(500)]),
        ("nat-t", vec![Udp(4500)]),
        ("esp", vec![Protocol(50)]),
        ("ah", vec![Protocol(51)]),
        ("l2tp", vec![Udp(1701), Protocol(115)]),
        ("ipip", vec![Protocol(4), Protocol(41)]),
    ] {
        for probe in &probes {
            ensure!(!passes(*probe)?, "{probe:?} passes over IPv6 while {switch} is off");
        }
        lab.cli.succeed(&format!("enable {switch}"))?;
        for probe in &probes {
            ensure!(passes(*probe)?, "{probe:?} does not pass over IPv6 while {switch} is on");
        }
        lab.cli.succeed(&format!("disable {switch}"))?;
        for probe in &probes {
            ensure!(!passes(*probe)?, "{probe:?} passes over IPv6 after {switch} was switched off");
        }
    }
    Ok(())
}

/// Proves: O3, O4, O11.
#[test]
fn pptp_stops_in_the_middle_of_a_transfer_and_starts_again() -> Result<()> {
    let lab = Lab::new()?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp,gre")?;
    let mut calls = Vec::new();
    let mut others = Vec::new();
    let protocols = [
        Protocol::Pptp,
        Protocol::Ipsec,
        Protocol::NatT,
        Protocol::L2tp,
        Protocol::GreKeyed,
        Protocol::Tcp,
        Protocol::Udp,
    ];
    for (protocol, peer) in peers::open_all(&protocols, &lab.clients[..2], 5, PATIENCE)? {
        let flow = Flow::start(protocol.name(), peer)?;
        if protocol == Protocol::Pptp { calls.push(flow) } else { others.push(flow) }
    }
    let at_client = Sniffer::start(&lab.clients[0].namespace, "eth0")?;
    for flow in calls.iter().chain(&others) {
        flow.go_on(50, PATIENCE)?;
    }

    lab.cli.succeed("disable pptp")?;
    let returned = SystemTime::now();
    for flow in &others {
        flow.go_on(100, PATIENCE)?;
    }
    for call in &calls {
        passthrough_tests::wait::until(STOPPED, "the calls to stop", || {
            call.lost() > 1 || call.error().is_some()
        })?;
    }
    let passed = |packet: &Packet| packet.is_pptp() && packet.way == Way::FromGateway;
    for (where_to, sniffer) in [("the router", &lab.sniffer), ("client A", &at_client)] {
        let leaks = sniffer.since(returned, passed)?;
        ensure!(
            leaks.is_empty(),
            "{} PPTP packets reached {where_to} after `disable` had returned, the first {:?} later: {:?}",
            leaks.len(),
            leaks[0].time.duration_since(returned),
            leaks[0]
        );
    }
    let refused = peers::open(Protocol::Pptp, &lab.clients[2], SERVER_S, BRIEF);
    ensure!(refused.is_err(), "a new call was set up while pptp is off");

    site.pptp.hang_up();
    lab.cli.succeed("enable pptp")?;
    for (protocol, mut peer) in peers::open_all(&[Protocol::Pptp], &lab.clients, 20, PATIENCE)? {
        peer.exchange(5, PATIENCE).with_context(|| protocol.name())?;
    }
    for flow in &others {
        flow.assert_nothing_lost()?;
    }
    t.assert_no_faults()?;
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

/// Proves: O6.
#[test]
fn a_switch_turned_off_and_on_revives_no_old_call() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("pptp")?;
    let mut call = peers::open(Protocol::Pptp, &lab.clients[0], SERVER_S, PATIENCE)?;
    call.exchange(5, PATIENCE)?;
    lab.cli.succeed("disable pptp")?;
    lab.cli.succeed("enable pptp")?;
    let round = call.round(Duration::from_secs(1))?;
    assert_eq!(round, peers::Round::Lost, "the old call goes on");
    Ok(())
}

/// Proves: O25.
#[test]
fn switches_flipped_many_times_under_load_end_as_they_were_set() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("ipsec")?;
    let open =
        peers::open_all(&[Protocol::Udp, Protocol::Tcp, Protocol::Ipsec], &lab.clients[..2], 5, PATIENCE)?;
    let flows = open
        .into_iter()
        .map(|(protocol, peer)| Flow::start(protocol.name(), peer))
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..25 {
        lab.cli.succeed("enable pptp,gre")?;
        lab.cli.succeed("disable pptp,gre")?;
    }
    assert_eq!(working(&lab, &[Protocol::Pptp, Protocol::GreKeyed]), []);
    for flow in &flows {
        flow.go_on(20, PATIENCE)?;
        flow.assert_nothing_lost()?;
    }
    Ok(())
}
