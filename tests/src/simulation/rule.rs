//! What a gateway does with plain ESP and IKE of many clients to one server: the shape that all rules share.

/// Microseconds since the simulation began.
pub type Micros = u64;

/// A second.
pub const SECOND: Micros = 1_000_000;

/// What anyone on the way can read of a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clear {
    /// IKE on port 500 (RFC 7296 section 3.1, RFC 2408 section 3.1).
    Ike {
        /// Initiator SPI or cookie.
        initiator: u64,
        /// 0x10 or 0x20.
        version: u8,
        /// Exchange type.
        exchange: u8,
        /// Flags.
        flags: u8,
        /// Message ID.
        id: u32,
    },
    /// ESP (RFC 4303).
    Esp {
        /// SPI.
        spi: u32,
        /// Sequence number.
        sequence: u32,
    },
}

impl Clear {
    /// Whether the message asks for, or agrees on, a child association (IKE_AUTH, CREATE_CHILD_SA, quick mode).
    pub const fn makes_child(&self) -> bool {
        matches!(self, Clear::Ike { exchange: 32 | 35 | 36, .. })
    }
}

/// What became of a packet from a client.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Sent {
    /// It is on its way.
    Passed,
    /// Its sender must wait and send it again.
    Held,
    /// Refused.
    Dropped,
}

/// To whom a packet from the server was given.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Given {
    /// The client.
    pub client: usize,
    /// Whether the gateway says that it might be wrong.
    pub tentative: bool,
}

/// A gateway's rule.
pub trait Rule {
    /// Its name in the table.
    fn name(&self) -> &'static str;
    /// A packet of a client.
    fn outbound(&mut self, now: Micros, client: usize, clear: &Clear) -> Sent;
    /// A packet of the server, which is `owner`'s: what no rule may look at, but for the models, which are spared
    /// telling IKE apart. `None` if it is dropped.
    fn inbound(&mut self, now: Micros, owner: usize, clear: &Clear) -> Option<Given>;
    /// Everything is forgotten.
    fn restart(&mut self);
}
