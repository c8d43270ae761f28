//! Classes of traffic, the switch that each VPN class has, and directions.

/// What kind of traffic a packet or session is: the unit of switches and counters.
///
/// The first three have no switch.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Class {
    /// TCP that no VPN class claims.
    Tcp = 0,
    /// UDP that no VPN class claims.
    Udp = 1,
    /// ICMP and ICMPv6.
    Icmp = 2,
    /// PPTP control (TCP 1723) and enhanced GRE (RFC 2637).
    Pptp = 3,
    /// GRE version 0 (RFC 2784, RFC 2890).
    Gre = 4,
    /// IKE on UDP 500 (RFC 2408, RFC 7296).
    Ike = 5,
    /// IKE and ESP on UDP 4500, and TCP 4500 (RFC 3948, RFC 9329).
    NatT = 6,
    /// ESP, IP protocol 50 (RFC 4303).
    Esp = 7,
    /// AH, IP protocol 51 (RFC 4302); it cannot cross a NAT.
    Ah = 8,
    /// L2TP on UDP 1701 and IP protocol 115 (RFC 2661, RFC 3931).
    L2tp = 9,
    /// IP in IP and 6in4, IP protocols 4 and 41 (RFC 2003, RFC 4213).
    Ipip = 10,
    /// OpenVPN on its ports.
    Openvpn = 11,
    /// WireGuard on its ports.
    Wireguard = 12,
    /// SSTP: TCP 443 to the configured servers.
    Sstp = 13,
    /// Everything else.
    Other = 14,
}

/// Length of arrays indexed by [`Class`].
pub const CLASSES: usize = 16;

impl Class {
    /// Every class, in index order.
    pub const ALL: [Class; 15] = [
        Class::Tcp,
        Class::Udp,
        Class::Icmp,
        Class::Pptp,
        Class::Gre,
        Class::Ike,
        Class::NatT,
        Class::Esp,
        Class::Ah,
        Class::L2tp,
        Class::Ipip,
        Class::Openvpn,
        Class::Wireguard,
        Class::Sstp,
        Class::Other,
    ];

    /// The eleven classes that have a switch.
    pub const SWITCHED: [Class; 11] = [
        Class::Pptp,
        Class::Gre,
        Class::Ike,
        Class::NatT,
        Class::Esp,
        Class::Ah,
        Class::L2tp,
        Class::Ipip,
        Class::Openvpn,
        Class::Wireguard,
        Class::Sstp,
    ];

    /// The class with this index; [`Class::Other`] for an index that no class has.
    pub const fn from_index(index: u8) -> Class {
        match index {
            0 => Class::Tcp,
            1 => Class::Udp,
            2 => Class::Icmp,
            3 => Class::Pptp,
            4 => Class::Gre,
            5 => Class::Ike,
            6 => Class::NatT,
            7 => Class::Esp,
            8 => Class::Ah,
            9 => Class::L2tp,
            10 => Class::Ipip,
            11 => Class::Openvpn,
            12 => Class::Wireguard,
            13 => Class::Sstp,
            _ => Class::Other,
        }
    }

    /// The name that the command line uses.
    pub const fn name(self) -> &'static str {
        match self {
            Class::Tcp => "tcp",
            Class::Udp => "udp",
            Class::Icmp => "icmp",
            Class::Pptp => "pptp",
            Class::Gre => "gre",
            Class::Ike => "ike",
            Class::NatT => "nat-t",
            Class::Esp => "esp",
            Class::Ah => "ah",
            Class::L2tp => "l2tp",
            Class::Ipip => "ipip",
            Class::Openvpn => "openvpn",
            Class::Wireguard => "wireguard",
            Class::Sstp => "sstp",
            Class::Other => "other",
        }
    }

    /// Ordinary UDP or TCP that needs no help: its switch is only on (full) or off, and on until disabled.
    pub const fn is_ordinary(self) -> bool {
        matches!(self, Class::Openvpn | Class::Wireguard | Class::Sstp)
    }
}

/// Position of a class's switch.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Switch {
    /// Blocked in both directions, IPv4 and IPv6.
    Off = 0,
    /// Translated by address only (or as ordinary UDP/TCP): one client a server where no port tells clients apart.
    Plain = 1,
    /// Demultiplexed: many clients to one server.
    Full = 2,
}

impl Switch {
    /// The position stored as this byte; anything unknown is [`Switch::Off`], so that a fault closes.
    pub const fn from_byte(byte: u8) -> Switch {
        match byte {
            1 => Switch::Plain,
            2 => Switch::Full,
            _ => Switch::Off,
        }
    }

    /// The name that the command line shows.
    pub const fn name(self) -> &'static str {
        match self {
            Switch::Off => "off",
            Switch::Plain => "plain",
            Switch::Full => "full",
        }
    }
}

/// Direction of a packet, seen from inside.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub enum Direction {
    /// From inside to outside.
    Outbound = 0,
    /// From outside to inside.
    Inbound = 1,
}

impl Direction {
    /// The other direction.
    pub const fn reversed(self) -> Direction {
        match self {
            Direction::Outbound => Direction::Inbound,
            Direction::Inbound => Direction::Outbound,
        }
    }

    /// `out` or `in`.
    pub const fn name(self) -> &'static str {
        match self {
            Direction::Outbound => "out",
            Direction::Inbound => "in",
        }
    }
}
