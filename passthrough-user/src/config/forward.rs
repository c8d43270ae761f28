//! Port forwards as the operator writes them: `tcp 8080 192.168.1.10:80`, `udp 5000-5010 192.168.1.5`, `pptp 192.168.1.10`.

use std::{fmt, net::Ipv4Addr, ops::RangeInclusive};

use passthrough_common::{
    abi::{Class, Settings, Space},
    path::classify,
    proto::number,
};

use super::usage::usage;

/// Protocols that a forward can be for, by name.
const PROTOCOLS: [(&str, u8); 7] = [
    ("tcp", number::TCP),
    ("udp", number::UDP),
    ("esp", number::ESP),
    ("gre", number::GRE),
    ("ipip", number::IPIP),
    ("6in4", number::SIX_IN_FOUR),
    ("l2tpv3", number::L2TP),
];

/// Ports of VPN protocols that both ends have to know: they lead to the same port inside.
const KEPT: [(u8, u16); 4] =
    [(number::TCP, 1723), (number::UDP, 500), (number::UDP, 4500), (number::UDP, 1701)];

/// Every name, as it is shown.
const NAMES: &str = "tcp, udp, esp, gre, ipip, 6in4, l2tpv3, pptp, ipsec, l2tp";

/// What comes from outside: some ports of a protocol, or a protocol without ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Service {
    /// IP protocol number.
    pub protocol: u8,
    /// First outside port; 0 for a protocol without ports.
    pub first: u16,
    /// Last outside port.
    pub last: u16,
}

/// One rule: a service, and the inside host that it leads to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rule {
    /// What comes from outside.
    pub service: Service,
    /// The inside host.
    pub host: Ipv4Addr,
    /// Inside port to which the first outside port leads; the others follow.
    pub inside: u16,
}

impl Service {
    /// Its ports; port 0 alone for a protocol without ports.
    pub fn ports(&self) -> RangeInclusive<u16> {
        self.first..=self.last
    }

    /// Whether it is for this port of this protocol.
    pub fn covers(&self, protocol: u8, port: u16) -> bool {
        self.protocol == protocol && self.ports().contains(&port)
    }

    /// Whether two services have a port in common.
    pub fn overlaps(&self, other: &Service) -> bool {
        self.protocol == other.protocol && self.first <= other.last && other.first <= self.last
    }

    /// The class of each of its ports, each class once.
    pub fn classes(&self, settings: &Settings) -> Vec<Class> {
        let mut classes = Vec::new();
        for port in self.ports() {
            let class = match port {
                0 => classify::by_protocol(self.protocol, Space::Host),
                port => classify::by_port(settings, self.protocol, port, 0),
            };
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        classes
    }

    /// Name of the protocol.
    pub fn protocol_name(&self) -> &'static str {
        PROTOCOLS.iter().find(|(_, number)| *number == self.protocol).map_or("?", |(name, _)| name)
    }
}

impl Rule {
    /// The inside port to which an outside port leads.
    pub fn inside_of(&self, port: u16) -> u16 {
        self.inside + (port - self.service.first)
    }

    /// Whether two rules have an inside port in common.
    pub fn meets(&self, other: &Rule) -> bool {
        let ends = |rule: &Rule| Service {
            first: rule.inside,
            last: rule.inside_of(rule.service.last),
            ..rule.service
        };
        self.host == other.host && ends(self).overlaps(&ends(other))
    }
}

impl fmt::Display for Service {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        out.write_str(self.protocol_name())?;
        match (self.first, self.last) {
            (0, _) => Ok(()),
            (first, last) if first == last => write!(out, " {first}"),
            (first, last) => write!(out, " {first}-{last}"),
        }
    }
}

/// Reads a rule's words: `PROTOCOL [PORTS] HOST[:PORT]`. A VPN's name stands for several rules.
pub fn rules(words: &[String]) -> anyhow::Result<Vec<Rule>> {
    let (services, rest) = services(words)?;
    let [target] = rest else {
        let fault = if rest.is_empty() { "no inside host given" } else { "too many words" };
        return Err(usage(format!("{fault}: `passthrough forward add tcp 8080 192.168.1.10:80`")));
    };
    let (host, inside) = match target.split_once(':') {
        None => (target.as_str(), None),
        Some((host, word)) => (host, Some(port(word)?)),
    };
    let host = host_address(host)?;
    services
        .into_iter()
        .map(|service| {
            let rule = Rule { service, host, inside: inside.unwrap_or(service.first) };
            fits(&rule, inside)?;
            Ok(rule)
        })
        .collect()
}

