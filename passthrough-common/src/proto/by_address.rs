//! IP in IP, 6in4 and L2TPv3: protocols without ports, told apart by addresses alone (RFC 2003, RFC 4213, RFC 3931).
//!
//! One inside host for each server and outside address: the inbound packet shows nothing else that is worth a guess.
//! L2TPv3 connection and session IDs are not read, since its message digest forbids rewriting them (conformance V3).
//! AH is refused with a reason of its own: it covers the addresses (RFC 4302 section 3.3.3, conformance Q6).

use crate::abi::session::Rewrite;
use crate::abi::{Class, Reason, SessionKey, Space, View};
use crate::seam::World;

use super::{Flow, endpoint, halves, hosts, number};

/// The class of the sessions of a protocol, if it is one of this module's.
///
/// # Errors
///
/// [`Reason::AhNat`], or [`Reason::Unsupported`].
#[inline(always)]
pub const fn claims(protocol: u8) -> Result<Class, Reason> {
    match protocol {
        number::IPIP | number::SIX_IN_FOUR => Ok(Class::Ipip),
        number::L2TP => Ok(Class::L2tp),
        number::AH => Err(Reason::AhNat),
        _ => Err(Reason::Unsupported),
    }
}

/// The key of a protocol without ports; `local` is the inside host or the outside address, by `view`.
#[inline(always)]
pub const fn key(view: View, remote: u32, local: u32, protocol: u8) -> SessionKey {
    SessionKey::new(view, remote, local, protocol, Space::Host, 0)
}

/// Makes the session of an outbound packet.
///
/// # Errors
///
/// [`Reason::HostConflict`] while another inside host uses the server (conformance V1, Q2); those of [`claims`] and
/// [`halves::insert`].
pub fn open_outbound<W: World>(flow: &Flow, world: &W) -> Result<(), Reason> {
    let class = claims(flow.protocol)?;
    pair(world, flow, &By { class, space: Space::Host, selector: 0, conflict: Reason::HostConflict })
}

/// What a session by addresses is told by, and what it is.
#[derive(Clone, Copy)]
pub struct By {
    /// Its class.
    pub class: Class,
    /// What its selector counts in.
    pub space: Space,
    /// The selector that both directions show.
    pub selector: u32,
    /// Why another inside host is refused.
    pub conflict: Reason,
}

/// Makes a session that rewrites addresses alone, found by this selector from both sides.
///
/// # Errors
///
/// `conflict` while another inside host has it; those of [`halves::insert`].
#[inline(always)]
pub fn pair<W: World>(world: &W, flow: &Flow, by: &By) -> Result<(), Reason> {
    // One after the other: together they are too much for the BPF stack.
    if !clear(world, flow, by) {
        return Err(by.conflict);
    }
    insert(world, flow, by)
}

#[inline(always)]
fn keys(outside: u32, flow: &Flow, by: &By) -> (SessionKey, SessionKey) {
    let key =
        |view, local| SessionKey::new(view, flow.destination, local, flow.protocol, by.space, by.selector);
    (key(View::Outbound, flow.source), key(View::Inbound, outside))
}

/// Makes room for the session where another host's is over; `false` if there is one that lives.
#[inline(never)]
fn clear<W: World>(world: &W, flow: &Flow, by: &By) -> bool {
    let (_, inbound) = keys(endpoint::outside_address(world, flow.source), flow, by);
    halves::remove_if_over(world, &inbound)
}

#[inline(never)]
fn insert<W: World>(world: &W, flow: &Flow, by: &By) -> Result<(), Reason> {
    let host = flow.source;
    let outside = endpoint::outside_address(world, host);
    let (outbound, inbound) = keys(outside, flow, by);
    let pair = halves::Pair {
        outbound,
        inbound,
        inside: (host, 0),
        outside: (outside, 0),
        class: by.class,
        rewrite: Rewrite::Address,
        flags: hosts::own_flag(world.settings(), host),
    };
    halves::insert(world, &pair, by.conflict)
}

// On a miss from outside: nothing starts there, but by a port forward (conformance V5).
// advance: idle time alone (`settings::Idle::Generic`); there is no state. edits: the address, `Rewrite::Address`.

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::session::flag;
    use crate::abi::{Switch, Ticks};
    use crate::proto::progress;
    use crate::seam::Table;
    use crate::seam::host::{Gateway, OUTSIDE};

    const A: u32 = 0xc0a8_010a;
    const B: u32 = 0xc0a8_010b;
    const S: u32 = 0xc633_640a;
    const T: u32 = 0xc633_6414;

    fn gateway() -> Gateway {
        let mut gateway = Gateway::default();
        gateway.settings.switches[Class::Ipip as usize] = Switch::Full as u8;
        gateway.settings.switches[Class::L2tp as usize] = Switch::Full as u8;
        gateway
    }

    fn flow(source: u32, destination: u32, protocol: u8) -> Flow {
        Flow {
            source,
            destination,
            protocol,
            l4_at: 34,
            end: 134,
            progress: progress::OUTBOUND,
            ..Flow::EMPTY
        }
    }

    /// Proves: Q6.
    #[test]
    fn claims_what_has_no_ports_and_refuses_ah_by_name() {
        assert_eq!(claims(4), Ok(Class::Ipip));
        assert_eq!(claims(41), Ok(Class::Ipip));
        assert_eq!(claims(115), Ok(Class::L2tp));
        assert_eq!(claims(51), Err(Reason::AhNat), "Q6");
        assert_eq!(claims(132), Err(Reason::Unsupported), "Z60");
    }

    #[test]
    fn key_is_symmetric() {
        let gateway = gateway();
        for protocol in [4, 41, 115] {
            assert_eq!(open_outbound(&flow(A, S, protocol), &gateway), Ok(()));
            let out = gateway.sessions.get(&key(View::Outbound, S, A, protocol)).unwrap();
            let back = gateway.sessions.get(&key(View::Inbound, S, OUTSIDE, protocol)).unwrap();
            assert_eq!((out.address, back.address), (OUTSIDE, A));
        }
    }

    /// Proves: V1, Q2, V5.
    #[test]
    fn a_second_host_is_refused_until_the_first_has_been_idle() {
        let gateway = gateway();
        assert_eq!(open_outbound(&flow(A, S, 115), &gateway), Ok(()));
        assert_eq!(open_outbound(&flow(B, S, 115), &gateway), Err(Reason::HostConflict), "V1");
        assert_eq!(gateway.sessions.len(), 2, "nothing stays behind");
        assert_eq!(open_outbound(&flow(B, T, 115), &gateway), Ok(()), "another server");
        assert_eq!(open_outbound(&flow(B, S, 4), &gateway), Ok(()), "another protocol");
        gateway.wait(Ticks::from_secs(299));
        assert_eq!(open_outbound(&flow(B, S, 115), &gateway), Err(Reason::HostConflict), "V5");
        gateway.wait(Ticks::from_secs(2));
        assert_eq!(open_outbound(&flow(B, S, 115), &gateway), Ok(()), "Q2: after the idle time");
        assert_eq!(gateway.sessions.get(&key(View::Inbound, S, OUTSIDE, 115)).unwrap().address, B);
    }

    /// Proves: N5, V5.
    #[test]
    fn the_gateways_own_tunnel_is_its_own() {
        let gateway = gateway();
        assert_eq!(open_outbound(&flow(OUTSIDE, S, 41), &gateway), Ok(()));
        let out = gateway.sessions.get(&key(View::Outbound, S, OUTSIDE, 41)).unwrap();
        assert!(out.has(flag::OWN) && out.address == OUTSIDE);
    }
}
