//! Names of protocols as the operator writes them: lists, and the names that stand for several.

use passthrough_common::abi::Class;

use super::usage::usage;

/// Every name that the commands take, in the order in which they are shown.
pub const NAMES: &str = "pptp, ipsec, ike, nat-t, esp, ah, l2tp, gre, ipip, openvpn, wireguard, sstp, all";

const IPSEC: [Class; 4] = [Class::Ike, Class::NatT, Class::Esp, Class::Ah];

/// The classes that one name stands for, if it is the name of a switch.
fn switched(name: &str) -> Option<Vec<Class>> {
    match name {
        "ipsec" => Some(IPSEC.to_vec()),
        "all" => Some(Class::SWITCHED.to_vec()),
        name => Class::SWITCHED.into_iter().find(|class| class.name() == name).map(|class| vec![class]),
    }
}

/// Reads names that are parted by commas or spaces, over any number of words. Each class is given once.
pub fn switches(words: &[String]) -> anyhow::Result<Vec<Class>> {
    let mut classes = Vec::new();
    for name in words.iter().flat_map(|word| word.split([',', ' '])).filter(|name| !name.is_empty()) {
        let name = name.to_ascii_lowercase();
        let Some(found) = switched(&name) else {
            return Err(usage(format!("no protocol is called '{name}': use one of {NAMES}")));
        };
        for class in found {
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
    }
    if classes.is_empty() {
        return Err(usage(format!("no protocol given: use one of {NAMES}")));
    }
    Ok(classes)
}

/// The classes for `plain`: those that know this position. `all` leaves the others out; naming one is an error.
pub fn plain(words: &[String]) -> anyhow::Result<Vec<Class>> {
    let named_all =
        words.iter().any(|word| word.split([',', ' ']).any(|name| name.eq_ignore_ascii_case("all")));
    let (ordinary, classes): (Vec<Class>, Vec<Class>) =
        switches(words)?.into_iter().partition(|class| class.is_ordinary());
    match ordinary.first() {
        Some(class) if !named_all => Err(usage(format!(
            "{} is ordinary UDP or TCP and has no plain position: use enable or disable",
            class.name()
        ))),
        _ => Ok(classes),
    }
}

/// The classes to filter by, or to look at: any class, the unswitched ones too.
pub fn any(name: &str) -> anyhow::Result<Vec<Class>> {
    let name = name.to_ascii_lowercase();
    if let Some(classes) = switched(&name) {
        return Ok(classes);
    }
    Class::ALL
        .into_iter()
        .find(|class| class.name() == name)
        .map(|class| vec![class])
        .ok_or_else(|| usage(format!("no protocol is called '{name}': use tcp, udp, icmp or one of {NAMES}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(words: &[&str]) -> Vec<String> {
        words.iter().map(ToString::to_string).collect()
    }

    #[test]
    fn commas_and_spaces_part_names() {
        let expected = vec![Class::Pptp, Class::L2tp, Class::Gre];
        assert_eq!(switches(&words(&["pptp,l2tp", "gre"])).expect("known names"), expected);
        assert_eq!(switches(&words(&["PPTP l2tp,,gre"])).expect("known names"), expected);
    }

    #[test]
    fn ipsec_stands_for_its_four_and_each_counts_once() {
        let classes = switches(&words(&["esp", "ipsec"])).expect("known names");
        assert_eq!(classes, vec![Class::Esp, Class::Ike, Class::NatT, Class::Ah]);
        assert_eq!(switches(&words(&["all"])).expect("known name").len(), Class::SWITCHED.len());
    }

    #[test]
    fn a_wrong_name_is_answered_with_the_right_ones() {
        let error = switches(&words(&["pptp,ipsek"])).expect_err("no such protocol");
        assert!(error.to_string().contains("'ipsek'") && error.to_string().contains("ipsec"));
        assert!(switches(&words(&["tcp"])).is_err(), "tcp has no switch");
        assert!(switches(&[]).is_err());
        assert_eq!(any("tcp").expect("a class"), vec![Class::Tcp]);
    }

    #[test]
    fn plain_is_refused_for_what_needs_no_help() {
        assert!(plain(&words(&["wireguard"])).is_err());
        assert_eq!(plain(&words(&["all"])).expect("the rest").len(), 8);
        assert_eq!(plain(&words(&["esp"])).expect("esp"), vec![Class::Esp]);
    }
}
