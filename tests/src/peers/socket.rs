//! Sockets of the peers: raw IP, UDP with a fixed source port, TCP with bounds. Each is made in the calling thread's namespace.

use std::{
    io::{self, ErrorKind},
    net::{Ipv4Addr, SocketAddr, SocketAddrV4, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use socket2::{Domain, Protocol, SockAddr, Socket, Type};

use crate::wait;

/// How long a server's socket waits before the server looks whether it shall stop.
pub const SERVER_PATIENCE: Duration = Duration::from_millis(50);

/// A raw socket of an IP protocol. `UdpSocket` is only its handle: what is sent and received is the payload of IP
/// packets, and ports count nothing. What is received begins with the IP header.
#[derive(Debug)]
pub struct RawIp {
    socket: UdpSocket,
}

impl RawIp {
    /// A socket at `local`, for packets from `remote` alone if it is given.
    pub fn open(protocol: u8, local: Ipv4Addr, remote: Option<Ipv4Addr>) -> Result<RawIp> {
        let what = || format!("could not open a raw socket for IP protocol {protocol} at {local}");
        let socket = Socket::new(Domain::IPV4, Type::RAW, Some(Protocol::from(i32::from(protocol))))
            .with_context(what)?;
        socket.set_recv_buffer_size(1 << 20).with_context(what)?;
        socket.bind(&SockAddr::from(SocketAddrV4::new(local, 0))).with_context(what)?;
        if let Some(remote) = remote {
            socket.connect(&SockAddr::from(SocketAddrV4::new(remote, 0))).with_context(what)?;
        }
        Ok(RawIp { socket: socket.into() })
    }

    /// Sends a payload to the connected peer.
    pub fn send(&self, payload: &[u8]) -> Result<()> {
        settled(self.socket.send(payload)).context("could not send an IP packet")
    }

    /// Sends a payload to `peer`.
    pub fn send_to(&self, payload: &[u8], peer: Ipv4Addr) -> Result<()> {
        settled(self.socket.send_to(payload, SocketAddrV4::new(peer, 0)))
            .with_context(|| format!("could not send an IP packet to {peer}"))
    }

    /// Waits for a packet: its source address, and its payload without the IP header.
    pub fn receive<'b>(
        &self,
        buffer: &'b mut [u8],
        patience: Duration,
    ) -> Result<Option<(Ipv4Addr, &'b [u8])>> {
        let Some((length, from)) = receive_from(&self.socket, buffer, patience)? else { return Ok(None) };
        let header = usize::from(buffer[0] & 15) * 4;
        Ok(buffer.get(header..length).map(|payload| (*from.ip(), payload)))
    }
}

/// A UDP socket with this source address, port and, if given, peer.
pub fn udp(local: Ipv4Addr, port: u16, remote: Option<SocketAddrV4>) -> Result<UdpSocket> {
    let what = || format!("could not open UDP port {port} at {local}");
    let deadline = Instant::now() + Duration::from_secs(2);
    let socket = loop {
        match UdpSocket::bind(SocketAddrV4::new(local, port)) {
            // A process that another thread starts has a copy of every socket until it has become its program.
            Err(error) if error.kind() == ErrorKind::AddrInUse && Instant::now() < deadline => {
                thread::sleep(Duration::from_millis(10));
            }
            bound => break bound.with_context(what)?,
        }
    };
    if let Some(remote) = remote {
        socket.connect(remote).with_context(what)?;
    }
    Ok(socket)
}

/// Waits for a datagram. An ICMP error that the kernel reports here counts as nothing received: a peer goes on.
pub fn receive_from(
    socket: &UdpSocket,
    buffer: &mut [u8],
    patience: Duration,
) -> Result<Option<(usize, SocketAddrV4)>> {
    // A stream of packets for others must not keep anyone waiting beyond his time.
    if patience.is_zero() {
        return Ok(None);
    }
    let deadline = Instant::now() + patience;
    loop {
        socket.set_read_timeout(wait::limit(deadline)).context("could not set a time limit")?;
        match socket.recv_from(buffer) {
            Ok((length, SocketAddr::V4(from))) => return Ok(Some((length, from))),
            Ok(_) => {}
            Err(error) if is_timeout(&error) => return Ok(None),
            Err(error) if is_icmp(&error) => {}
            Err(error) => return Err(error).context("could not receive"),
        }
        if Instant::now() >= deadline {
            return Ok(None);
        }
    }
}

/// Sends on a connected socket; an ICMP error about an earlier packet is no failure of this one.
pub fn send(socket: &UdpSocket, bytes: &[u8]) -> Result<()> {
    settled(socket.send(bytes)).context("could not send a datagram")
}

/// Connects from `local`, within a bound.
pub fn tcp(local: Ipv4Addr, remote: SocketAddrV4, patience: Duration) -> Result<TcpStream> {
    let what = || format!("could not connect {local} to {remote}");
    let socket = Socket::new(Domain::IPV4, Type::STREAM, Some(Protocol::TCP)).with_context(what)?;
    socket.bind(&SockAddr::from(SocketAddrV4::new(local, 0))).with_context(what)?;
    socket.connect_timeout(&SockAddr::from(remote), patience).with_context(what)?;
    let stream = TcpStream::from(socket);
    stream.set_nodelay(true).with_context(what)?;
    Ok(stream)
}

/// Whether a read ended because its time limit was over.
pub fn is_timeout(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::TimedOut | ErrorKind::Interrupted)
}

fn is_icmp(error: &io::Error) -> bool {
    use nix::libc::{EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EPERM, EPROTO};
    let codes = [EACCES, ECONNREFUSED, EHOSTUNREACH, EMSGSIZE, ENETUNREACH, ENOPROTOOPT, EPERM, EPROTO];
    error.raw_os_error().is_some_and(|code| codes.contains(&code))
}

fn settled(sent: io::Result<usize>) -> io::Result<()> {
    match sent {
        Err(error) if !is_icmp(&error) => Err(error),
        _ => Ok(()),
    }
}