/// Reads what `del` is to take away: `PROTOCOL [PORTS] [HOST]`.
pub fn removal(words: &[String]) -> anyhow::Result<(Vec<Service>, Option<Ipv4Addr>)> {
    let (services, rest) = services(words)?;
    match rest {
        [] => Ok((services, None)),
        [host] => {
            let host = host.split_once(':').map_or(host.as_str(), |(host, _)| host);
            Ok((services, Some(host_address(host)?)))
        }
        _ => Err(usage("too many words: `passthrough forward del tcp 8080`")),
    }
}

/// The services that the first words name, and the words after them.
fn services(words: &[String]) -> anyhow::Result<(Vec<Service>, &[String])> {
    let Some((name, rest)) = words.split_first() else {
        return Err(usage(format!("no protocol given: use one of {NAMES}")));
    };
    let name = name.to_ascii_lowercase();
    let of = |protocol, port| Service { protocol, first: port, last: port };
    let services = match name.as_str() {
        "pptp" => vec![of(number::TCP, 1723)],
        "ipsec" => vec![of(number::UDP, 500), of(number::UDP, 4500), of(number::ESP, 0)],
        "l2tp" => vec![of(number::UDP, 1701)],
        "ah" => {
            return Err(usage("AH covers the addresses, so it cannot cross a NAT: forward esp, or ipsec"));
        }
        name => match PROTOCOLS.iter().find(|(known, _)| *known == name) {
            None => return Err(usage(format!("no protocol is called '{name}': use one of {NAMES}"))),
            Some((_, protocol @ (number::TCP | number::UDP))) => {
                let Some((ports, rest)) = rest.split_first() else {
                    return Err(usage(format!(
                        "no port given: `passthrough forward add {name} 8080 192.168.1.10`"
                    )));
                };
                let (first, last) = range(ports)?;
                return Ok((vec![Service { protocol: *protocol, first, last }], rest));
            }
            Some((_, protocol)) => vec![of(*protocol, 0)],
        },
    };
    Ok((services, rest))
}

fn range(word: &str) -> anyhow::Result<(u16, u16)> {
    let (first, last) = word.split_once('-').unwrap_or((word, word));
    let (first, last) = (port(first)?, port(last)?);
    if first > last {
        return Err(usage(format!("ports {word} run backwards: write {last}-{first}")));
    }
    Ok((first, last))
}

fn port(word: &str) -> anyhow::Result<u16> {
    word.parse().ok().filter(|port| *port != 0).ok_or_else(|| {
        usage(format!("'{word}' is not a port: give a number from 1 to 65535, or a range 5000-5010"))
    })
}

fn host_address(word: &str) -> anyhow::Result<Ipv4Addr> {
    word.parse()
        .map_err(|_| usage(format!("'{word}' is not an IPv4 address: name the inside host as 192.168.1.10")))
}

