//! Choice of an outside address for an inside host, and of the ports that it may have there.
//!
//! Both follow from the settings and the inside address alone, so nothing is kept of them and nothing has to be looked up: the
//! same host has the same address whenever it comes (paired pooling, RFC 4787 REQ-2), and who had a port can be told
//! from the settings of the day (deterministic blocks, RFC 7422). Never here: whether a port is free.

use crate::abi::{Ranges, Settings};

/// In place of a range of ports: the host may have none.
pub const NO_PORTS: [u16; 2] = [0, 0];

/// The outside address of an inside host, the same for all its flows; for the gateway its own. 0 if the pool is empty.
#[inline(never)]
pub fn paired(settings: &Settings, inside: u32) -> u32 {
    if settings.is_outside_address(inside) {
        return inside;
    }
    let place = place(settings, inside);
    let position = if place == Ranges::NOWHERE {
        // By a multiplicative hash, since neighbouring hosts differ in few bits.
        share(inside.wrapping_mul(0x9e37_79b1), settings.pool.count())
    } else {
        place / divisor(settings)
    };
    settings.pool.at(position)
}

/// The first and last outside port that an inside host may be given for its port `wanted`; [`NO_PORTS`] if hosts have blocks
/// and this one has none. Any port of its class (RFC 4787 REQ-3a) for the gateway, whose sockets have chosen already.
///
/// A block takes the ports below 1024 as well: it is all that its host has.
#[inline(never)]
pub fn ports(settings: &Settings, inside: u32, wanted: u16) -> [u16; 2] {
    let is_own = settings.is_outside_address(inside);
    if is_own || settings.block_size == 0 {
        let [low, high] = if is_own { Settings::DEFAULT.ports } else { settings.ports };
        return if wanted != 0 && wanted < 1024 { low } else { high };
    }
    let place = place(settings, inside);
    if place == Ranges::NOWHERE {
        return NO_PORTS;
    }
    let first = u32::from(settings.ports[1][0])
        .wrapping_add(place % divisor(settings) * u32::from(settings.block_size));
    [first as u16, first.wrapping_add(u32::from(settings.block_size)).wrapping_sub(1) as u16]
}

/// The number of the host's block, counted over all addresses; [`Ranges::NOWHERE`] if it has none, or the pool has become too
/// small for it.
#[inline(always)]
fn place(settings: &Settings, inside: u32) -> u32 {
    if settings.block_size == 0 {
        return Ranges::NOWHERE;
    }
    let place = settings.subscribers.position(inside);
    if place / divisor(settings) < settings.pool.count() { place } else { Ranges::NOWHERE }
}

/// Blocks of an address; never 0, so that no panic is left in the program.
#[inline(always)]
const fn divisor(settings: &Settings) -> u32 {
    if settings.blocks == 0 { 1 } else { settings.blocks }
}

/// Any address of the pool but this one, `random` having 32 fresh random bits; this one if there is no other.
#[inline(never)]
pub fn another(settings: &Settings, address: u32, random: u32) -> u32 {
    let pool = &settings.pool;
    let (count, position) = (pool.count(), pool.position(address));
    if count < 2 || position == Ranges::NOWHERE {
        return address;
    }
    let position = position.wrapping_add(1).wrapping_add(share(random, count.wrapping_sub(1)));
    pool.at(if position < count { position } else { position.wrapping_sub(count) })
}

/// The share of `count` that `number` is of all 32-bit numbers.
#[inline(always)]
const fn share(number: u32, count: u32) -> u32 {
    ((number as u64 * count as u64) >> 32) as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Range;

    const INSIDE: u32 = 0x0a40_0000;

    /// {E/32, a /29, one more /32}.
    fn settings() -> Settings {
        let range = |first, count| Range { first, count };
        let pool = Ranges::of(&[range(0xcb00_7101, 1), range(0xcb00_7108, 8), range(0xcb00_7180, 1)]);
        Settings { pool, ..Settings::DEFAULT }
    }

    /// Proves: U2, C3.
    #[test]
    fn every_address_of_a_pool_of_ranges_is_used_and_each_host_keeps_its_own() {
        let settings = settings();
        let mut hosts = [0; 10];
        for host in INSIDE..INSIDE + 10_000 {
            let outside = paired(&settings, host);
            assert_eq!(outside, paired(&settings, host), "U2");
            hosts[settings.pool.position(outside) as usize] += 1;
        }
        assert!(hosts.iter().all(|hosts| (900..1100).contains(hosts)), "C3: {hosts:?}");
        assert_eq!(paired(&settings, 0xcb00_710b), 0xcb00_710b, "the gateway's own");
    }

    #[test]
    fn another_address_is_any_but_this_one() {
        let settings = settings();
        for address in (0..10).map(|position| settings.pool.at(position)) {
            let others: std::collections::HashSet<u32> =
                (0..64).map(|step: u32| another(&settings, address, step << 26)).collect();
            assert!(others.len() == 9 && !others.contains(&address), "{address:x}: {others:x?}");
        }
        let alone = Settings { pool: Ranges::one(7), ..Settings::DEFAULT };
        assert_eq!(another(&alone, 7, u32::MAX), 7);
    }

    #[test]
    fn ports_below_1024_stay_among_themselves_where_hosts_have_no_blocks() {
        assert_eq!(ports(&Settings::DEFAULT, INSIDE, 500), [1, 1023]);
        assert_eq!(ports(&Settings::DEFAULT, INSIDE, 1024), [1024, 65535]);
        assert_eq!(ports(&Settings::DEFAULT, INSIDE, 0), [1024, 65535]);
        let narrow = Settings { ports: [[2000, 2003]; 2], block_size: 2, ..settings() };
        assert_eq!(ports(&narrow, 0xcb00_7101, 40_000), [1024, 65535], "the gateway's own");
    }

    #[test]
    fn no_two_hosts_share_a_block() {
        let subscribers =
            Ranges::of(&[Range { first: INSIDE, count: 600 }, Range { first: INSIDE + 0x1_0000, count: 30 }]);
        let settings = Settings { block_size: 1008, blocks: 64, subscribers, ..settings() };
        let mut taken = std::collections::HashSet::new();
        for place in 0..630 {
            let host = subscribers.at(place);
            let [first, last] = ports(&settings, host, 80);
            assert_eq!(u32::from(last) - u32::from(first) + 1, 1008);
            assert!(first >= 1024 && settings.pool.contains(paired(&settings, host)));
            assert!(taken.insert((paired(&settings, host), first)), "{place}");
        }
        assert_eq!(ports(&settings, INSIDE + 600, 5000), NO_PORTS);
        assert!(settings.pool.contains(paired(&settings, INSIDE + 600)), "what needs no port");
        let shrunk = Settings { pool: Ranges::one(1), ..settings };
        assert_eq!(ports(&shrunk, INSIDE + 64, 5000), NO_PORTS, "never another host's");
        assert_eq!(paired(&shrunk, INSIDE + 64), 1);
    }
}
