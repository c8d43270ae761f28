//! Programs run on their own by test-run: the sweep, and the synthetic packets of `check`.

use anyhow::Context;
use aya::programs::{SchedClassifier, TestRun, TestRunOptions};
use passthrough_common::abi::{Class, names::program};

use super::Pins;

/// Size of `struct __sk_buff`, and offsets of the fields that are used (uapi/linux/bpf.h).
const SKB_SIZE: usize = 192;
const SKB_INGRESS_IFINDEX: usize = 36;
const SKB_IFINDEX: usize = 40;
const SKB_CB: usize = 48;

/// What a sweep removes.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Sweep {
    /// Sessions of these classes, whatever their age.
    pub classes: Vec<Class>,
    /// Sessions of this inside host, as a number in host byte order.
    pub host: Option<u32>,
    /// Everything.
    pub all: bool,
}

/// Most runs of one sweep: each removes what it finds, so more than a few means that new sessions keep coming.
const RUNS: u32 = 16;

/// Removes what has expired, or what `sweep` names. Answers how many entries went.
pub fn sweep(pins: &Pins, sweep: &Sweep) -> anyhow::Result<u64> {
    let program =
        SchedClassifier::from_pin(pins.program(program::SWEEP)).context("opening the sweep program")?;
    let mut removed = 0u64;
    for _ in 0..RUNS {
        let mut context = context(0, 0);
        let mask = sweep.classes.iter().fold(0u32, |mask, class| mask | 1 << *class as u32);
        put(&mut context, SKB_CB, mask);
        put(&mut context, SKB_CB + 4, sweep.host.unwrap_or(0));
        put(&mut context, SKB_CB + 8, u32::from(sweep.all));
        let mut after = [0u8; SKB_SIZE];
        program
            .test_run(TestRunOptions {
                data_in: Some(&[0u8; 64]),
                ctx_in: Some(&context),
                ctx_out: Some(&mut after),
                ..TestRunOptions::default()
            })
            .context("running the sweep program")?;
        let count = get(&after, SKB_CB);
        removed += u64::from(count);
        if count == 0 {
            break;
        }
    }
    Ok(removed)
}

/// What became of a synthetic packet.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The program's answer, a TC action.
    pub action: i32,
    /// The frame afterwards.
    pub frame: Vec<u8>,
}

/// Sends a frame through the WAN egress program, as if it had come in by `ingress` and were to leave by `egress`.
pub fn egress(pins: &Pins, frame: &[u8], ingress: u32, egress: u32) -> anyhow::Result<Outcome> {
    let program =
        SchedClassifier::from_pin(pins.program(program::WAN_EGRESS)).context("opening the egress program")?;
    let context = context(ingress, egress);
    let mut after = vec![0u8; frame.len() + 256];
    let result = program
        .test_run(TestRunOptions {
            data_in: Some(frame),
            data_out: Some(&mut after),
            ctx_in: Some(&context),
            ..TestRunOptions::default()
        })
        .context("running the egress program")?;
    after.truncate(result.data_size_out as usize);
    Ok(Outcome { action: result.return_value as i32, frame: after })
}

fn context(ingress: u32, egress: u32) -> [u8; SKB_SIZE] {
    let mut context = [0u8; SKB_SIZE];
    put(&mut context, SKB_INGRESS_IFINDEX, ingress);
    put(&mut context, SKB_IFINDEX, egress);
    context
}

fn put(context: &mut [u8; SKB_SIZE], offset: usize, value: u32) {
    context[offset..offset + 4].copy_from_slice(&value.to_ne_bytes());
}

fn get(context: &[u8; SKB_SIZE], offset: usize) -> u32 {
    let mut word = [0u8; 4];
    word.copy_from_slice(&context[offset..offset + 4]);
    u32::from_ne_bytes(word)
}
