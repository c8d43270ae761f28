//! A socket buffer as a [`Packet`]: direct packet access, checksums through the kernel's helpers.
//!
//! In TC a checksum may be unfinished (its sum still to be added by the device) or cover the whole packet; the
//! helper knows which, so transport checksums are never written directly. The IPv4 header's own is always finished.

use core::arch::asm;
use core::mem::offset_of;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR};
use aya_ebpf::helpers::generated::{bpf_l4_csum_replace, bpf_skb_pull_data};
use passthrough_common::seam::Packet;
use passthrough_common::wire::checksum;

/// Offsets beyond this are never read: it bounds what the verifier must believe of an offset.
const REACH: u32 = 0x3fff;

/// One packet in TC.
pub struct Skb {
    skb: *mut __sk_buff,
    len: u32,
}

impl Skb {
    /// The packet, with its first `bytes` bytes (or all, if it has fewer) where they can be reached.
    #[inline(always)]
    pub fn new(skb: *mut __sk_buff, bytes: u32) -> Skb {
        // SAFETY: the context pointer is the kernel's, valid for the run of the program.
        let len = unsafe { read_volatile(&raw const (*skb).len) };
        let wanted = if len < bytes { len } else { bytes };
        let packet = Skb { skb, len };
        let (start, end) = packet.bounds();
        if end - start < wanted as usize {
            // SAFETY: as above. If it fails, what can't be reached reads as absent.
            unsafe { bpf_skb_pull_data(skb, wanted) };
        }
        packet
    }

    /// Start and end of what can be reached. Read anew for every access, since helpers move the packet.
    ///
    /// In assembly: the fields are declared 32 bits wide but hold pointers. LLVM would add to them and spill them as 32
    /// bits (6.18: "32-bit pointer arithmetic prohibited", "invalid size of register spill").
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        let (start, end);
        // SAFETY: the context pointer is the kernel's, valid for the run of the program; both fields are readable.
        unsafe {
            asm!("{start} = *(u32 *)({skb} + {at})", start = out(reg) start, skb = in(reg) self.skb,
                at = const offset_of!(__sk_buff, data));
            asm!("{end} = *(u32 *)({skb} + {at})", end = out(reg) end, skb = in(reg) self.skb,
                at = const offset_of!(__sk_buff, data_end));
        }
        (start, end)
    }

    /// The same number, of which the verifier knows nothing: that is what it makes of the control buffer.
    #[inline(always)]
    fn forgotten(&self, number: u32) -> u32 {
        // SAFETY: the context pointer is the kernel's; nobody else uses the second word of the control buffer in TC.
        unsafe {
            let word = &raw mut (*self.skb).cb[1];
            write_volatile(word, number);
            read_volatile(word)
        }
    }

    /// Address of `N` bytes at `at`, checked against the packet's end.
    #[inline(always)]
    fn place<const N: usize>(&self, at: u32) -> Option<*mut [u8; N]> {
        if at > REACH {
            return None;
        }
        let (mut place, end) = self.bounds();
        // In assembly: LLVM would add twice, once to check and once to use, and the verifier does not see that both are
        // the same place (6.18: "offset is outside of the packet").
        // The mask too, since LLVM takes it out after the check above, of which the verifier learns nothing when it is
        // made signed.
        // SAFETY: a mask and an addition of numbers.
        unsafe {
            asm!("{at} &= {reach}", "{place} += {at}", place = inout(reg) place, at = inout(reg) at as usize => _,
                reach = const REACH);
        }
        if place + N > end { None } else { Some(place as *mut [u8; N]) }
    }
}

impl Packet for Skb {
    #[inline(always)]
    fn len(&self) -> u32 {
        self.len
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let place = self.place::<N>(at)?;
        // SAFETY: `place` has checked that N bytes lie before the packet's end; an array of bytes has no alignment.
        Some(unsafe { *place })
    }

    // Wide accesses in assembly: packet fields are not aligned, and LLVM would take them apart into bytes. Allowing it
    // misaligned accesses altogether makes it use them on the stack too, which the verifier refuses (6.18: "misaligned
    // stack access").
    #[inline(always)]
    fn u16(&self, at: u32) -> Option<u16> {
        let place = self.place::<2>(at)?;
        let value: u64;
        // SAFETY: `place` has checked that 2 bytes lie before the packet's end; the kernel allows them anywhere.
        unsafe { asm!("{value} = *(u16 *)({place} + 0)", value = out(reg) value, place = in(reg) place) };
        Some((value as u16).to_be())
    }

    #[inline(always)]
    fn u32(&self, at: u32) -> Option<u32> {
        let place = self.place::<4>(at)?;
        let value: u64;
        // SAFETY: `place` has checked that 4 bytes lie before the packet's end; the kernel allows them anywhere.
        unsafe { asm!("{value} = *(u32 *)({place} + 0)", value = out(reg) value, place = in(reg) place) };
        Some((value as u32).to_be())
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> bool {
        let Some(place) = self.place::<N>(at) else { return false };
        if N == 2 {
            let value = u64::from(u16::from_ne_bytes([bytes[0], bytes[N - 1]]));
            // SAFETY: as in `u16`; the kernel makes the packet writable before the program runs.
            unsafe { asm!("*(u16 *)({place} + 0) = {value}", value = in(reg) value, place = in(reg) place) };
        } else if N == 4 {
            let value = u64::from(u32::from_ne_bytes([bytes[0], bytes[1 % N], bytes[2 % N], bytes[3 % N]]));
            // SAFETY: as in `u32`; the kernel makes the packet writable before the program runs.
            unsafe { asm!("*(u32 *)({place} + 0) = {value}", value = in(reg) value, place = in(reg) place) };
        } else {
            // SAFETY: as in `load`; the kernel makes the packet writable before the program runs.
            unsafe { *place = bytes };
        }
        true
    }

    #[inline(always)]
    fn forget(&self, offset: u32) -> u32 {
        self.forgotten(offset) & 0xff
    }

    #[inline(always)]
    fn forget_far(&self, offset: u32) -> u32 {
        self.forgotten(offset) & 0x3ff
    }

    #[inline(always)]
    fn fix_header_checksum(&mut self, at: u32, delta: u16) {
        // A whole-packet sum stays right: what the header gains in its fields it loses in its checksum.
        if let Some(sum) = self.u16(at) {
            self.store(at, checksum::apply(sum, delta).to_be_bytes());
        }
    }

    #[inline(always)]
    fn fix_transport_checksum(&mut self, at: u32, pseudo: u16, segment: u16, zero_is_none: bool) {
        let zero = if zero_is_none { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
        // Apart, because an unfinished checksum holds the pseudo header only. The sums are big-endian in memory.
        if pseudo != 0 {
            // SAFETY: size 0 in the flags takes `to` as a ready difference; the offset is checked by the helper.
            unsafe {
                bpf_l4_csum_replace(
                    self.skb,
                    at,
                    0,
                    u64::from(pseudo.to_be()),
                    zero | u64::from(BPF_F_PSEUDO_HDR),
                )
            };
        }
        if segment != 0 {
            // SAFETY: as above.
            unsafe { bpf_l4_csum_replace(self.skb, at, 0, u64::from(segment.to_be()), zero) };
        }
    }
}
