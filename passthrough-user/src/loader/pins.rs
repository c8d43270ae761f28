//! Where the kernel objects are kept: a directory of the BPF file system for each network namespace.

use std::{
    fs::{self, File, TryLockError},
    io::ErrorKind,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::Command,
};

use anyhow::{Context, bail};
use passthrough_common::abi::names::program;
use rustix::mount::{MountFlags, mount};

use super::attach;

/// The BPF file system's usual place.
const BPFFS: &str = "/sys/fs/bpf";
/// The BPF file system's type.
const BPFFS_TYPE: &str = "bpf";
/// `BPF_FS_MAGIC` (uapi/linux/magic.h).
const BPFFS_MAGIC: u64 = 0xcafe_4a11;

/// The directory of pins.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Pins {
    directory: PathBuf,
    given: bool,
}

/// Held while a command changes something, so that two commands do not undo each other's work.
#[derive(Debug)]
pub struct Lock {
    _directory: File,
}

impl Pins {
    /// The directory that was given, or the one of this network namespace.
    pub fn locate(given: Option<PathBuf>) -> Pins {
        if let Some(directory) = given {
            return Pins { directory, given: true };
        }
        let root = outer_root().map_or(BPFFS.to_string(), |process| format!("/proc/{process}/root{BPFFS}"));
        let name = match inode("/proc/self/ns/net") {
            Some(inode) if !in_first_network() => format!("passthrough-net-{inode}"),
            _ => "passthrough".to_string(),
        };
        Pins { directory: Path::new(&root).join(name), given: false }
    }

    /// The directory.
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// Whether anything is pinned.
    pub fn exist(&self) -> bool {
        self.directory.is_dir()
    }

