//! Frames built from their fields, every checksum computed in full: nothing of the code under test is used here.

/// IPv4 flags and fragment field: more fragments follow.
pub const MORE: u16 = 0x2000;
/// IPv4 flags and fragment field: don't fragment.
pub const DONT: u16 = 0x4000;

/// Flags of TCP (RFC 9293 section 3.1), as far as the tests set them.
pub mod flag {
    /// No more data from the sender.
    pub const FIN: u16 = 0x001;
    /// Synchronise sequence numbers.
    pub const SYN: u16 = 0x002;
    /// Reset the connection.
    pub const RST: u16 = 0x004;
    /// The acknowledgement field is significant.
    pub const ACK: u16 = 0x010;
    /// Data to be pushed, in a connection that is open: PSH with ACK.
    pub const PUSH: u16 = 0x008 | ACK;
    /// The end of a connection that is open.
    pub const FIN_ACK: u16 = FIN | ACK;
}

/// What an IPv4 packet carries.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Body {
    /// UDP.
    Udp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Whether a checksum is computed; 0 is sent otherwise.
        summed: bool,
        /// The datagram's data.
        data: Vec<u8>,
    },
    /// TCP.
    Tcp {
        /// Source and destination port.
        ports: [u16; 2],
        /// Sequence and acknowledgement number.
        numbers: [u32; 2],
        /// Reserved bits and flags: the header's 14th byte, and below bit 8 of the 13th.
        flags: u16,
        /// Options, a multiple of 4 bytes.
        options: Vec<u8>,
        /// The segment's data.
        data: Vec<u8>,
    },
    /// ICMP.
    Icmp {
        /// Type and code.
        kind: [u8; 2],
        /// The second word: identifier and sequence number of a query.
        rest: [u16; 2],
        /// What follows.
        data: Vec<u8>,
    },
    /// Any other protocol, or a fragment.
    Raw {
        /// IP protocol number.
        protocol: u8,
        /// The payload.
        bytes: Vec<u8>,
    },
}

/// An IPv4 packet with its Ethernet frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Packet {
    /// Source address.
    pub source: u32,
    /// Destination address.
    pub destination: u32,
    /// Time to live.
    pub ttl: u8,
    /// Type of service.
    pub tos: u8,
    /// Identification.
    pub identification: u16,
    /// Flags and fragment offset.
    pub fragment: u16,
    /// IP options, a multiple of 4 bytes.
    pub options: Vec<u8>,
    /// What it carries.
    pub body: Body,
    /// By how much the transport checksum is wrong, as a one's complement number.
    pub wrong_by: u16,
    /// By how much the header checksum is wrong.
    pub header_wrong_by: u16,
    /// VLAN tags, outermost first: EtherType and control information.
    pub tags: Vec<[u16; 2]>,
    /// Bytes behind the packet.
    pub padding: Vec<u8>,
}

/// A UDP packet.
pub fn udp(source: (u32, u16), destination: (u32, u16), data: &[u8]) -> Packet {
    let ports = [source.1, destination.1];
    ip(source.0, destination.0, Body::Udp { ports, summed: true, data: data.to_vec() })
}

/// A TCP segment with sequence number 1000 and acknowledgement number 2000.
pub fn tcp(source: (u32, u16), destination: (u32, u16), flags: u16, data: &[u8]) -> Packet {
    let ports = [source.1, destination.1];
    let body = Body::Tcp { ports, numbers: [1000, 2000], flags, options: Vec::new(), data: data.to_vec() };
    ip(source.0, destination.0, body)
}

/// An ICMP echo (`kind` 8) or echo reply (0).
pub fn echo(kind: u8, source: u32, destination: u32, identifier: u16) -> Packet {
    let body = Body::Icmp { kind: [kind, 0], rest: [identifier, 1], data: b"ping me".to_vec() };
    ip(source, destination, body)
}

/// An ICMP error that quotes these bytes; `mtu` is the second half of its second word.
pub fn icmp_error(source: u32, destination: u32, kind: [u8; 2], mtu: u16, quote: &[u8]) -> Packet {
    ip(source, destination, Body::Icmp { kind, rest: [0, mtu], data: quote.to_vec() })
}

/// A packet of any protocol.
pub fn raw(source: u32, destination: u32, protocol: u8, bytes: &[u8]) -> Packet {
    ip(source, destination, Body::Raw { protocol, bytes: bytes.to_vec() })
}

