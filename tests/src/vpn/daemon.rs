//! A program of somebody else's, run on a host of the lab: in namespaces of its own, so that eight of a kind don't meet.
//!
//! It has its own `/run`, its own `/etc/ppp` if it brings one, and its own processes: they all go when this goes.

use std::{
    fs::{self, File},
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use anyhow::{Context, Result, ensure};

use crate::{
    lab::{Host, namespace::Namespace},
    wait,
};

/// Enters the private mounts; `$1` is the daemon's folder, the rest the program.
const PRELUDE: &str = r#"
folder=$1; shift
mount -t tmpfs run /run && mkdir -p /run/lock /run/pptp /run/xl2tpd || exit 1
if [ -d "$folder/ppp" ]; then mount --bind "$folder/ppp" /etc/ppp || exit 1; fi
exec "$@"
"#;

/// A running program.
#[derive(Debug)]
pub struct Daemon {
    child: Child,
    folder: PathBuf,
    name: String,
}

/// A folder with a daemon's configuration, which keeps its log.
#[derive(Clone, Debug)]
pub struct Folder(PathBuf);

impl Folder {
    /// An empty folder of this name below `parent`.
    pub fn new(parent: &Path, name: &str) -> Result<Folder> {
        let folder = parent.join(name);
        fs::create_dir_all(&folder).with_context(|| format!("could not make {}", folder.display()))?;
        Ok(Folder(folder))
    }

    /// A folder below this one.
    pub fn below(&self, name: &str) -> Result<Folder> {
        Folder::new(&self.0, name)
    }

    /// Writes a file, with folders above it; for nobody else to read, since some programs insist on that.
    pub fn write(&self, name: &str, text: &str) -> Result<String> {
        use std::os::unix::fs::PermissionsExt;
        let file = self.0.join(name);
        let parent = file.parent().context("a file without a folder")?;
        fs::create_dir_all(parent).with_context(|| format!("could not make {}", parent.display()))?;
        fs::write(&file, text).with_context(|| format!("could not write {}", file.display()))?;
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600))?;
        Ok(file.display().to_string())
    }

    /// Removes it with all that is in it.
    pub fn remove(&self) -> Result<()> {
        fs::remove_dir_all(&self.0).with_context(|| format!("could not remove {}", self.0.display()))
    }

    /// The path of a file in it.
    pub fn path(&self, name: &str) -> String {
        self.0.join(name).display().to_string()
    }

    /// Starts a program in a namespace of the lab; what it says goes to `PROGRAM.log` in this folder.
    pub fn start(&self, namespace: &Namespace, program: &str, arguments: &[&str]) -> Result<Daemon> {
        self.start_with(namespace, program, arguments, &[])
    }

    /// The same, with variables.
    pub fn start_with(
        &self,
        namespace: &Namespace,
        program: &str,
        arguments: &[&str],
        variables: &[(&str, &str)],
    ) -> Result<Daemon> {
        let name = program.rsplit('/').next().unwrap_or(program).to_owned();
        let log = self.0.join(format!("{name}.log"));
        let log = File::create(&log).with_context(|| format!("could not make {}", log.display()))?;
        let child = Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", namespace.name()))
            .args(["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc"])
            .args(["sh", "-c", PRELUDE, "sh"])
            .arg(&self.0)
            .arg(program)
            .args(arguments)
            .envs(variables.iter().copied())
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .with_context(|| format!("could not start {program}"))?;
        Ok(Daemon { child, folder: self.0.clone(), name })
    }
}

impl Daemon {
    /// Fails if it has ended, with the last that it said.
    pub fn assert_running(&mut self) -> Result<()> {
        let ended = self.child.try_wait().with_context(|| format!("could not ask after {}", self.name))?;
        ensure!(ended.is_none(), "{} has ended: {}", self.name, self.last_words());
        Ok(())
    }

    /// Waits until it takes connections (`-t`) or datagrams (`-u`) at a port.
    pub fn wait_for_port(&mut self, host: &Host, kind: &str, port: u16, patience: Duration) -> Result<()> {
        let filter = format!("sport = :{port}");
        let listens = || {
            let sockets = host.namespace.run("ss", &["-H", "-l", "-n", kind, &filter]);
            sockets.is_ok_and(|sockets| !sockets.trim().is_empty())
        };
        wait::until(patience, &format!("{} to listen", self.name), listens).with_context(|| self.last_words())
    }

    /// The last three lines of its log.
    pub fn last_words(&self) -> String {
        let log = fs::read(self.folder.join(format!("{}.log", self.name))).unwrap_or_default();
        let log = String::from_utf8_lossy(&log).into_owned();
        let lines: Vec<_> = log.lines().filter(|line| !line.trim().is_empty()).collect();
        lines[lines.len().saturating_sub(3)..].join("; ")
    }
}

impl Drop for Daemon {
    fn drop(&mut self) {
        // The kernel ends the rest of its processes with the first.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
