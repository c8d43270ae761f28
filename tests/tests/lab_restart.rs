//! The data path outlives the command: traffic goes on after it exits, and while it is replaced.

use std::time::Duration;

use anyhow::{Result, ensure};
use passthrough_tests::{
    lab::{Lab, SERVER_S},
    peers::{self, Protocol, flow::Flow, l2tp::SourcePort, site::Site},
};

const PATIENCE: Duration = Duration::from_secs(20);

/// Proves: O24.
#[test]
fn up_again_replaces_the_programs_and_loses_no_session() -> Result<()> {
    let lab = Lab::new()?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp,gre")?;
    let flows = peers::open_all(&Protocol::SHARED, &lab.clients[..2], 5, PATIENCE)?
        .into_iter()
        .map(|(protocol, peer)| Flow::start(protocol.name(), peer))
        .collect::<Result<Vec<_>>>()?;
    for _ in 0..3 {
        for flow in &flows {
            flow.go_on(20, PATIENCE)?;
        }
        // Not said again: what is enabled stays enabled.
        lab.cli.up("")?;
    }
    for flow in &flows {
        flow.go_on(20, PATIENCE)?;
        flow.assert_nothing_lost()?;
    }
    t.assert_no_faults()?;
    site.assert_no_faults()?;
    lab.sniffer.assert_no_private_address()
}

#[test]
fn down_takes_everything_away_and_up_starts_afresh() -> Result<()> {
    let lab = Lab::new()?;
    let _site = Site::start(&lab.s, SourcePort::Any)?;
    lab.cli.up("pptp")?;
    peers::open(Protocol::Tcp, &lab.clients[0], SERVER_S, PATIENCE)?;
    lab.cli.succeed("down")?;
    lab.cli.assert_nothing_attached()?;
    lab.cli.up("")?;
    peers::open(Protocol::Tcp, &lab.clients[0], SERVER_S, PATIENCE)?;
    let call = peers::open(Protocol::Pptp, &lab.clients[0], SERVER_S, Duration::from_secs(1));
    ensure!(call.is_err(), "a switch survived `down`");
    Ok(())
}
