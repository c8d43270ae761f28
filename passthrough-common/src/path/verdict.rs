//! What a stage says of a packet: one number, so that it passes through registers whole.

use core::fmt;

use crate::abi::Reason;
use crate::abi::names::Step;

/// What is to be done with a packet.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Action {
    /// The next stage goes on.
    Proceed,
    /// Goes on by the stack: translated ([`Reason::Forwarded`]), or left as it is (a punt).
    Pass,
    /// Goes nowhere.
    Drop,
    /// Another step decides.
    Continue,
    /// Goes out by the way that was found, at once.
    Redirect,
    /// Is translated, and goes on by the stack.
    TranslateAndPass,
    /// Is translated, and sent to its inside host.
    TranslateAndDeliver,
    /// Is translated, and another step decides.
    TranslateAndContinue,
    /// Is sent on towards the WAN as it is.
    Send,
}

/// An action with its reason, or with the step that goes on and the packet's progress.
#[must_use]
#[repr(transparent)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct Verdict(u64);

impl Verdict {
    #[inline(always)]
    const fn new(action: Action, reason: u8, step: u8, progress: u32) -> Verdict {
        Verdict(action as u64 | (reason as u64) << 8 | (step as u64) << 16 | (progress as u64) << 32)
    }

    /// The next stage goes on.
    pub const PROCEED: Verdict = Verdict::new(Action::Proceed, 0, 0, 0);
    /// Out by the way that was found.
    pub const REDIRECT: Verdict = Verdict::new(Action::Redirect, Reason::Forwarded as u8, 0, 0);
    /// Translated and on by the stack.
    pub const TRANSLATE_AND_PASS: Verdict =
        Verdict::new(Action::TranslateAndPass, Reason::Forwarded as u8, 0, 0);
    /// Translated and to its inside host.
    pub const TRANSLATE_AND_DELIVER: Verdict =
        Verdict::new(Action::TranslateAndDeliver, Reason::Forwarded as u8, 0, 0);
    /// On towards the WAN.
    pub const SEND: Verdict = Verdict::new(Action::Send, Reason::NeedsStack as u8, 0, 0);

    /// On by the stack.
    #[inline(always)]
    pub const fn pass(reason: Reason) -> Verdict {
        Verdict::new(Action::Pass, reason as u8, 0, 0)
    }

    /// Nowhere.
    #[inline(always)]
    pub const fn drop(reason: Reason) -> Verdict {
        Verdict::new(Action::Drop, reason as u8, 0, 0)
    }

    /// On to another step.
    #[inline(always)]
    pub const fn go_on(step: Step, progress: u32) -> Verdict {
        Verdict::new(Action::Continue, 0, step as u8, progress)
    }

    /// On to the step with this index.
    #[inline(always)]
    pub const fn go_on_index(step: u32, progress: u32) -> Verdict {
        Verdict::new(Action::Continue, 0, step as u8, progress)
    }

    /// Translated and on to another step.
    #[inline(always)]
    pub const fn translate_and_go_on(step: Step, progress: u32) -> Verdict {
        Verdict::new(Action::TranslateAndContinue, 0, step as u8, progress)
    }

    /// The verdict as a number, for functions that can return nothing else.
    #[inline(always)]
    pub const fn bits(self) -> u64 {
        self.0
    }

    /// The verdict of such a number.
    #[inline(always)]
    pub const fn from_bits(bits: u64) -> Verdict {
        Verdict(bits)
    }

    /// What is to be done.
    #[inline(always)]
    pub const fn action(self) -> Action {
        match self.0 as u8 {
            0 => Action::Proceed,
            1 => Action::Pass,
            3 => Action::Continue,
            4 => Action::Redirect,
            5 => Action::TranslateAndPass,
            6 => Action::TranslateAndDeliver,
            7 => Action::TranslateAndContinue,
            8 => Action::Send,
            // 2, and nothing else is ever made: a fault closes.
            _ => Action::Drop,
        }
    }

    /// Whether the packet is to be translated or sent.
    #[inline(always)]
    pub const fn needs_act(self) -> bool {
        self.0 as u8 > Action::Redirect as u8
    }

    /// Why: [`Reason`] as a byte.
    #[inline(always)]
    pub const fn reason_code(self) -> u8 {
        (self.0 >> 8) as u8
    }

    /// Why; `None` if another step decides.
    pub fn reason(self) -> Option<Reason> {
        if self.action() == Action::Continue { None } else { Reason::from_code(self.reason_code()) }
    }

    /// Index of the step that goes on.
    #[inline(always)]
    pub const fn step_index(self) -> u32 {
        (self.0 >> 16) as u32 & 0xff
    }

    /// What the packet has been through by then.
    #[inline(always)]
    pub const fn progress(self) -> u32 {
        (self.0 >> 32) as u32
    }

    /// The step that goes on, if one does.
    pub fn next(self) -> Option<Step> {
        if self.action() == Action::Continue { Some(Step::from_index(self.step_index())) } else { None }
    }

    /// The verdict as it stands, or a drop with the reason that stood in its way.
    #[inline(always)]
    pub fn or_drop(result: Result<(), Reason>, verdict: Verdict) -> Verdict {
        match result {
            Ok(()) => verdict,
            Err(reason) => Verdict::drop(reason),
        }
    }
}

impl fmt::Debug for Verdict {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.next() {
            Some(step) => write!(formatter, "{:?} with {step:?}", self.action()),
            None => write!(formatter, "{:?}: {:?}", self.action(), self.reason()),
        }
    }
}
