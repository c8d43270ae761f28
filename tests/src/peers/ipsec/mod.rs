//! An IKE-shaped exchange and the ESP pair that it sets up: messages as bytes, a client and a server.
//!
//! Headers, payload chains and exchange types are those of RFC 7296; the payloads of IKE_AUTH and CREATE_CHILD_SA, which are
//! encrypted in reality, go in clear, and there is no cryptography. A NAT cannot tell the difference.

mod client;
mod server;

pub use client::{Client, Transport};
pub use server::Server;

use anyhow::{Context, Result, ensure};

/// UDP port of IKE.
pub const PORT: u16 = 500;
/// UDP port of IKE and ESP behind a NAT (RFC 3948).
pub const NAT_T_PORT: u16 = 4500;
/// What tells IKE from ESP on port 4500 (RFC 3948 section 2.2).
const NON_ESP_MARKER: [u8; 4] = [0; 4];

/// Exchange types (RFC 7296 section 3.1).
pub mod exchange {
    /// IKE_SA_INIT.
    pub const SA_INIT: u8 = 34;
    /// IKE_AUTH.
    pub const AUTH: u8 = 35;
    /// CREATE_CHILD_SA.
    pub const CREATE_CHILD_SA: u8 = 36;
    /// INFORMATIONAL.
    pub const INFORMATIONAL: u8 = 37;
}

/// Payload types (RFC 7296 section 3.2).
mod kind {
    pub const SA: u8 = 33;
    pub const KEY_EXCHANGE: u8 = 34;
    pub const IDENTITY: u8 = 35;
    pub const NONCE: u8 = 40;
    pub const DELETE: u8 = 42;
}

/// Who sent a message of an exchange: flags of the header.
const INITIATOR: u8 = 0x08;
const RESPONSE: u8 = 0x20;

/// An IKE message (RFC 7296 section 3.1).
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    /// SPI of the IKE SA's initiator.
    pub initiator_spi: [u8; 8],
    /// SPI of its responder; zero in the first message.
    pub responder_spi: [u8; 8],
    /// Exchange type.
    pub exchange: u8,
    /// Initiator and response flags.
    pub flags: u8,
    /// Message ID.
    pub id: u32,
    /// Payloads: type and body.
    pub payloads: Vec<(u8, Vec<u8>)>,
}

impl Message {
    /// The bytes behind the UDP header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        bytes.extend(self.initiator_spi);
        bytes.extend(self.responder_spi);
        let next = |at: usize| self.payloads.get(at).map_or(0, |(kind, _)| *kind);
        bytes.extend([next(0), 0x20, self.exchange, self.flags]);
        bytes.extend(self.id.to_be_bytes());
        let length: usize = self.payloads.iter().map(|(_, body)| 4 + body.len()).sum();
        bytes.extend((28 + length as u32).to_be_bytes());
        for (at, (_, body)) in self.payloads.iter().enumerate() {
            bytes.extend([next(at + 1), 0]);
            bytes.extend((4 + body.len() as u16).to_be_bytes());
            bytes.extend(body);
        }
        bytes
    }

    /// Reads a message and its payload chain.
    pub fn decode(bytes: &[u8]) -> Result<Message> {
        let header: &[u8; 28] = bytes.first_chunk().context("an IKE message without a whole header")?;
        let word =
            |at: usize| u32::from_be_bytes([header[at], header[at + 1], header[at + 2], header[at + 3]]);
        ensure!(header[17] == 0x20, "IKE version {:#x}", header[17]);
        ensure!(
            word(24) as usize == bytes.len(),
            "{} bytes behind an IKE length of {}",
            bytes.len(),
            word(24)
        );
        let mut payloads = Vec::new();
        let (mut kind, mut rest) = (header[16], &bytes[28..]);
        while kind != 0 {
            let length = rest.get(2..4).map(|two| usize::from(u16::from_be_bytes([two[0], two[1]])));
            let length =
                length.filter(|length| (4..=rest.len()).contains(length)).context("a cut IKE payload")?;
            payloads.push((kind, rest[4..length].to_vec()));
            (kind, rest) = (rest[0], &rest[length..]);
        }
        let mut spis = [[0; 8]; 2];
        spis[0].copy_from_slice(&header[..8]);
        spis[1].copy_from_slice(&header[8..16]);
        Ok(Message {
            initiator_spi: spis[0],
            responder_spi: spis[1],
            exchange: header[18],
            flags: header[19],
            id: word(20),
            payloads,
        })
    }

    /// The body of the first payload of a type.
    fn payload(&self, kind: u8) -> Option<&[u8]> {
        self.payloads.iter().find(|(found, _)| *found == kind).map(|(_, body)| body.as_slice())
    }

    /// The ESP SPI that the sender proposes or deletes, from an SA payload's first proposal (RFC 7296 section
    /// 3.3.1) or a DELETE payload (section 3.11).
    fn esp_spi(&self) -> Option<u32> {
        let spi = |bytes: &[u8]| bytes.first_chunk().map(|octets| u32::from_be_bytes(*octets));
        self.payload(kind::SA)
            .and_then(|body| spi(body.get(8..)?))
            .or_else(|| self.payload(kind::DELETE).and_then(|body| spi(body.get(4..)?)))
    }

    /// The name in an identity payload (section 3.5).
    fn identity(&self) -> Option<String> {
        Some(String::from_utf8_lossy(self.payload(kind::IDENTITY)?.get(4..)?).into_owned())
    }
}

/// A proposal of ESP with this SPI and no transforms.
fn sa_payload(spi: u32) -> (u8, Vec<u8>) {
    let mut body = vec![0, 0, 0, 12, 1, 3, 4, 0];
    body.extend(spi.to_be_bytes());
    (kind::SA, body)
}

/// Deletes one ESP SPI.
fn delete_payload(spi: u32) -> (u8, Vec<u8>) {
    let mut body = vec![3, 4, 0, 1];
    body.extend(spi.to_be_bytes());
    (kind::DELETE, body)
}

/// A name as an FQDN.
fn identity_payload(name: &str) -> (u8, Vec<u8>) {
    (kind::IDENTITY, [&[2, 0, 0, 0], name.as_bytes()].concat())
}

/// A key exchange and a nonce, as large as real ones.
fn key_payloads() -> [(u8, Vec<u8>); 2] {
    [(kind::KEY_EXCHANGE, [&[0, 31, 0, 0][..], &[0x4b; 256]].concat()), (kind::NONCE, vec![0x4e; 32])]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_round_trip_and_tell_their_spi() {
        let message = Message {
            initiator_spi: *b"initiato",
            responder_spi: *b"responde",
            exchange: exchange::AUTH,
            flags: INITIATOR,
            id: 1,
            payloads: vec![identity_payload("A"), sa_payload(0x1001)],
        };
        let bytes = message.encode();
        assert_eq!(bytes[16..20], [kind::IDENTITY, 0x20, exchange::AUTH, INITIATOR]);
        let read = Message::decode(&bytes).unwrap();
        assert_eq!(read, message);
        assert_eq!((read.esp_spi(), read.identity().as_deref()), (Some(0x1001), Some("A")));
    }
}
