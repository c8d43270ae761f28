//! What the operator has set: one record, read by the kernel side for every packet.

use super::{CLASSES, Class, Ranges, Switch, Ticks};

/// Most extra ports or servers in each list.
pub const LIST: usize = 8;

/// Who may send to a binding from outside (RFC 4787 section 5, RFC 5382 section 4.3).
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Filtering {
    /// Only the address and port that the inside endpoint has sent to. The default.
    AddressAndPort = 0,
    /// Any port of an address that the inside endpoint has sent to.
    Address = 1,
    /// Anybody.
    Endpoint = 2,
}

/// Bits of [`Settings::options`].
pub mod option {
    /// L2TP keeps source port 1701; clients are told apart by tunnel ID.
    pub const KEEP_L2TP_PORT: u32 = 1 << 0;
    /// Packets from outside with a source that no public host has are dropped (RFC 6890).
    pub const DROP_MARTIANS: u32 = 1 << 1;
    /// Existing sessions go through the stack instead of by redirect.
    pub const NO_REDIRECT: u32 = 1 << 2;
    /// The operator named the outside addresses: userspace does not follow those of the WAN interface.
    pub const FIXED_POOL: u32 = 1 << 3;
    /// The path that the operator asked for, two bits: userspace keeps it here for a later `up`.
    pub const MODE: u32 = 3 << 4;
    /// A host whose outside address has no port left is given one of another address (RFC 7857 section 4).
    pub const SOFT_POOLING: u32 = 1 << 6;
    /// IPsec clients of one server have an outside address each, as far as there are any.
    pub const IPSEC_ADDRESSES: u32 = 1 << 7;
}

/// Idle times by what a session is and has shown. Index of [`Settings::idle`].
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Idle {
    /// TCP, opening or closing (RFC 7857 section 2.1).
    TcpTransitory = 0,
    /// TCP, established (RFC 5382 section 5).
    TcpEstablished = 1,
    /// UDP of every class (RFC 4787 section 4.3).
    Udp = 2,
    /// ICMP queries (RFC 5508 section 3.2).
    Icmp = 3,
    /// GRE v0, IPIP, IP 115.
    Generic = 4,
    /// ESP.
    Esp = 5,
    /// A PPTP call that has been disconnected: packets still in flight.
    Disconnected = 6,
}

/// Length of [`Settings::idle`].
pub const IDLES: usize = 8;

/// The settings. Written by userspace as a whole, read by the kernel side. Aligned for reads of whole words.
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Settings {
    /// [`super::VERSION`] of the writer.
    pub version: u32,
    /// The WAN interface.
    pub wan_ifindex: u32,
    /// Bits of [`option`].
    pub options: u32,
    /// Most sessions of an inside host; 0 for no limit.
    pub host_sessions: u32,
    /// [`Switch`] of each class as a byte, by class index.
    pub switches: [u8; CLASSES],
    /// Counts up whenever a class is switched off: sessions of another generation are gone.
    pub generations: [u8; CLASSES],
    /// Idle times by [`Idle`].
    pub idle: [Ticks; IDLES],
    /// First and last outside port or identifier that is handed out: for inside ones below 1024, and for all others.
    pub ports: [[u16; 2]; 2],
    /// [`Filtering`] for TCP, and for UDP and the rest, as bytes.
    pub filtering: [u8; 2],
    /// Ports in the block of an inside host; 0 if hosts have none, and share all ports.
    pub block_size: u16,
    /// Blocks of one outside address.
    pub blocks: u32,
    /// OpenVPN's ports; 0 ends the list.
    pub openvpn_ports: [u16; LIST],
    /// WireGuard's ports; 0 ends the list.
    pub wireguard_ports: [u16; LIST],
    /// SSTP servers; 0 ends the list.
    pub sstp_servers: [u32; LIST],
    /// Counts up whenever these settings, a route, a neighbour or a link have changed: see [`super::Epoch`].
    pub changes: u32,
    /// Most sessions that an inside host may open in a second of [`super::Host::second`]; 0 for no limit.
    pub host_rate: u32,
    /// Outside addresses. Behind what is read for every packet, as all that only a new session needs.
    pub pool: Ranges,
    /// The inside hosts that have a block, in the order of their blocks.
    pub subscribers: Ranges,
    /// Most PPTP control connections of an inside host; 0 for no limit.
    pub host_connections: u32,
    /// Most servers of IPsec, and of L2TP on a kept port, that an inside host may be the first client of; 0 for no limit.
    pub host_servers: u32,
}

const _: () = assert!(size_of::<Settings>() == 304);

/// A class's byte. By shifts, not by index: LLVM knows that a class is in bounds and leaves the mask out, and the
/// verifier (6.18: "R8 max value is outside of the allowed memory range") does not.
#[inline(always)]
const fn byte_of(bytes: &[u8; CLASSES], class: Class) -> u8 {
    let [a, b, c, d, e, f, g, h, i, j, k, l, m, n, o, p] = *bytes;
    let low = u64::from_le_bytes([a, b, c, d, e, f, g, h]);
    let high = u64::from_le_bytes([i, j, k, l, m, n, o, p]);
    let word = if (class as u8) < 8 { low } else { high };
    (word >> ((class as u32 & 7) * 8)) as u8
}

