//! `cargo xtask setup`: what building and testing need, installed where it is missing.
//!
//! Safe to repeat: what is there is left alone, and the package lists are fetched only when something is missing.
//! Packages are installed on Debian and Ubuntu alone; elsewhere each missing thing is one line that says how to get it.

use std::env;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Result, anyhow, bail};

use crate::process;
use crate::toolchain::{self, LINKED, LINKER, Toolchain, target, which};

/// The distribution's compiler, its cargo, and `core` for the BPF target.
const COMPILER_PACKAGES: [&str; 3] = ["rustc-web", "cargo-web", "libstd-rust-web-dev-bpf"];

/// The LLVM versions that `bpf-linker` 0.13 can be built with.
const LLVM_VERSIONS: [u32; 3] = [21, 22, 23];

/// Commands of the lab and the tests: each with its Debian package.
const TOOLS: [(&str, &str); 4] =
    [("ip", "iproute2"), ("ethtool", "ethtool"), ("nft", "nftables"), ("nsenter", "util-linux")];

/// Commands of the benchmark that it can do without, but for a figure: each with its Debian package.
const EXTRAS: [(&str, &str); 2] = [("iperf3", "iperf3"), ("conntrack", "conntrack")];

/// Commands of the virtual machine, each with its Debian package.
const MACHINE: [(&str, &str); 3] =
    [("qemu-system-x86_64", "qemu-system-x86"), ("xz", "xz-utils"), ("dpkg-deb", "dpkg")];

/// Installs what is missing, and says what is there.
pub fn run() -> Result<()> {
    Setup::new(Tone::Full).all()?;
    extras();
    Ok(())
}

/// The same, silent about what is there.
pub fn ensure() -> Result<()> {
    Setup::new(Tone::Changes).all()
}

/// Installs what the benchmark has a use for beside [`ensure`]; what cannot be had is told in a line each.
pub fn extras() {
    let mut packages = Packages::of_this_machine();
    for (tool, package) in EXTRAS {
        if which(tool).is_some() {
            continue;
        }
        let installed = packages.as_mut().is_some_and(|packages| packages.install(&[package]).is_ok());
        if !installed {
            println!("setup: no luck  {tool} (package {package}): the benchmark leaves out what needs it");
        }
    }
}

/// Whether packages can be installed on this machine, and fetched.
pub fn has_packages() -> bool {
    Packages::of_this_machine().is_some()
}

/// Installs what the virtual machine needs beside [`ensure`].
pub fn machine() -> Result<()> {
    let mut packages = Packages::of_this_machine();
    for (tool, package) in MACHINE.into_iter().filter(|(tool, _)| which(tool).is_none()) {
        match &mut packages {
            Some(packages) => packages.install(&[package])?,
            None => bail!("{tool} is missing: install your distribution's package {package}"),
        }
    }
    Ok(())
}

/// Installs what the fuzzer needs: a compiler for the C++ of LLVM's own.
pub fn fuzzer() -> Result<()> {
    if ["c++", "g++", "clang++"].into_iter().any(|name| which(name).is_some()) {
        return Ok(());
    }
    match &mut Packages::of_this_machine() {
        Some(packages) => packages.install(&["g++"]),
        None => bail!("a C++ compiler is missing: install your distribution's package g++"),
    }
}

#[derive(PartialEq, Eq)]
enum Tone {
    Full,
    Changes,
}

struct Setup {
    tone: Tone,
    packages: Option<Packages>,
    missing: usize,
}

impl Setup {
    fn new(tone: Tone) -> Self {
        Self { tone, packages: Packages::of_this_machine(), missing: 0 }
    }

    fn all(mut self) -> Result<()> {
        self.tools()?;
        // Which linker fits is known once there is a compiler.
        if let Some(compiler) = self.compiler()? {
            self.linker(&compiler)?;
        }
        match self.missing {
            0 => Ok(()),
            count => bail!("{count} missing: get what is named above, then run `cargo xtask setup` again"),
        }
    }

