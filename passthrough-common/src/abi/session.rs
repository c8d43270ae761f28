//! Sessions, bindings and fragments: the keys and values of the translation tables.

use super::{Class, Direction, Ticks};

/// What a key's selector counts in; selectors of different spaces never meet.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Space {
    /// Addresses and protocol alone; selector 0 (IPIP, IP 115, keyless GRE, any class that is only *plain*).
    Host = 0,
    /// TCP or UDP ports: remote port in the high 16 bits, local port in the low.
    Ports = 1,
    /// ICMP query identifier.
    Identifier = 2,
    /// Enhanced GRE call ID, 16 bits (RFC 2637).
    CallId = 3,
    /// GRE v0 key, 32 bits (RFC 2890).
    GreKey = 4,
    /// ESP security parameters index (RFC 4303).
    Spi = 5,
    /// L2TPv2 tunnel ID, 16 bits, where port 1701 is kept (RFC 2661).
    TunnelId = 6,
    /// IKE initiator SPI folded to 32 bits, where port 500 is kept (RFC 7296).
    InitiatorSpi = 7,
}

/// From where a key sees the packet.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum View {
    /// A packet from inside; local is the inside host.
    Outbound = 0,
    /// A packet from outside; local is the outside (gateway's) address.
    Inbound = 1,
    /// What an ICMP error from outside quotes, where ports do not tell: local is the outside address, the
    /// selector is that of the outbound packet (PAC's call ID, outbound SPI). Points to the inside host.
    Quoted = 2,
    /// What an ICMP error from inside quotes: local is the inside host, the selector that of the inbound packet
    /// after translation.
    QuotedInside = 3,
    /// Says that this inside endpoint has sent to this remote address (address-dependent filtering): local is the
    /// outside endpoint, and the remote port counts as 0.
    Permit = 4,
}

impl View {
    /// The key's view for a packet of this direction.
    pub const fn of(direction: Direction) -> View {
        match direction {
            Direction::Outbound => View::Outbound,
            Direction::Inbound => View::Inbound,
        }
    }
}

/// Key of the session table: what one packet shows. Two 8-byte words, so that it is stored and hashed wide.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct SessionKey {
    hosts: u64,
    selector: u64,
}

impl SessionKey {
    /// No packet's key.
    pub const NONE: SessionKey = SessionKey { hosts: 0, selector: 0 };

    /// A key; `remote` and `local` are IPv4 addresses, `selector` counts in `space`.
    #[inline(always)]
    pub const fn new(
        view: View,
        remote: u32,
        local: u32,
        protocol: u8,
        space: Space,
        selector: u32,
    ) -> SessionKey {
        SessionKey {
            hosts: remote as u64 | (local as u64) << 32,
            selector: selector as u64 | (protocol as u64) << 32 | (space as u64) << 40 | (view as u64) << 48,
        }
    }

    /// A key in [`Space::Ports`].
    #[inline(always)]
    pub const fn ports(
        view: View,
        (remote, remote_port): (u32, u16),
        (local, local_port): (u32, u16),
        protocol: u8,
    ) -> SessionKey {
        SessionKey::new(
            view,
            remote,
            local,
            protocol,
            Space::Ports,
            (remote_port as u32) << 16 | local_port as u32,
        )
    }

    /// The peer outside.
    pub const fn remote(&self) -> u32 {
        self.hosts as u32
    }

    /// The inside host, or the outside address: see [`View`].
    pub const fn local(&self) -> u32 {
        (self.hosts >> 32) as u32
    }

    /// The selector, counting in [`SessionKey::space`].
    pub const fn selector(&self) -> u32 {
        self.selector as u32
    }

    /// Remote port, if the space is [`Space::Ports`].
    pub const fn remote_port(&self) -> u16 {
        (self.selector as u32 >> 16) as u16
    }

    /// The low 16 bits of the selector: local port, identifier, call ID or tunnel ID.
    pub const fn local_id(&self) -> u16 {
        self.selector as u16
    }

    /// IP protocol number.
    pub const fn protocol(&self) -> u8 {
        (self.selector >> 32) as u8
    }

