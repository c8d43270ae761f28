//! The pinned tables, opened with their types. Opening compares every shape first.

pub mod counters;
mod forwards;
mod interfaces;
pub mod limits;
pub mod memory;
pub mod sessions;
pub mod shape;

use std::collections::HashMap;

use anyhow::{Context, bail};
use aya::{
    Pod,
    maps::{Array, HashMap as KernelHash, Map, MapData, MapError, PerCpuArray},
};
use passthrough_common::abi::{Control, Session, SessionKey, Settings, VERSION, names::map};

use crate::loader::Pins;

/// The tables of a gateway that is up.
#[derive(Clone, Debug)]
pub struct Tables {
    pins: Pins,
}

impl Tables {
    /// Opens the tables. Fails if the gateway is not up, or if another version of the program made them.
    pub fn open(pins: &Pins) -> anyhow::Result<Tables> {
        if !pins.exist() {
            bail!("not up: run `passthrough up --wan IF` first");
        }
        let tables = Tables { pins: pins.clone() };
        let version = tables.settings()?.version;
        if version != VERSION {
            bail!(
                "the running gateway has tables of version {version}, this program has version {VERSION}: \
                 run `passthrough down`, then `passthrough up` (sessions start anew)"
            );
        }
        for name in map::ALL {
            tables.map(name)?;
        }
        Ok(tables)
    }

    /// Tables that were just made and have no settings yet.
    pub fn unwritten(pins: &Pins) -> Tables {
        Tables { pins: pins.clone() }
    }

    /// Opens the tables if the gateway is up.
    pub fn open_standing(pins: &Pins) -> anyhow::Result<Option<Tables>> {
        if pins.exist() { Tables::open(pins).map(Some) } else { Ok(None) }
    }

    /// Where they are pinned.
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// A map by name, its shape compared.
    pub fn map(&self, name: &str) -> anyhow::Result<MapData> {
        let path = self.pins.map(name);
        let data = MapData::from_pin(&path).with_context(|| {
            format!("opening the map {} (run `passthrough down`, then `passthrough up`)", path.display())
        })?;
        shape::compare(name, &data.info()?)?;
        Ok(data)
    }

    /// The settings.
    pub fn settings(&self) -> anyhow::Result<Settings> {
        let array: Array<_, Settings> = Map::Array(self.map(map::SETTINGS)?).try_into()?;
        array.get(&0, 0).context("reading the settings")
    }

    /// Writes the settings: the data path reads them for its next packet, and asks for its ways out again. The caller
    /// holds the lock of the pins if others may write, too.
    pub fn write_settings(&self, settings: &Settings) -> anyhow::Result<()> {
        let mut array: Array<_, Settings> = Map::Array(self.map(map::SETTINGS)?).try_into()?;
        let changes = array.get(&0, 0).context("reading the settings")?.changes.wrapping_add(1);
        array.set(0, Settings { changes, ..*settings }, 0).context("writing the settings")
    }

    /// Has the fast path ask for its ways out again, with its next packets: something has changed that they come from.
    pub fn ask_again(&self) -> anyhow::Result<()> {
        self.write_settings(&self.settings()?)
    }

    fn hash<K: Pod, V: Pod>(&self, name: &str) -> anyhow::Result<KernelHash<MapData, K, V>> {
        Ok(Map::HashMap(self.map(name)?).try_into()?)
    }

    /// All entries of the session table at about this moment.
    pub fn sessions(&self) -> anyhow::Result<HashMap<SessionKey, Session>> {
        let hash: KernelHash<_, SessionKey, Session> = self.hash(map::SESSIONS)?;
        snapshot(&hash).context("reading the sessions")
    }

    /// Removes the entries of the session table that are `wanted`; answers how many.
    pub fn remove_sessions(&self, wanted: impl Fn(&SessionKey, &Session) -> bool) -> anyhow::Result<u64> {
        let mut hash: KernelHash<_, SessionKey, Session> = self.hash(map::SESSIONS)?;
        let sessions = snapshot(&hash).context("reading the sessions")?;
        let gone = sessions.iter().filter(|(key, session)| wanted(key, session));
        Ok(gone.filter(|(key, _)| hash.remove(key).is_ok()).count() as u64)
    }

    /// All PPTP control connections.
    pub fn controls(&self) -> anyhow::Result<HashMap<SessionKey, Control>> {
        let hash: KernelHash<_, SessionKey, Control> = self.hash(map::CONTROLS)?;
        snapshot(&hash).context("reading the control connections")
    }

    /// A per-CPU array, summed by the caller.
    fn per_cpu<V: Pod>(&self, name: &str) -> anyhow::Result<PerCpuArray<MapData, V>> {
        Ok(Map::PerCpuArray(self.map(name)?).try_into()?)
    }
}

/// Copies a hash map that changes meanwhile. The kernel starts its walk again when the entry it stood on is
/// removed, so the walk is bounded, and a key that comes twice counts once.
fn snapshot<K: Pod + Eq + std::hash::Hash, V: Pod>(
    hash: &KernelHash<MapData, K, V>,
) -> Result<HashMap<K, V>, MapError> {
    let mut entries = HashMap::new();
    let limit = walk_limit(hash_capacity(hash)?);
    for entry in hash.iter().take(limit) {
        match entry {
            Ok((key, value)) => {
                entries.insert(key, value);
            }
            // Removed between finding its key and reading it.
            Err(MapError::KeyNotFound | MapError::ElementNotFound) => {}
            Err(MapError::SyscallError(call)) if call.io_error.kind() == std::io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    Ok(entries)
}

fn hash_capacity<K: Pod, V: Pod>(hash: &KernelHash<MapData, K, V>) -> Result<u32, MapError> {
    use aya::maps::IterableMap;
    Ok(IterableMap::map(hash).info()?.max_entries())
}

/// Most steps of a walk over a map of this capacity.
fn walk_limit(capacity: u32) -> usize {
    capacity as usize * 2 + 1024
}
