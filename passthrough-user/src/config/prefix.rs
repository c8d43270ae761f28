//! IPv4 networks: an address and a length, what they contain and what they share.

use std::{fmt, net::Ipv4Addr};

/// An IPv4 network. The address may have host bits set, as an interface's address does.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefix {
    /// An address in the network.
    pub address: Ipv4Addr,
    /// Length of the network part in bits, 0 to 32.
    pub length: u8,
}

/// Networks that only a private side uses (RFC 1918, RFC 6598).
const PRIVATE: [Prefix; 4] = [
    Prefix::new(Ipv4Addr::new(10, 0, 0, 0), 8),
    Prefix::new(Ipv4Addr::new(172, 16, 0, 0), 12),
    Prefix::new(Ipv4Addr::new(192, 168, 0, 0), 16),
    Prefix::new(Ipv4Addr::new(100, 64, 0, 0), 10),
];

impl Prefix {
    /// A network.
    pub const fn new(address: Ipv4Addr, length: u8) -> Prefix {
        Prefix { address, length }
    }

    /// Bits of the network part.
    fn mask(self) -> u32 {
        u32::MAX.checked_shl(32 - u32::from(self.length.min(32))).unwrap_or(0)
    }

    /// The network's lowest address.
    pub fn network(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) & self.mask())
    }

    /// The network's highest address.
    pub fn last(self) -> Ipv4Addr {
        Ipv4Addr::from(u32::from(self.address) | !self.mask())
    }

    /// Whether an address lies in it.
    pub fn contains(self, address: Ipv4Addr) -> bool {
        (u32::from(address) ^ u32::from(self.address)) & self.mask() == 0
    }

    /// Whether two networks share an address.
    pub fn overlaps(self, other: Prefix) -> bool {
        if self.length <= other.length { self.contains(other.address) } else { other.contains(self.address) }
    }
}

impl fmt::Display for Prefix {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}/{}", self.network(), self.length)
    }
}

/// Whether no host on the public internet has this address (RFC 1918, RFC 6598).
pub fn is_private(address: Ipv4Addr) -> bool {
    PRIVATE.iter().any(|prefix| prefix.contains(address))
}

/// Whether packets from such an address are martians to the data path's filter, so that a WAN that has one
/// cannot use the filter: private, shared, link-local, benchmark and documentation ranges (RFC 6890).
pub fn is_special(address: Ipv4Addr) -> bool {
    let benchmark = Prefix::new(Ipv4Addr::new(198, 18, 0, 0), 15);
    is_private(address)
        || address.is_documentation()
        || address.is_link_local()
        || benchmark.contains(address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_overlap_when_one_holds_the_other() {
        let wide = Prefix::new(Ipv4Addr::new(192, 168, 1, 50), 16);
        let narrow = Prefix::new(Ipv4Addr::new(192, 168, 7, 1), 24);
        let other = Prefix::new(Ipv4Addr::new(192, 169, 0, 1), 24);
        assert!(wide.overlaps(narrow) && narrow.overlaps(wide));
        assert!(!wide.overlaps(other) && !other.overlaps(narrow));
        assert!(Prefix::new(Ipv4Addr::UNSPECIFIED, 0).overlaps(narrow));
    }

    #[test]
    fn a_network_is_written_without_host_bits() {
        assert_eq!(Prefix::new(Ipv4Addr::new(192, 168, 1, 50), 24).to_string(), "192.168.1.0/24");
        assert_eq!(Prefix::new(Ipv4Addr::new(203, 0, 113, 9), 32).to_string(), "203.0.113.9/32");
    }

    #[test]
    fn shared_address_space_counts_as_private() {
        assert!(is_private(Ipv4Addr::new(100, 64, 0, 1)));
        assert!(!is_private(Ipv4Addr::new(203, 0, 113, 1)));
        assert!(is_special(Ipv4Addr::new(203, 0, 113, 1)));
        assert!(!is_special(Ipv4Addr::new(9, 9, 9, 9)));
    }
}
