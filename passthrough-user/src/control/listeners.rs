//! The gateway's own sockets that wait for packets, from `/proc/net` of this process's network namespace.

use std::{fs, net::Ipv4Addr};

use anyhow::Context;
use passthrough_common::proto::number;

/// `TCP_LISTEN` and `TCP_CLOSE` (net/tcp_states.h); the latter is that of a UDP socket without a peer.
const LISTEN: &str = "0A";
const CLOSE: &str = "07";

/// A socket that waits for packets.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Listener {
    /// IP protocol number.
    pub protocol: u8,
    /// Address that it is bound to; unspecified for any.
    pub address: Ipv4Addr,
    /// Its port.
    pub port: u16,
}

/// Reads them.
pub fn read() -> anyhow::Result<Vec<Listener>> {
    let mut listeners = Vec::new();
    for (name, protocol, state) in [
        ("tcp", number::TCP, LISTEN),
        ("tcp6", number::TCP, LISTEN),
        ("udp", number::UDP, CLOSE),
        ("udp6", number::UDP, CLOSE),
    ] {
        let path = format!("/proc/self/net/{name}");
        let text = match fs::read_to_string(&path) {
            // A kernel without IPv6.
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => continue,
            text => text.with_context(|| format!("reading {path}"))?,
        };
        listeners.extend(text.lines().skip(1).filter_map(|line| parse(line, protocol, state)));
    }
    Ok(listeners)
}

fn parse(line: &str, protocol: u8, wanted: &str) -> Option<Listener> {
    let mut words = line.split_whitespace().skip(1);
    let (address, port) = words.next()?.split_once(':')?;
    let state = words.nth(1)?;
    let port = u16::from_str_radix(port, 16).ok().filter(|port| *port != 0)?;
    if state != wanted {
        return None;
    }
    Some(Listener { protocol, address: ipv4(address)?, port })
}

/// The IPv4 address that a socket answers to. Each word is written as this machine holds it.
fn ipv4(hex: &str) -> Option<Ipv4Addr> {
    let word = |at: usize| u32::from_str_radix(hex.get(at..at + 8)?, 16).ok();
    let address = match (hex.len(), hex.get(..24)) {
        (8, _) => word(0)?,
        // Any, of both families; and an IPv4 address in an IPv6 one (RFC 4291 section 2.5.5.2).
        (32, Some("000000000000000000000000")) if word(24) == Some(0) => 0,
        (32, Some(head)) if head.starts_with("0000000000000000") && word(16) == Some(0xffff_u32.to_be()) => {
            word(24)?
        }
        _ => return None,
    };
    Some(Ipv4Addr::from(address.to_ne_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    #[cfg(target_endian = "little")]
    fn sockets_are_read_from_their_lines() {
        let line = |local: &str, state: &str| {
            format!("   0: {local} 00000000:0000 {state} 00000000:00000000 00:0 0")
        };
        let read = |local, state| {
            parse(&line(local, state), 6, LISTEN).map(|listener| (listener.address, listener.port))
        };
        assert_eq!(read("0100007F:0016", LISTEN), Some((Ipv4Addr::LOCALHOST, 22)));
        assert_eq!(read("0100007F:0016", "01"), None);
        let any = "00000000000000000000000000000000:0050";
        assert_eq!(read(any, LISTEN), Some((Ipv4Addr::UNSPECIFIED, 80)));
        let mapped = "0000000000000000FFFF00000100007F:0050";
        assert_eq!(read(mapped, LISTEN), Some((Ipv4Addr::LOCALHOST, 80)));
        assert_eq!(read("B80D0120000000000000000001000000:0050", LISTEN), None);
    }
}
