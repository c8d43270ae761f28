//! An outside address of its own for each IPsec client of one server, as an option ([`option::IPSEC_ADDRESSES`]).
//!
//! Who shares its address with no other client of a server needs no learning there: the record of a server's clients is one for
//! each outside address, and a single candidate is bound at once. So all that is done here is to choose an address.
//!
//! A host *holds* one for its IPsec, towards every server, so that IKE, ESP and NAT-T of one association show the same, and one
//! inside endpoint keeps one outside endpoint (RFC 4787 REQ-1). It is chosen with the first server: the first of
//! [`TRIES`], from the host's paired one on, that no other client of this server has *taken*. Where all are taken the host
//! holds its paired one, and is told apart as without the option. Both are entries of the session table, which live as
//! long as ESP's own.
//!
//! NAT-T takes none, since it needs none: it goes by the address that the host holds, and gives back what IKE took before.
//! A host that a forward of IKE or ESP leads to keeps the address by which it is called.

use crate::abi::session::Rewrite;
use crate::abi::settings::{Idle, option};
use crate::abi::{Class, Event, Forward, Reason, SessionKey, Space, View};
use crate::proto::{endpoint, halves, number};
use crate::seam::{Table, World};

use super::Ends;

/// How many addresses are tried for a host.
const TRIES: u32 = 8;

/// Under which stands what a host holds.
#[inline(always)]
const fn held_key(host: u32) -> SessionKey {
    SessionKey::new(View::Held, 0, host, number::ESP, Space::Host, 0)
}

/// Under which stands who has taken an address with a server.
#[inline(always)]
const fn taken_key(server: u32, outside: u32) -> SessionKey {
    SessionKey::new(View::Taken, server, outside, number::ESP, Space::Host, 0)
}

/// The outside address of a host's IPsec.
#[inline(always)]
pub fn address<W: World>(world: &W, host: u32) -> u32 {
    if !world.settings().has(option::IPSEC_ADDRESSES) {
        return endpoint::outside_address(world, host);
    }
    match held(world, host) {
        0 => endpoint::outside_address(world, host),
        held => held,
    }
}

/// The outside address of a host's IPsec with this server, chosen now if the host holds none.
#[inline(always)]
pub fn take<W: World>(world: &W, host: u32, server: u32) -> u32 {
    let paired = endpoint::outside_address(world, host);
    if !world.settings().has(option::IPSEC_ADDRESSES) || paired == host {
        return paired;
    }
    choose(world, &Ends { server, host, outside: paired })
}

/// The address that a host holds; 0 if it holds none of the pool.
#[inline(never)]
fn held<W: World>(world: &W, host: u32) -> u32 {
    let (now, limit) = (world.now(), world.settings().idle(Idle::Esp));
    let held = world.sessions().update(&held_key(host), |held| {
        if now.since(held.seen) > limit {
            return 0;
        }
        held.seen = now;
        held.address
    });
    let held = held.unwrap_or(0);
    if world.settings().is_outside_address(held) { held } else { 0 }
}

/// What the host holds, or the first address from its paired one on, `ends.outside`, that is free with the server.
#[inline(never)]
fn choose<W: World>(world: &W, ends: &Ends) -> u32 {
    let held = held(world, ends.host);
    if held != 0 {
        // With another server it may be another client's already: then learning tells them apart.
        claim(world, ends, held);
        return held;
    }
    if is_called(world, ends.host) {
        return ends.outside;
    }
    let pool = &world.settings().pool;
    let (count, mut position) = (pool.count(), pool.position(ends.outside));
    let mut attempt = 0;
    while attempt < TRIES {
        let address = pool.at(position);
        if claim(world, ends, address) {
            note(world, &held_key(ends.host), address);
            return address;
        }
        // After the last comes the first.
        position = if position.wrapping_add(1) == count { 0 } else { position.wrapping_add(1) };
        attempt += 1;
    }
    world.event(Event::AddressShared);
    note(world, &held_key(ends.host), ends.outside);
    ends.outside
}

/// Whether a forward of IKE or ESP leads to this host.
#[inline(always)]
fn is_called<W: World>(world: &W, host: u32) -> bool {
    world.forwards().get(&Forward::inside(number::UDP, (host, 500))).is_some()
        || world.forwards().get(&Forward::inside(number::ESP, (host, 0))).is_some()
}

/// Takes an address with the server, if no other host has it there.
#[inline(never)]
fn claim<W: World>(world: &W, ends: &Ends, address: u32) -> bool {
    let key = taken_key(ends.server, address);
    let (now, limit) = (world.now(), world.settings().idle(Idle::Esp));
    // Whether it is the host's, and whether it is anybody's any longer.
    let taken = world.sessions().update(&key, |taken| {
        let own = taken.address == ends.host;
        let live = own || now.since(taken.seen) <= limit;
        if own {
            taken.seen = now;
        }
        (own, live)
    });
    if let Some((own, true)) = taken {
        return own;
    }
    halves::remove_alone(world, &key);
    note(world, &key, ends.host)
}

