//! From a program's context to a step, and from its verdict to what TC understands.

use core::mem::{size_of, zeroed};
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{__sk_buff, bpf_redir_neigh};
use aya_ebpf::helpers::generated::{bpf_redirect_neigh, bpf_skb_change_head};
use aya_ebpf::programs::TcContext;
use aya_log_ebpf::debug;
use passthrough_common::abi::Reason;
use passthrough_common::abi::names::Step;
use passthrough_common::path::sweep::Sweep;
use passthrough_common::path::{Action, Edit, Hook, Verdict, step};
use passthrough_common::proto::Flow;
use passthrough_common::seam::Hop;
use passthrough_common::wire::ethernet;

use super::packet::Skb;
use super::{Kernel, tables};
use crate::maps;

/// Lets programs behind this one run; the same as passing if there are none.
pub const NEXT: i32 = -1;
/// Drops the packet.
const SHOT: i32 = 2;
const AF_INET: u32 = 2;

/// Bytes that every step reaches: tags, an IPv4 header with all options, and a transport header.
const HEADERS: u32 = 14 + 8 + 60 + 60;
/// Bytes that the steps reach which read what follows the headers.
const SEGMENT: u32 = 4096;

/// A packet that is new at a hook.
#[inline(always)]
pub fn hook<const STEP: u32>(context: TcContext, hook: Hook) -> i32 {
    begin::<STEP>(&context, step::initial(hook))
}

/// A packet that another step has left to this one.
#[inline(always)]
pub fn step<const STEP: u32>(context: TcContext) -> i32 {
    // SAFETY: the context pointer is the kernel's; the first word of the control buffer holds the progress.
    let passed = unsafe { read_volatile(&raw const (*context.skb.skb).cb[0]) };
    begin::<STEP>(&context, passed)
}

#[inline(always)]
fn begin<const STEP: u32>(context: &TcContext, passed: u32) -> i32 {
    let step = Step::from_index(STEP);
    let skb = context.skb.skb;
    let Some(kernel) = Kernel::new(skb) else { return SHOT };
    let (mut flow, mut edit) = (Flow::EMPTY, Edit::NONE);
    // IPv6 is read by its own step.
    let mut verdict = if matches!(step, Step::Ipv6) {
        flow.progress = passed;
        Verdict::PROCEED
    } else {
        Verdict::from_bits(read(skb, step as u32, passed, &raw mut flow))
    };
    if verdict.action() == Action::Proceed {
        verdict = decide::<STEP>(&kernel, &mut flow, &mut edit);
    }
    let mut hop = Hop::default();
    if !is_rare(step) && verdict.needs_act() {
        verdict = Verdict::from_bits(act(skb, &raw mut flow, &raw mut edit, verdict.bits(), &raw mut hop));
    }
    if verdict.action() == Action::Continue {
        // SAFETY: the context pointer is the kernel's; nobody else uses the control buffer in TC.
        unsafe { write_volatile(&raw mut (*skb).cb[0], verdict.progress()) };
        // SAFETY: does not return if the step's program is there; every step's program is put there before any hook
        // is attached.
        unsafe { maps::STEPS.tail_call(context, verdict.step_index()) };
        // Too many steps for one packet.
        verdict = Verdict::drop(Reason::Contended);
    }
    step::count(&kernel, &flow, verdict);
    if wants_room(step, verdict.reason_code()) {
        // SAFETY: as above.
        unsafe { maps::STEPS.tail_call(context, Step::Reclaim as u32) };
    }
    match verdict.action() {
        Action::Pass => NEXT,
        Action::Redirect => redirect(&context, flow.ip_at, &hop),
        _ => {
            if is_rare(step) {
                debug!(context, "step {} dropped a packet for reason {}", step as u32, verdict.reason_code());
            }
            SHOT
        }
    }
}

/// Does what the step is for.
#[inline(always)]
fn decide<const STEP: u32>(kernel: &Kernel<__sk_buff>, flow: &mut Flow, edit: &mut Edit) -> Verdict {
    let step = Step::from_index(STEP);
    let mut packet = Skb::new(kernel.context, reach(step));
    step::decide(step, &mut packet, kernel, flow, edit)
}

/// Reads the packet into the flow. Global, so that the verifier judges it once and forgets how each field came about;
/// the same in every program.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn read(skb: *mut __sk_buff, step: u32, passed: u32, flow: *mut Flow) -> u64 {
    let shot = Verdict::drop(Reason::Contended).bits();
    if flow.is_null() {
        return shot;
    }
    let Some(kernel) = Kernel::new(skb) else { return shot };
    let packet = Skb::new(skb, HEADERS);
    // SAFETY: not null, and the caller's own flow: the verifier has checked its size.
    let flow = unsafe { &mut *flow };
    let step = if step == Step::Options as u32 { Step::Options } else { Step::WanEgress };
    step::read(step, &packet, &kernel, passed, flow).bits()
}

