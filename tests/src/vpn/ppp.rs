//! What PPTP and L2TP share: each client runs a daemon of its own that brings up `ppp0`.

use std::{net::Ipv4Addr, thread, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    stage::Stage,
    tunnel::{Open, Tunnel, address_of},
};
use crate::lab::Host;

/// What both ends of a call know.
pub const SECRETS: &str = "vpn * secret *\n";

/// Has so many clients `call` server S, all at once. `daemon` serves there, and `to` is its address in every tunnel.
pub fn open<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
    (daemon, to): (Daemon, Ipv4Addr),
    call: fn(&Folder, &Host, Ipv4Addr) -> Result<Daemon>,
) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut open = Open { daemons: vec![daemon], ..Open::default() };
    let calls: Vec<_> = thread::scope(|scope| {
        let calls = stage.clients(clients).iter().map(|client| {
            scope.spawn(move || -> Result<_> {
                let mut daemon = call(&folder.below(&client.name)?, client, server.address)?;
                let from = address_of(client, "ppp0", &mut daemon, patience)?;
                Ok((daemon, Tunnel { client, server, from, to }))
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
    Ok(open)
}
