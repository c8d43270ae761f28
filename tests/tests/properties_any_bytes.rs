//! Law: any bytes at any hook get a verdict and one counter, and what is dropped changes no session (conformance G4, G6).

use std::collections::HashMap;

use passthrough_common::abi::{
    Binding, BindingKey, Class, Direction, Reason, Session, SessionKey, Switch, Ticks,
};
use passthrough_tests::vectors::frame::{Packet, checksum, echo, icmp_error, raw, tcp, udp};
use passthrough_tests::vectors::host::Host;
use passthrough_tests::vectors::play::{Device, Fate, Place};
use passthrough_tests::vectors::{A, B, C, E, Play, R, S, T, bodies, six};
use proptest::prelude::*;

const PLACES: [Place; 4] = [Place::Out, Place::Own, Place::In, Place::Lan];

/// Frames as their protocols have them, in both directions.
fn corpus() -> Vec<Vec<u8>> {
    let mut packets: Vec<Packet> = Vec::new();
    for (near, far) in [(A, S), (B, S), (C, T), (S, E), (T, E), (A, E), (E, S)] {
        packets.extend([
            udp((near, 5000), (far, 53), b"some data"),
            udp((near, 53), (far, 5000), b"some data"),
            udp((near, 500), (far, 500), &bodies::ike(1, 34, 8)),
            udp((near, 500), (far, 500), &bodies::ike(2, 36, 0x20)),
            udp((near, 4500), (far, 4500), &bodies::esp(7, 1)),
            udp((near, 1701), (far, 1701), &bodies::l2tp_control(0, 1, Some(5))),
            udp((near, 1701), (far, 1701), &bodies::l2tp_data(5)),
            tcp((near, 1025), (far, 1723), 0x02, b"").numbered(9, 0),
            tcp((near, 1723), (far, 1025), 0x12, b"").numbered(89, 10),
            tcp((near, 1025), (far, 1723), 0x18, &bodies::pptp(7, 0x0801, 0, 0)).numbered(10, 90),
            tcp((near, 1723), (far, 1025), 0x18, &bodies::pptp(8, 0x5500, 0x0801, 1)).numbered(90, 178),
            tcp((near, 1025), (far, 1723), 0x18, &bodies::pptp(12, 0x0801, 0, 0)).numbered(178, 122),
            tcp((near, 1723), (far, 1025), 0x14, b"").numbered(122, 178),
            raw(near, far, 47, &bodies::gre(0x0801, 1, Some(2), b"ppp")),
            raw(near, far, 47, &bodies::gre(0x5500, 1, None, b"ppp")),
            raw(near, far, 47, &bodies::gre_v0(Some(1), b"data")),
            raw(near, far, 47, &bodies::gre_v0(None, b"data")),
            raw(near, far, 50, &bodies::esp(0x1001, 1)),
            raw(near, far, 50, &bodies::esp(0x2001, 40)),
            raw(near, far, 51, &[4; 24]),
            raw(near, far, 4, &[0x45; 40]),
            raw(near, far, 115, &[1; 24]),
            echo(8, near, far, 7),
            echo(0, near, far, 7),
            udp((near, 5000), (far, 53), b"x").options(&[1, 1, 148, 4, 0, 0]),
        ]);
        packets.extend(udp((near, 5000), (far, 53), &[7; 120]).fragments(&[40, 40]));
        packets.extend(raw(near, far, 50, &[7; 120]).fragments(&[40]));
        let quoted = [
            udp((far, 53), (near, 5000), b"x"),
            udp((far, 5000), (near, 53), b"x"),
            raw(far, near, 50, &bodies::esp(0x1001, 1)),
            raw(far, near, 47, &bodies::gre(0x5500, 1, None, b"x")),
            udp((far, 500), (near, 500), &bodies::ike(1, 34, 8)),
        ];
        packets.extend(quoted.iter().map(|quote| icmp_error(near, far, [3, 4], 1400, &quote.ip_bytes())));
    }
    packets.push(icmp_error(R, E, [3, 4], 1400, &udp((E, 5000), (S, 53), b"x").ip_bytes()));
    let tagged = udp((A, 5000), (S, 53), b"x").tags(&[[0x88a8, 0], [0x8100, 0]]);
    packets.push(tagged);
    let mut frames: Vec<_> = packets.iter().map(Packet::frame).collect();
    for packet in [six::outbound(17, &six::udp(500, 500)), six::inbound(6, &six::tcp(80, 5000))] {
        frames.push(packet.clone().behind(six::extension(0, 0)).behind(six::fragment(0, true, 9)).frame());
        frames.push(packet.clone().behind(six::authentication()).frame());
        frames.push(packet.frame());
    }
    frames
}

