//! Reads the answer of `nft -j list ruleset` into the model of a firewall.

use std::net::Ipv4Addr;

use serde_json::Value as Json;

use super::firewall::{Action, Chain, Condition, Field, Rule, Value, protocol};
use crate::config::Prefix;

/// Families whose chains see forwarded IPv4 packets.
const FAMILIES: [&str; 2] = ["ip", "inet"];

/// All chains that see IPv4, with their rules.
pub fn chains(text: &str) -> anyhow::Result<Vec<Chain>> {
    let json: Json = serde_json::from_str(text)?;
    let items = json["nftables"].as_array().cloned().unwrap_or_default();
    let sets: Vec<&Json> = items.iter().filter_map(|item| item.get("set")).collect();
    let mut chains: Vec<Chain> = items
        .iter()
        .filter_map(|item| item.get("chain"))
        .filter(|chain| FAMILIES.contains(&word(&chain["family"])))
        .map(chain)
        .collect();
    for item in items.iter().filter_map(|item| item.get("rule")) {
        let table = format!("{} {}", word(&item["family"]), word(&item["table"]));
        let name = word(&item["chain"]);
        let Some(chain) = chains.iter_mut().find(|chain| chain.table == table && chain.name == name) else {
            continue;
        };
        let place = format!("{table} {name} handle {}", item["handle"]);
        let removal = format!("nft delete rule {place}");
        let (conditions, action) =
            expressions(item["expr"].as_array().map_or(&[][..], Vec::as_slice), &sets, &table);
        chain.rules.push(Rule { conditions, action, place: format!("nftables rule {place}"), removal });
    }
    Ok(chains)
}

fn word(json: &Json) -> &str {
    json.as_str().unwrap_or_default()
}

fn chain(json: &Json) -> Chain {
    let table = format!("{} {}", word(&json["family"]), word(&json["table"]));
    let name = word(&json["name"]).to_string();
    let base = json["hook"].as_str().map(|hook| (word(&json["type"]).to_string(), hook.to_string()));
    let insertion = format!("nft insert rule {table} {name} RULE");
    Chain { base, drops: json["policy"] == "drop", insertion, rules: Vec::new(), table, name }
}

/// The conditions of a rule, and what it does in the end.
fn expressions(expressions: &[Json], sets: &[&Json], table: &str) -> (Vec<Condition>, Action) {
    let mut conditions = Vec::new();
    let mut action = Action::Go;
    for expression in expressions {
        let Some((kind, body)) = expression.as_object().and_then(|object| object.iter().next()) else {
            continue;
        };
        match kind.as_str() {
            "match" => conditions.push(Condition {
                field: field(&body["left"]),
                value: match body["op"].as_str() {
                    Some("==" | "!=" | "in") => value(&body["right"], sets, table),
                    _ => Value::Unknown,
                },
                negated: body["op"] == "!=",
            }),
            "vmap" => {
                let entries = body["data"]["set"].as_array().cloned().unwrap_or_default();
                let entries = entries.iter().map(|entry| {
                    let (_, action) = self::expressions(&[entry[1].clone()], sets, table);
                    (value(&entry[0], sets, table), action)
                });
                action = Action::Map(field(&body["key"]), entries.collect());
            }
            // A match of iptables' own, shown by nft without its content.
            "xt" if body["type"] == "match" => {
                conditions.push(Condition { field: Field::Other, value: Value::Unknown, negated: false });
            }
            "xt" => {
                if let Some(target) = target(word(&body["name"])) {
                    action = target;
                }
            }
            // A limit lets some packets through and others not.
            "limit" | "quota" | "socket" | "fib" | "osf" => {
                conditions.push(Condition { field: Field::Other, value: Value::Unknown, negated: false });
            }
            "accept" => action = Action::Accept,
            "drop" | "reject" => action = Action::Drop,
            "masquerade" | "snat" => action = Action::Translate,
            "jump" => action = Action::Jump(word(&body["target"]).into()),
            "goto" => action = Action::Goto(word(&body["target"]).into()),
            "return" => action = Action::Return,
            _ => {}
        }
    }
    (conditions, action)
}

fn target(name: &str) -> Option<Action> {
    match name {
        "MASQUERADE" | "SNAT" => Some(Action::Translate),
        "REJECT" => Some(Action::Drop),
        _ => None,
    }
}

