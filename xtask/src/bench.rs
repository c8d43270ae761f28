//! `cargo xtask bench`: ways through a gateway side by side, in figures.

use std::path::PathBuf;

use anyhow::Result;

use crate::process::{self, Profile};
use crate::setup;

/// What `bench` takes; what it means is for the benchmark itself to say.
#[derive(clap::Args)]
pub struct Arguments {
    /// One round, short cells, few rows
    #[arg(long)]
    quick: bool,
    /// Rounds of each implementation [default: 5]
    #[arg(long, value_name = "N")]
    rounds: Option<u32>,
    /// Only tests and measures with this in their name, such as udp64_f1000 or rtt
    #[arg(long, value_name = "TEXT")]
    only: Option<String>,
    /// What is compared, parted by commas: xdp-forward, kernel, netfilter, netfilter-pptp, passthrough-tc,
    /// passthrough-xdp [default: all]
    #[arg(long, value_name = "LIST")]
    implementation: Option<String>,
    /// Where bench.json, bench.svg and the tables of performance.md go [default: docs for a whole run, else the target
    /// folder]
    #[arg(long, value_name = "DIR")]
    out: Option<PathBuf>,
}

impl Arguments {
    /// A part of the figures must not take the place of all of them.
    fn folder(&self, parts: PathBuf) -> PathBuf {
        let whole = !self.quick && self.only.is_none() && self.implementation.is_none();
        self.out.clone().unwrap_or(if whole { PathBuf::from("docs") } else { parts })
    }

    fn words(&self) -> Vec<String> {
        let mut words = Vec::new();
        if self.quick {
            words.push("--quick".to_owned());
        }
        let rounds = self.rounds.map(|rounds| rounds.to_string());
        for (name, value) in
            [("--rounds", &rounds), ("--only", &self.only), ("--implementation", &self.implementation)]
        {
            if let Some(value) = value {
                words.extend([name.to_owned(), value.clone()]);
            }
        }
        words
    }
}

/// Builds the command and the benchmark with optimisations, then runs the benchmark as root.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure()?;
    setup::extras();
    let packages = ["--package", "passthrough-user", "--package", "passthrough-tests"];
    process::run(process::cargo().args(["build", "--release", "--bins"]).args(packages))?;
    let bench = process::binary(Profile::Release, "bench")?;
    let mut bench = process::as_root("the benchmark", bench, &["PASSTHROUGH_BIN"])?;
    bench.arg("--out").arg(arguments.folder(process::target_folder()?.join("bench")));
    bench.args(arguments.words()).current_dir(process::top());
    bench.env("PASSTHROUGH_BIN", process::binary(Profile::Release, "passthrough")?);
    process::hand_over(&mut bench)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_asked_for_is_handed_on() {
        let arguments = Arguments {
            quick: true,
            rounds: Some(3),
            only: Some("udp".to_owned()),
            implementation: None,
            out: None,
        };
        assert_eq!(arguments.words().join(" "), "--quick --rounds 3 --only udp");
        assert_eq!(arguments.folder(PathBuf::from("target")), PathBuf::from("target"));
        let whole = Arguments { quick: false, only: None, ..arguments };
        assert_eq!(whole.folder(PathBuf::from("target")), PathBuf::from("docs"));
    }
}
