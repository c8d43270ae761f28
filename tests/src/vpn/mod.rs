//! VPN software that nobody here wrote, through the gateway: `cargo xtask vm-test`.
//!
//! A [`Scenario`] opens tunnels on a [`stage::Stage`]; [`play`] moves data through them, has them rekeyed, switches their
//! protocol off and on, and writes down what came of it.

pub mod daemon;
pub mod esp;
pub mod gre;
pub mod l2tp;
pub mod libreswan;
pub mod openvpn;
pub mod play;
pub mod ppp;
pub mod pptp;
pub mod report;
pub mod results;
pub mod stage;
pub mod strongswan;
pub mod tunnel;
pub mod wireguard;

use std::time::Duration;

use anyhow::Result;

use daemon::Folder;
use stage::Stage;
use tunnel::Open;

/// What opens tunnels: on this stage, with configurations and logs in this folder, from so many clients.
type Opens = for<'a> fn(&'a Stage, &Folder, usize, Duration) -> Result<Open<'a>>;
/// What rekeys them.
type Rekeys = fn(&Open<'_>, &Folder, Duration) -> Result<()>;

/// How many clients use one server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clients {
    /// One.
    One,
    /// As many as the run says: eight, if it says nothing.
    Many,
}

/// A piece of VPN software at both ends of the gateway.
#[derive(Debug)]
pub struct Scenario {
    /// Its name on the command line.
    pub name: &'static str,
    /// What it is, for the table.
    pub about: &'static str,
    /// The switches that end it; none for what always passes.
    pub switches: &'static str,
    /// From how many clients.
    pub clients: Clients,
    /// How tunnels are opened.
    pub open: Opens,
    /// How they are rekeyed, where that means anything.
    pub rekey: Option<Rekeys>,
}

use Clients::{Many, One};

/// All of them, in the order in which they are played.
pub const SCENARIOS: [Scenario; 15] = [
    Scenario {
        name: "pptp",
        about: "PPTP with MPPE, one client",
        switches: "pptp",
        clients: One,
        open: pptp::open,
        rekey: None,
    },
    Scenario {
        name: "pptp-many",
        about: "PPTP with MPPE, many clients",
        switches: "pptp",
        clients: Many,
        open: pptp::open,
        rekey: None,
    },
    Scenario {
        name: "esp",
        about: "ESP, SAs made by hand, one client",
        switches: "esp",
        clients: One,
        open: |stage, _, clients, patience| esp::open(stage, clients, patience),
        rekey: Some(|open, _, patience| esp::rekey(open, patience)),
    },
    Scenario {
        name: "esp-many",
        about: "ESP, SAs made by hand, many clients",
        switches: "esp",
        clients: Many,
        open: |stage, _, clients, patience| esp::open(stage, clients, patience),
        rekey: Some(|open, _, patience| esp::rekey(open, patience)),
    },
    Scenario {
        name: "ike-esp",
        about: "IKEv2 and ESP, no UDP around it, one client",
        switches: "ipsec",
        clients: One,
        open: libreswan::open,
        rekey: Some(|open, _, _| libreswan::rekey(open)),
    },
    Scenario {
        name: "ike-esp-many",
        about: "IKEv2 and ESP, no UDP around it, many clients",
        switches: "ipsec",
        clients: Many,
        open: libreswan::open,
        rekey: Some(|open, _, _| libreswan::rekey(open)),
    },
    Scenario {
        name: "nat-t",
        about: "IKEv2 and ESP in UDP, one client",
        switches: "ipsec",
        clients: One,
        open: strongswan::open,
        rekey: Some(|open, folder, _| strongswan::rekey(open, folder)),
    },
    Scenario {
        name: "nat-t-many",
        about: "IKEv2 and ESP in UDP, many clients",
        switches: "ipsec",
        clients: Many,
        open: strongswan::open,
        rekey: Some(|open, folder, _| strongswan::rekey(open, folder)),
    },
    Scenario {
        name: "l2tp",
        about: "L2TP from port 1701, one client",
        switches: "l2tp",
        clients: One,
        open: l2tp::open,
        rekey: None,
    },
    Scenario {
        name: "l2tp-many",
        about: "L2TP from port 1701, many clients",
        switches: "l2tp",
        clients: Many,
        open: l2tp::open,
        rekey: None,
    },
    Scenario {
        name: "gre",
        about: "GRE without a key, one client",
        switches: "gre",
        clients: One,
        open: |stage, _, clients, patience| gre::open(stage, false, clients, patience),
        rekey: None,
    },
    Scenario {
        name: "gre-key-many",
        about: "GRE with a key each, many clients",
        switches: "gre",
        clients: Many,
        open: |stage, _, clients, patience| gre::open(stage, true, clients, patience),
        rekey: None,
    },
    Scenario {
        name: "openvpn-udp",
        about: "OpenVPN over UDP",
        switches: "openvpn",
        clients: One,
        open: |stage, folder, _, patience| openvpn::open(stage, folder, "udp", patience),
        rekey: None,
    },
    Scenario {
        name: "openvpn-tcp",
        about: "OpenVPN over TCP",
        switches: "openvpn",
        clients: One,
        open: |stage, folder, _, patience| openvpn::open(stage, folder, "tcp", patience),
        rekey: None,
    },
    Scenario {
        name: "wireguard",
        about: "WireGuard, many clients",
        switches: "wireguard",
        clients: Many,
        open: wireguard::open,
        rekey: None,
    },
];
