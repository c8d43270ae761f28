//! Takes the gateway down: programs off, tables gone. Works on what any version left behind.

use std::collections::BTreeSet;

use anyhow::Context;

use super::{fast, network, up};
use crate::{loader::Pins, tables::Tables};

/// What `down` has done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// Whether there was a gateway.
    pub was_up: bool,
    /// How many interfaces were left.
    pub interfaces: usize,
}

/// Does it. Down twice is as good as once.
pub fn down(pins: &Pins) -> anyhow::Result<Done> {
    if !pins.exist() {
        return Ok(Done { was_up: false, interfaces: 0 });
    }
    let _lock = pins.lock()?;
    let linked: BTreeSet<u32> = pins.links()?.into_iter().map(|(_, index, _)| index).collect();
    // Filters are not pinned; the interface table tells where they are. Another version's table cannot be read.
    let tables = Tables::open(pins).ok();
    let mut listed = BTreeSet::new();
    if let Some(tables) = &tables {
        listed.extend(tables.interfaces()?.into_keys());
        // A device takes no redirected frames any more once its own program is off.
        fast::close(tables, &listed.iter().copied().collect::<Vec<_>>())?;
    }
    let network = network::read()?;
    for index in listed.difference(&linked) {
        if let Some(device) = network.by_index(*index) {
            up::detach_filters(*index, &device.name)?;
        }
    }
    pins.remove().context("taking the gateway down")?;
    Ok(Done { was_up: true, interfaces: listed.union(&linked).count() })
}
