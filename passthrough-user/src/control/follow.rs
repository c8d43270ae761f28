//! Follows the machine: outside addresses that changed, and packet sizes.

use std::{collections::BTreeSet, net::Ipv4Addr};

use passthrough_common::abi::{
    Interface, Settings, View,
    settings::{POOL, option},
};

use crate::{
    config::{Network, prefix::is_special},
    loader::run::Sweep,
    tables::Tables,
};

use super::up;

/// Brings pool and packet sizes in line with the machine. Answers what changed, a line each.
pub fn follow(tables: &Tables, network: &Network) -> anyhow::Result<Vec<String>> {
    let settings = tables.settings()?;
    let interfaces = tables.interfaces()?;
    let pool = new_pool(&settings, network);
    let resized: Vec<(u32, Interface)> = interfaces
        .into_iter()
        .filter_map(|(index, interface)| {
            let mtu = network.by_index(index)?.mtu;
            (mtu != interface.mtu).then_some((index, Interface { mtu, ..interface }))
        })
        .collect();
    if pool.is_none() && resized.is_empty() {
        return Ok(Vec::new());
    }

    let _lock = tables.pins().lock()?;
    let mut notes = Vec::new();
    for (index, interface) in resized {
        tables.write_interface(index, interface)?;
        notes.push(format!("{} now takes packets of {} bytes", network.name_of(index), interface.mtu));
    }
    if let Some(pool) = pool {
        let before = tables.settings()?;
        let mut after = before;
        after.pool = [0; POOL];
        for (slot, address) in after.pool.iter_mut().zip(&pool) {
            *slot = u32::from(*address);
        }
        after.pool_len = pool.len() as u32;
        up::set(&mut after, option::DROP_MARTIANS, !pool.iter().any(|address| is_special(*address)));
        tables.write_settings(&after)?;
        let ended = drop_lost(tables, &before, &after)?;
        let words: Vec<String> = pool.iter().map(ToString::to_string).collect();
        notes.push(format!(
            "outside addresses are now {}; {ended} entries of addresses that are gone were removed",
            words.join(", ")
        ));
    }
    Ok(notes)
}

/// The pool as it should be, if that differs. An interface without any address keeps the pool: it may come back.
fn new_pool(settings: &Settings, network: &Network) -> Option<Vec<Ipv4Addr>> {
    if settings.has(option::FIXED_POOL) {
        return None;
    }
    let mut pool = network.addresses_of(settings.wan_ifindex);
    pool.truncate(POOL);
    (!pool.is_empty() && pool != addresses(settings)).then_some(pool)
}

/// The outside addresses in the settings.
pub fn addresses(settings: &Settings) -> Vec<Ipv4Addr> {
    settings.pool.iter().take(settings.pool_len as usize).map(|address| Ipv4Addr::from(*address)).collect()
}

/// Ends the sessions of outside addresses that are no longer in the pool: their answers would go elsewhere.
/// A host has one outside address, so its sessions go together. Answers how many entries went.
pub fn drop_lost(tables: &Tables, before: &Settings, after: &Settings) -> anyhow::Result<u64> {
    let kept = addresses(after);
    let lost: Vec<Ipv4Addr> =
        addresses(before).into_iter().filter(|address| !kept.contains(address)).collect();
    if lost.is_empty() {
        return Ok(0);
    }
    let sessions = tables.sessions()?;
    let hosts: BTreeSet<u32> = sessions
        .iter()
        .filter_map(|(key, session)| match key.view() {
            View::Outbound if lost.contains(&Ipv4Addr::from(session.address)) => Some(key.local()),
            View::Inbound if lost.contains(&Ipv4Addr::from(key.local())) => Some(session.address),
            _ => None,
        })
        .collect();
    let mut ended = 0;
    for host in hosts {
        ended += super::sweep(tables, &Sweep { host: Some(host), ..Sweep::default() })?;
    }
    Ok(ended)
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
                link: None,
                mtu: 1500,
                up: true,
                loopback: false,
                controller: None,
                xdp: false,
                addresses: addresses.iter().map(|address| Prefix::new((*address).into(), 24)).collect(),
            }],
            routes: Vec::new(),
        }
    }

    #[test]
    fn the_pool_follows_the_wan_interface_unless_it_was_given() {
        let mut settings = Settings { wan_ifindex: 2, pool_len: 1, ..Settings::DEFAULT };
        settings.pool[0] = u32::from_be_bytes([5, 6, 7, 8]);
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 8]])), None);
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 9]])), Some(vec![Ipv4Addr::new(5, 6, 7, 9)]));
        assert_eq!(new_pool(&settings, &network(&[])), None);
        settings.options |= option::FIXED_POOL;
        assert_eq!(new_pool(&settings, &network(&[[5, 6, 7, 9]])), None);
    }
}
