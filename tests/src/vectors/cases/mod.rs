//! The vectors by topic.

pub mod by_address;
pub mod checksums;
pub mod forward;
pub mod forward_vpn;
pub mod fragments;
pub mod icmp;
pub mod icmp_errors;
pub mod ip_header;
pub mod ipsec;
pub mod ipv6;
pub mod l2tp;
pub mod limits;
pub mod link;
pub mod pools;
pub mod pptp;
pub mod pptp_limits;
pub mod switches;
pub mod timers;
pub mod udp_tcp;

use super::frame::{Body, raw};
use super::{B, Vector};

/// Every topic with its vectors.
pub const ALL: &[(&str, &[Vector])] = &[
    ("UDP and TCP", udp_tcp::VECTORS),
    ("checksums", checksums::VECTORS),
    ("ICMP queries", icmp::VECTORS),
    ("IP header", ip_header::VECTORS),
    ("fragments", fragments::VECTORS),
    ("link", link::VECTORS),
    ("limits", limits::VECTORS),
    ("pools", pools::VECTORS),
    ("PPTP", pptp::VECTORS),
    ("PPTP's limits", pptp_limits::VECTORS),
    ("protocols by address", by_address::VECTORS),
    ("IPsec", ipsec::VECTORS),
    ("L2TP", l2tp::VECTORS),
    ("port forwards", forward::VECTORS),
    ("VPN servers inside", forward_vpn::VECTORS),
    ("ICMP errors", icmp_errors::VECTORS),
    ("switches", switches::VECTORS),
    ("IPv6", ipv6::VECTORS),
    ("timers", timers::VECTORS),
];
