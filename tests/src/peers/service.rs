//! Threads of a server: they stop when the service is dropped, and report what must not happen.

use std::{
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
};

use anyhow::{Result, ensure};

use crate::lab::namespace::Namespace;

/// What a server's thread holds: whether to stop, and where to report faults.
#[derive(Clone, Debug, Default)]
pub struct Watch {
    stop: Arc<AtomicBool>,
    faults: Arc<Mutex<Vec<String>>>,
}

impl Watch {
    /// Whether the service is being dropped.
    pub fn stopped(&self) -> bool {
        self.stop.load(Ordering::Relaxed)
    }

    /// Reports something that must not happen, such as a payload of another client.
    pub fn fault(&self, what: String) {
        self.faults.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }
}

/// A running server of one protocol.
#[derive(Debug)]
pub struct Service {
    what: String,
    watch: Watch,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Service {
    /// A service without threads yet.
    pub fn new(what: &str) -> Service {
        Service { what: what.to_owned(), watch: Watch::default(), threads: Vec::new() }
    }

    /// Starts a thread in `namespace`. `work` runs until [`Watch::stopped`]; an error ends it and is a fault.
    pub fn spawn(
        &mut self,
        namespace: &Namespace,
        work: impl FnOnce(&Watch) -> Result<()> + Send + 'static,
    ) -> Result<()> {
        let (watch, what) = (self.watch.clone(), self.what.clone());
        self.threads.push(namespace.spawn(&self.what, move || {
            work(&watch).inspect_err(|error| watch.fault(format!("{what} server ended: {error:#}")))
        })?);
        Ok(())
    }

    /// What threads of this service report to.
    pub fn watch(&self) -> &Watch {
        &self.watch
    }

    /// What was reported so far.
    pub fn faults(&self) -> Vec<String> {
        self.watch.faults.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fails if anything was reported.
    pub fn assert_no_faults(&self) -> Result<()> {
        let faults = self.faults();
        ensure!(faults.is_empty(), "{} server: {} faults, the first: {}", self.what, faults.len(), faults[0]);
        Ok(())
    }
}

impl Drop for Service {
    fn drop(&mut self) {
        self.watch.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}
