//! Finds the compiler and the linker of the BPF target; also part of `passthrough-user/build.rs`, so one rule holds.
//!
//! Uses the standard library alone, and never installs anything: `setup` does.

use std::env;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::Command;

/// The processor of the kernel programs: with 32-bit registers and jumps. rustc's default has neither, and kernel 6.1
/// refuses version 4.
pub const CPU: &str = "-Ctarget-cpu=v3";

/// The environment variable that names the rustup toolchain to use, whatever else is installed.
pub const OVERRIDE: &str = "PASSTHROUGH_BPF_TOOLCHAIN";
/// The name under which a distribution's compiler is linked into rustup.
pub const LINKED: &str = "passthrough-bpf";
/// The one crate that may use unstable features on a stable compiler, as `RUSTC_BOOTSTRAP` wants it.
pub const BOOTSTRAP: &str = "aya_ebpf,passthrough";
/// The linker's command.
pub const LINKER: &str = "bpf-linker";
/// The oldest linker that knows `allows-misaligned-mem-access`: major, minor.
pub const OLDEST_LINKER: (u32, u32) = (0, 13);

/// Where the `core` of the BPF target comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Core {
    /// Compiled on the spot, from `rust-src`, by a nightly.
    Built,
    /// Shipped with the compiler.
    Shipped,
}

/// A compiler that can build the kernel programs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    /// The name in rustup; where there is no rustup, the compiler on `PATH` is meant.
    pub name: Option<String>,
    /// Where `core` comes from.
    pub core: Core,
}

impl Core {
    /// What cargo must be told, when it is not `aya-build` that tells it.
    #[must_use]
    pub const fn cargo_arguments(self) -> &'static [&'static str] {
        match self {
            Self::Built => &["-Z", "build-std=core"],
            Self::Shipped => &[],
        }
    }
}

impl Toolchain {
    /// The first that serves: the override, a nightly with `rust-src`, a compiler that ships the target's `core`.
    ///
    /// # Errors
    /// The reason in one line, where the override does not serve or nothing does.
    pub fn find() -> Result<Self, String> {
        if let Some(name) = env::var_os(OVERRIDE).filter(|name| !name.is_empty()) {
            let name = name.to_string_lossy().into_owned();
            return Self::by_name(Some(name.clone())).ok_or_else(|| {
                format!("{OVERRIDE} names {name:?}, which is no rustup toolchain with rust-src (nightly) or a core for {}", target())
            });
        }
        let Some(list) = output("rustup", &["toolchain", "list"]) else {
            return Self::by_name(None).filter(|found| found.core == Core::Shipped).ok_or_else(nothing_found);
        };
        let names = list.lines().filter_map(|line| line.split_whitespace().next());
        let nightly = names.clone().filter(|name| name.starts_with("nightly"));
        let nightly = nightly.filter_map(|name| Self::by_name(Some(name.to_owned())));
        let linked = names.filter(|name| *name == LINKED);
        let linked = linked.filter_map(|name| Self::by_name(Some(name.to_owned())));
        nightly.chain(linked).next().ok_or_else(nothing_found)
    }

    /// The toolchain of that name, if it can build for the target.
    fn by_name(name: Option<String>) -> Option<Self> {
        let toolchain = Self { name, core: Core::Built };
        let sysroot = toolchain.ask("rustc", &["--print", "sysroot"])?;
        let library = Path::new(sysroot.trim()).join("lib/rustlib");
        let nightly = toolchain.ask("rustc", &["--version"])?.contains("nightly");
        if nightly && library.join("src/rust/library/core/Cargo.toml").exists() {
            return Some(toolchain);
        }
        // A nightly would have `aya-build` build core, whatever it ships.
        let ships = !nightly && library.join(target()).join("lib").exists();
        ships.then_some(Self { core: Core::Shipped, ..toolchain })
    }

    /// `program` of this toolchain, ready for its arguments.
    #[must_use]
    pub fn command(&self, program: &str) -> Command {
        match &self.name {
            None => Command::new(program),
            Some(name) => {
                let mut command = Command::new("rustup");
                command.args(["run", name, program]);
                command
            }
        }
    }

    /// What `program` of this toolchain prints, if it succeeds.
    #[must_use]
    pub fn ask(&self, program: &str, arguments: &[&str]) -> Option<String> {
        answer(self.command(program).args(arguments))
    }

    /// One phrase for people.
    #[must_use]
    pub fn describe(&self) -> String {
        let name = self.name.as_deref().unwrap_or("the rustc on PATH");
        match self.core {
            Core::Built => format!("{name} (builds core from rust-src)"),
            Core::Shipped => format!("{name} (ships core for {})", target()),
        }
    }
}

/// The target that fits this machine's byte order.
#[must_use]
pub const fn target() -> &'static str {
    if cfg!(target_endian = "big") { "bpfeb-unknown-none" } else { "bpfel-unknown-none" }
}

/// The linker's version, where it is recent enough.
///
/// # Errors
/// The reason in one line.
pub fn linker() -> Result<String, String> {
    let wanted = format!("{}.{} or newer", OLDEST_LINKER.0, OLDEST_LINKER.1);
    let Some(answer) = output(LINKER, &["--version"]) else {
        return Err(format!("{LINKER} {wanted} is not on PATH"));
    };
    let version = answer.split_whitespace().nth(1).unwrap_or_default().to_owned();
    let mut numbers = version.split('.').map_while(|number| number.parse().ok());
    match (numbers.next(), numbers.next()) {
        (Some(major), Some(minor)) if (major, minor) >= OLDEST_LINKER => Ok(version),
        _ => Err(format!("{LINKER} {version} is too old, {wanted} is needed")),
    }
}

/// The file that `program` names, on `PATH` or in the folders of system tools that a user's `PATH` may lack.
#[must_use]
pub fn which(program: &str) -> Option<PathBuf> {
    let path = env::var_os("PATH").unwrap_or_default();
    let folders = env::split_paths(&path).chain(["/usr/sbin", "/sbin"].map(PathBuf::from));
    folders.map(|folder| folder.join(program)).find(|file| file.is_file())
}

fn nothing_found() -> String {
    format!(
        "no compiler for {}: neither a rustup nightly with rust-src nor a rustc that ships its core",
        target()
    )
}

fn output(program: impl AsRef<OsStr>, arguments: &[&str]) -> Option<String> {
    answer(Command::new(program).args(arguments))
}

/// A compiler that rustup started must not be told which toolchain the caller runs under.
fn answer(command: &mut Command) -> Option<String> {
    command.env_remove("RUSTUP_TOOLCHAIN").env_remove("RUSTC");
    let output = command.output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}
