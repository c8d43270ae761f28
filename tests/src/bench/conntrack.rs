//! The kernel's connection tracking: its limit, raised for the length of a benchmark, and its table, emptied.

use std::{
    fs,
    process::{Command, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::network::Network;

/// One limit for all namespaces, which only the first one may set.
const MAX: &str = "/proc/sys/net/netfilter/nf_conntrack_max";
const BUCKETS: &str = "/proc/sys/net/netfilter/nf_conntrack_buckets";

/// The limit, raised; it is set back when this goes.
#[derive(Debug)]
pub struct Limit {
    before: String,
}

impl Limit {
    /// Raises the limit to `sessions` if it is lower. `None` if there is no conntrack, or none that may be set.
    pub fn raise(sessions: u32) -> Option<Limit> {
        let before = fs::read_to_string(MAX).ok()?.trim().to_owned();
        if before.parse::<u32>().ok()? >= sessions {
            return None;
        }
        fs::write(MAX, sessions.to_string()).ok()?;
        Some(Limit { before })
    }
}

impl Drop for Limit {
    fn drop(&mut self) {
        // Nobody is there to tell; the limit is higher than it was then.
        let _ = fs::write(MAX, &self.before);
    }
}

/// The limit, as it stands.
pub fn limit() -> Option<u32> {
    fs::read_to_string(MAX).ok()?.trim().parse().ok()
}

/// Buckets of the table that all namespaces share.
pub fn buckets() -> Option<u32> {
    fs::read_to_string(BUCKETS).ok()?.trim().parse().ok()
}

/// Entries of a gateway.
pub fn count(network: &Network) -> Result<u64> {
    let count = network.gateway.run("cat", &["/proc/sys/net/netfilter/nf_conntrack_count"])?;
    count.trim().parse().context("could not read the number of conntrack entries")
}

/// Removes all of a gateway's entries and tells how long that took; `None` where `conntrack` is not installed.
pub fn flush(network: &Network) -> Result<Option<Duration>> {
    let mut version = Command::new("conntrack");
    version.arg("--version").stdout(Stdio::null()).stderr(Stdio::null());
    if !version.status().is_ok_and(|status| status.success()) {
        return Ok(None);
    }
    let started = Instant::now();
    network.gateway.run("conntrack", &["-F"])?;
    let took = started.elapsed();
    let left = count(network)?;
    ensure!(left < 100, "{left} conntrack entries are left after `conntrack -F`");
    Ok(Some(took))
}