impl Settings {
    /// What `passthrough up` starts from: every class with a tunnel of its own off, ordinary ones on.
    pub const DEFAULT: Settings = {
        let mut switches = [Switch::Off as u8; CLASSES];
        switches[Class::Tcp as usize] = Switch::Full as u8;
        switches[Class::Udp as usize] = Switch::Full as u8;
        switches[Class::Icmp as usize] = Switch::Full as u8;
        switches[Class::Openvpn as usize] = Switch::Full as u8;
        switches[Class::Wireguard as usize] = Switch::Full as u8;
        switches[Class::Sstp as usize] = Switch::Full as u8;
        switches[Class::Other as usize] = Switch::Full as u8;
        Settings {
            version: super::VERSION,
            wan_ifindex: 0,
            options: option::DROP_MARTIANS,
            host_sessions: 0,
            switches,
            generations: [0; CLASSES],
            idle: [
                Ticks::from_secs(240),
                Ticks::from_secs(7440),
                Ticks::from_secs(300),
                Ticks::from_secs(60),
                Ticks::from_secs(300),
                Ticks::from_secs(3600),
                Ticks::from_secs(5),
                Ticks(0),
            ],
            ports: [[1, 1023], [1024, 65535]],
            filtering: [Filtering::AddressAndPort as u8; 2],
            block_size: 0,
            blocks: 0,
            openvpn_ports: [1194, 0, 0, 0, 0, 0, 0, 0],
            wireguard_ports: [51820, 0, 0, 0, 0, 0, 0, 0],
            sstp_servers: [0; LIST],
            changes: 0,
            host_rate: 0,
            pool: Ranges::NONE,
            subscribers: Ranges::NONE,
            host_connections: 256,
            host_servers: 256,
        }
    };

    /// Position of a class's switch.
    #[inline(always)]
    pub const fn switch(&self, class: Class) -> Switch {
        Switch::from_byte(byte_of(&self.switches, class))
    }

    /// Current generation of a class.
    #[inline(always)]
    pub const fn generation(&self, class: Class) -> u8 {
        byte_of(&self.generations, class)
    }

    /// How long a session of this kind may be silent.
    #[inline(always)]
    pub const fn idle(&self, kind: Idle) -> Ticks {
        // Spelled out, as in `byte_of`: an index that the compiler knows to be in bounds is unknown to the verifier.
        match kind {
            Idle::TcpTransitory => self.idle[0],
            Idle::TcpEstablished => self.idle[1],
            Idle::Udp => self.idle[2],
            Idle::Icmp => self.idle[3],
            Idle::Generic => self.idle[4],
            Idle::Esp => self.idle[5],
            Idle::Disconnected => self.idle[6],
        }
    }

    /// Whether any of these [`option`] bits is set.
    #[inline(always)]
    pub const fn has(&self, options: u32) -> bool {
        self.options & options != 0
    }

    /// Whether an address is one of the gateway's outside addresses.
    #[inline(always)]
    pub const fn is_outside_address(&self, address: u32) -> bool {
        self.pool.contains(address)
    }

    /// Who may send to a binding of this IP protocol.
    #[inline(always)]
    pub const fn filtering(&self, protocol: u8) -> Filtering {
        match self.filtering[if protocol == 6 { 0 } else { 1 }] {
            1 => Filtering::Address,
            2 => Filtering::Endpoint,
            _ => Filtering::AddressAndPort,
        }
    }
}

/// Which side of the gateway an interface is on.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Side {
    /// LAN.
    Inside = 0,
    /// WAN.
    Outside = 1,
}

/// What stands before the IP header on an interface.
#[repr(u8)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Link {
    /// An Ethernet header, 14 bytes.
    Ethernet = 0,
    /// Nothing: ppp, tun, wireguard.
    Raw = 1,
}

/// Bits of [`Interface::flags`].
pub mod port {
    /// The fast path may send frames out here.
    pub const FAST: u16 = 1 << 0;
}

/// Slots of the table of interfaces.
pub const PORTS: u32 = 1024;
/// In how many slots, from its home on, an interface may be.
pub const PORT_TRIES: u32 = 4;

/// An interface that takes part. An element of an array, since the fast path asks for one with every packet; it is in
/// one of the [`PORT_TRIES`] slots that begin with its index modulo [`PORTS`].
#[repr(C, align(8))]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Interface {
    /// [`Side`] as a byte.
    pub side: u8,
    /// [`Link`] as a byte.
    pub link: u8,
    /// A tag that frames of this zone carry in their bytes; 0 for none (the usual case: the kernel strips tags).
    pub vlan: u16,
    /// Bits of [`port`].
    pub flags: u16,
    /// The last two bytes of its Ethernet address, as a number.
    pub address_tail: u16,
    /// The first four bytes of its Ethernet address, as a number.
    pub address_head: u32,
    /// Most bytes of an IP packet that leaves here.
    pub mtu: u32,
    /// Interface index; 0 if the slot is free.
    pub index: u32,
    /// Error number with which its driver refused the fast path when the gateway was last brought up; 0 for none. For
    /// userspace alone.
    pub refusal: u32,
}

impl Interface {
    /// The slot that is tried at this attempt, counted from 0.
    #[inline(always)]
    pub const fn slot(index: u32, attempt: u32) -> u32 {
        index.wrapping_add(attempt) & (PORTS - 1)
    }

    /// The Ethernet address split as it is kept.
    pub const fn split(address: [u8; 6]) -> (u32, u16) {
        let [a, b, c, d, e, f] = address;
        (u32::from_be_bytes([a, b, c, d]), u16::from_be_bytes([e, f]))
    }
}

const _: () = assert!(size_of::<Interface>() == 24);
