//! How inside hosts share outside addresses and ports, as the operator wants it, and what of that does not go together.

use anyhow::bail;
use passthrough_common::abi::{Ranges, Settings, settings::option};

use super::{ranges, usage::usage};

/// What of it the operator has said. `None` and an empty set mean: as it was.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Pooling {
    /// Whether a host whose address is full gets a port of another one (RFC 7857 section 4).
    pub soft: Option<bool>,
    /// First and last outside port that may be handed out.
    pub ports: Option<[u16; 2]>,
    /// Ports in the block of an inside host; 0 for none.
    pub port_block: Option<u16>,
    /// Inside hosts that have a block each.
    pub subscribers: Ranges,
    /// Whether IPsec clients of one server have an outside address each.
    pub ipsec_addresses: Option<bool>,
}

/// Its words, as they were written.
#[derive(Clone, Debug, Default)]
pub struct Words {
    /// `paired` or `soft`.
    pub pooling: Option<String>,
    /// `LOW-HIGH`.
    pub ports: Option<String>,
    /// Ports in a block.
    pub port_block: Option<u16>,
    /// Addresses, prefixes and ranges.
    pub subscribers: Vec<String>,
    /// `paired` or `each`.
    pub ipsec_addresses: Option<String>,
}

impl Words {
    /// These words, and from `others` what they leave unsaid.
    pub fn over(self, others: Words) -> Words {
        Words {
            pooling: self.pooling.or(others.pooling),
            ports: self.ports.or(others.ports),
            port_block: self.port_block.or(others.port_block),
            subscribers: if self.subscribers.is_empty() { others.subscribers } else { self.subscribers },
            ipsec_addresses: self.ipsec_addresses.or(others.ipsec_addresses),
        }
    }
}

impl Pooling {
    /// Reads the words.
    pub fn read(words: &Words) -> anyhow::Result<Pooling> {
        let either = |word: &Option<String>, what: &str, other: &str| match word.as_deref() {
            None => Ok(None),
            Some("paired") => Ok(Some(false)),
            Some(word) if word == other => Ok(Some(true)),
            Some(word) => Err(usage(format!("no {what} is called '{word}': use paired or {other}"))),
        };
        Ok(Pooling {
            soft: either(&words.pooling, "pooling", "soft")?,
            ports: words.ports.as_deref().map(ports).transpose()?,
            port_block: words.port_block,
            subscribers: ranges::parse("--subscribers", &words.subscribers)?,
            ipsec_addresses: either(&words.ipsec_addresses, "use of addresses for IPsec", "each")?,
        })
    }

    /// Puts it into settings whose pool is there already.
    pub fn put(&self, settings: &mut Settings) -> anyhow::Result<()> {
        let wanted = [(option::SOFT_POOLING, self.soft), (option::IPSEC_ADDRESSES, self.ipsec_addresses)];
        for (bit, wanted) in wanted {
            match wanted {
                Some(true) => settings.options |= bit,
                Some(false) => settings.options &= !bit,
                None => {}
            }
        }
        settings.ports = self.ports.map_or(settings.ports, by_class);
        settings.block_size = self.port_block.unwrap_or(settings.block_size);
        if self.subscribers != Ranges::NONE {
            settings.subscribers = self.subscribers;
        }
        if settings.block_size == 0 {
            if self.subscribers != Ranges::NONE {
                bail!(
                    "--subscribers are the hosts that have a block of ports each: say how large, with --port-block"
                );
            }
            settings.subscribers = Ranges::NONE;
            settings.blocks = 0;
            return Ok(());
        }
        blocks(settings)
    }
}

/// Computes how many blocks an address has, if there is one for each subscriber.
fn blocks(settings: &mut Settings) -> anyhow::Result<()> {
    let (size, [low, high]) = (settings.block_size, settings.ports[1]);
    settings.blocks = (u32::from(high - low) + 1) / u32::from(size);
    let subscribers = settings.subscribers.count();
    if settings.blocks == 0 {
        bail!("a block of {size} ports does not fit into the ports from {low} to {high}");
    }
    if subscribers == 0 {
        bail!(
            "--port-block gives each inside host ports of its own: name the hosts, --subscribers 192.168.1.0/24"
        );
    }
    if subscribers > capacity(settings) {
        bail!(
            "{subscribers} subscribers and {} blocks of {size} ports: take smaller blocks, or more addresses (--address)",
            capacity(settings)
        );
    }
    if settings.has(option::SOFT_POOLING) {
        bail!("--port-block and --pooling soft contradict each other: a block is ports of one address");
    }
    if settings.has(option::IPSEC_ADDRESSES) {
        bail!(
            "--port-block and --ipsec-addresses each contradict each other: a block is ports of one address"
        );
    }
    Ok(())
}

/// Blocks of the whole pool.
pub fn capacity(settings: &Settings) -> u32 {
    settings.blocks.saturating_mul(settings.pool.count())
}

