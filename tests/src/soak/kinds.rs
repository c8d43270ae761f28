//! What is sent at the gateway: a kind each of section 13 of `conformance.md`, with the frames that it consists of.
//!
//! None of it is a packet that a gateway would have to deliver to a client, such as a forged one with a live port.

use super::live::Live;
use crate::vectors::draw::Draw;
use crate::vectors::frame::Packet;

/// Whoever sends from outside and is nobody's server.
pub const X: u32 = 0xc633_6442;
/// The LAN host that sends; none of its connections is looked after.
pub const D: u32 = 0xc0a8_010d;

/// One kind of hostile input.
#[derive(Clone, Copy)]
pub struct Kind {
    /// Rows of `conformance.md`.
    pub rows: &'static str,
    /// What it is.
    pub says: &'static str,
    /// Frames of it; other ones each time.
    pub frames: fn(&mut Draw, &Live) -> Vec<Vec<u8>>,
}

/// A kind.
pub const fn kind(
    rows: &'static str,
    says: &'static str,
    frames: fn(&mut Draw, &Live) -> Vec<Vec<u8>>,
) -> Kind {
    Kind { rows, says, frames }
}

/// The frames of packets.
pub fn all(packets: impl IntoIterator<Item = Packet>) -> Vec<Vec<u8>> {
    packets.into_iter().map(|packet| packet.frame()).collect()
}

/// Random 16 bits, never zero.
pub fn word(draw: &mut Draw) -> u16 {
    1 + draw.below(0xfffe) as u16
}

/// A packet's frame with one byte replaced, and its header checksum right again.
pub fn broken(packet: &Packet, at: usize, byte: u8) -> Vec<u8> {
    let mut frame = packet.frame();
    frame[at] = byte;
    crate::vectors::mutate::repair(&mut frame);
    frame
}
