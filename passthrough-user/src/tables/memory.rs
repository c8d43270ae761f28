//! What each map holds and costs.

use std::{
    fs,
    os::fd::{AsFd, AsRawFd},
};

use anyhow::Context;
use aya::maps::{HashMap as KernelHash, IterableMap, Map, MapData, MapError};
use passthrough_common::abi::{
    Binding, BindingKey, Control, Forward, Fragment, FragmentKey, Host, HostKey, PeerKey, Peers, Session,
    SessionKey, names::map,
};

use super::{Tables, walk_limit};

/// A map's use.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Use {
    /// The map's name.
    pub name: &'static str,
    /// Entries in it; for an array, all.
    pub entries: u64,
    /// Most entries.
    pub capacity: u64,
    /// Bytes of kernel memory.
    pub memory: u64,
}

impl Tables {
    /// The use of every pinned map.
    pub fn memory(&self) -> anyhow::Result<Vec<Use>> {
        map::ALL.iter().map(|name| self.memory_of(name)).collect()
    }

    fn memory_of(&self, name: &'static str) -> anyhow::Result<Use> {
        let data = self.map(name)?;
        let info = data.info()?;
        let capacity = u64::from(info.max_entries());
        let path = format!("/proc/self/fdinfo/{}", data.fd().as_fd().as_raw_fd());
        let memory = locked(&fs::read_to_string(&path).with_context(|| format!("reading {path}"))?);
        let entries = match name {
            map::INTERFACES => self.interfaces()?.len() as u64,
            map::SESSIONS => count::<SessionKey, Session>(Map::HashMap(data))?,
            map::BINDINGS => count::<BindingKey, Binding>(Map::HashMap(data))?,
            map::HOSTS => count::<HostKey, Host>(Map::HashMap(data))?,
            map::FORWARDS => count::<BindingKey, Forward>(Map::HashMap(data))?,
            map::FRAGMENTS => count::<FragmentKey, Fragment>(Map::LruHashMap(data))?,
            map::CONTROLS => count::<SessionKey, Control>(Map::HashMap(data))?,
            map::PEERS => count::<PeerKey, Peers>(Map::HashMap(data))?,
            _ => capacity,
        };
        Ok(Use { name, entries, capacity, memory })
    }
}

fn count<K: aya::Pod, V: aya::Pod>(map: Map) -> anyhow::Result<u64> {
    let hash: KernelHash<MapData, K, V> = map.try_into()?;
    let limit = walk_limit(IterableMap::map(&hash).info()?.max_entries());
    let keys: Result<Vec<K>, MapError> = hash.keys().take(limit).collect();
    Ok(keys.context("counting the entries")?.len() as u64)
}

/// `memlock` of a map's fdinfo: the kernel memory it takes, in bytes.
fn locked(fdinfo: &str) -> u64 {
    fdinfo
        .lines()
        .find_map(|line| line.strip_prefix("memlock:"))
        .and_then(|bytes| bytes.trim().parse().ok())
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memory_is_read_from_fdinfo() {
        assert_eq!(locked("pos:\t0\nmap_type:\t1\nmemlock:\t12582912\nmap_id:\t7\n"), 12_582_912);
        assert_eq!(locked(""), 0);
    }
}
