//! PPTP, RFC 2637: control messages as bytes, a client (PNS) and a server (PAC). Not sent here: incoming calls and link info.

mod client;
mod server;

pub use client::Client;
pub use server::{Call, Server};

use std::{io::Read, net::TcpStream, time::Duration};

use anyhow::{Context, Result, bail, ensure};

use super::socket;

/// TCP port of the control connection.
pub const PORT: u16 = 1723;
const MAGIC: u32 = 0x1a2b_3c4d;

/// Control message types (RFC 2637 section 2).
pub mod kind {
    /// Start-Control-Connection-Request.
    pub const START_REQUEST: u16 = 1;
    /// Start-Control-Connection-Reply.
    pub const START_REPLY: u16 = 2;
    /// Stop-Control-Connection-Request.
    pub const STOP_REQUEST: u16 = 3;
    /// Stop-Control-Connection-Reply.
    pub const STOP_REPLY: u16 = 4;
    /// Echo-Request.
    pub const ECHO_REQUEST: u16 = 5;
    /// Echo-Reply.
    pub const ECHO_REPLY: u16 = 6;
    /// Outgoing-Call-Request.
    pub const OUTGOING_CALL_REQUEST: u16 = 7;
    /// Outgoing-Call-Reply.
    pub const OUTGOING_CALL_REPLY: u16 = 8;
    /// Call-Clear-Request.
    pub const CALL_CLEAR_REQUEST: u16 = 12;
    /// Call-Disconnect-Notify.
    pub const CALL_DISCONNECT_NOTIFY: u16 = 13;
}

/// A control message: its bytes, with fields by offset as in the RFC.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Message {
    bytes: Vec<u8>,
}

impl Message {
    fn new(kind: u16, length: u16) -> Message {
        let message = Message { bytes: vec![0; usize::from(length)] };
        message.with16(0, length).with16(2, 1).with32(4, MAGIC).with16(8, kind)
    }

    fn with16(mut self, at: usize, value: u16) -> Message {
        self.bytes[at..at + 2].copy_from_slice(&value.to_be_bytes());
        self
    }

    fn with32(mut self, at: usize, value: u32) -> Message {
        self.bytes[at..at + 4].copy_from_slice(&value.to_be_bytes());
        self
    }

    fn with_text(mut self, at: usize, text: &str) -> Message {
        self.bytes[at..at + text.len()].copy_from_slice(text.as_bytes());
        self
    }

    /// Section 2.1 (request) and 2.2 (reply, with result 1, successful).
    pub fn start(kind: u16, host: &str) -> Message {
        let message =
            Message::new(kind, 156).with16(12, 0x0100).with32(16, 3).with32(20, 3).with_text(28, host);
        let message = message.with_text(92, "passthrough lab");
        if kind == kind::START_REPLY { message.with16(14, 0x0100) } else { message }
    }

    /// Sections 2.3 and 2.4: reason 1 (none), or result 1 (ok); each in the byte at 12.
    pub fn stop(kind: u16) -> Message {
        Message::new(kind, 16).with16(12, 0x0100)
    }

    /// Section 2.5.
    pub fn echo_request(identifier: u32) -> Message {
        Message::new(kind::ECHO_REQUEST, 16).with32(12, identifier)
    }

    /// Section 2.6.
    pub fn echo_reply(identifier: u32) -> Message {
        Message::new(kind::ECHO_REPLY, 20).with32(12, identifier).with16(16, 0x0100)
    }

    /// Section 2.7. The phone number is the client's name, so that the server knows whose call it is.
    pub fn outgoing_call_request(call_id: u16, serial: u16, client: &str) -> Message {
        Message::new(kind::OUTGOING_CALL_REQUEST, 168)
            .with16(12, call_id)
            .with16(14, serial)
            .with32(16, 300)
            .with32(20, 100_000_000)
            .with32(24, 3)
            .with32(28, 3)
            .with16(32, 64)
            .with16(36, client.len() as u16)
            .with_text(40, client)
    }

    /// Section 2.8, connected.
    pub fn outgoing_call_reply(call_id: u16, peer_call_id: u16) -> Message {
        Message::new(kind::OUTGOING_CALL_REPLY, 32)
            .with16(12, call_id)
            .with16(14, peer_call_id)
            .with16(16, 0x0100)
            .with32(20, 100_000_000)
            .with16(24, 64)
    }

    /// Section 2.12: the client's own call ID.
    pub fn call_clear_request(call_id: u16) -> Message {
        Message::new(kind::CALL_CLEAR_REQUEST, 16).with16(12, call_id)
    }

