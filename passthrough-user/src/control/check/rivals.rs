//! What the machine's own firewall does to clients' packets: drops them, or rewrites them before this gateway can.

use std::{collections::BTreeMap, net::Ipv4Addr, process::Command};

use passthrough_common::abi::{Class, Interface, Settings, Side};

use super::{
    firewall::{Chain, Judgement, Packet, Verdict, judge},
    frames, iptables, nft,
};
use crate::{config::Network, render::check::Finding};

/// Judges a first packet and an answer of each class, from each LAN interface.
pub fn check(
    network: &Network,
    settings: &Settings,
    interfaces: &BTreeMap<u32, Interface>,
    classes: &[Class],
) -> Vec<Finding> {
    let (chains, mut findings) = rulesets();
    let wan = network.name_of(settings.wan_ifindex);
    let lans = interfaces.iter().filter(|(_, interface)| interface.side == Side::Inside as u8);
    for (index, _) in lans {
        let host = network.behind(*index).first().map_or(Ipv4Addr::UNSPECIFIED, |prefix| {
            Ipv4Addr::from(u32::from(prefix.network()).saturating_add(10))
        });
        let way = Way { lan: network.name_of(*index), wan: wan.clone(), host };
        for class in classes {
            let Some((protocol, ports)) = frames::first_packet(*class) else { continue };
            findings.extend(way.judge(&chains, *class, protocol, ports));
        }
    }
    merge(findings)
}

/// The way of packets between a LAN interface and WAN.
struct Way {
    lan: String,
    wan: String,
    host: Ipv4Addr,
}

impl Way {
    fn judge(&self, chains: &[Chain], class: Class, protocol: u8, ports: Option<(u16, u16)>) -> Vec<Finding> {
        let out = Packet {
            iif: self.lan.clone(),
            oif: self.wan.clone(),
            protocol,
            source: self.host,
            destination: frames::SERVER,
            ports,
            state: "new",
        };
        let back = Packet {
            iif: self.wan.clone(),
            oif: self.lan.clone(),
            source: frames::SERVER,
            destination: self.host,
            ports: ports.map(|(source, destination)| (destination, source)),
            state: "established",
            ..out.clone()
        };
        let of = |kind: &str, hook: &str| {
            let base = (kind.to_string(), hook.to_string());
            chains.iter().filter(move |chain| chain.base.as_ref() == Some(&base)).collect::<Vec<_>>()
        };
        let mut findings = Vec::new();
        for chain in [of("filter", "forward"), of("mangle", "forward")].concat() {
            let accept = format!("iifname {} oifname {} accept", self.lan, self.wan);
            findings.extend(self.forward(
                &judge(chains, chain, &out),
                chain,
                class,
                "clients' packets",
                &accept,
            ));
            let answers = "ct state established,related accept";
            findings.extend(self.forward(
                &judge(chains, chain, &back),
                chain,
                class,
                "servers' answers",
                answers,
            ));
        }
        for chain in of("nat", "postrouting") {
            if let Verdict::Translated(place, removal) = judge(chains, chain, &out).verdict {
                findings.push(Finding::fault(
                    "rivals",
                    format!(
                        "{place} translates what leaves by {} before this gateway sees it: {}",
                        self.wan,
                        class.name()
                    ),
                    removal,
                ));
            }
        }
        findings
    }

    fn forward(
        &self,
        judgement: &Judgement,
        chain: &Chain,
        class: Class,
        whose: &str,
        accept: &str,
    ) -> Option<Finding> {
        let name = class.name();
        let from_to = format!("{} and {}", self.lan, self.wan);
        match (&judgement.verdict, &judgement.perhaps) {
            (Verdict::Dropped(Some((place, removal))), None) => Some(Finding::fault(
                "firewall",
                format!("{place} drops {whose} between {from_to}: {name}"),
                removal.clone(),
            )),
            (Verdict::Dropped(None), None) => {
                let words = if chain.insertion.starts_with("iptables") {
                    iptables_words(accept)
                } else {
                    accept.into()
                };
                Some(Finding::fault(
                    "firewall",
                    format!(
                        "chain {} {} drops {whose} between {from_to} by its policy: {name}",
                        chain.table, chain.name
                    ),
                    chain.insertion.replace("RULE", &words),
                ))
            }
            (Verdict::Dropped(_), Some(place)) => Some(Finding::note(
                "firewall",
                format!(
                    "{place} decides, by something not judged here, whether {whose} between {from_to} pass: {name}"
                ),
            )),
            (_, Some(place)) => Some(Finding::note(
                "firewall",
                format!("{place} may drop {whose} between {from_to}, by something not judged here: {name}"),
            )),
            _ => None,
        }
    }
}