fn field(json: &Json) -> Field {
    let Some((kind, body)) = json.as_object().and_then(|object| object.iter().next()) else {
        return Field::Other;
    };
    match (kind.as_str(), word(&body["key"]), word(&body["protocol"]), word(&body["field"])) {
        ("meta", "iifname" | "iif", ..) => Field::InterfaceIn,
        ("meta", "oifname" | "oif", ..) => Field::InterfaceOut,
        ("meta", "l4proto", ..) => Field::Protocol,
        ("meta", "nfproto" | "protocol", ..) => Field::Family,
        ("ct", "state", ..) => Field::State,
        ("payload", _, "ip", "saddr") => Field::Source,
        ("payload", _, "ip", "daddr") => Field::Destination,
        ("payload", _, "ip", "protocol") => Field::Protocol,
        ("payload", _, "th", "sport") => Field::SourcePort(None),
        ("payload", _, "th", "dport") => Field::DestinationPort(None),
        ("payload", _, of, "sport") => Field::SourcePort(protocol(of)),
        ("payload", _, of, "dport") => Field::DestinationPort(protocol(of)),
        _ => Field::Other,
    }
}

fn value(json: &Json, sets: &[&Json], table: &str) -> Value {
    match json {
        Json::Number(number) => number.as_u64().map_or(Value::Unknown, Value::Number),
        Json::String(word) => match word.strip_prefix('@') {
            Some(name) => named(name, sets, table),
            None => match word.parse::<Ipv4Addr>() {
                Ok(address) => Value::Network(Prefix::new(address, 32)),
                Err(_) if word == "ipv4" => Value::Text("ip".into()),
                Err(_) => Value::Text(word.clone()),
            },
        },
        Json::Array(values) => Value::Any(values.iter().map(|one| value(one, sets, table)).collect()),
        Json::Object(object) => {
            if let Some(values) = object.get("set") {
                value(values, sets, table)
            } else if let Some(prefix) = object.get("prefix") {
                let length = prefix["len"].as_u64().and_then(|length| u8::try_from(length).ok());
                match (word(&prefix["addr"]).parse(), length) {
                    (Ok(address), Some(length)) => Value::Network(Prefix::new(address, length)),
                    _ => Value::Unknown,
                }
            } else if let Some(range) = object.get("range") {
                range_of(&range[0], &range[1])
            } else if let Some(element) = object.get("elem") {
                value(&element["val"], sets, table)
            } else {
                Value::Unknown
            }
        }
        _ => Value::Unknown,
    }
}

fn range_of(from: &Json, to: &Json) -> Value {
    let end = |json: &Json| {
        json.as_u64()
            .or_else(|| word(json).parse::<Ipv4Addr>().ok().map(|address| u64::from(u32::from(address))))
    };
    match (end(from), end(to)) {
        (Some(from), Some(to)) => Value::Range(from, to),
        _ => Value::Unknown,
    }
}

/// The elements of a named set; without elements it matches nothing.
fn named(name: &str, sets: &[&Json], table: &str) -> Value {
    let found = sets.iter().find(|set| {
        word(&set["name"]) == name && format!("{} {}", word(&set["family"]), word(&set["table"])) == table
    });
    match found {
        Some(set) => value(&set.get("elem").cloned().unwrap_or(Json::Array(Vec::new())), sets, table),
        None => Value::Unknown,
    }
}

#[cfg(test)]
mod tests {
    use super::{
        super::firewall::{Judgement, Packet, Verdict, judge},
        *,
    };

    fn packet(protocol: u8, ports: Option<(u16, u16)>, state: &'static str) -> Packet {
        Packet {
            iif: "lan0".into(),
            oif: "wan0".into(),
            protocol,
            source: Ipv4Addr::new(192, 168, 1, 10),
            destination: Ipv4Addr::new(192, 0, 2, 1),
            ports,
            state,
        }
    }

    fn forward(rules: &str, policy: &str, packet: &Packet) -> Judgement {
        let chains = chains(&ruleset(rules, policy)).expect("a ruleset");
        judge(&chains, &chains[0], packet)
    }