/// A frame: one of the corpus, damaged here and there, or nothing but noise.
#[derive(Clone, Debug)]
struct Sent {
    place: usize,
    pick: prop::sample::Index,
    damage: Vec<(prop::sample::Index, u8)>,
    /// Whether the damaged header gets a right checksum again.
    repaired: bool,
    length: Option<prop::sample::Index>,
    noise: Option<Vec<u8>>,
}

fn sent() -> impl Strategy<Value = Sent> {
    (
        0..PLACES.len(),
        any::<prop::sample::Index>(),
        prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..4),
        any::<bool>(),
        prop::option::weighted(0.1, any::<prop::sample::Index>()),
        prop::option::weighted(0.05, prop::collection::vec(any::<u8>(), 0..200)),
    )
        .prop_map(|(place, pick, damage, repaired, length, noise)| Sent {
            place,
            pick,
            damage,
            repaired,
            length,
            noise,
        })
}

impl Sent {
    fn frame(&self, corpus: &[Vec<u8>]) -> Vec<u8> {
        if let Some(noise) = &self.noise {
            return noise.clone();
        }
        let mut frame = self.pick.get(corpus).clone();
        for (at, byte) in &self.damage {
            // Headers are what hurts: most damage is done there.
            let at = at.index(frame.len().min(if byte % 3 == 0 { 300 } else { 80 }));
            frame[at] = *byte;
        }
        if self.repaired && frame[12..14] == [8, 0] {
            let header = (usize::from(frame[14] & 15) * 4).clamp(20, frame.len() - 14);
            frame[24..26].fill(0);
            let sum = checksum(&frame[14..14 + header], 0);
            frame[24..26].copy_from_slice(&sum.to_be_bytes());
        }
        if let Some(length) = &self.length {
            frame.truncate(length.index(frame.len()));
        }
        frame
    }
}

/// What is in the tables that hold sessions.
fn state(host: &Host) -> (HashMap<SessionKey, Session>, HashMap<BindingKey, Binding>) {
    let (sessions, bindings) = (host.gateway.sessions.dump(), host.gateway.bindings.dump());
    (sessions.into_iter().collect(), bindings.into_iter().collect())
}

/// Every binding has both its ends, and a count of sessions that is not zero.
fn bindings_are_whole(bindings: &HashMap<BindingKey, Binding>) -> bool {
    bindings.iter().all(|(key, binding)| {
        let other = BindingKey::new(key.direction().reversed(), binding.address, binding.id, key.protocol());
        let counted = key.direction() == Direction::Inbound || binding.sessions > 0;
        counted
            && bindings.get(&other).is_some_and(|twin| (twin.address, twin.id) == (key.address(), key.id()))
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_bytes_get_a_verdict_and_what_is_dropped_changes_no_session(
        frames in prop::collection::vec(sent(), 1..60),
        switches in prop::collection::vec(0..3u8, 15),
        options in 0..16u32,
        filtering in 0..3u8,
    ) {
        let corpus = corpus();
        let mut host = Host::default();
        let mut play = Play::new(&mut host);
        play.set(|settings| {
            for (class, switch) in switches.iter().enumerate().skip(3) {
                // Full more often than not: that is where the work is.
                settings.switches[class] = if *switch == 0 { Switch::Off as u8 } else { *switch };
            }
            settings.switches[Class::Other as usize] = Switch::Full as u8;
            settings.options = options;
            settings.filtering = [filtering; 2];
        });
        let mut before = state(&host);
        for sent in &frames {
            let frame = sent.frame(&corpus);
            let place = PLACES[sent.place];
            let outcome = host.send(place, &frame);
            prop_assert!(outcome.counted.len() <= 1);
            prop_assert!(outcome.counted.len() == 1 || (place == Place::Lan && outcome.fate != Fate::Dropped));
            let reason = outcome.counted.first().map(|(_, _, reason)| *reason);
            // A stream that lost its framing ends its calls. Who must wait is known from then on. A client is heard
            // even when it speaks badly. A hairpinned packet has gone half its way.
            let may_change = place == Place::Lan
                || matches!(reason, Some(Reason::PptpMalformed | Reason::PptpGap | Reason::EspHold))
                || (place != Place::In && reason == Some(Reason::L2tpMalformed));
            let after = state(&host);
            if outcome.fate == Fate::Dropped && !may_change {
                prop_assert!(before == after, "{:?} changed a session at {:?}", outcome.counted, place);
            }
            prop_assert!(bindings_are_whole(&after.1));
            before = after;
            host.gateway.wait(Ticks(7));
        }
    }
}
