//! What PPTP and L2TP share: each caller runs a daemon of its own that brings up a PPP interface.

use std::{net::Ipv4Addr, thread, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    tunnel::{Open, Tunnel, address_of},
};
use crate::lab::Host;

/// What both ends of a call know.
pub const SECRETS: &str = "vpn * secret *\n";

/// A server that takes calls.
#[derive(Clone, Copy, Debug)]
pub struct Called<'a> {
    /// The host.
    pub server: &'a Host,
    /// Where callers reach it.
    pub address: Ipv4Addr,
    /// Its address in every tunnel.
    pub inner: Ipv4Addr,
    /// The number of the callers' interfaces: `ppp0`.
    pub unit: u8,
}

/// Has all callers `dial`, at once.
pub fn call<'a>(
    open: &mut Open<'a>,
    folder: &Folder,
    callers: impl IntoIterator<Item = &'a Host>,
    called: Called<'a>,
    patience: Duration,
    dial: fn(&Folder, &Host, Called<'_>) -> Result<Daemon>,
) -> Result<()> {
    let calls: Vec<_> = thread::scope(|scope| {
        let calls = callers.into_iter().map(|client| {
            scope.spawn(move || -> Result<_> {
                let below = folder.below(&format!("{}-to-{}", client.name, called.server.name))?;
                let mut daemon = dial(&below, client, called)?;
                let from = address_of(client, &format!("ppp{}", called.unit), &mut daemon, patience)?;
                Ok((daemon, Tunnel { client, server: called.server, from, to: called.inner }))
            })
        });
        let calls: Vec<_> = calls.collect();
        calls
            .into_iter()
            .map(|call| call.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
            .collect()
    });
    for call in calls {
        let (daemon, tunnel) = call?;
        open.daemons.push(daemon);
        open.tunnels.push(tunnel);
    }
    Ok(())
}
