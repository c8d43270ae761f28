//! TCP, UDP and ICMP queries: what has a port or an identifier (RFC 4787, RFC 5382, RFC 5508).
//!
//! Claims: everything with ports that no VPN class reads deeper. Key: both ends' ports. Left out: sequence tracking
//! beyond what judges a RST (RFC 6092 REC-32 forbids dropping on it).

use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::Filtering;
use crate::abi::{BindingKey, Class, Direction, Reason, SessionKey, Space, Switch, View};
use crate::seam::{Held, Remote, Table, World};
use crate::session::port;

use super::endpoint::{self, Wish};
use super::{Flow, esp_ike, halves, number};

/// What an inside endpoint and its peer are, as both ends of a session see it.
#[derive(Clone, Copy)]
struct Ends {
    inside: (u32, u16),
    outside: (u32, u16),
    remote: (u32, u16),
}

/// On a miss from inside: gives the endpoint its outside one, and makes the session.
///
/// # Errors
///
/// As [`endpoint::hold`] and [`halves::insert`].
#[inline(always)]
pub fn open_outbound<W: World>(world: &W, flow: &Flow, own: bool) -> Result<(), Reason> {
    // One after the other: together they are too much for the BPF stack.
    bind(world, flow, own)?;
    if flow.space == Space::Ports && filtering(world, flow.protocol, flow.class) == Filtering::Address {
        permit(world, flow);
    }
    Ok(())
}

#[inline(never)]
fn bind<W: World>(world: &W, flow: &Flow, own: bool) -> Result<(), Reason> {
    // An identifier belongs to both ends of a query: it is the local one here, and no remote one.
    let (near, far) = match flow.space {
        Space::Ports => (flow.source_port(), flow.destination_port()),
        _ => (flow.selector as u16, 0),
    };
    let (inside, remote) = ((flow.source, near), (flow.destination, far));
    let shared = if own { (0, 0) } else { port::shared(world.settings(), flow.protocol) };
    let paired = endpoint::outside_address(world, flow.source);
    // IKE and NAT-T show the address that the host's ESP shows.
    let is_ipsec = flow.class == Class::NatT || flow.class == Class::Ike;
    let outside = if is_ipsec && !own { esp_ike::address(world, flow.source) } else { paired };
    let wish = Wish {
        inside,
        paired,
        outside,
        remote: Remote::new(flow.protocol, remote),
        protocol: flow.protocol,
        class: flow.class,
        shared,
        own,
    };
    let outside = endpoint::hold(world, &wish)?;
    let own = if own { flag::OWN } else { 0 };
    insert(world, flow, &Ends { inside, outside, remote }, flag::BOUND | own)
}

/// On a miss from inside, at the inside end of a port forward: makes the session from its outside port. The forward is the
/// binding, and anybody may send to it.
///
/// # Errors
///
/// As [`halves::insert`].
#[inline(never)]
pub fn open_forwarded<W: World>(world: &W, flow: &Flow, port: u16) -> Result<(), Reason> {
    let inside = (flow.source, flow.source_port());
    let outside = (endpoint::outside_address(world, flow.source), port);
    let remote = (flow.destination, flow.destination_port());
    insert(world, flow, &Ends { inside, outside, remote }, 0)
}

