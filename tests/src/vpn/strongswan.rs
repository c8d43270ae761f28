//! IKE by strongSwan (charon-systemd, swanctl), which finds the NAT and puts ESP into UDP (RFC 3948).

use std::{net::Ipv4Addr, time::Duration};

use anyhow::{Context, Result};

use super::{
    daemon::{Daemon, Folder},
    esp::add_inner,
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::{lab::Host, wait};

/// Tunnels by IKEv2 from so many clients to server S, all begun at once.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut open = Open::default();
    add_inner(server, INNER_SERVER)?;
    let child = format!("local_ts = {INNER_SERVER}/32\n remote_ts = 10.77.0.0/16\n mode = tunnel\n");
    open.daemons.push(start(server, &folder.below("S")?, 2, None, &child, patience)?);
    for (index, client) in stage.clients(clients).iter().enumerate() {
        let from = inner(index);
        add_inner(client, from)?;
        let child = format!("local_ts = {from}/32\n remote_ts = {INNER_SERVER}/32\n mode = tunnel\n");
        open.daemons.push(start(client, &folder.below(&client.name)?, 2, Some(server), &child, patience)?);
        open.tunnels.push(Tunnel { client, server, from, to: INNER_SERVER });
    }
    initiate(stage.clients(clients), folder, patience)?;
    Ok(open)
}

/// Associations by IKEv1 between so many clients and server S, in transport mode, for L2TP alone; no tunnel yet.
pub fn protect_l2tp<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let child = "local_ts = dynamic[udp/1701]\n remote_ts = dynamic[udp/1701]\n mode = transport\n";
    let mut open = Open::default();
    open.daemons.push(start(server, &folder.below("S")?, 1, None, child, patience)?);
    for client in stage.clients(clients) {
        open.daemons.push(start(client, &folder.below(&client.name)?, 1, Some(server), child, patience)?);
    }
    initiate(stage.clients(clients), folder, patience)?;
    Ok(open)
}

fn initiate(clients: &[Host], folder: &Folder, patience: Duration) -> Result<()> {
    let seconds = patience.as_secs().to_string();
    for client in clients {
        let below = folder.below(&client.name)?;
        swanctl(client, &below, &["--initiate", "--child", "net", "--timeout", &seconds])
            .with_context(|| format!("client {} could not initiate", client.name))?;
    }
    Ok(())
}

/// Every client rekeys its IKE SA and its child SA, and then the server all of them.
pub fn rekey(open: &Open<'_>, folder: &Folder, _: Duration) -> Result<()> {
    let server = open.tunnels.first().map(|tunnel| tunnel.server);
    for host in open.tunnels.iter().map(|tunnel| tunnel.client).chain(server) {
        let below = folder.below(&host.name)?;
        for what in [["--rekey", "--ike", "vpn"], ["--rekey", "--child", "net"]] {
            swanctl(host, &below, &what).with_context(|| format!("{} could not rekey", host.name))?;
        }
    }
    Ok(())
}

/// Starts a daemon that speaks this version of IKE, to a server or, without one, as a server.
fn start(
    host: &Host,
    folder: &Folder,
    version: u8,
    server: Option<&Host>,
    child: &str,
    patience: Duration,
) -> Result<Daemon> {
    let remote = server.map_or("%any".to_owned(), |server| server.address.to_string());
    let id = |address: Ipv4Addr| format!("{address}@vpn");
    folder.write(
        "swanctl.conf",
        &format!(
            "connections {{ vpn {{ version = {version}\n local_addrs = {}\n remote_addrs = {remote}\n proposals = aes128-sha256-ecp256\n unique = never\n mobike = no\n\
             local {{ auth = psk\n id = {own} }}\n remote {{ auth = psk }}\n\
             children {{ net {{ {child} esp_proposals = aes128-sha256\n }} }} }} }}\n\
             secrets {{ ike-any {{ secret = \"of the lab\" }} }}\n",
            host.address,
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
