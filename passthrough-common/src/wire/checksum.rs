//! Internet checksum arithmetic by delta (RFC 1071, RFC 1624).
//!
//! A *delta* is what must be added to the one's complement sum of the data when a field changes from `m` to `m'`, namely
//! `~m + m'` (RFC 1624 equation 3). It is not folded until it is applied: below 2^18 for one field, so that those of
//! thousands add up in 32 bits by `+`. One delta is applied to as many checksums as cover the field. Nothing is ever
//! recomputed from payload, so a wrong checksum stays wrong by the same amount (conformance K5).

/// Folds a sum into 16 bits with end-around carry.
#[inline(always)]
pub const fn fold(sum: u32) -> u16 {
    let sum = (sum & 0xffff) + (sum >> 16);
    ((sum & 0xffff) + (sum >> 16)) as u16
}

/// Folds a sum of 32-bit words once: 20 bits are left of 16 words.
#[inline(always)]
pub const fn fold_words(sum: u64) -> u32 {
    (sum & 0xffff) as u32 + (sum >> 16) as u32
}

/// Whether this sum of at most 16 words of 32 bits, the checksum among them, is that of intact data: all ones.
#[inline(always)]
pub const fn is_valid(sum: u64) -> bool {
    let sum = fold_words(sum);
    (sum & 0xffff) + (sum >> 16) == 0xffff
}

/// Delta of a 16-bit field at an even offset.
#[inline(always)]
pub const fn delta16(before: u16, after: u16) -> u32 {
    !before as u32 + after as u32
}

/// Delta of a 32-bit field at an even offset.
#[inline(always)]
pub const fn delta32(before: u32, after: u32) -> u32 {
    fold_words(!before as u64 + after as u64)
}

/// The delta of the same change one byte further on: a field at an odd offset adds its bytes swapped (RFC 1071
/// section 2 B, conformance K9).
#[inline(always)]
pub const fn at_parity(delta: u32, offset: u32) -> u32 {
    if offset & 1 == 0 { delta } else { fold(delta).swap_bytes() as u32 }
}

/// A checksum after a delta of what it covers: HC' = ~(~HC + delta).
#[inline(always)]
pub const fn apply(checksum: u16, delta: u32) -> u16 {
    !fold(!checksum as u32 + delta)
}

/// As [`apply`] for UDP over IPv4: zero means none and stays; a computed zero becomes all ones (RFC 768).
#[inline(always)]
pub const fn apply_udp(checksum: u16, delta: u32) -> u16 {
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

    /// Proves: K1.
    #[test]
    fn rfc_1624_section_4_gives_zero_and_not_minus_zero() {
        // K1: the vector of RFC 1624 section 4.
        assert_eq!(apply(0xdd2f, delta16(0x5555, 0x3285)), 0x0000);
    }

    /// Proves: K2, K3.
    #[test]
    fn a_udp_zero_stays_and_a_computed_zero_becomes_all_ones() {
        assert_eq!(apply_udp(0, 0x1234), 0, "K2");
        assert_eq!(apply_udp(0xdd2f, delta16(0x5555, 0x3285)), 0xffff, "K3");
    }
}
