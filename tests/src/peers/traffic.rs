//! Ordinary TCP and UDP: echo servers, and clients that check every byte that comes back.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, SocketAddrV4, TcpListener, TcpStream, UdpSocket},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, ensure};

use super::{
    Peer, Round, Who, payload,
    service::{Service, Watch},
    socket::{self, SERVER_PATIENCE, is_timeout, receive_from},
};
use crate::{lab::Host, wait};

/// TCP port that is served and that no firewall of the lab forbids.
pub const TCP_PORT: u16 = 9000;
/// TCP port that the lab's firewall forbids from LAN to WAN.
pub const FORBIDDEN_TCP_PORT: u16 = 8080;
/// UDP port that is served.
pub const UDP_PORT: u16 = 9000;

/// A running echo server of TCP and UDP; it stops when dropped.
#[derive(Debug)]
pub struct Server {
    /// Its threads and what they complain about.
    pub service: Service,
}

impl Server {
    /// Starts a server on a host.
    pub fn start(host: &Host) -> Result<Server> {
        let mut service = Service::new("echo");
        for port in [TCP_PORT, FORBIDDEN_TCP_PORT] {
            let address = SocketAddrV4::new(host.address, port);
            let listener = host.namespace.enter(|| TcpListener::bind(address).context("could not listen"))?;
            listener.set_nonblocking(true).context("could not set a listener up")?;
            service.spawn(&host.namespace, move |watch| serve_tcp(&listener, watch))?;
        }
        let socket = host.namespace.enter(|| socket::udp(host.address, UDP_PORT, None))?;
        service.spawn(&host.namespace, move |watch| serve_udp(&socket, watch))?;
        Ok(Server { service })
    }
}

fn serve_tcp(listener: &TcpListener, watch: &Watch) -> Result<()> {
    let mut connections = Vec::new();
    while !watch.stopped() {
        match listener.accept() {
            Ok((stream, _)) => {
                let watch = watch.clone();
                connections.push(thread::spawn(move || echo(stream, &watch)));
            }
            Err(error) if is_timeout(&error) => thread::sleep(Duration::from_millis(2)),
            Err(error) => return Err(error).context("could not accept"),
        }
    }
    for connection in connections {
        let _ = connection.join();
    }
    Ok(())
}

/// Echoes until either side is done; a connection that breaks is the client's to notice.
fn echo(mut stream: TcpStream, watch: &Watch) {
    let set_up = stream
        .set_nonblocking(false)
        .and_then(|()| stream.set_nodelay(true))
        .and_then(|()| stream.set_read_timeout(Some(SERVER_PATIENCE)));
    if let Err(error) = set_up {
        watch.fault(format!("could not set a connection up: {error}"));
        return;
    }
    let mut buffer = vec![0; 64 << 10];
    while !watch.stopped() {
        match stream.read(&mut buffer) {
            Ok(0) => return,
            Ok(count) => {
                if stream.write_all(&buffer[..count]).is_err() {
                    return;
                }
            }
            Err(error) if is_timeout(&error) => {}
            Err(_) => return,
        }
    }
}

fn serve_udp(socket: &UdpSocket, watch: &Watch) -> Result<()> {
    let mut buffer = vec![0; 64 << 10];
    while !watch.stopped() {
        let Some((length, from)) = receive_from(socket, &mut buffer, SERVER_PATIENCE)? else { continue };
        let _ = socket.send_to(&buffer[..length], from);
    }
    Ok(())
}

/// A TCP connection; each round sends a block and reads it back.
#[derive(Debug)]
pub struct Tcp {
    name: String,
    stream: TcpStream,
    number: u32,
    /// Bytes still to come from earlier rounds, which are read first.
    owed: Vec<u8>,
}

/// Size of a round's block, in bytes.
const BLOCK: usize = 2000;

impl Tcp {
    /// Connects.
    pub fn connect(who: &Who, server: Ipv4Addr, port: u16, patience: Duration) -> Result<Tcp> {
        let stream = socket::tcp(who.address, SocketAddrV4::new(server, port), patience)?;
        Ok(Tcp { name: who.name.clone(), stream, number: 0, owed: Vec::new() })
    }

    /// Sends `total` bytes while it reads them back, and compares each.
    pub fn transfer(&mut self, total: usize, patience: Duration) -> Result<()> {
        let sent: Vec<u8> = (0..total).map(|at| (at ^ (at >> 8) ^ (at >> 16)) as u8).collect();
        let mut writer = self.stream.try_clone().context("could not share the connection")?;
        self.stream.set_read_timeout(Some(patience)).context("could not set a time limit")?;
        writer.set_write_timeout(Some(patience)).context("could not set a time limit")?;
        let mut back = vec![0; total];
        thread::scope(|scope| {
            let writing = scope.spawn(|| writer.write_all(&sent));
            self.stream.read_exact(&mut back).context("the transfer did not come back whole")?;
            let written = writing.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic));
            written.context("the transfer could not be sent")
        })?;
        let wrong = sent.iter().zip(&back).position(|(a, b)| a != b);
        ensure!(wrong.is_none(), "byte {} of the transfer was changed", wrong.unwrap_or(0));
        Ok(())
    }
}

impl Peer for Tcp {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let block = payload::make(&self.name, "tcp", self.number, BLOCK);
        self.stream.write_all(&block).context("could not write to a TCP connection")?;
        self.owed.extend(&block);
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; BLOCK];
        while !self.owed.is_empty() {
            if Instant::now() >= deadline {
                return Ok(Round::Lost);
            }
            self.stream.set_read_timeout(wait::limit(deadline)).context("could not set a time limit")?;
            match self.stream.read(&mut buffer) {
                Ok(0) => anyhow::bail!("the server closed the TCP connection"),
                Ok(count) => {
                    ensure!(
                        self.owed.starts_with(&buffer[..count]),
                        "the TCP stream of {} was changed",
                        self.name
                    );
                    self.owed.drain(..count);
                }
                Err(error) if is_timeout(&error) => return Ok(Round::Lost),
                Err(error) => return Err(error).context("could not read from a TCP connection"),
            }
        }
        Ok(Round::Answered)
    }
}

/// A UDP socket; each round sends a datagram and waits for its echo.
#[derive(Debug)]
pub struct Udp {
    name: String,
    socket: UdpSocket,
    size: usize,
    number: u32,
}

impl Udp {
    /// A socket whose datagrams have `size` bytes; those over the MTU are fragmented.
    pub fn open(who: &Who, server: Ipv4Addr, size: usize) -> Result<Udp> {
        let socket = socket::udp(who.address, 0, Some(SocketAddrV4::new(server, UDP_PORT)))?;
        Ok(Udp { name: who.name.clone(), socket, size, number: 0 })
    }
}

impl Peer for Udp {
    fn round(&mut self, patience: Duration) -> Result<Round> {
        self.number += 1;
        let sent = payload::make(&self.name, "udp", self.number, self.size);
        socket::send(&self.socket, &sent)?;
        let deadline = Instant::now() + patience;
        let mut buffer = vec![0; 64 << 10];
        while let Some((length, _)) = receive_from(&self.socket, &mut buffer, wait::left(deadline))? {
            if payload::expect(&buffer[..length], &self.name, "udp")? == self.number {
                ensure!(length == sent.len(), "{length} bytes came back of {}", sent.len());
                return Ok(Round::Answered);
            }
        }
        Ok(Round::Lost)
    }
}