/// Whether a rule makes sense by itself; `asked` is the inside port that was named.
fn fits(rule: &Rule, asked: Option<u16>) -> anyhow::Result<()> {
    let Some(inside) = asked else { return Ok(()) };
    let Service { protocol, first, last } = rule.service;
    if first == 0 {
        return Err(usage(format!("{} has no ports: leave ':{inside}' away", rule.service)));
    }
    if inside.checked_add(last - first).is_none() {
        return Err(usage(format!("{} ports from {inside} on go beyond 65535", u32::from(last - first) + 1)));
    }
    let moved = |port: u16| rule.inside_of(port) != port;
    let kept = rule.service.ports().filter(|port| moved(*port)).find_map(|port| {
        let is_kept = |port| KEPT.contains(&(protocol, port));
        [port, rule.inside_of(port)].into_iter().find(|port| is_kept(*port))
    });
    match kept {
        Some(port) => Err(usage(format!(
            "port {port} is a VPN's, which both ends have to know: it cannot lead to another, nor another to it"
        ))),
        None => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(text: &str) -> Vec<String> {
        text.split_whitespace().map(ToString::to_string).collect()
    }

    fn read(text: &str) -> Vec<(String, Ipv4Addr, u16)> {
        let rules = rules(&words(text)).expect(text);
        rules.iter().map(|rule| (rule.service.to_string(), rule.host, rule.inside)).collect()
    }

    #[test]
    fn a_rule_is_a_protocol_ports_and_a_host() {
        let host = Ipv4Addr::new(192, 168, 1, 10);
        assert_eq!(read("tcp 1723 192.168.1.10"), [("tcp 1723".into(), host, 1723)]);
        assert_eq!(read("TCP 8080 192.168.1.10:80"), [("tcp 8080".into(), host, 80)]);
        assert_eq!(read("udp 5000-5010 192.168.1.10:6000"), [("udp 5000-5010".into(), host, 6000)]);
        assert_eq!(read("esp 192.168.1.10"), [("esp".into(), host, 0)]);
        let rule = rules(&words("udp 5000-5010 192.168.1.10:6000")).expect("a range")[0];
        assert_eq!(rule.inside_of(5010), 6010);
    }

    #[test]
    fn a_vpn_is_named_by_one_word() {
        let host = Ipv4Addr::new(192, 168, 1, 10);
        assert_eq!(read("pptp 192.168.1.10"), read("tcp 1723 192.168.1.10"));
        assert_eq!(read("l2tp 192.168.1.10"), read("udp 1701 192.168.1.10"));
        assert_eq!(
            read("ipsec 192.168.1.10"),
            [("udp 500".into(), host, 500), ("udp 4500".into(), host, 4500), ("esp".into(), host, 0)]
        );
    }

    #[test]
    fn what_makes_no_sense_is_refused_in_one_line() {
        for (text, word) in [
            ("", "no protocol"),
            ("sctp 5 192.168.1.10", "sctp"),
            ("ah 192.168.1.10", "cannot cross a NAT"),
            ("tcp", "no port"),
            ("tcp 80", "no inside host"),
            ("tcp 80 192.168.1.10 81", "too many"),
            ("tcp 0 192.168.1.10", "'0'"),
            ("tcp 70000 192.168.1.10", "70000"),
            ("tcp 90-80 192.168.1.10", "80-90"),
            ("tcp 80 192.168.1", "192.168.1"),
            ("tcp 80 192.168.1.10:http", "http"),
            ("tcp 1-65535 192.168.1.10:2", "65535"),
            ("esp 192.168.1.10:50", "no ports"),
            ("udp 500 192.168.1.10:501", "500"),
            ("udp 501 192.168.1.10:500", "500"),
            ("tcp 1720-1730 192.168.1.10:1721", "1723"),
        ] {
            let error = rules(&words(text)).expect_err(text);
            let line = error.to_string();
            assert!(
                error.is::<crate::config::Usage>() && !line.contains('\n') && line.contains(word),
                "{line}"
            );
        }
    }

    #[test]
    fn what_is_taken_away_needs_no_host() {
        let (services, host) = removal(&words("ipsec")).expect("a name");
        assert_eq!((services.len(), host), (3, None));
        let (services, host) = removal(&words("tcp 8080 192.168.1.10:80")).expect("as it was added");
        assert_eq!((services[0].first, host), (8080, Some(Ipv4Addr::new(192, 168, 1, 10))));
    }

    #[test]
    fn rules_that_share_an_inside_port_meet() {
        let rule = |text: &str| rules(&words(text)).expect(text)[0];
        assert!(rule("tcp 80 192.168.1.10").meets(&rule("tcp 8070-8090 192.168.1.10:75")));
        assert!(!rule("tcp 80 192.168.1.10").meets(&rule("tcp 8080 192.168.1.11:80")));
        assert!(!rule("tcp 80 192.168.1.10").meets(&rule("udp 8080 192.168.1.10:80")));
    }

    #[test]
    fn services_that_share_a_port_overlap() {
        let service = |text: &str| removal(&words(text)).expect(text).0[0];
        assert!(service("tcp 80-90").overlaps(&service("tcp 90")));
        assert!(!service("tcp 80-90").overlaps(&service("udp 90")));
        assert!(!service("tcp 80-90").overlaps(&service("tcp 91")));
        assert!(service("esp").overlaps(&service("esp")) && !service("esp").overlaps(&service("gre")));
    }

    #[test]
    fn a_service_is_of_the_classes_of_its_ports() {
        let classes = |text: &str| removal(&words(text)).expect(text).0[0].classes(&Settings::DEFAULT);
        assert_eq!(classes("tcp 1722-1724"), [Class::Tcp, Class::Pptp]);
        assert_eq!(classes("gre"), [Class::Gre]);
        assert_eq!(classes("l2tpv3"), [Class::L2tp]);
    }
}
