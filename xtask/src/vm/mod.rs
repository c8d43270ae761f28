//! `cargo xtask vm-test`: VPN software that nobody here wrote, through the gateway, on a kernel of one's choice.
//!
//! The guest's programs and its kernels are Debian's packages, fetched once and unpacked below the target folder. The guest
//! reads them over 9p and keeps what it writes in memory. What it runs is `scenarios`, of the package with the tests.

mod archive;
mod boot;
mod cpio;
mod image;

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use anyhow::{Context as _, Result, bail};

use crate::build;
use crate::process::{self, Profile};
use crate::setup;

use boot::Accelerator;
use image::{KERNELS, Kernel};

/// What `vm-test` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Scenarios to run, by their whole names (`--list` has them) [default: all]
    scenarios: Vec<String>,
    /// Kernels, parted by commas: 5.10, 6.1, 6.12, 7.3, or all
    #[arg(long, value_name = "LIST", value_delimiter = ',', default_value = "6.1")]
    kernel: Vec<String>,
    /// Ways through the gateway, parted by commas: tc, xdp, netfilter, plain [default: all]
    #[arg(long, value_name = "LIST", value_delimiter = ',')]
    mode: Vec<String>,
    /// Clients of the scenarios with many
    #[arg(long, value_name = "N")]
    clients: Option<usize>,
    /// Name scenarios and kernels, and run nothing
    #[arg(long)]
    list: bool,
    /// Keep logs and captures of what passed, too
    #[arg(long)]
    keep: bool,
    /// On this machine's own kernel, without a virtual machine (needs root)
    #[arg(long, conflicts_with = "kernel")]
    native: bool,
    /// Who runs the guest's instructions [default: kvm where it works, else tcg]
    #[arg(long, value_name = "ACCELERATOR")]
    accel: Option<Accelerator>,
    /// Longest that a kernel's run may take, in minutes
    #[arg(long, value_name = "N", default_value_t = 90)]
    minutes: u64,
    /// Then write docs/interop.md from the last results of each kernel
    #[arg(long)]
    write: bool,
}

/// The programs are those that the tests have built already. The guest's time goes into emulated kernels, not into them.
const PROFILE: Profile = Profile::Debug;

/// What of it every run of the tests plays, on the oldest kernel: two clients of one server by protocols without ports.
const SHORT: [&str; 2] = ["pptp-many", "esp-many"];

/// Whether this machine can make the guest and its files.
pub fn is_possible() -> bool {
    cfg!(target_arch = "x86_64") && setup::has_packages() && archive::has_keys()
}

/// The short form, for `cargo xtask test`: some minutes where the guest is emulated. What fails is played once more: on a host
/// that takes the processors away, an emulated guest is slow enough for a PPP daemon to hang up.
pub fn short() -> Result<()> {
    let arguments = Arguments {
        scenarios: SHORT.map(str::to_owned).to_vec(),
        kernel: vec!["6.1".to_owned()],
        mode: vec!["tc".to_owned()],
        clients: Some(2),
        list: false,
        keep: false,
        native: false,
        accel: None,
        minutes: 20,
        write: false,
    };
    run(&arguments).or_else(|error| {
        println!("vm-test: {error:#}; once more");
        run(&arguments)
    })
}

/// The programs that go into the guest.
const PROGRAMS: [&str; 2] = ["passthrough", "scenarios"];

/// What the guest does once its root is in place. Its words are in a file, since they may be many.
const INIT: &str = r#"#!/bin/bash
export PATH=/srv/bin:/usr/sbin:/usr/bin HOME=/root PASSTHROUGH_BIN=/srv/bin/passthrough
mount -t proc proc /proc; mount -t sysfs sysfs /sys; mount -t bpf bpf /sys/fs/bpf; mount -t tmpfs run /run
mount -t tmpfs tmp /tmp; mkdir -p /dev/pts; mount -t devpts pts /dev/pts; ip link set lo up
# Nobody asks for these by a name that the kernel could load them by.
modprobe -a -q ppp_generic tun nf_conntrack_pptp nf_nat_pptp
echo '| guest is up'
read -r -a words < /srv/words
if [ "${words[0]}" != --try ]; then scenarios --out /srv/out "${words[@]}"; sync; fi
echo '| guest is done'
sleep 60
"#;

