//! The gateway's own firewall stays in charge, and `check` tells what stands in the way.

use std::time::Duration;

use anyhow::{Result, ensure};
use passthrough_tests::{
    lab::{Lab, Plan, SERVER_S, firewall},
    peers::{
        self, Peer, Protocol, Who,
        l2tp::SourcePort,
        site::Site,
        traffic::{FORBIDDEN_TCP_PORT, TCP_PORT, Tcp, Udp},
    },
};

const PATIENCE: Duration = Duration::from_secs(20);

#[test]
fn everything_works_with_the_usual_stateful_ruleset_and_its_rules_are_obeyed() -> Result<()> {
    let lab = Lab::planned(&Plan { firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp,gre,ipip")?;
    let _open = peers::open_all(&Protocol::SHARED, &lab.clients, 50, PATIENCE)?;
    peers::open(Protocol::Ipip, &lab.clients[0], SERVER_S, PATIENCE)?.exchange(20, PATIENCE)?;
    let client = &lab.clients[0];
    let who = Who::from(client);
    client.namespace.enter(|| Udp::open(&who, SERVER_S, 4000))?.exchange(10, PATIENCE)?;
    client
        .namespace
        .enter(|| Tcp::connect(&who, SERVER_S, TCP_PORT, PATIENCE))?
        .transfer(4 << 20, PATIENCE)?;

    let forbidden =
        client.namespace.enter(|| Tcp::connect(&who, SERVER_S, FORBIDDEN_TCP_PORT, Duration::from_secs(1)));
    ensure!(forbidden.is_err(), "TCP {FORBIDDEN_TCP_PORT} passed against the firewall");
    t.assert_no_faults()?;
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

#[test]
fn sixty_four_clients_work_behind_the_stateful_ruleset() -> Result<()> {
    let plan = Plan { clients: 64, firewall: Some(firewall::STATEFUL), ..Plan::default() };
    let lab = Lab::planned(&plan)?;
    let site = Site::start(&lab.s, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp")?;
    let protocols = [Protocol::Pptp, Protocol::Ipsec, Protocol::L2tp];
    let _open = peers::open_all(&protocols, &lab.clients, 5, 3 * PATIENCE)?;
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

#[test]
fn check_is_content_with_a_healthy_gateway() -> Result<()> {
    let lab = Lab::planned(&Plan { firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    lab.cli.up("pptp,ipsec,l2tp,gre")?;
    lab.cli.succeed("check")?;
    Ok(())
}

#[test]
fn check_finds_forwarding_switched_off_and_names_the_fix() -> Result<()> {
    let lab = Lab::new()?;
    lab.cli.up("pptp")?;
    lab.gateway.namespace.sysctl("ipv4/ip_forward", "0")?;
    let outcome = lab.cli.run("check")?;
    ensure!(outcome.code != 0, "check is content: {}", outcome.stdout);
    let told = outcome.stdout.lines().any(|line| line.contains("net.ipv4.ip_forward=1"));
    ensure!(told, "no line names the fix: {}{}", outcome.stdout, outcome.stderr);
    Ok(())
}

#[test]
fn check_finds_a_forward_chain_that_drops_and_names_the_fix() -> Result<()> {
    let lab = Lab::planned(&Plan { firewall: Some(firewall::FORWARD_DROP), ..Plan::default() })?;
    lab.cli.up("pptp")?;
    let outcome = lab.cli.run("check")?;
    ensure!(outcome.code != 0, "check is content: {}", outcome.stdout);
    let told = outcome.stdout.lines().any(|line| line.contains("forward") && line.contains("nft"));
    ensure!(told, "no line names the chain and the fix: {}{}", outcome.stdout, outcome.stderr);
    Ok(())
}

#[test]
fn check_finds_a_rival_masquerade() -> Result<()> {
    let lab = Lab::planned(&Plan { firewall: Some(firewall::MASQUERADE), ..Plan::default() })?;
    lab.cli.up("pptp")?;
    let outcome = lab.cli.run("check")?;
    ensure!(
        outcome.stdout.contains("nft delete rule ip nat postrouting"),
        "nothing is said of it: {}{}",
        outcome.stdout,
        outcome.stderr
    );
    Ok(())
}
