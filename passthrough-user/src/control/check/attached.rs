//! Whether our programs are where they belong, and who else is there.

use std::collections::BTreeMap;

use passthrough_common::abi::{Interface, Settings, Side, names::program};

use super::super::paths;
use crate::{
    config::Network,
    loader::{attach, tc},
    render::check::Finding,
    tables::Tables,
};

/// Looks at every interface.
pub fn check(
    tables: &Tables,
    network: &Network,
    settings: &Settings,
    interfaces: &BTreeMap<u32, Interface>,
) -> anyhow::Result<Vec<Finding>> {
    let mut findings = Vec::new();
    let linked = paths::linked(tables.pins())?;
    for (index, interface) in interfaces {
        let Some(device) = network.by_index(*index) else {
            findings.push(Finding::fault(
                "attached",
                format!("interface {index} is gone"),
                "`passthrough up` again with the interfaces that there are",
            ));
            continue;
        };
        let expected: &[&'static str] = if interface.side == Side::Outside as u8 {
            &[program::WAN_INGRESS, program::WAN_EGRESS]
        } else {
            &[program::LAN_INGRESS]
        };
        for name in expected {
            findings.push(one(tables, *index, &device.name, name)?);
            findings.extend(others(tables, *index, &device.name, name));
        }
        if device.xdp.is_some() && paths::ours(device, linked.get(index).copied()).is_none() {
            findings.push(Finding::note(
                "attached",
                format!("an XDP program runs on {0} before this gateway (`ip link show {0}`)", device.name),
            ));
        }
    }
    for path in paths::all(tables, network, settings)? {
        findings.push(taken(&network.name_of(path.index), &path));
    }
    Ok(findings)
}

/// The path of an interface. TC is no fault: it is slower and does all the same.
fn taken(interface: &str, path: &paths::Path) -> Finding {
    let name = path.name;
    if path.why.is_empty() {
        Finding::fine("path", format!("{interface} takes {name}"))
    } else {
        Finding::note("path", format!("{interface} takes {name}: {}", path.why))
    }
}

fn one(tables: &Tables, index: u32, interface: &str, name: &'static str) -> anyhow::Result<Finding> {
    let hook = tc::hook(name);
    let fine = |how| Finding::fine("attached", format!("{name} on {interface} ({how})"));
    let fault = |what: String| Finding::fault("attached", what, "`passthrough up` again attaches it");
    let pin = tables.pins().link(name, index);
    if pin.exists() {
        let linked = attach::linked_program(&pin)?;
        let runs = tc::attached(interface, hook)?;
        return Ok(match linked {
            Some(id) if runs.iter().any(|(other, _)| *other == id) => fine("tcx"),
            _ => fault(format!("{name} is pinned but does not run on {interface}")),
        });
    }
    Ok(if tc::is_filter(interface, name) {
        fine("clsact")
    } else {
        fault(format!("{name} is not attached to {interface}"))
    })
}

/// Other programs on the same hook.
fn others(tables: &Tables, index: u32, interface: &str, name: &'static str) -> Option<Finding> {
    let own = attach::linked_program(&tables.pins().link(name, index)).ok().flatten()?;
    let runs = tc::attached(interface, tc::hook(name)).ok()?;
    let at = runs.iter().position(|(id, _)| *id == own)?;
    let before: Vec<&str> = runs[..at].iter().map(|(_, name)| name.as_str()).collect();
    let after: Vec<&str> = runs[at + 1..].iter().map(|(_, name)| name.as_str()).collect();
    match (before.is_empty(), after.is_empty()) {
        (true, true) => None,
        (false, _) => Some(Finding::note(
            "attached",
            format!(
                "{} on {interface} runs before {name}, which sees only what it lets through",
                before.join(", ")
            ),
        )),
        (true, false) => {
            Some(Finding::note("attached", format!("{} on {interface} runs after {name}", after.join(", "))))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::check::Weight;

    #[test]
    fn a_slower_path_is_a_note_with_its_reason() {
        let path = |name, why: &str| paths::Path { index: 2, name, why: why.into() };
        assert_eq!(taken("wan0", &path("xdp", "")).weight, Weight::Fine);
        let tc = taken("br0", &path("tc", "a bridge"));
        assert!(tc.weight == Weight::Note && tc.finding == "br0 takes tc: a bridge");
    }
}
