//! The page: rules by section, each with what proves it and what its last run came to.

use std::fmt::Write as _;

use super::proofs::{Kind, Proof};
use super::results::Results;
use super::rows::{Row, Section};

/// The sections that the project is measured by.
const MEASURED: [u8; 10] = [1, 3, 4, 5, 6, 7, 8, 9, 12, 13];

/// How many rules there are, and what became of them.
#[derive(Default)]
struct Tally {
    rows: usize,
    proven: usize,
    listed: usize,
    must: usize,
    must_proven: usize,
    must_on_programs: usize,
}

impl Tally {
    fn add(&mut self, row: &Row, proofs: &[&Proof]) {
        let must = usize::from(row.is_must());
        let proven = usize::from(!proofs.is_empty());
        let on_programs = usize::from(proofs.iter().any(|proof| proof.kind.runs_programs()));
        self.rows += 1;
        self.proven += proven;
        self.listed += usize::from(row.listed.is_some());
        self.must += must;
        self.must_proven += must * proven;
        self.must_on_programs += must * on_programs;
    }

    fn cells(&self) -> String {
        let Self { rows, proven, listed, must, must_proven, must_on_programs } = self;
        format!("{rows} | {proven} | {listed} | {must} | {must_proven} | {must_on_programs}")
    }
}

/// The page as text; without results nothing is said to have passed.
pub fn render(sections: &[Section], proofs: &[Proof], results: Option<&Results>) -> String {
    let mut text = String::from(
        "# Which rule is proven by which test\n\n\
         Written by `cargo xtask compliance` from the tests, which name their rules, and from\n\
         [conformance-rows.toml](conformance-rows.toml). Nothing here is edited by hand; `cargo xtask check` fails when a rule is neither\n\
         proven nor listed, and when this page is not what the tests say.\n\n\
         - **vector (host, TC, XDP)**: frames with what must become of each, byte for byte: on the host, through the programs of TC by\n\
         \x20 test-run, with XDP before them, and with TC's fast path before them.\n\
         - **test-run**: the programs by test-run, in another way. **namespace**: sockets around a live gateway.\n\
         - **property**: random input. **simulation**: many clients over a long time. **unit**: a function by itself.\n\n",
    );
    let run = match results {
        Some(results) => format!("of `cargo xtask test` on Linux {}", results.kernel),
        None => "none of these sources yet".to_owned(),
    };
    let _infallible = write!(text, "{RESULTS}{run}.\n\n{}", summary(sections, proofs));
    for section in sections {
        let _infallible = write!(
            text,
            "\n## {}. {}\n\n| id | rule | level | test | how | result |\n|---|---|---|---|---|---|\n",
            section.number, section.title
        );
        for row in &section.rows {
            text.push_str(&line(row, &of(row, proofs), results));
        }
    }
    text
}

const RESULTS: &str = "Results: ";

/// The page but for what changes with each run: the results.
pub fn without_results(page: &str) -> String {
    let mut kept = String::new();
    for line in page.lines().filter(|line| !line.starts_with(RESULTS)) {
        let row = line.starts_with("| ") && line.matches(" | ").count() == 5;
        let (line, _) = if row { line.rsplit_once(" | ").unwrap_or((line, "")) } else { (line, "") };
        kept.push_str(line);
        kept.push('\n');
    }
    kept
}

fn of<'a>(row: &Row, proofs: &'a [Proof]) -> Vec<&'a Proof> {
    let mut found: Vec<&Proof> = proofs.iter().filter(|proof| proof.proves(&row.id)).collect();
    found.sort_by_key(|proof| (proof.kind, &proof.place));
    found
}

