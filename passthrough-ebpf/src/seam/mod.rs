//! The kernel's side of the traits in `passthrough_common::seam`, under the same file names. All unsafe code is here.

#![expect(unsafe_code, reason = "helpers, maps and packet memory can't be reached otherwise")]

pub mod clock;
pub mod entropy;
pub mod entry;
pub mod next_hop;
pub mod packet;
pub mod report;
pub mod tables;

use aya_ebpf::bindings::__sk_buff;
use passthrough_common::abi::Settings;

use crate::maps;

/// The kernel as the decisions see it, for one packet.
pub struct Kernel {
    skb: *mut __sk_buff,
    settings: &'static Settings,
}

impl Kernel {
    /// `None` if the settings can't be read, which an array of one entry never shows.
    #[inline(always)]
    pub fn new(skb: *mut __sk_buff) -> Option<Kernel> {
        let settings = maps::SETTINGS.get(0)?;
        Some(Kernel { skb, settings })
    }
}