/// Puts an address under a key, over what is there; `false` if there is no room.
#[inline(never)]
fn note<W: World>(world: &W, key: &SessionKey, address: u32) -> bool {
    let (settings, now) = (world.settings(), world.now());
    let there = world.sessions().update(key, |noted| {
        noted.address = address;
        noted.seen = now;
    });
    if there.is_some() {
        return true;
    }
    let half = halves::half(settings, now, Class::Esp, Rewrite::Address, (address, 0), 0);
    halves::put_alone(world, key, &half, Reason::Contended).is_ok()
}

/// A session of the host is in use: what it holds stays, and what it has taken.
#[inline(never)]
pub fn refresh<W: World>(world: &W, ends: &Ends) {
    if !world.settings().has(option::IPSEC_ADDRESSES) {
        return;
    }
    let now = world.now();
    world.sessions().update(&held_key(ends.host), |held| held.seen = now);
    world.sessions().update(&taken_key(ends.server, ends.outside), |taken| {
        if taken.address == ends.host {
            taken.seen = now;
        }
    });
}

/// The host needs its address with this server no longer for itself alone.
#[inline(always)]
pub fn give_back<W: World>(world: &W, ends: &Ends) {
    let key = taken_key(ends.server, ends.outside);
    if world.settings().has(option::IPSEC_ADDRESSES)
        && world.sessions().update(&key, |taken| taken.address == ends.host) == Some(true)
    {
        halves::remove_alone(world, &key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::{Range, Ranges, Ticks};
    use crate::seam::host::Gateway;

    const S: u32 = 0xc633_640a;
    const T: u32 = 0xc633_6414;
    const A: u32 = 0xc0a8_010a;

    fn gateway(addresses: u32) -> Gateway {
        let mut gateway = Gateway::default();
        gateway.settings.pool = Ranges::of(&[Range { first: 0xcb00_7101, count: addresses }]);
        gateway.settings.options |= option::IPSEC_ADDRESSES;
        gateway
    }

    fn distinct(addresses: impl Iterator<Item = u32>) -> usize {
        addresses.collect::<std::collections::HashSet<_>>().len()
    }

    #[test]
    fn clients_of_a_server_have_an_address_each_while_there_are_any() {
        for addresses in 1..=8 {
            let gateway = gateway(addresses);
            let taken = (A..A + addresses).map(|host| take(&gateway, host, S));
            assert_eq!(distinct(taken), addresses as usize, "all of a pool of {addresses}");
            assert_eq!(gateway.events.borrow().get(&(Event::AddressShared as u8)), None);
            let late = A + 8;
            assert_eq!(take(&gateway, late, S), endpoint::outside_address(&gateway, late), "none was left");
            assert_eq!(take(&gateway, late, S), endpoint::outside_address(&gateway, late));
            assert_eq!(gateway.events.borrow().get(&(Event::AddressShared as u8)), Some(&1));
        }
    }

    /// Proves: U1.
    #[test]
    fn a_host_shows_one_address_to_every_server_and_by_every_protocol() {
        let gateway = gateway(4);
        for host in A..A + 4 {
            let shown = take(&gateway, host, S);
            assert_eq!((take(&gateway, host, T), address(&gateway, host)), (shown, shown));
        }
        assert_eq!(address(&gateway, A + 4), endpoint::outside_address(&gateway, A + 4), "none is held");
    }

    #[test]
    fn what_is_not_used_any_more_is_free_and_what_is_used_is_not() {
        let gateway = gateway(2);
        let (a, b) = (take(&gateway, A, S), take(&gateway, A + 1, S));
        for _ in 0..2 {
            gateway.wait(Ticks::from_secs(3000));
            refresh(&gateway, &Ends { server: S, host: A, outside: a });
        }
        assert_eq!(take(&gateway, A + 2, S), b);
        assert_eq!(take(&gateway, A, S), a);
        give_back(&gateway, &Ends { server: S, host: A + 1, outside: b });
        give_back(&gateway, &Ends { server: S, host: A, outside: a });
        assert_eq!(take(&gateway, A + 3, S), a, "given back by A alone");
    }

    #[test]
    fn a_server_inside_keeps_the_address_by_which_it_is_called() {
        let gateway = gateway(8);
        let home = endpoint::outside_address(&gateway, A);
        let rival =
            (A + 1..).find(|host| endpoint::outside_address(&gateway, *host) == home).expect("one of eight");
        assert_eq!(take(&gateway, rival, S), home);
        gateway.forward(number::UDP, 500, (A, 500));
        assert_eq!(take(&gateway, A, S), home);
        assert_ne!(take(&gateway, A + 2, S), home);
    }

    #[test]
    fn an_address_that_has_left_the_pool_is_held_by_nobody() {
        let mut gateway = gateway(4);
        take(&gateway, A, S);
        gateway.settings.pool = Ranges::one(7);
        assert_eq!((address(&gateway, A), take(&gateway, A, S)), (7, 7));
    }
}
