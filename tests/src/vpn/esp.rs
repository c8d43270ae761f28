//! ESP without UDP encapsulation and without IKE: security associations made by hand, rekeyed by hand.

use std::{
    sync::atomic::{AtomicU32, Ordering},
    time::Duration,
};

use anyhow::{Context, Result};

use super::{
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::lab::{GATEWAY_WAN, Host};

/// 128 bits and four of salt, of AES-GCM (RFC 4106).
const KEY: &str = "0x000102030405060708090a0b0c0d0e0f10111213";

/// Tunnels from so many clients to server S, one after the other: nothing but a client's own first packet tells whose
/// the answer is.
pub fn open<'a>(stage: &'a Stage, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    add_inner(server, INNER_SERVER)?;
    let mut open = Open::default();
    for (index, client) in stage.clients(clients).iter().enumerate() {
        let tunnel = Tunnel { client, server, from: inner(index), to: INNER_SERVER };
        add_inner(client, tunnel.from)?;
        policies(&tunnel, index)?;
        associations(&tunnel, index)?;
        tunnel.ping(patience).with_context(|| format!("client {}", client.name))?;
        open.tunnels.push(tunnel);
    }
    Ok(open)
}

/// New associations for every tunnel, the old ones gone: another SPI each way.
pub fn rekey(open: &Open<'_>, patience: Duration) -> Result<()> {
    for (index, tunnel) in open.tunnels.iter().enumerate() {
        for host in [tunnel.client, tunnel.server] {
            host.namespace.ip(&format!("xfrm state deleteall reqid {}\n", index + 1))?;
        }
        associations(tunnel, index)?;
        tunnel.ping(patience).with_context(|| format!("client {} after its rekey", tunnel.client.name))?;
    }
    Ok(())
}

/// Gives a host an inner address, once.
pub fn add_inner(host: &Host, address: std::net::Ipv4Addr) -> Result<()> {
    host.namespace.ip(&format!("addr replace {address}/32 dev lo\n"))
}

/// Counts SPIs: nothing else has one of them.
static SPIS: AtomicU32 = AtomicU32::new(0x1000_0001);

fn policies(tunnel: &Tunnel<'_>, index: usize) -> Result<()> {
    let (from, to) = (tunnel.from, tunnel.to);
    let (client, server) = (tunnel.client.address, tunnel.server.address);
    let id = index + 1;
    let batch = |out: &str, back: &str, out_ends: &str, back_ends: &str| {
        format!(
            "xfrm policy add {out} dir out tmpl {out_ends} proto esp reqid {id} mode tunnel\n\
             xfrm policy add {back} dir in tmpl {back_ends} proto esp reqid {id} mode tunnel\n"
        )
    };
    let (there, back) = (format!("src {from}/32 dst {to}/32"), format!("src {to}/32 dst {from}/32"));
    tunnel.client.namespace.ip(&batch(
        &there,
        &back,
        &format!("src {client} dst {server}"),
        &format!("src {server} dst {client}"),
    ))?;
    // The server knows the client by the gateway's address alone.
    tunnel.server.namespace.ip(&batch(
        &back,
        &there,
        &format!("src {server} dst {GATEWAY_WAN}"),
        &format!("src {GATEWAY_WAN} dst {server}"),
    ))
}

fn associations(tunnel: &Tunnel<'_>, index: usize) -> Result<()> {
    let server = tunnel.server.address;
    let spis = [(); 2].map(|()| SPIS.fetch_add(1, Ordering::Relaxed));
    for (host, client) in [(tunnel.client, tunnel.client.address), (tunnel.server, GATEWAY_WAN)] {
        let ends = [(client, server), (server, client)];
        for ((source, destination), spi) in ends.into_iter().zip(spis) {
            host.namespace.ip(&format!(
                "xfrm state add src {source} dst {destination} proto esp spi {spi:#x} reqid {} mode tunnel \
                 aead rfc4106(gcm(aes)) {KEY} 128\n",
                index + 1
            ))?;
        }
    }
    Ok(())
}