fn summary(sections: &[Section], proofs: &[Proof]) -> String {
    let mut text = String::from(
        "| section | rules | proven | listed | MUST rules | of them proven | of them on the real programs |\n\
         |---|---|---|---|---|---|---|\n",
    );
    let (mut all, mut measured) = (Tally::default(), Tally::default());
    for section in sections {
        let mut tally = Tally::default();
        for row in &section.rows {
            let found = of(row, proofs);
            tally.add(row, &found);
            all.add(row, &found);
            if MEASURED.contains(&section.number) {
                measured.add(row, &found);
            }
        }
        let _infallible = writeln!(text, "| {}. {} | {} |", section.number, section.title, tally.cells());
    }
    let share = measured.must_on_programs as f64 / measured.must.max(1) as f64 * 100.0;
    let _infallible = write!(
        text,
        "| **all** | {} |\n| **1, 3-9, 12, 13** | {} |\n\n\
         Of the MUST rules of sections 1, 3-9, 12 and 13, {share:.1} % are proven on the real programs.\n",
        all.cells(),
        measured.cells()
    );
    text
}

fn line(row: &Row, proofs: &[&Proof], results: Option<&Results>) -> String {
    let mut kinds: Vec<Kind> = proofs.iter().map(|proof| proof.kind).collect();
    kinds.dedup();
    let how: Vec<&str> = kinds.iter().map(|kind| kind.name()).collect();
    let tests: Vec<String> = proofs.iter().map(|proof| shown(proof)).collect();
    let note = row.note.as_ref().map(|note| format!("; left out: {note}")).unwrap_or_default();
    let (tests, how, result) = match &row.listed {
        Some(reason) => (format!("not supported: {reason}"), "-".to_owned(), "listed"),
        None => (tests.join("<br>"), how.join(", "), result(proofs, results)),
    };
    format!("| {} | {}{note} | {} | {tests} | {how} | {result} |\n", row.id, row.rule, row.level)
}

/// Where a test is and what it says.
fn shown(proof: &Proof) -> String {
    let place = proof.place.split("::").next().unwrap_or_default();
    format!("{place}: {}", proof.says)
}

fn result(proofs: &[&Proof], results: Option<&Results>) -> &'static str {
    let outcome = |name: &String| results.and_then(|results| results.passed(name));
    let outcomes: Vec<Option<bool>> = proofs.iter().flat_map(|proof| &proof.runs).map(outcome).collect();
    if outcomes.contains(&Some(false)) {
        "FAIL"
    } else if outcomes.contains(&None) {
        "not run"
    } else {
        "PASS"
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn row(listed: Option<&str>) -> Row {
        let word = |word: &str| word.to_owned();
        Row {
            id: word("U1"),
            level: word("MUST"),
            rule: word("a rule"),
            listed: listed.map(word),
            note: None,
        }
    }

    fn proof() -> Proof {
        Proof {
            rows: vec!["U1".to_owned()],
            says: "it holds".to_owned(),
            place: "lab_a::it_holds".to_owned(),
            kind: Kind::Namespace,
            runs: vec!["it_holds".to_owned()],
        }
    }

    #[test]
    fn nothing_has_passed_that_was_not_run() {
        let mut results = Results::default();
        let proof = proof();
        let shown = |results: Option<&Results>| line(&row(None), &[&proof], results);
        assert!(shown(None).ends_with("| namespace | not run |\n"));
        assert!(shown(Some(&results)).ends_with("| not run |\n"));
        results.note("test it_holds ... ok");
        assert!(shown(Some(&results)).ends_with("| lab_a: it holds | namespace | PASS |\n"));
        results.note("test it_holds ... FAILED");
        assert!(shown(Some(&results)).ends_with("| FAIL |\n"));
        assert!(line(&row(Some("why")), &[], None).ends_with("| not supported: why | - | listed |\n"));
    }

    #[test]
    fn a_page_is_compared_without_its_results() {
        let section = || vec![Section { number: 1, title: "One".to_owned(), rows: vec![row(None)] }];
        let mut results = Results::default();
        results.note("test it_holds ... ok");
        let (before, after) =
            (render(&section(), &[proof()], None), render(&section(), &[proof()], Some(&results)));
        assert_ne!(before, after);
        assert_eq!(without_results(&before), without_results(&after));
        let other = Proof { says: "it holds well".to_owned(), ..proof() };
        assert_ne!(without_results(&before), without_results(&render(&section(), &[other], None)));
        assert!(before.contains("100.0 %"));
    }
}
