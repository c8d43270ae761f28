//! The packets of the benchmark: bytes of a flow's first 64, with right checksums, and the words that the generator takes.

use super::layout::{Flow as FlowWords, Record, WORDS, template};
use crate::peers::internet_checksum;

/// Bytes that differ between packets; what follows is zero.
pub const HEAD: usize = 8 * WORDS;
const ETHERNET: usize = 14;
const TRANSPORT: usize = 34;
/// Where the flow number is.
const NUMBER: usize = 60;
const TTL: u8 = 64;

/// What the packets are.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
pub enum Traffic {
    /// UDP.
    Udp,
    /// Data segments of established TCP connections.
    Tcp,
    /// Data of PPTP calls: enhanced GRE.
    Gre,
    /// ESP.
    Esp,
    /// L2TP data messages to UDP 1701.
    L2tp,
}

impl Traffic {
    /// All of them.
    pub const ALL: [Traffic; 5] = [Traffic::Udp, Traffic::Tcp, Traffic::Gre, Traffic::Esp, Traffic::L2tp];

    /// Its name in tests.
    pub const fn name(self) -> &'static str {
        match self {
            Traffic::Udp => "udp",
            Traffic::Tcp => "tcp",
            Traffic::Gre => "gre",
            Traffic::Esp => "esp",
            Traffic::L2tp => "l2tp",
        }
    }

    /// IP protocol number.
    pub const fn protocol(self) -> u8 {
        match self {
            Traffic::Udp | Traffic::L2tp => 17,
            Traffic::Tcp => 6,
            Traffic::Gre => 47,
            Traffic::Esp => 50,
        }
    }

    /// Where the two bytes are that end a flow's words: a checksum, or GRE's call ID; ESP has none that differ.
    const fn tail(self) -> usize {
        match self {
            Traffic::Tcp => 50,
            _ => 40,
        }
    }
}

/// Which TCP segment; nothing for other traffic.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Segment {
    /// The client's first.
    Syn,
    /// The server's first.
    SynAck,
    /// The client's second.
    Ack,
    /// Data after that, from either.
    Data,
}

/// Sequence numbers of the two ends' SYN.
const CLIENT_SEQUENCE: u32 = 1000;
const SERVER_SEQUENCE: u32 = 5000;

/// Addresses and selector of a flow's packets in one direction.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Flow {
    /// Source address, in host byte order.
    pub source: u32,
    /// Destination address, in host byte order.
    pub destination: u32,
    /// Source port in the high half and destination port in the low; call ID; SPI.
    pub selector: u32,
}

impl Flow {
    /// The flow that a record shows.
    pub fn of_record(traffic: Traffic, record: &Record) -> Flow {
        let mut head = [0u8; HEAD];
        head[24..32].copy_from_slice(&record[0].to_le_bytes());
        let rest = record[1].to_le_bytes();
        head[32..38].copy_from_slice(&rest[..6]);
        head[40..42].copy_from_slice(&rest[6..]);
        let word = |at: usize| u32::from_be_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        let selector = match traffic {
            Traffic::Gre => u32::from(u16::from_be_bytes([head[40], head[41]])),
            _ => word(TRANSPORT),
        };
        Flow { source: word(26), destination: word(30), selector }
    }
}

/// What all packets of a run have in common.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shape {
    /// What they are.
    pub traffic: Traffic,
    /// Bytes of a frame, without its check sequence.
    pub size: u16,
    /// Whether they come from inside.
    pub outbound: bool,
    /// Which TCP segment.
    pub segment: Segment,
    /// Destination and source address of the link.
    pub link: [[u8; 6]; 2],
}

