//! Reads the answer of `iptables-save` into the model of a firewall, for rules that nft does not show.

use super::firewall::{Action, Chain, Condition, Field, Rule, Value, protocol};
use crate::config::Prefix;

/// All chains with their rules.
pub fn chains(text: &str) -> Vec<Chain> {
    let mut chains: Vec<Chain> = Vec::new();
    let mut table = String::new();
    for line in text.lines().map(str::trim) {
        if let Some(name) = line.strip_prefix('*') {
            table = name.to_string();
        } else if let Some(rest) = line.strip_prefix(':') {
            let mut words = rest.split(' ');
            if let (Some(name), Some(policy)) = (words.next(), words.next()) {
                chains.push(chain(&table, name, policy));
            }
        } else if let Some(rest) = line.strip_prefix("-A ") {
            let words = words(rest);
            let Some((name, words)) = words.split_first() else { continue };
            let found = chains.iter_mut().find(|chain| chain.table == table && chain.name == *name);
            if let Some(chain) = found {
                chain.rules.push(rule(&table, rest, words));
            }
        }
    }
    chains
}

fn chain(table: &str, name: &str, policy: &str) -> Chain {
    // `-` is the policy of chains that are not base chains.
    let base = (policy != "-").then(|| (table.to_string(), name.to_ascii_lowercase()));
    Chain {
        table: table.into(),
        name: name.into(),
        base,
        drops: policy == "DROP",
        insertion: format!("iptables -t {table} -I {name} RULE"),
        rules: Vec::new(),
    }
}

/// Words, those in quotes as one.
fn words(text: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        let (word, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted.split_once('"').unwrap_or((quoted, "")),
            None => rest.split_once(' ').unwrap_or((rest, "")),
        };
        words.push(word.to_string());
        rest = after.trim_start();
    }
    words
}

fn rule(table: &str, text: &str, words: &[String]) -> Rule {
    let mut conditions = Vec::new();
    let mut action = Action::Go;
    let mut negated = false;
    let mut of = None;
    let mut words = words.iter().map(String::as_str);
    while let Some(option) = words.next() {
        if option == "!" {
            negated = true;
            continue;
        }
        let Some(argument) = words.next() else { break };
        let mut condition = |field, value| conditions.push(Condition { field, value, negated });
        match option {
            "-i" => condition(Field::InterfaceIn, interface(argument)),
            "-o" => condition(Field::InterfaceOut, interface(argument)),
            "-p" => {
                of = protocol(argument);
                condition(Field::Protocol, of.map_or(Value::Unknown, |number| Value::Number(number.into())));
            }
            "-s" => condition(Field::Source, network(argument)),
            "-d" => condition(Field::Destination, network(argument)),
            "--sport" | "--sports" => condition(Field::SourcePort(of), ports(argument)),
            "--dport" | "--dports" => condition(Field::DestinationPort(of), ports(argument)),
            "--state" | "--ctstate" => {
                let states = argument.split(',').map(|state| Value::Text(state.to_ascii_lowercase()));
                condition(Field::State, Value::Any(states.collect()));
            }
            // Modules by whose own options, read above, or by nothing, packets are chosen.
            "-m" if ["tcp", "udp", "multiport", "state", "conntrack", "comment"].contains(&argument) => {}
            "--comment" | "--reject-with" | "--log-prefix" | "--to-source" | "--tcp-flags" | "-g" | "-j" => {
                match option {
                    "-j" => action = target(argument),
                    "-g" => action = Action::Goto(argument.into()),
                    // It has two arguments.
                    "--tcp-flags" => {
                        words.next();
                        condition(Field::Other, Value::Unknown);
                    }
                    _ => {}
                }
            }
            _ => condition(Field::Other, Value::Unknown),
        }
        negated = false;
    }
    Rule {
        conditions,
        action,
        place: format!("iptables rule `-t {table} -A {text}`"),
        removal: format!("iptables -t {table} -D {text}"),
    }
}

fn target(name: &str) -> Action {
    match name {
        "ACCEPT" => Action::Accept,
        "DROP" | "REJECT" => Action::Drop,
        "RETURN" => Action::Return,
        "MASQUERADE" | "SNAT" => Action::Translate,
        "LOG" | "MARK" | "CONNMARK" | "TCPMSS" | "NFLOG" | "CT" | "NOTRACK" => Action::Go,
        chain => Action::Jump(chain.into()),
    }
}

fn interface(word: &str) -> Value {
    Value::Text(word.strip_suffix('+').map_or(word.to_string(), |start| format!("{start}*")))
}

fn network(word: &str) -> Value {
    let (address, length) = word.split_once('/').unwrap_or((word, "32"));
    match (address.parse(), length.parse()) {
        (Ok(address), Ok(length)) => Value::Network(Prefix::new(address, length)),
        _ => Value::Unknown,
    }
}

fn ports(word: &str) -> Value {
    let one = |word: &str| match word.split_once(':') {
        Some((from, to)) => match (from.parse(), to.parse()) {
            (Ok(from), Ok(to)) => Value::Range(from, to),
            _ => Value::Unknown,
        },
        None => word.parse().map_or(Value::Unknown, Value::Number),
    };
    Value::Any(word.split(',').map(one).collect())
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::{
        super::firewall::{Packet, Verdict, judge},
        *,
    };

    const SAVED: &str = "# made by a test\n*nat\n:POSTROUTING ACCEPT [0:0]\n-A POSTROUTING -o wan0 -j MASQUERADE\nCOMMIT\n\
        *filter\n:FORWARD DROP [0:0]\n:OUT - [0:0]\n\
        -A FORWARD -m conntrack --ctstate RELATED,ESTABLISHED -j ACCEPT\n\
        -A FORWARD -i lan+ ! -o lan0 -m comment --comment \"clients out\" -j OUT\n\
        -A OUT -p tcp -m multiport --dports 25,8000:8090 -j REJECT --reject-with icmp-port-unreachable\n\
        -A OUT -j ACCEPT\nCOMMIT\n";

    fn verdict(chain: &str, packet: &Packet) -> Verdict {
        let chains = chains(SAVED);
        let base = chains.iter().find(|one| one.name == chain).expect("the chain");
        judge(&chains, base, packet).verdict
    }

    #[test]
    fn saved_rules_are_judged_as_nft_rules_are() {
        let packet = |ports, state| Packet {
            iif: "lan0".into(),
            oif: "wan0".into(),
            protocol: 6,
            source: Ipv4Addr::new(192, 168, 1, 10),
            destination: Ipv4Addr::new(192, 0, 2, 1),
            ports: Some(ports),
            state,
        };
        assert_eq!(verdict("FORWARD", &packet((1, 1723), "new")), Verdict::Passes);
        assert!(matches!(verdict("FORWARD", &packet((1, 8080), "new")), Verdict::Dropped(Some(_))));
        assert_eq!(verdict("FORWARD", &packet((1, 8080), "established")), Verdict::Passes);
        let foreign = Packet { iif: "dmz0".into(), ..packet((1, 1723), "new") };
        assert_eq!(verdict("FORWARD", &foreign), Verdict::Dropped(None));
        let translated = verdict("POSTROUTING", &packet((1, 1723), "new"));
        assert!(
            matches!(translated, Verdict::Translated(_, removal) if removal.starts_with("iptables -t nat -D "))
        );
    }
}
