//! What the two ends of a tunnel have, and the habits of its client.

use super::{
    chance::{Chance, For},
    rule::SECOND,
};

/// Share of a client's packets of data that the server answers, and how much more seldom it speaks without being asked.
pub const ANSWERED: f64 = 0.9;
const TALK: f64 = 5.0;

/// A child association.
#[derive(Clone, Copy, Debug)]
pub struct Association {
    /// The exchange that made it.
    pub number: u64,
    /// From the client, from the server.
    pub spis: [u32; 2],
}

/// What one end of a tunnel has.
#[derive(Clone, Copy, Default, Debug)]
pub struct End {
    /// What it sends by.
    pub association: Option<Association>,
    /// The last sequence number that it has used there.
    pub sequence: u32,
    /// Initiator SPI of its IKE association.
    pub initiator: u64,
    /// Its exchange under way.
    pub busy: Option<usize>,
}

/// A client's tunnel.
#[derive(Debug)]
pub struct Tunnel {
    /// The client's end, the server's end.
    pub ends: [End; 2],
    /// IKEv2, not version 1.
    pub v2: bool,
    /// Mean pauses between packets of data that nobody asked for, from each side, in microseconds.
    pub data: [f64; 2],
    /// Exchanges so far.
    pub exchanges: u64,
    /// Whether its habits have begun.
    pub started: bool,
}

impl Tunnel {
    /// A client's tunnel before it begins.
    pub fn new(chance: Chance, client: usize) -> Tunnel {
        let habit = |which| chance.share(For::Habit, [client as u64, which, 0]);
        // Between a question in a fifth of a second and one a minute.
        let pause = 0.2 * 300f64.powf(habit(1)) * SECOND as f64;
        Tunnel {
            ends: [End::default(); 2],
            v2: habit(0) < 0.6,
            data: [pause, pause * TALK],
            exchanges: 0,
            started: false,
        }
    }
}
