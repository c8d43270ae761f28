//! The fuzzer's corpora and every crash that it has found, replayed without it.

use std::fs;
use std::panic::catch_unwind;
use std::path::{Path, PathBuf};

use passthrough_tests::fuzz::{TARGETS, seeds};

/// The files of a target's corpus, in order.
fn corpus(target: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("fuzz/corpus").join(target);
    let entries = fs::read_dir(&folder).unwrap_or_else(|error| panic!("{}: {error}", folder.display()));
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("a file").path()).collect();
    files.sort();
    files.into_iter().map(|file| (file.clone(), fs::read(file).expect("a file is read"))).collect()
}

/// Proves: G1, G4, G6.
#[test]
fn every_input_of_the_corpora_keeps_the_laws() {
    let mut broken = Vec::new();
    for (name, run) in TARGETS {
        let files = corpus(name);
        assert!(!files.is_empty(), "the corpus of {name} is empty");
        for (file, input) in files {
            if catch_unwind(|| run(&input)).is_err() {
                broken.push(file);
            }
        }
    }
    assert!(broken.is_empty(), "inputs that break a law: {broken:?}");
}

/// Proves: G1, G4.
#[test]
fn every_vector_keeps_the_laws_too() {
    for (name, run) in TARGETS {
        for (index, seed) in seeds::of(name).iter().enumerate() {
            assert!(catch_unwind(|| run(seed)).is_ok(), "seed {index} of {name}");
        }
    }
}

/// A law that nothing could break would prove nothing.
#[test]
fn a_broken_law_is_found() {
    use passthrough_common::abi::{Class, Direction, Reason};
    use passthrough_tests::fuzz::laws;
    use passthrough_tests::vectors::frame::udp;
    use passthrough_tests::vectors::play::{Fate, Outcome, Place};
    use passthrough_tests::vectors::{A, E, S};

    let sent = udp((A, 5000), (S, 53), b"data");
    let holds = |frame: Vec<u8>, reason| {
        let counted = vec![(Class::Udp, Direction::Outbound, reason)];
        let outcome = Outcome { fate: Fate::Passed, frame, counted };
        catch_unwind(|| laws::of_frame(Place::Out, &sent.frame(), &outcome)).is_ok()
    };
    let right = sent.clone().from_end((E, 6000));
    assert!(holds(right.frame(), Reason::Forwarded));
    assert!(!holds(right.clone().wrong_by(1).frame(), Reason::Forwarded), "a wrong checksum");
    assert!(!holds(right.clone().header_wrong_by(1).frame(), Reason::Forwarded), "a wrong header checksum");
    assert!(!holds(udp((E, 6000), (S, 53), b"dada").frame(), Reason::Forwarded), "other data");
    assert!(!holds(right.clone().to(A).frame(), Reason::Forwarded), "another destination");
    assert!(!holds(right.frame(), Reason::NeedsStack), "a punt that translates");
    assert!(!holds(sent.frame(), Reason::Malformed), "a drop that passes");
    assert!(
        !holds(sent.clone().with_id(0, 6000).frame(), Reason::Forwarded),
        "an address of ours that leaves"
    );
}
