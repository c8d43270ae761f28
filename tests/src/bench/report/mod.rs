//! Results for people and for other programs.

pub mod json;
pub mod plot;
pub mod tables;
pub mod targets;
pub mod text;

use std::{fs, path::Path};

use anyhow::{Context, Result, bail};

use super::{machine::Machine, plan::Plan, results::Results};

/// Between these two lines of `performance.md` stand the tables of the last run.
const MARKS: [&str; 2] = ["<!-- figures: written by cargo xtask bench -->", "<!-- end of figures -->"];

/// Writes `bench.json` and `bench.svg`, and the tables into `performance.md`, all in one folder.
pub fn write(plan: &Plan, machine: &Machine, results: &Results) -> Result<()> {
    let folder = &plan.out;
    fs::create_dir_all(folder).with_context(|| format!("could not make {}", folder.display()))?;
    put(&folder.join("bench.json"), &json::of(plan, machine, results)?)?;
    put(&folder.join("bench.svg"), &plot::of(results))?;
    let page = folder.join("performance.md");
    match fs::read_to_string(&page) {
        Ok(before) => put(&page, &between_marks(&before, &tables::of(plan, machine, results))?),
        // A folder for figures alone.
        Err(_) => put(&folder.join("bench.md"), &tables::of(plan, machine, results)),
    }
}

fn put(path: &Path, text: &str) -> Result<()> {
    fs::write(path, text).with_context(|| format!("could not write {}", path.display()))?;
    println!("wrote {}", path.display());
    Ok(())
}

/// The page with new text between the marks.
fn between_marks(page: &str, text: &str) -> Result<String> {
    let [start, end] = MARKS;
    let Some((before, rest)) = page.split_once(start) else { bail!("performance.md has no line {start}") };
    let Some((_, after)) = rest.split_once(end) else { bail!("performance.md has no line {end}") };
    Ok(format!("{before}{start}\n\n{}\n\n{end}{after}", text.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_stands_between_the_marks_is_written_anew() {
        let [start, end] = MARKS;
        let page = format!("# Title\n{start}\nold\n{end}\nbelow\n");
        let new = between_marks(&page, "new\n").unwrap();
        assert_eq!(new, format!("# Title\n{start}\n\nnew\n\n{end}\nbelow\n"));
        assert_eq!(between_marks(&new, "new").unwrap(), new);
        assert!(between_marks("no marks", "new").is_err());
    }
}
