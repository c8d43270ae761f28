//! What a ruleset does to a packet, as far as can be told without the kernel: a small model and its judge.
//!
//! A condition that this model does not know is neither true nor false; a verdict that hangs on one is "perhaps".

use std::net::Ipv4Addr;

use crate::config::Prefix;

/// A packet as a rule sees it.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Interface that it came in by.
    pub iif: String,
    /// Interface that it leaves by.
    pub oif: String,
    /// IP protocol number.
    pub protocol: u8,
    /// Source address.
    pub source: Ipv4Addr,
    /// Destination address.
    pub destination: Ipv4Addr,
    /// Source and destination port.
    pub ports: Option<(u16, u16)>,
    /// Connection tracking's word for it.
    pub state: &'static str,
}

/// What a condition looks at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Field {
    /// Name of the interface that it came in by.
    InterfaceIn,
    /// Name of the interface that it leaves by.
    InterfaceOut,
    /// IP protocol.
    Protocol,
    /// Source address.
    Source,
    /// Destination address.
    Destination,
    /// Source port; of one IP protocol alone if one is given.
    SourcePort(Option<u8>),
    /// Destination port.
    DestinationPort(Option<u8>),
    /// Connection tracking's state.
    State,
    /// `ip` or `ip6`.
    Family,
    /// Something that this model does not know.
    Other,
}

/// What it is compared with.
#[derive(Clone, PartialEq, Debug)]
pub enum Value {
    /// A word; a `*` at its end stands for anything.
    Text(String),
    /// A number.
    Number(u64),
    /// Numbers from, to.
    Range(u64, u64),
    /// A network.
    Network(Prefix),
    /// Any of several.
    Any(Vec<Value>),
    /// Something that this model does not know.
    Unknown,
}

/// A condition of a rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Condition {
    /// What is looked at.
    pub field: Field,
    /// With what it is compared.
    pub value: Value,
    /// Whether it must differ.
    pub negated: bool,
}

/// What a rule does.
#[derive(Clone, PartialEq, Debug)]
pub enum Action {
    /// Nothing that matters here: it counts, logs, marks.
    Go,
    /// Accepts for this chain.
    Accept,
    /// Drops or rejects.
    Drop,
    /// Rewrites the source.
    Translate,
    /// Goes through another chain and comes back.
    Jump(String),
    /// Goes to another chain for good.
    Goto(String),
    /// Leaves this chain.
    Return,
    /// One of several, by a field.
    Map(Field, Vec<(Value, Action)>),
}

/// A rule.
#[derive(Clone, PartialEq, Debug)]
pub struct Rule {
    /// Conditions, all of which must hold.
    pub conditions: Vec<Condition>,
    /// What it does.
    pub action: Action,
    /// Where it is, for the operator.
    pub place: String,
    /// The command that removes it.
    pub removal: String,
}

/// A chain.
#[derive(Clone, PartialEq, Debug)]
pub struct Chain {
    /// Family and table.
    pub table: String,
    /// Name.
    pub name: String,
    /// `filter` or `nat`, and the hook, if it is a base chain.
    pub base: Option<(String, String)>,
    /// Whether what no rule decides is dropped.
    pub drops: bool,
    /// The command that puts a rule with these words first; `RULE` stands for them.
    pub insertion: String,
    /// Rules, in order.
    pub rules: Vec<Rule>,
}

/// What becomes of a packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Verdict {
    /// Nothing stands against it.
    Passes,
    /// It is dropped, by this rule (place, removal), or by the policy of the chain if none.
    Dropped(Option<(String, String)>),
    /// Its source is rewritten by this rule.
    Translated(String, String),
}

/// A verdict, and a rule on which it hangs whose conditions this model does not know.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Judgement {
    /// The verdict.
    pub verdict: Verdict,
    /// A rule that may decide otherwise.
    pub perhaps: Option<String>,
}

/// Most chains within chains; the kernel's own limit is 16.
const DEPTH: usize = 16;

enum Walk {
    Decided(Verdict),
    Over,
}

/// What a base chain does to a packet. `chains` holds the chains that it may jump to.
pub fn judge(chains: &[Chain], base: &Chain, packet: &Packet) -> Judgement {
    let mut perhaps = Vec::new();
    let verdict = match walk(chains, base, packet, 0, &mut perhaps) {
        Walk::Decided(verdict) => verdict,
        Walk::Over if base.drops => Verdict::Dropped(None),
        Walk::Over => Verdict::Passes,
    };
    let passes = verdict == Verdict::Passes;
    let perhaps =
        perhaps.into_iter().find(|(_, action)| (*action != Action::Accept) == passes).map(|(place, _)| place);
    Judgement { verdict, perhaps }
}

