//! Fuzz target: PPTP's control stream, and the GRE of its calls.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| passthrough_tests::fuzz::pptp::run(input));
