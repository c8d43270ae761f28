//! A device's offloads, as `ethtool` shows them.

use std::process::Command;

/// Whether an offload is on, by its long name; `None` if that cannot be told.
pub fn is_on(interface: &str, offload: &str) -> Option<bool> {
    let output = Command::new("ethtool").args(["-k", interface]).output().ok()?;
    output.status.success().then(|| said_on(&String::from_utf8_lossy(&output.stdout), offload))
}

fn said_on(features: &str, feature: &str) -> bool {
    features
        .lines()
        .filter_map(|line| line.trim().split_once(": "))
        .any(|(name, state)| name == feature && state.split(' ').next() == Some("on"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_feature_is_on_only_if_it_says_so() {
        let features =
            "Features for eth0:\nlarge-receive-offload: on\nrx-vlan-filter: off [fixed]\n\ttx-lro: on\n";
        assert!(said_on(features, "large-receive-offload"));
        assert!(!said_on(features, "rx-vlan-filter"));
        assert!(!said_on("large-receive-offload: off [fixed]", "large-receive-offload"));
    }
}
