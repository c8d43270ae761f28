//! Where a packet came from, where it would go, and who listens on the gateway itself.

use crate::abi::{Link, Side};

/// The far end of what a socket would take, and its protocol: in memory, since loops that look sockets up have no room for it on
/// the stack.
#[repr(C)]
#[derive(Clone, Copy, Debug)]
pub struct Remote {
    /// Address.
    pub address: u32,
    /// Port.
    pub port: u16,
    /// IP protocol number: TCP or UDP; nothing listens for others.
    pub protocol: u16,
}

impl Remote {
    /// This end.
    #[inline(always)]
    pub const fn new(protocol: u8, (address, port): (u32, u16)) -> Remote {
        Remote { address, port, protocol: protocol as u16 }
    }
}

/// Where a packet entered the gateway.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Arrival {
    /// Side of the interface that it entered by; `None` if the gateway itself sent it.
    pub side: Option<Side>,
    /// Whether it entered by an interface that is neither LAN nor WAN.
    pub foreign: bool,
    /// Index of that interface; 0 if the gateway itself sent it.
    pub ifindex: u32,
    /// What stands before the IP header where the packet is seen now.
    pub link: Link,
    /// The tag that frames of this zone carry in their bytes; 0 for none.
    pub vlan: u16,
    /// Identifier of the tag that the kernel has taken out of the frame; 0 for none, or one that only carries a
    /// priority.
    pub stripped_vlan: u16,
    /// Whether the frame was sent to this machine alone.
    pub to_us: bool,
}

/// A way out.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Hop {
    /// Interface to leave by.
    pub ifindex: u32,
    /// Next IPv4 address on that interface: a router, or the destination.
    pub gateway: u32,
}

/// Where a route leads.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Towards {
    /// To the gateway itself.
    Local,
    /// Out by a LAN interface.
    Inside,
    /// Out by the WAN interface.
    Outside,
    /// Out by an interface that is neither.
    Elsewhere,
    /// The packet is larger than the way out takes.
    TooBig,
    /// Nothing that can be used directly: unreachable, prohibited, forwarding switched off.
    Nowhere,
}

/// What the routing table says of a packet.
///
/// No enum with the hop inside: what a variant leaves undefined ends in registers that the verifier refuses (6.18:
/// "!read_ok").
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Route {
    /// Where it leads.
    pub towards: Towards,
    /// The way out; zero unless it leads out.
    pub hop: Hop,
}

impl Route {
    /// A route that does not lead out.
    pub const fn to(towards: Towards) -> Route {
        Route { towards, hop: Hop { ifindex: 0, gateway: 0 } }
    }
}

/// The routing table and the sockets of the gateway.
pub trait NextHop {
    /// Where the packet in hand came from.
    fn arrival(&self) -> Arrival;

    /// The way of an IPv4 packet of `length` bytes that entered by interface `ifindex`.
    fn route(&self, ifindex: u32, source: u32, destination: u32, tos: u8, length: u16) -> Route;

    /// As [`NextHop::route`], for IPv6: only whether the destination is the gateway itself.
    fn is_local_v6(&self, ifindex: u32, source: &[u32; 4], destination: &[u32; 4]) -> bool;

    /// Whether a socket of the gateway has or listens on this local TCP or UDP endpoint.
    fn has_listener(&self, local: (u32, u16), remote: &Remote) -> bool;
}
