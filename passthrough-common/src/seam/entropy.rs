//! Randomness, so that ports, call IDs and identifications cannot be foreseen (RFC 6056 section 3).

/// A source of random numbers.
pub trait Entropy {
    /// 32 random bits.
    fn random(&self) -> u32;
}
