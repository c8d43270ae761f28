//! Builds binaries of this package for BPF and refuses an object in which a panic is left; part of the build scripts of
//! `passthrough-user` and of `passthrough-tests`.
//!
//! `aya-build` decides its cargo's flags alone and hands the rest of its environment on. What else the kernel programs'
//! build needs is therefore put into that environment, by running the build script again: setting a variable of a
//! running process is unsafe, and set for the whole workspace it would reach the host's crates too.

use std::env;
use std::error::Error;
use std::fs;
use std::io::{BufRead as _, BufReader};
use std::os::unix::process::CommandExt as _;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio};

use aya_build::{Package, build_ebpf};
use object::{Object as _, ObjectSymbol as _};

use crate::toolchain::{self, BOOTSTRAP, Toolchain};

/// Says as what this program runs.
const ROLE: &str = "PASSTHROUGH_BUILD_ROLE";

/// What a mangled path of `core::panicking` holds, in the old scheme and in the new.
const PANIC: &str = "9panicking";

/// What cargo says while all is well, and `aya-build` where there is no rustup. It hands each line on as a warning.
const PROGRESS: [&str; 9] = [
    "Compiling ",
    "Finished ",
    "Downloading ",
    "Downloaded ",
    "Updating ",
    "Locking ",
    "Adding ",
    "Blocking ",
    "which(rustup)=",
];

/// What a build script has built.
pub struct Wanted {
    /// The feature of `passthrough-ebpf` that has the binary built.
    pub feature: &'static str,
    /// The binary, put into `OUT_DIR` under its name.
    pub binary: &'static str,
    /// What it is built from beside `passthrough-ebpf`, seen from the build script's package.
    pub inputs: &'static [&'static str],
}

/// The build script's `main`.
pub fn run(wanted: &Wanted) -> ExitCode {
    let done = match env::var(ROLE).as_deref() {
        // Started by cargo.
        Err(_) => run_as_builder(),
        // Started by the arm above. Its own cargo starts it once more for each crate, with rustc's command line.
        Ok(_) => match env::args_os().nth(1) {
            None => build(wanted).map(|()| ExitCode::SUCCESS),
            Some(_) => rustc(),
        },
    };
    match done {
        Ok(code) => code,
        Err(error) => {
            println!("cargo:warning={error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs this program in the environment of the kernel programs' build, and passes on what it says, but for cargo's
/// progress.
fn run_as_builder() -> Result<ExitCode, Box<dyn Error>> {
    let own = env::current_exe()?;
    let mut builder = Command::new(&own);
    builder.env(ROLE, "builder").env("RUSTC_BOOTSTRAP", BOOTSTRAP).env("RUSTC_WRAPPER", &own);
    // Set for the host's crates, it would cut ours into units that the compiler inlines from differently: 6.1 refuses
    // seven of the programs that come of it ("offset is outside of the packet", "combined stack size").
    builder.env("CARGO_INCREMENTAL", "0");
    let mut child = builder.stdout(Stdio::piped()).spawn()?;
    if let Some(stdout) = child.stdout.take() {
        for line in BufReader::new(stdout).lines() {
            let line = line?;
            let said = line.strip_prefix("cargo:warning=").map(str::trim_start);
            let idle = said
                .is_some_and(|said| said.is_empty() || PROGRESS.iter().any(|word| said.starts_with(word)));
            if !idle {
                println!("{line}");
            }
        }
    }
    Ok(if child.wait()?.success() { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// Becomes the rustc that cargo names, with [`toolchain::CPU`] where it compiles for BPF.
fn rustc() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = env::args_os().skip(1);
    let mut rustc = Command::new(words.next().ok_or("cargo named no rustc")?);
    let words: Vec<_> = words.collect();
    if words.iter().any(|word| word == toolchain::target()) {
        rustc.arg(toolchain::CPU);
    }
    Err(rustc.args(words).exec().into())
}

fn build(wanted: &Wanted) -> Result<(), Box<dyn Error>> {
    println!("cargo:rerun-if-env-changed={}", toolchain::OVERRIDE);
    for input in ["build.rs", "../Cargo.toml"].iter().chain(wanted.inputs) {
        println!("cargo:rerun-if-changed={input}");
    }
    let missing =
        |reason: String| format!("cannot build the kernel programs: {reason}; run `cargo xtask setup`");
    let found = Toolchain::find().map_err(missing)?;
    toolchain::linker().map_err(missing)?;
    let programs = Package {
        name: "passthrough-ebpf",
        root_dir: "../passthrough-ebpf",
        no_default_features: true,
        features: &[wanted.feature],
    };
    let name = found.name.as_deref().unwrap_or_default();
    build_ebpf([programs], aya_build::Toolchain::Custom(name))?;
    refuse_panics(&Path::new(&env::var("OUT_DIR")?).join(wanted.binary))
}

/// The verifier would refuse a panic too, but at load, and without naming it.
fn refuse_panics(file: &Path) -> Result<(), Box<dyn Error>> {
    let bytes = fs::read(file).map_err(|error| format!("reading {}: {error}", file.display()))?;
    let object = object::File::parse(&*bytes)?;
    match object.symbols().filter_map(|symbol| symbol.name().ok()).find(|name| name.contains(PANIC)) {
        None => Ok(()),
        Some(symbol) => Err(format!(
            "a panic is left in the kernel programs ({symbol}): replace the index, slice, division or unwrap that may fail"
        )
        .into()),
    }
}
