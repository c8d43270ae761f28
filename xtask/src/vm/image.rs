//! The guest's files: programs of Debian 12, and kernels with their modules. Made once, kept below the target folder.

use std::fs::{self, File};
use std::io::Write as _;
use std::os::unix::fs::{PermissionsExt as _, symlink};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use super::archive::{self, Archive};
use super::cpio;

/// What the scenarios run, and what they look with.
const PACKAGES: [&str; 27] = [
    "bash",
    "busybox-static",
    "coreutils",
    "ethtool",
    "grep",
    "iproute2",
    "iptables",
    "iputils-ping",
    "kmod",
    "libc-bin",
    "mount",
    "nftables",
    "openssl",
    "openvpn",
    "ppp",
    "pppoe",
    "pptp-linux",
    "pptpd",
    "procps",
    "sed",
    "tcpdump",
    "util-linux",
    "wireguard-tools",
    "xl2tpd",
    "charon-systemd",
    "strongswan-swanctl",
    "libstrongswan-standard-plugins",
];

/// What cannot be installed beside the others, but can lie beside them.
const APART: [&str; 1] = ["libreswan"];

/// A kernel that Debian's archives offer.
pub struct Kernel {
    /// As it is asked for: `6.1`.
    pub name: &'static str,
    suites: &'static [&'static str],
    package: &'static str,
}

/// All of them, the oldest first.
pub const KERNELS: [Kernel; 4] = [
    Kernel { name: "5.10", suites: &["bullseye"], package: "linux-image-amd64" },
    Kernel { name: "6.1", suites: &["bookworm", "bookworm-security"], package: "linux-image-amd64" },
    Kernel { name: "6.12", suites: &["bookworm-security"], package: "linux-image-6.12-amd64" },
    Kernel { name: "7.3", suites: &["trixie-backports"], package: "linux-image-amd64" },
];

/// Modules that the guest needs before it can load any from its own file system.
const EARLY: [&str; 12] = [
    "virtio",
    "virtio_ring",
    "virtio_pci_modern_dev",
    "virtio_pci_legacy_dev",
    "virtio_pci",
    "fscache",
    "netfs",
    "9pnet",
    "9pnet_virtio",
    "9p",
    "overlay",
    "failover",
];

