//! Vectors: a sentence, its rows of `conformance.md`, and frames with what must become of each.
//!
//! One vector runs on the host, through [`host::Host`], and in the kernel, through [`kernel::Kernel`] by test-run of the
//! real programs, and must answer alike. What goes in and what must come out is built by [`frame`], which computes
//! every checksum in full and knows nothing of the code under test.

pub mod age;
pub mod bodies;
pub mod cases;
pub mod corpus;
pub mod differential;
pub mod draw;
pub mod fast;
pub mod frame;
pub mod host;
pub mod kernel;
pub mod line;
pub mod mutate;
pub mod play;
pub mod six;
pub mod state;

use std::panic::{AssertUnwindSafe, catch_unwind};

pub use frame::Packet;
pub use play::{Device, Outcome, Play};

/// LAN host A.
pub const A: u32 = 0xc0a8_010a;
/// LAN host B.
pub const B: u32 = 0xc0a8_010b;
/// LAN host C.
pub const C: u32 = 0xc0a8_010c;
/// The gateway's inside address.
pub const L: u32 = 0xc0a8_0101;
/// The gateway's outside address.
pub const E: u32 = 0xcb00_7101;
/// The router outside.
pub const R: u32 = 0xcb00_71fe;
/// Server S.
pub const S: u32 = 0xc633_640a;
/// Server T.
pub const T: u32 = 0xc633_6414;
/// Addresses that no public host has (RFC 6890), one of each block.
pub const MARTIANS: [u32; 10] = [
    0x0001_0203,
    0x0a00_0001,
    0x6440_0001,
    0x7f00_0001,
    0xa9fe_0001,
    0xac10_0001,
    0xc000_0001,
    0xc0a8_6301,
    0xe000_0005,
    0xf000_0001,
];

/// One vector.
#[derive(Clone, Copy)]
pub struct Vector {
    /// What must hold.
    pub says: &'static str,
    /// Rows of `conformance.md`.
    pub rows: &'static str,
    /// Why the kernel cannot run it, if it cannot.
    pub host_only: Option<&'static str>,
    /// Whether the gateway draws random numbers in it, so that the bytes of two runs differ.
    pub draws: bool,
    /// Sends the frames.
    pub play: fn(&mut Play<'_>),
}

/// A vector that runs everywhere.
pub const fn vector(says: &'static str, rows: &'static str, play: fn(&mut Play<'_>)) -> Vector {
    Vector { says, rows, host_only: None, draws: false, play }
}

impl Vector {
    /// The same, on the host only, and why.
    #[must_use]
    pub const fn host_only(mut self, why: &'static str) -> Vector {
        self.host_only = Some(why);
        self
    }

    /// The same, with random numbers in its bytes.
    #[must_use]
    pub const fn draws(mut self) -> Vector {
        self.draws = true;
        self
    }

    /// Runs it on a device that is as new; what became of each frame, or what went wrong.
    pub fn run(&self, device: &mut dyn Device) -> Result<Vec<Outcome>, String> {
        let played = catch_unwind(AssertUnwindSafe(|| {
            let mut play = Play::new(device);
            (self.play)(&mut play);
            play.into_trace()
        }));
        played.map_err(|panic| {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            let text = text.or_else(|| panic.downcast_ref::<&str>().copied()).unwrap_or("panicked");
            format!("[{}] {}: {text}", self.rows, self.says)
        })
    }
}

/// Runs vectors on the host; fails with every sentence that does not hold.
///
/// # Panics
///
/// If one fails: this is what tests call.
pub fn hold_on_host(vectors: &[Vector]) {
    let failed: Vec<_> =
        vectors.iter().filter_map(|vector| vector.run(&mut host::Host::default()).err()).collect();
    assert!(failed.is_empty(), "{} of {} vectors fail:\n{}", failed.len(), vectors.len(), failed.join("\n"));
}

/// Runs vectors on the host, with the fast path before the steps; how many frames it has moved.
///
/// # Panics
///
/// If one fails.
pub fn hold_on_fast_host(vectors: &[Vector]) -> usize {
    let mut moved = 0;
    let mut failed = Vec::new();
    for vector in vectors {
        let mut host = host::Host::fast();
        failed.extend(vector.run(&mut host).err());
        moved += host.moved;
    }
    assert!(failed.is_empty(), "{} of {} vectors fail:\n{}", failed.len(), vectors.len(), failed.join("\n"));
    moved
}
