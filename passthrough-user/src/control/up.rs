//! Brings the gateway up, or takes a new version of its programs and settings into a running one.
//!
//! Tables, settings and interfaces are written first, programs attached last; a failure takes all of it back.

use std::fs;

use anyhow::{Context, anyhow, bail};
use aya::{
    Ebpf,
    programs::{Program, SchedClassifier},
};
use passthrough_common::abi::{
    Host, Interface, Settings, Side, Switch,
    names::{map, program},
    settings::option,
};

use super::{fast, forward, listeners, network, paths, pool, quiesce, set_option};
use crate::{
    config::{Checked, L2tpPort, Mode, Network, Plan, Port, checked, forward::Rule},
    loader::{
        self, Pins, Size, Undo,
        attach::{self, Place},
        preflight, tc,
    },
    tables::Tables,
};

/// What `up` has done.
#[derive(Clone, Debug)]
pub struct Done {
    /// The plan as it fitted the machine.
    pub checked: Checked,
    /// Whether LAN interfaces were found, not named.
    pub lans_found: bool,
    /// Whether a running gateway was replaced.
    pub replaced: bool,
    /// The path of each interface.
    pub paths: Vec<paths::Path>,
    /// Sessions that went on, when replaced; entries of the table.
    pub kept: usize,
    /// What the operator should know, a line each.
    pub notes: Vec<String>,
}

/// Does it.
pub fn up(pins: &Pins, plan: &Plan, log_level: u8) -> anyhow::Result<Done> {
    preflight::machine()?;
    let network = network::read()?;
    // Words that do not fit the machine are refused before anything is made or mounted.
    checked::check(plan, &network, None)?;
    pins.mount()?;
    let _lock = pins.lock()?;
    let standing = Tables::open_standing(pins)?;
    let before = standing.as_ref().map(Tables::settings).transpose()?;
    let checked = checked::check(plan, &network, before.as_ref())?;
    let mode = plan.mode.or(before.as_ref().map(Mode::of)).unwrap_or_default();
    let ports: Vec<(&Port, Side)> = std::iter::once((&checked.wan, Side::Outside))
        .chain(checked.lans.iter().map(|lan| (lan, Side::Inside)))
        .collect();
    fast::refuse(pins, mode, &network, &ports)?;
    let size = Size { entries: entries(plan, standing.as_ref())?, log_level };
    let settings = settings(plan, mode, &checked, before.as_ref(), size)?;
    let forwards = standing.as_ref().map(Tables::forwards).transpose()?.unwrap_or_default();
    let lans: Vec<u32> = checked.lans.iter().map(|lan| lan.index).collect();
    let ground = forward::Ground {
        settings: &settings,
        lans: &lans,
        network: &network,
        listeners: &listeners::read()?,
    };
    let added = forward::fresh(&plan.forwards, &forwards, &ground)?;
    // What hangs on links stays on links, whatever is asked for.
    let tcx = use_tcx()? || !pins.links()?.is_empty();

    let mut undo = Undo::default();
    let fresh = standing.is_none();
    if fresh {
        make_directory(pins, &mut undo)?;
    }
    let mut ebpf = loader::load(pins, size)?;
    let mut notes = checked.notes.clone();
    if fresh {
        // Pinned before the tables are opened by name; on a running gateway only once the programs have changed.
        pin_steps(pins, &ebpf)?;
    }
    let tables = Tables::unwritten(pins);

    write_settings(&tables, &settings, before, &mut undo)?;
    // The object may come from another build than this program: compare what was made as well.
    let tables = Tables::open(pins)?;
    for (port, side) in &ports {
        write_interface(&tables, &network, port, *side, &mut undo)?;
    }

    write_forwards(&tables, forwards, added, &mut undo)?;

    let mut places = places(&checked);
    for place in &places {
        notes.extend(rival(pins, place, tcx));
        let program = classifier(&mut ebpf, place.program)?;
        tc::attach(pins, place, program, tcx, &mut undo)?;
    }
    // The fast path only comes where the slower one is: it leaves packets to it.
    let fast = fast::attach(&tables, &mut ebpf, mode, &network, &ports, &mut undo)?;
    for name in [program::WAN_EGRESS, program::WAN_INGRESS, program::LAN_INGRESS, program::SWEEP] {
        attach::pin_program(pins, name, classifier(&mut ebpf, name)?)?;
    }
    for name in program::FAST {
        attach::pin_program(pins, name, fast::program(&mut ebpf, name)?)?;
    }
    if !fresh {
        pin_steps(pins, &ebpf)?;
    }
    let network = fast::settle(&tables, &fast)?;
    undo.keep();

    places.extend(fast);
    leave_others(pins, &tables, &places, &network)?;
    if let Some(before) = &before {
        pool::drop_lost(&tables, before, &settings)?;
    }
    if let Some(hint) = forwarding_hint() {
        notes.push(hint);
    }
    let kept = if fresh { 0 } else { tables.sessions()?.len() };
    let network = network::read()?;
    notes.extend(xdp_notes(&tables, &network)?);
    let paths = paths::all(&tables, &network, &settings)?;
    Ok(Done { checked, lans_found: plan.lans.is_empty(), replaced: !fresh, paths, kept, notes })
}

