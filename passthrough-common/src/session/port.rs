//! Choice of an outside port or identifier: the inside one if it is free, else random ones (RFC 6056).

use crate::abi::settings::option;
use crate::abi::{Class, Settings, Switch};

/// Most candidates that are tried for one packet. At 80 % use all fail once in 35 times, at 90 % once in five: the
/// sender's retry tries as many again. The verifier walks through each try, so twice as many cost it twice as much.
pub const TRIES: u32 = 16;

/// The `attempt`-th candidate for an inside port out of those from `low` to `high`, `random` having 32 fresh random bits.
///
/// Attempt 0 keeps the port, if it is one of them.
#[inline(always)]
pub fn candidate([low, high]: [u16; 2], wanted: u16, attempt: u32, random: u32) -> u16 {
    if attempt == 0 && low <= wanted && wanted <= high {
        return wanted;
    }
    let count = u32::from(high.wrapping_sub(low)) + 1;
    // Multiply and shift instead of a remainder: no modulo bias worth a name, and no division.
    low.wrapping_add(((u64::from(random) * u64::from(count)) >> 32) as u16)
}

/// The outside ports that are shared by the clients of a protocol that keeps its port, and so handed out to none; 0 in
/// place of each that is not.
#[inline(always)]
pub fn shared(settings: &Settings, protocol: u8) -> (u16, u16) {
    let is_udp = protocol == 17;
    let ike = is_udp && settings.switch(Class::Ike) as u8 == Switch::Full as u8;
    let l2tp = is_udp && settings.has(option::KEEP_L2TP_PORT);
    (if ike { 500 } else { 0 }, if l2tp { 1701 } else { 0 })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: U4.
    #[test]
    fn a_candidate_is_of_its_range_and_the_first_is_the_port_itself() {
        for random in [0, 1, 0x7fff_ffff, u32::MAX] {
            for attempt in [0, 1] {
                assert!((1..1024).contains(&candidate([1, 1023], 5000, attempt, random)), "U4");
                assert!(candidate([1024, 65535], 500, attempt, random) >= 1024, "U4");
                assert_eq!(candidate([7, 7], 500, attempt, random), 7);
            }
        }
        assert_eq!(candidate([1024, 65535], 5000, 0, 7), 5000);
        assert_ne!(candidate([1024, 65535], 5000, 1, 7), 5000);
    }

    #[test]
    fn a_port_is_shared_only_while_its_protocol_keeps_it() {
        let mut settings = Settings::DEFAULT;
        assert_eq!(shared(&settings, 17), (0, 0), "R1, L1");
        settings.switches[Class::Ike as usize] = Switch::Full as u8;
        settings.options |= option::KEEP_L2TP_PORT;
        assert_eq!(shared(&settings, 17), (500, 1701), "R8, L6");
        assert_eq!(shared(&settings, 6), (0, 0));
    }
}
