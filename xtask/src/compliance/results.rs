//! What the last run of the tests came to: a list under the target folder, which counts for the sources that it ran on.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};

use crate::process;
use crate::tidy;

/// The results of a run.
#[derive(Default)]
pub struct Results {
    /// Which sources it ran on.
    sources: u64,
    /// The kernel's release.
    pub kernel: String,
    /// Each test and whether it passed.
    tests: BTreeMap<String, bool>,
}

impl Results {
    /// A run that begins now, on the sources as they are.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn begin() -> Result<Self> {
        let kernel = fs::read_to_string("/proc/sys/kernel/osrelease").unwrap_or_default();
        Ok(Self { sources: sources()?, kernel: kernel.trim().to_owned(), tests: BTreeMap::new() })
    }

    /// Takes in a line of the test runner: `test path::name ... ok`.
    pub fn note(&mut self, line: &str) {
        let Some((name, outcome)) = line.strip_prefix("test ").and_then(|rest| rest.split_once(" ... "))
        else {
            return;
        };
        let passed = match outcome {
            "ok" => true,
            failed if failed.starts_with("FAILED") => false,
            _ => return,
        };
        // A name that two packages share has passed if both have.
        *self.tests.entry(name.to_owned()).or_insert(true) &= passed;
    }

    /// Whether a test passed; `None` if it was not run.
    pub fn passed(&self, name: &str) -> Option<bool> {
        self.tests.get(name).copied()
    }

    /// Leaves the list where [`Results::of_these_sources`] finds it.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write(&self) -> Result<()> {
        let mut text = format!("sources {:016x}\nkernel {}\n", self.sources, self.kernel);
        for (name, passed) in &self.tests {
            let _infallible = writeln!(text, "{} {name}", if *passed { "ok" } else { "failed" });
        }
        let path = path()?;
        fs::write(&path, text).with_context(|| format!("writing {}", path.display()))
    }

    /// The results of the last run, if it was of the sources as they are.
    ///
    /// # Errors
    /// The sources cannot be read.
    pub fn of_these_sources() -> Result<Option<Self>> {
        let Ok(text) = fs::read_to_string(path()?) else { return Ok(None) };
        let results = Self::read(&text);
        Ok(if results.sources == sources()? { Some(results) } else { None })
    }

    fn read(text: &str) -> Self {
        let mut results = Self::default();
        for (word, rest) in text.lines().filter_map(|line| line.split_once(' ')) {
            match word {
                "sources" => results.sources = u64::from_str_radix(rest, 16).unwrap_or_default(),
                "kernel" => rest.clone_into(&mut results.kernel),
                "ok" => drop(results.tests.insert(rest.to_owned(), true)),
                _ => drop(results.tests.insert(rest.to_owned(), false)),
            }
        }
        results
    }
}

fn path() -> Result<PathBuf> {
    Ok(process::target_folder()?.join("test-results"))
}

/// A digest of every source and manifest (FNV-1a, 64 bits): against mistakes, not against an adversary.
fn sources() -> Result<u64> {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut take = |bytes: &[u8]| {
        for byte in bytes {
            digest = (digest ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    };
    let top = process::top();
    for file in tidy::sources()? {
        take(file.strip_prefix(&top).unwrap_or(&file).to_string_lossy().as_bytes());
        take(&fs::read(&file).with_context(|| format!("reading {}", file.display()))?);
    }
    Ok(digest)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_of_the_runner_are_taken_in_and_come_back() {
        let mut results = Results { sources: 7, kernel: "6.18".to_owned(), ..Results::default() };
        for line in ["test a::b ... ok", "test c ... FAILED", "test d ... ignored", "running 3 tests"] {
            results.note(line);
        }
        assert_eq!(
            (results.passed("a::b"), results.passed("c"), results.passed("d")),
            (Some(true), Some(false), None)
        );
        results.note("test a::b ... FAILED");
        assert_eq!(results.passed("a::b"), Some(false), "one of two has failed");
        let again = Results::read("sources 0000000000000007\nkernel 6.18\nok a::b\nfailed c\n");
        assert_eq!((again.sources, again.kernel.as_str(), again.passed("c")), (7, "6.18", Some(false)));
    }
}
