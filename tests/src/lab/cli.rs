//! The `passthrough` command, run in the gateway's namespace.
//!
//! Only the network namespace is entered: the command keeps the machine's mounts, and so its pins in the BPF file
//! system outlive it. A lab that has used the command takes the data path down before it goes.

use std::{
    env, fs,
    io::Read,
    os::unix::fs::MetadataExt,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    sync::{
        Mutex,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use anyhow::{Context, Result, anyhow, bail, ensure};

use crate::wait;

/// Longest that any call of the command may take: `up` has the kernel verify millions of instructions, and a machine may be busy.
const BOUND: Duration = Duration::from_secs(180);

/// What a call of the command left behind.
#[derive(Clone, Debug)]
pub struct Outcome {
    /// Exit code; -1 if a signal ended it.
    pub code: i32,
    /// Standard output.
    pub stdout: String,
    /// Standard error.
    pub stderr: String,
}

impl Outcome {
    /// Fails with what the command said unless it succeeded.
    pub fn success(self) -> Result<Outcome> {
        ensure!(self.code == 0, "exit code {}: {}{}", self.code, self.stderr.trim(), self.stdout.trim());
        Ok(self)
    }

    /// Fails unless the command refused in one line on standard error.
    pub fn refusal(self) -> Result<String> {
        ensure!(self.code != 0, "succeeded where it should refuse: {}", self.stdout.trim());
        let lines: Vec<&str> = self.stderr.lines().collect();
        match lines[..] {
            [line] => Ok(line.to_owned()),
            _ => bail!("refused with {} lines where one was expected: {:?}", lines.len(), self.stderr),
        }
    }
}

/// Runs the command in one namespace.
#[derive(Debug)]
pub struct Cli {
    namespace: String,
    binary: PathBuf,
    used: AtomicBool,
    bound: Duration,
    /// Commands that run on; each is ended by its own process id.
    running: Mutex<Vec<Child>>,
}

impl Cli {
    /// The command for this namespace.
    pub fn new(namespace: &str) -> Result<Cli> {
        Ok(Cli {
            namespace: namespace.to_owned(),
            binary: binary()?,
            used: AtomicBool::new(false),
            bound: BOUND,
            running: Mutex::default(),
        })
    }

    /// Lets every call take so long: on a machine that is emulated the verifier takes minutes.
    pub fn set_bound(&mut self, bound: Duration) {
        self.bound = bound;
    }

    /// The program that is run.
    pub fn binary(&self) -> &Path {
        &self.binary
    }

    /// Runs `passthrough` with arguments separated by blanks, and waits for it.
    pub fn run(&self, arguments: &str) -> Result<Outcome> {
        self.run_with(&arguments.split_whitespace().collect::<Vec<_>>())
    }

    /// Runs `passthrough` and waits for it.
    pub fn run_with(&self, arguments: &[&str]) -> Result<Outcome> {
        let mut child = self.spawn(arguments)?;
        let stdout = child.stdout.take().map(read_all);
        let stderr = child.stderr.take().map(read_all);
        let mut status = None;
        let ended = wait::until(self.bound, "passthrough to exit", || {
            status = child.try_wait().ok().flatten();
            status.is_some()
        });
        if ended.is_err() {
            let _ = child.kill();
            let _ = child.wait();
        }
        let text = |reader: Option<thread::JoinHandle<String>>| {
            reader.and_then(|reader| reader.join().ok()).unwrap_or_default()
        };
        let (stdout, stderr) = (text(stdout), text(stderr));
        ended.with_context(|| format!("passthrough {}: {}", arguments.join(" "), stderr.trim()))?;
        let code = status.and_then(|status| status.code()).unwrap_or(-1);
        Ok(Outcome { code, stdout, stderr })
    }

    /// Runs it, and fails with what it said unless it succeeds.
    pub fn succeed(&self, arguments: &str) -> Result<String> {
        let outcome = self.run(arguments)?.success();
        Ok(outcome.with_context(|| format!("passthrough {arguments}"))?.stdout)
    }

    /// Brings the gateway up on the lab's interfaces, keeping L2TP's port, with these switches on (`pptp,ipsec`).
    pub fn up(&self, enable: &str) -> Result<String> {
        let up = "up --wan wan0 --lan br0 --l2tp-port keep";
        if enable.is_empty() { self.succeed(up) } else { self.succeed(&format!("{up} --enable {enable}")) }
    }

    /// Fails if the command has left anything in the gateway: a classic attachment, or pins, which hold the others.
    pub fn assert_nothing_attached(&self) -> Result<()> {
        let status = self.run("status")?;
        ensure!(status.code != 0, "`passthrough status` finds a gateway: {}", status.stdout.trim());
        let namespace = format!("/run/netns/{}", self.namespace);
        let inode = fs::metadata(&namespace).with_context(|| format!("could not look at {namespace}"))?.ino();
        let pins = PathBuf::from(format!("/sys/fs/bpf/passthrough-net-{inode}"));
        ensure!(!pins.exists(), "{} is still there", pins.display());
        let shown = Command::new("nsenter")
            .args([&format!("--net={namespace}"), "bpftool", "net", "show"])
            .output()
            .context("could not run bpftool: is it installed?")?;
        let shown = String::from_utf8_lossy(&shown.stdout).into_owned();
        let ours = ["wan_egress", "wan_ingress", "lan_ingress"].into_iter().find(|name| shown.contains(name));
        ensure!(ours.is_none(), "{} is still attached", ours.unwrap_or_default());
        Ok(())
    }

    /// Starts a command that runs on, such as `up --foreground`; it is ended with the lab.
    pub fn start(&self, arguments: &str) -> Result<()> {
        let mut child = self.spawn(&arguments.split_whitespace().collect::<Vec<_>>())?;
        // Read to the end, so that it never blocks on a full pipe.
        child.stdout.take().map(read_all);
        child.stderr.take().map(read_all);
        self.running.lock().map_err(|_| anyhow!("a thread that ran the command panicked"))?.push(child);
        Ok(())
    }

    fn spawn(&self, arguments: &[&str]) -> Result<Child> {
        self.used.store(true, Ordering::Relaxed);
        Command::new("nsenter")
            .arg(format!("--net=/run/netns/{}", self.namespace))
            .arg(&self.binary)
            .args(arguments)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .with_context(|| format!("could not run nsenter and {}", self.binary.display()))
    }
}

impl Drop for Cli {
    fn drop(&mut self) {
        if let Ok(running) = self.running.get_mut() {
            for child in running {
                let _ = child.kill();
                let _ = child.wait();
            }
        }
        if self.used.load(Ordering::Relaxed) && self.binary.exists() {
            // Fails where nothing is up, which is as good.
            let _ = self.run("down");
        }
    }
}

fn read_all(mut from: impl Read + Send + 'static) -> thread::JoinHandle<String> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        let _ = from.read_to_end(&mut bytes);
        String::from_utf8_lossy(&bytes).into_owned()
    })
}

/// The program from the environment, or the one built beside this one.
fn binary() -> Result<PathBuf> {
    if let Some(path) = env::var_os("PASSTHROUGH_BIN") {
        return Ok(PathBuf::from(path));
    }
    let own = env::current_exe().context("could not find the path of this program")?;
    let beside = own.ancestors().skip(1).take(2).map(|folder| folder.join("passthrough"));
    let mut candidates: Vec<PathBuf> = beside.collect();
    let found = candidates.iter().position(|path| path.is_file());
    // Without it, only the tests of the peers can run: `spawn` says so when it is asked.
    Ok(candidates.swap_remove(found.unwrap_or(0)))
}
