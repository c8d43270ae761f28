//! PPTP: pptp-linux (pppd) to pptpd, MS-CHAPv2 and MPPE with 128 bits.

use std::{net::Ipv4Addr, thread, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    stage::Stage,
    tunnel::{Open, Tunnel, address_of},
};
use crate::lab::Host;

/// The server's address in every call.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);
/// What both ends of a call know.
pub const SECRETS: &str = "vpn * secret *\n";

/// Calls from so many clients to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut daemon = serve(&folder.below("S")?, server)?;
    daemon.wait_for_port(server, "-t", 1723, patience)?;
    let mut open = Open { daemons: vec![daemon], ..Open::default() };
    let calls: Vec<_> = thread::scope(|scope| {
        let calls = stage.clients(clients).iter().map(|client| {
            scope.spawn(move || -> Result<_> {
                let mut daemon = call(&folder.below(&client.name)?, client, server.address)?;
                let from = address_of(client, "ppp0", &mut daemon, patience)?;
                Ok((daemon, Tunnel { client, server, from, to: SERVER }))
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

fn serve(folder: &Folder, host: &Host) -> Result<Daemon> {
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
        &format!("option {options}\nlocalip {SERVER}\nremoteip 10.9.0.10-90\nconnections 64\n"),
    )?;
    folder.start(&host.namespace, "pptpd", &["--fg", "--conf", &configuration])
}

fn call(folder: &Folder, client: &Host, server: Ipv4Addr) -> Result<Daemon> {
    folder.write("ppp/chap-secrets", SECRETS)?;
    folder.write("ppp/options", "")?;
    let dial = format!("pptp {server} --nolaunchpppd --nohostroute --loglevel 2");
    let words = "nodetach noauth nodefaultroute user vpn remotename pptpd require-mppe-128 refuse-eap refuse-pap \
                 refuse-chap nobsdcomp nodeflate noipv6 mtu 1400 mru 1400 debug logfd 2 pty";
    let mut arguments: Vec<&str> = words.split_whitespace().collect();
    arguments.push(&dial);
    folder.start(&client.namespace, "pppd", &arguments)
}
