//! The kernel's side of the traits in `passthrough_common::seam`, under the same file names. All unsafe code is here.

#![expect(unsafe_code, reason = "helpers, maps and packet memory can't be reached otherwise")]

pub mod clock;
pub mod entropy;
pub mod entry;
pub mod exits;
pub mod fast;
pub mod next_hop;
pub mod packet;
pub mod report;
pub mod tables;

use passthrough_common::abi::Settings;

use crate::maps;

/// The kernel as the decisions see it, for one packet, by the program's context: `__sk_buff` or `xdp_md`.
pub struct Kernel<C> {
    context: *mut C,
    settings: &'static Settings,
}

impl<C> Kernel<C> {
    /// `None` if the settings can't be read, which an array of one entry never shows.
    #[inline(always)]
    pub fn new(context: *mut C) -> Option<Kernel<C>> {
        let settings = maps::SETTINGS.get(0)?;
        Some(Kernel { context, settings })
    }
}
