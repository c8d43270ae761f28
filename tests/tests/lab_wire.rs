//! Links whose packets have no link header (PPP, tunnels): as WAN and as LAN, like any other.

use std::time::Duration;

use anyhow::{Result, ensure};
use passthrough_tests::{
    lab::{GATEWAY_WAN, Lab, Plan, ROUTER, firewall, wire::Wire},
    peers::{self, Protocol, flow::Flow, l2tp::SourcePort, site::Site},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Proves: G3.
///
/// One client is on a bridge and one at the end of a tunnel, so that packets go from each kind of link to the other.
#[test]
fn tunnels_of_every_kind_go_by_links_without_a_link_header() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 2, firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    let [gateway, router] = [&lab.gateway.namespace, &lab.router.namespace];
    let b = &lab.clients[1];
    gateway.ip("link del lan1\n")?;
    let _wires = [
        Wire::lay([(gateway, "ppp0"), (router, "ppp0")])?,
        Wire::lay([(gateway, "lan1"), (&b.namespace, "eth0")])?,
    ];
    gateway.ip(&format!(
        "addr del {GATEWAY_WAN}/24 dev wan0\naddr add {GATEWAY_WAN} peer {ROUTER} dev ppp0\nlink set ppp0 up mtu 1492\n\
         route add default dev ppp0\nlink set lan1 up\nroute add {} dev lan1\n",
        b.address
    ))?;
    router.ip(&format!(
        "addr del {ROUTER}/24 dev isp0\naddr add {ROUTER} peer {GATEWAY_WAN} dev ppp0\nlink set ppp0 up mtu 1492\n"
    ))?;
    b.namespace
        .ip(&format!("addr add {} dev eth0\nlink set eth0 up\nroute add default dev eth0\n", b.address))?;
    lab.cli.succeed("up --wan ppp0 --lan br0 --lan lan1 --l2tp-port keep --enable pptp,ipsec,l2tp,gre")?;
    let flows = peers::open_all(&Protocol::SHARED, &lab.clients, 5, PATIENCE)?
        .into_iter()
        .map(|(protocol, peer)| Flow::start(protocol.name(), peer))
        .collect::<Result<Vec<_>>>()?;
    for flow in &flows {
        flow.go_on(100, PATIENCE)?;
        flow.assert_nothing_lost()?;
    }
    t.assert_no_faults()?;
    site.assert_no_faults()?;
    lab.cli.succeed("disable pptp")?;
    ensure!(
        peers::open(Protocol::Pptp, &lab.clients[0], Protocol::Pptp.server(), Duration::from_secs(1))
            .is_err(),
        "PPTP goes on although it is switched off"
    );
    Ok(())
}
