//! Counters, events and the use of the tables; and the rates between two looks.

use std::io::{self, Write};

use passthrough_common::abi::Reason;
use serde::Serialize;

use super::{
    BAD, FAINT, GOOD, HEADING, NOTICE, Show, bytes, styled,
    table::{Align, Cell, Table},
};
use crate::tables::{counters::Counted, limits::Limit, memory::Use};

/// All of it.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Stats {
    /// Counters that are not zero.
    pub packets: Vec<CounterRow>,
    /// Events.
    pub events: Vec<EventRow>,
    /// Limits.
    pub limits: Vec<LimitRow>,
    /// Tables.
    pub maps: Vec<MapRow>,
}

/// A counter.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct CounterRow {
    /// Class, by name.
    pub protocol: &'static str,
    /// `out` or `in`.
    pub direction: &'static str,
    /// `forwarded`, `punted` or `dropped`.
    pub verdict: &'static str,
    /// Why.
    pub reason: &'static str,
    /// The same as a sentence.
    pub sentence: &'static str,
    /// Packets.
    pub packets: u64,
    /// Bytes.
    pub bytes: u64,
}

/// An event's count.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct EventRow {
    /// The event.
    pub event: &'static str,
    /// What it means.
    pub sentence: &'static str,
    /// How often.
    pub count: u64,
}

/// A limit.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LimitRow {
    /// Of what, and of whom.
    pub limit: &'static str,
    /// How much; nothing for no limit.
    pub most: Option<u64>,
    /// The inside host that has most.
    pub host: Option<String>,
    /// How much it has.
    pub has: Option<u64>,
    /// Why packets beyond it are dropped.
    pub reason: &'static str,
    /// How many were.
    pub refused: u64,
}

/// A table's use.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct MapRow {
    /// Name.
    pub map: &'static str,
    /// Entries in it.
    pub entries: u64,
    /// Most entries.
    pub capacity: u64,
    /// Bytes of kernel memory.
    pub memory_bytes: u64,
}

/// What a reason makes of a packet, in a word.
pub fn verdict(reason: Reason) -> &'static str {
    if reason.is_drop() {
        "dropped"
    } else if reason.is_punt() {
        "punted"
    } else {
        "forwarded"
    }
}

impl Stats {
    /// From what the tables say.
    pub fn new(
        counters: &[Counted],
        events: &[(passthrough_common::abi::Event, u64)],
        limits: &[Limit],
        uses: &[Use],
    ) -> Stats {
        Stats {
            packets: counters
                .iter()
                .map(|counted| CounterRow {
                    protocol: counted.class.name(),
                    direction: counted.direction.name(),
                    verdict: verdict(counted.reason),
                    reason: counted.reason.name(),
                    sentence: counted.reason.sentence(),
                    packets: counted.counter.packets,
                    bytes: counted.counter.bytes,
                })
                .collect(),
            events: events
                .iter()
                .map(|(event, count)| EventRow {
                    event: event.name(),
                    sentence: event.sentence(),
                    count: *count,
                })
                .collect(),
            limits: limits
                .iter()
                .map(|limit| LimitRow {
                    limit: limit.of,
                    most: limit.most,
                    host: limit.nearest.map(|(host, _)| host.to_string()),
                    has: limit.nearest.map(|(_, has)| has),
                    reason: limit.reason.name(),
                    refused: limit.refused,
                })
                .collect(),
            maps: uses
                .iter()
                .map(|one| MapRow {
                    map: one.name,
                    entries: one.entries,
                    capacity: one.capacity,
                    memory_bytes: one.memory,
                })
                .collect(),
        }
    }
}

fn write_counters(out: &mut dyn Write, rows: &[CounterRow], per_second: Option<f64>) -> io::Result<()> {
    if rows.is_empty() {
        return writeln!(
            out,
            "no packets {}",
            if per_second.is_some() { "since the last look" } else { "yet" }
        );
    }
    let unit = if per_second.is_some() { ("packets/s", "bytes/s") } else { ("packets", "bytes") };
    let rate = |count: u64| per_second.map_or(count, |secs| (count as f64 / secs).round() as u64);
    let mut table = Table::new(&[
        ("protocol", Align::Left),
        ("dir", Align::Left),
        ("verdict", Align::Left),
        (unit.0, Align::Right),
        (unit.1, Align::Right),
        ("reason", Align::Left),
        ("", Align::Left),
    ]);
    for row in rows {
        let style = match row.verdict {
            "dropped" => BAD,
            "punted" => NOTICE,
            _ => GOOD,
        };
        table.row(vec![
            row.protocol.into(),
            row.direction.into(),
            Cell::styled(style, row.verdict),
            rate(row.packets).to_string().into(),
            bytes(rate(row.bytes)).into(),
            row.reason.into(),
            Cell::styled(FAINT, row.sentence),
        ]);
    }
    table.write(out)
}

