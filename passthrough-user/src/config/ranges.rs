//! Sets of IPv4 addresses as the operator writes them: `203.0.113.1,203.0.113.8/29,203.0.113.20-203.0.113.22`.

use std::{fmt, net::Ipv4Addr};

use passthrough_common::abi::{Range, Ranges, ranges::RANGES};

use super::{Prefix, list, usage::usage};

/// Most addresses in a set.
pub const MOST: u64 = 65_536;

/// Reads the words of an option, parted by commas: addresses, prefixes and ranges, mixed.
pub fn parse(option: &str, words: &[String]) -> anyhow::Result<Ranges> {
    let mut ranges =
        list::items(words).iter().map(|word| range(option, word)).collect::<anyhow::Result<Vec<_>>>()?;
    join(&mut ranges);
    let count: u64 = ranges.iter().map(|range| u64::from(range.count)).sum();
    if count > MOST {
        return Err(usage(format!("{option} names {count} addresses: at most {MOST} can be used")));
    }
    if ranges.len() > RANGES {
        return Err(usage(format!(
            "{option} names {} ranges of addresses that do not touch: at most {RANGES} can be used",
            ranges.len()
        )));
    }
    Ok(Ranges::of(&ranges))
}

/// One word.
fn range(option: &str, word: &str) -> anyhow::Result<Range> {
    let unreadable = || {
        usage(format!(
            "'{word}' is not an IPv4 address, a prefix or a range: {option} 203.0.113.1,203.0.113.8/29,\
             203.0.113.20-203.0.113.22"
        ))
    };
    let address = |word: &str| word.trim().parse::<Ipv4Addr>().map_err(|_| unreadable());
    let (first, last) = if let Some((network, length)) = word.split_once('/') {
        let prefix = Prefix::new(
            address(network)?,
            length.parse().ok().filter(|length| *length <= 32).ok_or_else(unreadable)?,
        );
        if prefix.network() != prefix.address {
            return Err(usage(format!(
                "{word} has bits behind its length: {option} {prefix}, or another length"
            )));
        }
        (prefix.address, prefix.last())
    } else if let Some((first, last)) = word.split_once('-') {
        (address(first)?, address(last)?)
    } else {
        (address(word)?, address(word)?)
    };
    if last < first {
        return Err(usage(format!("{word} ends before it begins: {option} {last}-{first}")));
    }
    let lowest = Ipv4Addr::new(1, 0, 0, 0);
    let loopback = Prefix::new(Ipv4Addr::LOCALHOST, 8);
    if first < lowest || !(last < loopback.network() || first > loopback.last()) || last.octets()[0] >= 224 {
        return Err(usage(format!("{option} {word} has addresses that no host can have")));
    }
    Ok(Range { first: u32::from(first), count: u32::from(last) - u32::from(first) + 1 })
}

/// The set of these addresses, and how many did not find room in it.
pub fn of(addresses: &[Ipv4Addr]) -> (Ranges, usize) {
    let mut ranges: Vec<Range> = addresses.iter().copied().map(single).collect();
    join(&mut ranges);
    let set = Ranges::of(&ranges);
    let left_out = addresses.iter().filter(|address| !set.contains(u32::from(**address))).count();
    (set, left_out)
}

/// Sorts ranges and makes one of those that touch.
fn join(ranges: &mut Vec<Range>) {
    ranges.sort_by_key(|range| range.first);
    let mut joined: Vec<Range> = Vec::new();
    for range in ranges.iter() {
        match joined.last_mut() {
            Some(before) if range.first - before.first <= before.count => {
                before.count = before.count.max(range.first - before.first + range.count);
            }
            _ => joined.push(*range),
        }
    }
    *ranges = joined;
}

/// Every address of a set.
pub fn addresses(set: &Ranges) -> impl Iterator<Item = Ipv4Addr> + '_ {
    (0..set.count()).map(|position| Ipv4Addr::from(set.at(position)))
}

