//! The figures for other programs: every round of every cell.

use anyhow::{Context, Result};
use serde_json::{Value, json};

use super::super::{
    machine::Machine,
    plan::Plan,
    results::Results,
    statistics::{Spread, mpps},
};
use super::targets;

/// The whole run.
pub fn of(plan: &Plan, machine: &Machine, results: &Results) -> Result<String> {
    let cells = results.cells.iter().map(|((test, one), cell)| {
        json!({
            "test": test.name(),
            "traffic": test.traffic.name(),
            "bytes": test.size,
            "sessions": test.sessions,
            "direction": if test.inbound { "in" } else { "out" },
            "implementation": one.name(),
            "ns_a_packet": spread(&cell.ns),
            "mpps": cell.spread().map(|ns| mpps(ns.median)),
            "rounds": cell.ns,
            "interrupted": cell.interrupted,
            "sent": cell.sent,
            "arrived": cell.arrived,
            "failure": cell.failure,
        })
    });
    let measures = results.measures.iter().map(|((measure, one), found)| {
        json!({
            "measure": measure.name(),
            "unit": measure.unit(),
            "implementation": one.name(),
            "figure": spread(&found.figures),
            "rounds": found.figures,
            "note": found.note,
        })
    });
    let programs = results.programs.iter().map(|program| {
        json!({
            "program": program.name,
            "implementation": program.implementation.name(),
            "ns_a_run": program.ns,
            "runs": program.runs,
            "instructions": program.instructions,
            "machine_bytes": program.machine_bytes,
            "verified_instructions": program.verified,
        })
    });
    let targets = targets::of(results).into_iter().map(|target| {
        json!({
            "target": target.what,
            "wanted": target.wanted.words(),
            "median": target.median,
            "worst": target.figure,
            "worst_test": target.worst,
            "met": target.is_met(),
        })
    });
    let missing = results.missing.iter().map(|(one, why)| (one.name().to_owned(), Value::from(why.as_str())));
    let machine = json!({
        "processor": machine.processor,
        "processors": machine.processors,
        "kernel": machine.kernel,
        "spectre_v2": machine.spectre,
        "memory_mib": machine.memory_mib,
        "day": machine.day,
        "stolen": results.stolen,
        "rounds": plan.rounds,
        "cell_ms": plan.length.as_millis() as u64,
    });
    let parts = [
        ("cells", lines(cells)?),
        ("measures", lines(measures)?),
        ("programs", lines(programs)?),
        ("targets", lines(targets)?),
    ];
    let mut text = format!("{{\n\"machine\": {},\n", compact(&machine)?);
    for (name, lines) in parts {
        text += &format!("\"{name}\": [\n{lines}\n],\n");
    }
    let missing = Value::from(missing.collect::<serde_json::Map<_, _>>());
    Ok(text + &format!("\"missing\": {}\n}}\n", compact(&missing)?))
}

/// A line each: so a new run changes the lines of what it measured.
fn lines(values: impl Iterator<Item = Value>) -> Result<String> {
    Ok(values.map(|value| compact(&value)).collect::<Result<Vec<_>>>()?.join(",\n"))
}

fn compact(value: &Value) -> Result<String> {
    serde_json::to_string(value).context("could not write the figures as JSON")
}

fn spread(figures: &[f64]) -> Option<Value> {
    let Spread { median, min, max } = Spread::of(figures)?;
    Some(json!({ "median": median, "min": min, "max": max }))
}

#[cfg(test)]
mod tests {
    use super::super::super::{
        frame::Traffic,
        implementation::Implementation,
        results::{Cell, Test},
    };
    use super::*;

    #[test]
    fn a_cell_has_all_of_its_rounds() {
        let mut results = Results::default();
        let test = Test { traffic: Traffic::Udp, size: 64, sessions: 1, inbound: true };
        let cell = Cell { ns: vec![100.0, 120.0], sent: 2, arrived: 2, ..Cell::default() };
        results.cells.insert((test, Implementation::Kernel), cell);
        let text = of(&Plan::new(true), &Machine::this(), &results).unwrap();
        let read: Value = serde_json::from_str(&text).unwrap();
        let cell = &read["cells"][0];
        assert_eq!(cell["test"], "udp64_f1_in");
        assert_eq!(cell["ns_a_packet"]["median"], 110.0);
        assert_eq!(cell["rounds"].as_array().unwrap().len(), 2);
    }
}
