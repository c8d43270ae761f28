//! GRE headers: version 0 with and without a key (RFC 2784, RFC 2890), and enhanced GRE of PPTP (RFC 2637 section 4.1).

use anyhow::{Result, ensure};

/// IP protocol number of both versions.
pub const PROTOCOL: u8 = 47;
/// Protocol type of enhanced GRE: PPP.
const PPP: u16 = 0x880b;

/// A packet of enhanced GRE. The call ID is the one that the receiver assigned.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Enhanced<'b> {
    /// The receiver's call ID.
    pub call_id: u16,
    /// Sequence number; there is one exactly if there is a payload.
    pub sequence: Option<u32>,
    /// Highest sequence number received.
    pub acknowledgement: Option<u32>,
    /// What is carried, empty for an acknowledgement alone.
    pub payload: &'b [u8],
}

impl<'b> Enhanced<'b> {
    /// The bytes behind the IP header.
    pub fn encode(&self) -> Vec<u8> {
        let flags = 0x2001
            | if self.sequence.is_some() { 0x1000 } else { 0 }
            | if self.acknowledgement.is_some() { 0x0080 } else { 0 };
        let mut bytes = Vec::with_capacity(16 + self.payload.len());
        for half in [flags, PPP, self.payload.len() as u16, self.call_id] {
            bytes.extend(half.to_be_bytes());
        }
        for word in [self.sequence, self.acknowledgement].into_iter().flatten() {
            bytes.extend(word.to_be_bytes());
        }
        bytes.extend(self.payload);
        bytes
    }

    /// Reads a packet; `None` if it is another version of GRE.
    pub fn decode(bytes: &'b [u8]) -> Result<Option<Enhanced<'b>>> {
        ensure!(bytes.len() >= 8, "a GRE packet of {} bytes", bytes.len());
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        if half(0) & 7 != 1 {
            return Ok(None);
        }
        ensure!(half(0) & 0xef78 == 0x2000 && half(2) == PPP, "an enhanced GRE header {:02x?}", &bytes[..4]);
        let mut at = 8;
        let mut word = |present: bool| -> Result<Option<u32>> {
            if !present {
                return Ok(None);
            }
            ensure!(bytes.len() >= at + 4, "an enhanced GRE packet is cut at {at}");
            let word = u32::from_be_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]]);
            at += 4;
            Ok(Some(word))
        };
        let sequence = word(half(0) & 0x1000 != 0)?;
        let acknowledgement = word(half(0) & 0x0080 != 0)?;
        let payload = &bytes[at..];
        ensure!(
            payload.len() == usize::from(half(4)),
            "{} bytes behind a GRE length of {}",
            payload.len(),
            half(4)
        );
        Ok(Some(Enhanced { call_id: half(6), sequence, acknowledgement, payload }))
    }
}

/// A packet of GRE version 0 that says it carries IPv4.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Plain<'b> {
    /// The key of RFC 2890.
    pub key: Option<u32>,
    /// What is carried.
    pub payload: &'b [u8],
}

impl<'b> Plain<'b> {
    /// The bytes behind the IP header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![if self.key.is_some() { 0x20 } else { 0 }, 0, 0x08, 0x00];
        if let Some(key) = self.key {
            bytes.extend(key.to_be_bytes());
        }
        bytes.extend(self.payload);
        bytes
    }

    /// Reads a packet; `None` if it is another version of GRE.
    pub fn decode(bytes: &'b [u8]) -> Result<Option<Plain<'b>>> {
        ensure!(bytes.len() >= 4, "a GRE packet of {} bytes", bytes.len());
        if bytes[1] & 7 != 0 {
            return Ok(None);
        }
        match bytes {
            [0, 0, 8, 0, payload @ ..] => Ok(Some(Plain { key: None, payload })),
            [0x20, 0, 8, 0, a, b, c, d, payload @ ..] => {
                Ok(Some(Plain { key: Some(u32::from_be_bytes([*a, *b, *c, *d])), payload }))
            }
            _ => anyhow::bail!("a GRE header {:02x?}", &bytes[..4]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn enhanced_gre_has_the_bytes_of_rfc_2637() {
        let packet =
            Enhanced { call_id: 0x0102, sequence: Some(3), acknowledgement: Some(4), payload: b"xy" };
        let bytes = packet.encode();
        assert_eq!(bytes, [0x30, 0x81, 0x88, 0x0b, 0, 2, 1, 2, 0, 0, 0, 3, 0, 0, 0, 4, b'x', b'y']);
        assert_eq!(Enhanced::decode(&bytes).unwrap(), Some(packet));
    }

    #[test]
    fn plain_gre_round_trips() {
        for key in [None, Some(7)] {
            let packet = Plain { key, payload: b"abc" };
            assert_eq!(Plain::decode(&packet.encode()).unwrap(), Some(packet));
        }
    }
}
