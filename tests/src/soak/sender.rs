//! Puts frames on a wire, byte by byte as they were made, at a bounded rate.

use std::{
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::{Context, Result, anyhow};
use nix::{
    errno::Errno,
    ifaddrs::getifaddrs,
    sys::socket::{AddressFamily, LinkAddr, MsgFlags, SockFlag, SockType, sendto, socket},
};

use super::{kinds::Kind, live::Live};
use crate::{
    lab::{Host, namespace::Namespace},
    vectors::{draw::Draw, frame::GATEWAY_MAC},
};

/// How often a sender looks at the clock: between are a few frames at once.
const BEAT: Duration = Duration::from_millis(5);

/// The link address of an interface.
///
/// # Errors
///
/// If there is no such interface.
pub fn link(namespace: &Namespace, interface: &str) -> Result<LinkAddr> {
    namespace.enter(|| {
        let all = getifaddrs().context("could not list interfaces")?;
        let own = all.filter(|one| one.interface_name == interface);
        let mut links = own.filter_map(|one| one.address?.as_link_addr().copied());
        links.next().with_context(|| format!("{interface} of {} has no link address", namespace.name()))
    })
}

/// A running sender; it ends when dropped.
#[derive(Debug)]
pub struct Sender {
    stop: Arc<AtomicBool>,
    /// Frames sent of each kind.
    sent: Arc<Vec<AtomicU64>>,
    thread: Option<JoinHandle<Result<()>>>,
}

/// What a sender sends, and where to.
#[derive(Clone)]
pub struct Job {
    /// Kinds, one after the other.
    pub kinds: &'static [Kind],
    /// The interface that it sends by.
    pub interface: &'static str,
    /// The link address of the gateway there.
    pub gateway: [u8; 6],
    /// Frames a second.
    pub rate: u32,
    /// Where random numbers begin.
    pub seed: u64,
}

impl Sender {
    /// Starts sending from a host; `live` is looked at for every frame.
    ///
    /// # Errors
    ///
    /// If there is no such interface, or this is not root.
    pub fn start(host: &Host, job: Job, live: impl Fn() -> Arc<Live> + Send + 'static) -> Result<Sender> {
        let link = link(&host.namespace, job.interface)?;
        let own = link.addr().context("an interface without a link address")?;
        let wire = host.namespace.enter(|| {
            socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, None)
                .context("could not open a packet socket: is this root?")
        })?;
        let stop = Arc::new(AtomicBool::new(false));
        let sent: Arc<Vec<AtomicU64>> = Arc::new(job.kinds.iter().map(|_| AtomicU64::new(0)).collect());
        let (stopped, counts) = (Arc::clone(&stop), Arc::clone(&sent));
        let work = move || send(&job, &wire, &link, own, &live, &stopped, &counts);
        let thread = thread::Builder::new().name("hostile".to_owned()).spawn(work);
        Ok(Sender { stop, sent, thread: Some(thread.context("could not start a sender")?) })
    }

    /// Frames sent of each kind so far.
    pub fn sent(&self) -> Vec<u64> {
        self.sent.iter().map(|count| count.load(Ordering::Relaxed)).collect()
    }

    /// Ends it.
    ///
    /// # Errors
    ///
    /// What has ended it before.
    pub fn finish(mut self) -> Result<()> {
        self.stop.store(true, Ordering::Relaxed);
        match self.thread.take().map(JoinHandle::join) {
            Some(Err(_)) => Err(anyhow!("a sender panicked")),
            Some(Ok(result)) => result,
            None => Ok(()),
        }
    }
}

impl Drop for Sender {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn send(
    job: &Job,
    wire: &OwnedFd,
    link: &LinkAddr,
    own: [u8; 6],
    live: &impl Fn() -> Arc<Live>,
    stop: &AtomicBool,
    counts: &[AtomicU64],
) -> Result<()> {
    let mut draw = Draw::new(job.seed);
    let (started, mut total, mut next) = (Instant::now(), 0u64, 0usize);
    while !stop.load(Ordering::Relaxed) {
        if total as f64 >= started.elapsed().as_secs_f64() * f64::from(job.rate) {
            thread::sleep(BEAT);
            continue;
        }
        let index = next % job.kinds.len();
        next += 1;
        for mut frame in (job.kinds[index].frames)(&mut draw, &live()) {
            // Frames for others stay so.
            if frame[..6] == GATEWAY_MAC {
                frame[..6].copy_from_slice(&job.gateway);
                frame[6..12].copy_from_slice(&own);
            }
            match sendto(wire.as_raw_fd(), &frame, link, MsgFlags::empty()) {
                Ok(_) => {
                    counts[index].fetch_add(1, Ordering::Relaxed);
                    total += 1;
                }
                // A full queue is the wire's, and no kernel sends such a frame.
                Err(Errno::ENOBUFS | Errno::EMSGSIZE | Errno::EINVAL) => total += 1,
                Err(error) => return Err(error).context("could not send a frame"),
            }
        }
    }
    Ok(())
}
