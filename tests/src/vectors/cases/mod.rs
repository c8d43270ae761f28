//! The vectors by topic.

pub mod udp_tcp;

use super::Vector;

/// Every topic with its vectors.
pub const ALL: &[(&str, &[Vector])] = &[("UDP and TCP", udp_tcp::VECTORS)];
