//! One frame at one hook, with nothing in any table: every byte of it is the fuzzer's.

use passthrough_common::abi::{Class, Switch};

use super::laws;
use super::reader::Reader;
use crate::vectors::Play;
use crate::vectors::differential::{TABLES, may_note};
use crate::vectors::host::Host;
use crate::vectors::mutate;
use crate::vectors::play::{Device, Fate, Place};
use crate::vectors::state::State;

/// Places by number.
pub const PLACES: [Place; 4] = [Place::Out, Place::In, Place::Lan, Place::Own];
/// Bit of the second byte that has the header checksum made right.
pub const REPAIRED: u8 = 1;

/// Input: place, bits, frame.
///
/// # Panics
///
/// If a law is broken.
pub fn run(input: &[u8]) {
    let mut reader = Reader::new(input);
    let (place, bits) = (reader.one(&PLACES), reader.byte());
    let mut frame = reader.rest().to_vec();
    if bits & REPAIRED != 0 {
        mutate::repair(&mut frame);
    }
    let mut host = Host::default();
    let switch = if bits & 2 == 0 { Switch::Full } else { Switch::Plain };
    Play::new(&mut host).set(|settings| {
        for class in Class::SWITCHED {
            settings.switches[class as usize] = switch as u8;
        }
        settings.options ^= u32::from(bits >> 2) & 7;
    });
    let outcome = host.send(place, &frame);
    laws::of_frame(place, &frame, &outcome);
    let state = State::of(&host.gateway);
    laws::of_tables(&state);
    if outcome.fate == Fate::Dropped {
        let may = may_note(place, &outcome);
        let made = state.changes(&State::default()).map(|changes| changes.len());
        for (table, name) in TABLES.iter().enumerate().filter(|(table, _)| !may[*table]) {
            assert_eq!(made[table], 0, "G4: dropped, {:?}, and makes {name}", outcome.counted);
        }
    }
    // G2: again, it is what it was, unless it has opened something that was not there.
    if outcome.fate == Fate::Dropped && state.is_empty() {
        assert_eq!(host.send(place, &frame).counted, outcome.counted, "G2");
    }
}
