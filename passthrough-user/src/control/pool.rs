//! The outside addresses: in the settings, and what becomes of sessions when one goes.

use std::{collections::BTreeSet, net::Ipv4Addr};

use passthrough_common::abi::{Settings, View, settings::POOL};

use crate::{loader::run::Sweep, tables::Tables};

/// The outside addresses in the settings.
pub fn addresses(settings: &Settings) -> Vec<Ipv4Addr> {
    settings.pool.iter().take(settings.pool_len as usize).map(|address| Ipv4Addr::from(*address)).collect()
}

/// Puts outside addresses into the settings, as many as there is room for.
pub fn put(settings: &mut Settings, addresses: &[Ipv4Addr]) {
    settings.pool = [0; POOL];
    for (slot, address) in settings.pool.iter_mut().zip(addresses) {
        *slot = u32::from(*address);
    }
    settings.pool_len = addresses.len().min(POOL) as u32;
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
