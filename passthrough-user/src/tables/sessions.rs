//! Sessions as pairs of halves, and what a pair tells: endpoints, identifiers, state.

use std::{
    collections::{HashMap, HashSet},
    net::Ipv4Addr,
};

use passthrough_common::{
    abi::{
        Class, Control, Session, SessionKey, Settings, Space, Ticks, View,
        session::{Rewrite, flag},
        settings::Idle,
    },
    session::{idle, pair, tcp},
};

/// IP protocol numbers.
const TCP: u8 = 6;
const ESP: u8 = 50;
const GRE: u8 = 47;

/// UDP port of IKE, which both ends keep where sessions go by initiator SPI (RFC 7296 section 2.23).
const IKE_PORT: u16 = 500;

/// One half of a session: an entry of the table.
pub type Half = (SessionKey, Session);

/// A session: one half or both.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Pair {
    /// The half of packets from inside, or one of packets from outside that is alone.
    half: Half,
    /// The half of packets from outside, beside one of packets from inside.
    twin: Option<Half>,
}

/// An address, with a port or identifier where the protocol has one.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Endpoint {
    /// The address.
    pub address: Ipv4Addr,
    /// Port or ICMP identifier.
    pub id: Option<u16>,
}

/// Identifiers that tell sessions apart where ports do not; those that the session's protocol has.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Ids {
    /// PPTP: call ID that the inside end assigned.
    pub call_inside: Option<u16>,
    /// PPTP: the same as the outside sees it.
    pub call_outside: Option<u16>,
    /// PPTP: call ID that the server assigned.
    pub call_server: Option<u16>,
    /// GRE v0: key.
    pub gre_key: Option<u32>,
    /// ESP: SPI of packets from inside.
    pub spi_out: Option<u32>,
    /// ESP: SPI of packets from outside.
    pub spi_in: Option<u32>,
    /// IKE on port 500: initiator SPI, folded to 32 bits.
    pub initiator_spi: Option<u32>,
    /// L2TP on a kept port: tunnel ID that the inside end assigned.
    pub tunnel_inside: Option<u16>,
    /// The same as the outside sees it.
    pub tunnel_outside: Option<u16>,
}

/// Puts halves together. Permits and quotes, which only help others, are left out, and so is what is over.
pub fn pairs(entries: &HashMap<SessionKey, Session>, settings: &Settings, now: Ticks) -> Vec<Pair> {
    let mut used: HashSet<SessionKey> = HashSet::new();
    let mut pairs = Vec::new();
    let of_view = |view| entries.iter().filter(move |(key, _)| key.view() == view);
    for (key, session) in of_view(View::Outbound).chain(of_view(View::Inbound)) {
        if !used.insert(*key) {
            continue;
        }
        let twin = pair::twin(key, session)
            .and_then(|twin| entries.get(&twin).map(|session| (twin, *session)))
            .filter(|(twin, _)| !used.contains(twin));
        if let Some((twin, _)) = twin {
            used.insert(twin);
        }
        if idle::is_over(settings, now, key, session, twin.as_ref().map(|(_, session)| session)) {
            continue;
        }
        let own = (*key, *session);
        pairs.push(match (key.view(), twin) {
            (View::Inbound, Some(twin)) => Pair { half: twin, twin: Some(own) },
            (_, twin) => Pair { half: own, twin },
        });
    }
    pairs.sort_by_key(|pair| {
        let (class, inside, server) = (pair.class() as u8, pair.inside(), pair.server());
        (class, inside.address, inside.id, server.address, server.id)
    });
    pairs
}

impl Pair {
    /// The half of packets from inside.
    pub fn outbound(&self) -> Option<Half> {
        self.halves().find(|(key, _)| key.view() == View::Outbound)
    }

    /// The half of packets from outside.
    pub fn inbound(&self) -> Option<Half> {
        self.halves().find(|(key, _)| key.view() == View::Inbound)
    }

    fn halves(&self) -> impl Iterator<Item = Half> {
        std::iter::once(self.half).chain(self.twin)
    }

    /// The class.
    pub fn class(&self) -> Class {
        self.half.1.class()
    }

    /// The IP protocol number.
    pub fn protocol(&self) -> u8 {
        self.half.0.protocol()
    }

    /// Whether the gateway itself is the inside endpoint.
    pub fn is_own(&self) -> bool {
        self.half.1.has(flag::OWN)
    }

    /// The inside endpoint.
    pub fn inside(&self) -> Endpoint {
        let (key, session) = self.half;
        match key.view() {
            View::Outbound => endpoint(key.local(), local_id(&key)),
            _ => endpoint(session.address, rewritten_id(&key, &session)),
        }
    }

