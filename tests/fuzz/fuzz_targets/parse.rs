//! Fuzz target: one frame at one hook, with nothing in any table.

#![no_main]

libfuzzer_sys::fuzz_target!(|input: &[u8]| passthrough_tests::fuzz::parse::run(input));
