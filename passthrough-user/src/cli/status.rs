//! `passthrough status`.

use clap::Args;
use passthrough_common::abi::{
    Class, Filtering, Link, Settings, Side, Switch,
    names::program,
    settings::{option, port},
};

use super::{Global, Outcome};
use crate::{
    config::{Mode, Network, pooling, ranges},
    control::{network, now, paths},
    loader::{Pins, attach, tc},
    render::{self, status},
    tables::{Tables, sessions::pairs},
};

/// Show interfaces, outside addresses, switches and how many sessions each protocol has
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough status\n  passthrough status --json")]
pub struct Status {}

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
        mode: Mode::of(&settings).name(),
        interfaces: interfaces(tables, network, &settings)?,
        pool: ranges::words(&settings.pool),
        pool_fixed: settings.has(option::FIXED_POOL),
        pooling: status::Pooling {
            rule: if settings.has(option::SOFT_POOLING) { "soft" } else { "paired" },
            ports: pooling::ports_of(&settings),
            port_block: settings.block_size,
            subscribers: ranges::words(&settings.subscribers),
            ipsec_addresses: if settings.has(option::IPSEC_ADDRESSES) { "each" } else { "paired" },
        },
        filtering: [filtering(6), filtering(17)],
        l2tp_port: if settings.has(option::KEEP_L2TP_PORT) { "keep" } else { "translate" },
        drop_martians: settings.has(option::DROP_MARTIANS),
        forwards: tables.forwards()?.len(),
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

fn interfaces(
    tables: &Tables,
    network: &Network,
    settings: &Settings,
) -> anyhow::Result<Vec<status::InterfaceRow>> {
    let paths = paths::all(tables, network, settings)?;
    let mut rows = Vec::new();
    for (index, interface) in tables.interfaces()? {
        let programs = match network.by_index(index) {
            Some(device) => programs(tables.pins(), index, &device.name)?,
            None => Vec::new(),
        };
        let path = paths.iter().find(|path| path.index == index).filter(|_| !programs.is_empty());
        rows.push(status::InterfaceRow {
            name: network.name_of(index),
            index,
            side: if interface.side == Side::Outside as u8 { "wan" } else { "lan" },
            link: if interface.link == Link::Ethernet as u8 { "ethernet" } else { "raw" },
            mtu: interface.mtu,
            path: path.map_or("none", |path| path.name),
            redirects_to: interface.flags & port::FAST != 0,
            programs,
            why: path.map_or(String::new(), |path| path.why.clone()),
        });
    }
    rows.sort_by_key(|row| (row.side != "wan", row.index));
    Ok(rows)
}

/// Programs that are attached to an interface, by pinned links or by filters.
fn programs(pins: &Pins, index: u32, interface: &str) -> anyhow::Result<Vec<String>> {
    let mut programs = Vec::new();
    let tc = [program::WAN_INGRESS, program::WAN_EGRESS, program::LAN_INGRESS];
    for name in tc.into_iter().chain(program::FAST) {
        let pin = pins.link(name, index);
        let attached = if pin.exists() {
            attach::linked_program(&pin)?.is_some()
        } else {
            tc.contains(&name) && tc::is_filter(interface, name)
        };
        if attached {
            programs.push(name.to_string());
        }
    }
    Ok(programs)
}
