//! What a soak has shown, as a table for people.

use std::fmt;
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use passthrough_common::abi::names::map;

use super::fill::Fill;
use super::kinds::Kind;

/// How many frames of a kind were sent.
#[derive(Clone, Copy)]
pub struct Sent {
    /// The kind.
    pub kind: Kind,
    /// `inside` or `outside`.
    pub from: &'static str,
    /// Frames.
    pub frames: u64,
}

/// What became of a tunnel.
#[derive(Clone, Debug)]
pub struct Loss {
    /// Its name.
    pub tunnel: String,
    /// Payloads that were answered.
    pub answered: u64,
    /// Payloads that were not.
    pub lost: u64,
    /// What has ended it before its time.
    pub ended: Option<String>,
}

/// All of it.
pub struct Report {
    /// How long it took.
    pub took: Duration,
    /// Hostile frames.
    pub sent: Vec<Sent>,
    /// Tunnels.
    pub losses: Vec<Loss>,
    /// Tables.
    pub fill: Fill,
    /// How often a switch was turned.
    pub flips: u32,
    /// A private address that has left.
    pub leak: Option<String>,
}

impl Report {
    /// Hostile frames of all kinds.
    pub fn hostile(&self) -> u64 {
        self.sent.iter().map(|one| one.frames).sum()
    }

    /// Fails if a tunnel has lost anything, if a table had no room left, or if a private address has left.
    ///
    /// # Errors
    ///
    /// What was lost, in one line.
    pub fn nothing_is_lost(&self) -> Result<()> {
        let bad: Vec<String> = self
            .losses
            .iter()
            .filter(|loss| loss.lost > 0 || loss.ended.is_some())
            .map(|loss| {
                let ended =
                    loss.ended.as_ref().map(|error| format!(" and ended: {error}")).unwrap_or_default();
                format!("{} lost {} of {}{ended}", loss.tunnel, loss.lost, loss.answered + loss.lost)
            })
            .collect();
        ensure!(bad.is_empty(), "{} tunnels have lost something: {}", bad.len(), bad.join("; "));
        ensure!(self.leak.is_none(), "{}", self.leak.as_deref().unwrap_or_default());
        Ok(())
    }

    /// That there was room for others at every look, in each table that hosts have a share of.
    ///
    /// # Errors
    ///
    /// Which tables were full, in one line.
    pub fn nothing_is_full(&self) -> Result<()> {
        let shared = [map::SESSIONS, map::BINDINGS, map::HOSTS, map::CONTROLS, map::PEERS];
        let mut full = Vec::new();
        for name in shared {
            let table = self.fill.tables.get(name).with_context(|| format!("no fill of {name}"))?;
            if table.entries[1] >= table.capacity {
                full.push(format!("{name} with {}", table.capacity));
            }
        }
        ensure!(full.is_empty(), "tables were full: {}", full.join(", "));
        Ok(())
    }
}

impl fmt::Display for Report {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(out, "hostile frames      from      rows")?;
        for one in &self.sent {
            writeln!(out, "{:>14}      {:<8}  {}: {}", one.frames, one.from, one.kind.rows, one.kind.says)?;
        }
        writeln!(
            out,
            "{:>14}      in {:.0} s; a switch was turned {} times",
            self.hostile(),
            self.took.as_secs_f32(),
            self.flips
        )?;

        writeln!(out, "\nanswered      lost  tunnels")?;
        let mut names: Vec<&str> = self.losses.iter().map(|loss| loss.tunnel.as_str()).collect();
        names.dedup();
        names.sort_unstable();
        names.dedup();
        for name in names {
            let of = || self.losses.iter().filter(|loss| loss.tunnel == name);
            let (answered, lost) = of().fold((0, 0), |sum, loss| (sum.0 + loss.answered, sum.1 + loss.lost));
            writeln!(out, "{answered:>8}  {lost:>8}  {name} ({})", of().count())?;
            for ended in of().filter_map(|loss| loss.ended.as_ref()) {
                writeln!(out, "{:>18}  {ended}", "ended")?;
            }
        }

        writeln!(out, "\nentries: first      most      last  capacity  table")?;
        for (name, table) in self.fill.tables.iter().filter(|(_, table)| table.entries[0] != table.capacity) {
            let [first, most, last] = table.entries;
            writeln!(out, "{first:>14}  {most:>8}  {last:>8}  {:>8}  {name}", table.capacity)?;
        }
        let [first, most] = self.fill.memory().map(|bytes| bytes as f64 / f64::from(1 << 20));
        writeln!(out, "kernel memory of all tables: {first:.1} MiB, at most {most:.1} MiB")?;

        let verdicts: Vec<String> =
            self.fill.verdicts.iter().map(|(verdict, packets)| format!("{packets} {verdict}")).collect();
        writeln!(out, "\nthe gateway has counted: {}", verdicts.join(", "))?;
        let mut reasons: Vec<_> = self.fill.reasons.iter().collect();
        reasons.sort_by_key(|(_, packets)| std::cmp::Reverse(**packets));
        for (reason, packets) in reasons {
            writeln!(out, "{packets:>14}  {reason}")?;
        }
        Ok(())
    }
}