/// The same words for iptables.
fn iptables_words(nft: &str) -> String {
    let words: Vec<&str> = nft.split(' ').collect();
    match words.as_slice() {
        ["iifname", lan, "oifname", wan, "accept"] => format!("-i {lan} -o {wan} -j ACCEPT"),
        _ => "-m conntrack --ctstate ESTABLISHED,RELATED -j ACCEPT".into(),
    }
}

/// All chains of this network namespace, and what could not be read.
fn rulesets() -> (Vec<Chain>, Vec<Finding>) {
    let mut findings = Vec::new();
    let mut chains = Vec::new();
    match answer("nft", &["-j", "list", "ruleset"]) {
        Some(text) => match nft::chains(&text) {
            Ok(read) => chains.extend(read),
            Err(error) => {
                findings.push(Finding::note("firewall", format!("nft's answer was not understood: {error}")))
            }
        },
        None => findings
            .push(Finding::note("firewall", "nftables rules were not looked at: `nft` is missing or failed")),
    }
    // Rules of the newer iptables are nftables rules; only the older one's are not seen by nft.
    let legacy = answer("iptables-legacy-save", &[]).or_else(|| {
        let version = answer("iptables", &["--version"])?;
        if version.contains("nf_tables") { None } else { answer("iptables-save", &[]) }
    });
    if let Some(text) = legacy {
        chains.extend(iptables::chains(&text));
    }
    (chains, findings)
}

/// What a command says; nothing if it is missing or fails.
fn answer(command: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(command).args(arguments).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).into_owned())
}

/// Findings that differ only in their protocol, which comes last, become one.
fn merge(findings: Vec<Finding>) -> Vec<Finding> {
    let mut merged: Vec<Finding> = Vec::new();
    for finding in findings {
        let Some((text, name)) = finding.finding.rsplit_once(": ") else {
            merged.push(finding);
            continue;
        };
        let same = merged.iter_mut().find(|other| {
            other.subject == finding.subject
                && other.fix == finding.fix
                && other.finding.rsplit_once(": ").is_some_and(|(other, _)| other == text)
        });
        match same {
            Some(other) if !other.finding.ends_with(name) => other.finding.push_str(&format!(", {name}")),
            Some(_) => {}
            None => merged.push(finding),
        }
    }
    if merged.is_empty() {
        merged.push(Finding::fine("firewall", "no rule drops or translates clients' packets"));
    }
    merged
}

#[cfg(test)]
mod tests {
    use super::*;

    const POLICY: &str = r#"{"nftables":[{"chain":{"family":"ip","table":"f","name":"fw","type":"filter","hook":"forward","prio":0,"policy":"drop"}}]}"#;

    fn way() -> Way {
        Way { lan: "lan0".into(), wan: "wan0".into(), host: Ipv4Addr::new(192, 168, 1, 10) }
    }

    #[test]
    fn a_policy_of_drop_without_accept_is_found_with_its_fix() {
        let chains = nft::chains(POLICY).expect("a ruleset");
        let findings: Vec<Finding> = [Class::Pptp, Class::Esp]
            .into_iter()
            .flat_map(|class| way().judge(&chains, class, 6, Some((1, 1723))))
            .collect();
        let merged = merge(findings);
        assert_eq!(merged.len(), 2, "{merged:?}");
        assert!(merged[0].finding.ends_with("by its policy: pptp, esp"), "{merged:?}");
        assert_eq!(
            merged[0].fix.as_deref(),
            Some("nft insert rule ip f fw iifname lan0 oifname wan0 accept")
        );
        assert_eq!(
            merged[1].fix.as_deref(),
            Some("nft insert rule ip f fw ct state established,related accept")
        );
    }

    #[test]
    fn a_rival_masquerade_is_found() {
        let rival = r#"{"nftables":[{"chain":{"family":"ip","table":"n","name":"post","type":"nat","hook":"postrouting","prio":100,"policy":"accept"}},
            {"rule":{"family":"ip","table":"n","chain":"post","handle":4,"expr":[{"match":{"op":"==","left":{"meta":{"key":"oifname"}},"right":"wan0"}},{"masquerade":null}]}}]}"#;
        let chains = nft::chains(rival).expect("a ruleset");
        let findings = way().judge(&chains, Class::Udp, 17, Some((1, 2)));
        assert_eq!(findings[0].fix.as_deref(), Some("nft delete rule ip n post handle 4"));
    }

    #[test]
    fn no_rules_are_fine() {
        let findings = merge(way().judge(&[], Class::Gre, 47, None));
        assert_eq!(findings.len(), 1);
        assert!(findings[0].fix.is_none());
    }
}