/// Entries of the session table: as asked, or as they stand; they cannot change while the gateway is up.
fn entries(plan: &Plan, standing: Option<&Tables>) -> anyhow::Result<u32> {
    let asked = plan.sessions.map(|sessions| sessions * 2);
    let Some(tables) = standing else { return Ok(asked.unwrap_or(Size::ENTRIES)) };
    let stands = tables.map(map::SESSIONS)?.info()?.max_entries();
    match asked {
        Some(asked) if asked != stands => bail!(
            "already up with room for {} sessions: run `passthrough down` before asking for {}",
            stands / 2,
            asked / 2
        ),
        _ => Ok(stands),
    }
}

/// Whether to attach by tcx. `PASSTHROUGH_ATTACH=clsact` tries the way of older kernels on a newer one.
fn use_tcx() -> anyhow::Result<bool> {
    match std::env::var("PASSTHROUGH_ATTACH").as_deref() {
        Ok("clsact") => Ok(false),
        _ => preflight::has_tcx(),
    }
}

fn make_directory(pins: &Pins, undo: &mut Undo) -> anyhow::Result<()> {
    fs::create_dir(pins.directory())
        .with_context(|| format!("making the directory {}", pins.directory().display()))?;
    let pins = pins.clone();
    undo.push("the pinned tables", move || pins.remove());
    Ok(())
}

fn pin_steps(pins: &Pins, ebpf: &Ebpf) -> anyhow::Result<()> {
    let steps = ebpf.map(map::STEPS).ok_or_else(|| anyhow!("the object has no map {}", map::STEPS))?;
    attach::put_in_place(&pins.map(map::STEPS), |path| Ok(steps.pin(path)?))
}

/// The settings: as they stand, or the default; and over them what the plan says.
fn settings(
    plan: &Plan,
    mode: Mode,
    checked: &Checked,
    before: Option<&Settings>,
    size: Size,
) -> anyhow::Result<Settings> {
    // A session is two entries; no host takes more than half of them, unless the operator says so.
    let fresh = Settings { host_sessions: size.entries / 4, ..Settings::DEFAULT };
    let mut settings = before.copied().unwrap_or(fresh);
    settings.host_sessions = plan.host_sessions.unwrap_or(settings.host_sessions);
    settings.host_rate = plan.host_rate.map_or(settings.host_rate, Host::per_second);
    settings.host_connections = plan.host_connections.unwrap_or(settings.host_connections);
    settings.host_servers = plan.host_servers.unwrap_or(settings.host_servers);
    settings.wan_ifindex = checked.wan.index;
    mode.keep(&mut settings);
    settings.pool = checked.pool;
    plan.pooling.put(&mut settings)?;
    set_option(&mut settings, option::FIXED_POOL, checked.fixed_pool);
    set_option(&mut settings, option::DROP_MARTIANS, checked.drop_martians);
    if let Some(rule) = plan.l2tp_port {
        set_option(&mut settings, option::KEEP_L2TP_PORT, rule == L2tpPort::Keep);
    }
    if let Some(filtering) = plan.filtering {
        settings.filtering = [filtering as u8; 2];
    }
    for class in &plan.enable {
        settings.switches[*class as usize] = Switch::Full as u8;
    }
    Ok(settings)
}

fn write_settings(
    tables: &Tables,
    settings: &Settings,
    before: Option<Settings>,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    tables.write_settings(settings)?;
    if let Some(before) = before {
        let tables = tables.clone();
        undo.push("the settings", move || tables.write_settings(&before));
    }
    Ok(())
}

fn write_forwards(
    tables: &Tables,
    standing: Vec<Rule>,
    added: Vec<Rule>,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    if added.is_empty() {
        return Ok(());
    }
    forward::write(tables, &standing, &added)?;
    let tables = tables.clone();
    undo.push("the port forwards", move || {
        let all: Vec<Rule> = standing.iter().chain(&added).copied().collect();
        tables.write_forwards(&all, &standing)
    });
    Ok(())
}

