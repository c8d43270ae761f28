//! Choice of an outside port or identifier: the inside one if it is free, else random ones (RFC 6056).

use crate::abi::Settings;

/// Most candidates that are tried for one mapping. At 95 % use, all fail once in five times; at 90 %, once in thirty.
pub const TRIES: u32 = 32;

/// UDP ports that are never handed out, since several clients share them.
const SHARED: [u16; 2] = [500, 1701];

/// The `attempt`-th candidate for an inside port, `random` having 32 fresh random bits.
///
/// Attempt 0 keeps the port. Later ones stay in the port's class (RFC 4787 REQ-3a): 1-1023 or the configured range.
#[inline(always)]
pub fn candidate(settings: &Settings, wanted: u16, attempt: u32, random: u32) -> u16 {
    let [low, high] = settings.port_range;
    if attempt == 0 && (wanted != 0 && (wanted < 1024 || (low <= wanted && wanted <= high))) {
        return wanted;
    }
    let (first, count) =
        if wanted != 0 && wanted < 1024 { (1, 1023) } else { (u32::from(low), u32::from(high - low) + 1) };
    // Multiply and shift instead of a remainder: no modulo bias worth a name, and no division.
    first.wrapping_add(((u64::from(random) * u64::from(count)) >> 32) as u32) as u16
}

/// Whether a UDP port stays free for the protocols whose clients share it.
#[inline(always)]
pub fn is_shared(protocol: u8, port: u16) -> bool {
    protocol == 17 && (port == SHARED[0] || port == SHARED[1])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_class_of_a_port_is_kept() {
        let settings = Settings::DEFAULT;
        for random in [0, 1, 0x7fff_ffff, u32::MAX] {
            assert!((1..1024).contains(&candidate(&settings, 500, 1, random)), "U4");
            assert!(candidate(&settings, 5000, 1, random) >= 1024, "U4");
        }
        assert_eq!(candidate(&settings, 5000, 0, 7), 5000);
    }
}
