//! `cargo xtask test`: all tests, real VPN software among them, with one sum at the end, and a list of them for `cargo xtask
//! compliance`.

use std::io::{BufRead as _, BufReader};
use std::process::{Command, Stdio};

use anyhow::{Context as _, Result, bail};

use crate::build;
use crate::compliance::results::Results;
use crate::process::{self, Profile};
use crate::vm;

/// Tests that need nothing but the host: what to run, as arguments of `cargo test`.
const ANYWHERE: [&[&str]; 3] = [
    &["--package", "passthrough-common", "--features", "host,user"],
    &["--package", "passthrough-user"],
    &["--package", "xtask"],
];

/// Tests that load programs and make namespaces. Each thread has a lab of its own; more than two starve each other's timers.
const AS_ROOT: &[&str] = &["--package", "passthrough-tests", "--", "--test-threads=2"];

/// What a run of tests came to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Sum {
    passed: usize,
    failed: usize,
}

/// Builds, runs every test whatever fails, and ends with the sum alone on a line.
pub fn run() -> Result<()> {
    build::workspace(Profile::Debug)?;
    let mut total = Sum::default();
    let mut results = Results::begin()?;
    for arguments in ANYWHERE {
        total.add(cargo_test(arguments, &mut results)?);
    }
    if process::is_root() {
        total.add(cargo_test(AS_ROOT, &mut results)?);
        total.add(real_software());
    } else {
        println!(
            "left out: tests that load programs and make namespaces need root; run the same command as root"
        );
    }
    results.write()?;
    println!("{} passed, {} failed", total.passed, total.failed);
    if total.failed > 0 {
        bail!("");
    }
    Ok(())
}

/// Real VPN software in a virtual machine, in short: one test.
fn real_software() -> Sum {
    if !vm::is_possible() {
        println!("left out: real VPN software, whose virtual machine is made on x86-64 with Debian's tools");
        return Sum::default();
    }
    println!("$ cargo xtask vm-test, in short");
    match vm::short() {
        Ok(()) => Sum { passed: 1, failed: 0 },
        Err(error) => {
            println!("counted as one failed: real VPN software: {error:#}");
            Sum { passed: 0, failed: 1 }
        }
    }
}

/// Runs one `cargo test`, shows all it prints, and counts.
fn cargo_test(arguments: &[&str], results: &mut Results) -> Result<Sum> {
    let mut command = process::cargo();
    command.args(["test", "--no-fail-fast"]).args(arguments).stdout(Stdio::piped());
    command.env("PASSTHROUGH_BIN", process::binary(Profile::Debug, "passthrough")?);
    counted(&mut command, results)
}

fn counted(command: &mut Command, results: &mut Results) -> Result<Sum> {
    let shown = process::show(command);
    println!("$ {shown}");
    let mut child = command.spawn().with_context(|| format!("starting `{shown}`"))?;
    let mut sum = Sum::default();
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line.with_context(|| format!("reading the output of `{shown}`"))?;
            println!("{line}");
            results.note(&line);
            if let Some(one) = Sum::read(&line) {
                sum.add(one);
            }
        }
    }
    let status = child.wait().with_context(|| format!("waiting for `{shown}`"))?;
    if !status.success() && sum.failed == 0 {
        // Nothing compiled, or a test binary died: that must not pass for zero failures.
        println!("counted as one failed: `{shown}` ended early ({status})");
        sum.failed = 1;
    }
    Ok(sum)
}

impl Sum {
    fn add(&mut self, other: Self) {
        self.passed += other.passed;
        self.failed += other.failed;
    }

    /// Reads `test result: ok. 3 passed; 0 failed; 0 ignored; ..`, as every test binary ends.
    fn read(line: &str) -> Option<Self> {
        let (_, counts) = line.strip_prefix("test result: ")?.split_once(". ")?;
        let count = |word: &str| {
            counts
                .split("; ")
                .find_map(|part| part.strip_suffix(word))
                .and_then(|number| number.trim().parse().ok())
        };
        Some(Self { passed: count(" passed")?, failed: count(" failed")? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_line_is_counted_and_no_other() {
        let line = "test result: FAILED. 12 passed; 3 failed; 1 ignored; 0 measured; 0 filtered out; finished in 0.00s";
        assert_eq!(Sum::read(line), Some(Sum { passed: 12, failed: 3 }));
        assert_eq!(Sum::read("test path::tests::round_trips ... ok"), None);
        assert_eq!(Sum::read("test result: ok"), None);
    }

    #[test]
    fn a_run_that_dies_without_a_result_counts_as_failed() {
        let sum = counted(Command::new("false").stdout(Stdio::piped()), &mut Results::default())
            .expect("`false` starts");
        assert_eq!(sum, Sum { passed: 0, failed: 1 });
    }
}
