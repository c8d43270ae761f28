//! What `up` is asked to do: options and file put together, options first. Knows nothing of the machine.

use passthrough_common::abi::{Class, Filtering, Ranges};

use super::{
    Mode, Pooling,
    file::File,
    forward::{self, Rule},
    list, pooling, protocols, ranges,
    usage::usage,
};

/// What becomes of L2TP's source port 1701.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum L2tpPort {
    /// It stays, and clients are told apart by tunnel ID.
    Keep,
    /// It is translated as any UDP port is.
    Translate,
}

impl L2tpPort {
    /// Reads `keep` or `translate`.
    pub fn parse(word: &str) -> anyhow::Result<L2tpPort> {
        match word {
            "keep" => Ok(L2tpPort::Keep),
            "translate" => Ok(L2tpPort::Translate),
            other => Err(usage(format!("no L2TP port rule is called '{other}': use keep or translate"))),
        }
    }
}

/// Words of `up` as they were written; what was not said is empty.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// The WAN interface.
    pub wan: Option<String>,
    /// LAN interfaces.
    pub lan: Vec<String>,
    /// Protocols to be enabled.
    pub enable: Vec<String>,
    /// Mode.
    pub mode: Option<String>,
    /// Outside addresses.
    pub address: Vec<String>,
    /// How hosts share them.
    pub pooling: pooling::Words,
    /// L2TP port rule.
    pub l2tp_port: Option<String>,
    /// Filtering.
    pub filtering: Option<String>,
    /// Port forwards, a rule each.
    pub forward: Vec<String>,
    /// Most sessions at once.
    pub sessions: Option<u32>,
    /// Most sessions of one inside host; 0 for no limit.
    pub host_sessions: Option<u32>,
    /// Most sessions that one inside host may open in a second; 0 for no limit.
    pub host_rate: Option<u32>,
    /// Most PPTP control connections of one inside host; 0 for no limit.
    pub host_connections: Option<u32>,
    /// Most VPN servers that one inside host may be the first client of; 0 for no limit.
    pub host_servers: Option<u32>,
}

impl Words {
    /// These words, and from `file` what they leave unsaid.
    pub fn over(self, file: File) -> Words {
        let pooling = pooling::Words {
            pooling: file.pooling,
            ports: file.ports,
            port_block: file.port_block,
            subscribers: file.subscribers,
            ipsec_addresses: file.ipsec_addresses,
        };
        let either = |mine: Vec<String>, theirs: Vec<String>| if mine.is_empty() { theirs } else { mine };
        Words {
            wan: self.wan.or(file.wan),
            lan: either(self.lan, file.lan),
            enable: either(self.enable, file.enable),
            mode: self.mode.or(file.mode),
            address: either(self.address, file.address),
            pooling: self.pooling.over(pooling),
            l2tp_port: self.l2tp_port.or(file.l2tp_port),
            filtering: self.filtering.or(file.filtering),
            forward: either(self.forward, file.forward),
            sessions: self.sessions.or(file.sessions),
            host_sessions: self.host_sessions.or(file.host_sessions),
            host_rate: self.host_rate.or(file.host_rate),
            host_connections: self.host_connections.or(file.host_connections),
            host_servers: self.host_servers.or(file.host_servers),
        }
    }
}

/// The plan. `None` and empty lists mean: found on the machine, or as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Plan {
    /// The WAN interface.
    pub wan: String,
    /// LAN interfaces; found from addresses and routes if empty.
    pub lans: Vec<String>,
    /// Classes to be switched to full.
    pub enable: Vec<Class>,
    /// Which path packets shall take.
    pub mode: Option<Mode>,
    /// Outside addresses; those of the WAN interface if empty.
    pub addresses: Ranges,
    /// How hosts share them.
    pub pooling: Pooling,
    /// L2TP port rule.
    pub l2tp_port: Option<L2tpPort>,
    /// Filtering.
    pub filtering: Option<Filtering>,
    /// Port forwards to be there; those that are there already stay.
    pub forwards: Vec<Rule>,
    /// Most sessions at once.
    pub sessions: Option<u32>,
    /// Most sessions of one inside host; 0 for no limit.
    pub host_sessions: Option<u32>,
    /// Most sessions that one inside host may open in a second; 0 for no limit.
    pub host_rate: Option<u32>,
    /// Most PPTP control connections of one inside host; 0 for no limit.
    pub host_connections: Option<u32>,
    /// Most VPN servers that one inside host may be the first client of; 0 for no limit.
    pub host_servers: Option<u32>,
}

/// Least and most sessions that may be asked for. A session is two entries of 112 bytes with
/// their buckets, held from the start.
pub const SESSIONS: std::ops::RangeInclusive<u32> = 128..=8_388_608;