    fn there(&self, what: &str) {
        if self.tone == Tone::Full {
            println!("setup: there    {what}");
        }
    }

    fn missing(&mut self, what: &str) {
        self.missing += 1;
        println!("setup: missing  {what}");
    }

    fn tools(&mut self) -> Result<()> {
        let (there, absent): (Vec<_>, Vec<_>) =
            TOOLS.into_iter().partition(|(tool, _)| which(tool).is_some());
        for (tool, _) in there {
            self.there(tool);
        }
        if which("tcpdump").is_none() {
            self.there("no tcpdump: nothing needs it, but it helps to look at a lab");
        }
        match &mut self.packages {
            _ if absent.is_empty() => {}
            Some(packages) => {
                packages.install(&absent.iter().map(|(_, package)| *package).collect::<Vec<_>>())?
            }
            None => {
                for (tool, package) in absent {
                    self.missing(&format!("{tool}: install your distribution's package {package}"));
                }
            }
        }
        Ok(())
    }

    /// Finds the compiler, in the order of [`Toolchain::find`]; links or installs one if there is none.
    fn compiler(&mut self) -> Result<Option<Toolchain>> {
        let mut found = Toolchain::find();
        if found.is_err() && env::var_os(toolchain::OVERRIDE).is_none_or(|name| name.is_empty()) {
            self.get_compiler()?;
            found = Toolchain::find();
        }
        match found {
            Ok(found) => {
                self.there(&format!("compiler: {}", found.describe()));
                Ok(Some(found))
            }
            Err(reason) => {
                self.missing(&format!(
                    "{reason}; `rustup toolchain install nightly --component rust-src` gives one"
                ));
                Ok(None)
            }
        }
    }

    /// The distribution's compiler, or else a nightly: not every release ships `core` for BPF.
    fn get_compiler(&mut self) -> Result<()> {
        let Some(packages) = &mut self.packages else {
            return Ok(());
        };
        if !shipped_core().exists() && packages.offer(&COMPILER_PACKAGES)? {
            packages.install(&COMPILER_PACKAGES)?;
        }
        if which("rustup").is_none() {
            return Ok(());
        }
        if shipped_core().exists() {
            return process::run(Command::new("rustup").args(["toolchain", "link", LINKED, "/usr"]));
        }
        let nightly = ["toolchain", "install", "nightly", "--profile", "minimal", "--component", "rust-src"];
        if let Err(error) = process::run(Command::new("rustup").args(nightly)) {
            println!("setup: no luck  {error}");
        }
        Ok(())
    }

    /// The linker must understand what the compiler writes: its LLVM is the compiler's, or a newer one.
    fn linker(&mut self, compiler: &Toolchain) -> Result<()> {
        let reason = match toolchain::linker() {
            Ok(version) => {
                self.there(&format!("{LINKER} {version}"));
                return Ok(());
            }
            Err(reason) => reason,
        };
        let oldest = llvm_version(compiler).unwrap_or(LLVM_VERSIONS[0]);
        let fit = LLVM_VERSIONS.into_iter().filter(|version| *version >= oldest);
        let mut chosen = None;
        if let Some(packages) = &mut self.packages {
            for version in fit.clone() {
                if chosen.is_none() && packages.offer(&[&format!("llvm-{version}-dev")])? {
                    chosen = Some(version);
                }
            }
        }
        let Some(version) = chosen else {
            let any = fit.map(|version| version.to_string()).collect::<Vec<_>>().join(" or ");
            self.missing(&format!(
                "{reason}: install LLVM {any} with its headers, then `LLVM_PREFIX=$(llvm-config --prefix) {}`",
                install_linker("N").join(" ")
            ));
            return Ok(());
        };
        if let Some(packages) = &mut self.packages {
            let (llvm, polly) = (format!("llvm-{version}-dev"), format!("libpolly-{version}-dev"));
            packages.install(&[&llvm, &polly, "libzstd-dev", "zlib1g-dev"])?;
        }
        println!("setup: build    {LINKER} with LLVM {version}: some minutes");
        let words = install_linker(&version.to_string());
        // Without the prefix the build looks for the library in the wrong folder: "unable to find library -lLLVM".
        let prefix = format!("/usr/lib/llvm-{version}");
        process::run(
            process::cargo().args(&words[1..]).env("LLVM_PREFIX", prefix).env_remove("CARGO_TARGET_DIR"),
        )?;
        toolchain::linker().map(drop).map_err(|reason| anyhow!("{reason}: add cargo's bin folder to PATH"))
    }
}

