//! GRE tunnels of the kernel (RFC 2784), with and without a key (RFC 2890).

use std::time::Duration;

use anyhow::Result;

use super::{
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::lab::GATEWAY_WAN;

/// One client's tunnel without a key, or tunnels from several with a key each.
pub fn open<'a>(stage: &'a Stage, keyed: bool, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut open = Open::default();
    for (index, client) in stage.clients(clients).iter().enumerate() {
        let from = inner(index);
        let key = if keyed { format!("key {}", 10 + index) } else { String::new() };
        let (near, far) = (client.address, server.address);
        // What an earlier try has left.
        let _ = client.namespace.ip("link del gre1\n");
        let _ = server.namespace.ip(&format!("link del gre{}\n", index + 1));
        client.namespace.ip(&format!(
            "link add gre1 type gre local {near} remote {far} ttl 64 {key}\naddr add {from}/32 peer {INNER_SERVER} dev gre1\n\
             link set gre1 up mtu 1400\n"
        ))?;
        let name = format!("gre{}", index + 1);
        server.namespace.ip(&format!(
            "link add {name} type gre local {far} remote {GATEWAY_WAN} ttl 64 {key}\n\
             addr add {INNER_SERVER}/32 peer {from} dev {name}\nlink set {name} up mtu 1400\n"
        ))?;
        let tunnel = Tunnel { client, server, from, to: INNER_SERVER };
        tunnel.ping(patience)?;
        open.tunnels.push(tunnel);
    }
    Ok(open)
}
