//! Everything that passes the router's interface towards the gateway, as read from a packet socket.
//!
//! The router has no route to the LAN, so a leak dies there; this is where it is seen. Times are the kernel's, taken when
//! the frame passed, so that "after the command returned" does not depend on when this thread reads.

use std::{
    io::IoSliceMut,
    net::{IpAddr, Ipv4Addr, Ipv6Addr},
    os::fd::{AsRawFd, OwnedFd},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    thread::JoinHandle,
    time::{Duration, SystemTime},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    net::if_::if_nametoindex,
    sys::{
        socket::{
            AddressFamily, ControlMessageOwned, LinkAddr, MsgFlags, SockFlag, SockProtocol, SockType,
            recvmsg, setsockopt, socket, sockopt,
        },
        time::TimeVal,
    },
};

use super::namespace::Namespace;
use crate::wait;

/// Which way a packet went.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Way {
    /// Out of the gateway's WAN interface.
    FromGateway,
    /// Towards the gateway.
    ToGateway,
}

/// What the sniffer keeps of an IP packet.
#[derive(Clone, Debug)]
pub struct Packet {
    /// When the kernel saw it.
    pub time: SystemTime,
    /// Which way it went.
    pub way: Way,
    /// Source address.
    pub source: IpAddr,
    /// Destination address.
    pub destination: IpAddr,
    /// IP protocol number; IPv6: the first next header.
    pub protocol: u8,
    /// Source and destination port of TCP and UDP, but not of later fragments.
    pub ports: Option<(u16, u16)>,
    /// The addresses that an ICMP error over IPv4 quotes.
    pub quoted: Option<(Ipv4Addr, Ipv4Addr)>,
    /// The first bytes behind the IP header.
    pub head: [u8; 16],
}

impl Packet {
    /// Whether it shows an address of RFC 1918 in its header or in a quoted header (row G5).
    pub fn shows_private_address(&self) -> bool {
        let quoted =
            self.quoted.into_iter().flat_map(|(source, destination)| [source.into(), destination.into()]);
        let private = |address| matches!(address, IpAddr::V4(address) if address.is_private());
        [self.source, self.destination].into_iter().chain(quoted).any(private)
    }

    /// Whether it is TCP or UDP (as `protocol` says) from or to this port.
    pub fn has_port(&self, protocol: u8, port: u16) -> bool {
        self.protocol == protocol
            && self.ports.is_some_and(|(source, destination)| source == port || destination == port)
    }

    /// PPTP control or enhanced GRE.
    pub fn is_pptp(&self) -> bool {
        self.has_port(6, 1723) || (self.protocol == 47 && self.head[1] & 7 == 1)
    }
}

#[derive(Debug, Default)]
struct Shared {
    packets: Mutex<Vec<Packet>>,
    stop: AtomicBool,
    /// How often the socket was found empty.
    idle: AtomicU64,
}

impl Shared {
    fn packets(&self) -> MutexGuard<'_, Vec<Packet>> {
        self.packets.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A running capture; it ends when dropped.
#[derive(Debug)]
pub struct Sniffer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<Result<()>>>,
}

impl Sniffer {
    /// Captures on one interface of a namespace.
    pub fn start(namespace: &Namespace, interface: &'static str) -> Result<Sniffer> {
        let shared = Arc::new(Shared::default());
        let (socket, index) = namespace.enter(|| open(interface))?;
        let for_thread = Arc::clone(&shared);
        let thread = namespace.spawn("sniffer", move || capture(&socket, index, &for_thread))?;
        Ok(Sniffer { shared, thread: Some(thread) })
    }

    /// The packets since `start` that `wanted` wants, once everything that passed before this call has been read.
    pub fn since(&self, start: SystemTime, wanted: impl Fn(&Packet) -> bool) -> Result<Vec<Packet>> {
        self.catch_up()?;
        let packets = self.shared.packets();
        Ok(packets.iter().filter(|packet| packet.time > start && wanted(packet)).cloned().collect())
    }

    /// Fails if any packet that left the gateway since the lab began showed a private address (row G5).
    ///
    /// The other way is not looked at: a socket's copy of a frame shares its bytes with the frame that goes on through
    /// the veth pair, and where the gateway's kernel joins and splits fragments again, it writes into those bytes.
    pub fn assert_no_private_address(&self) -> Result<()> {
        let leaks = self.since(SystemTime::UNIX_EPOCH, |packet| {
            packet.way == Way::FromGateway && packet.shows_private_address()
        })?;
        ensure!(
            leaks.is_empty(),
            "{} packets with a private address left the gateway, the first: {:?}",
            leaks.len(),
            leaks[0]
        );
        Ok(())
    }

    /// Forgets what it has seen, for long runs.
    pub fn forget(&self) {
        self.shared.packets().clear();
    }

