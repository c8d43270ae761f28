//! What `ping` and `traceroute` do, and path MTU discovery: ICMP as an inside host sees it.

use std::{
    io::IoSliceMut,
    net::{Ipv4Addr, SocketAddrV4, UdpSocket},
    os::fd::AsRawFd,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};
use nix::{
    errno::Errno,
    sys::socket::{ControlMessageOwned, MsgFlags, SockaddrIn, recvmsg, setsockopt, sockopt},
};

use super::{Peer, Round, Who, internet_checksum, payload, socket, socket::RawIp};
use crate::wait;

/// Sends ICMP echo requests with one identifier (RFC 792).
#[derive(Debug)]
pub struct Ping {
    name: String,
    socket: RawIp,
    identifier: u16,
    number: u32,
}

impl Ping {
    /// Opens the socket; nothing is sent yet.
    pub fn open(who: &Who, server: Ipv4Addr, identifier: u16) -> Result<Ping> {
        let socket = RawIp::open(1, who.address, Some(server))?;
        Ok(Ping { name: who.name.clone(), socket, identifier, number: 0 })
    }
}

impl Peer for Ping {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let mut request = vec![8, 0, 0, 0];
        request.extend(self.identifier.to_be_bytes());
        request.extend((self.number as u16).to_be_bytes());
        request.extend(payload::make(&self.name, "ping", self.number, 64));
        let checksum = internet_checksum(&request);
        request[2..4].copy_from_slice(&checksum.to_be_bytes());
        self.socket.send(&request)?;
        let deadline = Instant::now() + patience;
        let mut buffer = [0; 2048];
        while let Some((_, bytes)) = self.socket.receive(&mut buffer, wait::left(deadline))? {
            // Other messages, and other pings of this host, arrive here too.
            let ours =
                bytes.first() == Some(&0) && bytes.get(4..6) == Some(&self.identifier.to_be_bytes()[..]);
            if !ours || bytes.get(6..8) != Some(&(self.number as u16).to_be_bytes()[..]) {
                continue;
            }
            ensure!(internet_checksum(bytes) == 0, "an echo reply with a wrong checksum");
            payload::expect(&bytes[8..], &self.name, "ping")?;
            return Ok(Round::Answered);
        }
        Ok(Round::Lost)
    }
}

/// An ICMP error that the kernel has matched to a socket.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Error {
    /// ICMP type.
    pub kind: u8,
    /// ICMP code.
    pub code: u8,
    /// Who sent it.
    pub from: Ipv4Addr,
    /// The MTU of the next hop, where the error tells it.
    pub info: u32,
}

/// A UDP socket that tells of ICMP errors about what it sent.
#[derive(Debug)]
pub struct Prober {
    socket: UdpSocket,
}

impl Prober {
    /// A socket towards `port` of a server. Its datagrams carry DF unless the kernel already knows a smaller path MTU.
    pub fn open(who: &Who, server: Ipv4Addr, port: u16) -> Result<Prober> {
        let socket = socket::udp(who.address, 0, Some(SocketAddrV4::new(server, port)))?;
        setsockopt(&socket, sockopt::Ipv4RecvErr, &true).context("could not ask for ICMP errors")?;
        Ok(Prober { socket })
    }

    /// Sends a datagram of `size` bytes with this TTL, and waits for an ICMP error about it.
    pub fn provoke(&self, size: usize, ttl: u32, patience: Duration) -> Result<Option<Error>> {
        self.socket.set_ttl(ttl).context("could not set the TTL")?;
        socket::send(&self.socket, &vec![0x55; size])?;
        let mut error = None;
        let deadline = Instant::now() + patience;
        while error.is_none() && Instant::now() < deadline {
            error = self.error()?;
            if error.is_none() {
                // The queue of errors cannot be waited for without a poll of its own; an error also ends a receive.
                let _ = socket::receive_from(&self.socket, &mut [0; 64], Duration::from_millis(5))?;
            }
        }
        Ok(error)
    }

    fn error(&self) -> Result<Option<Error>> {
        let mut buffer = [0; 2048];
        let mut buffers = [IoSliceMut::new(&mut buffer)];
        let mut control = nix::cmsg_space!([u8; 64]);
        let flags = MsgFlags::MSG_ERRQUEUE | MsgFlags::MSG_DONTWAIT;
        let message =
            match recvmsg::<SockaddrIn>(self.socket.as_raw_fd(), &mut buffers, Some(&mut control), flags) {
                Ok(message) => message,
                Err(Errno::EAGAIN) => return Ok(None),
                Err(error) => return Err(error).context("could not read the socket's errors"),
            };
        for control in message.cmsgs().context("could not read an error's details")? {
            if let ControlMessageOwned::Ipv4RecvErr(error, offender) = control {
                let from = offender
                    .map_or(Ipv4Addr::UNSPECIFIED, |from| Ipv4Addr::from(u32::from_be(from.sin_addr.s_addr)));
                return Ok(Some(Error {
                    kind: error.ee_type,
                    code: error.ee_code,
                    from,
                    info: error.ee_info,
                }));
            }
        }
        Ok(None)
    }
}
