//! The device on the host: the decisions over tables in memory.

use passthrough_common::abi::{Settings, Side, Ticks};
use passthrough_common::path::{self, Action, Hook};
use passthrough_common::seam::host::{Frame, Gateway, arrival};
use passthrough_common::seam::{Arrival, Packet as _};

use super::fast;
use super::frame::GATEWAY_MAC;
use super::play::{Counted, Device, Fate, Outcome, Place, Sizes};

/// Index of the LAN interface, on the host and in the kernel's namespace.
pub const LAN: u32 = passthrough_common::seam::host::LAN;
/// Index of the WAN interface.
pub const WAN: u32 = passthrough_common::seam::host::WAN;

/// The gateway in memory.
#[derive(Default)]
pub struct Host {
    /// Its tables.
    pub gateway: Gateway,
    /// Whether frames go through the fast path first.
    pub fast: bool,
    /// How many frames it has moved.
    pub moved: usize,
    /// Whether what comes from the LAN meets that hook's steps too, which may remove what is over, before WAN egress.
    pub lan_first: bool,
    /// What those have counted of the last frame.
    pub counted_first: Vec<Counted>,
    /// The tables' digest when the steps began with the last frame: the fast path notes in a session where to ask for its way.
    pub digest: [u64; 6],
    zones: [u16; 2],
}

impl Host {
    /// Where a frame put at this place came from.
    pub fn arrival(&self, place: Place) -> Arrival {
        // Links and tags are those of the interface where the frame is seen; the rest is where it entered.
        match place {
            Place::Out => Arrival { vlan: self.zones[1], ..arrival(Side::Inside) },
            Place::Own => Arrival { side: None, ifindex: 0, vlan: self.zones[1], ..arrival(Side::Inside) },
            Place::In => Arrival { vlan: self.zones[1], ..arrival(Side::Outside) },
            Place::Lan => Arrival { vlan: self.zones[0], ..arrival(Side::Inside) },
        }
    }
}

/// The hook of a place.
pub const fn hook(place: Place) -> Hook {
    match place {
        Place::Out | Place::Own => Hook::WanEgress,
        Place::In => Hook::WanIngress,
        Place::Lan => Hook::LanIngress,
    }
}

impl Host {
    /// A gateway with the fast path.
    pub fn fast() -> Host {
        Host { fast: true, ..Host::default() }
    }

    /// The steps of the LAN's hook, whatever they make of a frame.
    fn run_lan(&mut self, frame: &[u8]) {
        let to_us = frame.get(..6).is_none_or(|station| station == GATEWAY_MAC);
        self.gateway.arrival.set(Arrival { to_us, ..self.arrival(Place::Lan) });
        let _ = path::run(Hook::LanIngress, &mut Frame(frame.to_vec()), &self.gateway);
        self.counted_first.extend(self.gateway.counts.borrow_mut().drain().map(|(counted, _)| counted));
    }

    /// What the fast path makes of a frame that arrives by the interface of `side`; `None` if it leaves it to the others.
    fn run_fast(&mut self, place: Place, frame: &[u8]) -> Option<Vec<u8>> {
        let (side, hook) = fast::entry(place)?;
        self.gateway.arrival.set(arrival(side));
        let mut packet = Frame(frame.to_vec());
        let gateway = &self.gateway;
        let mut port = 0;
        let verdict = path::fast::run(hook, &mut packet, gateway, &mut port, |question| {
            path::fast::ask(gateway, question)
        });
        match verdict.action() {
            Action::Redirect => {
                assert_eq!(port, if side == Side::Inside { WAN } else { LAN }, "the way out");
                Some(packet.0)
            }
            Action::Pass => {
                assert!(packet.0 == frame, "what is left to the others is as it came");
                None
            }
            other => panic!("the fast path never says {other:?}"),
        }
    }
}

impl Device for Host {
    fn set(&mut self, settings: &Settings) {
        self.gateway.settings = *settings;
    }

    fn zone(&mut self, side: Side, vlan: u16) {
        self.zones[side as usize] = vlan;
        self.gateway.ports[side as usize].vlan = vlan;
    }

    fn listen(&mut self, protocol: u8, (address, port): (u32, u16)) {
        self.gateway.listeners.borrow_mut().push((protocol, address, port));
    }

    fn forward(&mut self, protocol: u8, port: u16, to: (u32, u16)) {
        self.gateway.forward(protocol, port, to);
    }

    fn wait(&mut self, length: Ticks) {
        self.gateway.wait(length);
    }

    fn send(&mut self, place: Place, frame: &[u8]) -> Outcome {
        self.gateway.counts.borrow_mut().clear();
        self.counted_first.clear();
        if self.fast
            && let Some(moved) = self.run_fast(place, frame)
        {
            self.moved += 1;
            let counted = self.gateway.counts.borrow().keys().copied().collect();
            return fast::as_the_steps_answer(place, frame, moved, counted);
        }
        if self.lan_first && place == Place::Out {
            self.run_lan(frame);
        }
        self.digest = self.gateway.digest();
        let for_us = frame.get(..6).is_none_or(|station| station == GATEWAY_MAC);
        let to_us = for_us || matches!(place, Place::Out | Place::Own);
        self.gateway.arrival.set(Arrival { to_us, ..self.arrival(place) });
        let mut packet = Frame(frame.to_vec());
        let fate = path::run(hook(place), &mut packet, &self.gateway);
        assert_eq!(packet.len() as usize, frame.len());
        let counted: Vec<_> =
            self.gateway.counts.borrow().iter().map(|(key, count)| (*key, *count)).collect();
        assert!(counted.iter().all(|(_, count)| *count == 1), "counted twice: {counted:?}");
        let counted: Vec<_> = counted.into_iter().map(|(key, _)| key).collect();
        let reason = fate.verdict.reason();
        if let Some((_, _, counted)) = counted.first() {
            assert_eq!(reason, Some(*counted), "counted under another reason than the verdict's");
        }
        let fate = match fate.verdict.action() {
            Action::Pass => Fate::Passed,
            Action::Redirect => Fate::Redirected,
            Action::Drop => Fate::Dropped,
            other => panic!("{other:?} is no fate"),
        };
        Outcome { fate, frame: packet.0, counted }
    }

    fn sizes(&mut self) -> Sizes {
        Sizes {
            sessions: self.gateway.sessions.len(),
            bindings: self.gateway.bindings.len(),
            fragments: self.gateway.fragments.len(),
            controls: self.gateway.controls.len(),
            peers: self.gateway.peers.len(),
        }
    }
}
