//! Law: damaged and random frames get the same answer from the host's code and from the programs in the kernel.

use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use passthrough_tests::vectors::differential::{self, Tally};
use passthrough_tests::vectors::kernel::with_kernel;

/// Frames of a run, unless `PASSTHROUGH_FRAMES` says otherwise; `PASSTHROUGH_SEED` repeats one.
const FRAMES: u64 = 60_000;
/// From so many frames on, every processor takes its share, with programs and a namespace of its own.
const MANY: u64 = 1_000_000;
/// How often a long run tells how far it is.
const TOLD: Duration = Duration::from_secs(10);

/// Proves: G2, G4, G6.
#[test]
fn damaged_frames_get_one_answer_on_the_host_and_in_the_kernel() {
    let number = |name: &str| std::env::var(name).ok().and_then(|value| value.parse::<u64>().ok());
    let frames = number("PASSTHROUGH_FRAMES").unwrap_or(FRAMES);
    let seed =
        number("PASSTHROUGH_SEED").unwrap_or_else(|| u64::from(std::process::id()) << 32 | 0x9e37_79b9);
    println!("PASSTHROUGH_SEED={seed}");
    let tally = run(seed, frames).unwrap_or_else(|error| panic!("PASSTHROUGH_SEED={seed}: {error:#}"));
    println!("{tally:#?}");
    assert_eq!(tally.frames, frames);
    assert!(tally.alike * 10 > frames * 8, "too few frames say anything: {tally:?}");
    assert!(tally.moved * 20 > frames, "the fast path has hardly been used: {tally:?}");
}

/// Sends so many frames, in as many threads as there are processors if they are many.
fn run(seed: u64, frames: u64) -> Result<Tally> {
    let threads =
        if frames < MANY { 1 } else { thread::available_parallelism().map_or(1, |count| count.get() as u64) };
    let shares: Vec<u64> =
        (0..threads).map(|thread| frames / threads + u64::from(thread < frames % threads)).collect();
    let started = Instant::now();
    let done = Mutex::new((vec![Tally::default(); shares.len()], started));
    let tell = |thread: usize, tally: &Tally| {
        let Ok(mut done) = done.lock() else { return };
        done.0[thread] = *tally;
        if done.1.elapsed() > TOLD {
            done.1 = Instant::now();
            let sent: u64 = done.0.iter().map(|tally| tally.frames).sum();
            let rate = sent as f64 / started.elapsed().as_secs_f64();
            println!("{sent} of {frames} frames, {rate:.0} a second");
        }
    };
    thread::scope(|scope| {
        let tell = &tell;
        let work = |(thread, share): (usize, u64)| {
            scope.spawn(move || {
                let seed = seed.wrapping_add(2 * thread as u64);
                with_kernel(passthrough_user::loader::OBJECT, |kernel| {
                    differential::run(kernel, seed, share, &|tally| tell(thread, tally))
                })
                .with_context(|| format!("thread {thread}, which repeats as PASSTHROUGH_SEED={seed}"))
            })
        };
        let running: Vec<_> = shares.iter().copied().enumerate().map(work).collect();
        let mut total = Tally::default();
        for thread in running {
            total.add(&thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))?);
        }
        Ok(total)
    })
}