impl Shape {
    /// The first 64 bytes of a flow's packet.
    pub fn head(&self, number: u32, flow: &Flow) -> [u8; HEAD] {
        let mut head = [0u8; HEAD];
        let total = self.size - ETHERNET as u16;
        put(&mut head, 0, &self.link[0]);
        put(&mut head, 6, &self.link[1]);
        put(&mut head, 12, &[8, 0, 0x45, 0]);
        put(&mut head, 16, &total.to_be_bytes());
        put(&mut head, 20, &[0x40, 0, TTL, self.traffic.protocol()]);
        put(&mut head, 26, &flow.source.to_be_bytes());
        put(&mut head, 30, &flow.destination.to_be_bytes());
        let sum = internet_checksum(&head[ETHERNET..TRANSPORT]);
        put(&mut head, 24, &sum.to_be_bytes());
        put(&mut head, NUMBER, &number.to_le_bytes());
        let length = total - 20;
        match self.traffic {
            Traffic::Gre => {
                // Key, sequence number and acknowledgement present, version 1 (RFC 2637 section 4.1).
                put(&mut head, TRANSPORT, &[0x30, 0x81, 0x88, 0x0b]);
                put(&mut head, TRANSPORT + 4, &(length - 16).to_be_bytes());
                put(&mut head, TRANSPORT + 6, &(flow.selector as u16).to_be_bytes());
                put(&mut head, TRANSPORT + 8, &[0, 0, 0, 1, 0, 0, 0, 1]);
            }
            Traffic::Esp => {
                put(&mut head, TRANSPORT, &flow.selector.to_be_bytes());
                put(&mut head, TRANSPORT + 4, &1u32.to_be_bytes());
            }
            Traffic::Udp | Traffic::L2tp => {
                put(&mut head, TRANSPORT, &flow.selector.to_be_bytes());
                put(&mut head, TRANSPORT + 4, &length.to_be_bytes());
                if self.traffic == Traffic::L2tp {
                    // A data message without options, version 2 (RFC 2661 section 3.1): tunnel 1, session 1.
                    put(&mut head, TRANSPORT + 8, &[0, 2, 0, 1, 0, 1]);
                }
                self.put_checksum(&mut head, TRANSPORT + 6, length);
            }
            Traffic::Tcp => {
                put(&mut head, TRANSPORT, &flow.selector.to_be_bytes());
                let (flags, sequence, acknowledged) = self.numbers();
                put(&mut head, TRANSPORT + 4, &sequence.to_be_bytes());
                put(&mut head, TRANSPORT + 8, &acknowledged.to_be_bytes());
                put(&mut head, TRANSPORT + 12, &[0x50, flags, 0xff, 0xff]);
                self.put_checksum(&mut head, TRANSPORT + 16, length);
            }
        }
        head
    }

    /// What a sink notes of a flow's packet that a router has forwarded, whose time to live is one less.
    pub fn noted(&self, number: u32, flow: &Flow) -> FlowWords {
        let mut head = self.head(number, flow);
        head[22] = TTL - 1;
        head[24..26].fill(0);
        let sum = internet_checksum(&head[ETHERNET..TRANSPORT]);
        put(&mut head, 24, &sum.to_be_bytes());
        [word(&head, 3), word(&head, 4) << 16 >> 16 | word(&head, 5) << 48]
    }

    /// Whether a packet arrived with right checksums, as far as the sink notes them: IP's, and UDP's.
    pub fn is_sound(&self, number: u32, record: &Record) -> bool {
        let right = self.noted(number, &Flow::of_record(self.traffic, record));
        // Zero has two forms.
        let same = |one: u64, other: u64| one == other || (one.min(other) == 0 && one.max(other) == 0xffff);
        let (ip, udp) = (same(right[0] & 0xffff, record[0] & 0xffff), same(right[1] >> 48, record[1] >> 48));
        ip && udp && right[0] >> 16 == record[0] >> 16 && right[1] << 16 == record[1] << 16
    }

    /// Flags, sequence number and acknowledgement.
    const fn numbers(&self) -> (u8, u32, u32) {
        match (self.segment, self.outbound) {
            (Segment::Syn, _) => (0x02, CLIENT_SEQUENCE, 0),
            (Segment::SynAck, _) => (0x12, SERVER_SEQUENCE, CLIENT_SEQUENCE + 1),
            (Segment::Ack, _) => (0x10, CLIENT_SEQUENCE + 1, SERVER_SEQUENCE + 1),
            (Segment::Data, true) => (0x18, CLIENT_SEQUENCE + 1, SERVER_SEQUENCE + 1),
            (Segment::Data, false) => (0x18, SERVER_SEQUENCE + 1, CLIENT_SEQUENCE + 1),
        }
    }

    /// Over the head alone: the rest is zero.
    fn put_checksum(&self, head: &mut [u8; HEAD], at: usize, length: u16) {
        let mut bytes = Vec::with_capacity(12 + HEAD - TRANSPORT);
        bytes.extend(&head[26..TRANSPORT]);
        bytes.extend([0, self.traffic.protocol()]);
        bytes.extend(length.to_be_bytes());
        bytes.extend(&head[TRANSPORT..]);
        let sum = internet_checksum(&bytes);
        let sum = if sum == 0 && self.traffic.protocol() == 17 { 0xffff } else { sum };
        put(head, at, &sum.to_be_bytes());
    }

    /// A whole frame.
    pub fn frame(&self, number: u32, flow: &Flow) -> Vec<u8> {
        let mut frame = self.head(number, flow).to_vec();
        frame.resize(usize::from(self.size), 0);
        frame
    }

