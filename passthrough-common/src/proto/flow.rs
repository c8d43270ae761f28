//! What one IPv4 packet shows: everything that keys and decisions are made from.

use crate::abi::{Class, Space};

/// Which part of its datagram a packet is (RFC 791 section 3.2).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Part {
    /// Not fragmented.
    Whole,
    /// The first fragment: it has the transport header.
    First,
    /// A later fragment: it has none.
    Later,
}

/// What one packet shows. Offsets are bytes from the start of the frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
    /// What `space` counts: for ports, source port in the high 16 bits and destination port in the low.
    pub selector: u32,
    /// Where the IPv4 header is.
    pub ip_at: u32,
    /// Where the transport header is.
    pub l4_at: u32,
    /// Where the packet ends by its total length.
    pub end: u32,
    /// IP protocol number.
    pub protocol: u8,
    /// What the selector counts in.
    pub space: Space,
    /// TCP header flags; 0 beyond TCP.
    pub tcp_flags: u8,
    /// Time to live.
    pub ttl: u8,
    /// Type of service.
    pub tos: u8,
    /// The packet's class.
    pub class: Class,
    /// Which part of its datagram it is.
    pub part: Part,
    /// Whether there are IP options.
    pub options: bool,
    /// Whether it is an ICMP error, which is about another packet.
    pub error: bool,
    /// IPv4 identification.
    pub identification: u16,
    /// Bits of [`progress`]: which steps this packet has been through.
    pub progress: u32,
}

/// Which steps a packet has been through. Handed from step to step.
pub mod progress {
    /// The session was opened or renewed: another miss means that it can't be.
    pub const OPENED: u32 = 1 << 0;
    /// The control stream was read.
    pub const READ: u32 = 1 << 1;
    /// The packet goes from inside to inside by an outside address.
    pub const HAIRPIN: u32 = 1 << 2;
    /// The session was renewed, and the RST in hand was judged.
    pub const RENEWED: u32 = 1 << 3;
    /// A RST that belongs to the connection.
    pub const RESETS: u32 = 1 << 4;
    /// The packet is outbound; inbound otherwise.
    pub const OUTBOUND: u32 = 1 << 5;
}

impl Flow {
    /// Source port.
    #[inline(always)]
    pub const fn source_port(&self) -> u16 {
        (self.selector >> 16) as u16
    }

    /// Destination port.
    #[inline(always)]
    pub const fn destination_port(&self) -> u16 {
        self.selector as u16
    }

    /// Whether the packet has been through any of these [`progress`] steps.
    #[inline(always)]
    pub const fn has(&self, steps: u32) -> bool {
        self.progress & steps != 0
    }

    /// IP total length in bytes.
    #[inline(always)]
    pub const fn length(&self) -> u32 {
        self.end - self.ip_at
    }
}
