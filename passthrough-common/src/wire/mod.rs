//! Headers and checksums: field offsets, validity, arithmetic; no policy, no state.

pub mod checksum;
pub mod esp;
pub mod ethernet;
pub mod gre;
pub mod icmp;
pub mod ike;
pub mod ipv4;
pub mod ipv6;
pub mod l2tp;
pub mod pptp;
pub mod transport;
