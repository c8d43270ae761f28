//! Law: any bytes at any hook get a verdict and one counter, and what is dropped changes no session (conformance G4, G6).

use std::collections::HashMap;

use passthrough_common::abi::{
    Binding, BindingKey, Class, Direction, Reason, Session, SessionKey, Switch, Ticks,
};
use passthrough_tests::vectors::Play;
use passthrough_tests::vectors::corpus::corpus;
use passthrough_tests::vectors::frame::checksum;
use passthrough_tests::vectors::host::Host;
use passthrough_tests::vectors::play::{Device, Fate, Place};
use proptest::prelude::*;

const PLACES: [Place; 4] = [Place::Out, Place::Own, Place::In, Place::Lan];

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

/// Every binding counts sessions, and is noted at its inside end if, and only if, its port is another one there.
fn bindings_are_whole(bindings: &HashMap<BindingKey, Binding>) -> bool {
    bindings.iter().all(|(key, binding)| {
        let other = BindingKey::new(key.direction().reversed(), binding.address, binding.id, key.protocol());
        let twin = bindings.get(&other).map(|twin| (twin.address, twin.id));
        let noted = twin == Some((key.address(), key.id()));
        match key.direction() {
            Direction::Inbound => binding.sessions > 0 && noted == (key.id() != binding.id),
            Direction::Outbound => noted,
        }
    })
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 1_000, failure_persistence: None, ..ProptestConfig::default() })]

    /// Proves: G4, G6.
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
