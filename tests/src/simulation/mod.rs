//! Simulation of many IPsec clients behind the gateway that share a server with plain ESP (`conformance.md` section 8).
//!
//! The data path's own code, and two rules that others have shipped as small models, meet the same starts, rekeys by either
//! side, data, losses and delays, drawn by name from a seed ([`chance`]). What each makes of it is counted ([`tally`]).
//!
//! Left out: hosts that answer a stray packet with an ICMP error, since most say nothing; NAT traversal, which needs no pairing.

pub mod chance;
mod exchange;
mod models;
mod ours;
pub mod rule;
mod run;
pub mod table;
pub mod tally;
mod tunnel;

use rule::Rule;
use tally::Tally;

/// What is simulated.
#[derive(Clone, Copy, Debug)]
pub struct Scenario {
    /// How many clients.
    pub clients: usize,
    /// For how long.
    pub secs: u64,
    /// Mean time between rekeys of a child association, by each side; of an IKE association it is three times as long.
    pub rekey_secs: u64,
    /// Share of packets that the network loses.
    pub loss: f64,
    /// How often the gateway restarts and forgets everything.
    pub restarts: usize,
}

impl Scenario {
    /// Twenty minutes in which each side of a tunnel makes a new child association every ten, some six times as often as
    /// is usual, and one packet in fifty is lost.
    pub const fn usual(clients: usize, restarts: usize) -> Scenario {
        Scenario { clients, secs: 1200, rekey_secs: 600, loss: 0.02, restarts }
    }
}

/// How many rules are compared.
pub const RULES: usize = 3;

/// The rules: ours first.
fn rules() -> [Box<dyn Rule>; RULES] {
    [
        Box::new(ours::Ours::default()),
        Box::new(models::OldestWaiting::default()),
        Box::new(models::OnePending::default()),
    ]
}

/// The names of the rules.
pub fn names() -> [&'static str; RULES] {
    rules().map(|rule| rule.name())
}

/// One trace under every rule.
pub fn compare(scenario: Scenario, seed: u64) -> [Tally; RULES] {
    rules().map(|mut rule| run::Run::new(scenario, seed, rule.as_mut()).run())
}
