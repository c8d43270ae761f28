//! Programs of the benchmark: a packet generator, a sink, and bare forwarding as the limit of what is possible.
//!
//! No part of the product: `cargo xtask bench` builds and loads them.

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the program macro repeats each function without its documentation")]

#[expect(dead_code, reason = "the runner uses the rest of it")]
mod layout;
mod maps;
mod seam;

use aya_ebpf::bindings::xdp_action::{XDP_ABORTED, XDP_DROP, XDP_PASS};
use aya_ebpf::macros::xdp;
use aya_ebpf::programs::XdpContext;

use layout::{BATCH, TO_LAN, TO_WAN, sink as told, state, template};
use seam::{Frame, Words};

/// Run by hand with live frames, never attached: makes the next flow's packet and sends it out.
///
/// Every byte that a gateway changes is written each time: frames come back as it has left them.
#[xdp]
pub fn generate(context: XdpContext) -> u32 {
    make(&context).unwrap_or(XDP_ABORTED)
}

#[inline(always)]
fn make(context: &XdpContext) -> Option<u32> {
    let mut frame = Frame::of(context)?;
    let mut progress = Words::of(&maps::STATE, 0)?;
    let like = Words::of(&maps::TEMPLATE, 0)?;
    let count = progress.get::<{ state::COUNT }>();
    if count >= progress.get::<{ state::LIMIT }>() {
        return Some(XDP_DROP);
    }
    if count % BATCH == 0 {
        // One look at the clock a batch: it costs as much as the rest of this program.
        let now = seam::now();
        let before = progress.get::<{ state::LAST }>();
        if before != 0 {
            let mut bucket = Words::of(&maps::BATCHES, layout::bucket(now - before))?;
            bucket.set::<0>(bucket.get::<0>() + 1);
            bucket.set::<1>(bucket.get::<1>() + (now - before));
        }
        progress.set::<{ state::LAST }>(now);
    }
    progress.set::<{ state::COUNT }>(count + 1);
    let number = progress.get::<{ state::NEXT }>();
    let following = number + 1;
    progress.set::<{ state::NEXT }>(if following >= like.get::<{ template::FLOWS }>() {
        0
    } else {
        following
    });

    let output = like.get::<{ template::OUTPUT }>();
    let flow = Words::of(&maps::FLOW_TABLE, (output >> 32) as u32 + number as u32)?;
    let (network, transport) = (flow.get::<0>(), flow.get::<1>());
    let (tail, shift) = (transport >> 48, like.get::<{ template::TAIL }>());
    let (fifth, sixth) = if shift >= 64 { (0, tail << (shift & 63)) } else { (tail << (shift & 63), 0) };
    frame.set::<0>(like.get::<0>());
    frame.set::<1>(like.get::<1>());
    frame.set::<2>(like.get::<2>());
    frame.set::<3>(network);
    frame.set::<4>(like.get::<4>() | transport << 16 >> 16);
    frame.set::<5>(like.get::<5>() | fifth);
    frame.set::<6>(like.get::<6>() | sixth);
    frame.set::<7>(like.get::<7>() | number << 32);
    Some(seam::redirect(output as u32))
}

/// Behind the far end: counts what arrives, and notes what it looks like if it is told to.
#[xdp]
pub fn sink(context: XdpContext) -> u32 {
    take(&context).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn take(context: &XdpContext) -> Option<u32> {
    let frame = Frame::of(context)?;
    let told = Words::of(&maps::SINK, 0)?;
    let protocol = told.get::<{ told::PROTOCOL }>();
    if !is_ipv4(&frame) || frame.word::<2>() >> 56 != protocol || protocol == 0 {
        return None;
    }
    seam::count(&maps::ARRIVED);
    let epoch = told.get::<{ told::EPOCH }>();
    if epoch != 0 {
        let mut record = Words::of(&maps::RECORDS, (frame.word::<7>() >> 32) as u32)?;
        record.set::<0>(frame.word::<3>());
        record.set::<1>(frame.word::<4>() << 16 >> 16 | frame.word::<5>() << 48);
        record.set::<2>(epoch);
    }
    Some(XDP_DROP)
}

/// Ether type 0x0800, as memory has it.
#[inline(always)]
fn is_ipv4(frame: &Frame) -> bool {
    (frame.word::<1>() >> 32) as u16 == u16::from_ne_bytes([8, 0])
}

/// The limit: what arrives from the LAN leaves by the WAN, with new link addresses and one hop less to live.
#[xdp]
pub fn forward_to_wan(context: XdpContext) -> u32 {
    forward::<TO_WAN>(&context).unwrap_or(XDP_PASS)
}

/// The same the other way.
#[xdp]
pub fn forward_to_lan(context: XdpContext) -> u32 {
    forward::<TO_LAN>(&context).unwrap_or(XDP_PASS)
}

#[inline(always)]
fn forward<const HOP: u32>(context: &XdpContext) -> Option<u32> {
    let mut frame = Frame::of(context)?;
    let (second, third) = (frame.word::<2>(), frame.word::<3>());
    let ttl = second >> 48 & 0xff;
    if !is_ipv4(&frame) || ttl < 2 {
        return None;
    }
    let hop = Words::of(&maps::HOPS, HOP)?;
    frame.set::<0>(hop.get::<0>());
    let first = frame.word::<1>();
    frame.set::<1>(first >> 32 << 32 | hop.get::<1>());
    frame.set::<2>(second - (1 << 48));
    // One less in the high byte of the word that TTL and protocol are: one more in the sum (RFC 1624).
    let sum = (third & 0xffff) + u64::from(u16::from_ne_bytes([1, 0]));
    frame.set::<3>(third >> 16 << 16 | ((sum + (sum >> 16)) & 0xffff));
    Some(maps::TARGETS.redirect(HOP, 0).unwrap_or(XDP_ABORTED))
}

/// Where the stack does the work: an XDP program that passes everything keeps NAPI on, the kernel's faster way.
#[xdp]
pub fn pass(_context: XdpContext) -> u32 {
    XDP_PASS
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
