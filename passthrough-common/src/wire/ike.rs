//! The IKE header of both versions (RFC 2408 section 3.1, RFC 7296 section 3.1). Offsets from its start.

/// Length of the header.
pub const LEN: u32 = 28;
/// Offset of the initiator SPI (version 1: initiator cookie), 8 bytes. Zero is no SPI.
pub const INITIATOR_SPI: u32 = 0;
/// Offset of the responder SPI (version 1: responder cookie), 8 bytes; zero in the first message of an association.
pub const RESPONDER_SPI: u32 = 8;
/// Offset of next payload, version, exchange type and flags, a byte each.
pub const EXCHANGE: u32 = 16;
/// Offset of the message ID, 4 bytes.
pub const MESSAGE_ID: u32 = 20;

/// Exchange types that begin an IKE association, and that set up child (phase 2) security associations.
mod kind {
    /// Main mode, version 1 (RFC 2408 section 4.5).
    pub const MAIN: u8 = 2;
    /// Aggressive mode, version 1.
    pub const AGGRESSIVE: u8 = 4;
    /// `IKE_SA_INIT`, version 2.
    pub const SA_INIT: u8 = 34;
    /// Quick mode, version 1 (RFC 2409 section 5.5).
    pub const QUICK_MODE: u8 = 32;
    /// `IKE_AUTH`, version 2.
    pub const IKE_AUTH: u8 = 35;
    /// `CREATE_CHILD_SA`, version 2.
    pub const CREATE_CHILD_SA: u8 = 36;
}

/// Flag of version 2: the message is a response.
const RESPONSE: u8 = 0x20;

/// What a message does to child security associations, as far as the clear header tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exchange {
    /// Nothing that concerns ESP.
    Other,
    /// Begins an IKE association: nobody has one yet.
    Begin,
    /// A quick-mode message with this message ID: one of three.
    QuickMode(u32),
    /// Asks for a child association (version 2), with this message ID; 0 for `IKE_AUTH`, which may take several.
    Request(u32),
    /// Ends the exchange that makes one (version 2).
    Response(u32),
}

impl Exchange {
    /// Reads the words at [`EXCHANGE`] and [`MESSAGE_ID`]. Versions other than 1 and 2 tell nothing.
    #[inline(always)]
    pub const fn parse(exchange: u32, message_id: u32) -> Exchange {
        let [_next, version, kind, flags] = exchange.to_be_bytes();
        match (version >> 4, kind) {
            (1, kind::QUICK_MODE) => Exchange::QuickMode(message_id),
            (2, kind::IKE_AUTH) if flags & RESPONSE != 0 => Exchange::Response(0),
            (2, kind::IKE_AUTH) => Exchange::Request(0),
            (2, kind::CREATE_CHILD_SA) if flags & RESPONSE != 0 => Exchange::Response(message_id),
            (2, kind::CREATE_CHILD_SA) => Exchange::Request(message_id),
            (1, kind::MAIN | kind::AGGRESSIVE) | (2, kind::SA_INIT) => Exchange::Begin,
            _ => Exchange::Other,
        }
    }
}

/// An initiator SPI in 32 bits, as session keys hold it; `None` for zero.
///
/// The finaliser of MurmurHash3: every bit of the SPI moves half the bits of the result. Two SPIs meet once in 2^32
/// pairs; to the gateway they are then the same SPI, and the second host is refused (conformance R10).
#[inline(always)]
pub const fn fold(high: u32, low: u32) -> Option<u32> {
    let mut word = (high as u64) << 32 | low as u64;
    if word == 0 {
        return None;
    }
    word ^= word >> 33;
    word = word.wrapping_mul(0xff51_afd7_ed55_8ccd);
    word ^= word >> 33;
    word = word.wrapping_mul(0xc4ce_b9fe_1a85_ec53);
    Some((word ^ word >> 33) as u32)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn exchanges_are_told_by_version_type_and_response_bit() {
        let parse =
            |version, kind, flags| Exchange::parse(u32::from_be_bytes([0, version, kind, flags]), 258);
        assert_eq!(parse(0x10, 32, 1), Exchange::QuickMode(258));
        assert_eq!(parse(0x20, 35, 0x08), Exchange::Request(0));
        assert_eq!(parse(0x20, 36, 0x20), Exchange::Response(258));
        assert_eq!(parse(0x20, 34, 0x08), Exchange::Begin);
        assert_eq!(parse(0x10, 4, 0), Exchange::Begin);
        assert_eq!(parse(0x20, 37, 0x20), Exchange::Other);
        assert_eq!(parse(0x30, 35, 0), Exchange::Other, "Z56");
        assert_eq!(parse(0x00, 32, 0), Exchange::Other, "Z56");
    }

    /// Proves: Z56.
    #[test]
    fn fold_tells_neighbours_apart_and_refuses_zero() {
        assert_eq!(fold(0, 0), None);
        let mut folds = std::collections::HashSet::new();
        for low in 1..1000 {
            assert!(folds.insert(fold(0, low)));
            assert!(folds.insert(fold(low, 0)));
        }
    }
}
