//! The fast path in vectors: where it is entered, and how what it sends out compares with what the steps answer.

use passthrough_common::abi::Side;
use passthrough_common::path::Hook;
use passthrough_common::wire::checksum;

use super::play::{Counted, Fate, Outcome, Place};

/// Bytes of the addresses in an Ethernet header.
const ADDRESSES: usize = 12;
/// Time to live and protocol of an untagged IPv4 packet, and its header's checksum.
const TTL: usize = 22;
const CHECKSUM: usize = 24;

/// Where a frame at this place has come by the fast path before; `None` if it has not.
pub const fn entry(place: Place) -> Option<(Side, Hook)> {
    match place {
        Place::Out => Some((Side::Inside, Hook::LanIngress)),
        Place::In => Some((Side::Outside, Hook::WanIngress)),
        Place::Own | Place::Lan => None,
    }
}

/// The outcome of a frame that the fast path has moved, as the steps would have it.
///
/// They leave the Ethernet header to the kernel, and at WAN egress the time to live has been taken down before.
///
/// # Panics
///
/// If the addresses are not those of a frame that the gateway sends.
pub fn as_the_steps_answer(place: Place, sent: &[u8], mut moved: Vec<u8>, counted: Vec<Counted>) -> Outcome {
    assert_eq!(moved[6..ADDRESSES], [2, 0, 0, 0, 0, 1], "the source is the gateway's interface");
    assert_eq!(moved[..2], [2, 0], "the destination is a neighbour's");
    moved[..ADDRESSES].copy_from_slice(&sent[..ADDRESSES]);
    let fate = match place {
        Place::Out => {
            let before = [moved[TTL], moved[TTL + 1]];
            moved[TTL] += 1;
            let after = [moved[TTL], moved[TTL + 1]];
            let delta = checksum::delta16(u16::from_be_bytes(before), u16::from_be_bytes(after));
            let sum = u16::from_be_bytes([moved[CHECKSUM], moved[CHECKSUM + 1]]);
            moved[CHECKSUM..][..2].copy_from_slice(&checksum::apply(sum, delta).to_be_bytes());
            Fate::Passed
        }
        _ => Fate::Redirected,
    };
    Outcome { fate, frame: moved, counted }
}
