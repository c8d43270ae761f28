//! A network namespace: made, entered by threads, and deleted when dropped.

use std::{
    fs::{self, File},
    io::Write,
    process::{Command, Stdio},
    sync::atomic::{AtomicU32, Ordering},
    thread::{self, JoinHandle},
};

use anyhow::{Context, Result, anyhow, bail};
use nix::sched::{CloneFlags, setns};

/// Counts the labs of this process, so that names never meet.
static LABS: AtomicU32 = AtomicU32::new(0);

/// A prefix for names that nothing else has: process and counter.
pub fn unique_prefix() -> String {
    format!("pt{}-{}", std::process::id(), LABS.fetch_add(1, Ordering::Relaxed))
}

/// A network namespace that this process made and that goes when this value goes.
#[derive(Debug)]
pub struct Namespace {
    name: String,
}

impl Namespace {
    /// Makes a namespace; it has `lo`, up, and nothing else.
    pub fn new(name: String) -> Result<Namespace> {
        ip_batch(None, &format!("netns add {name}\n"))
            .with_context(|| format!("could not make namespace {name}"))?;
        let namespace = Namespace { name };
        namespace.ip("link set lo up\n")?;
        Ok(namespace)
    }

    /// Its name, as `ip netns` knows it.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Runs `work` in a thread of this namespace, and waits for it. Sockets that it makes stay in the namespace.
    pub fn enter<T: Send>(&self, work: impl FnOnce() -> Result<T> + Send) -> Result<T> {
        thread::scope(|scope| {
            let thread = scope.spawn(|| {
                join(&self.name)?;
                work()
            });
            thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
        })
    }

    /// Starts a thread that stays in this namespace.
    pub fn spawn<T: Send + 'static>(
        &self,
        what: &str,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<JoinHandle<Result<T>>> {
        let name = self.name.clone();
        let thread = thread::Builder::new().name(what.to_owned()).spawn(move || {
            join(&name)?;
            work()
        });
        thread.with_context(|| format!("could not start thread {what}"))
    }

    /// Runs a program in this namespace, and gives its standard output; fails if the program does.
    pub fn run(&self, program: &str, arguments: &[&str]) -> Result<String> {
        self.run_with_input(program, arguments, "")
    }

    /// The same, with something to read on its standard input.
    pub fn run_with_input(&self, program: &str, arguments: &[&str], input: &str) -> Result<String> {
        self.enter(|| run(program, arguments, input))
    }

    /// Gives `ip` a batch of commands for this namespace, one a line.
    pub fn ip(&self, batch: &str) -> Result<()> {
        ip_batch(Some(&self.name), batch)
    }

    /// Sets a value below `/proc/sys/net/` of this namespace.
    pub fn sysctl(&self, path: &str, value: &str) -> Result<()> {
        self.enter(|| {
            let file = format!("/proc/sys/net/{path}");
            fs::write(&file, value)
                .with_context(|| format!("could not write {value} to {file} of {}", self.name))
        })
    }
}

impl Drop for Namespace {
    fn drop(&mut self) {
        // What is left when this fails is a name; there is nobody to tell.
        let _ = Command::new("ip").args(["netns", "del", &self.name]).stderr(Stdio::null()).status();
    }
}

fn join(name: &str) -> Result<()> {
    let path = format!("/run/netns/{name}");
    let file = File::open(&path).with_context(|| format!("could not open {path}"))?;
    setns(file, CloneFlags::CLONE_NEWNET)
        .map_err(|errno| anyhow!("could not enter namespace {name}: {errno}"))
}

/// Gives `ip` a batch of commands, in `namespace` or in the one of this thread.
pub fn ip_batch(namespace: Option<&str>, batch: &str) -> Result<()> {
    let mut arguments = Vec::new();
    if let Some(name) = namespace {
        arguments.extend(["-n", name]);
    }
    arguments.extend(["-batch", "-"]);
    run("ip", &arguments, batch).map(drop)
}

fn run(program: &str, arguments: &[&str], input: &str) -> Result<String> {
    let mut child = Command::new(program)
        .args(arguments)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .with_context(|| format!("could not run {program}: is it installed?"))?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read closes its end; that is no failure of ours.
        let _ = stdin.write_all(input.as_bytes());
    }
    let output = child.wait_with_output().with_context(|| format!("could not wait for {program}"))?;
    if !output.status.success() {
        bail!(
            "{program} {} failed: {}",
            arguments.join(" "),
            String::from_utf8_lossy(&output.stderr).trim().replace('\n', "; ")
        );
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
