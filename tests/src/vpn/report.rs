//! The table of `docs/interop.md`, from the results of each kernel's last run.

use std::{
    collections::BTreeMap,
    fmt::Write as _,
    fs,
    path::{Path, PathBuf},
};

use anyhow::{Context, Result, ensure};
use serde_json::Value;

use super::{SCENARIOS, stage::Way};

/// Software at the ends of the tunnels, by Debian's names for it.
const SOFTWARE: [&str; 9] = [
    "pptp-linux",
    "pptpd",
    "ppp",
    "xl2tpd",
    "charon-systemd",
    "libreswan",
    "openvpn",
    "wireguard-tools",
    "iproute2",
];

/// Writes the document, of the results of runs, a file each; `versions` is a list of packages, a line each.
pub fn write(file: &Path, results: &[PathBuf], versions: &Path) -> Result<()> {
    let mut runs = Vec::new();
    for results in results {
        let Ok(text) = fs::read_to_string(results) else { continue };
        let run: Value =
            serde_json::from_str(&text).with_context(|| format!("reading {}", results.display()))?;
        runs.push(run);
    }
    ensure!(!runs.is_empty(), "no results yet: run `cargo xtask vm-test` first");
    let versions = fs::read_to_string(versions).unwrap_or_default();
    let mut text = String::from(
        "# Interoperation\n\nWritten by `cargo xtask vm-test --write`; by hand only what stands in `tests/src/vpn/report.rs`.\n\n\
         Software that nobody here wrote opens tunnels through the gateway, in network namespaces of a virtual machine with Debian's\n\
         kernel: clients behind the LAN interface, one server. A row passes when each client gets answers to its pings and 200,000 bytes\n\
         there and back by TCP, before and after two rekeys where there are any; and, with passthrough, when all of it stops as the\n\
         protocol is switched off, and no new tunnel comes up then. `netfilter` is the kernel's masquerade with\n\
         its PPTP helper, `no helper` the masquerade alone. By a VLAN or PPPoE the WAN device has no XDP of its own, and `passthrough xdp` there\n\
         is what `--mode auto` takes. The number is that of the clients. Each answer is of the last run that played it, which may be one\n\
         of older programs.\n\n",
    );
    for run in runs.iter().filter(|run| run["rows"].as_array().is_some_and(|rows| !rows.is_empty())) {
        table(&mut text, run)?;
    }
    programs(&mut text, &runs)?;
    text.push_str("## Software\n\nPackages of Debian 12:");
    for package in SOFTWARE {
        let version = versions.lines().find_map(|line| line.strip_prefix(package)?.strip_prefix(' '));
        if let Some(version) = version {
            write!(text, " {package} {version},")?;
        }
    }
    let text = text.trim_end_matches(',').to_owned() + ".\n";
    fs::write(file, text).with_context(|| format!("could not write {}", file.display()))
}

fn table(text: &mut String, run: &Value) -> Result<()> {
    let rows = run["rows"].as_array().context("results without rows")?;
    writeln!(text, "## Kernel {}\n", run["kernel"].as_str().unwrap_or_default())?;
    writeln!(
        text,
        "| scenario | passthrough tc | passthrough xdp | netfilter | no helper |\n|---|---|---|---|---|"
    )?;
    let mut notes = Vec::new();
    for scenario in &SCENARIOS {
        let of =
            |way: Way| rows.iter().find(|row| row["scenario"] == scenario.name && row["way"] == way.name());
        if Way::ALL.into_iter().find_map(of).is_none() {
            continue;
        }
        write!(text, "| {} (`{}`) |", scenario.about, scenario.name)?;
        for way in Way::ALL {
            let Some(row) = of(way) else {
                text.push_str(" not run |");
                continue;
            };
            let clients = row["clients"].as_u64().context("a row without clients")?;
            match row["failure"].as_str() {
                None => write!(text, " passes: {clients} |")?,
                Some(failure) => {
                    notes.push(format!("{}. {}, {}: {failure}", notes.len() + 1, scenario.name, way.name()));
                    write!(text, " fails: {clients} ({}) |", notes.len())?;
                }
            }
        }
        text.push('\n');
    }
    text.push('\n');
    if !notes.is_empty() {
        writeln!(text, "{}\n", notes.join("\n"))?;
    }
    Ok(())
}

/// Instructions of each program, a column a kernel.
fn programs(text: &mut String, runs: &[Value]) -> Result<()> {
    text.push_str(
        "## Kernels\n\nInstructions that the verifier walks through, of 1,000,000 at most.\n\n| program |",
    );
    let mut counts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for run in runs {
        write!(text, " {} |", run["kernel"].as_str().unwrap_or_default())?;
        for program in run["programs"].as_array().into_iter().flatten() {
            counts.entry(program["name"].as_str().unwrap_or_default().to_owned()).or_default();
        }
    }
    writeln!(text, "\n|---|{}", "---:|".repeat(runs.len()))?;
    for (name, cells) in &mut counts {
        for run in runs {
            let programs = run["programs"].as_array().into_iter().flatten();
            let count = programs.into_iter().find(|program| program["name"] == **name);
            cells.push(count.map_or("-".to_owned(), |program| program["instructions"].to_string()));
        }
        writeln!(text, "| `{name}` | {} |", cells.join(" | "))?;
    }
    text.push('\n');
    for run in runs {
        if let Some(refusal) = run["refusal"].as_str() {
            writeln!(text, "{}: `{refusal}`\n", run["kernel"].as_str().unwrap_or_default())?;
        }
    }
    Ok(())
}