    fn ruleset(rules: &str, policy: &str) -> String {
        let rules: Vec<String> = rules
            .lines()
            .map(str::trim)
            .filter(|line| !line.is_empty())
            .enumerate()
            .map(|(index, line)| {
                let (chain, expr) = line.split_once(": ").expect("chain: expressions");
                format!(
                    r#"{{"rule":{{"family":"inet","table":"f","chain":"{chain}","handle":{},"expr":[{expr}]}}}}"#,
                    index + 10
                )
            })
            .collect();
        format!(
            r#"{{"nftables":[
              {{"chain":{{"family":"inet","table":"f","name":"fw","type":"filter","hook":"forward","prio":0,"policy":"{policy}"}}}},
              {{"chain":{{"family":"inet","table":"f","name":"news"}}}},
              {{"set":{{"family":"inet","table":"f","name":"open","elem":[80,{{"range":[440,450]}}]}}}}{}{}]}}"#,
            if rules.is_empty() { "" } else { "," },
            rules.join(",")
        )
    }

    const USUAL: &str = r#"
        fw: {"match":{"op":"in","left":{"ct":{"key":"state"}},"right":["established","related"]}},{"accept":null}
        fw: {"match":{"op":"in","left":{"ct":{"key":"state"}},"right":"invalid"}},{"drop":null}
        fw: {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":8080}},{"drop":null}
        fw: {"vmap":{"key":{"ct":{"key":"state"}},"data":{"set":[["new",{"jump":{"target":"news"}}]]}}}
        news: {"match":{"op":"==","left":{"meta":{"key":"iifname"}},"right":{"set":["lan0","lan1"]}}},{"accept":null}
    "#;

    #[test]
    fn the_usual_stateful_ruleset_lets_clients_out_and_answers_in() {
        assert_eq!(forward(USUAL, "drop", &packet(47, None, "new")).verdict, Verdict::Passes);
        assert_eq!(forward(USUAL, "drop", &packet(50, None, "established")).verdict, Verdict::Passes);
        let foreign = Packet { iif: "dmz0".into(), ..packet(17, Some((500, 500)), "new") };
        assert_eq!(forward(USUAL, "drop", &foreign).verdict, Verdict::Dropped(None));
        let blocked = forward(USUAL, "drop", &packet(6, Some((40000, 8080)), "new")).verdict;
        let Verdict::Dropped(Some((place, removal))) = blocked else { panic!("{blocked:?}") };
        assert_eq!(place, "nftables rule inet f fw handle 12");
        assert_eq!(removal, "nft delete rule inet f fw handle 12");
    }

    #[test]
    fn a_rule_against_one_protocol_is_found_whatever_its_form() {
        for rule in [
            r#"fw: {"match":{"op":"==","left":{"meta":{"key":"l4proto"}},"right":{"set":["gre","esp"]}}},{"drop":null}"#,
            r#"fw: {"match":{"op":"==","left":{"payload":{"protocol":"ip","field":"protocol"}},"right":47}},{"drop":null}"#,
            r#"fw: {"match":{"op":"!=","left":{"payload":{"protocol":"ip","field":"daddr"}},"right":{"prefix":{"addr":"10.0.0.0","len":8}}}},{"counter":{"packets":0,"bytes":0}},{"reject":null}"#,
        ] {
            assert!(
                matches!(
                    forward(rule, "accept", &packet(47, None, "new")).verdict,
                    Verdict::Dropped(Some(_))
                ),
                "{rule}"
            );
        }
        let set = r#"fw: {"match":{"op":"==","left":{"payload":{"protocol":"tcp","field":"dport"}},"right":"@open"}},{"drop":null}"#;
        assert!(matches!(
            forward(set, "accept", &packet(6, Some((1, 443)), "new")).verdict,
            Verdict::Dropped(_)
        ));
        assert_eq!(forward(set, "accept", &packet(17, Some((1, 443)), "new")).verdict, Verdict::Passes);
    }

    #[test]
    fn what_the_model_does_not_know_is_perhaps() {
        let rule = r#"fw: {"match":{"op":"==","left":{"meta":{"key":"mark"}},"right":7}},{"drop":null}"#;
        let judgement = forward(rule, "accept", &packet(47, None, "new"));
        assert_eq!(judgement.verdict, Verdict::Passes);
        assert!(judgement.perhaps.is_some_and(|place| place.contains("handle 10")));
    }

    #[test]
    fn masquerade_is_seen_as_iptables_writes_it_too() {
        for rule in [r#"fw: {"masquerade":null}"#, r#"fw: {"xt":{"type":"target","name":"MASQUERADE"}}"#] {
            assert!(matches!(
                forward(rule, "accept", &packet(17, None, "new")).verdict,
                Verdict::Translated(..)
            ));
        }
    }
}
