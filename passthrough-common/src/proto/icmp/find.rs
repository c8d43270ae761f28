//! The session that a quoted packet belongs to, and what the quote must say to its reader.
//!
//! Looks only: no time, counter or flag of the session is touched (conformance I8).

use crate::abi::session::{Rewrite, flag};
use crate::abi::{Reason, SessionKey, Space, Switch, View};
use crate::proto::{Flow, esp_ike, halves, l2tp, number, progress};
use crate::seam::{Packet, Remote, Table, World};
use crate::session::pair::L2TP_PORT;

use super::quote::Quote;

/// UDP port of IKE (RFC 7296 section 2).
const IKE_PORT: u16 = 500;

/// Whom the translated end of a quote really is: address, identifier, and which field the quote shows it in.
///
/// One word, so that it crosses calls in one register: of a result in two, LLVM reads the half that an error leaves
/// undefined, and the verifier finds a stack pointer there.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner(u64);

impl Owner {
    /// No live session.
    const NOBODY: Owner = Owner(0);
    /// A session whose class is off.
    const SWITCHED_OFF: Owner = Owner(1 << 56);
    const FOUND: u64 = 2 << 56;

    #[inline(always)]
    const fn new(address: u32, id: u16, rewrite: Rewrite) -> Owner {
        Owner(Owner::FOUND | address as u64 | (id as u64) << 32 | (rewrite as u64) << 48)
    }

    /// The inside host, or the outside address.
    #[inline(always)]
    pub const fn address(self) -> u32 {
        self.0 as u32
    }