    /// Section 2.13: the server's own call ID; result 4 (requested).
    pub fn call_disconnect_notify(call_id: u16) -> Message {
        Message::new(kind::CALL_DISCONNECT_NOTIFY, 148).with16(12, call_id).with16(14, 0x0400)
    }

    /// Control message type.
    pub fn kind(&self) -> u16 {
        self.at16(8)
    }

    /// The 16 bits at an offset.
    pub fn at16(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.bytes[at], self.bytes[at + 1]])
    }

    /// The 32 bits at an offset.
    pub fn at32(&self, at: usize) -> u32 {
        u32::from_be_bytes([self.bytes[at], self.bytes[at + 1], self.bytes[at + 2], self.bytes[at + 3]])
    }

    /// The text at an offset, up to its first zero byte.
    pub fn text(&self, at: usize, length: usize) -> String {
        let field = &self.bytes[at..at + length];
        let end = field.iter().position(|&byte| byte == 0).unwrap_or(length);
        String::from_utf8_lossy(&field[..end]).into_owned()
    }

    /// The message.
    pub fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Length of each type that is used here (RFC 2637 section 2).
    fn length_of(kind: u16) -> Option<usize> {
        Some(match kind {
            kind::START_REQUEST | kind::START_REPLY => 156,
            kind::STOP_REQUEST | kind::STOP_REPLY | kind::ECHO_REQUEST | kind::CALL_CLEAR_REQUEST => 16,
            kind::ECHO_REPLY => 20,
            kind::OUTGOING_CALL_REQUEST => 168,
            kind::OUTGOING_CALL_REPLY => 32,
            kind::CALL_DISCONNECT_NOTIFY => 148,
            _ => return None,
        })
    }
}

/// What a read from the control connection gave.
#[derive(Debug)]
pub enum Incoming {
    /// A whole message.
    Message(Message),
    /// Nothing within the time given.
    Nothing,
    /// The peer has closed or reset the connection.
    Closed,
}

/// Takes whole messages out of the control connection's byte stream.
#[derive(Debug, Default)]
pub struct Inbox {
    bytes: Vec<u8>,
}

impl Inbox {
    /// Waits for the next message.
    pub fn next(&mut self, stream: &mut TcpStream, patience: Duration) -> Result<Incoming> {
        stream
            .set_read_timeout(Some(patience.max(Duration::from_millis(1))))
            .context("could not set a time limit")?;
        loop {
            if let Some(message) = self.take()? {
                return Ok(Incoming::Message(message));
            }
            let mut more = [0; 1024];
            match stream.read(&mut more) {
                Ok(0) => return Ok(Incoming::Closed),
                Ok(count) => self.bytes.extend(&more[..count]),
                Err(error) if socket::is_timeout(&error) => return Ok(Incoming::Nothing),
                Err(error) if error.kind() == std::io::ErrorKind::ConnectionReset => {
                    return Ok(Incoming::Closed);
                }
                Err(error) => return Err(error).context("could not read the PPTP control connection"),
            }
        }
    }

    fn take(&mut self) -> Result<Option<Message>> {
        if self.bytes.len() < 12 {
            return Ok(None);
        }
        let header = Message { bytes: self.bytes[..12].to_vec() };
        ensure!(
            header.at16(2) == 1 && header.at32(4) == MAGIC,
            "the PPTP control stream lost its framing: {:02x?}",
            header.bytes
        );
        let length = usize::from(header.at16(0));
        match Message::length_of(header.kind()) {
            Some(right) if right == length => {}
            _ => bail!("PPTP control type {} with length {length}", header.kind()),
        }
        if self.bytes.len() < length {
            return Ok(None);
        }
        let rest = self.bytes.split_off(length);
        Ok(Some(Message { bytes: std::mem::replace(&mut self.bytes, rest) }))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn fields_are_where_rfc_2637_says() {
        let message = Message::outgoing_call_reply(0x1111, 0x2222);
        assert_eq!(message.bytes().len(), 32);
        assert_eq!(
            message.bytes()[..18],
            [0, 32, 0, 1, 0x1a, 0x2b, 0x3c, 0x4d, 0, 8, 0, 0, 0x11, 0x11, 0x22, 0x22, 1, 0]
        );
    }

    #[test]
    fn messages_are_taken_one_by_one_however_they_arrive() {
        let mut inbox = Inbox::default();
        let both =
            [Message::echo_request(1).bytes(), Message::outgoing_call_request(5, 6, "A").bytes()].concat();
        let mut seen = Vec::new();
        for byte in both {
            inbox.bytes.push(byte);
            seen.extend(inbox.take().unwrap().map(|message| message.kind()));
        }
        assert_eq!(seen, [kind::ECHO_REQUEST, kind::OUTGOING_CALL_REQUEST]);
    }
}
