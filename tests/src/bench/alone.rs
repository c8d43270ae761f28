//! Each program alone: how long a run takes while packets of established sessions come by, and how large it is.
//!
//! Not by test-run in repeat mode: a gateway's program changes its packet, and the second run would see another one.

use std::{collections::HashSet, fs, time::Duration};

use anyhow::{Context, Result};
use aya::{
    maps::MapInfo,
    programs::{ProgramInfo, loaded_programs},
    sys::{Stats, enable_stats},
};

use super::{
    implementation::{Gateway, Implementation},
    measure,
    programs::Programs,
    results::Program,
    sessions::Sessions,
};

/// How long packets come by, each way.
const LENGTH: Duration = Duration::from_millis(100);

/// Watches a gateway's programs while packets of these sessions pass both ways. Programs that did not run are left out.
/// The watching itself is in each figure: what it costs shows in the figure of an empty program.
pub fn watch(gateway: &Gateway, programs: &mut Programs, sessions: &Sessions) -> Result<Vec<Program>> {
    let before = infos(gateway, programs)?;
    {
        let _watching = enable_stats(Stats::RunTime).context("could not have the kernel time programs")?;
        for outbound in [true, false] {
            let shape = sessions.load(programs, &gateway.network, 64, outbound)?;
            measure::cell(programs, &gateway.network, &shape, sessions.count(), LENGTH)?;
        }
    }
    let after = infos(gateway, programs)?;
    let mut found = Vec::new();
    for info in after {
        let Some(earlier) = before.iter().find(|before| before.id() == info.id()) else { continue };
        let runs = info.run_count() - earlier.run_count();
        if runs == 0 {
            continue;
        }
        let time = info.run_time() - earlier.run_time();
        found.push(Program {
            implementation: gateway.implementation,
            name: info.name_as_str().unwrap_or("without a name").to_owned(),
            // An instruction is 8 bytes.
            instructions: info.size_translated().unwrap_or(0) / 8,
            machine_bytes: info.size_jitted(),
            verified: info.verified_instruction_count().unwrap_or(0),
            runs,
            ns: time.as_nanos() as f64 / runs as f64,
        });
    }
    Ok(found)
}

fn infos(gateway: &Gateway, programs: &mut Programs) -> Result<Vec<ProgramInfo>> {
    let ours: &[&str] = match gateway.implementation {
        Implementation::XdpForward => &["forward_to_wan", "forward_to_lan"],
        // What keeps NAPI on: an empty program.
        Implementation::Kernel => &["pass"],
        Implementation::Netfilter | Implementation::NetfilterPptp => &[],
        Implementation::Tc | Implementation::Xdp => return infos_by_maps(gateway),
    };
    let info = |name: &&str| {
        programs.program(name)?.info().with_context(|| format!("could not ask about program {name}"))
    };
    ours.iter().map(info).collect()
}

/// The programs that use any of the gateway's pinned maps: its own, whatever they are called.
fn infos_by_maps(gateway: &Gateway) -> Result<Vec<ProgramInfo>> {
    let mut maps = HashSet::new();
    for entry in fs::read_dir(gateway.pins()?).context("could not read the gateway's pins")? {
        let path = entry.context("could not read the gateway's pins")?.path();
        let name = path.file_name().unwrap_or_default().to_string_lossy().into_owned();
        if !name.starts_with("prog_") && !name.starts_with("link_") {
            let info = MapInfo::from_pin(&path);
            maps.insert(info.with_context(|| format!("could not ask about the map {name}"))?.id());
        }
    }
    // A program of another test may go while the list is read: it is none of ours.
    let uses = |info: &ProgramInfo| {
        info.map_ids().ok().flatten().is_some_and(|ids| ids.iter().any(|id| maps.contains(id)))
    };
    Ok(loaded_programs().filter_map(|info| info.ok()).filter(uses).collect())
}
