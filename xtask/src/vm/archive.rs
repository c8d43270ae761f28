//! Debian's archive, read with apt in a folder of its own: this machine's packages and lists are left as they are.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail, ensure};

use crate::process;

const KEYS: &str = "/usr/share/keyrings/debian-archive-keyring.gpg";

/// Whether this machine knows Debian's signatures.
pub fn has_keys() -> bool {
    Path::new(KEYS).exists()
}

/// A suite's packages, as apt sees them from an own folder.
pub struct Archive {
    folder: PathBuf,
}

impl Archive {
    /// The archive of these suites (`bookworm`, `bookworm-security`, ...); the lists are fetched once.
    pub fn open(folder: PathBuf, suites: &[&str]) -> Result<Self> {
        ensure!(has_keys(), "{KEYS} is missing: install debian-archive-keyring");
        let archive = Self { folder };
        let ready = archive.folder.join("ready");
        if ready.exists() {
            return Ok(archive);
        }
        for folder in ["lists/partial", "packages/partial"] {
            let folder = archive.folder.join(folder);
            fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
        }
        let known =
            process::ask("apt-get", &["indextargets", "--format", "$(REPO_URI)", "Created-By: Packages"]);
        let known = known.context("asking apt for this machine's sources")?;
        let mut sources = String::new();
        for suite in suites {
            let part = if suite.ends_with("-security") { "debian-security" } else { "debian" };
            sources += &format!("deb [signed-by={KEYS}] {} {suite} main\n", mirror(&known, part)?);
        }
        archive.write("sources.list", &sources)?;
        archive.write("status", "")?;
        archive.write("apt.conf", &archive.settings())?;
        process::run(archive.apt("apt-get").args(["update", "-q"]))?;
        archive.write("ready", "")?;
        Ok(archive)
    }

    /// Fetches packages with all that they depend on; recommended ones are left out. Gives all that was ever fetched.
    pub fn fetch(&self, packages: &[&str]) -> Result<Vec<PathBuf>> {
        let words = ["install", "-y", "-q", "--download-only"];
        process::run(self.apt("apt-get").args(words).args(packages))?;
        let folder = self.folder.join("packages");
        let files = fs::read_dir(&folder).with_context(|| format!("reading {}", folder.display()))?;
        let files = files.map(|file| Ok(file?.path())).collect::<Result<Vec<_>>>()?;
        let mut packages: Vec<_> =
            files.into_iter().filter(|file| file.extension().is_some_and(|end| end == "deb")).collect();
        packages.sort();
        Ok(packages)
    }

    /// The package that a package of versions such as `linux-image-amd64` stands for.
    pub fn stands_for(&self, package: &str) -> Result<String> {
        let image = self.depends(package)?.into_iter().find(|name| name.starts_with("linux-image-"));
        image.with_context(|| format!("the archive has no package {package}"))
    }

    /// The packages that a kernel comes in, that of its name among them: since 7.x image and modules have their own.
    pub fn parts_of(&self, image: &str) -> Result<Vec<String>> {
        let release = image.trim_start_matches("linux-image");
        let mut parts = self.depends(image)?;
        parts.retain(|name| name.ends_with(release));
        parts.push(image.to_owned());
        Ok(parts)
    }

    /// What a package needs.
    fn depends(&self, package: &str) -> Result<Vec<String>> {
        let output = self.apt("apt-cache").args(["depends", "--important", package]).output();
        let output = output.context("starting apt-cache")?;
        let text = String::from_utf8_lossy(&output.stdout);
        let names =
            text.lines().filter_map(|line| line.trim().trim_start_matches('|').strip_prefix("Depends: "));
        Ok(names.map(str::to_owned).collect())
    }

    /// Fetches one package alone, into `folder`.
    pub fn fetch_alone(&self, package: &str, folder: &Path) -> Result<()> {
        process::run(self.apt("apt-get").args(["download", "-q", package]).current_dir(folder))
    }

    fn write(&self, name: &str, text: &str) -> Result<()> {
        let file = self.folder.join(name);
        fs::write(&file, text).with_context(|| format!("writing {}", file.display()))
    }

    fn apt(&self, program: &str) -> Command {
        let mut apt = Command::new(program);
        apt.env("APT_CONFIG", self.folder.join("apt.conf"));
        apt
    }

    /// What sets this apt apart from the machine's.
    fn settings(&self) -> String {
        let at = |name: &str| self.folder.join(name).display().to_string();
        let own = [
            ("Dir::Etc::SourceList", at("sources.list")),
            ("Dir::Etc::SourceParts", "/dev/null".to_owned()),
            ("Dir::State::Lists", at("lists")),
            ("Dir::State::status", at("status")),
            ("Dir::Cache::archives", at("packages")),
            ("Dir::Cache::pkgcache", String::new()),
            ("Dir::Cache::srcpkgcache", String::new()),
            ("APT::Architecture", "amd64".to_owned()),
            ("APT::Install-Recommends", "false".to_owned()),
            // The user that apt would become has no way into a folder of ours.
            ("APT::Sandbox::User", "root".to_owned()),
            ("Acquire::Languages", "none".to_owned()),
            ("Debug::NoLocking", "true".to_owned()),
        ];
        own.iter().map(|(name, value)| format!("{name} \"{value}\";\n")).collect()
    }
}

/// Where this machine gets a part of Debian's archive from, of the addresses of all its sources.
fn mirror<'a>(known: &'a str, part: &str) -> Result<&'a str> {
    let is_of = |address: &&str| address.trim_end_matches('/').ends_with(&format!("/{part}"));
    let found = known.lines().map(str::trim).find(is_of);
    found.with_context(|| format!("apt knows no source of {part} here: add one to its sources.list"))
}

/// Unpacks packages into `root`; none of their scripts is run, so this takes no rights.
pub fn unpack(packages: &[PathBuf], root: &Path) -> Result<()> {
    const UNREAD: [&str; 5] =
        ["usr/share/doc", "usr/share/man", "usr/share/locale", "usr/share/info", "usr/share/perl"];
    let exclude: String = UNREAD.iter().map(|folder| format!(" --exclude=./{folder}")).collect();
    // One shell a package: a pipe of two programs, of which either may fail.
    let script = format!(
        r#"set -o pipefail; dpkg-deb --fsys-tarfile "$1" | tar -x --keep-directory-symlink -C "$2"{exclude}"#
    );
    for package in packages {
        let done = Command::new("bash").args(["-c", &script, "bash"]).arg(package).arg(root).status();
        if !done.context("starting bash")?.success() {
            bail!("unpacking {} failed", package.display());
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_part_has_its_own_mirror() {
        let known = "http://one.example/debian-security/\nhttp://two.example/debian/\n";
        assert_eq!(mirror(known, "debian").ok(), Some("http://two.example/debian/"));
        assert_eq!(mirror(known, "debian-security").ok(), Some("http://one.example/debian-security/"));
        assert!(mirror("http://three.example/ubuntu/\n", "debian").is_err());
    }
}
