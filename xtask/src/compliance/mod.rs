//! `cargo xtask compliance`: which test proves which rule, written from the tests themselves, so that it can't drift.

mod page;
mod proofs;
pub mod results;
mod rows;

use std::fs;

use anyhow::{Context as _, Result, bail};

use crate::process;
use proofs::Proof;
use results::Results;
use rows::Section;

/// The page, from the top of the repository.
const PAGE: &str = "docs/compliance.md";

/// What `compliance` takes.
#[derive(clap::Args)]
pub struct Arguments {
    /// Write nothing; fail if a rule is neither proven nor listed, or if the page is out of date
    #[arg(long)]
    pub check: bool,
}

/// Writes the page, or checks it.
///
/// # Errors
/// A rule that is neither proven nor listed, or both; a test that names an unknown one; and what reading says.
pub fn run(arguments: &Arguments) -> Result<()> {
    let sections = rows::read()?;
    let proofs = proofs::find()?;
    let faults = faults(&sections, &proofs);
    for fault in &faults {
        println!("{fault}");
    }
    if !faults.is_empty() {
        bail!("{} faults in docs/conformance-rows.toml or in the tests that name its rows", faults.len());
    }
    let results = Results::of_these_sources()?;
    let text = page::render(&sections, &proofs, results.as_ref());
    let path = process::top().join(PAGE);
    if arguments.check {
        let written = fs::read_to_string(&path).with_context(|| format!("reading {PAGE}"))?;
        if page::without_results(&written) != page::without_results(&text) {
            bail!("{PAGE} is out of date: run `cargo xtask compliance`");
        }
        println!("compliance: {PAGE} is as the tests have it");
        return Ok(());
    }
    if results.is_none() {
        println!("no results of these sources: run `cargo xtask test` as root first, then this again");
    }
    fs::write(&path, text).with_context(|| format!("writing {PAGE}"))?;
    println!("wrote {PAGE}");
    Ok(())
}

/// What is wrong between rules and tests, each in a line.
fn faults(sections: &[Section], proofs: &[Proof]) -> Vec<String> {
    let rows = || sections.iter().flat_map(|section| &section.rows);
    let mut faults = Vec::new();
    for row in rows() {
        if rows().filter(|other| other.id == row.id).count() > 1 {
            faults.push(format!("{} stands twice in docs/conformance-rows.toml", row.id));
        }
        let by = proofs.iter().find(|proof| proof.proves(&row.id));
        match (by, &row.listed) {
            (None, None) => faults.push(format!(
                "{} ({}) has no test: write one that names it, or say in `listed` why not",
                row.id, row.rule
            )),
            (Some(proof), Some(_)) => faults.push(format!(
                "{} is listed, and {} proves it: remove `listed`, or the name of the row there",
                row.id, proof.place
            )),
            _ => {}
        }
    }
    for proof in proofs {
        for id in &proof.rows {
            if !rows().any(|row| row.id == *id) {
                faults.push(format!("{}: {} is no row of docs/conformance-rows.toml", proof.place, id));
            }
        }
        for name in &proof.runs {
            let other = |other: &&Proof| other.place != proof.place && other.runs.contains(name);
            if let Some(other) = proofs.iter().filter(|_| !proof.kind.is_vector()).find(other) {
                faults.push(format!("{} and {} have one name: rename one", proof.place, other.place));
            }
        }
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::proofs::Kind;
    use super::rows::Row;
    use super::*;

    fn section(rows: &[(&str, Option<&str>)]) -> Vec<Section> {
        let row = |(id, listed): &(&str, Option<&str>)| Row {
            id: (*id).to_owned(),
            level: "MUST".to_owned(),
            rule: "a rule".to_owned(),
            listed: listed.map(str::to_owned),
            note: None,
        };
        vec![Section { number: 1, title: "One".to_owned(), rows: rows.iter().map(row).collect() }]
    }

    fn proof(place: &str, rows: &[&str]) -> Proof {
        Proof {
            rows: rows.iter().map(|id| (*id).to_owned()).collect(),
            says: "it holds".to_owned(),
            place: place.to_owned(),
            kind: Kind::Unit,
            runs: vec![format!("{place}::it_holds")],
        }
    }

    #[test]
    fn a_row_is_proven_or_listed_and_never_both() {
        assert!(faults(&section(&[("U1", None)]), &[proof("a", &["U1"])]).is_empty());
        assert!(faults(&section(&[("U1", Some("not yet"))]), &[]).is_empty());
        assert_eq!(faults(&section(&[("U1", None)]), &[]).len(), 1);
        assert_eq!(faults(&section(&[("U1", Some("not yet"))]), &[proof("a", &["U1"])]).len(), 1);
    }

    #[test]
    fn unknown_rows_and_doubles_are_faults() {
        assert_eq!(faults(&section(&[("U1", None)]), &[proof("a", &["U1", "U99"])]).len(), 1);
        assert_eq!(faults(&section(&[("U1", None), ("U1", None)]), &[proof("a", &["U1"])]).len(), 2);
        let mut same = [proof("a", &["U1"]), proof("b", &["U1"])];
        same[1].runs = same[0].runs.clone();
        assert_eq!(faults(&section(&[("U1", None)]), &same).len(), 2);
    }
}
