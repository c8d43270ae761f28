//! Fuzz target: a gateway's life: frames both ways, time, switches.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| passthrough_tests::fuzz::path::run(input));
