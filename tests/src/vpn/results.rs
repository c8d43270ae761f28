//! What came of a run, as a file for the table in `docs/interop.md`.

use std::{fs, path::Path};

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::{SCENARIOS, stage::Way};

/// One scenario, one way.
#[derive(Clone, Debug)]
pub struct Row {
    /// The scenario's name.
    pub scenario: &'static str,
    /// What it is.
    pub about: &'static str,
    /// Through what.
    pub way: Way,
    /// Clients that took part.
    pub clients: usize,
    /// What failed, in a line.
    pub failure: Option<String>,
}

/// A run on one kernel.
#[derive(Clone, Debug, Default)]
pub struct Results {
    /// `uname -r`.
    pub kernel: String,
    /// Instructions that the verifier walked through, by program as the kernel names it (15 letters).
    pub programs: Vec<(String, u32)>,
    /// What was played.
    pub rows: Vec<Row>,
    /// Rows of earlier runs that this one does not play.
    pub before: Vec<Row>,
    /// How a kernel that is too old was told of, if it is.
    pub refusal: Option<String>,
}

impl Results {
    /// Whether passthrough did everything that it was asked; netfilter is there to compare with.
    pub fn passed(&self) -> bool {
        self.rows.iter().all(|row| row.failure.is_none() || !row.way.is_passthrough())
    }

    /// Takes up what earlier runs on this kernel have left in the folder, of what `played` does not name.
    pub fn take_up(&mut self, folder: &Path, played: impl Fn(&str, Way) -> bool) {
        let Ok(text) = fs::read_to_string(folder.join("results.json")) else { return };
        let Ok(run) = serde_json::from_str::<Value>(&text) else { return };
        if run["kernel"] != self.kernel.as_str() {
            return;
        }
        // Until this run counts them anew, if it loads any.
        for program in run["programs"].as_array().into_iter().flatten() {
            let (name, count) = (program["name"].as_str(), program["instructions"].as_u64());
            if let (Some(name), Some(count)) = (name, count) {
                self.programs.push((name.to_owned(), count as u32));
            }
        }
        for row in run["rows"].as_array().into_iter().flatten() {
            let scenario = SCENARIOS.iter().find(|scenario| row["scenario"] == scenario.name);
            let way = Way::ALL.into_iter().find(|way| row["way"] == way.name());
            let (Some(scenario), Some(way)) = (scenario, way) else { continue };
            if !played(scenario.name, way) {
                self.before.push(Row {
                    scenario: scenario.name,
                    about: scenario.about,
                    way,
                    clients: row["clients"].as_u64().unwrap_or(0) as usize,
                    failure: row["failure"].as_str().map(str::to_owned),
                });
            }
        }
    }

    /// Writes `results.json` and, last, `verdict`.
    pub fn write(&self, folder: &Path) -> Result<()> {
        let rows: Vec<Value> = self
            .before
            .iter()
            .chain(&self.rows)
            .map(|row| {
                json!({
                    "scenario": row.scenario, "about": row.about, "way": row.way.name(),
                    "clients": row.clients, "failure": row.failure,
                })
            })
            .collect();
        let programs: Vec<Value> =
            self.programs.iter().map(|(name, count)| json!({"name": name, "instructions": count})).collect();
        let whole =
            json!({"kernel": self.kernel, "refusal": self.refusal, "programs": programs, "rows": rows});
        let failed = self.rows.iter().filter(|row| row.failure.is_some() && row.way.is_passthrough()).count();
        let verdict = if self.passed() { "passed".to_owned() } else { format!("{failed} failed") };
        let write = |name: &str, text: &str| {
            let file = folder.join(name);
            fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))
        };
        write("results.json", &serde_json::to_string_pretty(&whole)?)?;
        write("verdict", &verdict)
    }
}
