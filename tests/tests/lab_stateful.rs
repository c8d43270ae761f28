//! Behind the usual stateful ruleset, whose connection tracking does not see what redirects move, in XDP and in TC.

use std::thread;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{Lab, Plan, SERVER_S, firewall},
    peers::{
        Peer, Who,
        l2tp::SourcePort,
        site::Site,
        traffic::{TCP_PORT, Tcp, Udp},
    },
    wait,
};

const PATIENCE: Duration = Duration::from_secs(30);
/// Bytes of one transfer, there and back.
const TRANSFER: usize = 24 << 20;
/// After how many seconds of silence connection tracking forgets a TCP connection here: days elsewhere, and minutes for a
/// UDP one.
const FORGETS: &str = "3";
/// Longer than that, and longer than a lease of sixteen seconds: as good as minutes.
const PAUSE: Duration = Duration::from_secs(20);

#[test]
fn long_transfers_pauses_fragments_and_lost_neighbours_are_survived_in_xdp() -> Result<()> {
    let lab = Lab::without_bridge(&Plan { firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    survives(&lab, "xdp")?;
    let [out, back] = [lab.redirected("lan0")?, lab.redirected("wan0")?];
    // Segments of 1,448 bytes, three times there and back.
    let least = 3 * TRANSFER as u64 / 1500 / 2;
    ensure!(out > least && back > least, "XDP has moved {out} packets out and {back} back");
    Ok(())
}

#[test]
fn long_transfers_pauses_fragments_and_lost_neighbours_are_survived_in_tc() -> Result<()> {
    let lab = Lab::without_bridge(&Plan { firewall: Some(firewall::STATEFUL), ..Plan::default() })?;
    survives(&lab, "tc")
}

fn survives(lab: &Lab, mode: &str) -> Result<()> {
    let site = Site::start(&lab.s, SourcePort::Any)?;
    let gateway = &lab.gateway.namespace;
    gateway.sysctl("netfilter/nf_conntrack_tcp_timeout_established", FORGETS)?;
    gateway.sysctl("netfilter/nf_conntrack_udp_timeout", FORGETS)?;
    lab.cli.succeed(&format!("up --wan wan0 --lan lan0 --mode {mode}"))?;
    let client = &lab.clients[0];
    let who = Who::from(client);
    client.namespace.enter(|| {
        let mut tcp = Tcp::connect(&who, SERVER_S, TCP_PORT, PATIENCE)?;
        tcp.transfer(TRANSFER, PATIENCE).context("at first")?;

        // Neighbours are forgotten while a transfer runs, and found again.
        thread::scope(|scope| {
            let transfer = scope.spawn(|| tcp.transfer(TRANSFER, PATIENCE));
            while !transfer.is_finished() {
                for interface in ["lan0", "wan0"] {
                    gateway.run("ip", &["neigh", "flush", "dev", interface])?;
                }
                thread::sleep(Duration::from_millis(100));
            }
            transfer.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
        .context("while neighbours are forgotten")?;

        let mut udp = Udp::open(&who, SERVER_S, 4000)?;
        udp.exchange(10, PATIENCE).context("in fragments")?;
        thread::sleep(PAUSE);
        tcp.transfer(TRANSFER, PATIENCE).context("after a pause")?;
        udp.exchange(10, PATIENCE).context("in fragments, after a pause")?;
        drop(tcp);
        Ok(())
    })?;
    // Both FINs have been seen, by whichever path they took.
    let closing = || {
        let sessions = lab.cli.succeed("sessions").unwrap_or_default();
        sessions.lines().any(|line| line.starts_with("tcp") && line.contains("closing"))
    };
    wait::until(PATIENCE, "both ends of the TCP connection close", closing)?;
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}
