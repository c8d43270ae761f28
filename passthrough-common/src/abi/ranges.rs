//! Sets of IPv4 addresses as a few ranges: the pool of outside addresses, and the hosts that have a block of ports each.

/// Most ranges in a set. Each is asked of every packet without a session, so they are few.
pub const RANGES: usize = 8;

/// Addresses that follow each other.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Range {
    /// The lowest.
    pub first: u32,
    /// How many; 0 for none.
    pub count: u32,
}

/// A set of IPv4 addresses in a fixed order: ranges that share none. Those that are not used are empty.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Ranges(pub [Range; RANGES]);

impl Ranges {
    /// No address.
    pub const NONE: Ranges = Ranges([Range { first: 0, count: 0 }; RANGES]);
    /// What [`Ranges::position`] says of an address that is not in the set.
    pub const NOWHERE: u32 = u32::MAX;

    /// These ranges; those beyond [`RANGES`] are left out.
    pub fn of(ranges: &[Range]) -> Ranges {
        let mut all = Ranges::NONE;
        for (slot, range) in all.0.iter_mut().zip(ranges) {
            *slot = *range;
        }
        all
    }

    /// One address.
    pub const fn one(address: u32) -> Ranges {
        let mut all = Ranges::NONE;
        all.0[0] = Range { first: address, count: 1 };
        all
    }

    /// How many addresses there are. (All of IPv4 would count as none.)
    #[inline(always)]
    pub const fn count(&self) -> u32 {
        let mut count = 0u32;
        let mut index = 0;
        while index < RANGES {
            count = count.wrapping_add(self.0[index].count);
            index += 1;
        }
        count
    }

    /// Whether an address is in the set.
    #[inline(always)]
    pub const fn contains(&self, address: u32) -> bool {
        let mut found = false;
        let mut index = 0;
        while index < RANGES {
            found |= address.wrapping_sub(self.0[index].first) < self.0[index].count;
            index += 1;
        }
        found
    }

    /// The address at this position, counted from 0; 0 beyond the last.
    #[inline(always)]
    pub const fn at(&self, position: u32) -> u32 {
        let mut left = position;
        let mut index = 0;
        while index < RANGES {
            let Range { first, count } = self.0[index];
            if left < count {
                return first.wrapping_add(left);
            }
            left = left.wrapping_sub(count);
            index += 1;
        }
        0
    }

    /// The position of an address, counted from 0; [`Ranges::NOWHERE`] if it is not in the set.
    #[inline(always)]
    pub const fn position(&self, address: u32) -> u32 {
        let mut before = 0u32;
        let mut index = 0;
        while index < RANGES {
            let Range { first, count } = self.0[index];
            let offset = address.wrapping_sub(first);
            if offset < count {
                return before.wrapping_add(offset);
            }
            before = before.wrapping_add(count);
            index += 1;
        }
        Ranges::NOWHERE
    }
}

const _: () = assert!(size_of::<Ranges>() == 8 * RANGES);

#[cfg(test)]
mod tests {
    use super::*;

    fn mixed() -> Ranges {
        Ranges::of(&[
            Range { first: 100, count: 1 },
            Range { first: 200, count: 8 },
            Range { first: u32::MAX, count: 1 },
        ])
    }

    #[test]
    fn every_address_has_one_position() {
        let set = mixed();
        assert_eq!(set.count(), 10);
        for position in 0..set.count() {
            let address = set.at(position);
            assert!(set.contains(address) && set.position(address) == position, "{position}: {address}");
        }
        assert_eq!((set.at(10), set.at(u32::MAX)), (0, 0));
    }

    #[test]
    fn what_is_beside_a_range_is_not_in_the_set() {
        for address in [0, 99, 101, 199, 208, u32::MAX - 1] {
            assert!(!mixed().contains(address), "{address}");
            assert_eq!(mixed().position(address), Ranges::NOWHERE);
        }
        assert!(!Ranges::NONE.contains(0));
        assert_eq!((Ranges::one(7).count(), Ranges::one(7).at(0)), (1, 7));
    }
}