    /// A flow as the generator takes it.
    pub fn words(&self, number: u32, flow: &Flow) -> FlowWords {
        let head = self.head(number, flow);
        let tail = self.traffic.tail();
        let tail = u64::from(u16::from_le_bytes([head[tail], head[tail + 1]]));
        [word(&head, 3), word(&head, 4) << 16 >> 16 | tail << 48]
    }

    /// What the generator puts a flow's words into: packets for `interface`, flows from entry `base` on.
    pub fn template(&self, interface: u32, base: u32, flows: u32) -> [u64; template::WORDS] {
        let none = Flow { source: 0, destination: 0, selector: 0 };
        let mut head = self.head(0, &none);
        let tail = self.traffic.tail();
        head[tail..tail + 2].fill(0);
        let mut words = [0; template::WORDS];
        for (at, place) in words.iter_mut().enumerate().take(WORDS) {
            *place = word(&head, at);
        }
        words[3] = 0;
        words[4] = words[4] >> 48 << 48;
        words[template::OUTPUT] = u64::from(interface) | u64::from(base) << 32;
        words[template::FLOWS] = u64::from(flows);
        words[template::TAIL] = (tail as u64 - 40) * 8;
        words
    }
}

fn put(head: &mut [u8; HEAD], at: usize, bytes: &[u8]) {
    head[at..at + bytes.len()].copy_from_slice(bytes);
}

fn word(head: &[u8; HEAD], at: usize) -> u64 {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&head[8 * at..8 * at + 8]);
    u64::from_le_bytes(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shape(traffic: Traffic) -> Shape {
        let link = [[2, 0, 0, 0, 0, 1], [2, 0, 0, 0, 0, 2]];
        Shape { traffic, size: 64, outbound: true, segment: Segment::Data, link }
    }

    const FLOW: Flow = Flow { source: 0x0a42_0001, destination: 0xc612_0001, selector: 0x2710_1b58 };

    /// What the generator does with template and flow.
    fn generated(shape: &Shape, number: u32) -> [u8; HEAD] {
        let (like, flow) = (shape.template(7, 0, 1), shape.words(number, &FLOW));
        let mut words = [0u64; WORDS];
        words.copy_from_slice(&like[..WORDS]);
        words[3] = flow[0];
        words[4] |= flow[1] << 16 >> 16;
        let shift = like[template::TAIL];
        words[5 + shift as usize / 64] |= flow[1] >> 48 << (shift % 64);
        words[7] |= u64::from(number) << 32;
        let mut head = [0; HEAD];
        for (at, word) in words.iter().enumerate() {
            put(&mut head, 8 * at, &word.to_le_bytes());
        }
        head
    }

    #[test]
    fn what_the_generator_makes_is_the_packet() {
        for traffic in Traffic::ALL {
            let shape = shape(traffic);
            assert_eq!(generated(&shape, 77), shape.head(77, &FLOW), "{traffic:?}");
        }
    }

    #[test]
    fn checksums_are_right() {
        for traffic in [Traffic::Udp, Traffic::Tcp, Traffic::L2tp] {
            for size in [64, 1400] {
                let frame = Shape { size, ..shape(traffic) }.frame(5, &FLOW);
                assert_eq!(internet_checksum(&frame[14..34]), 0);
                let mut pseudo = frame[26..34].to_vec();
                pseudo.extend([0, traffic.protocol()]);
                pseudo.extend((size - 34).to_be_bytes());
                pseudo.extend(&frame[34..]);
                assert_eq!(internet_checksum(&pseudo), 0, "{traffic:?} {size}");
            }
        }
    }

    #[test]
    fn a_wrong_checksum_is_seen() {
        for traffic in Traffic::ALL {
            let selector = if traffic == Traffic::Gre { 0x2710 } else { FLOW.selector };
            let shape = shape(traffic);
            let [one, two] = shape.noted(5, &Flow { selector, ..FLOW });
            assert!(shape.is_sound(5, &[one, two, 1]), "{traffic:?}");
            assert!(!shape.is_sound(5, &[one ^ 0x100, two, 1]), "{traffic:?}");
            if traffic == Traffic::Udp {
                assert!(!shape.is_sound(5, &[one, two ^ 1 << 50, 1]));
                assert!(!shape.is_sound(6, &[one, two, 1]));
            }
        }
    }

    #[test]
    fn a_record_tells_the_flow_again() {
        for traffic in Traffic::ALL {
            let selector = if traffic == Traffic::Gre { 0x2710 } else { FLOW.selector };
            let flow = Flow { selector, ..FLOW };
            let head = shape(traffic).head(5, &flow);
            let record = [word(&head, 3), word(&head, 4) << 16 >> 16 | word(&head, 5) << 48, 1];
            assert_eq!(Flow::of_record(traffic, &record), flow, "{traffic:?}");
        }
    }
}
