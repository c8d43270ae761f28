//! The tables of a run, as Markdown; the terminal shows the same ones.

use std::fmt::Write;

use super::{
    super::{
        implementation::Implementation,
        machine::Machine,
        plan::Plan,
        results::{Cell, Measure, Results, Test},
        statistics::{Spread, mpps},
    },
    targets,
    text::Table,
};

/// What stands where nothing was measured.
const NOTHING: &str = "-";

/// The columns: netfilter's helper is no column of its own, but takes the place of netfilter for GRE.
fn columns(results: &Results) -> Vec<Implementation> {
    let mut columns = results.implementations();
    if columns.contains(&Implementation::NetfilterPptp) && !columns.contains(&Implementation::Netfilter) {
        columns.push(Implementation::Netfilter);
        columns.sort();
    }
    columns.retain(|one| *one != Implementation::NetfilterPptp);
    columns
}

/// Which implementation stands in a column of a test's row.
fn in_column(column: Implementation, test: Test) -> Implementation {
    if column == Implementation::Netfilter { Results::rival(test) } else { column }
}

fn head<'h>(first: &'h str, columns: &[Implementation]) -> Vec<&'h str> {
    std::iter::once(first).chain(columns.iter().map(|column| column.name())).collect()
}

/// Notes below a table, each told once.
#[derive(Default)]
struct Notes(Vec<String>);

impl Notes {
    /// The mark of a note.
    fn mark(&mut self, note: &str) -> String {
        let place = self.0.iter().position(|known| known == note).unwrap_or_else(|| {
            self.0.push(note.to_owned());
            self.0.len() - 1
        });
        format!("[{}]", place + 1)
    }

    fn list(&self) -> String {
        let lines = (1..).zip(&self.0).map(|(number, note)| format!("[{number}] {note}\n"));
        lines.collect::<Vec<_>>().join("\n")
    }
}

fn spread(spread: &Spread, decimals: usize) -> String {
    let Spread { median, min, max } = spread;
    format!("{median:.decimals$} ({min:.decimals$}..{max:.decimals$})")
}

fn cell(cell: &Cell, notes: &mut Notes) -> String {
    let mut text = cell.spread().map_or(NOTHING.to_owned(), |ns| spread(&ns, 0));
    if cell.spread().is_some() && cell.is_lossy() {
        write!(text, " **{:.2} % arrived**", cell.arrived_percent()).ok();
    }
    if let Some(failure) = &cell.failure {
        write!(text, " {}", notes.mark(failure)).ok();
    }
    text
}

/// ns a packet, with spread.
fn packets(results: &Results, notes: &mut Notes) -> Table {
    let columns = columns(results);
    let mut table = Table::new(head("ns a packet", &columns));
    for test in results.tests() {
        let mut row = vec![test.name()];
        for &column in &columns {
            let one = in_column(column, test);
            row.push(match (results.cells.get(&(test, one)), results.missing.get(&one)) {
                (Some(found), _) => cell(found, notes),
                (None, Some(why)) => format!("{NOTHING} {}", notes.mark(why)),
                (None, None) => NOTHING.to_owned(),
            });
        }
        table.row(row);
    }
    table
}

/// Millions of packets a second, and ratios.
fn ratios(results: &Results) -> Table {
    let columns = columns(results);
    let limit = Implementation::XdpForward;
    let mut words = vec!["Mpps, and as a part of xdp-forward".to_owned()];
    words.extend(columns.iter().map(|column| column.name().to_owned()));
    let ours = columns.iter().copied().filter(|column| column.is_passthrough()).collect::<Vec<_>>();
    words.extend(ours.iter().map(|column| format!("{} to netfilter", column.name())));
    let mut table = Table::new(words);
    for test in results.tests() {
        let mut row = vec![test.name()];
        let ratio = |slow: Implementation, fast: Implementation| {
            results.ratio((test, in_column(slow, test)), (test, in_column(fast, test)))
        };
        for &column in &columns {
            row.push(match (results.median(test, in_column(column, test)), ratio(limit, column)) {
                (Some(ns), Some(part)) => format!("{:.2} ({part:.2})", mpps(ns)),
                (Some(ns), None) => format!("{:.2}", mpps(ns)),
                _ => NOTHING.to_owned(),
            });
        }
        for &column in &ours {
            let times = ratio(Implementation::Netfilter, column);
            row.push(times.map_or(NOTHING.to_owned(), |times| format!("{times:.2} x")));
        }
        table.row(row);
    }
    table
}

/// What is not about packets.
fn measures(results: &Results, notes: &mut Notes) -> Table {
    let columns = columns(results);
    let mut table = Table::new(head("measure", &columns));
    for measure in Measure::ALL {
        let mut row = vec![format!("{}, {}", measure.name(), measure.unit())];
        let decimals = if matches!(measure.unit(), "us" | "Gbit/s") { 2 } else { 0 };
        let mut any = false;
        for &column in &columns {
            let Some(found) = results.measures.get(&(measure, column)) else {
                row.push(NOTHING.to_owned());
                continue;
            };
            any = true;
            let figures = Spread::of(&found.figures);
            let mut text = figures.map_or(NOTHING.to_owned(), |figures| spread(&figures, decimals));
            if let Some(note) = &found.note {
                write!(text, " {}", notes.mark(note)).ok();
            }
            row.push(text);
        }
        if any {
            table.row(row);
        }
    }
    table
}

