//! Starts other programs, shows what is started, and turns a failure into one line.

use std::env;
use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, Result, bail};

use crate::toolchain::which;

/// A build's profile, as cargo names its folder.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Profile {
    /// Unoptimised.
    Debug,
    /// Optimised.
    Release,
}

impl Profile {
    const fn folder(self) -> &'static str {
        match self {
            Self::Debug => "debug",
            Self::Release => "release",
        }
    }
}

/// The top of the repository that cargo was called in; two clones may share a target folder.
pub fn top() -> PathBuf {
    let package = env::var_os("CARGO_MANIFEST_DIR").unwrap_or_else(|| env!("CARGO_MANIFEST_DIR").into());
    let package = PathBuf::from(package);
    package.parent().unwrap_or(&package).to_owned()
}

/// The cargo that started this task, at the top of the repository.
pub fn cargo() -> Command {
    let mut command = Command::new(env::var_os("CARGO").unwrap_or_else(|| "cargo".into()));
    command.current_dir(top());
    command
}

/// Cargo's target folder: this program lies in its `debug`.
pub fn target_folder() -> Result<PathBuf> {
    let own = env::current_exe().context("finding the target folder")?;
    Ok(own.ancestors().nth(2).context("finding the target folder")?.to_owned())
}

/// Where cargo puts the binary `name`.
pub fn binary(profile: Profile, name: &str) -> Result<PathBuf> {
    Ok(target_folder()?.join(profile.folder()).join(name))
}

/// Whether this process is root.
pub fn is_root() -> bool {
    fs::metadata("/proc/self").is_ok_and(|own| own.uid() == 0)
}

/// `program` as root: as it is, or through sudo, which keeps the variables named.
///
/// # Errors
/// Where there is no sudo either: what `purpose` needs.
pub fn as_root(purpose: &str, program: impl AsRef<OsStr>, keep: &[&str]) -> Result<Command> {
    if is_root() {
        return Ok(Command::new(program));
    }
    let Some(sudo) = which("sudo") else {
        bail!("{purpose} needs root: run the same command as root, or install sudo");
    };
    let mut command = Command::new(sudo);
    if !keep.is_empty() {
        command.arg(format!("--preserve-env={}", keep.join(",")));
    }
    command.arg(program);
    Ok(command)
}

/// Shows and runs a command.
///
/// # Errors
/// It cannot be started, or fails.
pub fn run(command: &mut Command) -> Result<()> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("starting `{shown}`"))?;
    if !status.success() {
        bail!("`{shown}` failed ({status})");
    }
    Ok(())
}

/// Shows and runs a command that tells its own story: where it fails, nothing is left to say.
///
/// # Errors
/// It cannot be started; or it fails, with an empty text.
pub fn hand_over(command: &mut Command) -> Result<()> {
    let shown = show(command);
    println!("$ {shown}");
    let status = command.status().with_context(|| format!("starting `{shown}`"))?;
    if !status.success() {
        bail!("");
    }
    Ok(())
}

/// What a command prints, if it succeeds; what it says on standard error is not shown.
pub fn ask(program: &str, arguments: &[&str]) -> Option<String> {
    let output =
        Command::new(program).args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok()
}

/// The command as a person would type it, the program by its bare name.
pub fn show(command: &Command) -> String {
    let variables = command.get_envs().filter_map(|(name, value)| {
        value.map(|value| format!("{}={}", name.to_string_lossy(), quoted(&value.to_string_lossy())))
    });
    let program = Path::new(command.get_program()).file_name().unwrap_or(command.get_program());
    let arguments = command.get_args().map(|argument| quoted(&argument.to_string_lossy()));
    let words = variables.chain([program.to_string_lossy().into_owned()]).chain(arguments);
    words.collect::<Vec<_>>().join(" ")
}

fn quoted(word: &str) -> String {
    let plain = |letter: char| letter.is_alphanumeric() || "-_=./:,^+".contains(letter);
    if word.chars().all(plain) { word.to_owned() } else { format!("'{word}'") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_command_is_shown_as_one_would_type_it() {
        let mut command = Command::new("/usr/bin/env");
        command.args(["-c", "a b"]).env("NAME", "value");
        assert_eq!(show(&command), "NAME=value env -c 'a b'");
    }
}