impl Plan {
    /// Reads the words.
    pub fn read(words: Words) -> anyhow::Result<Plan> {
        let wan = words.wan.ok_or_else(|| {
            usage("no WAN interface given: name the one that leads to the internet with --wan IF (`ip -br addr` lists them)")
        })?;
        let lans = list::items(&words.lan);
        if lans.contains(&wan) {
            return Err(usage(format!(
                "{wan} is named as WAN and as LAN: an interface can only be one of them"
            )));
        }
        let enable = if words.enable.is_empty() { Vec::new() } else { protocols::switches(&words.enable)? };
        let mode = words.mode.as_deref().map(Mode::parse).transpose()?;
        let filtering = words.filtering.as_deref().map(filtering).transpose()?;
        let l2tp_port = words.l2tp_port.as_deref().map(L2tpPort::parse).transpose()?;
        let mut forwards = Vec::new();
        for rule in &words.forward {
            let words: Vec<String> = rule.split_whitespace().map(ToString::to_string).collect();
            forwards.extend(forward::rules(&words)?);
        }
        if let Some(sessions) = words.sessions.filter(|sessions| !SESSIONS.contains(sessions)) {
            return Err(usage(format!(
                "{sessions} sessions asked for: give a number from {} to {}",
                SESSIONS.start(),
                SESSIONS.end()
            )));
        }
        let most = [
            ("sessions", words.host_sessions),
            ("new sessions a second", words.host_rate),
            ("PPTP connections", words.host_connections),
            ("VPN servers", words.host_servers),
        ];
        for (what, most) in most {
            if let Some(most) = most.filter(|most| most > SESSIONS.end()) {
                return Err(usage(format!(
                    "{most} {what} for one host: give a number up to {}, or 0 for no limit",
                    SESSIONS.end()
                )));
            }
        }
        Ok(Plan {
            wan,
            lans,
            enable,
            mode,
            addresses: ranges::parse("--address", &words.address)?,
            pooling: Pooling::read(&words.pooling)?,
            l2tp_port,
            filtering,
            sessions: words.sessions,
            host_sessions: words.host_sessions,
            host_rate: words.host_rate,
            host_connections: words.host_connections,
            host_servers: words.host_servers,
            forwards,
        })
    }
}

/// Reads a filtering rule (RFC 4787 section 5).
fn filtering(word: &str) -> anyhow::Result<Filtering> {
    match word {
        "address-and-port" => Ok(Filtering::AddressAndPort),
        "address" => Ok(Filtering::Address),
        "endpoint" => Ok(Filtering::Endpoint),
        other => {
            Err(usage(format!("no filtering is called '{other}': use address-and-port, address or endpoint")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(wan: &str) -> Words {
        Words { wan: Some(wan.into()), ..Words::default() }
    }

    #[test]
    fn options_win_over_the_file() {
        let file = File {
            wan: Some("eth9".into()),
            lan: vec!["eth1".into()],
            sessions: Some(500),
            ..File::default()
        };
        let plan = Plan::read(words("eth0").over(file)).expect("a plan");
        assert_eq!((plan.wan.as_str(), plan.lans.as_slice()), ("eth0", &["eth1".to_string()][..]));
        assert_eq!(plan.sessions, Some(500));
    }

    #[test]
    fn an_interface_is_not_wan_and_lan_at_once() {
        let error =
            Plan::read(Words { lan: vec!["eth1,eth0".into()], ..words("eth0") }).expect_err("LAN = WAN");
        assert!(error.to_string().contains("eth0 is named as WAN and as LAN"));
    }

    #[test]
    fn every_word_is_checked() {
        for broken in [
            Words { mode: Some("fast".into()), ..words("eth0") },
            Words { address: vec!["203.0.113".into()], ..words("eth0") },
            Words { filtering: Some("none".into()), ..words("eth0") },
            Words {
                pooling: pooling::Words { ports: Some("9-2".into()), ..Default::default() },
                ..words("eth0")
            },
            Words { l2tp_port: Some("drop".into()), ..words("eth0") },
            Words { sessions: Some(1), ..words("eth0") },
            Words { host_sessions: Some(u32::MAX), ..words("eth0") },
            Words { host_rate: Some(u32::MAX), ..words("eth0") },
            Words { host_connections: Some(u32::MAX), ..words("eth0") },
            Words { host_servers: Some(u32::MAX), ..words("eth0") },
            Words { forward: vec!["tcp 80".into()], ..words("eth0") },
            Words { enable: vec!["ipsek".into()], ..words("eth0") },
            Words::default(),
        ] {
            let error = Plan::read(broken).expect_err("a fault");
            assert!(error.is::<crate::config::Usage>() && !error.to_string().contains('\n'));
        }
    }
}
