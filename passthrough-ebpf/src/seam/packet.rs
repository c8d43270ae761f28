//! A socket buffer, and a frame of the fast path, as a [`Packet`]: direct access, in TC checksums through helpers.
//!
//! In TC a checksum may be unfinished (its sum still to be added by the device) or cover the whole packet; the
//! helper knows which, so transport checksums are never written directly. The IPv4 header's own is always finished.

use core::arch::asm;
use core::intrinsics::is_val_statically_known;
use core::mem::offset_of;
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{__sk_buff, BPF_F_MARK_MANGLED_0, BPF_F_PSEUDO_HDR, xdp_md};
use aya_ebpf::helpers::generated::{bpf_l4_csum_replace, bpf_skb_pull_data};
use passthrough_common::seam::Packet;
use passthrough_common::seam::packet::fix_finished_checksum;

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
    #[inline(always)]
    fn bounds(&self) -> (usize, usize) {
        Bytes::bounds(self.skb)
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

    #[inline(always)]
    fn u16(&self, at: u32) -> Option<u16> {
        let place = self.place::<2>(at)?;
        // SAFETY: `place` has checked that 2 bytes lie before the packet's end.
        Some(unsafe { load_u16(place.cast()) })
    }

    #[inline(always)]
    fn u32(&self, at: u32) -> Option<u32> {
        let place = self.place::<4>(at)?;
        // SAFETY: `place` has checked that 4 bytes lie before the packet's end.
        Some(unsafe { load_u32(place.cast()) })
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> bool {
        let Some(place) = self.place::<N>(at) else { return false };
        // SAFETY: as in `u16`; the kernel makes the packet writable before the program runs.
        unsafe { store(place, bytes) };
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
    fn fix_transport_checksum(&mut self, at: u32, pseudo: u32, segment: u32, zero_is_none: bool) {
        replace_checksum(self.skb, at, pseudo, segment, zero_is_none);
    }
}

/// As [`Packet::fix_transport_checksum`], by helpers: they know what the sum covers.
#[inline(always)]
fn replace_checksum(skb: *mut __sk_buff, at: u32, pseudo: u32, segment: u32, zero_is_none: bool) {
    let zero = if zero_is_none { u64::from(BPF_F_MARK_MANGLED_0) } else { 0 };
    // Apart, because an unfinished checksum holds the pseudo header only. The sums are big-endian in memory.
    if pseudo != 0 {
        // SAFETY: size 0 in the flags takes `to` as a ready difference; the offset is checked by the helper.
        unsafe {
            bpf_l4_csum_replace(skb, at, 0, u64::from(pseudo.to_be()), zero | u64::from(BPF_F_PSEUDO_HDR))
        };
    }
    if segment != 0 {
        // SAFETY: as above.
        unsafe { bpf_l4_csum_replace(skb, at, 0, u64::from(segment.to_be()), zero) };
    }
}

/// Bytes of a [`Frame`] that are known to be there: headers of Ethernet, of IPv4 without options, and of UDP.
const PROVEN: u32 = 14 + 20 + 8;

/// A context whose packet can be reached from its start to an end.
pub trait Bytes: Sized {
    /// Start and end of what can be reached.
    fn bounds(context: *mut Self) -> (usize, usize);

    /// As [`Packet::fix_transport_checksum`]. The frame can't be reached any more afterwards.
    fn fix_transport_checksum(
        frame: &mut Frame<Self>,
        at: u32,
        pseudo: u32,
        segment: u32,
        zero_is_none: bool,
    );
}

impl Bytes for xdp_md {
    #[inline(always)]
    fn bounds(xdp: *mut xdp_md) -> (usize, usize) {
        let (start, end);
        // SAFETY: the context pointer is the kernel's, valid for the run of the program; both fields are readable. In
        // assembly as for a socket buffer, below.
        unsafe {
            asm!("{start} = *(u32 *)({xdp} + {at})", start = out(reg) start, xdp = in(reg) xdp,
                at = const offset_of!(xdp_md, data));
            asm!("{end} = *(u32 *)({xdp} + {at})", end = out(reg) end, xdp = in(reg) xdp,
                at = const offset_of!(xdp_md, data_end));
        }
        (start, end)
    }

    #[inline(always)]
    fn fix_transport_checksum(
        frame: &mut Frame<xdp_md>,
        at: u32,
        pseudo: u32,
        segment: u32,
        zero_is_none: bool,
    ) {
        fix_finished_checksum(frame, at, pseudo + segment, zero_is_none);
    }
}

impl Bytes for __sk_buff {
    #[inline(always)]
    fn bounds(skb: *mut __sk_buff) -> (usize, usize) {
        let (start, end);
        // SAFETY: the context pointer is the kernel's, valid for the run of the program; both fields are readable. In
        // assembly: the fields are declared 32 bits wide but hold pointers. LLVM would add to them and spill them as 32
        // bits (6.18: "32-bit pointer arithmetic prohibited", "invalid size of register spill").
        unsafe {
            asm!("{start} = *(u32 *)({skb} + {at})", start = out(reg) start, skb = in(reg) skb,
                at = const offset_of!(__sk_buff, data));
            asm!("{end} = *(u32 *)({skb} + {at})", end = out(reg) end, skb = in(reg) skb,
                at = const offset_of!(__sk_buff, data_end));
        }
        (start, end)
    }

    #[inline(always)]
    fn fix_transport_checksum(
        frame: &mut Frame<__sk_buff>,
        at: u32,
        pseudo: u32,
        segment: u32,
        zero_is_none: bool,
    ) {
        replace_checksum(frame.context, at, pseudo, segment, zero_is_none);
    }
}

/// One packet of the fast path. What is read of most packets is proven to be there once, at the start.
pub struct Frame<C> {
    context: *mut C,
    start: usize,
    end: usize,
}

impl<C: Bytes> Frame<C> {
    /// The frame; `None` if it has less than every packet has that is moved here.
    #[inline(always)]
    pub fn new(context: *mut C) -> Option<Frame<C>> {
        let (start, end) = C::bounds(context);
        if start + PROVEN as usize > end { None } else { Some(Frame { context, start, end }) }
    }

    /// Whether `N` bytes at `at` are known to be there, and `at` to the compiler: of an offset that it does not know it may
    /// keep a comparison that tells the verifier nothing.
    #[inline(always)]
    fn is_proven<const N: usize>(at: u32) -> bool {
        is_val_statically_known(at) && at + N as u32 <= PROVEN
    }

    /// Address of `N` bytes at `at`, checked against the frame's end unless they are known to be there.
    #[inline(always)]
    fn place<const N: usize>(&self, at: u32) -> Option<*mut [u8; N]> {
        let place = self.start + at as usize;
        if Self::is_proven::<N>(at) || place + N <= self.end { Some(place as *mut [u8; N]) } else { None }
    }
}

/// One instruction on the bytes at `$at`, an even number below 42 that the compiler knows: it goes into the instruction,
/// where an address in a register would take two more.
macro_rules! at_known {
    ($at:expr, $text:literal, $operands:tt) => {
        at_known!($at, $text, $operands, 0 2 4 6 8 10 12 14 16 18 20 22 24 26 28 30 32 34 36 38 40)
    };
    ($at:expr, $text:literal, $operands:tt, $($offset:literal)*) => {
        match $at {
            $($offset => at_known!(one $offset, $text, $operands),)*
            _ => {}
        }
    };
    (one $offset:literal, $text:literal, ($($operands:tt)*)) => {
        asm!($text, at = const $offset, $($operands)*)
    };
}

impl<C: Bytes> Packet for Frame<C> {
    #[inline(always)]
    fn len(&self) -> u32 {
        (self.end - self.start) as u32
    }

    #[inline(always)]
    fn load<const N: usize>(&self, at: u32) -> Option<[u8; N]> {
        let place = self.place::<N>(at)?;
        // SAFETY: `place` has checked that N bytes lie before the frame's end; an array of bytes has no alignment.
        Some(unsafe { *place })
    }

    #[inline(always)]
    fn u16(&self, at: u32) -> Option<u16> {
        if Self::is_proven::<2>(at) {
            let mut value = 0u64;
            let start = self.start;
            // SAFETY: the bytes are known to be there.
            unsafe {
                at_known!(at, "{value} = *(u16 *)({start} + {at})", (start = in(reg) start, value = lateout(reg) value));
            }
            return Some((value as u16).to_be());
        }
        // SAFETY: `place` has checked that 2 bytes lie before the frame's end.
        self.place::<2>(at).map(|place| unsafe { load_u16(place.cast()) })
    }

    #[inline(always)]
    fn u32(&self, at: u32) -> Option<u32> {
        if Self::is_proven::<4>(at) {
            let mut value = 0u64;
            let start = self.start;
            // SAFETY: the bytes are known to be there.
            unsafe {
                at_known!(at, "{value} = *(u32 *)({start} + {at})", (start = in(reg) start, value = lateout(reg) value));
            }
            return Some((value as u32).to_be());
        }
        // SAFETY: `place` has checked that 4 bytes lie before the frame's end.
        self.place::<4>(at).map(|place| unsafe { load_u32(place.cast()) })
    }

    #[inline(always)]
    fn store<const N: usize>(&mut self, at: u32, bytes: [u8; N]) -> bool {
        let start = self.start;
        if N == 2 && Self::is_proven::<2>(at) {
            let value = u64::from(u16::from_ne_bytes([bytes[0], bytes[N - 1]]));
            // SAFETY: the bytes are known to be there; XDP may write all of them, and TC makes them writable before the
            // program runs.
            unsafe {
                at_known!(at, "*(u16 *)({start} + {at}) = {value}", (start = in(reg) start, value = in(reg) value))
            };
            return true;
        }
        if N == 4 && Self::is_proven::<4>(at) {
            let value = u64::from(u32::from_ne_bytes([bytes[0], bytes[1 % N], bytes[2 % N], bytes[3 % N]]));
            // SAFETY: as above.
            unsafe {
                at_known!(at, "*(u32 *)({start} + {at}) = {value}", (start = in(reg) start, value = in(reg) value))
            };
            return true;
        }
        let Some(place) = self.place::<N>(at) else { return false };
        // SAFETY: `place` has checked that N bytes lie before the frame's end; writable as above.
        unsafe { store(place, bytes) };
        true
    }

    #[inline(always)]
    fn fix_transport_checksum(&mut self, at: u32, pseudo: u32, segment: u32, zero_is_none: bool) {
        C::fix_transport_checksum(self, at, pseudo, segment, zero_is_none);
    }
}

// Wide accesses in assembly: packet fields are not aligned, and LLVM would take them apart into bytes. Allowing it
// misaligned accesses altogether makes it use them on the stack too, which the verifier refuses (6.18: "misaligned
// stack access").

/// The 16-bit number in network order at `place`.
///
/// # Safety
///
/// Two bytes must be readable there; the kernel allows them anywhere.
#[inline(always)]
unsafe fn load_u16(place: *const u8) -> u16 {
    let value: u64;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("{value} = *(u16 *)({place} + 0)", value = out(reg) value, place = in(reg) place);
    }
    (value as u16).to_be()
}

/// The 32-bit number in network order at `place`.
///
/// # Safety
///
/// Four bytes must be readable there; the kernel allows them anywhere.
#[inline(always)]
unsafe fn load_u32(place: *const u8) -> u32 {
    let value: u64;
    // SAFETY: the caller's promise.
    unsafe {
        asm!("{value} = *(u32 *)({place} + 0)", value = out(reg) value, place = in(reg) place);
    }
    (value as u32).to_be()
}

/// Writes bytes, as one word if they are two or four.
///
/// # Safety
///
/// All of them must be writable; the kernel allows them anywhere.
#[inline(always)]
unsafe fn store<const N: usize>(place: *mut [u8; N], bytes: [u8; N]) {
    if N == 2 {
        let value = u64::from(u16::from_ne_bytes([bytes[0], bytes[N - 1]]));
        // SAFETY: the caller's promise.
        unsafe { asm!("*(u16 *)({place} + 0) = {value}", value = in(reg) value, place = in(reg) place) };
    } else if N == 4 {
        let value = u64::from(u32::from_ne_bytes([bytes[0], bytes[1 % N], bytes[2 % N], bytes[3 % N]]));
        // SAFETY: the caller's promise.
        unsafe { asm!("*(u32 *)({place} + 0) = {value}", value = in(reg) value, place = in(reg) place) };
    } else {
        // SAFETY: the caller's promise.
        unsafe { *place = bytes };
    }
}