fn programs(results: &Results) -> Table {
    let mut table =
        Table::new(["program", "of", "ns a run", "instructions", "bytes of machine code", "verified"]);
    for program in &results.programs {
        table.row([
            program.name.clone(),
            program.implementation.name().to_owned(),
            format!("{:.0}", program.ns),
            program.instructions.to_string(),
            program.machine_bytes.to_string(),
            program.verified.to_string(),
        ]);
    }
    table
}

fn goals(results: &Results) -> Table {
    let mut table = Table::new(["target", "wanted", "median test", "worst test", "which", "met"]);
    for target in targets::of(results) {
        table.row([
            target.what.clone(),
            target.wanted.words(),
            format!("{:.2}", target.median),
            format!("{:.2}", target.figure),
            target.worst.clone(),
            if target.is_met() { "yes" } else { "**no**" }.to_owned(),
        ]);
    }
    table
}

/// All tables, with a sentence on each.
pub fn of(plan: &Plan, machine: &Machine, results: &Results) -> String {
    all(plan, machine, results, Table::markdown)
}

/// The same for the terminal.
pub fn plain(plan: &Plan, machine: &Machine, results: &Results) -> String {
    all(plan, machine, results, Table::plain)
}

fn all(plan: &Plan, machine: &Machine, results: &Results, form: fn(&Table) -> String) -> String {
    let mut notes = Notes::default();
    let interrupted: Vec<f64> = results.cells.values().flat_map(|cell| cell.interrupted.clone()).collect();
    let interrupted = Spread::of(&interrupted).unwrap_or(Spread { median: 0.0, min: 0.0, max: 0.0 });
    let mut parts = vec![format!(
        "{}, {} rounds of {} ms a cell. {}; {} processors, {} MiB; Linux {}; spectre_v2: {}. While it ran, the host took \
         {:.1} % of the processors' time for others; batches that were interrupted, and are left out, took {:.1} % of a \
         cell's time in the median and {:.1} % at most.\n",
        machine.day,
        plan.rounds,
        plan.length.as_millis(),
        machine.processor,
        machine.processors,
        machine.memory_mib,
        machine.kernel,
        machine.spectre,
        100.0 * results.stolen,
        100.0 * interrupted.median,
        100.0 * interrupted.max
    )];
    for one in results.implementations() {
        parts.push(format!("- **{}**: {}", one.name(), one.about()));
    }
    let packets = packets(results, &mut notes);
    if !packets.is_empty() {
        parts.push("\nPackets of established sessions: median (least..most) of the rounds.\n".to_owned());
        parts.push(form(&packets));
        parts.push(form(&ratios(results)));
    }
    let measures = measures(results, &mut notes);
    if !measures.is_empty() {
        parts.push("\nSessions, latency, throughput: median (least..most) of the rounds.\n".to_owned());
        parts.push(form(&measures));
    }
    let programs = programs(results);
    if !programs.is_empty() {
        parts.push(
            "\nPrograms alone, on packets of 1,000 UDP sessions. The kernel's own timing is in each figure: what it costs \
             shows in `pass`, which is empty.\n"
                .to_owned(),
        );
        parts.push(form(&programs));
    }
    let goals = goals(results);
    if !goals.is_empty() {
        parts.push("\nTargets: what the tests that each speaks of came to, the median of them and the worst. Met is a target that the worst meets.\n".to_owned());
        parts.push(form(&goals));
    }
    parts.push(notes.list());
    parts.join("\n")
}

#[cfg(test)]
mod tests {
    use super::super::super::frame::Traffic;
    use super::*;

    fn results() -> Results {
        let mut results = Results::default();
        let test = Test { traffic: Traffic::Gre, size: 64, sessions: 500, inbound: false };
        for (one, ns) in [
            (Implementation::XdpForward, 100.0),
            (Implementation::NetfilterPptp, 3000.0),
            (Implementation::Tc, 400.0),
        ] {
            let cell =
                Cell { ns: vec![ns, ns + 10.0, ns - 10.0], sent: 100, arrived: 100, ..Cell::default() };
            results.cells.insert((test, one), cell);
        }
        results.cells.entry((test, Implementation::Tc)).and_modify(|cell| cell.arrived = 99);
        results.missing.insert(Implementation::Xdp, "no such mode".to_owned());
        results
    }

    #[test]
    fn netfilter_stands_for_its_helper_in_gre() {
        let text = packets(&results(), &mut Notes::default()).plain();
        let row = text.lines().nth(1).unwrap();
        assert!(row.contains("3000 (2990..3010)"), "{text}");
        assert!(!text.contains("netfilter-pptp"));
    }

    #[test]
    fn a_loss_and_a_reason_show() {
        let mut notes = Notes::default();
        let text = packets(&results(), &mut notes).plain();
        assert!(text.contains("**99.00 % arrived**"), "{text}");
        assert!(text.contains("- [1]"), "{text}");
        assert_eq!(notes.list(), "[1] no such mode\n");
    }

    #[test]
    fn ratios_are_to_the_limit_and_to_netfilter() {
        let text = ratios(&results()).plain();
        assert!(text.contains("2.50 (0.25)") && text.contains("7.50 x"), "{text}");
    }
}
