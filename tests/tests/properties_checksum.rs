//! Law: a checksum updated by a delta is the one that a full computation gives (conformance K1, K9; RFC 1624).

use passthrough_common::wire::checksum;
use passthrough_tests::vectors::frame;
use proptest::prelude::*;

/// What a field of 2 or 4 bytes, or one at an odd place, was and becomes.
fn change() -> impl Strategy<Value = (Vec<u8>, usize, u32, bool)> {
    (prop::collection::vec(any::<u8>(), 8..200), any::<prop::sample::Index>(), any::<u32>(), any::<bool>())
        .prop_map(|(bytes, at, after, wide)| {
            let at = at.index(bytes.len() - 4);
            (bytes, at, after, wide)
        })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 20_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves: K1, K9.
    #[test]
    fn delta_equals_full_computation((mut bytes, at, after, wide) in change()) {
        // A header never sums to nothing: its first byte is not zero.
        bytes[0] |= 1;
        let before = frame::checksum(&bytes, 0);
        let delta = if wide && at % 2 == 0 {
            let old = u32::from_be_bytes(bytes[at..at + 4].try_into().unwrap());
            bytes[at..at + 4].copy_from_slice(&after.to_be_bytes());
            checksum::delta32(old, after)
        } else {
            let old = u16::from_be_bytes(bytes[at..at + 2].try_into().unwrap());
            bytes[at..at + 2].copy_from_slice(&(after as u16).to_be_bytes());
            checksum::at_parity(checksum::delta16(old, after as u16), at as u32)
        };
        bytes[0] |= 1;
        prop_assume!(at != 0);
        prop_assert_eq!(checksum::apply(before, delta), frame::checksum(&bytes, 0));
    }

    #[test]
    fn deltas_add_up_and_cancel(old in any::<u32>(), new in any::<u32>(), last in any::<u32>(), sum in 1..u16::MAX) {
        let both = checksum::delta32(old, new) + checksum::delta32(new, last);
        prop_assert_eq!(checksum::apply(sum, both), checksum::apply(sum, checksum::delta32(old, last)));
        let there = checksum::apply(sum, checksum::delta32(old, new));
        // Plus and minus zero are one number.
        let back = checksum::apply(there, checksum::delta32(new, old));
        prop_assert_eq!(back % 0xffff, sum % 0xffff);
    }

    /// Proves: K3.
    #[test]
    fn udp_never_sends_zero_for_a_checksum_that_it_has(sum in any::<u16>(), delta in 0..1u32 << 20) {
        prop_assert_eq!(checksum::apply_udp(sum, delta) == 0, sum == 0);
    }
}
