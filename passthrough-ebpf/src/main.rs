//! The kernel side: thin entries that hand a packet to the decisions of `passthrough-common`.
//!
//! No decision is made here, and nothing unsafe is done outside [`seam`].

#![no_std]
#![no_main]
#![expect(missing_docs, reason = "the program macro repeats each function without its documentation")]
#![feature(asm_experimental_arch)] // for the one atomic addition, in seam/tables.rs

mod maps;
mod seam;

use aya_ebpf::macros::classifier;
use aya_ebpf::programs::TcContext;
use passthrough_common::abi::names::Step;
use passthrough_common::path::Hook;
use seam::entry;

/// Leaves by the WAN interface.
#[classifier]
pub fn wan_egress(context: TcContext) -> i32 {
    entry::hook::<{ Step::WanEgress as u32 }>(context, Hook::WanEgress)
}

/// Arrives at the WAN interface.
#[classifier]
pub fn wan_ingress(context: TcContext) -> i32 {
    entry::hook::<{ Step::WanIngress as u32 }>(context, Hook::WanIngress)
}

/// Arrives at a LAN interface.
#[classifier]
pub fn lan_ingress(context: TcContext) -> i32 {
    entry::hook::<{ Step::LanIngress as u32 }>(context, Hook::LanIngress)
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
    /// [`Step::ErrorOutbound`].
    step_error_outbound = ErrorOutbound;
    /// [`Step::ErrorInbound`].
    step_error_inbound = ErrorInbound;
    /// [`Step::Ipv6`].
    step_ipv6 = Ipv6;
    /// [`Step::Esp`].
    step_esp = Esp;
    /// [`Step::Ike`].
    step_ike = Ike;
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
