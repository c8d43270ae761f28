//! Records that outlive what they belong to: servers that nobody inside talks to any more.
//!
//! The sweep in the kernel does not see them. They do no harm - the data path ignores them - but the table is small.

use std::time::Duration;

use aya::maps::HashMap as KernelHash;
use aya::maps::MapData;
use passthrough_common::abi::names::map;
use passthrough_common::abi::{PeerKey, Peers, Ticks};

use super::Tables;

/// For how long a host counts as one that talks to the server (`conformance.md` section 8).
const MEMBERSHIP: Duration = Duration::from_secs(300);

impl Tables {
    /// Removes them; `now` is the clock that the data path goes by. Answers how many went.
    pub fn remove_orphans(&self, now: Ticks) -> anyhow::Result<u64> {
        let mut peers: KernelHash<MapData, PeerKey, Peers> = self.hash(map::PEERS)?;
        let limit = Ticks::from_secs(MEMBERSHIP.as_secs() as u32);
        let silent =
            |peers: &Peers| peers.hosts.iter().all(|peer| peer.host == 0 || now.since(peer.seen) > limit);
        let orphans: Vec<PeerKey> = peers
            .iter()
            .filter_map(Result::ok)
            .filter(|(_, value)| silent(value))
            .map(|(key, _)| key)
            .collect();
        Ok(orphans.iter().filter(|key| peers.remove(key).is_ok()).count() as u64)
    }
}
