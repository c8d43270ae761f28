//! `passthrough status`.

use clap::Args;
use passthrough_common::abi::{
    Class, Filtering, Link, Settings, Side, Switch, names::program, settings::option,
};

use super::{Global, Outcome};
use crate::{
    config::Network,
    control::{follow, network, now},
    loader::{Pins, attach},
    render::{self, status},
    tables::{Tables, sessions::pairs},
};

/// Show interfaces, outside addresses, switches and how many sessions each protocol has
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough status\n  passthrough status --json")]
pub struct Status {}

/// Why no interface has the fast path.
const WHY_NOT_XDP: &str = "no XDP program in this version";

impl Status {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let tables = global.tables()?;
        let network = network::read()?;
        render::show(&status(&tables, &network)?, global.json)?;
        Ok(Outcome::Fine)
    }
}

fn status(tables: &Tables, network: &Network) -> anyhow::Result<status::Status> {
    let settings = tables.settings()?;
    let pairs = pairs(&tables.sessions()?, &settings, now());
    let count = |class: Class| pairs.iter().filter(|pair| pair.class() == class).count() as u64;
    let filtering = |protocol| match settings.filtering(protocol) {
        Filtering::AddressAndPort => "address-and-port",
        Filtering::Address => "address",
        Filtering::Endpoint => "endpoint",
    };
    let unswitched = Class::ALL.into_iter().filter(|class| !Class::SWITCHED.contains(class));
    Ok(status::Status {
        up: true,
        abi_version: settings.version,
        pins: tables.pins().directory().display().to_string(),
        interfaces: interfaces(tables, network)?,
        pool: follow::addresses(&settings).iter().map(ToString::to_string).collect(),
        pool_fixed: settings.has(option::FIXED_POOL),
        filtering: [filtering(6), filtering(17)],
        l2tp_port: if settings.has(option::KEEP_L2TP_PORT) { "keep" } else { "translate" },
        drop_martians: settings.has(option::DROP_MARTIANS),
        switches: Class::SWITCHED.into_iter().map(|class| switch(class, &settings, count(class))).collect(),
        ordinary: unswitched
            .map(|class| status::CountRow { protocol: class.name(), sessions: count(class) })
            .collect(),
    })
}

fn switch(class: Class, settings: &Settings, sessions: u64) -> status::SwitchRow {
    let position = settings.switch(class);
    let word = if class.is_ordinary() && position == Switch::Full { "on" } else { position.name() };
    status::SwitchRow {
        protocol: class.name(),
        switch: word,
        generation: settings.generation(class),
        sessions,
    }
}

fn interfaces(tables: &Tables, network: &Network) -> anyhow::Result<Vec<status::InterfaceRow>> {
    let mut rows = Vec::new();
    for (index, interface) in tables.interfaces()? {
        let programs = match network.by_index(index) {
            Some(device) => programs(tables.pins(), index, &device.name)?,
            None => Vec::new(),
        };
        rows.push(status::InterfaceRow {
            name: network.name_of(index),
            index,
            side: if interface.side == Side::Outside as u8 { "wan" } else { "lan" },
            link: if interface.link == Link::Ethernet as u8 { "ethernet" } else { "raw" },
            mtu: interface.mtu,
            path: if programs.is_empty() { "none" } else { "tc" },
            programs,
            why: WHY_NOT_XDP.into(),
        });
    }
    rows.sort_by_key(|row| (row.side != "wan", row.index));
    Ok(rows)
}

/// Programs that are attached to an interface, by pinned links or by filters.
fn programs(pins: &Pins, index: u32, interface: &str) -> anyhow::Result<Vec<String>> {
    let mut programs = Vec::new();
    for name in [program::WAN_INGRESS, program::WAN_EGRESS, program::LAN_INGRESS] {
        let pin = pins.link(name, index);
        let attached = if pin.exists() {
            attach::linked_program(&pin)?.is_some()
        } else {
            attach::is_filter(interface, name)
        };
        if attached {
            programs.push(name.to_string());
        }
    }
    Ok(programs)
}
