//! Whether the passthrough is really active: one finding a line, each fault with its fix.

mod attached;
mod firewall;
mod frames;
mod iptables;
mod machine;
mod nft;
mod probe;
mod rivals;

use passthrough_common::abi::{Class, Settings, Switch};

use crate::{config::Network, render::check::Finding, tables::Tables};

/// Looks at everything that the passthrough of these classes needs. `asked` says that the operator named them, so
/// that one which is off is a fault.
pub fn check(
    tables: &Tables,
    network: &Network,
    classes: &[Class],
    asked: bool,
) -> anyhow::Result<Vec<Finding>> {
    let settings = tables.settings()?;
    let interfaces = tables.interfaces()?;
    let mut findings = attached::check(tables, network, &settings, &interfaces)?;
    findings.extend(switches(&settings, classes, asked));
    findings.extend(machine::check(network, &settings, &interfaces));
    findings.extend(rivals::check(network, &settings, &interfaces, classes));
    findings.extend(probe::probe(tables, network, &settings, classes)?);
    Ok(findings)
}

fn switches(settings: &Settings, classes: &[Class], asked: bool) -> Vec<Finding> {
    let of = |class: &&Class| Class::SWITCHED.contains(class);
    let classes: Vec<&Class> = classes.iter().filter(of).collect();
    if !asked {
        let off: Vec<&str> = classes
            .iter()
            .filter(|class| settings.switch(***class) == Switch::Off)
            .map(|class| class.name())
            .collect();
        return if off.is_empty() {
            vec![Finding::fine("switches", "no protocol is off")]
        } else {
            vec![Finding::note(
                "switches",
                format!("off and blocked: {} (`passthrough enable NAME`)", off.join(", ")),
            )]
        };
    }
    classes
        .into_iter()
        .map(|class| {
            let name = class.name();
            match settings.switch(*class) {
                Switch::Off => {
                    Finding::fault("switches", format!("{name} is off"), format!("passthrough enable {name}"))
                }
                Switch::Plain => Finding::note(
                    "switches",
                    format!("{name} is plain: one client a server (`passthrough enable {name}` for many)"),
                ),
                Switch::Full if class.is_ordinary() => Finding::fine("switches", format!("{name} is on")),
                Switch::Full => {
                    Finding::fine("switches", format!("{name} is full: many clients to one server"))
                }
            }
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::check::Weight;

    #[test]
    fn off_is_a_fault_only_for_a_protocol_that_was_asked_about() {
        let asked = switches(&Settings::DEFAULT, &[Class::Pptp], true);
        assert!(
            asked[0].weight == Weight::Fault && asked[0].fix.as_deref() == Some("passthrough enable pptp")
        );
        let all = switches(&Settings::DEFAULT, &Class::ALL, false);
        assert!(all.len() == 1 && all[0].weight == Weight::Note && all[0].finding.contains("pptp"));
    }
}
