//! State of a PPTP control connection: two byte streams and the calls they set up (RFC 2637).

/// Most calls in one control connection.
pub const CALLS: usize = 16;
/// How many rewritten fields each stream remembers, for retransmissions.
pub const FIELDS: usize = 8;

/// A call ID that was rewritten in a stream: where, and to what.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Field {
    /// TCP sequence number of the field's first byte.
    pub sequence: u32,
    /// The call ID that was there.
    pub before: u16,
    /// The call ID that went out instead; both are 0 in an entry not used.
    pub after: u16,
}

/// One direction of a control connection, read as a byte stream.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Stream {
    /// Sequence number of the first byte not yet read.
    pub next: u32,
    /// Where in the current message `next` is, in bytes from its start.
    pub offset: u16,
    /// Length of the current message in bytes; 0 until its first two bytes are read.
    pub length: u16,
    /// The first bytes of the current message: as many as `offset` says, 20 at most.
    pub head: [u8; 24],
    /// Index of the next entry of `fields` to be used.
    pub cursor: u32,
    /// 1 once the SYN has been seen; 2 when framing is lost; 3 after FIN or RST.
    pub state: u32,
    /// The fields rewritten last.
    pub fields: [Field; FIELDS],
}

/// A call: the IDs that each side gave it, and its outside ID.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Call {
    /// Call ID assigned by the inside end.
    pub inside: u16,
    /// The same as the outside sees it; 0 in an entry not used.
    pub outside: u16,
    /// Call ID assigned by the remote end; 0 until known.
    pub remote: u16,
    /// 1 once both IDs are known and the call is connected.
    pub connected: u16,
}

/// Value of the control table. Its key is the control connection's outbound session key.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Control {
    /// The stream from inside, then the stream from outside; each written by its own direction only.
    pub streams: [Stream; 2],
    /// Calls of this connection.
    pub calls: [Call; CALLS],
    /// 1 if the record is of an earlier connection between the same ends, whose session is gone.
    pub outdated: u32,
    /// 0 if the connection was opened from inside (the client, PNS, is inside), 1 if from outside.
    pub opened_from: u32,
}

const _: () = {
    assert!(size_of::<Field>() == 8);
    assert!(size_of::<Stream>() == 104);
    assert!(size_of::<Control>() == 2 * 104 + CALLS * 8 + 8);
};
