//! Law: damaged and random frames get the same answer from the host's code and from the programs in the kernel.

use passthrough_tests::vectors::differential;
use passthrough_tests::vectors::kernel::with_kernel;

/// Frames of a run, unless `PASSTHROUGH_FRAMES` says otherwise; `PASSTHROUGH_SEED` repeats one.
const FRAMES: usize = 60_000;

/// Proves: G2, G6.
#[test]
fn damaged_frames_get_one_answer_on_the_host_and_in_the_kernel() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let frames = number("PASSTHROUGH_FRAMES").map_or(FRAMES, |frames| frames as usize);
    let seed =
        number("PASSTHROUGH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 32 | 0x9e37_79b9);
    println!("PASSTHROUGH_SEED={seed}");
    let tally =
        with_kernel(passthrough_user::loader::OBJECT, |kernel| differential::run(kernel, seed, frames))
            .unwrap_or_else(|error| panic!("PASSTHROUGH_SEED={seed}: {error:#}"));
    println!("{tally:?}");
    assert!(tally.alike * 10 > frames as u64 * 8, "too few frames say anything: {tally:?}");
    assert!(tally.moved * 20 > frames as u64, "the fast path has hardly been used: {tally:?}");
}