    /// The outside endpoint: how the session looks on the WAN side.
    pub fn outside(&self) -> Endpoint {
        let (key, session) = self.half;
        match key.view() {
            View::Outbound => endpoint(session.address, rewritten_id(&key, &session)),
            _ => endpoint(key.local(), local_id(&key)),
        }
    }

    /// The server.
    pub fn server(&self) -> Endpoint {
        let (key, _) = self.half;
        let port = match key.space() {
            Space::Ports => Some(key.remote_port()),
            Space::TunnelId => Some(pair::L2TP_PORT),
            Space::InitiatorSpi => Some(IKE_PORT),
            _ => None,
        };
        endpoint(key.remote(), port)
    }

    /// Identifiers.
    pub fn ids(&self) -> Ids {
        let mut ids = Ids::default();
        if let Some((key, session)) = self.outbound() {
            match key.space() {
                Space::CallId => {
                    ids.call_server = nonzero(key.local_id());
                    ids.call_outside = nonzero(session.id);
                }
                Space::GreKey => ids.gre_key = Some(key.selector()),
                Space::Spi if key.selector() != 0 => ids.spi_out = Some(key.selector()),
                Space::InitiatorSpi => ids.initiator_spi = Some(key.selector()),
                Space::Ports
                    if session.class() == Class::L2tp && session.rewrite() == Rewrite::Address as u8 =>
                {
                    ids.tunnel_outside = nonzero(session.id);
                }
                _ => {}
            }
        }
        if let Some((key, session)) = self.inbound() {
            match key.space() {
                Space::CallId => {
                    ids.call_inside = nonzero(session.id);
                    ids.call_outside = nonzero(key.local_id());
                }
                Space::GreKey => ids.gre_key = Some(key.selector()),
                Space::Spi if key.selector() != 0 => ids.spi_in = Some(key.selector()),
                Space::InitiatorSpi => ids.initiator_spi = Some(key.selector()),
                Space::TunnelId => {
                    ids.tunnel_outside = nonzero(key.local_id());
                    ids.tunnel_inside = nonzero(session.id);
                }
                _ => {}
            }
        }
        ids
    }

    /// Time since its last packet, either way.
    pub fn idle(&self, now: Ticks) -> Ticks {
        self.halves().map(|(_, session)| now.since(session.seen)).min().unwrap_or_default()
    }

    /// Its state, in a word.
    pub fn state(&self) -> &'static str {
        let any = |flags| self.halves().any(|(_, session)| session.has(flags));
        match (self.protocol(), self.outbound(), self.inbound()) {
            _ if any(flag::TENTATIVE) => "tentative",
            (TCP, Some((_, one)), Some((_, other))) => {
                let fins = [one, other].iter().filter(|half| half.has(flag::FIN)).count();
                match (tcp::idle(&one, &other), fins) {
                    _ if any(flag::RST) => "reset",
                    (_, 2) => "closing",
                    (Idle::TcpEstablished, 1) => "half-closed",
                    (Idle::TcpEstablished, _) => "established",
                    _ => "opening",
                }
            }
            (TCP, ..) => "opening",
            (ESP, ..) if any(flag::LEARNED) => "learned",
            (ESP, ..) => "certain",
            (GRE, Some(_), None) | (GRE, None, Some(_)) if self.class() == Class::Pptp => "opening",
            (_, Some((_, one)), Some((_, other))) if one.packets() > 0 && other.packets() > 0 => "active",
            _ => "one-way",
        }
    }

    /// Packets and bytes of a half; zero where it is missing.
    pub fn traffic(half: Option<Half>) -> (u64, u64) {
        half.map_or((0, 0), |(_, session)| (session.packets(), session.bytes()))
    }

    /// The PPTP calls that this session controls, if it is a control connection.
    pub fn calls<'a>(&self, controls: &'a HashMap<SessionKey, Control>) -> Option<&'a Control> {
        self.outbound().and_then(|(key, _)| controls.get(&key))
    }
}

fn endpoint(address: u32, id: Option<u16>) -> Endpoint {
    Endpoint { address: Ipv4Addr::from(address), id }
}

fn nonzero(id: u16) -> Option<u16> {
    (id != 0).then_some(id)
}

/// Port or identifier at the local end of a key, where its space counts in them.
fn local_id(key: &SessionKey) -> Option<u16> {
    match key.space() {
        Space::Ports | Space::Identifier => Some(key.local_id()),
        Space::TunnelId => Some(pair::L2TP_PORT),
        Space::InitiatorSpi => Some(IKE_PORT),
        _ => None,
    }
}