/// A packet with this body.
pub fn ip(source: u32, destination: u32, body: Body) -> Packet {
    Packet {
        source,
        destination,
        ttl: 64,
        tos: 0,
        identification: 0x1234,
        fragment: DONT,
        options: Vec::new(),
        body,
        wrong_by: 0,
        header_wrong_by: 0,
        tags: Vec::new(),
        padding: Vec::new(),
    }
}

impl Packet {
    /// The same from another address.
    #[must_use]
    pub fn from(mut self, source: u32) -> Packet {
        self.source = source;
        self
    }

    /// The same to another address.
    #[must_use]
    pub fn to(mut self, destination: u32) -> Packet {
        self.destination = destination;
        self
    }

    /// The same from another address and port, or identifier.
    #[must_use]
    pub fn from_end(self, (address, id): (u32, u16)) -> Packet {
        self.from(address).with_id(0, id)
    }

    /// The same to another address and port, or identifier.
    #[must_use]
    pub fn to_end(self, (address, id): (u32, u16)) -> Packet {
        self.to(address).with_id(1, id)
    }

    /// The same with another port at this end (0 source, 1 destination), or another identifier.
    #[must_use]
    pub fn with_id(mut self, end: usize, id: u16) -> Packet {
        match &mut self.body {
            Body::Udp { ports, .. } | Body::Tcp { ports, .. } => ports[end] = id,
            Body::Icmp { rest, .. } => rest[0] = id,
            Body::Raw { .. } => {}
        }
        self
    }

    /// The same with another time to live.
    #[must_use]
    pub fn ttl(mut self, ttl: u8) -> Packet {
        self.ttl = ttl;
        self
    }

    /// The same as the next router would send it: one less to live.
    #[must_use]
    pub fn hop(mut self) -> Packet {
        self.ttl -= 1;
        self
    }

    /// The same with other flags and fragment offset.
    #[must_use]
    pub fn fragment(mut self, fragment: u16) -> Packet {
        self.fragment = fragment;
        self
    }

    /// The same with another identification.
    #[must_use]
    pub fn identified(mut self, identification: u16) -> Packet {
        self.identification = identification;
        self
    }

    /// The same with IP options, filled up with end-of-options to whole words.
    #[must_use]
    pub fn options(mut self, options: &[u8]) -> Packet {
        self.options = options.to_vec();
        self.options.resize(options.len().next_multiple_of(4), 0);
        self
    }

    /// The same behind these tags.
    #[must_use]
    pub fn tags(mut self, tags: &[[u16; 2]]) -> Packet {
        self.tags = tags.to_vec();
        self
    }

    /// The same with bytes behind it.
    #[must_use]
    pub fn padded(mut self, padding: &[u8]) -> Packet {
        self.padding = padding.to_vec();
        self
    }

    /// The same with its transport checksum wrong by this much.
    #[must_use]
    pub fn wrong_by(mut self, by: u16) -> Packet {
        self.wrong_by = by;
        self
    }

    /// The same with its header checksum wrong by this much.
    #[must_use]
    pub fn header_wrong_by(mut self, by: u16) -> Packet {
        self.header_wrong_by = by;
        self
    }

    /// The same without a UDP checksum.
    #[must_use]
    pub fn unsummed(mut self) -> Packet {
        if let Body::Udp { summed, .. } = &mut self.body {
            *summed = false;
        }
        self
    }

    /// The same with these TCP sequence and acknowledgement numbers.
    #[must_use]
    pub fn numbered(mut self, sequence: u32, acknowledgement: u32) -> Packet {
        if let Body::Tcp { numbers, .. } = &mut self.body {
            *numbers = [sequence, acknowledgement];
        }
        self
    }

    /// IP protocol number.
    pub fn protocol(&self) -> u8 {
        match self.body {
            Body::Udp { .. } => 17,
            Body::Tcp { .. } => 6,
            Body::Icmp { .. } => 1,
            Body::Raw { protocol, .. } => protocol,
        }
    }

