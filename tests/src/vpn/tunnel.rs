//! What a scenario has opened, and whether it carries anything: pings, and a TCP transfer that is compared.

use std::{
    io::{Read, Write},
    net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener},
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use socket2::{Domain, Socket, Type};

use super::daemon::Daemon;
use crate::{
    lab::{GATEWAY_LAN, Host},
    wait,
};

/// Where the far end of each tunnel takes transfers.
const PORT: u16 = 7000;
/// Bytes of a transfer, each way.
const TRANSFER: usize = 200_000;

/// One client's way to the server's inner address.
#[derive(Debug)]
pub struct Tunnel<'a> {
    /// Whose it is.
    pub client: &'a Host,
    /// Where it ends.
    pub server: &'a Host,
    /// The client's inner address.
    pub from: Ipv4Addr,
    /// The server's inner address.
    pub to: Ipv4Addr,
}

/// Open tunnels, and the programs that keep them.
#[derive(Debug, Default)]
pub struct Open<'a> {
    /// One a client.
    pub tunnels: Vec<Tunnel<'a>>,
    /// They end with this.
    pub daemons: Vec<Daemon>,
}

impl Open<'_> {
    /// Pings and a transfer through every tunnel, all at once.
    pub fn assert_work(&self, patience: Duration) -> Result<()> {
        ensure!(!self.tunnels.is_empty(), "no tunnel was opened");
        let mut servers: Vec<&Host> = self.tunnels.iter().map(|tunnel| tunnel.server).collect();
        servers.sort_by_key(|host| host.address);
        servers.dedup_by_key(|host| host.address);
        let stop = AtomicBool::new(false);
        thread::scope(|scope| {
            let listeners = servers.iter().map(|host| listen(host)).collect::<Result<Vec<_>>>()?;
            for listener in listeners {
                let stop = &stop;
                scope.spawn(move || echo(&listener, stop));
            }
            let tries: Vec<_> = self
                .tunnels
                .iter()
                .map(|tunnel| scope.spawn(|| tunnel.ping(patience).and_then(|()| tunnel.transfer(patience))))
                .collect();
            let results: Vec<_> = tries.into_iter().map(joined).collect();
            stop.store(true, Ordering::Relaxed);
            results.into_iter().zip(&self.tunnels).try_for_each(|(result, tunnel)| {
                result.with_context(|| format!("client {}", tunnel.client.name))
            })
        })
    }

    /// Fails while any tunnel still answers a ping; but the gateway's own, which no switch is for, must answer.
    pub fn assert_stopped(&self) -> Result<()> {
        let answers: Vec<_> = thread::scope(|scope| {
            let tries: Vec<_> = self.tunnels.iter().map(|tunnel| scope.spawn(|| tunnel.answers(3))).collect();
            tries.into_iter().map(joined).collect()
        });
        for (tunnel, answered) in self.tunnels.iter().zip(answers) {
            let (name, own) = (&tunnel.client.name, tunnel.client.address == GATEWAY_LAN);
            ensure!(own || !answered, "client {name} still gets answers");
            ensure!(!own || answered, "the gateway's own tunnel gets no answers");
        }
        Ok(())
    }
}

impl Tunnel<'_> {
    /// Whether any of so many pings is answered, a second apart.
    pub fn answers(&self, count: u32) -> bool {
        let words = ["-n", "-q", "-W", "1", "-c", &count.to_string(), "-I", &self.from.to_string()];
        let to = self.to.to_string();
        self.client.namespace.run("ping", &[&words[..], &[&to]].concat()).is_ok()
    }

    /// Waits for the first answer.
    pub fn ping(&self, patience: Duration) -> Result<()> {
        let deadline = Instant::now() + patience;
        while !self.answers(1) {
            ensure!(
                Instant::now() < deadline,
                "no ping from {} to {} was answered within {} s",
                self.from,
                self.to,
                patience.as_secs()
            );
        }
        Ok(())
    }

    /// Sends bytes to the server's inner address and compares what it sends back.
    fn transfer(&self, patience: Duration) -> Result<()> {
        let (from, to) = (SocketAddr::from((self.from, 0)), SocketAddr::from((self.to, PORT)));
        let mut stream = self.client.namespace.enter(|| {
            let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
            socket.bind(&from.into())?;
            socket.connect_timeout(&to.into(), patience).with_context(|| format!("no connection to {to}"))?;
            Ok(std::net::TcpStream::from(socket))
        })?;
        stream.set_read_timeout(Some(patience))?;
        stream.set_write_timeout(Some(patience))?;
        let sent: Vec<u8> =
            (0..TRANSFER).map(|at| (at * 31 + usize::from(self.from.octets()[2])) as u8).collect();
        let mut writer = stream.try_clone()?;
        let mut received = Vec::new();
        thread::scope(|scope| {
            let writing = scope.spawn(|| {
                writer.write_all(&sent)?;
                writer.shutdown(Shutdown::Write)
            });
            let read = stream.read_to_end(&mut received);
            joined(writing).and(read)
        })
        .with_context(|| format!("the transfer stalled after {} of {TRANSFER} bytes", received.len()))?;
        ensure!(received == sent, "the transfer came back changed, or short: {} bytes", received.len());
        Ok(())
    }
}

fn listen(host: &Host) -> Result<TcpListener> {
    let listener = host.namespace.enter(|| {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None)?;
        socket.set_reuse_address(true)?;
        socket.bind(&SocketAddr::from((Ipv4Addr::UNSPECIFIED, PORT)).into())?;
        socket.listen(64)?;
        Ok(TcpListener::from(socket))
    })?;
    listener.set_nonblocking(true)?;
    Ok(listener)
}

/// Sends back what comes, until told to stop.
fn echo(listener: &TcpListener, stop: &AtomicBool) {
    while !stop.load(Ordering::Relaxed) {
        let Ok((mut stream, _)) = listener.accept() else {
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        thread::spawn(move || {
            let _ = stream.set_nonblocking(false);
            let _ = stream.set_read_timeout(Some(Duration::from_secs(120)));
            let mut bytes = [0; 4096];
            while let Ok(count) = stream.read(&mut bytes) {
                if count == 0 || stream.write_all(&bytes[..count]).is_err() {
                    break;
                }
            }
        });
    }
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

/// Waits for an interface of a host to have an IPv4 address, and gives it.
pub fn address_of(host: &Host, interface: &str, daemon: &mut Daemon, patience: Duration) -> Result<Ipv4Addr> {
    let mut found = None;
    let _ = wait::until(patience, interface, || {
        found = host.namespace.run("ip", &["-4", "-o", "addr", "show", "dev", interface]).ok().and_then(
            |shown| {
                let address = shown.split_whitespace().skip_while(|word| *word != "inet").nth(1)?;
                address.split('/').next()?.parse().ok()
            },
        );
        found.is_some() || daemon.assert_running().is_err()
    });
    match found {
        Some(address) => Ok(address),
        None => bail!("{interface} of client {} got no address: {}", host.name, daemon.last_words()),
    }
}
