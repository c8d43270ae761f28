//! Time as the tables keep it: monotonic, coarse, 32 bits.

/// A point in time, or a length of time: units of 2^26 ns (67.1 ms) of `CLOCK_MONOTONIC`. Wraps after nine years.
///
/// A shift of the kernel's nanoseconds, since a division costs more than the clock.
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, PartialOrd, Ord, Hash)]
pub struct Ticks(pub u32);

impl Ticks {
    /// The point `ns` nanoseconds after boot.
    pub const fn from_ns(ns: u64) -> Ticks {
        Ticks((ns >> 26) as u32)
    }

    /// The length nearest above `secs` seconds.
    pub const fn from_secs(secs: u32) -> Ticks {
        Ticks((secs as u64 * 1_000_000_000).div_ceil(1 << 26) as u32)
    }

    /// The length nearest above `millis` milliseconds.
    pub const fn from_millis(millis: u32) -> Ticks {
        Ticks((millis as u64 * 1_000_000).div_ceil(1 << 26) as u32)
    }

    /// This length in whole milliseconds.
    pub const fn millis(self) -> u64 {
        ((self.0 as u64) << 26) / 1_000_000
    }

    /// Length from `earlier` to this point; zero if `earlier` lies ahead (another CPU's clock ran first).
    pub const fn since(self, earlier: Ticks) -> Ticks {
        let length = self.0.wrapping_sub(earlier.0);
        if length > u32::MAX / 2 { Ticks(0) } else { Ticks(length) }
    }

    /// This point in units of 1.07 s, modulo 256.
    #[inline(always)]
    pub const fn coarse(self) -> u8 {
        (self.0 >> 4) as u8
    }

    /// This point in units of 2.15 s.
    #[inline(always)]
    pub const fn epoch(self) -> u32 {
        self.0 >> 5
    }

    /// The point this length after `self`.
    pub const fn plus(self, length: Ticks) -> Ticks {
        Ticks(self.0.wrapping_add(length.0))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn since_survives_the_wrap_and_a_clock_that_ran_ahead() {
        assert_eq!(Ticks(3).since(Ticks(u32::MAX)), Ticks(4));
        assert_eq!(Ticks(3).since(Ticks(5)), Ticks(0));
    }

    #[test]
    fn seconds_round_up_and_come_back() {
        assert!(Ticks::from_secs(300).millis() >= 300_000);
        assert!(Ticks::from_secs(300).millis() < 300_068);
    }
}