/// Translates the packet and finds its way out. Global, as [`read`].
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn act(skb: *mut __sk_buff, flow: *mut Flow, edit: *mut Edit, verdict: u64, hop: *mut Hop) -> u64 {
    let shot = Verdict::drop(Reason::Contended).bits();
    if flow.is_null() || edit.is_null() || hop.is_null() {
        return shot;
    }
    let Some(kernel) = Kernel::new(skb) else { return shot };
    let mut packet = Skb::new(skb, HEADERS);
    // SAFETY: not null, and the caller's own: the verifier has checked their sizes.
    let (flow, edit, hop) = unsafe { (&*flow, &*edit, &mut *hop) };
    step::act(&mut packet, &kernel, flow, edit, Verdict::from_bits(verdict), hop).bits()
}

/// How many bytes a step must reach.
const fn reach(step: Step) -> u32 {
    match step {
        Step::Control | Step::Error | Step::L2tp | Step::IkeOutbound | Step::IkeInbound | Step::Ipv6 => {
            SEGMENT
        }
        _ => HEADERS,
    }
}

/// Whether a step only sees the packets that open, renew or read something.
const fn is_rare(step: Step) -> bool {
    !matches!(step, Step::WanEgress | Step::WanIngress | Step::LanIngress)
}

/// Whether a packet was refused for want of what sessions that are over may hold still.
#[inline(always)]
const fn wants_room(step: Step, reason: u8) -> bool {
    const PORTS: u8 = Reason::PortsExhausted as u8;
    const BLOCK: u8 = Reason::BlockFull as u8;
    const HOST: u8 = Reason::HostSessions as u8;
    const CONNECTIONS: u8 = Reason::HostConnections as u8;
    const SERVERS: u8 = Reason::HostServers as u8;
    reason == Reason::TableFull as u8
        || (is_rare(step) && matches!(reason, PORTS | BLOCK | HOST | CONNECTIONS | SERVERS))
}

/// Sends the packet, whose IP header is at `ip_at`, out by a way of which the kernel resolves the neighbour.
#[inline(always)]
fn redirect(context: &TcContext, ip_at: u32, hop: &Hop) -> i32 {
    // The kernel drops what it is to redirect without a link header, as from PPP; what it holds counts nothing.
    // SAFETY: the context pointer is the kernel's; nothing of the packet is used any more.
    if ip_at == 0 && unsafe { bpf_skb_change_head(context.skb.skb, ethernet::LEN, 0) } != 0 {
        return SHOT;
    }
    // SAFETY: all fields are integers or unions of integers: zero is a value of each.
    let mut neighbour: bpf_redir_neigh = unsafe { zeroed() };
    neighbour.nh_family = AF_INET;
    neighbour.__bindgen_anon_1.ipv4_nh = hop.gateway.to_be();
    // SAFETY: the helper reads the structure of the size given.
    unsafe {
        bpf_redirect_neigh(hop.ifindex, &raw mut neighbour, size_of::<bpf_redir_neigh>() as i32, 0) as i32
    }
}

/// Makes room for later packets, at most once a second; the one in hand has been counted and goes nowhere.
#[inline(always)]
pub fn reclaim(context: TcContext) -> i32 {
    if let Some(kernel) = Kernel::new(context.skb.skb) {
        tables::reclaim(&kernel);
    }
    SHOT
}

/// Sweeps by what the control buffer says: classes, host, everything; leaves the number of entries removed there.
#[inline(always)]
pub fn sweep(context: TcContext) -> i32 {
    let skb = context.skb.skb;
    let Some(kernel) = Kernel::new(skb) else { return SHOT };
    // SAFETY: the context pointer is the kernel's; userspace fills the control buffer.
    let (classes, host, all) = unsafe {
        (
            read_volatile(&raw const (*skb).cb[0]),
            read_volatile(&raw const (*skb).cb[1]),
            read_volatile(&raw const (*skb).cb[2]),
        )
    };
    let removed = tables::sweep(&kernel, &Sweep { classes, host, all: all != 0 });
    // SAFETY: as above.
    unsafe { write_volatile(&raw mut (*skb).cb[0], removed as u32) };
    0
}

/// The kernel lets only programs under a GPL-compatible licence use some of the helpers.
#[unsafe(no_mangle)]
#[unsafe(link_section = "license")]
pub static LICENSE: [u8; 13] = *b"Dual MIT/GPL\0";
