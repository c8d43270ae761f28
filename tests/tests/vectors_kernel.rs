//! The vectors through the real programs: test-run of TC, alone and with XDP before it, must answer as the host does.

use passthrough_tests::vectors::kernel::{Before, Kernel, now, with_kernel};
use passthrough_tests::vectors::{Outcome, Vector, cases, host};

/// Frames that must at least take the fast path, so that one that does nothing fails.
const MOVED: usize = 380;

/// How often a vector is played that takes part of two seconds each time.
const TRIES: usize = 10;

#[test]
fn every_vector_gets_one_answer_on_the_host_and_in_tc() {
    assert_eq!(play(Before::Nothing), 0);
}

#[test]
fn every_vector_gets_one_answer_on_the_host_and_in_xdp() {
    let moved = play(Before::Xdp);
    assert!(moved >= MOVED, "only {moved} frames took the fast path");
}

#[test]
fn every_vector_gets_one_answer_on_the_host_and_in_the_fast_path_of_tc() {
    let moved = play(Before::Tc);
    assert!(moved >= MOVED, "only {moved} frames took the fast path");
}

/// Plays every vector with or without a fast path; how many frames took it.
fn play(before: Before) -> usize {
    let (played, failed, moved) = with_kernel(passthrough_user::loader::OBJECT, |kernel| {
        kernel.before = before;
        let fast = before != Before::Nothing;
        let (mut played, mut failed) = (0, kernel.refused.clone());
        for (topic, vectors) in cases::ALL {
            for vector in vectors.iter().filter(|vector| vector.host_only.is_none()) {
                played += 1;
                let problem = play_in_one_second(vector, fast, kernel)?;
                failed.extend(problem.map(|problem| format!("{topic}: {problem}")));
            }
        }
        Ok((played, failed, kernel.moved))
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
    assert!(
        failed.is_empty(),
        "{} of {played} vectors fail in the kernel:\n{}",
        failed.len(),
        failed.join("\n")
    );
    moved
}

/// What went wrong. The host's clock stands still in a vector and the kernel's does not: one that fails while a second
/// ends, with which limits by the second begin anew, says nothing and is played again.
fn play_in_one_second(vector: &Vector, fast: bool, kernel: &mut Kernel) -> anyhow::Result<Option<String>> {
    let mut problem = None;
    for _ in 0..TRIES {
        kernel.renew()?;
        let second = now().coarse();
        problem = vector.run(kernel).and_then(|there| compare(vector, fast, &there)).err();
        if problem.is_none() || now().coarse() == second {
            break;
        }
    }
    Ok(problem)
}

/// Whether the host's answers are the kernel's, byte for byte where nothing is drawn at random.
fn compare(vector: &Vector, fast: bool, there: &[Outcome]) -> Result<(), String> {
    let mut host = if fast { host::Host::fast() } else { host::Host::default() };
    let here = vector.run(&mut host)?;
    for (index, (here, there)) in here.iter().zip(there).enumerate() {
        let same = here.fate == there.fate
            && here.counted == there.counted
            && (vector.draws || here.frame == there.frame);
        if !same {
            return Err(format!(
                "[{}] {}: frame {index}: the host says {here:?}, the kernel {there:?}",
                vector.rows, vector.says
            ));
        }
    }
    if here.len() == there.len() { Ok(()) } else { Err(format!("{}: another number of frames", vector.says)) }
}
