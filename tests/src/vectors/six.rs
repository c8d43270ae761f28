//! IPv6 frames with whatever extension headers (RFC 8200).

use super::frame::{ethernet, words};

/// LAN host A6.
pub const A6: [u8; 16] = [0x3f, 0xff, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10];
/// Server S6.
pub const S6: [u8; 16] = [0x3f, 0xff, 0, 0, 0, 3, 0, 0, 0, 0, 0, 0, 0, 0, 0, 10];

/// An IPv6 packet: headers in order, each with its number, then what the last of them leads to.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Six {
    /// Source address.
    pub source: [u8; 16],
    /// Destination address.
    pub destination: [u8; 16],
    /// Extension headers: number and bytes, whose first byte is overwritten by the number of the next.
    pub chain: Vec<(u8, Vec<u8>)>,
    /// Protocol of what follows them.
    pub protocol: u8,
    /// What follows them.
    pub payload: Vec<u8>,
    /// By how much the payload length field is wrong.
    pub longer_by: i16,
}

/// A packet from A6 to S6.
pub fn outbound(protocol: u8, payload: &[u8]) -> Six {
    Six { source: A6, destination: S6, chain: Vec::new(), protocol, payload: payload.to_vec(), longer_by: 0 }
}

/// A packet from S6 to A6.
pub fn inbound(protocol: u8, payload: &[u8]) -> Six {
    Six { source: S6, destination: A6, ..outbound(protocol, payload) }
}

/// An extension header with its length in the second byte: hop-by-hop 0, routing 43, destination 60, mobility 135,
/// HIP 139, shim6 140 (units of 8 bytes beyond the first).
pub fn extension(number: u8, units: u8) -> (u8, Vec<u8>) {
    let mut bytes = vec![0; (usize::from(units) + 1) * 8];
    bytes[1] = units;
    (number, bytes)
}

/// An authentication header of 12 bytes and an ICV of 12 (RFC 4302).
pub fn authentication() -> (u8, Vec<u8>) {
    let mut bytes = vec![0; 24];
    bytes[1] = 4;
    (51, bytes)
}

/// A fragment header: offset in units of 8 bytes.
pub fn fragment(offset: u16, more: bool, identification: u32) -> (u8, Vec<u8>) {
    let mut bytes = vec![0, 0];
    bytes.extend((offset << 3 | u16::from(more)).to_be_bytes());
    bytes.extend(identification.to_be_bytes());
    (44, bytes)
}

/// UDP ports and some data; its checksum is nobody's concern here.
pub fn udp(source: u16, destination: u16) -> Vec<u8> {
    words(&[source, destination, 12, 0x1111, 0x6461, 0x7461])
}

/// A TCP SYN; its checksum is nobody's concern here.
pub fn tcp(source: u16, destination: u16) -> Vec<u8> {
    words(&[source, destination, 0, 1, 0, 0, 0x5002, 0xfaf0, 0x1111, 0])
}

impl Six {
    /// The same behind one more extension header.
    #[must_use]
    pub fn behind(mut self, header: (u8, Vec<u8>)) -> Six {
        self.chain.push(header);
        self
    }

    /// The same with a payload length that is wrong.
    #[must_use]
    pub fn longer_by(mut self, bytes: i16) -> Six {
        self.longer_by = bytes;
        self
    }

    /// The whole frame.
    pub fn frame(&self) -> Vec<u8> {
        let mut numbers: Vec<u8> = self.chain.iter().map(|(number, _)| *number).collect();
        numbers.push(self.protocol);
        let mut rest = Vec::new();
        for (index, (_, bytes)) in self.chain.iter().enumerate() {
            rest.push(numbers[index + 1]);
            rest.extend(&bytes[1..]);
        }
        rest.extend(&self.payload);
        let length = (rest.len() as i16 + self.longer_by) as u16;
        let mut frame = ethernet(0x86dd, &[]);
        frame.extend([0x60, 0, 0, 0]);
        frame.extend(length.to_be_bytes());
        frame.extend([numbers[0], 64]);
        frame.extend(self.source);
        frame.extend(self.destination);
        frame.extend(rest);
        frame
    }
}
