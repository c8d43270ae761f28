//! The protocols side by side, one shape: claims, flow key, on miss, advance, edits.
//!
//! [`halves`], [`endpoint`], [`servers`] and [`hosts`] are what they share: putting halves of sessions into the table, giving
//! an inside endpoint its outside one, keeping records of servers' clients, and holding inside hosts to their limits.

pub mod by_address;
pub mod endpoint;
pub mod esp_ike;
pub mod gre_pptp;
pub mod halves;
pub mod hosts;
pub mod icmp;
pub mod l2tp;
pub mod servers;
pub mod tcp_udp;

mod flow;
pub use flow::{Flow, Part, progress};

/// IP protocol numbers (IANA), the ones that the gateway knows.
pub mod number {
    /// ICMP.
    pub const ICMP: u8 = 1;
    /// IP in IP.
    pub const IPIP: u8 = 4;
    /// TCP.
    pub const TCP: u8 = 6;
    /// UDP.
    pub const UDP: u8 = 17;
    /// IPv6 in IP.
    pub const SIX_IN_FOUR: u8 = 41;
    /// GRE.
    pub const GRE: u8 = 47;
    /// ESP.
    pub const ESP: u8 = 50;
    /// AH.
    pub const AH: u8 = 51;
    /// ICMPv6.
    pub const ICMPV6: u8 = 58;
    /// L2TPv3.
    pub const L2TP: u8 = 115;
}
