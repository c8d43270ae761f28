//! IPsec: plain ESP by SPI with learning, many clients to one server, and IKE where port 500 is kept.
//!
//! RFC 4303, RFC 2408/2409, RFC 7296; the limits of it all in RFC 3715. `conformance.md` sections 7 and 8.
//!
//! The trouble with ESP: the SPI of an inbound packet was chosen by the inside host and told to the server under
//! encryption. The first packet with a new inbound SPI is therefore given to a host by evidence (`learn`), and the
//! evidence is kept clean by letting the clients of one server make new associations one after the other
//! (`turns`); whether it leaves room for doubt is kept account of (`debts`). What cannot be known is dropped and counted, never guessed and never copied.
//!
//! Here: [`ike_outbound`] and [`ike_inbound`] read every IKE packet, [`esp`](esp()) every ESP packet without a session; [`floated`] and [`refresh`] hear of
//! other things that happen to a host.
//!
//! Left out, so that nobody looks for it: packets are not queued (rules 4, 5, 8): who must wait is dropped, since IKE
//! retransmits and so does what goes through tunnels; of negative evidence (rule 9) only ICMP errors are read; an option to
//! copy to all candidates does not exist (`docs/decisions/0005-esp-pairing.md`); the static rule for a server inside (rule
//! 2) is a port forward, for what evidence gives to nobody. One address a
//! host (rule 1) comes by itself, the record of peers being kept per outside address; one a client is an option (`addresses`). NAT
//! traversal on UDP 4500 is ordinary UDP and never parsed. A plain switch is served by addresses alone, and not here.

mod addresses;
mod cause;
mod claims;
mod debts;
mod esp;
mod ike;
mod learn;
mod peers;
mod table;
#[cfg(test)]
mod tests;
mod turns;

pub use addresses::address;
pub use ike::{inbound as ike_inbound, outbound as ike_outbound};

use crate::abi::session::flag;
use crate::abi::{PeerKey, Reason, Session, SessionKey, Space, View};
use crate::seam::{Packet, World};
use crate::wire;

use super::{Flow, number, progress};

/// The two ends of an association and the address that the gateway shows, as one packet tells them.
#[derive(Clone, Copy)]
struct Ends {
    server: u32,
    host: u32,
    outside: u32,
}

impl Ends {
    /// The ends of an outbound packet.
    #[inline(always)]
    fn outbound<W: World>(world: &W, flow: &Flow) -> Ends {
        Ends {
            server: flow.destination,
            host: flow.source,
            outside: addresses::take(world, flow.source, flow.destination),
        }
    }

    /// Key of the server's peers.
    #[inline(always)]
    const fn peers(&self) -> PeerKey {
        PeerKey::new(self.server, self.outside, crate::abi::peers::IPSEC)
    }
}

/// The initiator SPI of an IKE packet, folded to 32 bits: the selector of its session in both directions, in
/// [`Space::InitiatorSpi`] (conformance R8). Responses and retries carry the initiator's SPI unchanged (R9).
///
/// # Errors
///
/// [`Reason::Malformed`] for less than an IKE header, or an initiator SPI of zero (Z56).
#[inline(always)]
pub fn initiator_key<P: Packet>(packet: &P, flow: &Flow) -> Result<u32, Reason> {
    let at = flow.l4_at + wire::transport::udp::LEN;
    if flow.end < at + wire::ike::LEN {
        return Err(Reason::Malformed);
    }
    let at = at + wire::ike::INITIATOR_SPI;
    let high = packet.u32(at).ok_or(Reason::Malformed)?;
    let low = packet.u32(at + 4).ok_or(Reason::Malformed)?;
    wire::ike::fold(high, low).ok_or(Reason::Malformed)
}

/// Makes the session of an ESP packet that has none.
///
/// # Errors
///
/// Why the packet is dropped: [`Reason::EspHold`], [`Reason::EspAmbiguous`], [`Reason::EspUnsolicited`],
/// [`Reason::EspConflict`], [`Reason::EspFlood`], [`Reason::PeerLimit`], or what the tables refuse.
#[inline(always)]
pub fn esp<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Result<(), Reason> {
    if flow.has(progress::OUTBOUND) {
        esp::outbound(packet, flow, world)
    } else {
        esp::inbound(packet, flow, world)
    }
}

/// The host has gone over to UDP 4500 with this server, so plain ESP from there is not for it (rule 1, E13).
#[inline(always)]
pub fn floated<W: World>(world: &W, host: u32, server: u32) {
    let ends = Ends { server, host, outside: address(world, host) };
    peers::leave(world, &ends.peers(), host);
    addresses::give_back(world, &ends);
}

/// A session of ESP or IKE is renewed. From inside: its host is still there (rule 11). From outside: a tentative
/// binding is confirmed, or removed when it is disputed or too old (rules 9 and 11); the packet in hand is then one
/// without a session.
#[inline(always)]
pub fn refresh<W: World>(world: &W, key: &SessionKey, session: &Session) {
    if key.view() == View::Outbound {
        let ends = Ends { server: key.remote(), host: key.local(), outside: session.address };
        addresses::refresh(world, &ends);
    }
    let by_address = key.selector() == 0 && key.space() == Space::Spi;
    match (key.view(), key.space()) {
        _ if by_address => {}
        (View::Outbound, Space::Spi) => esp::renew_outbound(world, key, session),
        (View::Inbound, Space::Spi) if session.has(flag::TENTATIVE) => {
            esp::renew_inbound(world, key, session)
        }
        _ => {}
    }
}

/// The host has answered a packet of this inbound SPI with an ICMP error that says that it has no use for it (3/2 or 3/3): a
/// binding that nothing has confirmed is given up, if the packet came within two seconds and the server has another client
/// (rule 9, E17).
#[inline(always)]
pub fn refused<W: World>(world: &W, host: u32, server: u32, spi: u32) {
    esp::refused(world, &Ends { server, host, outside: address(world, host) }, spi);
}

/// Key of an ESP session.
#[inline(always)]
const fn esp_key(view: View, server: u32, local: u32, spi: u32) -> SessionKey {
    SessionKey::new(view, server, local, number::ESP, Space::Spi, spi)
}
