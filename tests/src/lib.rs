//! The lab, the VPN peers and what the tests share: a gateway between real sockets in network namespaces.

#[cfg(feature = "programs")]
pub mod bench;
pub mod fuzz;
pub mod interrupt;
pub mod lab;
pub mod peers;
pub mod simulation;
pub mod soak;
pub mod vectors;
pub mod vpn;
pub mod wait;
