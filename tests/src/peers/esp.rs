//! ESP headers (RFC 4303 section 2), and their form inside UDP port 4500 (RFC 3948). Nothing is encrypted here: a NAT sees
//! only the first eight bytes.

use anyhow::{Result, ensure};

/// IP protocol number.
pub const PROTOCOL: u8 = 50;
/// A keepalive on UDP port 4500 (RFC 3948 section 2.3).
pub const KEEPALIVE: [u8; 1] = [0xff];

/// An ESP packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Packet<'b> {
    /// Security parameters index, chosen by the receiver.
    pub spi: u32,
    /// Sequence number, from 1.
    pub sequence: u32,
    /// What would be encrypted.
    pub payload: &'b [u8],
}

impl<'b> Packet<'b> {
    /// The bytes behind the IP or UDP header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(8 + self.payload.len());
        bytes.extend(self.spi.to_be_bytes());
        bytes.extend(self.sequence.to_be_bytes());
        bytes.extend(self.payload);
        bytes
    }

    /// Reads a packet.
    pub fn decode(bytes: &'b [u8]) -> Result<Packet<'b>> {
        ensure!(bytes.len() >= 8, "an ESP packet of {} bytes", bytes.len());
        let word = |at: usize| u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
        ensure!(
            word(0) != 0 && word(4) != 0,
            "an ESP packet with SPI {:#x} and sequence {}",
            word(0),
            word(4)
        );
        Ok(Packet { spi: word(0), sequence: word(4), payload: &bytes[8..] })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn esp_round_trips() {
        let packet = Packet { spi: 0x1001, sequence: 1, payload: b"abc" };
        assert_eq!(Packet::decode(&packet.encode()).unwrap(), packet);
    }
}
