//! Plays scenarios: each way through the gateway, each with what must not work.

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use aya::programs::loaded_programs;
use passthrough_common::abi::names;

use super::{
    Clients, Scenario,
    daemon::{Daemon, Folder},
    results::{Results, Row},
    stage::{Stage, Way},
    wan::Wan,
};

/// How often tunnels are rekeyed.
const REKEYS: u32 = 2;

/// What to play, and how.
#[derive(Debug)]
pub struct Plan {
    /// Scenarios, in their order.
    pub scenarios: Vec<&'static Scenario>,
    /// Ways through the gateway.
    pub ways: Vec<Way>,
    /// Clients of the scenarios with many.
    pub clients: usize,
    /// How long something may take that should work.
    pub patience: Duration,
    /// How long something is tried that should not work.
    pub brief: Duration,
    /// Where logs, captures and results go.
    pub out: PathBuf,
    /// Keep logs and captures of what passed.
    pub keep: bool,
}

/// Plays everything, says so line by line, and writes the results after each scenario.
pub fn all(plan: &Plan) -> Result<Results> {
    let kernel =
        fs::read_to_string("/proc/sys/kernel/osrelease").context("could not read the kernel's release")?;
    let mut results = Results { kernel: kernel.trim().to_owned(), ..Results::default() };
    say(&format!("kernel {}, {} clients", results.kernel, plan.clients));
    results.take_up(&plan.out, |name, way| {
        plan.ways.contains(&way) && plan.scenarios.iter().any(|scenario| scenario.name == name)
    });
    let mut counted = false;
    let mut stage = Stage::new(plan.clients, &plan.out)?;
    stage.lab.cli.set_bound(Duration::from_secs(1800));
    if too_old(&results.kernel) {
        refused(&stage, &mut results)?;
        results.write(&plan.out)?;
        return Ok(results);
    }
    let setups: Vec<_> = Wan::ALL.into_iter().flat_map(|wan| [(wan, true), (wan, false)]).collect();
    for (way, (wan, keep_1701)) in plan.ways.iter().flat_map(|way| setups.iter().map(|setup| (*way, *setup)))
    {
        let fits = |scenario: &&&'static Scenario| (scenario.wan, scenario.keep_1701) == (wan, keep_1701);
        let scenarios: Vec<_> = plan.scenarios.iter().filter(fits).collect();
        if scenarios.is_empty() {
            continue;
        }
        let started = Instant::now();
        let device = wan.device();
        stage
            .translate(way, wan, keep_1701, plan.patience)
            .with_context(|| format!("{} did not come up on {device}", way.name()))?;
        say(&format!(
            "{}: the gateway is up on {device}, after {} s",
            way.name(),
            started.elapsed().as_secs()
        ));
        if !counted && way.is_passthrough() {
            counted = true;
            results.programs = programs()?;
            results
                .programs
                .iter()
                .for_each(|(name, count)| say(&format!("  {name:<16} {count:>9} instructions")));
        }
        for scenario in scenarios {
            let row = one(plan, &stage, scenario, way)?;
            results.rows.push(row);
            results.write(&plan.out)?;
        }
    }
    Ok(results)
}

/// A line for people; `xtask` picks it out of what a kernel says.
pub fn say(text: &str) {
    println!("| {text}");
}

/// Kernels that the gateway refuses.
fn too_old(release: &str) -> bool {
    let mut numbers = release.split(['.', '-']).map_while(|number| number.parse::<u32>().ok());
    (numbers.next(), numbers.next()) < (Some(6), Some(1))
}

/// The gateway says in one line that the kernel is too old, and has changed nothing.
fn refused(stage: &Stage, results: &mut Results) -> Result<()> {
    let filters = || stage.lab.gateway.namespace.run("tc", &["filter", "show", "dev", "wan0", "egress"]);
    let line = stage.lab.cli.run("up --wan wan0 --lan lan0")?.refusal()?;
    say(&format!("refused: {line}"));
    ensure!(line.contains("too old"), "the refusal does not say why: {line}");
    ensure!(filters()?.trim().is_empty(), "a filter was left behind");
    ensure!(programs()?.is_empty(), "programs were left behind");
    let pins = fs::read_dir("/sys/fs/bpf").context("could not look for pins")?.count();
    ensure!(pins == 0, "{pins} pins were left behind");
    results.refusal = Some(line);
    Ok(())
}