/// Reads `LOW-HIGH`.
fn ports(word: &str) -> anyhow::Result<[u16; 2]> {
    let range = word
        .split_once('-')
        .and_then(|(low, high)| Some([low.trim().parse::<u16>().ok()?, high.trim().parse::<u16>().ok()?]));
    match range {
        Some([low, high]) if 0 < low && low <= high => Ok([low, high]),
        _ => Err(usage(format!("'{word}' is not a range of ports: --ports 1024-65535"))),
    }
}

/// The same for inside ports below 1024, and for all others: each class keeps to itself (RFC 4787 REQ-3a) where the range
/// has ports of it.
fn by_class([low, high]: [u16; 2]) -> [[u16; 2]; 2] {
    let whole = [low, high];
    [
        if low < 1024 { [low, high.min(1023)] } else { whole },
        if high >= 1024 { [low.max(1024), high] } else { whole },
    ]
}

/// The first and last outside port of either class: what `by_class` was given.
pub fn ports_of(settings: &Settings) -> [u16; 2] {
    let [low, high] = settings.ports;
    [low[0].min(high[0]), low[1].max(high[1])]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn put(words: &Words, settings: &mut Settings) -> anyhow::Result<()> {
        Pooling::read(words)?.put(settings)
    }

    fn blocks_of(size: u16, subscribers: &str) -> Words {
        Words { port_block: Some(size), subscribers: vec![subscribers.into()], ..Words::default() }
    }

    #[test]
    fn nothing_said_changes_nothing() {
        let mut settings = Settings { pool: Ranges::one(1), ..Settings::DEFAULT };
        put(&Words::default(), &mut settings).expect("fits");
        assert_eq!(settings, Settings { pool: Ranges::one(1), ..Settings::DEFAULT });
        put(&Words { ports: Some("1-65535".into()), ..Words::default() }, &mut settings).expect("fits");
        assert_eq!(settings.ports, Settings::DEFAULT.ports);
    }

    #[test]
    fn a_range_of_ports_holds_for_both_classes() {
        for (word, by_class) in [
            ("1024-65535", [[1024, 65535]; 2]),
            ("20000-29999", [[20000, 29999]; 2]),
            ("512-2047", [[512, 1023], [1024, 2047]]),
            ("512-1023", [[512, 1023]; 2]),
        ] {
            let mut settings = Settings::DEFAULT;
            put(&Words { ports: Some(word.into()), ..Words::default() }, &mut settings).expect("fits");
            assert_eq!(settings.ports, by_class, "{word}");
            let [low, high] = ports_of(&settings);
            assert_eq!(format!("{low}-{high}"), word);
        }
    }

    #[test]
    fn blocks_are_kept_over_another_up_and_taken_back() {
        let mut settings = Settings { pool: Ranges::one(1), ..Settings::DEFAULT };
        put(&blocks_of(1008, "10.64.0.0/26"), &mut settings).expect("fits");
        assert_eq!((settings.blocks, settings.subscribers.count()), (64, 64));
        put(&Words::default(), &mut settings).expect("as it was");
        assert_eq!((settings.block_size, settings.blocks), (1008, 64));
        put(&Words { port_block: Some(0), ..Words::default() }, &mut settings).expect("taken back");
        assert_eq!((settings.blocks, settings.subscribers), (0, Ranges::NONE));
    }

    #[test]
    fn what_does_not_go_together_is_one_clear_line() {
        let soft = Words { pooling: Some("soft".into()), ..blocks_of(1008, "10.64.0.0/26") };
        let each = Words { ipsec_addresses: Some("each".into()), ..blocks_of(1008, "10.64.0.0/26") };
        let narrow = Words { ports: Some("2000-2099".into()), ..blocks_of(101, "10.64.0.0/26") };
        let nobody = Words { port_block: Some(64), ..Words::default() };
        let no_block = Words { port_block: None, ..blocks_of(0, "10.64.0.0/26") };
        for (words, says) in [
            (Words { pooling: Some("hard".into()), ..Words::default() }, "no pooling is called 'hard'"),
            (Words { ipsec_addresses: Some("all".into()), ..Words::default() }, "use paired or each"),
            (Words { ports: Some("2000".into()), ..Words::default() }, "'2000' is not a range of ports"),
            (Words { ports: Some("0-2000".into()), ..Words::default() }, "--ports 1024-65535"),
            (Words { ports: Some("9-2".into()), ..Words::default() }, "is not a range of ports"),
            (blocks_of(64, "10.64.0"), "--subscribers 203.0.113.1"),
            (blocks_of(2016, "10.64.0.0/26"), "64 subscribers and 32 blocks of 2016 ports"),
            (soft, "--pooling soft contradict"),
            (each, "--ipsec-addresses each contradict"),
            (narrow, "a block of 101 ports does not fit into the ports from 2000 to 2099"),
            (nobody, "name the hosts, --subscribers"),
            (no_block, "say how large, with --port-block"),
        ] {
            let mut settings = Settings { pool: Ranges::one(1), ..Settings::DEFAULT };
            let sentence = put(&words, &mut settings).expect_err(says).to_string();
            assert!(sentence.contains(says) && !sentence.contains('\n'), "{sentence}");
        }
    }
}
