//! What one IPv4 packet shows: everything that keys and decisions are made from.

use crate::abi::{Class, Space};

/// Which part of its datagram a packet is (RFC 791 section 3.2).
#[repr(u8)]
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
///
/// `repr(C)` and without padding, since the kernel side hands it from function to function by pointer.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
    /// What `space` counts: for ports, source port in the high 16 bits and destination port in the low. Of a later
    /// fragment: where it lies in its datagram, in units of 8 bytes.
    pub selector: u32,
    /// Where the IPv4 header is.
    pub ip_at: u32,
    /// Where the transport header is.
    pub l4_at: u32,
    /// Where the packet ends by its total length.
    pub end: u32,
    /// Bits of [`progress`]: which steps this packet has been through.
    pub progress: u32,
    /// IPv4 identification.
    pub identification: u16,
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
    /// Fills the last word.
    pub reserved: u8,
}

const _: () = assert!(size_of::<Flow>() == 40);

impl Flow {
    /// Of a packet that has not been read.
    pub const EMPTY: Flow = Flow {
        source: 0,
        destination: 0,
        selector: 0,
        ip_at: 0,
        l4_at: 0,
        end: 0,
        progress: 0,
        identification: 0,
        protocol: 0,
        space: Space::Host,
        tcp_flags: 0,
        ttl: 0,
        tos: 0,
        class: Class::Other,
        part: Part::Whole,
        options: false,
        error: false,
        reserved: 0,
    };
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
    /// The IP options were judged.
    pub const OPTIONS: u32 = 1 << 6;
    /// The packet is new from a LAN interface: it will be translated at WAN egress.
    pub const LAN: u32 = 1 << 7;
    /// The packet is outbound; inbound otherwise.
    pub const OUTBOUND: u32 = 1 << 5;
    /// No evidence says which client an inbound packet is for: it is for the host that a port forward names.
    pub const UNCLAIMED: u32 = 1 << 8;
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
