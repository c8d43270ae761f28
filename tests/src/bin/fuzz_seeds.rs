//! Writes what the fuzzer starts from into a folder: `fuzz-seeds TARGET FOLDER`.

use std::{env, fs, path::PathBuf};

use anyhow::{Context, Result, ensure};
use passthrough_tests::fuzz::seeds;

fn main() -> Result<()> {
    let mut arguments = env::args().skip(1);
    let target = arguments.next().context("usage: fuzz-seeds TARGET FOLDER")?;
    let folder = PathBuf::from(arguments.next().context("usage: fuzz-seeds TARGET FOLDER")?);
    let seeds = seeds::of(&target);
    ensure!(!seeds.is_empty(), "there is no target {target}");
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    for (index, seed) in seeds.iter().enumerate() {
        fs::write(folder.join(format!("seed-{index}")), seed).context("writing a seed")?;
    }
    println!("{} seeds for {target}", seeds.len());
    Ok(())
}
