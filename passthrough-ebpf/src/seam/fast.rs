//! From a frame in XDP, or a socket buffer in TC, to the fast path, and from its verdict to what the hook understands.

use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::xdp_action::{XDP_DROP, XDP_PASS};
use aya_ebpf::bindings::{__sk_buff, xdp_md};
use aya_ebpf::helpers::generated::{bpf_redirect, bpf_redirect_map};
use aya_ebpf::programs::{TcContext, XdpContext};
use passthrough_common::path::fast::{self, Question};
use passthrough_common::path::{Action, Hook, Verdict, step};

use super::Kernel;
use super::next_hop::Arrives;
use super::packet::{Bytes, Frame};
use crate::maps;

/// Drops the packet, in TC.
const SHOT: i32 = 2;
/// What a packet carries that was translated before it came to the WAN interface's egress hook.
const TRANSLATED: u32 = 0x5054;

/// A frame that is new at an interface.
#[inline(always)]
pub fn frame(context: XdpContext, hook: Hook) -> u32 {
    let xdp = context.ctx;
    let mut port = 0;
    let verdict = run(
        xdp,
        hook,
        &mut port,
        #[inline(always)]
        |question| ask_xdp(xdp, question.0[0], question.0[1], question.0[2]) as u16,
    );
    match verdict.action() {
        // What is missed is dropped: it has been translated.
        // SAFETY: the helper takes a map and numbers. Called directly: its answer is the program's.
        Action::Redirect => unsafe {
            bpf_redirect_map(
                (&raw const maps::DEVICES).cast_mut().cast(),
                u64::from(port),
                u64::from(XDP_DROP),
            ) as u32
        },
        Action::Pass => XDP_PASS,
        _ => XDP_DROP,
    }
}

/// A packet that is new at an interface, in TC. What the fast path does not move goes on with the hook's first step.
#[inline(always)]
pub fn buffer(context: TcContext, hook: Hook) -> i32 {
    let skb = context.skb.skb;
    let mut ifindex = 0;
    let verdict = run(
        skb,
        hook,
        &mut ifindex,
        #[inline(always)]
        |question| ask_tc(skb, question.0[0], question.0[1], question.0[2]) as u16,
    );
    if verdict.action() == Action::Redirect {
        if matches!(hook, Hook::LanIngress) {
            // SAFETY: the context pointer is the kernel's; the index is nobody's but a queueing discipline's.
            unsafe { write_volatile(&raw mut (*skb).tc_index, TRANSLATED) };
        }
        // SAFETY: the helper takes numbers.
        return unsafe { bpf_redirect(ifindex, 0) } as i32;
    }
    // SAFETY: the context pointer is the kernel's; nobody else uses the control buffer in TC.
    unsafe { write_volatile(&raw mut (*skb).cb[0], step::initial(hook)) };
    // SAFETY: does not return if the step's program is there; every step's program is put there before any hook is
    // attached.
    unsafe { maps::STEPS.tail_call(&context, hook.first_step() as u32) };
    SHOT
}

/// Whether the fast path has translated this packet before it came to the WAN interface's egress hook. Asked once: the
/// mark goes.
#[inline(always)]
pub fn is_translated(context: &TcContext) -> bool {
    let skb = context.skb.skb;
    // SAFETY: the context pointer is the kernel's.
    unsafe {
        let translated = read_volatile(&raw const (*skb).tc_index) == TRANSLATED;
        if translated {
            write_volatile(&raw mut (*skb).tc_index, 0);
        }
        translated
    }
}

#[inline(always)]
fn run<C: Bytes + Arrives>(
    context: *mut C,
    hook: Hook,
    target: &mut u32,
    ask: impl FnOnce(&Question) -> u16,
) -> Verdict {
    let (Some(mut frame), Some(kernel)) = (Frame::new(context), Kernel::new(context)) else {
        return Verdict::pass(passthrough_common::abi::Reason::NeedsStack);
    };
    fast::run(hook, &mut frame, &kernel, target, ask)
}

/// Asks for a session's way out. Global, so that the verifier judges it once, and apart from what every packet needs.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ask_xdp(xdp: *mut xdp_md, hosts: u64, selector: u64, rest: u64) -> u64 {
    answer(xdp, hosts, selector, rest)
}

/// The same in TC.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn ask_tc(skb: *mut __sk_buff, hosts: u64, selector: u64, rest: u64) -> u64 {
    answer(skb, hosts, selector, rest)
}

#[inline(always)]
fn answer<C: Arrives>(context: *mut C, hosts: u64, selector: u64, rest: u64) -> u64 {
    let Some(kernel) = Kernel::new(context) else { return 0 };
    u64::from(fast::ask(&kernel, &Question([hosts, selector, rest])))
}
