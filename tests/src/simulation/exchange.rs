//! IKE exchanges as the simulation's peers play them: who says what, how often, and what it leads to.

use super::rule::{Clear, Micros, SECOND};

/// One of the two ends of a tunnel.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Side {
    /// The client inside.
    Client,
    /// The server.
    Server,
}

impl Side {
    /// The other one.
    pub const fn other(self) -> Side {
        match self {
            Side::Client => Side::Server,
            Side::Server => Side::Client,
        }
    }
}

/// What an exchange is for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// The IKE association of a tunnel that starts: IKE_SA_INIT, or main mode.
    Begin,
    /// The first child association: IKE_AUTH, or quick mode.
    First,
    /// A child association in place of another: CREATE_CHILD_SA, or quick mode.
    Child,
    /// An IKE association in place of another: CREATE_CHILD_SA, or main mode with a new cookie.
    Ike,
    /// Dead peer detection.
    Probe,
}

/// An exchange under way. Message `n` is the initiator's if `n` is even.
#[derive(Clone, Copy, Debug)]
pub struct Exchange {
    /// Whose tunnel.
    pub client: usize,
    /// What for.
    pub kind: Kind,
    /// Who began it.
    pub by: Side,
    /// Which of this client's this is.
    pub number: u64,
    /// Version 2, not 1.
    pub v2: bool,
    /// Initiator SPI in its messages.
    pub initiator: u64,
    /// Last message that each side has sent.
    pub sent: [Option<u8>; 2],
    /// Whether each side has what it is for.
    pub done: [bool; 2],
}

impl Exchange {
    /// How many messages it has.
    pub const fn messages(&self) -> u8 {
        match (self.v2, self.kind) {
            (true, _) | (_, Kind::Probe) => 2,
            (false, Kind::Begin | Kind::Ike) => 6,
            (false, Kind::First | Kind::Child) => 3,
        }
    }

    /// Who sends a message.
    pub const fn sender(&self, message: u8) -> Side {
        if message.is_multiple_of(2) { self.by } else { self.by.other() }
    }

    /// What can be read of a message.
    pub const fn clear(&self, message: u8) -> Clear {
        let exchange = match (self.v2, self.kind) {
            (true, Kind::Begin) => 34,
            (true, Kind::First) => 35,
            (true, Kind::Child | Kind::Ike) => 36,
            (true, Kind::Probe) => 37,
            (false, Kind::Begin | Kind::Ike) => 2,
            (false, Kind::First | Kind::Child) => 32,
            (false, Kind::Probe) => 5,
        };
        let response = message % 2 == 1;
        let flags = match (self.v2, response) {
            (true, true) => 0x20,
            (true, false) => 0,
            (false, _) => 0x01,
        };
        let version = if self.v2 { 0x20 } else { 0x10 };
        // Version 1 draws its IDs, version 2 counts them.
        let id = if self.v2 { self.number as u32 } else { (self.number as u32).wrapping_mul(0x9e37_79b1) };
        Clear::Ike { initiator: self.initiator, version, exchange, flags, id }
    }
}

/// When a message without an answer is sent again: after half a second, then each time twice as long, up to 16 s (the habit of
/// libreswan); `None` when its sender gives up, after two and a half minutes.
pub const fn again(attempt: u32) -> Option<Micros> {
    match attempt {
        0..5 => Some((SECOND / 2) << attempt),
        5..14 => Some(16 * SECOND),
        _ => None,
    }
}
