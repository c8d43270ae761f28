//! L2TP: xl2tpd at both ends, from source port 1701.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    ppp::{self, Called, SECRETS},
    stage::Stage,
    strongswan,
    tunnel::Open,
};
use crate::lab::Host;

/// The server's address in every tunnel.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 8, 0, 1);

/// Tunnels from so many clients to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let mut open = Open::default();
    call_all(&mut open, stage, folder, clients, patience)?;
    Ok(open)
}

/// The same to a server that drops what does not come from port 1701.
pub fn open_insisting<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    stage.insist("udp dport 1701 udp sport != 1701")?;
    open(stage, folder, clients, patience)
}

/// The same in IPsec, as RFC 3193 has it: a security association for UDP port 1701 alone comes first.
pub fn open_protected<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let mut open = strongswan::protect_l2tp(stage, &folder.below("ipsec")?, clients, patience)?;
    call_all(&mut open, stage, folder, clients, patience)?;
    Ok(open)
}

fn call_all<'a>(
    open: &mut Open<'a>,
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<()> {
    let server = &stage.lab.s;
    let mut daemon = serve(&folder.below("S")?, server)?;
    daemon.wait_for_port(server, "-u", 1701, patience)?;
    open.daemons.push(daemon);
    let called = Called { server, address: server.address, inner: SERVER, unit: 0 };
    ppp::call(open, folder, stage.clients(clients), called, patience, dial)
}

/// What both ends' pppd gets.
fn options(folder: &Folder, more: &str) -> Result<String> {
    folder.write("ppp/chap-secrets", SECRETS)?;
    folder.write("ppp/options", "")?;
    let log = folder.path("pppd.log");
    folder.write(
        "ppp/options.l2tp",
        &format!("nobsdcomp\nnodeflate\nnoccp\nnoipv6\nnodefaultroute\nmtu 1400\nmru 1400\ndebug\nlogfile {log}\n{more}"),
    )
}

fn serve(folder: &Folder, host: &Host) -> Result<Daemon> {
    let options = options(folder, "name l2tpd\nrequire-mschap-v2\nms-dns 10.8.0.1\n")?;
    let configuration = folder.write(
        "xl2tpd.conf",
        &format!(
            "[global]\nport = 1701\nforce userspace = yes\n[lns default]\nip range = 10.8.0.10-10.8.0.90\nlocal ip = {SERVER}\n\
             require chap = yes\nrefuse pap = yes\nname = l2tpd\npppoptfile = {options}\nlength bit = yes\n"
        ),
    )?;
    run(folder, host, &configuration)
}

fn dial(folder: &Folder, client: &Host, called: Called<'_>) -> Result<Daemon> {
    let server = called.address;
    let options = options(folder, "noauth\nuser vpn\nremotename l2tpd\n")?;
    let configuration = folder.write(
        "xl2tpd.conf",
        &format!(
            "[global]\nport = 1701\nforce userspace = yes\n[lac vpn]\nlns = {server}\nautodial = yes\nredial = yes\nredial timeout = 5\n\
             pppoptfile = {options}\nlength bit = yes\n"
        ),
    )?;
    run(folder, client, &configuration)
}

fn run(folder: &Folder, host: &Host, configuration: &str) -> Result<Daemon> {
    let words = ["-D", "-c", configuration, "-p", "/run/xl2tpd/pid", "-C", "/run/xl2tpd/control"];
    folder.start(&host.namespace, "xl2tpd", &words)
}
