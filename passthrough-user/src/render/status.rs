//! The state of the gateway at a glance.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    BAD, FAINT, GOOD, HEADING, NOTICE, Show, styled,
    table::{Align, Cell, Table},
};

/// The state.
#[derive(Clone, Debug, Serialize)]
pub struct Status {
    /// Whether a gateway is up.
    pub up: bool,
    /// Version of the tables' layout.
    pub abi_version: u32,
    /// Where the kernel objects are pinned.
    pub pins: String,
    /// The path that was asked for: `auto`, `xdp`, `tc` or `generic`.
    pub mode: &'static str,
    /// Interfaces.
    pub interfaces: Vec<InterfaceRow>,
    /// Outside addresses.
    pub pool: Vec<String>,
    /// Whether the outside addresses were given, not found.
    pub pool_fixed: bool,
    /// How inside hosts share them.
    pub pooling: Pooling,
    /// Who may send to a binding from outside: TCP, then the rest.
    pub filtering: [&'static str; 2],
    /// `keep` or `translate`.
    pub l2tp_port: &'static str,
    /// Whether sources that no public host has are dropped on WAN.
    pub drop_martians: bool,
    /// How many port forwards there are.
    pub forwards: usize,
    /// Switches, with the sessions of each class.
    pub switches: Vec<SwitchRow>,
    /// Sessions of classes without a switch.
    pub ordinary: Vec<CountRow>,
}

/// How inside hosts share outside addresses and ports.
#[derive(Clone, Debug, Serialize)]
pub struct Pooling {
    /// `paired` or `soft`.
    pub rule: &'static str,
    /// First and last port that may be handed out.
    pub ports: [u16; 2],
    /// Ports in the block of a host; 0 for none.
    pub port_block: u16,
    /// Hosts that have a block.
    pub subscribers: Vec<String>,
    /// `paired` or `each`.
    pub ipsec_addresses: &'static str,
}

/// An interface.
#[derive(Clone, Debug, Serialize)]
pub struct InterfaceRow {
    /// Name.
    pub name: String,
    /// Index.
    pub index: u32,
    /// `wan` or `lan`.
    pub side: &'static str,
    /// `ethernet` or `raw`.
    pub link: &'static str,
    /// Most bytes of an IP packet.
    pub mtu: u32,
    /// `xdp`, `xdp-generic`, `tc`, or `none` if no program is attached.
    pub path: &'static str,
    /// Whether other interfaces' packets towards it take the fast path, too.
    pub redirects_to: bool,
    /// Programs attached.
    pub programs: Vec<String>,
    /// Why there is no faster path, or what of XDP is missing.
    pub why: String,
}

/// A switch.
#[derive(Clone, Debug, Serialize)]
pub struct SwitchRow {
    /// Class, by name.
    pub protocol: &'static str,
    /// `off`, `plain` or `full`; `on` for classes that know only on and off.
    pub switch: &'static str,
    /// How often it has been switched off, modulo 256.
    pub generation: u8,
    /// Live sessions.
    pub sessions: u64,
}

/// Sessions of a class.
#[derive(Clone, Debug, Serialize)]
pub struct CountRow {
    /// Class, by name.
    pub protocol: &'static str,
    /// Live sessions.
    pub sessions: u64,
}

impl Show for Status {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(
            out,
            "passthrough is {}, tables version {}, pinned in {}",
            styled(GOOD, "up"),
            self.abi_version,
            self.pins
        )?;
        let origin = if self.pool_fixed { "given" } else { "of the WAN interface" };
        writeln!(out, "outside {} ({origin})", self.pool.join(", "))?;
        let Pooling { rule, ports, port_block, subscribers, ipsec_addresses } = &self.pooling;
        writeln!(out, "pooling {rule}; ports {}-{}; IPsec addresses: {ipsec_addresses}", ports[0], ports[1])?;
        if *port_block > 0 {
            writeln!(out, "blocks of {port_block} ports for {}", subscribers.join(", "))?;
        }
        writeln!(
            out,
            "filtering {} (TCP), {} (others); L2TP port: {}; martians {}",
            self.filtering[0],
            self.filtering[1],
            self.l2tp_port,
            if self.drop_martians { "dropped" } else { "let through: WAN has such an address itself" }
        )?;
        writeln!(out, "mode {}", self.mode)?;
        match self.forwards {
            0 => writeln!(out, "no port forwards")?,
            1 => writeln!(out, "1 port forward (`passthrough forward list`)")?,
            count => writeln!(out, "{count} port forwards (`passthrough forward list`)")?,
        }
        writeln!(out)?;
        let mut interfaces = Table::new(&[
            ("interface", Align::Left),
            ("side", Align::Left),
            ("link", Align::Left),
            ("mtu", Align::Right),
            ("path", Align::Left),
            ("why not xdp", Align::Left),
        ]);
        for row in &self.interfaces {
            let path =
                if row.path == "none" { Cell::styled(BAD, "none") } else { Cell::styled(GOOD, row.path) };
            interfaces.row(vec![
                row.name.as_str().into(),
                row.side.into(),
                row.link.into(),
                row.mtu.to_string().into(),
                path,
                Cell::styled(FAINT, row.why.as_str()),
            ]);
        }
        interfaces.write(out)?;
        writeln!(out)?;
        let mut switches =
            Table::new(&[("protocol", Align::Left), ("switch", Align::Left), ("sessions", Align::Right)]);
        for row in &self.switches {
            let style = match row.switch {
                "off" => BAD,
                "plain" => NOTICE,
                _ => GOOD,
            };
            switches.row(vec![
                row.protocol.into(),
                Cell::styled(style, row.switch),
                row.sessions.to_string().into(),
            ]);
        }
        for row in &self.ordinary {
            switches.row(vec![
                row.protocol.into(),
                Cell::styled(HEADING, "-"),
                row.sessions.to_string().into(),
            ]);
        }
        switches.write(out)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plain;

