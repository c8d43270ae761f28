//! The way of a packet, one step a file: parse, classify, gate, look up, translate, forward.
//!
//! A [`Step`] goes through three stages: *read* (parse and classify), *decide* (what the step is for), *act*
//! (translate, send, count). What is rare or large is a step of its own, which ends by naming the step that goes on.
//! On the host [`run`] follows the steps in a loop; in the kernel each is a program, and the next is a tail call. A
//! packet is read anew in each step: nothing is carried over but [`progress`](crate::proto::progress).
//!
//! The stages hand on values that are whole from the start ([`Verdict`], [`Flow`], [`Edit`]) and no enum with a payload:
//! what a variant leaves undefined ends in registers that the verifier refuses (6.18: "!read_ok").

pub mod classify;
pub mod fast;
pub mod forward;
pub mod fragment;
pub mod gate;
pub mod hook;
pub mod ipv6;
pub mod lookup;
pub mod open;
pub mod parse;
pub mod port_forward;
pub mod renew;
pub mod source;
pub mod step;
pub mod sweep;
pub mod translate;
mod verdict;

pub use lookup::Edit;
pub use verdict::{Action, Verdict};

use crate::abi::names::Step;
use crate::proto::Flow;
use crate::seam::{Hop, Packet, World};

/// Where a packet is looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Hook {
    /// Leaves by the WAN interface.
    WanEgress,
    /// Arrives at the WAN interface.
    WanIngress,
    /// Arrives at a LAN interface.
    LanIngress,
}

impl Hook {
    /// The step that a packet at this hook begins with.
    pub const fn first_step(self) -> Step {
        match self {
            Hook::WanEgress => Step::WanEgress,
            Hook::WanIngress => Step::WanIngress,
            Hook::LanIngress => Step::LanIngress,
        }
    }
}

/// What became of a packet, and the way out if it was redirected.
#[must_use]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Fate {
    /// Passed, redirected or dropped.
    pub verdict: Verdict,
    /// The way out; zero unless redirected.
    pub hop: Hop,
}

/// Takes a packet through every step until its fate is known: what the kernel does by tail calls.
pub fn run<P: Packet, W: World>(hook: Hook, packet: &mut P, world: &W) -> Fate {
    let mut step = hook.first_step();
    let mut passed = step::initial(hook);
    let mut hop = Hop::default();
    // The kernel allows 33 tail calls; a packet that needs more is dropped there too.
    for _ in 0..34 {
        let (mut flow, mut edit) = (Flow::EMPTY, Edit::NONE);
        let mut verdict = step::read(step, packet, world, passed, &mut flow);
        if verdict.action() == Action::Proceed {
            verdict = step::decide(step, packet, world, &mut flow, &mut edit);
        }
        verdict = step::act(packet, world, &flow, &edit, verdict, &mut hop);
        match verdict.next() {
            Some(next) => (step, passed) = (next, verdict.progress()),
            None => {
                step::count(world, &flow, verdict);
                return Fate { verdict, hop };
            }
        }
    }
    Fate { verdict: Verdict::drop(crate::abi::Reason::Contended), hop }
}
