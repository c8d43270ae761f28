//! OpenVPN over UDP and over TCP, with certificates that both ends know by their fingerprints.

use std::time::Duration;

use anyhow::{Context, Result};

use super::{
    daemon::{Daemon, Folder},
    stage::Stage,
    tunnel::{Open, Tunnel, address_of},
};
use crate::lab::Host;

/// A tunnel of one client to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, protocol: &str, patience: Duration) -> Result<Open<'a>> {
    let (client, server) = (&stage.lab.clients[0], &stage.lab.s);
    let (near, far) = (folder.below(&client.name)?, folder.below("S")?);
    let (near_print, far_print) = (certificate(client, &near)?, certificate(server, &far)?);
    let mut open = Open::default();
    let listen = format!("proto {protocol}-server\ntls-server\ndh none\nifconfig 10.10.0.1 10.10.0.2\n");
    open.daemons.push(start(server, &far, &near_print, &listen)?);
    let dial = format!(
        "proto {protocol}-client\ntls-client\nremote {}\nconnect-retry 1 2\nifconfig 10.10.0.2 10.10.0.1\n",
        server.address
    );
    let mut daemon = start(client, &near, &far_print, &dial)?;
    let from = address_of(client, "tun0", &mut daemon, patience)?;
    open.daemons.push(daemon);
    let to = [10, 10, 0, 1].into();
    let tunnel = Tunnel { client, server, from, to };
    tunnel.ping(patience)?;
    open.tunnels.push(tunnel);
    Ok(open)
}

fn start(host: &Host, folder: &Folder, peer: &str, words: &str) -> Result<Daemon> {
    let words = words.replace("proto udp-server", "proto udp").replace("proto udp-client", "proto udp");
    let configuration = folder.write(
        "openvpn.conf",
        &format!(
            "dev tun0\ndev-type tun\ntopology p2p\nport 1194\nnobind\nping 5\nverb 3\ncert {}\nkey {}\n\
             peer-fingerprint {peer}\n{words}",
            folder.path("certificate"),
            folder.path("key")
        )
        .replace("nobind\n", if words.contains("tls-server") { "" } else { "nobind\n" }),
    )?;
    folder.start(&host.namespace, "openvpn", &["--config", &configuration])
}

/// Makes a key and a certificate that signs itself; gives its fingerprint.
fn certificate(host: &Host, folder: &Folder) -> Result<String> {
    let (key, certificate) = (folder.path("key"), folder.path("certificate"));
    let make =
        "req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -sha256 -days 30 -subj /CN=lab";
    let make: Vec<&str> = make.split_whitespace().chain(["-keyout", &key, "-out", &certificate]).collect();
    host.namespace.run("openssl", &make)?;
    let print = ["x509", "-fingerprint", "-sha256", "-noout", "-in", &certificate];
    let shown = host.namespace.run("openssl", &print)?;
    Ok(shown.trim().split_once('=').context("openssl shows no fingerprint")?.1.to_owned())
}