/// Instructions of each program of ours that is loaded. Names in the kernel have 15 letters at most.
fn programs() -> Result<Vec<(String, u32)>> {
    let hooks = ["wan_egress", "wan_ingress", "lan_ingress", "fast_lan", "fast_wan", "sweep"];
    let steps = names::STEPS.iter().map(|(name, _)| *name);
    let ours: Vec<&str> = steps.chain(hooks).map(|name| &name[..name.len().min(15)]).collect();
    let mut found = Vec::new();
    for program in loaded_programs() {
        let program = program.context("could not list loaded programs")?;
        let name = program.name_as_str().unwrap_or_default();
        if ours.contains(&name) {
            found.push((name.to_owned(), program.verified_instruction_count().unwrap_or(0)));
        }
    }
    found.sort();
    found.dedup_by(|one, other| one.0 == other.0);
    Ok(found)
}

/// Plays one scenario one way.
fn one(plan: &Plan, stage: &Stage, scenario: &'static Scenario, way: Way) -> Result<Row> {
    let clients = if scenario.clients == Clients::Many { plan.clients } else { 1 };
    let folder = Folder::new(&plan.out, &format!("{}-{}", scenario.name, way.name()))?;
    let started = Instant::now();
    let played = {
        let _captures = captures(stage, &folder)?;
        let played = steps(plan, stage, scenario, way, clients, &folder);
        if played.is_err() && way.is_passthrough() {
            // What the gateway knew then.
            for command in ["sessions", "stats"] {
                let told = stage.lab.cli.run(command).map(|outcome| outcome.stdout).unwrap_or_default();
                folder.write(&format!("{command}.txt"), &told)?;
            }
        }
        played
    };
    if way.is_passthrough() {
        stage.lab.cli.succeed(&format!("enable {}", scenario.switches))?;
    }
    let failure = played.err().map(|error| format!("{error:#}"));
    let verdict = if failure.is_none() { "PASS" } else { "FAIL" };
    let seconds = started.elapsed().as_secs();
    say(&format!("{verdict} {:<14} {:<10} {clients} clients, {seconds} s", scenario.name, way.name()));
    match &failure {
        Some(failure) => say(&format!("     {failure}")),
        None if !plan.keep => folder.remove()?,
        None => {}
    }
    Ok(Row { scenario: scenario.name, about: scenario.about, way, clients, failure })
}

fn steps(
    plan: &Plan,
    stage: &Stage,
    scenario: &Scenario,
    way: Way,
    clients: usize,
    folder: &Folder,
) -> Result<()> {
    stage.clear()?;
    let open = (scenario.open)(stage, folder, clients, plan.patience).context("opening")?;
    open.assert_work(plan.patience).context("moving data")?;
    if let Some(rekey) = scenario.rekey {
        for _ in 0..REKEYS {
            rekey(&open, folder, plan.patience).context("rekeying")?;
            open.assert_work(plan.patience).context("after a rekey")?;
        }
    }
    stage.lab.sniffer.assert_no_private_address()?;
    if !way.is_passthrough() {
        return Ok(());
    }
    stage.lab.cli.succeed(&format!("disable {}", scenario.switches))?;
    open.assert_stopped().context("switched off while up")?;
    drop(open);
    stage.clear()?;
    match (scenario.open)(stage, &folder.below("off")?, 1, plan.brief) {
        Ok(open) if open.assert_work(plan.brief).is_ok() => bail!("it comes up although it is switched off"),
        _ => Ok(()),
    }
}

/// What leaves the gateway, and what reaches it from the LAN.
fn captures(stage: &Stage, folder: &Folder) -> Result<Vec<Daemon>> {
    let places = [("wan", &stage.lab.router.namespace, "isp0"), ("lan", &stage.switch, "up0")];
    places
        .into_iter()
        .map(|(name, namespace, interface)| {
            let file = folder.path(&format!("{name}.pcap"));
            let words = ["-n", "-U", "-s", "200", "-Z", "root", "-i", interface, "-w", &file];
            folder.below(name)?.start(namespace, "tcpdump", &words)
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kernels_before_6_1_are_too_old() {
        assert!(too_old("5.10.0-40-amd64"));
        assert!(!too_old("6.1.0-56-amd64"));
        assert!(!too_old("7.3.4+deb13-amd64"));
    }
}