    /// The selector's space.
    pub const fn space(&self) -> Space {
        match (self.selector >> 40) as u8 {
            1 => Space::Ports,
            2 => Space::Identifier,
            3 => Space::CallId,
            4 => Space::GreKey,
            5 => Space::Spi,
            6 => Space::TunnelId,
            7 => Space::InitiatorSpi,
            _ => Space::Host,
        }
    }

    /// From where this key sees the packet.
    pub const fn view(&self) -> View {
        match (self.selector >> 48) as u8 {
            0 => View::Outbound,
            1 => View::Inbound,
            2 => View::Quoted,
            3 => View::QuotedInside,
            _ => View::Permit,
        }
    }
}

/// Flags of a [`Session`]: what its own direction has shown, and what it is.
pub mod flag {
    /// A TCP SYN was seen in this direction.
    pub const SYN: u8 = 1 << 0;
    /// A TCP FIN was seen in this direction.
    pub const FIN: u8 = 1 << 1;
    /// The last TCP segment of this direction was an acceptable RST.
    pub const RST: u8 = 1 << 2;
    /// Data or an ACK followed the opening, or, beyond TCP, anything was seen at all.
    pub const USED: u8 = 1 << 3;
    /// The inside endpoint is the gateway itself: no switch applies.
    pub const OWN: u8 = 1 << 4;
    /// The session holds one count of a binding.
    pub const BOUND: u8 = 1 << 5;
    /// ESP: bound by evidence short of proof (`conformance.md` section 8 rule 6).
    pub const LEARNED: u8 = 1 << 6;
    /// ESP: bound, but not yet confirmed by traffic of the inside host (rule 9).
    pub const TENTATIVE: u8 = 1 << 7;
}

/// Which selector field a session rewrites beside the address.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Rewrite {
    /// The address only.
    Address = 0,
    /// The TCP or UDP port of the translated end.
    Port = 1,
    /// The ICMP query identifier.
    Identifier = 2,
    /// The call ID of enhanced GRE.
    CallId = 3,
    /// The tunnel ID of an L2TPv2 header, inbound.
    TunnelId = 4,
}

/// One direction of a session: the complete rewrite, and what this direction has seen.
///
/// Written by its own direction only. The other half's key follows from this one: see `session::pair`.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Session {
    /// Packets of this direction.
    pub packets: u64,
    /// Bytes of this direction, by IP total length.
    pub bytes: u64,
    /// New address of the translated end: outside address (outbound) or inside host (inbound).
    pub address: u32,
    /// Time of the last packet.
    pub seen: Ticks,
    /// Time of creation.
    pub opened: Ticks,
    /// End of the lease: later packets go through the slow path, which renews binding and parent.
    pub lease: Ticks,
    /// TCP: one past the highest sequence number that this direction has acknowledged.
    /// ESP: the last sequence number seen. Enhanced GRE: see [`Session::parent`] and [`Session::twin_call`].
    pub mark: u32,
    /// One's complement delta of the address, for the IPv4 header and the pseudo header.
    pub address_delta: u16,
    /// One's complement delta of the port, identifier or tunnel ID.
    pub id_delta: u16,
    /// New port, identifier, call ID or tunnel ID. Outbound enhanced GRE keeps its field; there this is the
    /// outside call ID of the other half.
    pub id: u16,
    /// Generation of the class's switch at creation; another one now means the session is gone.
    pub generation: u8,
    /// [`Class`] as a byte.
    pub class: u8,
    /// [`Rewrite`] as a byte.
    pub rewrite: u8,
    /// Bits of [`flag`].
    pub flags: u8,
    /// Enhanced GRE: the control connection's remote port. 0 beyond that.
    pub reserved: u16,
}

impl Session {
    /// The class.
    pub const fn class(&self) -> Class {
        Class::from_index(self.class)
    }

    /// Whether any of these [`flag`] bits is set.
    #[inline(always)]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// The control connection's inside port, of an enhanced GRE session.
    pub const fn parent(&self) -> u16 {
        self.mark as u16
    }

