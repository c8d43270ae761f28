//! Chance by name: what is drawn depends on the seed and on what it is for, never on what was drawn before.
//!
//! So every rule meets the same starts, rekeys, data, delays and losses, however differently it makes the peers behave.

/// What a draw is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum For {
    /// A client's habits.
    Habit,
    /// The pause before a packet of data.
    Data,
    /// The pause before an exchange.
    Exchange,
    /// An SPI.
    Spi,
    /// Whether a packet is lost.
    Loss,
    /// How long it takes.
    Delay,
    /// When the gateway restarts.
    Restart,
}

/// A seed.
#[derive(Clone, Copy, Debug)]
pub struct Chance(pub u64);

impl Chance {
    /// 64 bits for the thing that `name` tells apart from all others.
    pub fn bits(self, what: For, name: [u64; 3]) -> u64 {
        let mut state = mix(self.0 ^ (what as u64) << 56);
        for word in name {
            state = mix(state ^ word);
        }
        state
    }

    /// A number from 0 up to 1.
    pub fn share(self, what: For, name: [u64; 3]) -> f64 {
        (self.bits(what, name) >> 11) as f64 / (1u64 << 53) as f64
    }

    /// A whole number of `range`.
    pub fn within(self, what: For, name: [u64; 3], range: std::ops::Range<u64>) -> u64 {
        range.start + self.bits(what, name) % (range.end - range.start)
    }

    /// A pause of this mean, exponentially distributed: events without memory.
    pub fn pause(self, what: For, name: [u64; 3], mean: f64) -> u64 {
        (-(1.0 - self.share(what, name)).ln() * mean) as u64
    }
}

/// The finaliser of SplitMix64.
const fn mix(word: u64) -> u64 {
    let word = word.wrapping_add(0x9e37_79b9_7f4a_7c15);
    let word = (word ^ word >> 30).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let word = (word ^ word >> 27).wrapping_mul(0x94d0_49bb_1331_11eb);
    word ^ word >> 31
}
