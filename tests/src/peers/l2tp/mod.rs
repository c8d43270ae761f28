//! L2TP version 2 (RFC 2661): messages as bytes, a client (LAC) and a server (LNS). Sequenced data and outgoing calls are not used here.

mod client;
mod server;

pub use client::Client;
pub use server::{Server, SourcePort};

use anyhow::{Context, Result, bail, ensure};

/// UDP port.
pub const PORT: u16 = 1701;

/// Control message types (RFC 2661 section 3.2).
pub mod kind {
    /// Start-Control-Connection-Request.
    pub const SCCRQ: u16 = 1;
    /// Start-Control-Connection-Reply.
    pub const SCCRP: u16 = 2;
    /// Start-Control-Connection-Connected.
    pub const SCCCN: u16 = 3;
    /// Stop-Control-Connection-Notification.
    pub const STOP_CCN: u16 = 4;
    /// Hello.
    pub const HELLO: u16 = 6;
    /// Incoming-Call-Request.
    pub const ICRQ: u16 = 10;
    /// Incoming-Call-Reply.
    pub const ICRP: u16 = 11;
    /// Incoming-Call-Connected.
    pub const ICCN: u16 = 12;
}

/// Attribute types (RFC 2661 section 4.4).
pub mod attribute {
    /// Message Type; the first of every control message.
    pub const MESSAGE_TYPE: u16 = 0;
    /// Result Code.
    pub const RESULT_CODE: u16 = 1;
    /// Protocol Version.
    pub const PROTOCOL_VERSION: u16 = 2;
    /// Framing Capabilities.
    pub const FRAMING: u16 = 3;
    /// Host Name.
    pub const HOST_NAME: u16 = 7;
    /// Assigned Tunnel ID.
    pub const TUNNEL_ID: u16 = 9;
    /// Receive Window Size.
    pub const WINDOW: u16 = 10;
    /// Assigned Session ID.
    pub const SESSION_ID: u16 = 14;
    /// Call Serial Number.
    pub const SERIAL: u16 = 15;
    /// Framing Type.
    pub const FRAMING_TYPE: u16 = 19;
    /// (Tx) Connect Speed.
    pub const SPEED: u16 = 24;
}

/// A control message. IDs in the header are those that the receiver assigned.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Control {
    /// Tunnel ID; zero in an SCCRQ.
    pub tunnel_id: u16,
    /// Session ID; zero where the message is about the tunnel or the peer's ID is not yet known.
    pub session_id: u16,
    /// Number of this message.
    pub ns: u16,
    /// Number of the next message expected.
    pub nr: u16,
    /// Attributes; none in a bare acknowledgement (section 5.8).
    pub attributes: Vec<(u16, Vec<u8>)>,
}

impl Control {
    /// The bytes behind the UDP header (section 3.1): T, L and S set.
    pub fn encode(&self) -> Vec<u8> {
        let length: usize = 12 + self.attributes.iter().map(|(_, value)| 6 + value.len()).sum::<usize>();
        let mut bytes = Vec::with_capacity(length);
        for half in [0xc802, length as u16, self.tunnel_id, self.session_id, self.ns, self.nr] {
            bytes.extend(half.to_be_bytes());
        }
        for (kind, value) in &self.attributes {
            // Section 4.1: M set, vendor 0.
            for half in [0x8000 | (6 + value.len()) as u16, 0, *kind] {
                bytes.extend(half.to_be_bytes());
            }
            bytes.extend(value);
        }
        bytes
    }

    fn decode(bytes: &[u8]) -> Result<Control> {
        ensure!(bytes.len() >= 12, "an L2TP control message of {} bytes", bytes.len());
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        ensure!(
            usize::from(half(2)) == bytes.len(),
            "{} bytes behind an L2TP length of {}",
            bytes.len(),
            half(2)
        );
        let mut attributes = Vec::new();
        let mut rest = &bytes[12..];
        while !rest.is_empty() {
            let header: &[u8; 6] = rest.first_chunk().context("a cut L2TP attribute")?;
            let length = usize::from(u16::from_be_bytes([header[0], header[1]]) & 0x03ff);
            ensure!((6..=rest.len()).contains(&length), "an L2TP attribute with length {length}");
            attributes.push((u16::from_be_bytes([header[4], header[5]]), rest[6..length].to_vec()));
            rest = &rest[length..];
        }
        Ok(Control { tunnel_id: half(4), session_id: half(6), ns: half(8), nr: half(10), attributes })
    }

