//! Tunnel IDs and the halves found by them: one for each tunnel inbound, one for each client outbound.

use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::Idle;
use crate::abi::{Class, Event, Reason, Session, SessionKey, Space, View};
use crate::proto::{halves, hosts, number};
use crate::seam::{Table, World};
use crate::session::pair::L2TP_PORT;

/// Most outside tunnel IDs that are tried for one.
const TRIES: u32 = 8;

/// A client of a server.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Client {
    /// The server.
    pub server: u32,
    /// The outside address under which the server knows the client.
    pub outside: u32,
    /// The client.
    pub host: u32,
}

/// Key of the inbound half of a tunnel that the server knows by this ID.
#[inline(always)]
pub const fn inbound_key(server: u32, outside: u32, tunnel: u16) -> SessionKey {
    SessionKey::new(View::Inbound, server, outside, number::UDP, Space::TunnelId, tunnel as u32)
}

#[inline(always)]
const fn outbound_key(client: &Client) -> SessionKey {
    SessionKey::ports(View::Outbound, (client.server, L2TP_PORT), (client.host, L2TP_PORT), number::UDP)
}

/// What an ICMP error from outside quotes: a client's message, with the tunnel ID that the server assigned.
#[inline(always)]
pub const fn quoted_key(server: u32, outside: u32, tunnel: u16) -> SessionKey {
    SessionKey::new(View::Quoted, server, outside, number::UDP, Space::TunnelId, tunnel as u32)
}

/// Whether a half at the outbound key is one of a kept port.
#[inline(always)]
fn is_kept(session: &Session) -> bool {
    session.class() == Class::L2tp && session.rewrite() == Rewrite::Address as u8
}

#[inline(always)]
fn half<W: World>(world: &W, rewrite: Rewrite, from: u32, to: (u32, u16)) -> Session {
    let settings = world.settings();
    let flags = hosts::own_flag(settings, from) & hosts::own_flag(settings, to.0);
    halves::half(settings, world.now(), Class::L2tp, rewrite, to, flags)
}

/// Stands for no tunnel ID: the client's session is one from before the option was set, and stays, and with it the translated
/// port.
pub const TRANSLATED: u32 = 1 << 16;

/// The outside tunnel ID that the client assigned last, 0 for none, from its outbound half; `None` if there is no such
/// half. One that is over goes first. The half does not see the message yet: it may be refused.
#[inline(never)]
pub fn last_assigned<W: World>(world: &W, client: &Client) -> Option<u32> {
    let key = outbound_key(client);
    halves::remove_if_over(world, &key);
    world.sessions().update(&key, |session| {
        if !is_kept(session) {
            TRANSLATED
        } else if session.address == client.outside {
            u32::from(session.id)
        } else {
            0
        }
    })
}

/// Has the client's outbound half see a message that passes; one that assigned a tunnel ID brings the outside ID, any other 0.
#[inline(never)]
pub fn see<W: World>(world: &W, client: &Client, assigned: u16) {
    let now = world.now();
    world.sessions().update(&outbound_key(client), |session| {
        if !is_kept(session) {
            return;
        }
        if assigned != 0 || session.address != client.outside {
            (session.address, session.id) = (client.outside, assigned);
        }
        session.seen = now;
    });
}

/// Makes the client's outbound half.
///
/// # Errors
///
/// Those of [`halves::put_alone`].
#[inline(never)]
pub fn open<W: World>(world: &W, client: &Client) -> Result<(), Reason> {
    let session = half(world, Rewrite::Address, client.host, (client.outside, 0));
    halves::put_alone(world, &outbound_key(client), &session, Reason::Contended)?;
    world.event(Event::SessionOpened);
    Ok(())
}

/// Takes the client's outbound half away again.
#[inline(always)]
pub fn close<W: World>(world: &W, client: &Client) {
    halves::remove_alone(world, &outbound_key(client));
}

/// Whose an outside tunnel ID is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Whose {
    /// Nobody's.
    Nobodys,
    /// That of a session whose time is over.
    Over,
    /// This tunnel's.
    Its,
    /// Another tunnel's.
    Others,
}

/// Looks whose an outside ID is. Its own verdict on what is over, since the verifier pays for this question once for
/// each candidate: an old generation, or both halves silent.
#[inline(never)]
fn look<W: World>(world: &W, client: &Client, tunnel: u16, id: u16) -> Whose {
    let settings = world.settings();
    let now = world.now();
    let (limit, generation) = (settings.idle[Idle::Udp as usize], settings.generation(Class::L2tp));
    let key = inbound_key(client.server, client.outside, id);
    // 0: is over. Else the inside host, if the inbound half has been silent for too long; all ones if it has not.
    let mut is_its = false;
    let found = world.sessions().update(&key, |session| {
        if session.generation != generation && !session.has(flag::OWN) {
            return 0;
        }
        is_its = session.address == client.host && session.id == tunnel;
        if now.since(session.seen) > limit { session.address } else { u32::MAX }
    });
    let host = match found {
        None => return Whose::Nobodys,
        Some(0) => return Whose::Over,
        Some(_) if is_its => return Whose::Its,
        Some(u32::MAX) => return Whose::Others,
        Some(host) => host,
    };
    let other = outbound_key(&Client { host, ..*client });
    let seen = world.sessions().update(&other, |session| session.seen);
    if seen.is_none_or(|seen| now.since(seen) > limit) { Whose::Over } else { Whose::Others }
}

