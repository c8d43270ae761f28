//! Frames and map values of the benchmark, reached through kernel helpers.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::helpers::generated::{bpf_ktime_get_ns, bpf_redirect};
use aya_ebpf::maps::{Array, PerCpuArray};
use aya_ebpf::programs::XdpContext;

use crate::layout::WORDS;

/// A frame's first 64 bytes, as words in memory order.
pub struct Frame {
    words: *mut u64,
}

impl Frame {
    /// The frame of a context, if it is that long.
    #[inline(always)]
    pub fn of(context: &XdpContext) -> Option<Frame> {
        // SAFETY: the context pointer is the kernel's; volatile, so that neither word is read in a narrower way.
        let (data, end) = unsafe {
            (
                read_volatile(&raw const (*context.ctx).data) as usize,
                read_volatile(&raw const (*context.ctx).data_end) as usize,
            )
        };
        if data + 8 * WORDS > end { None } else { Some(Frame { words: data as *mut u64 }) }
    }

    /// The word at `I`.
    #[inline(always)]
    pub fn word<const I: usize>(&self) -> u64 {
        const { assert!(I < WORDS) };
        // SAFETY: `of` has checked that the words lie before the frame's end.
        unsafe { *self.words.add(I) }
    }

    /// Writes the word at `I`.
    #[inline(always)]
    pub fn set<const I: usize>(&mut self, value: u64) {
        const { assert!(I < WORDS) };
        // SAFETY: as in `word`; XDP frames are writable.
        unsafe { *self.words.add(I) = value }
    }
}

/// A value of an array map, read and written word by word.
pub struct Words<const N: usize> {
    words: *mut u64,
}

impl<const N: usize> Words<N> {
    /// The value at `index`.
    #[inline(always)]
    pub fn of(map: &Array<[u64; N]>, index: u32) -> Option<Words<N>> {
        map.get_ptr_mut(index).map(|value| Words { words: value.cast() })
    }

    /// The word at `I`.
    #[inline(always)]
    pub fn get<const I: usize>(&self) -> u64 {
        const { assert!(I < N) };
        // SAFETY: the value has `N` words, and stays while the program runs.
        unsafe { *self.words.add(I) }
    }

    /// Writes the word at `I`.
    #[inline(always)]
    pub fn set<const I: usize>(&mut self, value: u64) {
        const { assert!(I < N) };
        // SAFETY: as in `get`; only this processor writes.
        unsafe { *self.words.add(I) = value }
    }
}

/// Adds one to this processor's counter.
#[inline(always)]
pub fn count(counter: &PerCpuArray<u64>) {
    if let Some(counter) = counter.get_ptr_mut(0) {
        // SAFETY: the value stays while the program runs, and is this processor's own.
        unsafe { write_volatile(counter, read_volatile(counter) + 1) };
    }
}

/// The monotonic clock, ns.
#[inline(always)]
pub fn now() -> u64 {
    // SAFETY: the helper takes nothing.
    unsafe { bpf_ktime_get_ns() }
}

/// Sends the frame out by an interface.
#[inline(always)]
pub fn redirect(interface: u32) -> u32 {
    // SAFETY: the helper takes two numbers.
    unsafe { bpf_redirect(interface, 0) as u32 }
}

/// The kernel lets only programs under a GPL-compatible licence use some of the helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
