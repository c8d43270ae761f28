//! Counters and events, summed over CPUs.

use anyhow::Context;
use passthrough_common::abi::{Class, Counter, Direction, Event, Reason, names::map};

use super::Tables;

/// One counter that is not zero.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Counted {
    /// The class.
    pub class: Class,
    /// The direction.
    pub direction: Direction,
    /// What became of the packets.
    pub reason: Reason,
    /// How many, and how many bytes.
    pub counter: Counter,
}

impl Tables {
    /// All counters that are not zero, by class, direction and reason.
    pub fn counters(&self) -> anyhow::Result<Vec<Counted>> {
        let array = self.per_cpu::<Counter>(map::COUNTERS)?;
        let mut counted = Vec::new();
        for class in Class::ALL {
            for direction in [Direction::Outbound, Direction::Inbound] {
                for reason in Reason::ALL.iter().copied() {
                    let values = array
                        .get(&Counter::index(class as u8, direction, reason as u8), 0)
                        .context("reading the counters")?;
                    let counter = values.iter().fold(Counter::default(), |sum, one| Counter {
                        packets: sum.packets + one.packets,
                        bytes: sum.bytes + one.bytes,
                    });
                    if counter.packets > 0 {
                        counted.push(Counted { class, direction, reason, counter });
                    }
                }
            }
        }
        Ok(counted)
    }

    /// How often each event happened.
    pub fn events(&self) -> anyhow::Result<Vec<(Event, u64)>> {
        let array = self.per_cpu::<u64>(map::EVENTS)?;
        Event::ALL
            .iter()
            .map(|event| {
                let values = array.get(&(*event as u32), 0).context("reading the events")?;
                Ok((*event, values.iter().sum()))
            })
            .collect()
    }
}
