//! Memory of sessions, as the kernel accounts for it.

use std::{fs, os::fd::AsRawFd, path::Path};

use anyhow::{Context, Result, ensure};
use aya::maps::MapData;

use super::implementation::Gateway;

/// Bytes of all of a gateway's maps, and each by its name: what the kernel shows as `memlock` of their descriptors.
pub fn of_maps(gateway: &Gateway) -> Result<Vec<(String, u64)>> {
    let pins = gateway.pins()?;
    let mut maps = Vec::new();
    for entry in fs::read_dir(&pins).with_context(|| format!("reading {}", pins.display()))? {
        let entry = entry.with_context(|| format!("reading {}", pins.display()))?;
        let name = entry.file_name().to_string_lossy().into_owned();
        // Programs and links are pinned beside the maps.
        if name.starts_with("prog_") || name.starts_with("link_") {
            continue;
        }
        maps.push((name, of_map(&entry.path())?));
    }
    ensure!(!maps.is_empty(), "no map is pinned in {}", pins.display());
    maps.sort_by_key(|(name, bytes)| (std::cmp::Reverse(*bytes), name.clone()));
    Ok(maps)
}

fn of_map(pin: &Path) -> Result<u64> {
    let map = MapData::from_pin(pin).with_context(|| format!("could not open the map {}", pin.display()))?;
    let descriptor = std::os::fd::AsFd::as_fd(map.fd()).as_raw_fd();
    let told = fs::read_to_string(format!("/proc/self/fdinfo/{descriptor}"))
        .with_context(|| format!("could not read about {}", pin.display()))?;
    let bytes = told.lines().find_map(|line| line.strip_prefix("memlock:")?.trim().parse().ok());
    bytes.with_context(|| format!("the kernel tells no memlock of {}", pin.display()))
}

/// Bytes in slabs that cannot be reclaimed, of the whole machine: what conntrack entries and their extensions are made
/// of. Entries of one size count by themselves; the extensions share general slabs.
pub fn of_slabs() -> Result<u64> {
    let told = fs::read_to_string("/proc/meminfo").context("could not read /proc/meminfo")?;
    let line = told.lines().find_map(|line| line.strip_prefix("SUnreclaim:"));
    let kib = line.and_then(|line| line.trim().strip_suffix("kB")?.trim().parse::<u64>().ok());
    kib.map(|kib| kib * 1024).context("/proc/meminfo tells no SUnreclaim")
}
