//! A synthetic packet of each class through the loaded programs: is it translated, and if not, why.

use std::net::Ipv4Addr;

use passthrough_common::abi::{Class, Direction, Interface, Link, Reason, Settings, Side, Switch};

use super::frames;
use crate::{
    config::{Network, prefix::is_private},
    loader::run::{self, Sweep},
    render::check::Finding,
    tables::Tables,
};

/// `TC_ACT_SHOT`: the packet was dropped.
const SHOT: i32 = 2;

/// Sends the packets, and removes what sessions they made.
pub fn probe(
    tables: &Tables,
    network: &Network,
    settings: &Settings,
    classes: &[Class],
) -> anyhow::Result<Vec<Finding>> {
    let interfaces = tables.interfaces()?;
    let lan = interfaces
        .iter()
        .filter(|(_, interface)| interface.side == Side::Inside as u8)
        .find_map(|(index, _)| Some((*index, unused_address(network, *index)?)));
    let (Some((lan, host)), Some(wan)) = (lan, interfaces.get(&settings.wan_ifindex)) else {
        return Ok(vec![Finding::note(
            "probe",
            "no synthetic packets sent: no LAN interface has a network with a free address",
        )]);
    };
    let mut findings = Vec::new();
    for class in classes {
        findings.extend(one(tables, settings, wan, lan, host, *class)?);
    }
    run::sweep(tables.pins(), &Sweep { host: Some(host.into()), ..Sweep::default() })?;
    Ok(findings)
}

fn one(
    tables: &Tables,
    settings: &Settings,
    wan: &Interface,
    lan: u32,
    host: Ipv4Addr,
    class: Class,
) -> anyhow::Result<Option<Finding>> {
    let link = if wan.link == Link::Raw as u8 { Link::Raw } else { Link::Ethernet };
    let Some(frame) = frames::frame(class, host, link) else { return Ok(None) };
    let before = drops(tables, class)?;
    let outcome = run::egress(tables.pins(), &frame, lan, settings.wan_ifindex)?;
    let reason = drops(tables, class)?
        .into_iter()
        .find(|(reason, count)| {
            before.iter().find(|(old, _)| old == reason).is_none_or(|(_, old)| old < count)
        })
        .map(|(reason, _)| reason);
    let source = frames::source_of(&outcome.frame, link);
    let translated = source.is_some_and(|source| settings.is_outside_address(u32::from(source)));
    Ok(Some(judged(class, settings.switch(class), outcome.action == SHOT, translated, source, reason)))
}

/// What the outcome says, given where the switch stands.
fn judged(
    class: Class,
    switch: Switch,
    dropped: bool,
    translated: bool,
    source: Option<Ipv4Addr>,
    reason: Option<Reason>,
) -> Finding {
    let name = class.name();
    let subject = format!("probe {name}");
    let why = reason
        .map_or("without a reason".to_string(), |reason| format!("{}: {}", reason.name(), reason.sentence()));
    match (switch, dropped) {
        (Switch::Off, true) => Finding::fine(subject, "a synthetic packet was dropped, as the switch says"),
        (Switch::Off, false) => Finding::fault(
            subject,
            "a synthetic packet passed although the switch is off",
            "`passthrough up` again loads the programs anew",
        ),
        // Not even full lets it through: it covers the addresses.
        (_, true) if class == Class::Ah => Finding::note(subject, "dropped: AH cannot cross a NAT; use ESP"),
        (_, true) => {
            Finding::fault(subject, format!("a synthetic packet was dropped, {why}"), remedy(reason))
        }
        (_, false) if translated => Finding::fine(
            subject,
            format!(
                "a synthetic packet left as {}",
                source.map_or(String::new(), |source| source.to_string())
            ),
        ),
        (_, false) => Finding::fault(
            subject,
            "a synthetic packet left untranslated",
            "`passthrough up` again loads the programs anew; check that LAN interfaces are right",
        ),
    }
}

fn remedy(reason: Option<Reason>) -> &'static str {
    match reason {
        Some(Reason::TableFull) => "`passthrough flush`, or down and up with a larger --sessions",
        Some(Reason::PortsExhausted) => "add an outside address with `passthrough up --address`",
        Some(Reason::Spoofed) => "check that the LAN interface and its routes are right",
        _ => "`passthrough stats` shows what else is dropped so",
    }
}

/// Drop counters of a class, outbound.
fn drops(tables: &Tables, class: Class) -> anyhow::Result<Vec<(Reason, u64)>> {
    let counted = tables.counters()?;
    Ok(counted
        .into_iter()
        .filter(|one| one.class == class && one.direction == Direction::Outbound && one.reason.is_drop())
        .map(|one| (one.reason, one.counter.packets))
        .collect())
}

/// An address behind an interface that is not the gateway's: the last of a private network there. Should a host
/// have it, its session to the documentation address is all that it loses.
fn unused_address(network: &Network, index: u32) -> Option<Ipv4Addr> {
    let own = network.addresses_of(index);
    network
        .behind(index)
        .into_iter()
        .filter(|prefix| (8..=30).contains(&prefix.length) && is_private(prefix.address))
        .find_map(|prefix| {
            let first = u32::from(prefix.network());
            let size = 1u32 << (32 - u32::from(prefix.length));
            // The very last is the broadcast address.
            (2..size.min(64))
                .map(|back| Ipv4Addr::from(first + size - back))
                .find(|address| !own.contains(address))
        })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::check::Weight;

    #[test]
    fn the_switch_decides_what_a_drop_means() {
        let reason = Some(Reason::SwitchedOff);
        assert_eq!(judged(Class::Pptp, Switch::Off, true, false, None, reason).weight, Weight::Fine);
        assert_eq!(judged(Class::Pptp, Switch::Off, false, true, None, None).weight, Weight::Fault);
        let full = judged(Class::Esp, Switch::Full, true, false, None, Some(Reason::TableFull));
        assert!(full.weight == Weight::Fault && full.finding.contains("table-full") && full.fix.is_some());
        assert_eq!(
            judged(Class::Ah, Switch::Full, true, false, None, Some(Reason::AhNat)).weight,
            Weight::Note
        );
        assert_eq!(judged(Class::Udp, Switch::Full, false, false, None, None).weight, Weight::Fault);
        let source = Some(Ipv4Addr::new(5, 6, 7, 8));
        assert!(
            judged(Class::Udp, Switch::Full, false, true, source, None).finding.ends_with("left as 5.6.7.8")
        );
    }
}
