//! Internet checksum arithmetic by delta (RFC 1071, RFC 1624).
//!
//! A *delta* is a 16-bit one's complement number: what must be added to the one's complement sum of the data when a
//! field changes from `m` to `m'`, namely `~m + m'` (RFC 1624 equation 3). Deltas of several fields add up; one delta
//! is applied to as many checksums as cover the field. Nothing is ever recomputed from payload, so a wrong checksum
//! stays wrong by the same amount (conformance K5).

/// Folds a sum into 16 bits with end-around carry.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Folds a sum of two 16-bit numbers and a carry: one addition is enough.
#[inline(always)]
const fn fold_two(sum: u32) -> u16 {
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Sum of two deltas.
#[inline(always)]
pub const fn add(a: u16, b: u16) -> u16 {
    fold_two(a as u32 + b as u32)
}

/// Delta of a 16-bit field at an even offset.
#[inline(always)]
pub const fn delta16(before: u16, after: u16) -> u16 {
    fold_two(!before as u32 + after as u32)
}

/// Delta of a 32-bit field at an even offset.
#[inline(always)]
pub const fn delta32(before: u32, after: u32) -> u16 {
    let high = !((before >> 16) as u16) as u32 + (after >> 16);
    let low = !(before as u16) as u32 + (after & 0xffff);
    fold(high + low)
}

/// The opposite delta.
#[inline(always)]
pub const fn negate(delta: u16) -> u16 {
    !delta
}

/// The delta of the same change one byte further on: a field at an odd offset adds its bytes swapped (RFC 1071
/// section 2 B, conformance K9).
#[inline(always)]
pub const fn at_parity(delta: u16, offset: u32) -> u16 {
    if offset & 1 == 0 { delta } else { delta.swap_bytes() }
}

/// A checksum after a delta of what it covers: HC' = ~(~HC + delta).
#[inline(always)]
pub const fn apply(checksum: u16, delta: u16) -> u16 {
    !fold_two(!checksum as u32 + delta as u32)
}

/// As [`apply`] for UDP over IPv4: zero means none and stays; a computed zero becomes all ones (RFC 768).
#[inline(always)]
pub const fn apply_udp(checksum: u16, delta: u16) -> u16 {
    if checksum == 0 {
        return 0;
    }
    match apply(checksum, delta) {
        0 => 0xffff,
        sum => sum,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rfc_1624_section_4_gives_zero_and_not_minus_zero() {
        // K1: the vector of RFC 1624 section 4.
        assert_eq!(apply(0xdd2f, delta16(0x5555, 0x3285)), 0x0000);
    }

    #[test]
    fn a_udp_zero_stays_and_a_computed_zero_becomes_all_ones() {
        assert_eq!(apply_udp(0, 0x1234), 0, "K2");
        assert_eq!(apply_udp(0xdd2f, delta16(0x5555, 0x3285)), 0xffff, "K3");
    }
}
