//! PPTP: pptp-linux (pppd) to pptpd, MS-CHAPv2 and MPPE with 128 bits.

use std::{iter, net::Ipv4Addr, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    ppp::{self, Called, SECRETS},
    stage::Stage,
    tunnel::Open,
};
use crate::lab::{GATEWAY_WAN, Host};

/// Calls from so many clients to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let mut open = Open::default();
    let called = serve(&mut open, folder, &stage.lab.s, 0, patience)?;
    ppp::call(&mut open, folder, stage.clients(clients), called, patience, dial)?;
    Ok(open)
}

/// The same, and each client calls server T as well.
pub fn open_two<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let mut open = open(stage, folder, clients, patience)?;
    let called = serve(&mut open, folder, &stage.lab.t, 1, patience)?;
    ppp::call(&mut open, folder, stage.clients(clients), called, patience, dial)?;
    Ok(open)
}

/// Calls that all end while they carry data, and are made again at once: the server's ends of the first may still be there.
pub fn open_again<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let mut open = Open::default();
    let called = serve(&mut open, folder, &stage.lab.s, 0, patience)?;
    let call = |open: &mut Open<'a>| ppp::call(open, folder, stage.clients(clients), called, patience, dial);
    call(&mut open)?;
    open.assert_work(patience)?;
    open.daemons.truncate(1);
    open.tunnels.clear();
    call(&mut open)?;
    Ok(open)
}

/// A call from server S to the gateway's outside address, where a port forward takes it to client A.
pub fn open_inside<'a>(stage: &'a Stage, folder: &Folder, _: usize, patience: Duration) -> Result<Open<'a>> {
    let mut open = Open::default();
    let inside = &stage.lab.clients[0];
    stage.forward(1723, inside.address)?;
    let called = serve(&mut open, folder, inside, 0, patience)?;
    let called = Called { address: GATEWAY_WAN, ..called };
    ppp::call(&mut open, folder, [&stage.lab.s], called, patience, dial)?;
    Ok(open)
}

/// Calls from the gateway itself and from clients, to the same server.
pub fn open_beside<'a>(
    stage: &'a Stage,
    folder: &Folder,
    clients: usize,
    patience: Duration,
) -> Result<Open<'a>> {
    let mut open = Open::default();
    let called = serve(&mut open, folder, &stage.lab.s, 0, patience)?;
    let callers = iter::once(&stage.lab.gateway).chain(stage.clients(clients));
    ppp::call(&mut open, folder, callers, called, patience, dial)?;
    Ok(open)
}

/// Starts a server on a host, whose inner addresses are 10.9.`unit`.0/24.
fn serve<'a>(
    open: &mut Open<'a>,
    folder: &Folder,
    server: &'a Host,
    unit: u8,
    patience: Duration,
) -> Result<Called<'a>> {
    let folder = folder.below(&format!("{}-serves", server.name))?;
    let inner = Ipv4Addr::new(10, 9, unit, 1);
    folder.write("ppp/chap-secrets", SECRETS)?;
    folder.write("ppp/options", "")?;
    let options = folder.write(
        "ppp/options.pptpd",
        &format!(
            "name pptpd\nrefuse-pap\nrefuse-chap\nrefuse-mschap\nrequire-mschap-v2\nrequire-mppe-128\n\
             nobsdcomp\nnodeflate\nnoipv6\nmtu 1400\nmru 1400\ndebug\nlogfile {}\n",
            folder.path("pppd.log")
        ),
    )?;
    let configuration = folder.write(
        "pptpd.conf",
        &format!("option {options}\nlocalip {inner}\nremoteip 10.9.{unit}.10-90\nconnections 64\n"),
    )?;
    let mut daemon = folder.start(&server.namespace, "pptpd", &["--fg", "--conf", &configuration])?;
    daemon.wait_for_port(server, "-t", 1723, patience)?;
    open.daemons.push(daemon);
    Ok(Called { server, address: server.address, inner, unit })
}

fn dial(folder: &Folder, client: &Host, called: Called<'_>) -> Result<Daemon> {
    folder.write("ppp/chap-secrets", SECRETS)?;
    folder.write("ppp/options", "")?;
    let (unit, dial) = (
        called.unit.to_string(),
        format!("pptp {} --nolaunchpppd --nohostroute --loglevel 2", called.address),
    );
    let words = "nodetach noauth nodefaultroute user vpn remotename pptpd require-mppe-128 refuse-eap refuse-pap \
                 refuse-chap nobsdcomp nodeflate noipv6 mtu 1400 mru 1400 debug logfd 2 unit";
    let mut arguments: Vec<&str> = words.split_whitespace().collect();
    arguments.extend([&unit, "pty", &dial]);
    folder.start(&client.namespace, "pppd", &arguments)
}
