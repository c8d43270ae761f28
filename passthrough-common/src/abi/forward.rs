//! Port forwards: which inside host a service at the gateway's outside addresses belongs to.

use super::{BindingKey, Direction};

/// Most ports that may be forwarded, over all rules.
pub const FORWARDS: u32 = 16_384;

/// A port forward as one of its ends sees it: a binding that the operator has made. Only userspace writes it.
///
/// Sessions do not hold it, and no outside address is in it: it holds for the address that its host shows outside,
/// whatever that becomes.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Forward {
    /// The inside host.
    pub host: u32,
    /// Port at the other end: inside of the outside end's entry, outside of the inside end's. 0 without ports.
    pub port: u16,
    /// First outside port of the rule that made it.
    pub first: u16,
}

const _: () = assert!(size_of::<Forward>() == 8);

impl Forward {
    /// The key of the outside end: what packets from outside are looked up by. `port` is 0 for protocols without ports.
    #[inline(always)]
    pub const fn outside(protocol: u8, port: u16) -> BindingKey {
        BindingKey::new(Direction::Inbound, 0, port, protocol)
    }

    /// The key of the inside end: what packets of the host itself are looked up by.
    #[inline(always)]
    pub const fn inside(protocol: u8, (host, port): (u32, u16)) -> BindingKey {
        BindingKey::new(Direction::Outbound, host, port, protocol)
    }

    /// Both ends of the forward of one outside port, of a rule whose first one is `first`.
    pub const fn ends(
        protocol: u8,
        outside: u16,
        first: u16,
        (host, port): (u32, u16),
    ) -> [(BindingKey, Forward); 2] {
        [
            (Forward::inside(protocol, (host, port)), Forward { host, port: outside, first }),
            (Forward::outside(protocol, outside), Forward { host, port, first }),
        ]
    }
}
