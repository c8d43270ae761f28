//! What a rule has done to a simulation's packets.

use std::collections::HashMap;

use super::rule::{Micros, SECOND, Sent};

/// Counts of one rule in one or more runs.
#[derive(Clone, Default, Debug)]
pub struct Tally {
    /// Inbound ESP that reached its client.
    pub right: u64,
    /// The part of it whose binding was confirmed.
    pub confirmed: u64,
    /// Inbound ESP that reached another client, by a binding that says that it may be wrong.
    pub tentative: u64,
    /// The same by a binding that says that it is right.
    pub silent: u64,
    /// Inbound ESP of an association that its client has, and that nobody got.
    pub dropped: u64,
    /// IKE that reached another client by a guess.
    pub ike_guessed: u64,
    /// IKE that reached another client otherwise.
    pub ike_wrong: u64,
    /// IKE that the gateway dropped, other than to hold it.
    pub ike_dropped: u64,
    /// Packets of clients that had to wait.
    pub held: u64,
    /// Outbound ESP that was refused, not held.
    pub refused: u64,
    /// How long clients had to wait, all of them together.
    pub blocked: Micros,
    /// The longest that one had to.
    pub blocked_most: Micros,
    /// How often an association's inbound packets went astray or nowhere until they arrived again, or it ended.
    pub outages: u64,
    /// How long, all of them together.
    pub out: Micros,
    /// The longest.
    pub out_most: Micros,
}

impl Tally {
    /// Adds another run's.
    pub fn add(&mut self, other: &Tally) {
        self.right += other.right;
        self.confirmed += other.confirmed;
        self.tentative += other.tentative;
        self.silent += other.silent;
        self.dropped += other.dropped;
        self.ike_guessed += other.ike_guessed;
        self.ike_wrong += other.ike_wrong;
        self.ike_dropped += other.ike_dropped;
        self.held += other.held;
        self.refused += other.refused;
        self.blocked += other.blocked;
        self.blocked_most = self.blocked_most.max(other.blocked_most);
        self.outages += other.outages;
        self.out += other.out;
        self.out_most = self.out_most.max(other.out_most);
    }

    /// How long an outage lasts, in seconds.
    pub fn recovery(&self) -> f64 {
        if self.outages == 0 { 0.0 } else { seconds(self.out) / self.outages as f64 }
    }
}

/// In seconds.
pub fn seconds(length: Micros) -> f64 {
    length as f64 / SECOND as f64
}

/// Who waits at the moment, and since when.
#[derive(Default, Debug)]
pub struct Waits {
    /// What waits, by client: exchanges and SPIs.
    waiting: HashMap<usize, HashMap<u64, ()>>,
    since: HashMap<usize, Micros>,
}

impl Waits {
    /// What became of something that may have had to wait.
    pub fn note(&mut self, tally: &mut Tally, now: Micros, client: usize, what: u64, sent: Sent) {
        if sent == Sent::Held {
            tally.held += 1;
            self.waiting.entry(client).or_default().insert(what, ());
            self.since.entry(client).or_insert(now);
        } else {
            self.over(tally, now, client, what);
        }
    }

    /// Nobody waits for this any more.
    pub fn over(&mut self, tally: &mut Tally, now: Micros, client: usize, what: u64) {
        let Some(waiting) = self.waiting.get_mut(&client) else { return };
        waiting.remove(&what);
        if waiting.is_empty()
            && let Some(since) = self.since.remove(&client)
        {
            tally.blocked += now - since;
            tally.blocked_most = tally.blocked_most.max(now - since);
        }
    }

    /// The end of a run.
    pub fn end(&mut self, tally: &mut Tally, now: Micros) {
        for (client, waiting) in std::mem::take(&mut self.waiting) {
            self.waiting.insert(client, waiting.clone());
            waiting.keys().for_each(|what| self.over(tally, now, client, *what));
        }
    }
}

/// Inbound SPIs whose packets do not arrive: since when, and when the last was seen.
#[derive(Default, Debug)]
pub struct Outages(HashMap<u32, (Micros, Micros)>);

impl Outages {
    /// A packet went astray or nowhere.
    pub fn lost(&mut self, now: Micros, spi: u32) {
        self.0.entry(spi).or_insert((now, now)).1 = now;
    }

    /// A packet arrived.
    pub fn arrived(&mut self, tally: &mut Tally, now: Micros, spi: u32) {
        if let Some((since, _)) = self.0.remove(&spi) {
            count(tally, now - since);
        }
    }

    /// The end of a run.
    pub fn end(&mut self, tally: &mut Tally) {
        for (since, last) in self.0.drain().map(|(_, times)| times) {
            count(tally, last - since);
        }
    }
}

fn count(tally: &mut Tally, length: Micros) {
    tally.outages += 1;
    tally.out += length;
    tally.out_most = tally.out_most.max(length);
}
