//! What each PPTP control message means to a NAT: which call ID it rewrites, and what it settles (RFC 2637
//! section 2).

use crate::abi::Direction;
use crate::wire::pptp::{self, kind};

/// Which end of the control connection is inside. The client is taken for the PNS, as everywhere in practice.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Role {
    /// The client, PPTP Network Server.
    Pns,
    /// The server, PPTP Access Concentrator, behind a forward of port 1723.
    Pac,
}

/// What the call ID field of a message holds.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Whose {
    /// The ID that the inside end gives a call with this message: it gets an outside one.
    Announced,
    /// The inside end's ID of a call: it becomes the outside one.
    Inside,
    /// The outside ID of a call: it becomes the inside end's.
    Outside,
    /// The remote end's ID of a call, which stays, or else one as [`Whose::Outside`] (conformance P9).
    RemoteOrOutside,
    /// The inside end's ID of a call as [`Whose::Inside`], or else the remote end's, which stays (conformance
    /// P9).
    InsideOrRemote,
}

/// What a message settles once enough of it was seen.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Settles {
    /// Nothing.
    Nothing,
    /// A call: its reply names both IDs and the result.
    Reply,
    /// A call ends, and its packets in flight may still arrive.
    Disconnect,
    /// All calls of the connection end.
    Stop,
}

/// What a message means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Meaning {
    /// Offset of the call ID that is rewritten; 0 for none.
    pub field: u32,
    /// What that field holds.
    pub whose: Whose,
    /// What the message settles.
    pub settles: Settles,
    /// How many of its bytes that takes.
    pub needs: u32,
}

const fn names(field: u32, whose: Whose) -> Meaning {
    Meaning { field, whose, settles: Settles::Nothing, needs: 0 }
}

const fn replies(field: u32, whose: Whose) -> Meaning {
    Meaning { field, whose, settles: Settles::Reply, needs: pptp::RESULT + 1 }
}

const fn disconnects(whose: Whose) -> Meaning {
    Meaning { field: pptp::CALL_ID, whose, settles: Settles::Disconnect, needs: pptp::CALL_ID + 2 }
}

/// What a message of this control type means in this direction, for the role of the inside end (conformance
/// section 5).
///
/// A message that its sender's role does not send means nothing and passes as it is.
pub const fn meaning(kind: u16, direction: Direction, role: Role) -> Meaning {
    use Direction::{Inbound, Outbound};
    use Role::{Pac, Pns};
    use pptp::{CALL_ID, PEER_CALL_ID};
    match (kind, direction, role) {
        (kind::OUTGOING_CALL_REQUEST, Outbound, Pns) | (kind::INCOMING_CALL_REQUEST, Outbound, Pac) => {
            names(CALL_ID, Whose::Announced)
        }
        (kind::INCOMING_CALL_REPLY, Outbound, Pns) | (kind::OUTGOING_CALL_REPLY, Outbound, Pac) => {
            replies(CALL_ID, Whose::Announced)
        }
        (kind::OUTGOING_CALL_REPLY, Inbound, Pns) | (kind::INCOMING_CALL_REPLY, Inbound, Pac) => {
            replies(PEER_CALL_ID, Whose::Outside)
        }
        (kind::CALL_CLEAR_REQUEST, Outbound, Pns) => names(CALL_ID, Whose::Inside),
        (kind::INCOMING_CALL_CONNECTED | kind::WAN_ERROR_NOTIFY, Inbound, Pns)
        | (kind::SET_LINK_INFO, Inbound, Pac) => names(CALL_ID, Whose::Outside),
        (kind::CALL_DISCONNECT_NOTIFY, Inbound, Pns) => disconnects(Whose::RemoteOrOutside),
        (kind::CALL_DISCONNECT_NOTIFY, Outbound, Pac) => disconnects(Whose::InsideOrRemote),
        (kind::STOP_REQUEST | kind::STOP_REPLY, _, _) => {
            Meaning { field: 0, whose: Whose::Inside, settles: Settles::Stop, needs: pptp::HEADER }
        }
        _ => names(0, Whose::Inside),
    }
}
