//! `cargo xtask fuzz`: coverage-guided fuzzing of the host's code, and the same stream of frames through host and kernel.
//!
//! LLVM's fuzzer needs instrumented code and no more: its flags are stable ones, so no nightly is asked for. Where there
//! is a nightly, `cd tests && cargo +nightly fuzz run path` runs the same targets with an address sanitiser.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail, ensure};

use crate::process::{self, Profile};
use crate::setup;

/// The targets, as `tests/fuzz/Cargo.toml` has them.
const TARGETS: [&str; 3] = ["parse", "path", "pptp"];

/// Flags of instrumented code, as cargo-fuzz gives them: counters for edges, and operands of comparisons.
const FLAGS: [&str; 9] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    "-Ccodegen-units=1",
    "-Cdebug-assertions",
    "-Coverflow-checks",
    "--cfg=fuzzing",
];

/// What `fuzz` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Which target: parse, path or pptp [default: each of them in turn]
    target: Option<String>,
    /// How long, in minutes, for each target
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// Afterwards, write the corpus in tests/fuzz/corpus anew: the fewest inputs that reach as much
    #[arg(long)]
    minimise: bool,
    /// Instead, send this many damaged and random frames through the host's code and the kernel programs, and compare
    /// answers and tables (needs root)
    #[arg(long, value_name = "FRAMES", conflicts_with_all = ["target", "minutes", "minimise"])]
    differential: Option<u64>,
    /// Where random numbers begin
    #[arg(long)]
    seed: Option<u64>,
}

/// Runs what was asked for.
///
/// # Errors
/// A law that does not hold, or what building says.
pub fn run(arguments: &Arguments) -> Result<()> {
    if let Some(frames) = arguments.differential {
        return differential(frames, arguments.seed);
    }
    let chosen: Vec<&str> = match &arguments.target {
        None => TARGETS.to_vec(),
        Some(name) => TARGETS.into_iter().filter(|target| target == name).collect(),
    };
    ensure!(!chosen.is_empty(), "there is no such target: {}", TARGETS.join(", "));
    setup::fuzzer()?;
    let fuzzer = Fuzzer::build()?;
    chosen.into_iter().try_for_each(|target| fuzzer.fuzz(target, arguments))
}

/// Built targets, and where their inputs are.
struct Fuzzer {
    /// The built programs.
    programs: PathBuf,
    /// Inputs that are not kept in the repository.
    work: PathBuf,
    /// `tests/fuzz`.
    kept: PathBuf,
}

impl Fuzzer {
    fn build() -> Result<Self> {
        let work = process::target_folder()?.join("fuzz");
        let kept = process::top().join("tests/fuzz");
        let about = process::ask("rustc", &["-vV"]).context("asking rustc for its version")?;
        let host =
            about.lines().find_map(|line| line.strip_prefix("host: ")).context("rustc names no host")?;
        let mut build = process::cargo();
        build.args(["build", "--release", "--manifest-path"]).arg(kept.join("Cargo.toml"));
        // Named, so that the flags are not those of build scripts too.
        build.args(["--target", host, "--target-dir"]).arg(&work);
        build.env("CARGO_ENCODED_RUSTFLAGS", FLAGS.join("\u{1f}"));
        process::run(&mut build)?;
        process::run(process::cargo().args([
            "build",
            "--package",
            "passthrough-tests",
            "--bin",
            "fuzz-seeds",
        ]))?;
        Ok(Self { programs: work.join(host).join("release"), work, kept })
    }

    fn fuzz(&self, target: &str, arguments: &Arguments) -> Result<()> {
        let folder = |name: &str| folder(self.work.join(name).join(target));
        let (found, seeds) = (folder("corpus")?, folder("seeds")?);
        let crashes = self::folder(self.kept.join("artifacts").join(target))?;
        let corpus = self::folder(self.kept.join("corpus").join(target))?;
        let mut write = std::process::Command::new(process::binary(Profile::Debug, "fuzz-seeds")?);
        process::run(write.arg(target).arg(&seeds))?;
        let seconds = (arguments.minutes * 60.0) as u64;
        let mut fuzz = self.command(target);
        fuzz.args([
            format!("-max_total_time={seconds}"),
            "-timeout=20".to_owned(),
            "-max_len=4096".to_owned(),
        ]);
        fuzz.args(["-print_final_stats=1", "-use_value_profile=1"]);
        fuzz.arg(format!("-artifact_prefix={}/", crashes.display()));
        fuzz.args(arguments.seed.map(|seed| format!("-seed={}", seed as u32)));
        // What is new goes to the first.
        fuzz.args([&found, &corpus, &seeds]);
        if process::run(&mut fuzz).is_err() {
            bail!("{target} has broken a law: see above; the input is in {}", crashes.display());
        }
        if arguments.minimise { self.minimise(target, &[&found, &corpus, &seeds]) } else { Ok(()) }
    }

    /// Puts the fewest inputs that reach as much as all of these into the repository's corpus.
    fn minimise(&self, target: &str, inputs: &[&PathBuf]) -> Result<()> {
        let least = self.work.join("least").join(target);
        if least.exists() {
            fs::remove_dir_all(&least).with_context(|| format!("removing {}", least.display()))?;
        }
        let least = folder(least)?;
        let mut merge = self.command(target);
        merge.args(["-set_cover_merge=1", "-max_len=1024"]).arg(&least).args(inputs);
        process::run(&mut merge)?;
        let corpus = self.kept.join("corpus").join(target);
        fs::remove_dir_all(&corpus).with_context(|| format!("removing {}", corpus.display()))?;
        let corpus = folder(corpus)?;
        let mut count = 0;
        for entry in fs::read_dir(&least).with_context(|| format!("reading {}", least.display()))? {
            let entry = entry.with_context(|| format!("reading {}", least.display()))?;
            fs::copy(entry.path(), corpus.join(entry.file_name())).context("keeping an input")?;
            count += 1;
        }
        println!("fuzz: {count} inputs are kept in {}", corpus.display());
        Ok(())
    }

    fn command(&self, target: &str) -> std::process::Command {
        let mut command = std::process::Command::new(self.programs.join(target));
        command.current_dir(process::top());
        command
    }
}

fn folder(path: PathBuf) -> Result<PathBuf> {
    fs::create_dir_all(&path).with_context(|| format!("making {}", Path::display(&path)))?;
    Ok(path)
}

/// The test of that name, optimised, with as many frames as wanted.
fn differential(frames: u64, seed: Option<u64>) -> Result<()> {
    setup::ensure()?;
    ensure!(process::is_root(), "it loads kernel programs, which needs root: run the same command as root");
    let mut test = process::cargo();
    test.args([
        "test",
        "--release",
        "--package",
        "passthrough-tests",
        "--test",
        "differential",
        "--",
        "--nocapture",
    ]);
    test.env("PASSTHROUGH_FRAMES", frames.to_string());
    if let Some(seed) = seed {
        test.env("PASSTHROUGH_SEED", seed.to_string());
    }
    process::hand_over(&mut test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_targets_are_those_of_the_manifest() {
        let manifest = fs::read_to_string(process::top().join("tests/fuzz/Cargo.toml")).expect("a manifest");
        for target in TARGETS {
            assert!(manifest.contains(&format!("name = \"{target}\"")), "{target}");
        }
        assert_eq!(manifest.matches("[[bin]]").count(), TARGETS.len());
    }
}
