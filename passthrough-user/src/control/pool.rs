//! What becomes of sessions when an outside address goes.

use std::collections::BTreeSet;

use passthrough_common::abi::{Settings, View};

use crate::{
    loader::run::{self, Sweep},
    tables::Tables,
};

/// Ends the sessions of outside addresses that are no longer in the pool: their answers would go elsewhere.
/// A host has one outside address, so its sessions go together. Answers how many entries went.
pub fn drop_lost(tables: &Tables, before: &Settings, after: &Settings) -> anyhow::Result<u64> {
    if before.pool == after.pool {
        return Ok(0);
    }
    let is_lost = |address| before.is_outside_address(address) && !after.is_outside_address(address);
    let sessions = tables.sessions()?;
    let hosts: BTreeSet<u32> = sessions
        .iter()
        .filter_map(|(key, session)| match key.view() {
            View::Outbound if is_lost(session.address) => Some(key.local()),
            View::Inbound if is_lost(key.local()) => Some(session.address),
            _ => None,
        })
        .collect();
    let mut ended = 0;
    for host in hosts {
        ended += run::sweep(tables.pins(), &Sweep { host: Some(host), ..Sweep::default() })?;
    }
    Ok(ended)
}
