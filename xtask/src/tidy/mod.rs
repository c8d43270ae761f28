//! `cargo xtask tidy`: the house rules that no compiler checks, each breach with its place and its mend.

mod rules;
mod source;

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, bail};

use crate::process;
use source::Source;

/// Folders that hold no source of ours.
const SKIPPED: [&str; 4] = ["target", ".git", "corpus", "artifacts"];

/// One breach of a rule.
#[derive(Debug, PartialEq, Eq)]
pub struct Breach {
    line: usize,
    what: String,
    mend: String,
}

/// Looks at every source and every manifest; fails if a rule is broken.
pub fn run() -> Result<()> {
    let (top, files) = (process::top(), sources()?);
    let mut count = 0;
    for file in &files {
        let text = fs::read_to_string(file).with_context(|| format!("reading {}", file.display()))?;
        let name = file.strip_prefix(&top).unwrap_or(file).to_string_lossy().into_owned();
        let breaches = if name.ends_with(".rs") {
            rules::source(&name, &Source::new(&name, text))
        } else {
            rules::manifest(&name, &text)
        };
        for Breach { line, what, mend } in &breaches {
            println!("{name}:{line}: {what}: {mend}");
        }
        count += breaches.len();
    }
    if count > 0 {
        bail!("{count} breaches of the house rules");
    }
    println!("tidy: {} files keep the house rules", files.len());
    Ok(())
}

/// Every source and every manifest, in order.
///
/// # Errors
/// A folder cannot be read.
pub fn sources() -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    collect(&process::top(), &mut files)?;
    files.sort();
    Ok(files)
}

/// Adds the sources and manifests below a folder.
fn collect(folder: &Path, files: &mut Vec<PathBuf>) -> Result<()> {
    let reading = || format!("reading {}", folder.display());
    for entry in fs::read_dir(folder).with_context(reading)? {
        let entry = entry.with_context(reading)?;
        let (path, name) = (entry.path(), entry.file_name());
        if entry.file_type().with_context(reading)?.is_dir() {
            if !SKIPPED.iter().any(|skipped| name == *skipped) {
                collect(&path, files)?;
            }
        } else if name == "Cargo.toml" || path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
    Ok(())
}
