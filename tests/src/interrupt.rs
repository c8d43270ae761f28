//! Interrupts as a flag: for programs that make namespaces.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};

use anyhow::{Context, Result};
use nix::sys::signal::{SigSet, Signal};

/// Turns an interrupt into a flag, so that namespaces are cleaned up and not left behind.
///
/// # Errors
///
/// If the signals can't be blocked.
pub fn flag() -> Result<Arc<AtomicBool>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.add(Signal::SIGTERM);
    signals.thread_block().context("could not set signals up")?;
    let flag = Arc::new(AtomicBool::new(false));
    let raised = Arc::clone(&flag);
    thread::spawn(move || {
        if signals.wait().is_ok() {
            raised.store(true, Ordering::Relaxed);
        }
    });
    Ok(flag)
}
