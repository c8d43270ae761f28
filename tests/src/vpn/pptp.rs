//! PPTP: pptp-linux (pppd) to pptpd, MS-CHAPv2 and MPPE with 128 bits.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Result;

use super::{
    daemon::{Daemon, Folder},
    ppp::{self, SECRETS},
    stage::Stage,
    tunnel::Open,
};
use crate::lab::Host;

/// The server's address in every call.
const SERVER: Ipv4Addr = Ipv4Addr::new(10, 9, 0, 1);

/// Calls from so many clients to server S.
pub fn open<'a>(stage: &'a Stage, folder: &Folder, clients: usize, patience: Duration) -> Result<Open<'a>> {
    let server = &stage.lab.s;
    let mut daemon = serve(&folder.below("S")?, server)?;
    daemon.wait_for_port(server, "-t", 1723, patience)?;
    ppp::open(stage, folder, clients, patience, (daemon, SERVER), call)
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
