//! How full the gateway's tables get, and what it counts, as `passthrough stats --json` tells.

use std::collections::BTreeMap;

use anyhow::{Context, Result};
use serde_json::Value;

use crate::lab::Lab;

/// A table over time.
#[derive(Clone, Copy, Debug, Default)]
pub struct Table {
    /// Entries at the first look, at most, and at the last look.
    pub entries: [u64; 3],
    /// Most that it takes.
    pub capacity: u64,
    /// Bytes of kernel memory at the first look and at most.
    pub memory: [u64; 2],
}

/// Every table over time, and the counters at the last look.
#[derive(Clone, Debug, Default)]
pub struct Fill {
    /// By name.
    pub tables: BTreeMap<String, Table>,
    /// Packets by verdict: forwarded, punted, dropped.
    pub verdicts: BTreeMap<String, u64>,
    /// Packets dropped, by reason.
    pub reasons: BTreeMap<String, u64>,
    /// Looks.
    pub looks: u64,
}

impl Fill {
    /// Looks once more.
    ///
    /// # Errors
    ///
    /// If the gateway does not tell.
    pub fn look(&mut self, lab: &Lab) -> Result<()> {
        let text = lab.cli.succeed("stats --json")?;
        let stats: Value = serde_json::from_str(&text).context("reading `passthrough stats --json`")?;
        let list = |name: &str| stats[name].as_array().cloned().unwrap_or_default();
        for map in list("maps") {
            let number = |name: &str| map[name].as_u64().unwrap_or(0);
            let table = self.tables.entry(map["map"].as_str().unwrap_or("?").to_owned()).or_default();
            let (entries, memory) = (number("entries"), number("memory_bytes"));
            if self.looks == 0 {
                (table.entries[0], table.memory[0]) = (entries, memory);
            }
            table.entries = [table.entries[0], table.entries[1].max(entries), entries];
            table.memory[1] = table.memory[1].max(memory);
            table.capacity = number("capacity");
        }
        self.verdicts.clear();
        self.reasons.clear();
        for row in list("packets") {
            let packets = row["packets"].as_u64().unwrap_or(0);
            let verdict = row["verdict"].as_str().unwrap_or("?");
            *self.verdicts.entry(verdict.to_owned()).or_default() += packets;
            if verdict == "dropped" {
                *self.reasons.entry(row["reason"].as_str().unwrap_or("?").to_owned()).or_default() += packets;
            }
        }
        self.looks += 1;
        Ok(())
    }

    /// The session table in a few words.
    pub fn short(&self) -> String {
        let full = self.tables.iter().find(|(name, _)| name.eq_ignore_ascii_case("sessions"));
        full.map_or_else(String::new, |(name, table)| {
            format!("{}: {} of {} entries", name.to_lowercase(), table.entries[2], table.capacity)
        })
    }

    /// Kernel memory of all tables at the first look and at most, in bytes.
    pub fn memory(&self) -> [u64; 2] {
        self.tables.values().fold([0; 2], |sum, table| [sum[0] + table.memory[0], sum[1] + table.memory[1]])
    }
}
