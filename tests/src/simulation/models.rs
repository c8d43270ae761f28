//! Two rules that others have shipped, as small models: only what decides who gets an unknown SPI.
//!
//! Both are spared what they would get wrong besides: IKE always reaches its client.

use std::collections::{HashMap, VecDeque};

use super::rule::{Clear, Given, Micros, Rule, SECOND, Sent};

/// "Oldest waiting wins" (routers of the Broadcom lineage): an unknown inbound SPI goes to the client that has waited
/// longest for one, that is, has sent ESP with a new SPI. Nobody is held.
#[derive(Default)]
pub struct OldestWaiting {
    sent: HashMap<u32, usize>,
    learned: HashMap<u32, usize>,
    waiting: VecDeque<usize>,
}

impl Rule for OldestWaiting {
    fn name(&self) -> &'static str {
        "oldest waiting wins"
    }

    fn outbound(&mut self, _now: Micros, client: usize, clear: &Clear) -> Sent {
        if let Clear::Esp { spi, .. } = clear
            && self.sent.insert(*spi, client).is_none()
        {
            self.waiting.push_back(client);
        }
        Sent::Passed
    }

    fn inbound(&mut self, _now: Micros, owner: usize, clear: &Clear) -> Option<Given> {
        let Clear::Esp { spi, .. } = clear else { return Some(Given { client: owner, tentative: false }) };
        if let Some(client) = self.learned.get(spi) {
            return Some(Given { client: *client, tentative: false });
        }
        let client = self.waiting.pop_front()?;
        self.learned.insert(*spi, client);
        Some(Given { client, tentative: false })
    }

    fn restart(&mut self) {
        *self = OldestWaiting::default();
    }
}

/// How long a pending client keeps the others out.
const TWO_MINUTES: Micros = 120 * SECOND;

/// "One pending, two minutes" (VPN Masquerade): from a client's first ESP with a new SPI until an inbound SPI is learned, or for
/// two minutes, it is the only one: what others send with a new SPI, or to agree on one, is held.
#[derive(Default)]
pub struct OnePending {
    sent: HashMap<u32, usize>,
    learned: HashMap<u32, usize>,
    pending: Option<(usize, Micros)>,
}

impl OnePending {
    /// Whether another client is pending.
    fn is_held(&self, now: Micros, client: usize) -> bool {
        self.pending.is_some_and(|(other, since)| other != client && now - since < TWO_MINUTES)
    }
}

impl Rule for OnePending {
    fn name(&self) -> &'static str {
        "one pending, two minutes"
    }

    fn outbound(&mut self, now: Micros, client: usize, clear: &Clear) -> Sent {
        let is_new = matches!(clear, Clear::Esp { spi, .. } if !self.sent.contains_key(spi));
        if (is_new || clear.makes_child()) && self.is_held(now, client) {
            return Sent::Held;
        }
        if let Clear::Esp { spi, .. } = clear
            && is_new
        {
            self.sent.insert(*spi, client);
            self.pending = Some((client, now));
        }
        Sent::Passed
    }

    fn inbound(&mut self, _now: Micros, owner: usize, clear: &Clear) -> Option<Given> {
        let Clear::Esp { spi, .. } = clear else { return Some(Given { client: owner, tentative: false }) };
        if let Some(client) = self.learned.get(spi) {
            return Some(Given { client: *client, tentative: false });
        }
        let (client, _) = self.pending.take()?;
        self.learned.insert(*spi, client);
        Some(Given { client, tentative: false })
    }

    fn restart(&mut self) {
        *self = OnePending::default();
    }
}
