//! The kernel side: thin entries that hand a packet to the decisions of `passthrough-common`.
//!
//! No decision is made here, and nothing unsafe is done outside [`seam`].

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the program macro repeats each function without its documentation")]
#![feature(asm_experimental_arch)] // packet words and atomic operations, in seam/
#![feature(core_intrinsics)] // whether an offset is a constant, in seam/packet.rs
#![expect(internal_features, reason = "the above")]

mod maps;
mod seam;

use aya_ebpf::macros::{classifier, xdp};
use aya_ebpf::programs::{TcContext, XdpContext};
use passthrough_common::abi::names::Step;
use passthrough_common::path::Hook;
use seam::{entry, fast};

/// Leaves by the WAN interface.
#[classifier]
pub fn wan_egress(context: TcContext) -> i32 {
    if fast::is_translated(&context) {
        entry::NEXT
    } else {
        entry::hook::<{ Step::WanEgress as u32 }>(context, Hook::WanEgress)
    }
}

/// Arrives at the WAN interface.
#[classifier]
pub fn wan_ingress(context: TcContext) -> i32 {
    fast::buffer(context, Hook::WanIngress)
}

/// Arrives at a LAN interface.
#[classifier]
pub fn lan_ingress(context: TcContext) -> i32 {
    fast::buffer(context, Hook::LanIngress)
}

/// Arrives at a LAN interface, before the kernel has made a socket buffer of it.
#[xdp]
pub fn fast_lan(context: XdpContext) -> u32 {
    fast::frame(context, Hook::LanIngress)
}

/// Arrives at the WAN interface, before the kernel has made a socket buffer of it.
#[xdp]
pub fn fast_wan(context: XdpContext) -> u32 {
    fast::frame(context, Hook::WanIngress)
}

macro_rules! steps {
    ($($(#[$doc:meta])* $program:ident = $step:ident;)*) => {$(
        $(#[$doc])*
        #[classifier]
        pub fn $program(context: TcContext) -> i32 {
            entry::step::<{ Step::$step as u32 }>(context)
        }
    )*};
}

steps! {
    /// [`Step::WanEgress`].
    step_wan_egress = WanEgress;
    /// [`Step::WanIngress`].
    step_wan_ingress = WanIngress;
    /// [`Step::LanIngress`].
    step_lan_ingress = LanIngress;
    /// [`Step::OpenOutbound`].
    step_open_outbound = OpenOutbound;
    /// [`Step::OpenInbound`].
    step_open_inbound = OpenInbound;
    /// [`Step::Renew`].
    step_renew = Renew;
    /// [`Step::Control`].
    step_control = Control;
    /// [`Step::Error`].
    step_error = Error;
    /// [`Step::Ipv6`].
    step_ipv6 = Ipv6;
    /// [`Step::Esp`].
    step_esp = Esp;
    /// [`Step::IkeOutbound`].
    step_ike_outbound = IkeOutbound;
    /// [`Step::IkeInbound`].
    step_ike_inbound = IkeInbound;
    /// [`Step::L2tp`].
    step_l2tp = L2tp;
    /// [`Step::Options`].
    step_options = Options;
}

/// [`Step::Reclaim`].
#[classifier]
pub fn step_reclaim(context: TcContext) -> i32 {
    entry::reclaim(context)
}

/// Run by hand, never attached: removes what is over, or what the context's control buffer names.
#[classifier]
pub fn sweep(context: TcContext) -> i32 {
    entry::sweep(context)
}

#[panic_handler]
fn panic(_info: &core::panic::PanicInfo<'_>) -> ! {
    loop {}
}
