//! IKEv2 by strongSwan (charon-systemd, swanctl), which finds the NAT and puts ESP into UDP (RFC 3948).

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};

use super::{
    daemon::{Daemon, Folder},
    esp::add_inner,
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::{lab::Host, wait};

/// Tunnels from so many clients to server S, all begun at once.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut open = Open::default();
    add_inner(server, INNER_SERVER)?;
    let ends = format!("local_addrs = {}\n remote_addrs = %any\n", server.address);
    let children = format!("local_ts = {INNER_SERVER}/32\n remote_ts = 10.77.0.0/16\n mode = tunnel\n");
    open.daemons.push(start(server, &folder.below("S")?, &ends, &children, patience)?);
    for (index, client) in stage.clients(clients).iter().enumerate() {
        let from = inner(index);
        add_inner(client, from)?;
        let ends = format!("local_addrs = {}\n remote_addrs = {}\n", client.address, server.address);
        let children = format!("local_ts = {from}/32\n remote_ts = {INNER_SERVER}/32\n mode = tunnel\n");
        let below = folder.below(&client.name)?;
        open.daemons.push(start(client, &below, &ends, &children, patience)?);
        open.tunnels.push(Tunnel { client, server, from, to: INNER_SERVER });
    }
    for tunnel in &open.tunnels {
        let below = folder.below(&tunnel.client.name)?;
        let seconds = patience.as_secs().to_string();
        swanctl(tunnel.client, &below, &["--initiate", "--child", "net", "--timeout", &seconds])
            .with_context(|| format!("client {} could not initiate", tunnel.client.name))?;
    }
    Ok(open)
}

/// Every client rekeys its IKE SA and its child SA.
pub fn rekey(open: &Open<'_>, folder: &Folder) -> Result<()> {
    for tunnel in &open.tunnels {
        let below = folder.below(&tunnel.client.name)?;
        for what in [["--rekey", "--ike", "vpn"], ["--rekey", "--child", "net"]] {
            swanctl(tunnel.client, &below, &what)
                .with_context(|| format!("client {} could not rekey", tunnel.client.name))?;
        }
    }
    Ok(())
}

fn start(host: &Host, folder: &Folder, ends: &str, child: &str, patience: Duration) -> Result<Daemon> {
    let id = |address: Ipv4Addr| format!("{address}@vpn");
    folder.write(
        "swanctl.conf",
        &format!(
            "connections {{ vpn {{ version = 2\n {ends} proposals = aes128-sha256-ecp256\n unique = never\n mobike = no\n\
             local {{ auth = psk\n id = {own} }}\n remote {{ auth = psk }}\n\
             children {{ net {{ {child} esp_proposals = aes128-sha256\n }} }} }} }}\n\
             secrets {{ ike-any {{ secret = \"of the lab\" }} }}\n",
            own = id(host.address)
        ),
    )?;
    let settings = folder.write(
        "strongswan.conf",
        &format!(
            "charon-systemd {{ load = random nonce openssl aes sha1 sha2 hmac kdf gmp pem pkcs1 x509 kernel-netlink \
             socket-default updown vici\n install_routes = no\n\
             plugins {{ vici {{ socket = unix://{socket} }} }}\n\
             filelog {{ log {{ path = {log}\n default = 1\n ike = 2\n flush_line = yes }} }} }}\n",
            socket = socket(host),
            log = folder.path("charon.log"),
        ),
    )?;
    let _ = std::fs::remove_file(socket(host));
    let daemon =
        folder.start_with(&host.namespace, "charon-systemd", &[], &[("STRONGSWAN_CONF", &settings)])?;
    wait::until(patience, "strongSwan to listen", || std::path::Path::new(&socket(host)).exists())?;
    let file = folder.path("swanctl.conf");
    swanctl(host, folder, &["--load-all", "--file", &file])?;
    Ok(daemon)
}

/// Where its own commands reach it; `/run` is the daemon's alone.
fn socket(host: &Host) -> String {
    format!("/tmp/vici-{}", host.namespace.name())
}

fn swanctl(host: &Host, folder: &Folder, words: &[&str]) -> Result<()> {
    let (command, rest) = words.split_first().context("no command for swanctl")?;
    let socket = format!("unix://{}", socket(host));
    let settings = format!("STRONGSWAN_CONF={}", folder.path("strongswan.conf"));
    let words = [&[settings.as_str(), "swanctl", command, "--uri", &socket][..], rest].concat();
    host.namespace.run("env", &words).map(drop)
}