fn walk(
    chains: &[Chain],
    chain: &Chain,
    packet: &Packet,
    depth: usize,
    perhaps: &mut Vec<(String, Action)>,
) -> Walk {
    if depth > DEPTH {
        return Walk::Over;
    }
    for rule in &chain.rules {
        let matched = all(rule.conditions.iter().map(|condition| holds(condition, packet)));
        let action = match &rule.action {
            Action::Map(field, entries) => {
                let found = entries.iter().find(|(value, _)| compare(*field, value, packet) == Some(true));
                found.map_or(&Action::Go, |(_, action)| action)
            }
            action => action,
        };
        match (matched, action) {
            (Some(false), _) | (_, Action::Go | Action::Map(..)) => {}
            (None, Action::Accept | Action::Drop | Action::Translate) => {
                perhaps.push((rule.place.clone(), action.clone()));
            }
            // Where it may lead is not followed: only certain ways are.
            (None, _) => {}
            (Some(true), Action::Accept) => return Walk::Decided(Verdict::Passes),
            (Some(true), Action::Drop) => {
                return Walk::Decided(Verdict::Dropped(Some((rule.place.clone(), rule.removal.clone()))));
            }
            (Some(true), Action::Translate) => {
                return Walk::Decided(Verdict::Translated(rule.place.clone(), rule.removal.clone()));
            }
            (Some(true), Action::Return) => return Walk::Over,
            (Some(true), Action::Jump(name) | Action::Goto(name)) => {
                let there = chains.iter().find(|other| other.table == chain.table && other.name == *name);
                let walked =
                    there.map_or(Walk::Over, |there| walk(chains, there, packet, depth + 1, perhaps));
                if matches!(walked, Walk::Decided(_)) || matches!(action, Action::Goto(_)) {
                    return walked;
                }
            }
        }
    }
    Walk::Over
}

/// Whether all are true: one that is false settles it, whatever the unknown ones are.
fn all(answers: impl Iterator<Item = Option<bool>>) -> Option<bool> {
    let answers: Vec<Option<bool>> = answers.collect();
    if answers.contains(&Some(false)) {
        Some(false)
    } else if answers.contains(&None) {
        None
    } else {
        Some(true)
    }
}

fn holds(condition: &Condition, packet: &Packet) -> Option<bool> {
    compare(condition.field, &condition.value, packet).map(|equal| equal != condition.negated)
}

/// Whether a field of the packet is this value; `None` if that cannot be told.
fn compare(field: Field, value: &Value, packet: &Packet) -> Option<bool> {
    if let Value::Any(values) = value {
        let answers: Vec<Option<bool>> = values.iter().map(|value| compare(field, value, packet)).collect();
        return if answers.contains(&Some(true)) {
            Some(true)
        } else if answers.contains(&None) {
            None
        } else {
            Some(false)
        };
    }
    let port = |of: Option<u8>, port: Option<u16>| match of {
        // A condition on a TCP port holds for no UDP packet.
        Some(protocol) if protocol != packet.protocol => Some(false),
        _ => port.map_or(Some(false), |port| number(value, u64::from(port))),
    };
    match field {
        Field::InterfaceIn => text(value, &packet.iif),
        Field::InterfaceOut => text(value, &packet.oif),
        Field::State => text(value, packet.state),
        Field::Family => text(value, "ip"),
        Field::Protocol => match value {
            Value::Text(name) => protocol(name).map(|known| known == packet.protocol),
            value => number(value, u64::from(packet.protocol)),
        },
        Field::Source => network(value, packet.source),
        Field::Destination => network(value, packet.destination),
        Field::SourcePort(of) => port(of, packet.ports.map(|(source, _)| source)),
        Field::DestinationPort(of) => port(of, packet.ports.map(|(_, destination)| destination)),
        Field::Other => None,
    }
}

fn text(value: &Value, word: &str) -> Option<bool> {
    match value {
        Value::Text(pattern) => Some(match pattern.strip_suffix('*') {
            Some(start) => word.starts_with(start),
            None => word == pattern,
        }),
        _ => None,
    }
}

fn number(value: &Value, is: u64) -> Option<bool> {
    match value {
        Value::Number(number) => Some(*number == is),
        Value::Range(from, to) => Some((*from..=*to).contains(&is)),
        Value::Text(word) => word.parse::<u64>().ok().map(|number| number == is),
        _ => None,
    }
}

fn network(value: &Value, address: Ipv4Addr) -> Option<bool> {
    match value {
        Value::Network(network) => Some(network.contains(address)),
        Value::Range(from, to) => Some((*from..=*to).contains(&u64::from(u32::from(address)))),
        _ => None,
    }
}

/// IP protocol numbers by the names that rulesets use.
pub fn protocol(name: &str) -> Option<u8> {
    Some(match name {
        "icmp" => 1,
        "ipencap" | "ipip" | "ipv4" => 4,
        "tcp" => 6,
        "udp" => 17,
        "ipv6" => 41,
        "gre" => 47,
        "esp" | "ipv6-crypt" => 50,
        "ah" | "ipv6-auth" => 51,
        "icmpv6" | "ipv6-icmp" => 58,
        "l2tp" => 115,
        "sctp" => 132,
        number => return number.parse().ok(),
    })
}
