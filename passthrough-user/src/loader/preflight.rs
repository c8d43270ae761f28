//! What must be so before the kernel side can be loaded: rights, kernel, BTF. One line each, with the cure.

use std::{fs, path::Path};

use anyhow::{Context, bail};
use aya::util::KernelVersion;

/// Bits of `CapEff` (capability.h).
const CAP_NET_ADMIN: u32 = 12;
const CAP_SYS_ADMIN: u32 = 21;
const CAP_BPF: u32 = 39;

/// The oldest kernel that the programs are made for, major and minor.
const OLDEST: (u8, u8) = (6, 1);
/// The first kernel with tcx links.
const FIRST_TCX: (u8, u8) = (6, 6);

/// Checks the rights alone: what every command needs.
pub fn rights() -> anyhow::Result<()> {
    let status = fs::read_to_string("/proc/self/status").context("reading this process's capabilities")?;
    match missing(effective(&status)) {
        None => Ok(()),
        Some(missing) => bail!("not allowed: {missing} is missing; run as root (`sudo passthrough ...`)"),
    }
}

/// Checks everything that `up` needs.
pub fn machine() -> anyhow::Result<()> {
    rights()?;
    let (major, minor) = OLDEST;
    if !at_least(OLDEST)? {
        let release = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        bail!("kernel {} is too old: {major}.{minor} or newer is needed", release.trim());
    }
    if !Path::new("/sys/kernel/btf/vmlinux").exists() {
        bail!(
            "this kernel has no BTF (/sys/kernel/btf/vmlinux): use one built with CONFIG_DEBUG_INFO_BTF=y, \
             as the distributions' kernels are"
        );
    }
    Ok(())
}

/// Whether the kernel has tcx links; clsact filters serve where it has not.
pub fn has_tcx() -> anyhow::Result<bool> {
    at_least(FIRST_TCX)
}

fn at_least((major, minor): (u8, u8)) -> anyhow::Result<bool> {
    let current =
        KernelVersion::current().map_err(|error| anyhow::anyhow!("reading the kernel's version: {error}"))?;
    Ok(current >= KernelVersion::new(major, minor, 0))
}

/// The effective capabilities in the text of `/proc/self/status`.
fn effective(status: &str) -> u64 {
    status
        .lines()
        .find_map(|line| line.strip_prefix("CapEff:"))
        .and_then(|bits| u64::from_str_radix(bits.trim(), 16).ok())
        .unwrap_or(0)
}

fn missing(effective: u64) -> Option<&'static str> {
    let has = |capability: u32| effective >> capability & 1 == 1;
    if !has(CAP_BPF) && !has(CAP_SYS_ADMIN) {
        Some("CAP_BPF")
    } else if !has(CAP_NET_ADMIN) {
        Some("CAP_NET_ADMIN")
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_missing_capability_is_named() {
        assert_eq!(missing(effective("Name:\tx\nCapEff:\t000001ffffffffff\n")), None);
        assert_eq!(missing(effective("CapEff:\t0000000000000000\n")), Some("CAP_BPF"));
        assert_eq!(missing(1 << CAP_BPF), Some("CAP_NET_ADMIN"));
        assert_eq!(missing(1 << CAP_SYS_ADMIN | 1 << CAP_NET_ADMIN), None);
    }
}
