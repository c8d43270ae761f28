//! Headers and checksums: field offsets, validity, arithmetic; no policy, no state.

pub mod checksum;
