//! The configuration file of `up`: TOML with the same words as the options.

use std::{fs, path::Path};

use serde::Deserialize;

use super::usage::usage;

/// What a configuration file may say; everything may be left out.
#[derive(Debug, Default, PartialEq, Eq, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct File {
    /// The WAN interface.
    pub wan: Option<String>,
    /// LAN interfaces.
    #[serde(default)]
    pub lan: Vec<String>,
    /// Protocols to be enabled.
    #[serde(default)]
    pub enable: Vec<String>,
    /// `auto`, `xdp`, `tc` or `generic`.
    pub mode: Option<String>,
    /// Outside addresses.
    #[serde(default)]
    pub address: Vec<String>,
    /// `paired` or `soft`.
    pub pooling: Option<String>,
    /// Outside ports that may be handed out: `1024-65535`.
    pub ports: Option<String>,
    /// Ports in the block of an inside host.
    pub port_block: Option<u16>,
    /// Inside hosts that have a block each.
    #[serde(default)]
    pub subscribers: Vec<String>,
    /// `paired` or `each`.
    pub ipsec_addresses: Option<String>,
    /// `keep` or `translate`.
    pub l2tp_port: Option<String>,
    /// `address-and-port`, `address` or `endpoint`.
    pub filtering: Option<String>,
    /// Port forwards, a rule each: `tcp 8080 192.168.1.10:80`.
    #[serde(default)]
    pub forward: Vec<String>,
    /// Most sessions at once.
    pub sessions: Option<u32>,
    /// Most sessions of one inside host.
    pub host_sessions: Option<u32>,
    /// Most sessions that one inside host may open in a second.
    pub host_rate: Option<u32>,
    /// Most PPTP control connections of one inside host.
    pub host_connections: Option<u32>,
    /// Most VPN servers that one inside host may be the first client of.
    pub host_servers: Option<u32>,
}

/// Reads a file. Its faults are usage errors of one line, with the line number where there is one.
pub fn read(path: &Path) -> anyhow::Result<File> {
    let text = fs::read_to_string(path)
        .map_err(|error| usage(format!("cannot read the configuration file {}: {error}", path.display())))?;
    parse(&text).map_err(|sentence| usage(format!("configuration file {}: {sentence}", path.display())))
}

fn parse(text: &str) -> Result<File, String> {
    toml::from_str(text).map_err(|error| {
        let line = error.span().map(|span| text[..span.start.min(text.len())].matches('\n').count() + 1);
        let message = error.message().lines().next().unwrap_or("not valid TOML").to_string();
        match line {
            Some(line) => format!("line {line}: {message}"),
            None => message,
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_says_what_the_options_say() {
        let file = parse(
            "wan = 'eth0'\nlan = ['eth1']\nenable = ['pptp', 'ipsec']\nl2tp-port = 'keep'\nsessions = 1000\n\
             forward = ['pptp 192.168.1.10']\naddress = ['203.0.113.1', '203.0.113.8/29']\npooling = 'soft'\n\
             ports = '1024-65535'\nport-block = 64\nsubscribers = ['10.0.0.0/24']\nipsec-addresses = 'each'\n",
        )
        .expect("a valid file");
        assert_eq!(file.wan.as_deref(), Some("eth0"));
        assert_eq!(file.enable, ["pptp", "ipsec"]);
        assert_eq!(file.l2tp_port.as_deref(), Some("keep"));
        assert_eq!(file.sessions, Some(1000));
        assert_eq!(file.forward, ["pptp 192.168.1.10"]);
        assert_eq!(file.address, ["203.0.113.1", "203.0.113.8/29"]);
        assert_eq!((file.pooling.as_deref(), file.port_block), (Some("soft"), Some(64)));
    }

    #[test]
    fn a_broken_file_is_one_line_with_its_place() {
        let sentence = parse("wan = 'eth0'\nlans = ['eth1']\n").expect_err("unknown key");
        assert!(sentence.starts_with("line 2: ") && sentence.contains("lans"), "{sentence}");
        assert!(!parse("wan = ").expect_err("no value").contains('\n'));
    }
}
