//! The ESP header (RFC 4303 section 2). Offsets from its start.

/// Length of what is readable: SPI and sequence number.
pub const LEN: u32 = 8;
/// Offset of the SPI.
pub const SPI: u32 = 0;
/// Offset of the sequence number.
pub const SEQUENCE: u32 = 4;

/// What an ESP packet shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Header {
    /// Security parameters index. 1 to 255 are reserved by IANA, but nothing here depends on that.
    pub spi: u32,
    /// Sequence number; the first packet of a security association has 1.
    pub sequence: u32,
}

impl Header {
    /// The header of these two words; `None` for SPI 0, which is never on the wire (RFC 4303 section 2.1).
    #[inline(always)]
    pub const fn new(spi: u32, sequence: u32) -> Option<Header> {
        if spi == 0 { None } else { Some(Header { spi, sequence }) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Proves: Z53.
    #[test]
    fn refuses_malformed_and_takes_reserved_spis() {
        assert_eq!(Header::new(0, 1), None);
        assert_eq!(Header::new(255, 258), Some(Header { spi: 255, sequence: 258 }));
    }
}
