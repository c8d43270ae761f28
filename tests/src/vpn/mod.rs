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
pub mod wan;
pub mod wireguard;

use std::time::Duration;

use anyhow::Result;

use daemon::Folder;
use stage::Stage;
use tunnel::Open;
use wan::Wan;

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
    /// What the gateway reaches the internet by.
    pub wan: Wan,
    /// Whether the gateway lets L2TP keep its source port.
    pub keep_1701: bool,
    /// How tunnels are opened.
    pub open: Opens,
    /// How they are rekeyed, where that means anything.
    pub rekey: Option<Rekeys>,
}

impl Scenario {
    /// From one client, by Ethernet, without rekeys.
    const fn one(name: &'static str, about: &'static str, switches: &'static str, open: Opens) -> Scenario {
        Scenario {
            name,
            about,
            switches,
            clients: Clients::One,
            wan: Wan::Ethernet,
            keep_1701: true,
            open,
            rekey: None,
        }
    }

    /// From many.
    const fn many(name: &'static str, about: &'static str, switches: &'static str, open: Opens) -> Scenario {
        Scenario { clients: Clients::Many, ..Scenario::one(name, about, switches, open) }
    }

    /// With rekeys.
    const fn rekeyed(self, rekey: Rekeys) -> Scenario {
        Scenario { rekey: Some(rekey), ..self }
    }

    /// By another link than Ethernet.
    const fn by(self, wan: Wan) -> Scenario {
        Scenario { wan, ..self }
    }

    /// With L2TP's port translated as any other.
    const fn translated(self) -> Scenario {
        Scenario { keep_1701: false, ..self }
    }
}

/// All of them, in the order in which they are played; those of one link beside each other.
pub const SCENARIOS: [Scenario; 27] = [
    Scenario::one("pptp", "PPTP with MPPE, one client", "pptp", pptp::open),
    Scenario::many("pptp-many", "PPTP with MPPE, many clients", "pptp", pptp::open),
    Scenario::many("pptp-two", "PPTP with MPPE, many clients to two servers each", "pptp", pptp::open_two),
    Scenario::many("pptp-again", "PPTP again, after clients died in their calls", "pptp", pptp::open_again),
    Scenario::one("pptp-inside", "PPTP to a server inside, by a port forward", "pptp", pptp::open_inside),
    Scenario::one("pptp-gateway", "PPTP of the gateway itself beside a client's", "pptp", pptp::open_beside),
    Scenario::one("esp", "ESP, SAs made by hand, one client", "esp", ESP).rekeyed(ESP_REKEY),
    Scenario::many("esp-many", "ESP, SAs made by hand, many clients", "esp", ESP).rekeyed(ESP_REKEY),
    Scenario::one("ike-esp", "IKEv2 and ESP, no UDP around it, one client", "ipsec", libreswan::open)
        .rekeyed(libreswan::rekey),
    Scenario::many("ike-esp-many", "IKEv2 and ESP, no UDP around it, many clients", "ipsec", libreswan::open)
        .rekeyed(libreswan::rekey),
    Scenario::one(
        "ike1-esp",
        "IKEv1 and ESP, no UDP around it, one client",
        "ipsec",
        libreswan::open_version_1,
    )
    .rekeyed(libreswan::rekey),
    Scenario::many(
        "ike1-esp-many",
        "IKEv1 and ESP, no UDP around it, many clients",
        "ipsec",
        libreswan::open_version_1,
    )
    .rekeyed(libreswan::rekey),
    Scenario::one("nat-t", "IKEv2 and ESP in UDP, one client", "ipsec", strongswan::open)
        .rekeyed(strongswan::rekey),
    Scenario::many("nat-t-many", "IKEv2 and ESP in UDP, many clients", "ipsec", strongswan::open)
        .rekeyed(strongswan::rekey),
    Scenario::one("l2tp", "L2TP from port 1701, one client", "l2tp", l2tp::open),
    Scenario::many("l2tp-many", "L2TP from port 1701, many clients", "l2tp", l2tp::open),
    Scenario::many(
        "l2tp-1701",
        "L2TP, many clients, to a server that takes port 1701 alone",
        "l2tp",
        l2tp::open_insisting,
    ),
    Scenario::one(
        "l2tp-ipsec",
        "L2TP in IPsec (IKEv1, transport mode, in UDP)",
        "ipsec",
        l2tp::open_protected,
    ),
    Scenario::one("gre", "GRE without a key, one client", "gre", |stage, _, clients, patience| {
        gre::open(stage, false, clients, patience)
    }),
    Scenario::many(
        "gre-key-many",
        "GRE with a key each, many clients",
        "gre",
        |stage, _, clients, patience| gre::open(stage, true, clients, patience),
    ),
    Scenario::one("openvpn-udp", "OpenVPN over UDP", "openvpn", |stage, folder, _, patience| {
        openvpn::open(stage, folder, "udp", patience)
    }),
    Scenario::one("openvpn-tcp", "OpenVPN over TCP", "openvpn", |stage, folder, _, patience| {
        openvpn::open(stage, folder, "tcp", patience)
    }),
    Scenario::many("wireguard", "WireGuard, many clients", "wireguard", wireguard::open),
    Scenario::many("l2tp-ports", "L2TP, many clients, each from a port of its own", "l2tp", l2tp::open)
        .translated(),
    Scenario::many("pptp-vlan", "PPTP, many clients, WAN and LAN by VLANs", "pptp", pptp::open).by(Wan::Vlan),
    Scenario::many("pptp-pppoe", "PPTP, many clients, by PPPoE", "pptp", pptp::open).by(Wan::Pppoe),
    Scenario::many("ike-esp-pppoe", "IKEv2 and ESP, many clients, by PPPoE", "ipsec", libreswan::open)
        .by(Wan::Pppoe),
];

const ESP: Opens = |stage, _, clients, patience| esp::open(stage, clients, patience);
const ESP_REKEY: Rekeys = |open, _, patience| esp::rekey(open, patience);
