//! A link whose packets have no link header, as PPP's: two tun devices, and a thread each way that hands on what one sends
//! to the other.

use std::{
    fs::{File, OpenOptions},
    io::{Read, Write},
    mem::size_of,
    os::fd::{AsFd, AsRawFd},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::JoinHandle,
    time::Duration,
};

use anyhow::{Context, Result, ensure};
use nix::{
    libc::{IFF_NO_PI, IFF_TUN, c_char, c_int, ifreq},
    poll::{PollFd, PollFlags, PollTimeout, poll},
};

use super::namespace::Namespace;

nix::ioctl_write_ptr_bad!(
    /// `TUNSETIFF` of `linux/if_tun.h`, which is declared with the size of an `int` and reads an `ifreq`.
    attach,
    nix::request_code_write!(b'T', 202, size_of::<c_int>()),
    ifreq
);

/// How long a thread waits for a packet before it looks whether it shall end.
const LOOK: Duration = Duration::from_millis(100);

/// A link between two namespaces; it goes when it is dropped.
#[derive(Debug)]
pub struct Wire {
    stop: Arc<AtomicBool>,
    threads: Vec<JoinHandle<Result<()>>>,
}

impl Wire {
    /// Makes a device in each of the namespaces, and joins them. They are down and have no address.
    ///
    /// # Errors
    ///
    /// If the kernel has no tun devices, or a name is taken.
    pub fn lay([one, other]: [(&Namespace, &str); 2]) -> Result<Wire> {
        let mut wire = Wire { stop: Arc::default(), threads: Vec::new() };
        let (near, far) = (one.0.enter(|| open(one.1))?, other.0.enter(|| open(other.1))?);
        for ((namespace, name), from, to) in [(one, near.try_clone()?, far.try_clone()?), (other, far, near)]
        {
            let stop = Arc::clone(&wire.stop);
            let what = format!("what {name} sends");
            wire.threads.push(namespace.spawn(&what, move || hand_on(from, to, &stop))?);
        }
        Ok(wire)
    }
}

impl Drop for Wire {
    fn drop(&mut self) {
        self.stop.store(true, Ordering::Relaxed);
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn open(name: &str) -> Result<File> {
    let what = || format!("could not make the tun device {name}");
    let file = OpenOptions::new().read(true).write(true).open("/dev/net/tun").with_context(what)?;
    // SAFETY: integers, arrays of them and pointers that nobody follows: zero is a value of each.
    let mut request: ifreq = unsafe { std::mem::zeroed() };
    ensure!(name.len() < request.ifr_name.len(), "{name} is too long for an interface");
    for (to, from) in request.ifr_name.iter_mut().zip(name.bytes()) {
        *to = from as c_char;
    }
    request.ifr_ifru.ifru_flags = (IFF_TUN | IFF_NO_PI) as i16;
    // SAFETY: the file is open, and the structure is the one that this request reads (`linux/if_tun.h`).
    unsafe { attach(file.as_raw_fd(), &raw const request) }.with_context(what)?;
    Ok(file)
}

fn hand_on(mut from: File, mut to: File, stop: &AtomicBool) -> Result<()> {
    let mut packet = vec![0; 1 << 16];
    let timeout = PollTimeout::try_from(LOOK).context("a time that poll takes")?;
    while !stop.load(Ordering::Relaxed) {
        let mut ready = [PollFd::new(from.as_fd(), PollFlags::POLLIN)];
        if poll(&mut ready, timeout).context("could not wait for a packet")? == 0 {
            continue;
        }
        let length = from.read(&mut packet).context("could not read a packet")?;
        // A device that is down takes none: they are lost, as on any link.
        let _ = to.write(&packet[..length]);
    }
    Ok(())
}