/// The ranges of a set, a word each: an address, a prefix, or first and last.
pub fn words(set: &Ranges) -> Vec<String> {
    set.0.iter().filter(|range| range.count > 0).map(|range| Word(*range).to_string()).collect()
}

/// What a set has beside these addresses, a word a range.
pub fn beyond(set: &Ranges, known: &[Ipv4Addr]) -> Vec<String> {
    let mut missing: Vec<Range> =
        addresses(set).filter(|address| !known.contains(address)).map(single).collect();
    join(&mut missing);
    missing.into_iter().map(|range| Word(range).to_string()).collect()
}

/// The range of one address.
fn single(address: Ipv4Addr) -> Range {
    Range { first: u32::from(address), count: 1 }
}

/// A range as it is shown.
struct Word(Range);

impl fmt::Display for Word {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Range { first, count } = self.0;
        let address = Ipv4Addr::from(first);
        if count == 1 {
            write!(out, "{address}")
        } else if count.is_power_of_two() && first.is_multiple_of(count) {
            write!(out, "{address}/{}", count.leading_zeros() + 1)
        } else {
            write!(out, "{address}-{}", Ipv4Addr::from(first + (count - 1)))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(word: &str) -> anyhow::Result<Ranges> {
        parse("--address", &[word.to_string()])
    }

    /// Proves: C3.
    #[test]
    fn addresses_prefixes_and_ranges_mix() {
        let set =
            read("203.0.113.1, 203.0.113.8/29,203.0.113.128/32,203.0.113.20-203.0.113.22").expect("a set");
        assert_eq!(set.count(), 13);
        assert_eq!(
            words(&set),
            ["203.0.113.1", "203.0.113.8/29", "203.0.113.20-203.0.113.22", "203.0.113.128"]
        );
        let last = addresses(&set).last().expect("thirteen");
        assert_eq!(last, Ipv4Addr::new(203, 0, 113, 128));
    }

    #[test]
    fn what_touches_becomes_one_and_counts_once() {
        let set = read("203.0.113.4/31,203.0.113.6-203.0.113.9,203.0.113.5,203.0.113.4").expect("a set");
        assert_eq!((words(&set), set.count()), (vec!["203.0.113.4-203.0.113.9".to_string()], 6));
        let (set, left_out) = of(&(0..10).map(|host| Ipv4Addr::new(5, 6, host, 7)).collect::<Vec<_>>());
        assert_eq!((set.count(), left_out), (8, 2));
        let set = read("203.0.113.8/29,203.0.113.128").expect("a set");
        let known = [9, 10, 128].map(|last| Ipv4Addr::new(203, 0, 113, last));
        assert_eq!(beyond(&set, &known), ["203.0.113.8", "203.0.113.11-203.0.113.15"]);
    }

    #[test]
    fn a_fault_is_one_clear_line() {
        let scattered: Vec<String> = (0..9).map(|host| format!("5.6.{host}.7")).collect();
        for (word, says) in [
            ("203.0.113", "'203.0.113' is not an IPv4 address"),
            ("203.0.113.8/33", "'203.0.113.8/33' is not"),
            ("203.0.113.8/", "is not an IPv4 address, a prefix or a range"),
            ("203.0.113.9/29", "bits behind its length: --address 203.0.113.8/29"),
            ("203.0.113.9-203.0.113.2", "ends before it begins"),
            ("203.0.113.9-12", "is not an IPv4 address"),
            ("10.0.0.0/8", "16777216 addresses: at most 65536"),
            ("127.0.0.1", "no host can have"),
            ("126.0.0.0-128.0.0.0", "no host can have"),
            ("0.0.0.0", "no host can have"),
            ("224.0.0.5", "no host can have"),
            (&scattered.join(","), "9 ranges of addresses"),
        ] {
            let sentence = read(word).expect_err(word).to_string();
            assert!(sentence.contains(says) && !sentence.contains('\n'), "{sentence}");
        }
    }
}