/// Builds, gets what the guest needs, runs it on each kernel, and says what came of it.
pub fn run(arguments: &Arguments) -> Result<()> {
    if arguments.list {
        return list();
    }
    if !cfg!(target_arch = "x86_64") {
        bail!("the guest is an x86-64 machine, and this is none: use --native");
    }
    let cache = process::target_folder()?.join("vm");
    let kernels = arguments.kernels()?;
    build::workspace(PROFILE)?;
    if arguments.native {
        return native(arguments, &cache);
    }
    setup::machine()?;
    fs::create_dir_all(&cache).with_context(|| format!("making {}", cache.display()))?;
    let root = image::root(&cache)?;
    let mut failed = Vec::new();
    for kernel in kernels {
        if let Err(error) = on(kernel, arguments, &cache, &root) {
            println!("  kernel {}: {error:#}", kernel.name);
            failed.push(kernel.name);
        }
    }
    if arguments.write {
        document(&cache)?;
    }
    if !failed.is_empty() {
        bail!("not everything passed on {}", failed.join(", "));
    }
    Ok(())
}

impl Arguments {
    fn kernels(&self) -> Result<Vec<&'static Kernel>> {
        if self.kernel.iter().any(|name| name == "all") {
            return Ok(KERNELS.iter().collect());
        }
        self.kernel.iter().map(|name| Kernel::by_name(name)).collect()
    }

    /// The words for `scenarios`.
    fn words(&self) -> Vec<String> {
        let mut words = self.scenarios.clone();
        if !self.mode.is_empty() {
            words.push(format!("--mode={}", self.mode.join(",")));
        }
        if let Some(clients) = self.clients {
            words.push(format!("--clients={clients}"));
        }
        if self.keep {
            words.push("--keep".to_owned());
        }
        words
    }
}

fn list() -> Result<()> {
    build::workspace(PROFILE)?;
    for kernel in &KERNELS {
        println!("kernel {}", kernel.name);
    }
    process::hand_over(Command::new(process::binary(PROFILE, "scenarios")?).arg("--list"))
}

/// Runs the scenarios on one kernel.
fn on(kernel: &Kernel, arguments: &Arguments, cache: &Path, root: &Path) -> Result<()> {
    let files = kernel.files(cache, root)?;
    let share = share(cache, kernel.name)?;
    let accelerator = match arguments.accel {
        Some(accelerator) => accelerator,
        None => boot::usable(&files, root, &share)?,
    };
    println!("vm-test: kernel {} under {accelerator:?}", files.release);
    fs::write(share.join("words"), arguments.words().join(" "))?;
    let longest = Duration::from_secs(60 * arguments.minutes);
    boot::run(accelerator, &files, root, &share, longest, &share.join("console.log"))?;
    verdict(&share.join("out"))
}

/// What is known of a kernel on machines that have not played it, beside the page that shows it.
fn published(kernel: &str) -> PathBuf {
    process::top().join(format!("docs/interop/{kernel}.json"))
}

/// Has `docs/interop.md` written, from what each kernel's last run has left here, or where the page was last written.
fn document(cache: &Path) -> Result<()> {
    for kernel in &KERNELS {
        let results = cache.join(format!("share-{}/out/results.json", kernel.name));
        if results.exists() {
            fs::copy(&results, published(kernel.name)).context("publishing results")?;
        }
    }
    let mut write = Command::new(process::binary(PROFILE, "scenarios")?);
    write.arg("--write").arg(process::top().join("docs/interop.md"));
    write.arg("--versions").arg(cache.join("root.ready"));
    write.args(KERNELS.iter().map(|kernel| published(kernel.name)));
    process::hand_over(&mut write)
}