/// The `attempt`-th candidate; the first is the inside ID itself. Never 0.
#[inline(always)]
fn candidate(host: u32, tunnel: u16, attempt: u32) -> u16 {
    if attempt == 0 {
        return tunnel;
    }
    let seed = host ^ (u32::from(tunnel) << 16) ^ u32::from(tunnel);
    let mixed = seed.wrapping_add(attempt.wrapping_mul(0x9e37_79b9)).wrapping_mul(0x85eb_ca6b);
    let mixed = (mixed ^ (mixed >> 13)).wrapping_mul(0xc2b2_ae35);
    let id = (mixed >> 16) as u16;
    if id == 0 { 1 } else { id }
}

/// The candidate that is this tunnel's; 0 if none is.
#[inline(never)]
fn find<W: World>(world: &W, client: &Client, tunnel: u16) -> u16 {
    let mut attempt = 0;
    while attempt < TRIES {
        let id = candidate(client.host, tunnel, attempt);
        if look(world, client, tunnel, id) == Whose::Its {
            return id;
        }
        attempt += 1;
    }
    0
}

/// The outside tunnel ID for the one that a client assigns: the same again for a retransmission (conformance L8).
///
/// The candidates follow from client and ID alone, so that a second look walks the same way; `last` shortens it, and
/// finds the entry even if an earlier candidate has become free meanwhile.
///
/// 0 if there is none, for want of a free one or of room in the table. Not a `Result`: of one in a register, LLVM reads
/// the reason before it knows that there is one, and the verifier finds a pointer where none is.
#[inline(never)]
pub fn assign<W: World>(world: &W, client: &Client, last: u16, tunnel: u16) -> u16 {
    let mut id = last;
    if last == 0 || look(world, client, tunnel, last) != Whose::Its {
        id = find(world, client, tunnel);
    }
    let now = world.now();
    let kept = world
        .sessions()
        .update(&inbound_key(client.server, client.outside, id), |session| session.seen = now);
    if id == 0 || kept.is_none() {
        // One after the other: one in the other is too much for the BPF stack.
        id = free(world, client, tunnel);
        if id != 0 && insert(world, client, tunnel, id).is_err() {
            id = 0;
        }
    }
    id
}

/// The first candidate that is free; 0 if none is.
#[inline(never)]
fn free<W: World>(world: &W, client: &Client, tunnel: u16) -> u16 {
    let mut attempt = 0;
    while attempt < TRIES {
        let id = candidate(client.host, tunnel, attempt);
        if matches!(look(world, client, tunnel, id), Whose::Nobodys | Whose::Over) {
            return id;
        }
        attempt += 1;
    }
    0
}

/// Gives an outside ID to a tunnel: the inbound half, in the place of one that is over.
///
/// # Errors
///
/// Those of [`halves::put_alone`].
#[inline(never)]
pub fn insert<W: World>(world: &W, client: &Client, tunnel: u16, id: u16) -> Result<(), Reason> {
    // Equal IDs need no edit of the header.
    let rewrite = if tunnel == id { Rewrite::Address } else { Rewrite::TunnelId };
    let key = inbound_key(client.server, client.outside, id);
    // In the place of one that is over.
    halves::remove_alone(world, &key);
    let session = half(world, rewrite, client.outside, (client.host, tunnel));
    halves::put_alone(world, &key, &session, Reason::Contended)
}

/// Remembers whose messages go to the server's tunnel ID, for ICMP errors that quote them.
#[inline(never)]
pub fn remember_quoted<W: World>(world: &W, client: &Client, tunnel: u16) {
    let key = quoted_key(client.server, client.outside, tunnel);
    let fresh = half(world, Rewrite::Address, client.outside, (client.host, 0));
    let limit = world.settings().idle[Idle::Udp as usize];
    let stays = world.sessions().update(&key, |session| {
        let over = session.generation != fresh.generation || fresh.seen.since(session.seen) > limit;
        if !over && session.address == fresh.address {
            session.seen = fresh.seen;
        }
        !over
    });
    if stays != Some(true) {
        halves::remove_alone(world, &key);
        // Without it an ICMP error finds nobody; the message itself needs it not.
        let _ = halves::put_alone(world, &key, &fresh, Reason::Contended);
    }
}

/// The ID by which the server knows a client's tunnel; 0 if it knows none. Touches nothing.
#[inline(always)]
pub fn outside_id<W: World>(world: &W, client: &Client, tunnel: u16) -> u16 {
    find(world, client, tunnel)
}
