//! Offloads of the lab's interfaces: switched off, and looked at again (row G8).
//!
//! With an offload on, checksums in a frame may be unfinished, a frame may be larger than the MTU, and a VLAN tag may be
//! beside the bytes instead of in them. All of that is real, but a test that compares bytes must not meet it by chance.

use anyhow::{Result, bail};

use super::namespace::Namespace;

/// Short names for `ethtool -K`, long names in `ethtool -k`.
const OFFLOADS: [(&str, &str); 7] = [
    ("rx", "rx-checksumming"),
    ("tx", "tx-checksumming"),
    ("tso", "tcp-segmentation-offload"),
    ("gso", "generic-segmentation-offload"),
    ("gro", "generic-receive-offload"),
    ("rxvlan", "rx-vlan-offload"),
    ("txvlan", "tx-vlan-offload"),
];

/// Switches every offload of a veth interface off, and asserts that it is off.
pub fn switch_off(namespace: &Namespace, interface: &str) -> Result<()> {
    let mut arguments = vec!["-K", interface];
    for (short, _) in OFFLOADS {
        arguments.extend([short, "off"]);
    }
    // It complains about what is off and fixed; what counts is what `-k` shows.
    let _ = namespace.run("ethtool", &arguments);
    let shown = namespace.run("ethtool", &["-k", interface])?;
    for (_, long) in OFFLOADS {
        let state = shown.lines().find_map(|line| line.trim().strip_prefix(long)?.strip_prefix(':'));
        if !state.is_some_and(|state| state.trim().starts_with("off")) {
            bail!("{long} of {interface} in {} is still on", namespace.name());
        }
    }
    Ok(())
}