    /// The message type; `None` for a bare acknowledgement.
    pub fn kind(&self) -> Option<u16> {
        self.number(attribute::MESSAGE_TYPE)
    }

    /// A 16-bit attribute.
    pub fn number(&self, kind: u16) -> Option<u16> {
        let value = self.value(kind)?;
        value.first_chunk().map(|octets| u16::from_be_bytes(*octets))
    }

    fn value(&self, kind: u16) -> Option<&[u8]> {
        self.attributes.iter().find(|(found, _)| *found == kind).map(|(_, value)| value.as_slice())
    }
}

/// Whether a data message carries its length (section 3.1, the L bit).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Length {
    /// It does.
    Shown,
    /// It does not: the tunnel ID is two bytes earlier.
    Absent,
}

/// A data message.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Data<'b> {
    /// Whether the length is there.
    pub length: Length,
    /// Tunnel ID that the receiver assigned.
    pub tunnel_id: u16,
    /// Session ID that the receiver assigned.
    pub session_id: u16,
    /// What is carried.
    pub payload: &'b [u8],
}

impl Data<'_> {
    /// The bytes behind the UDP header.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::new();
        match self.length {
            Length::Shown => {
                bytes.extend(0x4002_u16.to_be_bytes());
                bytes.extend((8 + self.payload.len() as u16).to_be_bytes());
            }
            Length::Absent => bytes.extend(0x0002_u16.to_be_bytes()),
        }
        bytes.extend(self.tunnel_id.to_be_bytes());
        bytes.extend(self.session_id.to_be_bytes());
        bytes.extend(self.payload);
        bytes
    }
}

/// Either kind of message.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Message<'b> {
    /// The T bit is set.
    Control(Control),
    /// It is not.
    Data(Data<'b>),
}

impl<'b> Message<'b> {
    /// Reads a datagram.
    pub fn decode(bytes: &'b [u8]) -> Result<Message<'b>> {
        ensure!(bytes.len() >= 6, "an L2TP message of {} bytes", bytes.len());
        let half = |at: usize| u16::from_be_bytes([bytes[at], bytes[at + 1]]);
        match half(0) {
            0xc802 => Ok(Message::Control(Control::decode(bytes)?)),
            0x4002 => {
                ensure!(
                    bytes.len() >= 8 && usize::from(half(2)) == bytes.len(),
                    "an L2TP length of {}",
                    half(2)
                );
                let payload = &bytes[8..];
                Ok(Message::Data(Data {
                    length: Length::Shown,
                    tunnel_id: half(4),
                    session_id: half(6),
                    payload,
                }))
            }
            0x0002 => {
                let payload = &bytes[6..];
                Ok(Message::Data(Data {
                    length: Length::Absent,
                    tunnel_id: half(2),
                    session_id: half(4),
                    payload,
                }))
            }
            flags => bail!("L2TP flags and version {flags:#06x}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn control_messages_have_the_bytes_of_rfc_2661() {
        let attributes = vec![(attribute::MESSAGE_TYPE, vec![0, 1]), (attribute::TUNNEL_ID, vec![0, 5])];
        let message = Control { tunnel_id: 0, session_id: 0, ns: 0, nr: 0, attributes };
        let bytes = message.encode();
        assert_eq!(bytes[..12], [0xc8, 2, 0, 28, 0, 0, 0, 0, 0, 0, 0, 0]);
        assert_eq!(bytes[20..], [0x80, 8, 0, 0, 0, 9, 0, 5]);
        assert_eq!(Message::decode(&bytes).unwrap(), Message::Control(message));
    }

    #[test]
    fn data_messages_round_trip_with_and_without_length() {
        for length in [Length::Shown, Length::Absent] {
            let data = Data { length, tunnel_id: 7, session_id: 8, payload: b"abc" };
            assert_eq!(Message::decode(&data.encode()).unwrap(), Message::Data(data));
        }
    }
}