/// First of all: mounts the root that the host shares, and goes there. Modules in whatever order they need each other.
const FIRST: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
mount -t devtmpfs dev /dev
for round in 1 2 3 4; do
  for module in /modules/*.ko; do insmod $module 2>/dev/null && rm $module; done
done
share() { mount -t 9p -o trans=virtio,version=9p2000.L,msize=262144,$3 $1 $2; }
mkdir -p /lower /upper /root
share root /lower ro,cache=loose
mount -t tmpfs upper /upper && mkdir /upper/files /upper/work
mount -t overlay -o lowerdir=/lower,upperdir=/upper/files,workdir=/upper/work root /root
share modules /root/usr/lib/modules ro,cache=loose
share share /root/srv rw,cache=none
mount -t devtmpfs dev /root/dev
exec switch_root /root /srv/init
";

/// The folder with the guest's programs.
pub fn root(cache: &Path) -> Result<PathBuf> {
    let root = cache.join("root");
    if cache.join("root.ready").exists() {
        return Ok(root);
    }
    println!("vm-test: the guest's programs, from Debian's packages");
    let archive = Archive::open(cache.join("bookworm"), &["bookworm", "bookworm-security"])?;
    archive.fetch(&PACKAGES)?;
    let packages = archive.fetch(&APART)?;
    if root.exists() {
        fs::remove_dir_all(&root).context("clearing a root that was not finished")?;
    }
    for folder in ["bin", "sbin", "lib", "lib64"] {
        fs::create_dir_all(root.join("usr").join(folder))?;
        symlink(format!("usr/{folder}"), root.join(folder))?;
    }
    archive::unpack(&packages, &root)?;
    for folder in ["usr/lib/modules", "srv", "run", "tmp", "proc", "sys", "dev", "root", "var/log"] {
        fs::create_dir_all(root.join(folder))?;
    }
    // Links that scripts of the packages would make.
    for (link, to) in [("var/run", "/run"), ("usr/bin/sh", "bash")] {
        let link = root.join(link);
        if link.is_dir() {
            fs::remove_dir_all(&link).with_context(|| format!("clearing {}", link.display()))?;
        }
        if link.symlink_metadata().is_err() {
            symlink(to, &link).with_context(|| format!("making {}", link.display()))?;
        }
    }
    fs::write(root.join("etc/passwd"), "root:x:0:0:root:/root:/bin/bash\ntcpdump:x:100:100::/:/bin/false\n")?;
    fs::write(root.join("etc/group"), "root:x:0:\nadm:x:4:\ndip:x:30:\ntcpdump:x:100:\n")?;
    fs::write(cache.join("root.ready"), versions(&packages))?;
    Ok(root)
}

/// Name and version of each package, a line each, as the files are called.
fn versions(packages: &[PathBuf]) -> String {
    let name = |file: &PathBuf| {
        let stem = file.file_stem()?.to_string_lossy().replace("%3a", ":");
        let (name, rest) = stem.split_once('_')?;
        Some(format!("{name} {}\n", rest.rsplit_once('_')?.0))
    };
    packages.iter().filter_map(name).collect()
}

impl Kernel {
    /// The kernel of this name.
    pub fn by_name(name: &str) -> Result<&'static Self> {
        let known: Vec<_> = KERNELS.iter().map(|kernel| kernel.name).collect();
        match KERNELS.iter().find(|kernel| kernel.name == name) {
            Some(kernel) => Ok(kernel),
            None => bail!("no kernel is called '{name}': there are {}", known.join(", ")),
        }
    }

    /// Fetches and unpacks it, if it is not there: its image, its modules' folder, its first file system.
    pub fn files(&self, cache: &Path, root: &Path) -> Result<Files> {
        let folder = cache.join(format!("kernel-{}", self.name));
        let ready = folder.join("ready");
        if !ready.exists() {
            println!("vm-test: kernel {}", self.name);
            if folder.exists() {
                fs::remove_dir_all(&folder).context("clearing a kernel that was not finished")?;
            }
            fs::create_dir_all(&folder)?;
            let archive = Archive::open(cache.join(format!("suite-{}", self.suites[0])), self.suites)?;
            let package = archive.stands_for(self.package)?;
            for part in archive.parts_of(&package)? {
                archive.fetch_alone(&part, &folder)?;
            }
            let files = fs::read_dir(&folder)?.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
            archive::unpack(&files, &folder)?;
            files.iter().try_for_each(fs::remove_file)?;
            let release = package.trim_start_matches("linux-image-").to_owned();
            // Since 7.x the modules lie below /usr/lib.
            if !folder.join("lib").exists() {
                symlink("usr/lib", folder.join("lib"))?;
            }
            depmod(root, &folder, &release)?;
            first_files(&folder, &release, root)?;
            fs::write(&ready, release)?;
        }
        let release = fs::read_to_string(&ready)?;
        let modules = folder.join("lib/modules");
        // Since 7.x the image lies beside its modules.
        let places = [folder.join(format!("boot/vmlinuz-{release}")), modules.join(&release).join("vmlinuz")];
        let image =
            places.into_iter().find(|place| place.exists()).context("the kernel's package has no image")?;
        Ok(Files { image, modules, first: folder.join("first.cpio"), release })
    }
}

/// A kernel's files on the host.
pub struct Files {
    /// What is booted.
    pub image: PathBuf,
    /// The folder with the folder of its modules.
    pub modules: PathBuf,
    /// Its first file system.
    pub first: PathBuf,
    /// What `uname -r` will say.
    pub release: String,
}

/// Modules know each other by a table, which the package's script would make: with the guest's own depmod.
fn depmod(root: &Path, kernel: &Path, release: &str) -> Result<()> {
    let libraries = root.join("usr/lib/x86_64-linux-gnu");
    let done = Command::new(libraries.join("ld-linux-x86-64.so.2"))
        .arg("--argv0")
        .args(["depmod", "--library-path"])
        .arg(&libraries)
        .arg(root.join("usr/bin/kmod"))
        .arg("-b")
        .arg(kernel)
        .arg(release)
        .arg0("depmod")
        .status();
    if !done.context("starting the guest's depmod")?.success() {
        bail!("depmod for {release} failed");
    }
    Ok(())
}

fn first_files(kernel: &Path, release: &str, root: &Path) -> Result<()> {
    let mut archive = cpio::Writer::new();
    for folder in ["bin", "dev", "modules"] {
        archive.folder(folder);
    }
    archive.file("bin/busybox", 0o755, &fs::read(root.join("usr/bin/busybox"))?);
    archive.file("init", 0o755, FIRST.as_bytes());
    let modules = kernel.join("lib/modules").join(release);
    let table = fs::read_to_string(modules.join("modules.dep")).context("reading the table of modules")?;
    for path in table.lines().filter_map(|line| line.split(':').next()) {
        let file = path.rsplit('/').next().unwrap_or_default();
        let name = file.split(".ko").next().unwrap_or_default();
        if !EARLY.contains(&name.replace('-', "_").as_str()) && !EARLY.contains(&name) {
            continue;
        }
        archive.file(&format!("modules/{name}.ko"), 0o644, &module(&modules.join(path))?);
    }
    let mut file = File::create(kernel.join("first.cpio"))?;
    file.write_all(&archive.finish())?;
    file.set_permissions(fs::Permissions::from_mode(0o644))?;
    Ok(())
}

/// A module's bytes; since 6.12 they are compressed.
fn module(path: &Path) -> Result<Vec<u8>> {
    if path.extension().is_some_and(|end| end == "ko") {
        return fs::read(path).with_context(|| format!("reading {}", path.display()));
    }
    let program = if path.extension().is_some_and(|end| end == "zst") { "zstd" } else { "xz" };
    let output = Command::new(program).args(["-dc"]).arg(path).output();
    let output = output.with_context(|| format!("starting {program}: is it installed?"))?;
    if !output.status.success() {
        bail!("{program} could not unpack {}", path.display());
    }
    Ok(output.stdout)
}
