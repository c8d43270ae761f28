//! What the simulation found, as a table.

use std::fmt::Write as _;

use super::{
    RULES, Scenario, compare, names,
    tally::{Tally, seconds},
};

/// Clients of the rows.
pub const CLIENTS: [usize; 6] = [2, 4, 8, 16, 32, 64];

/// One row's figures: a scenario under every rule, over all seeds.
#[derive(Clone, Debug)]
pub struct Row {
    /// What was simulated.
    pub scenario: Scenario,
    /// What each rule made of it.
    pub tallies: [Tally; RULES],
}

/// Simulates a scenario with several seeds.
pub fn row(scenario: Scenario, seeds: std::ops::Range<u64>) -> Row {
    let mut tallies: [Tally; RULES] = Default::default();
    for seed in seeds {
        for (sum, tally) in tallies.iter_mut().zip(compare(scenario, seed)) {
            sum.add(&tally);
        }
    }
    Row { scenario, tallies }
}

/// What stands before and behind the table in its page.
const MARK: &str = "<!-- table -->\n";

/// The page with the table of these rows in the place of its old one, and that table; `None` if it has no place for one.
pub fn place(page: &str, rows: &[Row], seeds: &std::ops::Range<u64>) -> Option<(String, String)> {
    let (before, rest) = page.split_once(MARK)?;
    let (_, behind) = rest.split_once(MARK)?;
    let table = markdown(rows);
    let from = format!("Seeds {} to {}, by `cargo xtask simulate`.", seeds.start, seeds.end - 1);
    Some((format!("{before}{MARK}\n{table}\n{from}\n\n{MARK}{behind}"), table))
}

const HEAD: [&str; 10] = [
    "clients",
    "restarts",
    "rule",
    "ESP right",
    "of it confirmed",
    "astray, marked",
    "astray, silent",
    "dropped",
    "blocked",
    "recovers in",
];

fn cells(row: &Row, rule: usize) -> [String; 10] {
    let tally = &row.tallies[rule];
    let all = (tally.right + tally.tentative + tally.silent + tally.dropped).max(1);
    let share = |part: u64, of: u64| format!("{:.2} %", part as f64 * 100.0 / of.max(1) as f64);
    let confirmed = if rule == 0 { share(tally.confirmed, tally.right) } else { "does not tell".to_owned() };
    [
        row.scenario.clients.to_string(),
        row.scenario.restarts.to_string(),
        names()[rule].to_owned(),
        share(tally.right, all),
        confirmed,
        tally.tentative.to_string(),
        tally.silent.to_string(),
        tally.dropped.to_string(),
        format!("{:.1} s", seconds(tally.blocked)),
        format!("{:.1} s ({:.0} s)", tally.recovery(), seconds(tally.out_most)),
    ]
}

/// The rows in Markdown.
pub fn markdown(rows: &[Row]) -> String {
    let cells: Vec<[String; 10]> =
        rows.iter().flat_map(|row| (0..RULES).map(|rule| cells(row, rule))).collect();
    let width =
        |column: usize| cells.iter().map(|cells| cells[column].len()).chain([HEAD[column].len()]).max();
    let widths: Vec<usize> = (0..10).map(|column| width(column).unwrap_or(0)).collect();
    let mut text = String::new();
    let line = |text: &mut String, cells: &[String; 10]| {
        for (column, (cell, width)) in cells.iter().zip(&widths).enumerate() {
            let padded = if column == 2 { format!("{cell:<width$}") } else { format!("{cell:>width$}") };
            let _ = write!(text, "| {padded} ");
        }
        text.push_str("|\n");
    };
    line(&mut text, &HEAD.map(str::to_owned));
    for (column, width) in widths.iter().enumerate() {
        let dashes = "-".repeat(width + 1);
        text.push_str(&if column == 2 { format!("|{dashes}-") } else { format!("|{dashes}:") });
    }
    text.push_str("|\n");
    cells.iter().for_each(|cells| line(&mut text, cells));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_table_takes_the_place_of_the_old_one() {
        let row = Row { scenario: Scenario::usual(2, 0), tallies: Default::default() };
        let page = format!("before\n{MARK}old\n{MARK}behind\n");
        let (text, table) = place(&page, &[row], &(1..3)).expect("a place");
        assert!(text.starts_with("before\n") && text.ends_with("behind\n") && text.contains(&table));
        assert!(!text.contains("old\n") && text.contains("Seeds 1 to 2"), "{text}");
        assert_eq!(place("no place", &[], &(1..3)), None);
    }
}
