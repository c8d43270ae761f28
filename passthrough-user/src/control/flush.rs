//! Ends sessions: all, those of some classes, or those of one inside host.

use std::net::Ipv4Addr;

use passthrough_common::abi::Class;

use crate::{
    loader::run::{self, Sweep},
    tables::Tables,
};

/// Ends them; everything if neither is given. (The kernel side takes both together for either, so they are not
/// offered together.) Answers how many entries of the session table went.
pub fn flush(tables: &Tables, classes: &[Class], host: Option<Ipv4Addr>) -> anyhow::Result<u64> {
    let _lock = tables.pins().lock()?;
    run::sweep(
        tables.pins(),
        &Sweep {
            classes: classes.to_vec(),
            host: host.map(u32::from),
            all: classes.is_empty() && host.is_none(),
        },
    )
}
