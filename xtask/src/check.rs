//! `cargo xtask check`: formatting, lints on host and BPF target, docs, dependencies, house rules, compliance.

use std::env;

use anyhow::{Result, bail};

use crate::compliance;
use crate::process;
use crate::setup;
use crate::tidy;
use crate::toolchain::{BOOTSTRAP, CPU, Toolchain, target};

/// What `check` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Install cargo-deny if it is missing
    #[arg(long)]
    install: bool,
}

/// All but the kernel programs, which only compile for BPF.
const HOST: [&str; 5] = [
    "--workspace",
    "--exclude",
    "passthrough-ebpf",
    "--features",
    "passthrough-common/host,passthrough-common/user",
];

/// Runs every check, whatever fails, and ends with the failures.
pub fn run(arguments: &Arguments) -> Result<()> {
    setup::ensure()?;
    let steps: [(&str, &dyn Fn() -> Result<()>); 8] = [
        ("formatting", &formatting),
        ("tidy", &tidy::run),
        ("compliance", &|| compliance::run(&compliance::Arguments { check: true })),
        ("lints", &lints),
        ("no unwrap", &no_unwrap),
        ("lints for BPF", &bpf),
        ("docs", &docs),
        ("dependencies", &|| dependencies(arguments)),
    ];
    let mut failed = Vec::new();
    for (name, step) in steps {
        println!("check: {name}");
        if let Err(error) = step() {
            println!("check: {name}: {error:#}");
            failed.push(name);
        }
    }
    if failed.is_empty() {
        println!("check: all {} passed", steps.len());
        return Ok(());
    }
    bail!("failed: {}", failed.join(", "))
}

fn formatting() -> Result<()> {
    process::run(process::cargo().args(["fmt", "--all", "--check"]))
}

fn lints() -> Result<()> {
    let mut clippy = process::cargo();
    clippy.arg("clippy").args(HOST).args(["--all-targets", "--", "-D", "warnings"]);
    process::run(&mut clippy)
}

/// Product code answers an error; a test may unwrap (`clippy.toml`).
fn no_unwrap() -> Result<()> {
    let mut clippy = process::cargo();
    clippy.args([
        "clippy",
        "--package",
        "passthrough-common",
        "--package",
        "passthrough-user",
        "--package",
        "xtask",
    ]);
    process::run(clippy.args(["--", "-D", "warnings", "-D", "clippy::unwrap_used"]))
}

/// Clippy where the BPF compiler has one, else the compiler's own lints.
fn bpf() -> Result<()> {
    let toolchain = Toolchain::find().map_err(anyhow::Error::msg)?;
    let clippy = toolchain.ask("cargo", &["clippy", "--version"]).is_some();
    if !clippy {
        println!("check: {} has no clippy: the compiler's own lints must do", toolchain.describe());
    }
    // Each binary has a feature of its own; the second one's programs are the benchmark's.
    for feature in ["gateway", "bench"] {
        let mut command = toolchain.command("cargo");
        command.args([if clippy { "clippy" } else { "check" }, "--package", "passthrough-ebpf", "--release"]);
        command.args(["--no-default-features", "--features", feature]);
        command.args(["--target", target()]).args(toolchain.core.cargo_arguments());
        command.arg("--target-dir").arg(process::target_folder()?.join("bpf-check"));
        // The flags of `aya-build`, which builds the real object, and ours.
        let flags = format!("--cfg=bpf_target_arch=\"{}\"\u{1f}{CPU}\u{1f}-Dwarnings", env::consts::ARCH);
        command.env("CARGO_ENCODED_RUSTFLAGS", flags).env("RUSTC_BOOTSTRAP", BOOTSTRAP);
        command.env_remove("RUSTC").env_remove("RUSTUP_TOOLCHAIN").current_dir(process::top());
        process::run(&mut command)?;
    }
    Ok(())
}

fn docs() -> Result<()> {
    let mut doc = process::cargo();
    doc.arg("doc").args(HOST).arg("--no-deps").env("RUSTDOCFLAGS", "-D warnings");
    process::run(&mut doc)
}

/// Licences, sources and known faults of the dependencies (`deny.toml`).
fn dependencies(arguments: &Arguments) -> Result<()> {
    let there = || process::ask("cargo-deny", &["--version"]).is_some();
    if !there() && arguments.install {
        process::run(process::cargo().args(["install", "cargo-deny", "--locked"]))?;
    }
    if !there() {
        println!("check: left out: cargo-deny is not installed (`cargo xtask check --install` installs it)");
        return Ok(());
    }
    process::run(process::cargo().args(["deny", "check"]))
}
