//! IKEv2 by libreswan (pluto) without NAT detection, and so ESP as such: `encapsulation=no`.

use std::{fmt::Write as _, time::Duration};

use anyhow::{Context, Result};

use super::{
    daemon::{Daemon, Folder},
    esp::add_inner,
    stage::{INNER_SERVER, Stage, inner},
    tunnel::{Open, Tunnel},
};
use crate::{lab::Host, wait};

/// Tunnels by IKEv2 from so many clients to server S: all are begun before any is waited for.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    open_by("ikev2=insist", stage, folder, clients, patience)
}

/// The same by IKEv1.
pub fn open_version_1<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    open_by("ikev2=no", stage, folder, clients, patience)
}

fn open_by<'a>(
    version: &str,
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let clients = stage.clients(clients);
    let mut open = Open::default();
    add_inner(server, INNER_SERVER)?;
    let mut connections = String::new();
    for (index, client) in clients.iter().enumerate() {
        let (name, from) = (&client.name, inner(index));
        write!(
            connections,
            "conn {name}\n left={}\n leftid=@S\n leftsubnet={INNER_SERVER}/32\n right=%any\n rightid=@{name}\n rightsubnet={from}/32\n {version}\n{SHARED}\n",
            server.address
        )?;
    }
    open.daemons.push(start(server, &folder.below("S")?, &connections, patience)?);
    for (index, client) in clients.iter().enumerate() {
        let (name, from) = (&client.name, inner(index));
        add_inner(client, from)?;
        let connection = format!(
            "conn {name}\n left={}\n leftid=@{name}\n leftsubnet={from}/32\n right={}\n rightid=@S\n rightsubnet={INNER_SERVER}/32\n {version}\n{SHARED}\n",
            client.address, server.address
        );
        open.daemons.push(start(client, &folder.below(name)?, &connection, patience)?);
        open.tunnels.push(Tunnel { client, server, from, to: INNER_SERVER });
    }
    for client in clients {
        whack(client, &["--name", &client.name, "--initiate", "--asynchronous"])?;
    }
    for tunnel in &open.tunnels {
        let name = &tunnel.client.name;
        let up = || whack(tunnel.client, &["--trafficstatus"]).is_ok_and(|told| told.contains("ESP"));
        wait::until(patience, "libreswan to have its child SA", up)
            .with_context(|| format!("client {name}: {}", last_words(folder, name)))?;
    }
    Ok(open)
}

/// Every client rekeys its IKE SA and its child SA, and then the server both of each.
pub fn rekey(open: &Open<'_>, _: &Folder, _: Duration) -> Result<()> {
    for tunnel in &open.tunnels {
        let name = &tunnel.client.name;
        for host in [tunnel.client, tunnel.server] {
            for what in ["--rekey-ike", "--rekey-ipsec"] {
                whack(host, &[what, "--name", name])
                    .with_context(|| format!("{} could not rekey client {name}'s tunnel", host.name))?;
            }
        }
    }
    Ok(())
}

/// What all connections have in common.
const SHARED: &str = " authby=secret\n encapsulation=no\n type=tunnel\n auto=ignore\n ike=aes128-sha2_256-dh19\n \
                      esp=aes_gcm128-null\n dpddelay=0\n leftupdown=%disabled\n";

fn start(host: &Host, folder: &Folder, connections: &str, patience: Duration) -> Result<Daemon> {
    let settings = folder.write(
        "ipsec.conf",
        &format!("config setup\n uniqueids=no\n ikev1-policy=accept\n\n{connections}"),
    )?;
    let secrets = folder.write("ipsec.secrets", ": PSK \"a secret of the lab that is long enough\"\n")?;
    let run = run_folder(host);
    let _ = std::fs::remove_dir_all(&run);
    std::fs::create_dir_all(format!("{run}/nss")).with_context(|| format!("could not make {run}"))?;
    let base = format!("sql:{run}/nss");
    host.namespace.run("certutil", &["-N", "-d", &base, "--empty-password"])?;
    let (nss, log) = (format!("{run}/nss"), folder.path("log"));
    let words = [
        "--nofork",
        "--config",
        &settings,
        "--secretsfile",
        &secrets,
        "--rundir",
        &run,
        "--nssdir",
        &nss,
        "--logfile",
        &log,
    ];
    let daemon = folder.start(&host.namespace, "/usr/libexec/ipsec/pluto", &words)?;
    wait::until(patience, "libreswan to listen", || std::path::Path::new(&control(host)).exists())?;
    let names = connections.lines().filter_map(|line| line.strip_prefix("conn "));
    for name in names {
        let words = ["--config", &settings, "--ctlsocket", &control(host), name];
        host.namespace.run("/usr/libexec/ipsec/addconn", &words)?;
    }
    whack(host, &["--rereadsecrets"])?;
    whack(host, &["--listen"])?;
    Ok(daemon)
}

fn run_folder(host: &Host) -> String {
    format!("/tmp/pluto-{}", host.namespace.name())
}

fn control(host: &Host) -> String {
    format!("{}/pluto.ctl", run_folder(host))
}

fn whack(host: &Host, words: &[&str]) -> Result<String> {
    let control = control(host);
    host.namespace.run("/usr/libexec/ipsec/whack", &[&["--ctlsocket", control.as_str()][..], words].concat())
}

fn last_words(folder: &Folder, name: &str) -> String {
    let log = std::fs::read_to_string(folder.path(&format!("{name}/log"))).unwrap_or_default();
    let lines: Vec<_> = log.lines().collect();
    lines[lines.len().saturating_sub(3)..].join("; ")
}