    /// Transport header and data.
    pub fn payload(&self) -> Vec<u8> {
        let (mut bytes, at) = match &self.body {
            Body::Udp { ports, data, .. } => {
                let mut bytes = words(&[ports[0], ports[1], data.len() as u16 + 8, 0]);
                bytes.extend(data);
                (bytes, 6)
            }
            Body::Tcp { ports, numbers, flags, options, data } => {
                let mut bytes = words(ports);
                bytes.extend(numbers[0].to_be_bytes());
                bytes.extend(numbers[1].to_be_bytes());
                let offset = (5 + options.len() as u16 / 4) << 12;
                bytes.extend(words(&[offset | flags, 0xfaf0, 0, 0]));
                bytes.extend(options);
                bytes.extend(data);
                (bytes, 16)
            }
            Body::Icmp { kind, rest, data } => {
                let mut bytes = words(&[u16::from_be_bytes(*kind), 0, rest[0], rest[1]]);
                bytes.extend(data);
                (bytes, 2)
            }
            Body::Raw { bytes, .. } => return bytes.clone(),
        };
        let mut covered =
            if matches!(self.body, Body::Icmp { .. }) { Vec::new() } else { self.pseudo(&bytes) };
        covered.extend(&bytes);
        let mut sum = checksum(&covered, self.wrong_by);
        match self.body {
            Body::Udp { summed: false, .. } => sum = 0,
            Body::Udp { .. } if sum == 0 => sum = 0xffff,
            _ => {}
        }
        bytes[at..at + 2].copy_from_slice(&sum.to_be_bytes());
        bytes
    }

    fn pseudo(&self, payload: &[u8]) -> Vec<u8> {
        let mut bytes = self.source.to_be_bytes().to_vec();
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(words(&[u16::from(self.protocol()), payload.len() as u16]));
        bytes
    }

    /// The IPv4 packet without a frame.
    pub fn ip_bytes(&self) -> Vec<u8> {
        let payload = self.payload();
        let header = 20 + self.options.len();
        let mut bytes = vec![0x40 | (header / 4) as u8, self.tos];
        let total = (header + payload.len()) as u16;
        bytes.extend(words(&[total, self.identification, self.fragment]));
        bytes.extend([self.ttl, self.protocol(), 0, 0]);
        bytes.extend(self.source.to_be_bytes());
        bytes.extend(self.destination.to_be_bytes());
        bytes.extend(&self.options);
        let sum = checksum(&bytes, self.header_wrong_by);
        bytes[10..12].copy_from_slice(&sum.to_be_bytes());
        bytes.extend(payload);
        bytes
    }

    /// The whole frame.
    pub fn frame(&self) -> Vec<u8> {
        let mut bytes = ethernet(0x0800, &self.tags);
        bytes.extend(self.ip_bytes());
        bytes.extend(&self.padding);
        bytes
    }

    /// The packet as fragments, each of which carries so many bytes but the last, which carries the rest.
    pub fn fragments(&self, lengths: &[usize]) -> Vec<Packet> {
        let (payload, mut at) = (self.payload(), 0);
        let mut pieces: Vec<usize> = lengths.to_vec();
        pieces.push(payload.len() - lengths.iter().sum::<usize>());
        let piece = |(index, length): (usize, &usize)| {
            let more = if index < lengths.len() { MORE } else { 0 };
            let bytes = payload[at..at + length].to_vec();
            let fragment = more | (at / 8) as u16;
            at += length;
            Packet { fragment, body: Body::Raw { protocol: self.protocol(), bytes }, ..self.clone() }
        };
        pieces.iter().enumerate().map(piece).collect()
    }
}

/// An Ethernet header to the gateway, with tags, for this EtherType.
pub fn ethernet(ether_type: u16, tags: &[[u16; 2]]) -> Vec<u8> {
    let mut bytes = GATEWAY_MAC.to_vec();
    bytes.extend([2, 0, 0, 0, 0, 0x99]);
    bytes.extend(words(&tags.concat()));
    bytes.extend(ether_type.to_be_bytes());
    bytes
}

/// The link address of both of the gateway's interfaces.
pub const GATEWAY_MAC: [u8; 6] = [2, 0, 0, 0, 0, 1];

/// Numbers in network order.
pub fn words(numbers: &[u16]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_be_bytes()).collect()
}

/// The internet checksum of these bytes (RFC 1071), made wrong by a one's complement number.
pub fn checksum(bytes: &[u8], wrong_by: u16) -> u16 {
    let mut sum = bytes
        .chunks(2)
        .fold(0u64, |sum, pair| sum + u64::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)])));
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    let mut sum = u64::from(!(sum as u16)) + u64::from(wrong_by);
    while sum > 0xffff {
        sum = (sum & 0xffff) + (sum >> 16);
    }
    sum as u16
}