    fn catch_up(&self) -> Result<()> {
        let now = SystemTime::now();
        let idle = self.shared.idle.load(Ordering::Acquire);
        wait::until(Duration::from_secs(5), "the sniffer to read what has passed", || {
            self.shared.idle.load(Ordering::Acquire) > idle
                || self.shared.packets().last().is_some_and(|packet| packet.time >= now)
        })
    }
}

impl Drop for Sniffer {
    fn drop(&mut self) {
        self.shared.stop.store(true, Ordering::Release);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

fn open(interface: &str) -> Result<(OwnedFd, usize)> {
    let what = || format!("could not capture on {interface}: is this root?");
    let socket = socket(AddressFamily::Packet, SockType::Raw, SockFlag::SOCK_CLOEXEC, SockProtocol::EthAll)
        .with_context(what)?;
    setsockopt(&socket, sockopt::RcvBufForce, &(32 << 20)).with_context(what)?;
    setsockopt(&socket, sockopt::ReceiveTimestampns, &true).with_context(what)?;
    setsockopt(&socket, sockopt::ReceiveTimeout, &TimeVal::new(0, 20_000)).with_context(what)?;
    let index = if_nametoindex(interface).with_context(what)?;
    Ok((socket, index as usize))
}

fn capture(socket: &OwnedFd, index: usize, shared: &Shared) -> Result<()> {
    let mut frame = [0; 256];
    let mut control = nix::cmsg_space!([nix::libc::timespec; 1]);
    while !shared.stop.load(Ordering::Acquire) {
        let mut buffers = [IoSliceMut::new(&mut frame)];
        let (length, way, time) = match recvmsg::<LinkAddr>(
            socket.as_raw_fd(),
            &mut buffers,
            Some(&mut control),
            MsgFlags::MSG_TRUNC,
        ) {
            Ok(message) => {
                let Some(link) = message.address.filter(|link| link.ifindex() == index) else { continue };
                // PACKET_OUTGOING of linux/if_packet.h.
                let way = if link.pkttype() == 4 { Way::ToGateway } else { Way::FromGateway };
                (message.bytes, way, time_of(message.cmsgs().into_iter().flatten()))
            }
            Err(Errno::EAGAIN | Errno::EINTR) => {
                shared.idle.fetch_add(1, Ordering::Release);
                continue;
            }
            Err(error) => return Err(error).context("could not read from the packet socket"),
        };
        let frame = &frame[..length.min(frame.len())];
        if let Some(packet) = parse(frame, way, time) {
            shared.packets().push(packet);
        }
    }
    Ok(())
}

fn time_of(mut messages: impl Iterator<Item = ControlMessageOwned>) -> SystemTime {
    let stamp = messages.find_map(|message| match message {
        ControlMessageOwned::ScmTimestampns(stamp) => Some(Duration::from(stamp)),
        _ => None,
    });
    stamp.map_or_else(SystemTime::now, |stamp| SystemTime::UNIX_EPOCH + stamp)
}

/// Reads an untagged Ethernet frame; nothing that is not IP is kept.
fn parse(frame: &[u8], way: Way, time: SystemTime) -> Option<Packet> {
    let ip = frame.get(14..)?;
    let (source, destination, protocol, later_fragment, body) = match frame[12..14] {
        [0x08, 0x00] => {
            let (source, destination) = addresses(ip)?;
            let later_fragment = u16::from_be_bytes([ip[6], ip[7]]) & 0x1fff != 0;
            let body = ip.get(usize::from(ip[0] & 15) * 4..)?;
            (IpAddr::from(source), IpAddr::from(destination), ip[9], later_fragment, body)
        }
        [0x86, 0xdd] => {
            let header: &[u8; 40] = ip.first_chunk()?;
            let address = |from: usize| {
                let octets: [u8; 16] = header[from..from + 16].try_into().ok()?;
                Some(IpAddr::from(Ipv6Addr::from(octets)))
            };
            (address(8)?, address(24)?, header[6], false, &ip[40..])
        }
        _ => return None,
    };
    let mut head = [0; 16];
    let known = body.len().min(16);
    head[..known].copy_from_slice(&body[..known]);
    let word = |at: usize| u16::from_be_bytes([head[at], head[at + 1]]);
    let ports = (matches!(protocol, 6 | 17) && !later_fragment).then(|| (word(0), word(2)));
    // RFC 792: the errors are 3, 4, 5, 11 and 12; the quoted header begins at 8.
    let is_error = protocol == 1 && !later_fragment && matches!(head[0], 3 | 4 | 5 | 11 | 12);
    let quoted = if is_error { body.get(8..).and_then(addresses) } else { None };
    Some(Packet { time, way, source, destination, protocol, ports, quoted, head })
}

/// Source and destination of an IPv4 header.
fn addresses(ip: &[u8]) -> Option<(Ipv4Addr, Ipv4Addr)> {
    let at =
        |from: usize| ip.get(from..from + 4)?.try_into().ok().map(|octets: [u8; 4]| Ipv4Addr::from(octets));
    Some((at(12)?, at(16)?))
}
