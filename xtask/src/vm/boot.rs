//! Boots the guest under qemu, shows its progress, and gives up when it takes too long.

use std::fs::{self, File};
use std::io::{BufRead as _, BufReader, Write as _};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail};

use super::image::Files;

/// Who runs the guest's instructions.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
pub enum Accelerator {
    /// The processor.
    Kvm,
    /// qemu, in software.
    Tcg,
}

/// How long a guest under KVM may take to say its first word; a KVM that is there but does not work says nothing.
const FIRST_WORD: Duration = Duration::from_secs(30);
/// What marks a line of the guest as meant for people.
const MARK: &str = "| ";
/// The guest's first line and its last.
const HELLO: &str = "| guest is up";
const BYE: &str = "| guest is done";

/// The accelerator that really works here: KVM is tried, not only looked for.
pub fn usable(files: &Files, root: &Path, share: &Path) -> Result<Accelerator> {
    if File::options().read(true).write(true).open("/dev/kvm").is_err() {
        return Ok(Accelerator::Tcg);
    }
    fs::write(share.join("words"), "--try")?;
    let mut guest = start(Accelerator::Kvm, files, root, share)?;
    let answered = listen(&mut guest, FIRST_WORD, |line| line.starts_with(HELLO)).unwrap_or(false);
    stop(&mut guest);
    if !answered {
        println!("vm-test: KVM is there, but no guest starts under it: TCG it is");
    }
    Ok(if answered { Accelerator::Kvm } else { Accelerator::Tcg })
}

/// Runs the guest to its end; everything that it says goes to `console`, what is for people to the terminal too.
pub fn run(
    accelerator: Accelerator,
    files: &Files,
    root: &Path,
    share: &Path,
    longest: Duration,
    console: &Path,
) -> Result<()> {
    let mut log = File::create(console).with_context(|| format!("making {}", console.display()))?;
    let mut guest = start(accelerator, files, root, share)?;
    let ended = listen(&mut guest, longest, |line| {
        let _ = writeln!(log, "{line}");
        if let Some(progress) = line.strip_prefix(MARK) {
            println!("  {progress}");
        }
        line.starts_with(BYE)
    });
    stop(&mut guest);
    match ended {
        Ok(true) => Ok(()),
        Ok(false) => bail!("the guest ended before its time: its console is in {}", console.display()),
        Err(error) => Err(error.context(format!("its console is in {}", console.display()))),
    }
}

fn start(accelerator: Accelerator, files: &Files, root: &Path, share: &Path) -> Result<Child> {
    let mut qemu = Command::new("qemu-system-x86_64");
    match accelerator {
        Accelerator::Kvm => qemu.args(["-accel", "kvm", "-cpu", "host"]),
        Accelerator::Tcg => qemu.args(["-accel", "tcg,thread=multi", "-cpu", "max"]),
    };
    qemu.args(["-M", "q35", "-smp", "2", "-m", "2048", "-nodefaults", "-display", "none", "-no-reboot"]);
    qemu.args(["-serial", "stdio"]).arg("-kernel").arg(&files.image).arg("-initrd").arg(&files.first);
    // On a busy host the emulated timer is late, which a kernel would take for broken hardware (6.12: "IO-APIC + timer
    // doesn't work").
    qemu.args(["-append", "console=ttyS0 quiet panic=-1 mitigations=off no_timer_check"]);
    let modules = files.modules.as_path();
    for (tag, folder, rights) in
        [("root", root, ",readonly=on"), ("modules", modules, ",readonly=on"), ("share", share, "")]
    {
        let folder = folder.canonicalize().with_context(|| format!("finding {}", folder.display()))?;
        let words = format!("local,path={},mount_tag={tag},security_model=none{rights}", folder.display());
        qemu.args(["-virtfs", &words]);
    }
    qemu.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit());
    qemu.spawn().context("starting qemu-system-x86_64: is qemu-system-x86 installed?")
}

/// Hands on lines until one is the last; `false` if the guest has ended before.
fn listen(guest: &mut Child, longest: Duration, mut is_last: impl FnMut(&str) -> bool) -> Result<bool> {
    let output = guest.stdout.take().context("qemu has no output")?;
    let (sender, lines) = mpsc::channel();
    // It ends with qemu's output.
    thread::spawn(move || {
        for line in BufReader::new(output).split(b'\n').map_while(Result::ok) {
            if sender.send(String::from_utf8_lossy(&line).trim_end().to_owned()).is_err() {
                return;
            }
        }
    });
    let deadline = Instant::now() + longest;
    loop {
        match lines.recv_timeout(deadline.saturating_duration_since(Instant::now())) {
            Ok(line) if is_last(&line) => return Ok(true),
            Ok(_) => {}
            Err(mpsc::RecvTimeoutError::Disconnected) => return Ok(false),
            Err(mpsc::RecvTimeoutError::Timeout) => {
                bail!("the guest was not done after {} minutes", longest.as_secs() / 60)
            }
        }
    }
}

/// Ends qemu, by its own process; a guest that has said its last word has written everything.
fn stop(guest: &mut Child) {
    let _ = guest.kill();
    let _ = guest.wait();
}
