//! What the fuzzer runs (`tests/fuzz`), and what `cargo test` replays from its corpora: bytes in, laws held against all
//! that comes of them.
//!
//! Every target panics where a law does not hold; a crash that was mended stays in `regressions.rs` with a sentence.

pub mod laws;
pub mod parse;
pub mod path;
pub mod pptp;
pub mod reader;
pub mod seeds;

/// What a target does with an input.
pub type Run = fn(&[u8]);

/// The targets: name, which is that of the corpus too, and body.
pub const TARGETS: [(&str, Run); 3] = [("parse", parse::run), ("path", path::run), ("pptp", pptp::run)];
