//! The rule of this project: the data path's own code, over tables in memory.

use passthrough_common::abi::session::flag;
use passthrough_common::abi::{Class, Ranges, Reason, SessionKey, Settings, Space, Switch, Ticks, View};
use passthrough_common::seam::Table;
use passthrough_common::wire::ike::fold;

use super::rule::{Clear, Given, Micros, Rule, Sent};
use crate::vectors::{
    E, Packet, S, bodies,
    frame::{raw, udp},
    host::{Host, WAN},
    play::{Device, Fate, Place},
};

const ESP: u8 = 50;
const UDP: u8 = 17;
const IKE: u16 = 500;
/// The first client's address: 192.168.1.100.
const FIRST: u32 = 0xc0a8_0164;

/// The gateway, fast path and all.
pub struct Ours(Host);

impl Default for Ours {
    fn default() -> Ours {
        let mut host = Host::fast();
        let mut settings = Settings::DEFAULT;
        settings.wan_ifindex = WAN;
        settings.pool = Ranges::one(E);
        for class in [Class::Esp, Class::Ike] {
            settings.switches[class as usize] = Switch::Full as u8;
        }
        host.set(&settings);
        Ours(host)
    }
}

impl Ours {
    fn set_clock(&mut self, now: Micros) {
        // An hour after the machine started.
        self.0.gateway.now.set(Ticks::from_ns(3_600_000_000_000 + now * 1000));
    }

    /// Whether the binding by which it comes in is marked so.
    fn is_tentative(&self, clear: &Clear) -> bool {
        let key = |protocol, space, selector| SessionKey::new(View::Inbound, S, E, protocol, space, selector);
        let key = match *clear {
            Clear::Esp { spi, .. } => key(ESP, Space::Spi, spi),
            Clear::Ike { initiator, .. } => {
                let folded = fold((initiator >> 32) as u32, initiator as u32).expect("an initiator SPI");
                key(UDP, Space::InitiatorSpi, folded)
            }
        };
        self.0.gateway.sessions.get(&key).is_none_or(|session| session.has(flag::TENTATIVE))
    }
}

fn packet(source: u32, destination: u32, clear: &Clear) -> Packet {
    match *clear {
        Clear::Esp { spi, sequence } => raw(source, destination, ESP, &bodies::esp(spi, sequence)),
        Clear::Ike { initiator, version, exchange, flags, id } => {
            let mut bytes = bodies::ike(initiator, exchange, flags);
            bytes[17] = version;
            bytes[20..24].copy_from_slice(&id.to_be_bytes());
            udp((source, IKE), (destination, IKE), &bytes)
        }
    }
}

impl Rule for Ours {
    fn name(&self) -> &'static str {
        "passthrough"
    }

    fn outbound(&mut self, now: Micros, client: usize, clear: &Clear) -> Sent {
        self.set_clock(now);
        let outcome = self.0.send(Place::Out, &packet(FIRST + client as u32, S, clear).frame());
        match outcome.fate {
            Fate::Passed | Fate::Redirected => Sent::Passed,
            Fate::Dropped if outcome.counted[0].2 == Reason::EspHold => Sent::Held,
            Fate::Dropped => Sent::Dropped,
        }
    }

    fn inbound(&mut self, now: Micros, _owner: usize, clear: &Clear) -> Option<Given> {
        self.set_clock(now);
        let outcome = self.0.send(Place::In, &packet(S, E, clear).frame());
        if outcome.fate == Fate::Dropped {
            return None;
        }
        let address: [u8; 4] = outcome.frame[30..34].try_into().expect("an IPv4 packet");
        let client = (u32::from_be_bytes(address) - FIRST) as usize;
        Some(Given { client, tentative: self.is_tentative(clear) })
    }

    fn restart(&mut self) {
        *self = Ours::default();
    }
}
