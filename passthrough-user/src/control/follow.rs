//! Follows the machine: outside addresses, packet sizes, Ethernet addresses, and what devices can transmit.

use passthrough_common::abi::{
    Interface, Ranges, Settings,
    settings::{option, port},
};

use crate::{
    config::{Network, pooling, prefix::is_special, ranges},
    tables::Tables,
};

use super::{network, paths, pool, set_option};

/// Brings pool and interfaces in line with the machine. Answers what changed, a line each.
pub fn follow(tables: &Tables, network: &Network) -> anyhow::Result<Vec<String>> {
    if new_pool(&tables.settings()?, network).is_none() && changed(tables, network)?.is_empty() {
        return Ok(Vec::new());
    }

    let _lock = tables.pins().lock()?;
    let mut notes = Vec::new();
    // Looked at again: another command may have been at it while this one waited.
    let network = &network::read()?;
    let (changed, pool) = (changed(tables, network)?, new_pool(&tables.settings()?, network));
    for (before, after) in &changed {
        tables.write_interface(*after)?;
        notes.extend(told(&network.name_of(after.index), before, after));
    }
    if let Some(pool) = pool {
        let before = tables.settings()?;
        let mut after = before;
        after.pool = pool;
        set_option(&mut after, option::DROP_MARTIANS, !ranges::addresses(&pool).any(is_special));
        tables.write_settings(&after)?;
        let ended = pool::drop_lost(tables, &before, &after)?;
        notes.push(format!(
            "outside addresses are now {}; {ended} entries of addresses that are gone were removed",
            ranges::words(&pool).join(", ")
        ));
        let (hosts, blocks) = (after.subscribers.count(), pooling::capacity(&after));
        if hosts > blocks {
            notes.push(format!(
                "{} subscribers have no block of ports now: there are only {blocks}",
                hosts - blocks
            ));
        }
    } else if !changed.is_empty() {
        tables.ask_again()?;
    }
    Ok(notes)
}

/// Interfaces that are not in the table as their devices are: as they stand there, and as they should.
fn changed(tables: &Tables, network: &Network) -> anyhow::Result<Vec<(Interface, Interface)>> {
    let linked = paths::linked(tables.pins())?;
    let settle = |interface: Interface| {
        let device = network.by_index(interface.index)?;
        let settled = paths::settled(&interface, device, linked.get(&interface.index).copied());
        (settled != interface).then_some((interface, settled))
    };
    Ok(tables.interfaces()?.into_values().filter_map(settle).collect())
}

/// What an operator should know of a change. (The Ethernet address is none of it.)
fn told(name: &str, before: &Interface, after: &Interface) -> Vec<String> {
    let mut notes = Vec::new();
    if before.mtu != after.mtu {
        notes.push(format!("{name} now takes packets of {} bytes", after.mtu));
    }
    if (before.flags ^ after.flags) & port::FAST != 0 {
        let path = if after.flags & port::FAST != 0 { "XDP" } else { "TC" };
        notes.push(format!("packets towards {name} now take {path}"));
    }
    notes
}

/// The pool as it should be, if that differs. An interface without any address keeps the pool: it may come back.
fn new_pool(settings: &Settings, network: &Network) -> Option<Ranges> {
    if settings.has(option::FIXED_POOL) {
        return None;
    }
    let (pool, _) = ranges::of(&network.addresses_of(settings.wan_ifindex));
    (pool != Ranges::NONE && pool != settings.pool).then_some(pool)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Prefix, network::Device};

    fn network(addresses: &[[u8; 4]]) -> Network {
        Network {
            devices: vec![Device {
                index: 2,
                name: "wan0".into(),
                addresses: addresses.iter().map(|address| Prefix::new((*address).into(), 24)).collect(),
                ..Device::default()
            }],
            routes: Vec::new(),
        }
    }

    #[test]
    fn the_pool_follows_the_wan_interface_unless_it_was_given() {
        let pool = |last| Ranges::one(u32::from_be_bytes([5, 6, 7, last]));
        let mut settings = Settings { wan_ifindex: 2, pool: pool(8), ..Settings::DEFAULT };
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 8]])), None);
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 9]])), Some(pool(9)));
        assert_eq!(new_pool(&settings, &network(&[])), None);
        settings.options |= option::FIXED_POOL;
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 9]])), None);
    }

    #[test]
    fn what_an_operator_can_use_is_told() {
        let before = Interface { mtu: 1500, ..Interface::default() };
        let after = Interface { mtu: 1400, flags: port::FAST, address_head: 1, ..before };
        let notes = told("wan0", &before, &after);
        assert!(notes.len() == 2 && notes[0].contains("1400") && notes[1].contains("XDP"), "{notes:?}");
        assert!(told("wan0", &before, &Interface { address_head: 1, ..before }).is_empty());
    }
}
