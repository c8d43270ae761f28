//! What the benchmark's programs and its runner share: sizes of maps, words of their values, words of a frame.
//!
//! Frames are written and read as eight 8-byte words from the Ethernet header on, since that is what a processor does at
//! once: word 3 is IPv4 checksum, source and the first half of the destination; word 4 the other half, then six bytes of
//! the transport header. A flow number ends the frame's first 64 bytes. Machines with the least byte first are meant.

/// Frames that the kernel makes and hands on at a time (`BPF_F_TEST_XDP_LIVE_FRAMES`).
pub const BATCH: u64 = 64;
/// Most flows of one test.
pub const FLOWS: u32 = 1 << 20;
/// Entries of the flow table: outbound flows, then inbound ones.
pub const FLOW_ENTRIES: u32 = 2 * FLOWS;
/// Words of a frame that a program touches.
pub const WORDS: usize = 8;

/// A flow: word 3 of its frames; word 4 without its last two bytes, and instead of them its *tail*, two bytes that
/// [`template`] puts in their place.
pub type Flow = [u64; 2];
/// What the sink has seen of a flow: the words of a [`Flow`], the tail being the bytes at 40; the epoch of the look.
pub type Record = [u64; 3];

/// Words of the template: the frame's, then these.
pub mod template {
    /// The interface to send to (low half), the first entry of the flow table (high half).
    pub const OUTPUT: usize = 8;
    /// Number of flows.
    pub const FLOWS: usize = 9;
    /// By how many bits the tail is shifted in word 5; 64 and more: in word 6, by so many less 64.
    pub const TAIL: usize = 10;
    /// Number of words.
    pub const WORDS: usize = 11;
}

/// Words of the generator's state.
pub mod state {
    /// Packets made.
    pub const COUNT: usize = 0;
    /// Packets to be made.
    pub const LIMIT: usize = 1;
    /// The flow of the next packet.
    pub const NEXT: usize = 2;
    /// When the last batch began, ns of the monotonic clock; 0 before the first.
    pub const LAST: usize = 3;
    /// Number of words.
    pub const WORDS: usize = 4;
}

/// Words of what the sink is told.
pub mod sink {
    /// The IP protocol that is counted and ends here; 0 for none: everything goes on to the stack.
    pub const PROTOCOL: usize = 0;
    /// The epoch to record flows under; 0 to count only.
    pub const EPOCH: usize = 1;
    /// Number of words.
    pub const WORDS: usize = 2;
}

/// Batches whose duration falls into one bucket: how many, and the sum of their durations, ns.
pub type Bucket = [u64; 2];
/// Buckets of durations, four to a power of two.
pub const BUCKETS: u32 = 4 * 40;

/// The bucket of a duration in ns, 4 at least.
#[inline(always)]
pub const fn bucket(ns: u64) -> u32 {
    let power = 63 - (ns | 4).leading_zeros();
    let place = 4 * power + ((ns >> (power - 2)) & 3) as u32;
    if place < BUCKETS { place } else { BUCKETS - 1 }
}

/// The shortest duration of a bucket, ns.
pub const fn shortest(bucket: u32) -> u64 {
    let power = bucket / 4;
    if power < 2 { 0 } else { (4 + bucket as u64 % 4) << (power - 2) }
}

/// Where bare forwarding sends frames: word 0 of the frame, the low half of word 1.
pub type Hop = [u64; 2];
/// Entry of the hop for what arrives from the LAN.
pub const TO_WAN: u32 = 0;
/// Entry of the hop for what arrives from the WAN.
pub const TO_LAN: u32 = 1;
