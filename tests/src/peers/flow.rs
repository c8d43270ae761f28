//! A peer that keeps moving data in a thread of its own, while a test does something to the gateway.

use std::{
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail};

use super::{Peer, Round};
use crate::wait;

/// When a payload counts as lost. Nothing is sent twice, so what the gateway drops is lost however long one waits; and a
/// busy machine of two processors can keep an answer from its reader for seconds.
pub const ANSWER_WITHIN: Duration = Duration::from_secs(10);
/// Within this, two payloads one after the other have counted as lost.
pub const STOPPED: Duration = ANSWER_WITHIN.saturating_mul(3);

#[derive(Debug, Default)]
struct Shared {
    stop: AtomicBool,
    answered: AtomicU64,
    lost: AtomicU64,
    error: Mutex<Option<String>>,
    /// Held while a payload is under way.
    round: Mutex<()>,
}

/// A running flow; it ends when dropped.
#[derive(Debug)]
pub struct Flow {
    what: String,
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Flow {
    /// Moves payloads, one after the other, a few milliseconds apart.
    pub fn start(what: &str, peer: impl Peer + 'static) -> Result<Flow> {
        Flow::paced(what, peer, Duration::from_millis(3))
    }

    /// The same with another pause between an answer and the next payload.
    pub fn paced(what: &str, mut peer: impl Peer + 'static, pause: Duration) -> Result<Flow> {
        let shared = Arc::new(Shared::default());
        let inner = Arc::clone(&shared);
        let work = move || {
            while !inner.stop.load(Ordering::Relaxed) {
                let round = inner.round.lock().unwrap_or_else(PoisonError::into_inner);
                match peer.round(ANSWER_WITHIN) {
                    Ok(Round::Answered) => inner.answered.fetch_add(1, Ordering::Relaxed),
                    Ok(Round::Lost) => inner.lost.fetch_add(1, Ordering::Relaxed),
                    Err(error) => {
                        *inner.error.lock().unwrap_or_else(PoisonError::into_inner) =
                            Some(format!("{error:#}"));
                        return;
                    }
                };
                drop(round);
                thread::sleep(pause);
            }
        };
        let thread =
            thread::Builder::new().name(what.to_owned()).spawn(work).context("could not start a flow")?;
        Ok(Flow { what: what.to_owned(), shared, thread: Some(thread) })
    }

    /// Asks it to end, without waiting: many flows end sooner if all are asked first.
    pub fn ask_to_stop(&self) {
        self.shared.stop.store(true, Ordering::Relaxed);
    }

    /// While what is returned lives, no payload and no answer is under way.
    pub fn pause(&self) -> MutexGuard<'_, ()> {
        self.shared.round.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Payloads that were answered.
    pub fn answered(&self) -> u64 {
        self.shared.answered.load(Ordering::Relaxed)
    }

    /// Payloads that were not answered in time.
    pub fn lost(&self) -> u64 {
        self.shared.lost.load(Ordering::Relaxed)
    }

    /// What ended the flow.
    pub fn error(&self) -> Option<String> {
        self.shared.error.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Waits until `count` more payloads were answered.
    pub fn go_on(&self, count: u64, bound: Duration) -> Result<()> {
        let target = self.answered() + count;
        wait::until(bound, &format!("{} to move {count} more payloads", self.what), || {
            self.answered() >= target || self.error().is_some()
        })?;
        self.error().map_or(Ok(()), |error| Err(anyhow!("{}: {error}", self.what)))
    }

    /// Fails if a payload was lost or the flow has ended.
    pub fn assert_nothing_lost(&self) -> Result<()> {
        match (self.error(), self.lost()) {
            (Some(error), _) => bail!("{} ended: {error}", self.what),
            (None, 0) => Ok(()),
            (None, lost) => {
                bail!("{} lost {lost} payloads beside {} that were answered", self.what, self.answered())
            }
        }
    }
}

impl Drop for Flow {
    fn drop(&mut self) {
        self.ask_to_stop();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