    #[test]
    fn status_shows_interfaces_and_switches() {
        let status = Status {
            up: true,
            abi_version: 2,
            pins: "/sys/fs/bpf/passthrough".into(),
            mode: "auto",
            interfaces: vec![InterfaceRow {
                name: "wan0".into(),
                index: 2,
                side: "wan",
                link: "ethernet",
                mtu: 1500,
                path: "tc",
                redirects_to: false,
                programs: vec!["wan_egress".into()],
                why: "its driver has no native XDP".into(),
            }],
            pool: vec!["5.6.7.8".into()],
            pool_fixed: false,
            pooling: Pooling {
                rule: "paired",
                ports: [1024, 65535],
                port_block: 1008,
                subscribers: vec!["10.0.0.0/26".into()],
                ipsec_addresses: "paired",
            },
            filtering: ["address-and-port"; 2],
            l2tp_port: "translate",
            drop_martians: true,
            forwards: 2,
            switches: vec![SwitchRow { protocol: "pptp", switch: "full", generation: 0, sessions: 4 }],
            ordinary: vec![CountRow { protocol: "tcp", sessions: 9 }],
        };
        let text = plain(&status);
        assert!(
            text.contains("wan0       wan   ethernet  1500  tc    its driver has no native XDP"),
            "{text}"
        );
        assert!(text.contains("pptp      full           4"), "{text}");
        assert!(text.contains("2 port forwards"), "{text}");
        assert!(text.contains("pooling paired; ports 1024-65535; IPsec addresses: paired"), "{text}");
        assert!(text.contains("blocks of 1008 ports for 10.0.0.0/26"), "{text}");
        let json = serde_json::to_value(&status).expect("JSON");
        assert_eq!(json["switches"][0]["switch"], "full");
        assert_eq!(json["interfaces"][0]["path"], "tc");
    }
}