    /// Its port, identifier, call ID or tunnel ID.
    #[inline(always)]
    pub const fn id(self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// Whether the quote shows its identifier in the field that this rewrites.
    #[inline(always)]
    pub const fn shows(self, rewrite: Rewrite) -> bool {
        (self.0 >> 48) as u8 == rewrite as u8
    }

    #[inline(always)]
    const fn is_nobody(self) -> bool {
        self.0 == 0
    }

    #[inline(always)]
    const fn is_found(self) -> bool {
        self.0 >= Owner::FOUND
    }

    /// The same, shown by its address only.
    #[inline(always)]
    const fn by_address(self) -> Owner {
        if self.is_found() { Owner::new(self.address(), 0, Rewrite::Address) } else { self }
    }

    /// The owner, or why there is none.
    ///
    /// # Errors
    ///
    /// [`Reason::IcmpNoSession`], [`Reason::SwitchedOffError`].
    #[inline(always)]
    pub const fn found(self) -> Result<Owner, Reason> {
        if self.is_found() {
            Ok(self)
        } else if self.is_nobody() {
            Err(Reason::IcmpNoSession)
        } else {
            Err(Reason::SwitchedOffError)
        }
    }
}

/// The owner by the live session under a key.
#[inline(never)]
fn owner<W: World>(world: &W, key: &SessionKey) -> Owner {
    let Some(session) = world.sessions().get(key) else { return Owner::NOBODY };
    if !session.has(flag::OWN) && world.settings().switch(session.class()) == Switch::Off {
        return Owner::SWITCHED_OFF;
    }
    if halves::is_over(world, key, &session) {
        return Owner::NOBODY;
    }
    let rewrite = match key.space() {
        Space::Ports if session.rewrite() == Rewrite::Port as u8 => Rewrite::Port,
        Space::Identifier => Rewrite::Identifier,
        Space::CallId if matches!(key.view(), View::QuotedInside) => Rewrite::CallId,
        _ => Rewrite::Address,
    };
    Owner::new(session.address, session.id, rewrite)
}

/// The key of a session of the quote's protocol with its server.
#[inline(always)]
const fn key(view: View, local: u32, quote: &Quote, space: Space, selector: u32) -> SessionKey {
    SessionKey::new(view, quote.server(), local, quote.protocol(), space, selector)
}

/// The view of the packet that a quote shows: an error from outside is about what went out, and its source is what an
/// inbound packet's destination would be.
#[inline(always)]
const fn view(quote: &Quote) -> View {
    if quote.is_outbound() { View::Outbound } else { View::Inbound }
}

/// The owner of a quote's translated end.
#[inline(always)]
pub fn quoted<P: Packet, W: World>(packet: &P, quote: &Quote, world: &W) -> Owner {
    let found = exact(quote, world);
    if !found.is_nobody() {
        return if quote.is_in(Space::Ports) { outside_tunnel(packet, quote, world, found) } else { found };
    }
    if quote.is_in(Space::Ports) {
        return kept_port(packet, quote, world);
    }
    if quote.is_in(Space::Identifier) {
        return Owner::NOBODY;
    }
    if quote.is_in(Space::Spi) {
        let found = spi(quote, world);
        if !found.is_nobody() {
            return found;
        }
    }
    by_address(quote, world)
}

/// The owner by exactly what the quote shows.
#[inline(never)]
fn exact<W: World>(quote: &Quote, world: &W) -> Owner {
    let view = match (quote.is_outbound(), quote.space()) {
        (false, Space::CallId | Space::Spi) => View::Quoted,
        (true, Space::CallId) => View::QuotedInside,
        // Judged by `spi`.
        (true, Space::Spi) => return Owner::NOBODY,
        _ => view(quote),
    };
    // Remote port first: that is the source of what came in, and the destination of what went out.
    let turned = quote.is_in(Space::Ports) && !quote.is_outbound();
    let selector = if turned { quote.selector.rotate_left(16) } else { quote.selector };
    owner(world, &key(view, quote.local(), quote, quote.space(), selector))
}

/// The owner by SPI where the quoted packet's own entry does not tell, or not any more.
///
/// From outside: a pointer does not age with the traffic, but the outbound half that it leads to does. From inside: an
/// inbound SPI passes as it is, and its session says whose it is.
#[inline(never)]
fn spi<W: World>(quote: &Quote, world: &W) -> Owner {
    if quote.is_outbound() {
        let outside = esp_ike::address(world, quote.local());
        let found = owner(world, &key(View::Inbound, outside, quote, Space::Spi, quote.selector));
        let its = found.is_found() && found.address() == quote.local();
        return if its { Owner::new(outside, 0, Rewrite::Address) } else { Owner::NOBODY };
    }
    let pointer = key(View::Quoted, quote.local(), quote, Space::Spi, quote.selector);
    let host = world.sessions().update(&pointer, |session| session.address).unwrap_or(0);
    let found = owner(world, &key(View::Outbound, host, quote, Space::Spi, quote.selector));
    if found.is_found() { Owner::new(host, 0, Rewrite::Address) } else { found }
}

/// The owner by addresses: of a protocol whose switch is only plain, or of one of the gateway's own tunnels.
#[inline(never)]
fn by_address<W: World>(quote: &Quote, world: &W) -> Owner {
    let found = owner(world, &key(view(quote), quote.local(), quote, quote.space(), 0));
    let found = if found.is_nobody() && !quote.is_in(Space::Host) {
        owner(world, &key(view(quote), quote.local(), quote, Space::Host, 0))
    } else {
        found
    };
    found.by_address()
}

/// The owner of a port that several clients share.
#[inline(never)]
fn kept_port<P: Packet, W: World>(packet: &P, quote: &Quote, world: &W) -> Owner {
    if !quote.is_udp() {
        return Owner::NOBODY;
    }
    match quote.local_port() {
        IKE_PORT => ike(packet, quote, world).by_address(),
        L2TP_PORT if !quote.is_outbound() => l2tp_sender(packet, quote, world).by_address(),
        _ => Owner::NOBODY,
    }
}

/// The owner of a quoted IKE message, by its initiator SPI: the eight bytes behind the UDP header, if they are quoted.
#[inline(always)]
fn ike<P: Packet, W: World>(packet: &P, quote: &Quote, world: &W) -> Owner {
    if quote.l4_at + 16 > quote.end {
        return Owner::NOBODY;
    }
    let Ok(selector) = esp_ike::initiator_key(packet, &quote.flow()) else { return Owner::NOBODY };
    owner(world, &key(view(quote), quote.local(), quote, Space::InitiatorSpi, selector))
}

/// The sender of a quoted L2TP message from a kept port. It carries the tunnel ID that the server assigned; 0, or a quote
/// of the ports alone, tells nothing, unless the server has one client only.
#[inline(always)]
fn l2tp_sender<P: Packet, W: World>(packet: &P, quote: &Quote, world: &W) -> Owner {
    let (server, outside) = (quote.server(), quote.local());
    let tunnel = l2tp::tunnel_key(packet, &quote.flow()).unwrap_or(0) as u16;
    let found = owner(world, &l2tp::quoted_key(server, outside, tunnel));
    if !found.is_nobody() {
        return found;
    }
    let Some(host) = l2tp::sole(world, server, outside) else { return Owner::NOBODY };
    let half = SessionKey::ports(View::Outbound, (server, L2TP_PORT), (host, L2TP_PORT), number::UDP);
    let found = owner(world, &half);
    if found.is_found() { Owner::new(host, 0, Rewrite::Address) } else { found }
}

/// The owner, with the tunnel ID by which the server knows it, if the quote is an L2TP message to a kept port: its header
/// was rewritten if two clients chose the same ID.
#[inline(never)]
fn outside_tunnel<P: Packet, W: World>(packet: &P, quote: &Quote, world: &W, found: Owner) -> Owner {
    let kept = found.is_found() && found.shows(Rewrite::Address) && quote.local_port() == L2TP_PORT;
    if !kept || !quote.is_outbound() || !quote.is_udp() {
        return found;
    }
    let Ok(tunnel) = l2tp::tunnel_key(packet, &quote.flow()) else { return found };
    let client = l2tp::Client { server: quote.server(), outside: found.address(), host: quote.local() };
    match l2tp::outside_id(world, &client, tunnel as u16) {
        0 => found,
        id if id == tunnel as u16 => found,
        id => Owner::new(found.address(), id, Rewrite::TunnelId),
    }
}

/// Whether an error without a session is between the gateway's own stack and a peer of it: what the stack says of a
/// packet to itself, or what is said of a packet from one of its server sockets, which have no sessions.
#[inline(never)]
pub fn is_gateways_own<W: World>(flow: &Flow, quote: &Quote, world: &W) -> bool {
    if flow.has(progress::OUTBOUND) {
        return flow.source == quote.destination && world.settings().is_outside_address(flow.source);
    }
    let local = (quote.source, (quote.selector >> 16) as u16);
    let remote = (quote.destination, quote.selector as u16);
    quote.is_in(Space::Ports) && world.has_listener(local, &Remote::new(quote.protocol(), remote))
}
