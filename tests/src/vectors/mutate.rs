//! Frames that nobody has thought of: damaged, answered, or nothing but noise.

use passthrough_common::wire::checksum as sums;

use super::draw::Draw;
use super::frame::{checksum, ethernet};
use super::{A, B, C, E, L, R, S, T};

/// How often in a hundred a frame is damaged, and a damaged header gets a right checksum again.
const DAMAGED: u64 = 35;
const REPAIRED: u64 = 75;
/// Where an untagged packet's addresses are: damaged only into other addresses of the lab, since the host's double has
/// no routing table for all the world.
pub const ADDRESSES: std::ops::Range<usize> = 26..34;
/// Where those of an untagged IPv6 packet are.
const ADDRESSES_V6: std::ops::Range<usize> = 22..54;

/// Nothing but noise, in the frame of some protocol or of none.
pub fn noise(draw: &mut Draw) -> Vec<u8> {
    let mut frame = ethernet(*draw.one(&[0x0800, 0x86dd, 0x8100, 0x8864, 0x0806]), &[]);
    if draw.percent(10) {
        frame = draw.bytes(14);
    }
    let length = draw.below(200);
    frame.extend(draw.bytes(length));
    frame
}

/// Whether an untagged IPv4 packet's source is in the LAN.
pub fn is_from_inside(frame: &[u8]) -> bool {
    frame.get(ADDRESSES.start..ADDRESSES.start + 3) == Some(&[192, 168, 1])
}

/// Moves the inside port of UDP and TCP to one of the host's own, and mostly that of a service too: what clients share
/// has its outside port drawn.
pub fn spread(draw: &mut Draw, frame: &mut [u8]) {
    let is_transport =
        frame.len() > 42 && frame[12..15] == [8, 0, 0x45] && (frame[23] == 6 || frame[23] == 17);
    if !is_transport || !is_from_inside(frame) || frame[20..22] != [0x40, 0] {
        return;
    }
    let port = u16::from_be_bytes([frame[34], frame[35]]);
    if [500, 1701, 1723, 4500].contains(&port) && draw.percent(if port == 500 { 100 } else { 15 }) {
        return;
    }
    let own = 10_000 + 1000 * u16::from(frame[29]) + draw.below(20) as u16;
    let sum_at = if frame[23] == 6 { 50 } else { 40 };
    let sum = u16::from_be_bytes([frame[sum_at], frame[sum_at + 1]]);
    if frame[23] == 17 && sum == 0 {
        return;
    }
    let sum = sums::apply_udp(sum.max(1), sums::delta16(port, own));
    frame[34..36].copy_from_slice(&own.to_be_bytes());
    frame[sum_at..sum_at + 2].copy_from_slice(&sum.to_be_bytes());
}

/// The frame with both ends exchanged.
pub fn answer(frame: &[u8]) -> Vec<u8> {
    let mut frame = frame.to_vec();
    if frame.len() < 38 || frame[12..15] != [8, 0, 0x45] {
        return frame;
    }
    let (source, destination) = frame[26..34].split_at_mut(4);
    source.swap_with_slice(destination);
    if frame[23] == 6 || frame[23] == 17 {
        let (source, destination) = frame[34..38].split_at_mut(2);
        source.swap_with_slice(destination);
    }
    frame[22] = 64;
    repair(&mut frame);
    frame
}

/// Changes a few bytes, or cuts the frame.
pub fn damage(draw: &mut Draw, frame: &mut Vec<u8>) {
    if !draw.percent(DAMAGED) {
        return;
    }
    for _ in 0..=draw.below(3) {
        let at = 14 + draw.below(80.min(frame.len().max(15) - 14));
        if at >= frame.len() {
            continue;
        }
        let is_v6 = frame[12..14] == [0x86, 0xdd];
        if frame[12..14] == [8, 0] && ADDRESSES.contains(&at) {
            let address = *draw.one(&[A, B, C, E, L, R, S, T]);
            let start = if at < 30 { 26 } else { 30 };
            frame[start..start + 4].copy_from_slice(&address.to_be_bytes());
        } else if !(is_v6 && ADDRESSES_V6.contains(&at)) {
            frame[at] = draw.bits() as u8;
        }
    }
    if draw.percent(8) && frame.len() > 14 {
        frame.truncate(14 + draw.below(frame.len() - 14));
    }
    if draw.percent(REPAIRED) {
        repair(frame);
    }
}

/// Gives the header the checksum that it should have.
pub fn repair(frame: &mut [u8]) {
    if frame.len() < 34 || frame[12..14] != [8, 0] {
        return;
    }
    let length = usize::from(frame[14] & 0xf) * 4;
    if length < 20 || frame.len() < 14 + length {
        return;
    }
    frame[24..26].fill(0);
    let sum = checksum(&frame[14..14 + length], 0);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
}