impl Show for Stats {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        write_counters(out, &self.packets, None)?;
        writeln!(out)?;
        let mut events = Table::new(&[("event", Align::Left), ("count", Align::Right), ("", Align::Left)]);
        for row in &self.events {
            events.row(vec![
                row.event.into(),
                row.count.to_string().into(),
                Cell::styled(FAINT, row.sentence),
            ]);
        }
        events.write(out)?;
        writeln!(out)?;
        let mut limits = Table::new(&[
            ("limit", Align::Left),
            ("most", Align::Right),
            ("refused", Align::Right),
            ("nearest", Align::Left),
        ]);
        for row in &self.limits {
            let nearest = row.host.as_deref().zip(row.has).map(|(host, has)| format!("{host}: {has}"));
            limits.row(vec![
                row.limit.into(),
                row.most.map_or_else(|| "none".to_string(), |most| most.to_string()).into(),
                row.refused.to_string().into(),
                nearest.unwrap_or_default().into(),
            ]);
        }
        limits.write(out)?;
        writeln!(out)?;
        let mut maps = Table::new(&[
            ("map", Align::Left),
            ("entries", Align::Right),
            ("capacity", Align::Right),
            ("memory", Align::Right),
        ]);
        for row in &self.maps {
            maps.row(vec![
                row.map.into(),
                row.entries.to_string().into(),
                row.capacity.to_string().into(),
                bytes(row.memory_bytes).into(),
            ]);
        }
        maps.write(out)
    }
}

/// What happened between two looks.
#[derive(Clone, Debug, Serialize)]
pub struct Rates {
    /// Seconds between them.
    pub interval_secs: f64,
    /// Counters that moved, by how much.
    pub packets: Vec<CounterRow>,
    /// Events that happened, how often.
    pub events: Vec<EventRow>,
    /// Entries of the session table.
    pub session_entries: u64,
}

impl Rates {
    /// What is in `now` and not yet in `before`.
    pub fn between(before: &Stats, now: &Stats, interval_secs: f64) -> Rates {
        let packets = now
            .packets
            .iter()
            .filter_map(|row| {
                let same = |other: &&CounterRow| {
                    (other.protocol, other.direction, other.reason)
                        == (row.protocol, row.direction, row.reason)
                };
                let (packets, bytes) =
                    before.packets.iter().find(same).map_or((0, 0), |old| (old.packets, old.bytes));
                let packets = row.packets.saturating_sub(packets);
                let bytes = row.bytes.saturating_sub(bytes);
                (packets > 0).then(|| CounterRow { packets, bytes, ..row.clone() })
            })
            .collect();
        let events = now
            .events
            .iter()
            .filter_map(|row| {
                let old = before.events.iter().find(|old| old.event == row.event).map_or(0, |old| old.count);
                let count = row.count.saturating_sub(old);
                (count > 0).then(|| EventRow { count, ..row.clone() })
            })
            .collect();
        let session_entries = now.maps.iter().find(|map| map.map == "SESSIONS").map_or(0, |map| map.entries);
        Rates { interval_secs, packets, events, session_entries }
    }
}

impl Show for Rates {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        let head = format!(
            "over {:.1} s, {} entries in the session table",
            self.interval_secs, self.session_entries
        );
        writeln!(out, "{}", styled(HEADING, &head))?;
        write_counters(out, &self.packets, Some(self.interval_secs))?;
        for row in &self.events {
            writeln!(out, "{} x {} ({})", row.count, row.event, row.sentence)?;
        }
        writeln!(out)
    }
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use passthrough_common::abi::{Class, Counter, Direction, Event};

    use super::*;
    use crate::render::plain;

    fn counted(reason: Reason, packets: u64, bytes: u64) -> Counted {
        Counted {
            class: Class::Pptp,
            direction: Direction::Outbound,
            reason,
            counter: Counter { packets, bytes },
        }
    }

    #[test]
    fn a_drop_is_shown_with_its_sentence() {
        let uses = [Use { name: "SESSIONS", entries: 12, capacity: 131_072, memory: 12 << 20 }];
        let limits = [Limit {
            of: "sessions of a host",
            most: Some(100),
            nearest: Some((Ipv4Addr::new(192, 168, 1, 10), 42)),
            reason: Reason::HostSessions,
            refused: 7,
        }];
        let counters = [counted(Reason::SwitchedOff, 3, 180)];
        let stats = Stats::new(&counters, &[(Event::PptpCall, 2)], &limits, &uses);
        let text = plain(&stats);
        assert!(text.contains("pptp      out  dropped        3  180 B  switched-off"), "{text}");
        assert!(text.contains("passthrough enable"), "{text}");
        assert!(text.contains("SESSIONS       12    131072  12.0 MiB"), "{text}");
        assert!(text.contains("sessions of a host   100        7  192.168.1.10: 42"), "{text}");
        let json = serde_json::to_value(&stats).expect("JSON");
        assert_eq!(json["packets"][0]["reason"], "switched-off");
        assert_eq!(json["maps"][0]["memory_bytes"], 12 << 20);
    }

    #[test]
    fn rates_are_what_came_since() {
        let before = Stats::new(&[counted(Reason::Forwarded, 10, 1000)], &[(Event::PptpCall, 2)], &[], &[]);
        let now = Stats::new(
            &[counted(Reason::Forwarded, 30, 3000), counted(Reason::SwitchedOff, 4, 40)],
            &[(Event::PptpCall, 2)],
            &[],
            &[],
        );
        let rates = Rates::between(&before, &now, 2.0);
        assert_eq!((rates.packets.len(), rates.events.len()), (2, 0));
        assert_eq!((rates.packets[0].packets, rates.packets[1].packets), (20, 4));
        let text = plain(&rates);
        assert!(text.contains("forwarded         10   1000 B"), "{text}");
    }
}
