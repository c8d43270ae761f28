//! Sessions: keys and values of the session table.

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

impl Space {
    /// The space with this number; [`Space::Host`] for a number that none has.
    #[inline(always)]
    pub const fn from_index(index: u8) -> Space {
        match index {
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
    /// Which outside address the IPsec of an inside host holds: local is the host, and there is no remote.
    Held = 5,
    /// Which inside host has taken an outside address, the local one here, for its IPsec with a server.
    Taken = 6,
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
        Space::from_index((self.selector >> 40) as u8)
    }

    /// From where this key sees the packet.
    pub const fn view(&self) -> View {
        match (self.selector >> 48) as u8 {
            0 => View::Outbound,
            1 => View::Inbound,
            2 => View::Quoted,
            3 => View::QuotedInside,
            4 => View::Permit,
            5 => View::Held,
            _ => View::Taken,
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
    /// Inbound ESP: when it was bound, nobody else was owed an inbound SPI.
    pub const UNRIVALLED: u8 = 1 << 0;
    /// A binding: it is noted at its inside end, too.
    pub const NOTED: u8 = 1 << 0;
    /// ESP: bound by evidence short of proof (`conformance.md` section 8 rule 6).
    pub const LEARNED: u8 = 1 << 6;
    /// Enhanced GRE: the control connection's inside port is the server's.
    pub const SERVER_INSIDE: u8 = 1 << 6;
    /// ESP: bound, but it may be another host's, or no traffic of its own has confirmed it (rule 9).
    pub const TENTATIVE: u8 = 1 << 7;
    /// A fragmented datagram: the stack has to see it.
    pub const BY_STACK: u8 = 1 << 7;
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
/// Written by its own direction only. The other half's key follows from this one: see `session::pair`. Checksum deltas
/// are not kept: what is replaced stands in the key, and eight bytes less are a cache line less for every third session.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Session {
    /// Bytes of this direction by IP total length, in the low 52 bits; above them, the high 12 bits of the packets.
    traffic: u64,
    /// Low 32 bits of the packets of this direction.
    packets: u32,
    /// New address of the translated end: outside address (outbound) or inside host (inbound).
    pub address: u32,
    /// Time of the last packet.
    pub seen: Ticks,
    /// TCP: one past the highest sequence number that this direction has acknowledged.
    /// Inbound ESP: when the SPI was learned, in ticks. Enhanced GRE: see [`Session::parent`] and
    /// [`Session::twin_call`].
    pub mark: u32,
    /// New port, identifier, call ID or tunnel ID. Outbound enhanced GRE keeps its field; there this is the
    /// outside call ID of the other half.
    pub id: u16,
    /// The way out, as the fast path found it: [`Session::exit`].
    pub exit: u16,
    /// When binding, parent and the other half were last looked at: [`Ticks::coarse`]. A lease runs from then.
    pub renewed: u8,
    /// Generation of the class's switch at creation; another one now means the session is gone.
    pub generation: u8,
    /// [`Class`] in the low four bits, [`Rewrite`] above them.
    kind: u8,
    /// Bits of [`flag`].
    pub flags: u8,
}

/// Bits of [`Session::traffic`] that count bytes.
const BYTES: u64 = (1 << 52) - 1;

impl Session {
    /// A half that has seen nothing, with this rewrite.
    #[inline(always)]
    pub const fn new(class: Class, rewrite: Rewrite, (address, id): (u32, u16), flags: u8) -> Session {
        Session {
            traffic: 0,
            packets: 0,
            address,
            seen: Ticks(0),
            mark: 0,
            id,
            exit: 0,
            renewed: 0,
            generation: 0,
            kind: class as u8 | (rewrite as u8) << 4,
            flags,
        }
    }

    /// The class.
    #[inline(always)]
    pub const fn class(&self) -> Class {
        Class::from_index(self.class_index())
    }

    /// The class as a number.
    #[inline(always)]
    pub const fn class_index(&self) -> u8 {
        self.kind & 0xf
    }

    /// [`Rewrite`] as a byte.
    #[inline(always)]
    pub const fn rewrite(&self) -> u8 {
        self.kind >> 4
    }

    /// Whether any of these [`flag`] bits is set.
    #[inline(always)]
    pub const fn has(&self, flags: u8) -> bool {
        self.flags & flags != 0
    }

    /// Counts one packet of `bytes` bytes. Packets wrap at 2^44; bytes at 2^52 (4.5 PB), which adds 2^32 packets, since
    /// nothing is done here for every packet that matters once in so many.
    #[inline(always)]
    pub const fn count(&mut self, bytes: u32) {
        self.packets = self.packets.wrapping_add(1);
        self.traffic = self.traffic.wrapping_add(bytes as u64);
        if self.packets == 0 {
            self.traffic = self.traffic.wrapping_add(BYTES + 1);
        }
    }

    /// Packets of this direction.
    pub const fn packets(&self) -> u64 {
        self.packets as u64 | (self.traffic >> 52) << 32
    }

    /// Bytes of this direction, by IP total length.
    pub const fn bytes(&self) -> u64 {
        self.traffic & BYTES
    }

    /// The ports of the control connection of an enhanced GRE session: remote, then inside. One of them is 1723
    /// (RFC 2637 section 1.1), so that one is kept.
    pub const fn parent(&self) -> (u16, u16) {
        let port = self.mark as u16;
        if self.has(flag::SERVER_INSIDE) { (port, PPTP_PORT) } else { (PPTP_PORT, port) }
    }

    /// Notes these ports.
    pub const fn set_parent(&mut self, remote: u16, inside: u16) {
        let server_inside = remote != PPTP_PORT;
        if server_inside {
            self.flags |= flag::SERVER_INSIDE;
        }
        let port = if server_inside { remote } else { inside };
        self.mark = self.mark & 0xffff_0000 | port as u32;
    }

    /// The call ID under which the outbound half of an inbound enhanced GRE session is found; 0 until known.
    pub const fn twin_call(&self) -> u16 {
        (self.mark >> 16) as u16
    }
}

/// TCP port of a PPTP server (RFC 2637 section 1.1).
const PPTP_PORT: u16 = 1723;

const _: () = {
    assert!(size_of::<SessionKey>() == 16);
    assert!(size_of::<Session>() == 32);
};

#[cfg(test)]
mod tests {
    use super::*;

    const HALF: Session = Session::new(Class::Pptp, Rewrite::CallId, (1, 2), 0);

    #[test]
    fn a_half_tells_class_and_rewrite() {
        assert_eq!((HALF.class(), HALF.rewrite()), (Class::Pptp, Rewrite::CallId as u8));
        let last = Session::new(Class::from_index(15), Rewrite::TunnelId, (0, 0), 0);
        assert_eq!(
            (last.class() as u8, last.rewrite()),
            (Class::from_index(15) as u8, Rewrite::TunnelId as u8)
        );
    }

    #[test]
    fn counters_carry_from_word_to_word() {
        let mut half = Session { packets: u32::MAX, traffic: 7 << 52 | 10, ..HALF };
        half.count(3);
        assert_eq!((half.packets(), half.bytes()), (8 << 32, 13), "packets carry into the word of the bytes");
        half.count(1500);
        assert_eq!((half.packets(), half.bytes()), ((8 << 32) + 1, 1513));
        let mut most = Session { packets: 0, traffic: BYTES, ..HALF };
        most.count(3);
        assert_eq!(
            (most.packets(), most.bytes()),
            ((1 << 32) + 1, 2),
            "and bytes into the packets, once in 4.5 PB"
        );
    }

    #[test]
    fn a_call_knows_its_control_connection_whichever_end_is_the_server() {
        for ports in [(1723, 40_000), (40_000, 1723), (1723, 1723)] {
            let mut half = Session { mark: 9 << 16, ..HALF };
            half.set_parent(ports.0, ports.1);
            assert_eq!((half.parent(), half.twin_call()), (ports, 9));
        }
    }
}