    /// The call ID under which the outbound half of an inbound enhanced GRE session is found; 0 until known.
    pub const fn twin_call(&self) -> u16 {
        (self.mark >> 16) as u16
    }
}

/// Key of the binding table: one end of an inside endpoint's mapping (RFC 4787 section 4.1).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct BindingKey(u64);

impl BindingKey {
    /// The inside end (`Direction::Outbound`) or the outside end (`Direction::Inbound`) of a binding.
    #[inline(always)]
    pub const fn new(direction: Direction, address: u32, id: u16, protocol: u8) -> BindingKey {
        BindingKey(address as u64 | (id as u64) << 32 | (protocol as u64) << 48 | (direction as u64) << 56)
    }

    /// Address of this end.
    pub const fn address(&self) -> u32 {
        self.0 as u32
    }

    /// Port or identifier of this end.
    pub const fn id(&self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// IP protocol number.
    pub const fn protocol(&self) -> u8 {
        (self.0 >> 48) as u8
    }

    /// Which end this is.
    pub const fn direction(&self) -> Direction {
        if self.0 >> 56 == 0 { Direction::Outbound } else { Direction::Inbound }
    }
}

/// A binding as seen from one end: the other end, and how many sessions hold it.
///
/// Only the inside end's record counts sessions; the outside end's counts stay 0.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Binding {
    /// Sessions that hold this binding; the one who takes it to 0 removes both ends.
    pub sessions: u64,
    /// Address of the other end.
    pub address: u32,
    /// Last time that a packet from inside used it, to the accuracy of a lease.
    pub seen: Ticks,
    /// Port or identifier of the other end.
    pub id: u16,
    /// [`Class`] as a byte, of the session that made it.
    pub class: u8,
    /// Bits of [`flag`]: only [`flag::OWN`].
    pub flags: u8,
    /// Keeps the size a multiple of 8.
    pub reserved: u32,
}

/// Key of the fragment table: what every fragment of one datagram shows (RFC 791, RFC 6864).
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct FragmentKey {
    hosts: u64,
    datagram: u64,
}

impl FragmentKey {
    /// The datagram `identification` from `source` to `destination`, before translation.
    #[inline(always)]
    pub const fn new(
        direction: Direction,
        source: u32,
        destination: u32,
        protocol: u8,
        identification: u16,
    ) -> FragmentKey {
        FragmentKey {
            hosts: source as u64 | (destination as u64) << 32,
            datagram: identification as u64 | (protocol as u64) << 16 | (direction as u64) << 24,
        }
    }

    /// The identification that a translated datagram takes on the wire: no two hosts may have the same one.
    #[inline(always)]
    pub const fn claim(source: u32, destination: u32, protocol: u8, identification: u16) -> FragmentKey {
        FragmentKey {
            hosts: source as u64 | (destination as u64) << 32,
            datagram: identification as u64 | (protocol as u64) << 16 | 1 << 25,
        }
    }

    /// An IPv6 datagram between hosts that `hosts` is a digest of.
    #[inline(always)]
    pub const fn v6(hosts: u64, identification: u32) -> FragmentKey {
        FragmentKey { hosts, datagram: identification as u64 | 1 << 32 }
    }
}

/// What the first fragment decided for its siblings.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fragment {
    /// Translated address; 0 if the siblings are dropped.
    pub address: u32,
    /// When the first fragment passed.
    pub opened: Ticks,
    /// One's complement delta of the address.
    pub address_delta: u16,
    /// New identification (RFC 6864 section 5.3.1).
    pub identification: u16,
    /// [`Class`] as a byte.
    pub class: u8,
    /// [`super::Reason`] as a byte, if the siblings are dropped.
    pub reason: u8,
    /// Bits of [`flag`]: only [`flag::OWN`].
    pub flags: u8,
    /// Generation of the class's switch.
    pub generation: u8,
}

const _: () = {
    assert!(size_of::<SessionKey>() == 16);
    assert!(size_of::<Session>() == 48);
    assert!(size_of::<BindingKey>() == 8);
    assert!(size_of::<Binding>() == 24);
    assert!(size_of::<FragmentKey>() == 16);
    assert!(size_of::<Fragment>() == 16);
};