/// How to build the linker, word by word.
fn install_linker(llvm: &str) -> Vec<String> {
    let words = "cargo install bpf-linker --version ^0.13 --no-default-features --features llvm-N --locked";
    words.split(' ').map(|word| word.replace("llvm-N", &format!("llvm-{llvm}"))).collect()
}

/// The major version of the LLVM in a compiler.
fn llvm_version(compiler: &Toolchain) -> Option<u32> {
    let about = compiler.ask("rustc", &["-vV"])?;
    let version = about.lines().find_map(|line| line.strip_prefix("LLVM version: "))?;
    version.split('.').next()?.parse().ok()
}

/// Where the distribution's compiler keeps `core` for the BPF target.
fn shipped_core() -> PathBuf {
    Path::new("/usr/lib/rustlib").join(target()).join("lib")
}

/// Debian's package tools, as root or through sudo.
struct Packages {
    lists: Lists,
}

#[derive(PartialEq, Eq)]
enum Lists {
    AsFound,
    Fetched,
}

impl Packages {
    fn of_this_machine() -> Option<Self> {
        let release = fs::read_to_string("/etc/os-release").ok()?;
        let debian = is_debian(&release) && which("apt-get").is_some();
        debian.then_some(Self { lists: Lists::AsFound })
    }

    /// Fetches the lists, once a run.
    fn fetch_lists(&mut self) -> Result<()> {
        if self.lists == Lists::AsFound {
            process::run(process::as_root("apt-get", "apt-get", &[])?.args(["update", "-q"]))?;
            self.lists = Lists::Fetched;
        }
        Ok(())
    }

    /// Whether all of these can be installed.
    fn offer(&mut self, names: &[&str]) -> Result<bool> {
        self.fetch_lists()?;
        let candidate = |name: &&str| {
            let policy = process::ask("apt-cache", &["policy", name]).unwrap_or_default();
            policy.contains("Candidate: ") && !policy.contains("Candidate: (none)")
        };
        Ok(names.iter().all(candidate))
    }

    fn install(&mut self, names: &[&str]) -> Result<()> {
        self.fetch_lists()?;
        let mut install = process::as_root("apt-get", "env", &[])?;
        install.args([
            "DEBIAN_FRONTEND=noninteractive",
            "apt-get",
            "install",
            "-y",
            "-q",
            "--no-install-recommends",
        ]);
        process::run(install.args(names))
    }
}

/// Whether `/etc/os-release` tells of Debian, Ubuntu or a child of theirs.
fn is_debian(release: &str) -> bool {
    let values =
        release.lines().filter_map(|line| line.strip_prefix("ID=").or(line.strip_prefix("ID_LIKE=")));
    values.flat_map(|value| value.trim_matches('"').split(' ')).any(|id| matches!(id, "debian" | "ubuntu"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn debian_and_its_children_are_known_and_others_are_not() {
        assert!(is_debian("NAME=\"Debian\"\nID=debian\n"));
        assert!(is_debian("ID=linuxmint\nID_LIKE=\"ubuntu debian\"\n"));
        assert!(!is_debian("ID=fedora\nID_LIKE=\"rhel\"\n"));
    }

    #[test]
    fn the_linker_is_built_for_one_llvm() {
        assert!(install_linker("22").contains(&"llvm-22".to_owned()));
    }
}