/// Port or identifier after the rewrite.
fn rewritten_id(key: &SessionKey, session: &Session) -> Option<u16> {
    let rewrites = session.rewrite() == Rewrite::Port as u8 || session.rewrite() == Rewrite::Identifier as u8;
    if rewrites { Some(session.id) } else { local_id(key) }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    pub(crate) fn half(class: Class, rewrite: Rewrite, address: [u8; 4], id: u16, flags: u8) -> Session {
        let mut half = Session::new(class, rewrite, (u32::from(Ipv4Addr::from(address)), id), flags);
        half.seen = Ticks(100);
        for _ in 0..3 {
            half.count(100);
        }
        half
    }

    pub(crate) const SERVER: u32 = u32::from_be_bytes([9, 9, 9, 9]);
    pub(crate) const INSIDE: u32 = u32::from_be_bytes([192, 168, 1, 10]);
    pub(crate) const OUTSIDE: u32 = u32::from_be_bytes([5, 6, 7, 8]);

    /// A UDP session of both halves, and an ESP session of an inbound half alone.
    pub(crate) fn entries() -> HashMap<SessionKey, Session> {
        HashMap::from([
            (
                SessionKey::ports(View::Outbound, (SERVER, 53), (INSIDE, 5000), 17),
                half(Class::Udp, Rewrite::Port, [5, 6, 7, 8], 5001, flag::USED),
            ),
            (
                SessionKey::ports(View::Inbound, (SERVER, 53), (OUTSIDE, 5001), 17),
                half(Class::Udp, Rewrite::Port, [192, 168, 1, 10], 5000, flag::USED),
            ),
            (
                SessionKey::new(View::Inbound, SERVER, OUTSIDE, ESP, Space::Spi, 0xc0ff_ee00),
                half(Class::Esp, Rewrite::Address, [192, 168, 1, 10], 0, flag::LEARNED),
            ),
            (
                SessionKey::ports(View::Permit, (SERVER, 0), (OUTSIDE, 5001), 17),
                half(Class::Udp, Rewrite::Port, [192, 168, 1, 10], 5000, 0),
            ),
        ])
    }

    #[test]
    fn halves_find_each_other_and_helpers_are_left_out() {
        let pairs = pairs(&entries(), &Settings::DEFAULT, Ticks(110));
        assert_eq!(pairs.len(), 2);
        let udp = pairs[0];
        assert!(udp.outbound().is_some() && udp.inbound().is_some());
        assert_eq!(udp.inside(), endpoint(INSIDE, Some(5000)));
        assert_eq!(udp.outside(), endpoint(OUTSIDE, Some(5001)));
        assert_eq!(udp.server(), endpoint(SERVER, Some(53)));
        assert_eq!(udp.state(), "active");
        assert_eq!(udp.idle(Ticks(110)), Ticks(10));
    }

    #[test]
    fn an_inbound_half_alone_tells_as_much() {
        let pairs = pairs(&entries(), &Settings::DEFAULT, Ticks(110));
        let esp = pairs[1];
        assert_eq!(esp.inside(), endpoint(INSIDE, None));
        assert_eq!(esp.outside(), endpoint(OUTSIDE, None));
        assert_eq!(esp.ids(), Ids { spi_in: Some(0xc0ff_ee00), ..Ids::default() });
        assert_eq!(esp.state(), "learned");
    }

    #[test]
    fn a_session_that_is_over_is_not_shown() {
        assert!(pairs(&entries(), &Settings::DEFAULT, Ticks(100).plus(Ticks::from_secs(4000))).is_empty());
        let mut off = Settings::DEFAULT;
        off.generations[Class::Esp as usize] = 1;
        assert_eq!(pairs(&entries(), &off, Ticks(110)).len(), 1);
    }

    #[test]
    fn the_call_ids_of_a_pptp_call_come_from_both_halves() {
        let call = |view, local, id| SessionKey::new(view, SERVER, local, GRE, Space::CallId, id);
        let mut inbound = half(Class::Pptp, Rewrite::CallId, [192, 168, 1, 10], 7, flag::USED);
        inbound.mark = 900 << 16 | 40000;
        let entries = HashMap::from([
            (
                call(View::Outbound, INSIDE, 900),
                half(Class::Pptp, Rewrite::Address, [5, 6, 7, 8], 8, flag::USED),
            ),
            (call(View::Inbound, OUTSIDE, 8), inbound),
        ]);
        let pairs = pairs(&entries, &Settings::DEFAULT, Ticks(110));
        assert_eq!(pairs.len(), 1);
        let ids = pairs[0].ids();
        assert_eq!((ids.call_inside, ids.call_outside, ids.call_server), (Some(7), Some(8), Some(900)));
    }
}