/// The folder that guest and host share: programs in, results out.
fn share(cache: &Path, name: &str) -> Result<PathBuf> {
    let share = cache.join(format!("share-{name}"));
    // What earlier runs came to is taken up by the next, be it on another machine.
    let results = fs::read(share.join("out/results.json")).or_else(|_| fs::read(published(name)));
    for folder in ["bin", "lib", "out"] {
        let folder = share.join(folder);
        if folder.exists() {
            fs::remove_dir_all(&folder).with_context(|| format!("clearing {}", folder.display()))?;
        }
        fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    }
    if let Ok(results) = results {
        fs::write(share.join("out/results.json"), results).context("keeping earlier results")?;
    }
    for program in PROGRAMS {
        let file = process::binary(PROFILE, program)?;
        fs::copy(&file, share.join("lib").join(program)).with_context(|| format!("copying {program}"))?;
        for library in libraries(&file)? {
            let name = library.file_name().context("a library without a name")?;
            fs::copy(&library, share.join("lib").join(name))?;
        }
        // This machine's libraries may be newer than the guest's.
        let start = format!(
            "#!/bin/sh\nexec /srv/lib/ld-linux-x86-64.so.2 --library-path /srv/lib /srv/lib/{program} \"$@\"\n"
        );
        executable(&share.join("bin").join(program), &start)?;
    }
    executable(&share.join("init"), INIT)?;
    Ok(share)
}

fn executable(file: &Path, text: &str) -> Result<()> {
    fs::write(file, text).with_context(|| format!("writing {}", file.display()))?;
    Ok(fs::set_permissions(file, fs::Permissions::from_mode(0o755))?)
}

/// The libraries that a program wants, the loader among them.
fn libraries(program: &Path) -> Result<Vec<PathBuf>> {
    let shown = process::ask("ldd", &[&program.display().to_string()]);
    let shown = shown.with_context(|| format!("asking ldd about {}", program.display()))?;
    Ok(shown.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// On this machine's kernel, with this machine's programs.
fn native(arguments: &Arguments, cache: &Path) -> Result<()> {
    let scenarios = process::binary(PROFILE, "scenarios")?;
    let out = cache.join("share-native/out");
    fs::create_dir_all(&out).with_context(|| format!("making {}", out.display()))?;
    let mut run = process::as_root("the scenarios", scenarios, &["PASSTHROUGH_BIN"])?;
    run.arg("--out").arg(&out).args(arguments.words());
    run.env("PASSTHROUGH_BIN", process::binary(PROFILE, "passthrough")?);
    process::hand_over(&mut run)
}

/// What the guest has left behind: `scenarios` writes this file last.
fn verdict(out: &Path) -> Result<()> {
    let text = fs::read_to_string(out.join("verdict")).context("the guest left no verdict")?;
    match text.trim() {
        "passed" => Ok(()),
        other => bail!("{other}; logs and captures are in {}", out.display()),
    }
}

#[cfg(test)]
mod tests {
    use clap::Parser as _;

    use super::*;

    #[derive(clap::Parser)]
    struct Line {
        #[command(flatten)]
        arguments: Arguments,
    }

    #[test]
    fn what_was_asked_for_is_handed_on() {
        let line = Line::parse_from(["vm-test", "pptp", "esp", "--mode", "tc,xdp", "--kernel", "6.1,7.3"]);
        assert_eq!(line.arguments.words(), ["pptp", "esp", "--mode=tc,xdp"]);
        let names: Vec<_> =
            line.arguments.kernels().unwrap_or_default().iter().map(|kernel| kernel.name).collect();
        assert_eq!(names, ["6.1", "7.3"]);
    }

    #[test]
    fn an_unknown_kernel_is_refused() {
        let line = Line::parse_from(["vm-test", "--kernel", "2.4"]);
        assert!(line.arguments.kernels().is_err());
    }
}
