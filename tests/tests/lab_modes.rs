//! Modes of the data path: what `up --mode` attaches, what `status` says of it, what is refused, and what stays.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthrough_tests::{
    lab::{Lab, Plan, SERVER_S},
    peers::{self, Protocol, flow::Flow, l2tp::SourcePort, site::Site},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// What `status` says of an interface: its path, and why it is not a faster one.
fn path_of(lab: &Lab, interface: &str) -> Result<(String, String)> {
    let status = lab.cli.succeed("status")?;
    let line = status.lines().find(|line| line.split_whitespace().next() == Some(interface));
    let words: Vec<&str> = line.context("status does not show the interface")?.split_whitespace().collect();
    let path = words.get(4).context("status shows no path")?;
    Ok(((*path).to_owned(), words[5..].join(" ")))
}

fn assert_path(lab: &Lab, interface: &str, path: &str, why: &str) -> Result<()> {
    let (found, because) = path_of(lab, interface)?;
    ensure!(found == path, "{interface} takes {found} ({because}) instead of {path}");
    ensure!(because.contains(why), "{interface} takes {path} without a word of '{why}': {because}");
    Ok(())
}

/// How many XDP programs run in the gateway.
fn xdp_programs(lab: &Lab) -> Result<usize> {
    Ok(lab.gateway.namespace.run("ip", &["-d", "link"])?.matches("prog/xdp").count())
}

fn assert_nothing_attached(lab: &Lab) -> Result<()> {
    lab.cli.assert_nothing_attached()?;
    let programs = xdp_programs(lab)?;
    ensure!(programs == 0, "{programs} XDP programs are still attached");
    Ok(())
}

#[test]
fn xdp_is_refused_in_one_line_where_an_interface_cannot() -> Result<()> {
    let lab = Lab::planned(&Plan { clients: 1, ..Plan::default() })?;
    // Its driver is asked, and says no: by then programs have been loaded.
    lab.gateway.namespace.ip("link add no0 type ifb\nlink set no0 up\naddr add 192.168.9.1/24 dev no0\n")?;
    for interface in ["br0", "no0"] {
        let command = format!("up --wan wan0 --lan {interface} --mode xdp");
        let line = lab.cli.run(&command)?.refusal().with_context(|| format!("passthrough {command}"))?;
        ensure!(line.contains(interface) && line.contains("native XDP"), "{line}");
        assert_nothing_attached(&lab).with_context(|| format!("after `passthrough {command}`"))?;
    }
    // Auto takes TC there, and says why.
    lab.cli.succeed("up --wan wan0 --lan br0 --lan no0")?;
    assert_path(&lab, "wan0", "tc", "checksums")?;
    assert_path(&lab, "br0", "tc", "bridge")?;
    assert_path(&lab, "no0", "tc", "no native XDP")?;
    // A refusal leaves a running gateway as it was.
    lab.cli.run("up --wan wan0 --lan no0 --mode xdp")?.refusal()?;
    assert_path(&lab, "wan0", "tc", "checksums")?;
    assert_path(&lab, "br0", "tc", "bridge")?;
    ensure!(xdp_programs(&lab)? == 0, "the refused command has left an XDP program");
    lab.cli.succeed("down")?;
    assert_nothing_attached(&lab)
}

#[test]
fn a_mode_stays_until_another_is_asked_for_and_traffic_goes_on() -> Result<()> {
    let lab = Lab::without_bridge(&Plan::default())?;
    let site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.succeed("up --wan wan0 --lan lan0 --enable gre")?;
    let flows = [Protocol::Udp, Protocol::Tcp, Protocol::GreKeyed]
        .into_iter()
        .map(|protocol| {
            Flow::start(protocol.name(), peers::open(protocol, &lab.clients[0], SERVER_S, PATIENCE)?)
        })
        .collect::<Result<Vec<_>>>()?;
    let go_on = || flows.iter().try_for_each(|flow| flow.go_on(20, PATIENCE));
    // Auto does not trust a veth, though here the peers finish their checksums.
    for (mode, path) in [("", "tc"), ("xdp", "xdp"), ("generic", "xdp-generic"), ("tc", "tc"), ("auto", "tc")]
    {
        if !mode.is_empty() {
            lab.cli.succeed(&format!("up --wan wan0 --lan lan0 --mode {mode}"))?;
        }
        // Loading takes seconds: the modes that nothing else would lead to are looked at again.
        let again: &[bool] = if matches!(mode, "tc" | "xdp") { &[false, true] } else { &[false] };
        for again in again {
            let lost = || flows.iter().map(Flow::lost).sum::<u64>();
            let before = lost();
            if *again {
                lab.cli.succeed("up --wan wan0 --lan lan0")?;
            }
            assert_path(&lab, "wan0", path, "")?;
            assert_path(&lab, "lan0", path, "")?;
            ensure!(xdp_programs(&lab)? == if path == "tc" { 0 } else { 2 }, "in mode {mode}");
            go_on().with_context(|| format!("in mode {mode}, again: {again}"))?;
            // Another mode may cost a packet, since a link keeps its mode; the same one must not.
            ensure!(!again || lost() == before, "{} payloads lost in mode {mode}", lost() - before);
        }
    }
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()?;
    lab.cli.succeed("down")?;
    assert_nothing_attached(&lab)
}

#[test]
fn sessions_are_moved_by_xdp_where_devices_can_and_by_tc_where_they_cannot() -> Result<()> {
    let lab = Lab::without_bridge(&Plan::default())?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    let shown = lab.cli.succeed("up --wan wan0 --lan lan0 --mode xdp")?;
    ensure!(shown.contains("path of wan0: xdp") && shown.contains("checksums"), "{shown}");
    let flow = Flow::start("UDP", peers::open(Protocol::Udp, &lab.clients[0], SERVER_S, PATIENCE)?)?;
    flow.go_on(100, PATIENCE)?;
    let [out, back] = [lab.redirected("lan0")?, lab.redirected("wan0")?];
    ensure!(out >= 50 && back >= 50, "XDP has moved {out} packets out and {back} back");

    // The router's veth takes redirected frames no longer: packets out take TC, those back go on in XDP.
    lab.router.namespace.run("ethtool", &["-K", "isp0", "gro", "off"])?;
    assert_path(&lab, "wan0", "xdp", "takes no redirected frames")?;
    let before = lab.redirected("lan0")?;
    flow.go_on(50, PATIENCE)?;
    let after = lab.redirected("lan0")?;
    ensure!(after <= before + 2, "XDP still moves packets out: {}", after - before);
    ensure!(lab.redirected("wan0")? >= back + 40, "XDP no longer moves packets back");

    lab.router.namespace.run("ethtool", &["-K", "isp0", "gro", "on"])?;
    assert_path(&lab, "wan0", "xdp", "")?;
    flow.go_on(50, PATIENCE)?;
    ensure!(lab.redirected("lan0")? >= after + 40, "XDP does not move packets out again");
    Ok(())
}
