//! WireGuard in the kernel: ordinary UDP for the gateway.

use std::time::Duration;

use anyhow::Result;

use super::{
    daemon::Folder,
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::lab::Host;

/// Tunnels from so many clients to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let server_key = interface(server, folder, INNER_SERVER)?;
    server.namespace.run("wg", &["set", "wg0", "listen-port", "51820"])?;
    let mut open = Open::default();
    for (index, client) in stage.clients(clients).iter().enumerate() {
        let from = inner(index);
        let key = interface(client, folder, from)?;
        let endpoint = format!("{}:51820", server.address);
        let (near, far) = (format!("{from}/32"), format!("{INNER_SERVER}/32"));
        server.namespace.run("wg", &["set", "wg0", "peer", &key, "allowed-ips", &near])?;
        client
            .namespace
            .run("wg", &["set", "wg0", "peer", &server_key, "allowed-ips", &far, "endpoint", &endpoint])?;
        server.namespace.ip(&format!("route replace {near} dev wg0\n"))?;
        client.namespace.ip(&format!("route replace {far} dev wg0\n"))?;
        let tunnel = Tunnel { client, server, from, to: INNER_SERVER };
        tunnel.ping(patience)?;
        open.tunnels.push(tunnel);
    }
    Ok(open)
}

/// Makes `wg0` with a new key; gives the public one.
fn interface(host: &Host, folder: &Folder, address: std::net::Ipv4Addr) -> Result<String> {
    let secret = host.namespace.run("wg", &["genkey"])?;
    let file = folder.write(&format!("{}.key", host.name), &secret)?;
    let public = host.namespace.run_with_input("wg", &["pubkey"], &secret)?.trim().to_owned();
    let _ = host.namespace.ip("link del wg0\n");
    host.namespace.ip(&format!("link add wg0 type wireguard\naddr add {address}/32 dev wg0\n"))?;
    host.namespace.run("wg", &["set", "wg0", "private-key", &file])?;
    host.namespace.ip("link set wg0 up\n")?;
    Ok(public)
}