    /// Pin of a map.
    pub fn map(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// Pin of a program that is run on its own.
    pub fn program(&self, name: &str) -> PathBuf {
        self.directory.join(format!("prog_{name}"))
    }

    /// Pin of the link of a program to an interface. (Names with a dot are reserved by the BPF file system.)
    pub fn link(&self, name: &str, index: u32) -> PathBuf {
        self.directory.join(format!("link_{name}_{index}"))
    }

    /// All pinned links: program, interface index, pin.
    pub fn links(&self) -> anyhow::Result<Vec<(&'static str, u32, PathBuf)>> {
        let mut links = Vec::new();
        let entries = match fs::read_dir(&self.directory) {
            Ok(entries) => entries,
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(links),
            Err(error) => return Err(error).with_context(|| format!("reading {}", self.directory.display())),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name().to_string_lossy().into_owned();
            if let Some((program, index)) = parse_link(&name) {
                links.push((program, index, entry.path()));
            }
        }
        links.sort_by_key(|(program, index, _)| (*index, *program));
        Ok(links)
    }

    /// Sees to it that the BPF file system is there, mounting it if need be.
    pub fn mount(&self) -> anyhow::Result<()> {
        if self.given {
            let parent = self.directory.parent().unwrap_or(Path::new("/"));
            if !parent.is_dir() {
                bail!("--pin-dir {}: {} is no directory", self.directory.display(), parent.display());
            }
            if !on_bpffs(parent)? {
                bail!(
                    "--pin-dir {}: not on a BPF file system (`mount -t bpf bpf DIR` makes one)",
                    self.directory.display()
                );
            }
            return Ok(());
        }
        let root = self.directory.parent().unwrap_or(Path::new(BPFFS));
        if on_bpffs(root)? {
            return Ok(());
        }
        match outer_root() {
            None => mount(BPFFS_TYPE, BPFFS, BPFFS_TYPE, MountFlags::empty(), None).with_context(|| {
                format!("mounting the BPF file system on {BPFFS} (`mount -t bpf bpf {BPFFS}`)")
            }),
            // Mounted in this mount namespace it would be gone with this command.
            Some(process) => {
                let done = Command::new("nsenter")
                    .args(["--target", &process.to_string(), "--mount"])
                    .args(["mount", "-t", BPFFS_TYPE, BPFFS_TYPE, BPFFS])
                    .status()
                    .context("running nsenter to mount the BPF file system outside this mount namespace")?;
                if !done.success() {
                    bail!(
                        "no BPF file system outside this mount namespace: `mount -t bpf bpf {BPFFS}` there"
                    );
                }
                Ok(())
            }
        }
    }

    /// Waits for other commands that change something here.
    pub fn lock(&self) -> anyhow::Result<Lock> {
        let (root, directory) = self.open_root()?;
        directory.lock().with_context(|| format!("waiting for the lock on {}", root.display()))?;
        Ok(Lock { _directory: directory })
    }

    /// The lock, unless another command has it.
    pub fn try_lock(&self) -> anyhow::Result<Option<Lock>> {
        let (root, directory) = self.open_root()?;
        match directory.try_lock() {
            Ok(()) => Ok(Some(Lock { _directory: directory })),
            Err(TryLockError::WouldBlock) => Ok(None),
            Err(TryLockError::Error(error)) => {
                Err(error).with_context(|| format!("taking the lock on {}", root.display()))
            }
        }
    }

    fn open_root(&self) -> anyhow::Result<(&Path, File)> {
        let root = self.directory.parent().unwrap_or(Path::new(BPFFS));
        let directory = File::open(root).with_context(|| format!("opening {}", root.display()))?;
        Ok((root, directory))
    }

    /// Takes every program off, the fast path first, removes every pin and the directory. Maps and programs end with
    /// their last pin.
    pub fn remove(&self) -> anyhow::Result<()> {
        let (fast, others): (Vec<_>, Vec<_>) =
            self.links()?.into_iter().partition(|(name, ..)| program::FAST.contains(name));
        for (_, _, pin) in fast.into_iter().chain(others) {
            attach::detach(&pin)?;
        }
        let entries =
            fs::read_dir(&self.directory).with_context(|| format!("reading {}", self.directory.display()))?;
        for entry in entries {
            let path = entry?.path();
            fs::remove_file(&path).with_context(|| format!("removing {}", path.display()))?;
        }
        fs::remove_dir(&self.directory).with_context(|| format!("removing {}", self.directory.display()))
    }
}

/// The program and the interface index in the name of a link's pin.
fn parse_link(name: &str) -> Option<(&'static str, u32)> {
    let tc = [program::WAN_EGRESS, program::WAN_INGRESS, program::LAN_INGRESS];
    tc.into_iter().chain(program::FAST).find_map(|program| {
        let index = name.strip_prefix("link_")?.strip_prefix(program)?.strip_prefix('_')?.parse().ok()?;
        Some((program, index))
    })
}

fn inode(path: &str) -> Option<u64> {
    fs::metadata(path).ok().map(|about| about.ino())
}

/// Whether this process is in the first process's network namespace. Asked by a file of `/proc/PID/net`, which is
/// one and the same in one namespace, since `/proc/1/ns` can be read only with every capability that PID 1 has.
fn in_first_network() -> bool {
    inode("/proc/1/net/dev") == inode("/proc/self/net/dev")
}

/// The outermost ancestor with another mount namespace than this process; `None` if there is none, or none can be
/// seen. `ip netns exec` gives its command a `/sys` of its own, and what is pinned there is gone with the command.
fn outer_root() -> Option<u32> {
    let own = inode("/proc/self/ns/mnt")?;
    let mut process = parent("self")?;
    let mut outer = None;
    while process > 0 {
        if let Some(namespace) = inode(&format!("/proc/{process}/ns/mnt")) {
            outer = (namespace != own).then_some(process);
        }
        process = parent(&process.to_string())?;
    }
    outer
}

/// `PPid` of a process.
fn parent(process: &str) -> Option<u32> {
    let status = fs::read_to_string(format!("/proc/{process}/status")).ok()?;
    status.lines().find_map(|line| line.strip_prefix("PPid:"))?.trim().parse().ok()
}

/// Whether a directory lies on a BPF file system.
fn on_bpffs(directory: &Path) -> anyhow::Result<bool> {
    let about =
        rustix::fs::statfs(directory).with_context(|| format!("looking at {}", directory.display()))?;
    Ok(about.f_type as u64 == BPFFS_MAGIC)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_link_pin_names_its_program_and_interface() {
        let pins = Pins::locate(Some("/sys/fs/bpf/x".into()));
        let path = pins.link(program::WAN_INGRESS, 12);
        let name = path.file_name().and_then(|name| name.to_str()).expect("a name");
        assert_eq!(parse_link(name), Some((program::WAN_INGRESS, 12)));
        assert_eq!(parse_link("link_fast_wan_3"), Some((program::FAST_WAN, 3)));
        assert_eq!(parse_link("SESSIONS"), None);
        assert_eq!(parse_link("link_other_12"), None);
    }
}