/// On a miss from outside: makes the session if somebody inside is bound to this endpoint and the filter lets the
/// peer through. `Ok(true)` if it is the gateway's own socket, which the stack serves.
///
/// # Errors
///
/// [`Reason::Unsolicited`], [`Reason::Filtered`], and as [`halves::insert`].
pub fn open_inbound<W: World>(world: &W, flow: &Flow) -> Result<bool, Reason> {
    let outside = (flow.destination, flow.destination_port());
    let remote = (flow.source, flow.source_port());
    let outer = BindingKey::new(Direction::Inbound, outside.0, outside.1, flow.protocol);
    let Some(binding) = world.bindings().get(&outer) else {
        return if world.has_listener(outside, &Remote::new(flow.protocol, remote)) {
            Ok(true)
        } else {
            Err(Reason::Unsolicited)
        };
    };
    if binding.flags & flag::OWN != 0 {
        return Ok(true);
    }
    // The peer's port may be of a class that is on, and the binding's is off (conformance O2, O5).
    if world.settings().switch(Class::from_index(binding.class)) == Switch::Off {
        return Err(Reason::SwitchedOffSession);
    }
    let permit = permit_key(outside, remote.0, flow.protocol);
    let allowed = match filtering(world, flow.protocol, Class::from_index(binding.class)) {
        Filtering::Endpoint => true,
        Filtering::Address => world.sessions().get(&permit).is_some(),
        Filtering::AddressAndPort => false,
    };
    if !allowed {
        return Err(Reason::Filtered);
    }
    let inside = (binding.address, binding.id);
    if world.bindings().hold(&outer, 1).is_none_or(|held| held == 0) {
        return Err(Reason::Contended);
    }
    // The session belongs to the class of its binding: a server may answer from any port (conformance L2, O5).
    let flow = Flow { class: Class::from_index(binding.class), ..*flow };
    insert(world, &flow, &Ends { inside, outside, remote }, flag::BOUND)?;
    Ok(false)
}

/// Who may send to a binding of this class. An L2TP server may answer from another port (RFC 2661 section 8.1), so
/// its address is enough.
#[inline(always)]
fn filtering<W: World>(world: &W, protocol: u8, class: Class) -> Filtering {
    match world.settings().filtering(protocol) {
        Filtering::AddressAndPort if class == Class::L2tp => Filtering::Address,
        filtering => filtering,
    }
}

#[inline(always)]
fn permit_key(outside: (u32, u16), remote: u32, protocol: u8) -> SessionKey {
    SessionKey::ports(View::Permit, (remote, 0), outside, protocol)
}

/// Puts both halves into the table; gives the binding back, if they hold one, if that fails.
#[inline(always)]
fn insert<W: World>(world: &W, flow: &Flow, ends: &Ends, flags: u8) -> Result<(), Reason> {
    let Ends { inside, outside, remote } = *ends;
    let is_query = flow.protocol == number::ICMP;
    let key = |view, local: (u32, u16)| {
        if is_query {
            SessionKey::new(view, remote.0, local.0, flow.protocol, Space::Identifier, u32::from(local.1))
        } else {
            SessionKey::ports(view, remote, local, flow.protocol)
        }
    };
    let pair = halves::Pair {
        outbound: key(View::Outbound, inside),
        inbound: key(View::Inbound, outside),
        inside,
        outside,
        class: flow.class,
        rewrite: if is_query { Rewrite::Identifier } else { Rewrite::Port },
        flags,
    };
    if flow.protocol == number::TCP && flow.class == Class::Pptp {
        // What is known of an earlier connection between the same ends is not of this one.
        world.controls().update(&pair.outbound, |control| control.outdated = 1);
    }
    let inserted = halves::insert(world, &pair, Reason::Contended);
    if inserted.is_err() && flags & flag::BOUND != 0 {
        endpoint::release(world, &BindingKey::new(Direction::Inbound, outside.0, outside.1, flow.protocol));
    }
    inserted
}

/// Lets every port of this packet's receiver send to its sender's endpoint from now on, where filtering goes by address.
#[inline(never)]
fn permit<W: World>(world: &W, flow: &Flow) {
    let (inside, remote) = ((flow.source, flow.source_port()), (flow.destination, flow.destination_port()));
    let session = SessionKey::ports(View::Outbound, remote, inside, flow.protocol);
    let opened = world.sessions().update(&session, |half| (half.address, half.id, half.flags & flag::OWN));
    let Some((address, id, own)) = opened else { return };
    let key = permit_key((address, id), remote.0, flow.protocol);
    let now = world.now();
    // One permit serves every session of these two hosts.
    if world.sessions().update(&key, |permit| permit.seen = now).is_some() {
        return;
    }
    let half = halves::half(world.settings(), now, flow.class, Rewrite::Address, inside, own);
    let _full = halves::put_alone(world, &key, &half, Reason::Contended);
}