fn write_interface(
    tables: &Tables,
    network: &Network,
    port: &Port,
    side: Side,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    let before = tables.interfaces()?.get(&port.index).copied();
    let mut interface = Interface {
        index: port.index,
        side: side as u8,
        link: port.link as u8,
        flags: before.map_or(0, |before| before.flags),
        ..Interface::default()
    };
    if let Some(device) = network.by_index(port.index) {
        // The way that is open stays so until it is known how the device comes out of this.
        let own = paths::linked(tables.pins())?.get(&port.index).copied();
        interface = paths::settled(&interface, device, own);
    }
    tables.write_interface(interface)?;
    let (tables, index) = (tables.clone(), port.index);
    undo.push(format!("the entry of {}", port.name), move || match before {
        Some(before) => tables.write_interface(before),
        None => tables.remove_interface(index),
    });
    Ok(())
}

/// Where programs go. Inbound first: nothing may leave translated whose answer would not be known.
fn places(checked: &Checked) -> Vec<Place> {
    let place = |program, port: &Port| Place { program, index: port.index, interface: port.name.clone() };
    let mut places = vec![place(program::WAN_INGRESS, &checked.wan)];
    places.extend(checked.lans.iter().map(|lan| place(program::LAN_INGRESS, lan)));
    places.push(place(program::WAN_EGRESS, &checked.wan));
    places
}

fn classifier<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut SchedClassifier> {
    match ebpf.program_mut(name) {
        Some(Program::SchedClassifier(program)) => Ok(program),
        _ => bail!("the object has no TC classifier {name}: build it again"),
    }
}

/// A line on what somebody else has attached where our program goes. With tcx both run, in order.
fn rival(pins: &Pins, place: &Place, tcx: bool) -> Option<String> {
    if !tcx {
        return None;
    }
    let own = attach::linked_program(&pins.link(place.program, place.index)).ok().flatten();
    let others: Vec<String> = tc::attached(&place.interface, tc::hook(place.program))
        .ok()?
        .into_iter()
        .filter(|(id, _)| Some(*id) != own)
        .map(|(id, name)| format!("{name} (id {id})"))
        .collect();
    (!others.is_empty()).then(|| {
        format!(
            "{} already has the tcx program {}: it runs before {}, which then sees only what it lets through",
            place.interface,
            others.join(", "),
            place.program
        )
    })
}

/// A line on each XDP program that somebody else runs on an interface of the gateway, and on each interface where ours
/// depends on others.
fn xdp_notes(tables: &Tables, network: &Network) -> anyhow::Result<Vec<String>> {
    let linked = paths::linked(tables.pins())?;
    let devices = tables.interfaces()?.into_keys().filter_map(|index| network.by_index(index));
    Ok(devices
        .filter_map(|device| {
            let own = linked.get(&device.index).copied();
            if device.xdp.is_none() || paths::ours(device, own).is_some() {
                return paths::caution(device, own);
            }
            Some(format!(
                "an XDP program runs on {0} before this gateway, which sees only what it lets through \
                 (`ip link show {0}`)",
                device.name
            ))
        })
        .collect())
}

/// Takes programs off interfaces that no longer take part, and the fast path off those that leave it.
fn leave_others(pins: &Pins, tables: &Tables, places: &[Place], network: &Network) -> anyhow::Result<()> {
    let mut linked = Vec::new();
    let mut left = Vec::new();
    for (program, index, pin) in pins.links()? {
        linked.push(index);
        if !places.iter().any(|place| place.program == program && place.index == index) {
            left.push((program, pin));
        }
    }
    left.sort_by_key(|(program, _)| !program::FAST.contains(program));
    if left.first().is_some_and(|(program, _)| program::FAST.contains(program)) {
        // The ways to them are closed; this waits for packets that were on one.
        quiesce()?;
    }
    for (_, pin) in left {
        attach::detach(&pin)?;
    }
    for index in tables.interfaces()?.into_keys() {
        if places.iter().any(|place| place.index == index) {
            continue;
        }
        if let Some(device) = network.by_index(index).filter(|_| !linked.contains(&index)) {
            detach_filters(index, &device.name)?;
        }
        tables.remove_interface(index)?;
    }
    Ok(())
}

/// Takes clsact filters off an interface that has no links.
pub fn detach_filters(index: u32, interface: &str) -> anyhow::Result<()> {
    for program in [program::WAN_EGRESS, program::WAN_INGRESS, program::LAN_INGRESS] {
        tc::detach_clsact(&Place { program, index, interface: interface.to_string() })?;
    }
    Ok(())
}

/// A line if this machine does not forward at all.
fn forwarding_hint() -> Option<String> {
    let forward = fs::read_to_string("/proc/sys/net/ipv4/ip_forward").ok()?;
    (forward.trim() == "0")
        .then(|| "this machine does not forward IPv4: `sysctl -w net.ipv4.ip_forward=1`".to_string())
}
