//! Puts the fast path's programs on interfaces, takes them off, and opens and closes the ways between them.

use anyhow::{anyhow, bail};
use aya::{
    Ebpf,
    programs::{Program, Xdp},
};
use passthrough_common::abi::{Interface, Side, settings::port};

use super::{
    network,
    paths::{self, Wish},
    quiesce,
};
use crate::{
    config::{Mode, Network, Port, network::Device},
    loader::{
        Pins, Undo,
        attach::{self, Place},
        xdp,
    },
    tables::Tables,
};

/// `PASSTHROUGH_ATTACH=veth-xdp` has `auto` take XDP on veth, too, where a test has seen to the checksums.
fn wish(mode: Mode, network: &Network) -> Wish<'_> {
    let trusting = std::env::var("PASSTHROUGH_ATTACH").is_ok_and(|word| word == "veth-xdp");
    Wish { mode, network, trusting }
}

/// Refuses, before anything is done, what can be seen not to go: a mode that wants XDP on every interface.
pub fn refuse(pins: &Pins, mode: Mode, network: &Network, ports: &[(&Port, Side)]) -> anyhow::Result<()> {
    let wish = wish(mode, network);
    if mode != Mode::Xdp {
        return Ok(());
    }
    let linked = paths::linked(pins)?;
    for (port, _) in ports {
        let Some(device) = network.by_index(port.index) else { continue };
        let own = linked.get(&port.index).copied();
        if let Some(why) = paths::obstacle(&wish, device, own, paths::takes_tags) {
            bail!(refusal(&port.name, &why));
        }
    }
    Ok(())
}

fn refusal(interface: &str, why: &str) -> String {
    format!("{interface} cannot take native XDP: {why} (--mode auto takes TC there)")
}

/// Attaches the fast path where the mode wants it and the device can. Answers where it now is.
pub fn attach(
    tables: &Tables,
    ebpf: &mut Ebpf,
    mode: Mode,
    network: &Network,
    ports: &[(&Port, Side)],
    undo: &mut Undo,
) -> anyhow::Result<Vec<Place>> {
    let pins = tables.pins();
    let linked = paths::linked(pins)?;
    let wish = wish(mode, network);
    let native = mode != Mode::Generic;
    let mut places = Vec::new();
    for (port, side) in ports {
        let Some(device) = network.by_index(port.index) else { continue };
        let own = linked.get(&port.index).copied();
        if paths::obstacle(&wish, device, own, paths::takes_tags).is_some() {
            continue;
        }
        let place = Place { program: paths::program(*side), index: port.index, interface: port.name.clone() };
        if let Some(other) = paths::ours(device, own).filter(|program| program.native != native) {
            close(tables, &[port.index])?;
            xdp::take_off(pins, &place, other.native, undo)?;
        }
        match attach::attach(pins, &place, program(ebpf, place.program)?, xdp::mode(native), undo) {
            Ok(()) => places.push(place),
            Err(error) => refused(tables, mode, device, error)?,
        }
    }
    Ok(places)
}

/// Keeps the driver's refusal with the interface, or fails if there is nothing beside XDP.
fn refused(tables: &Tables, mode: Mode, device: &Device, error: anyhow::Error) -> anyhow::Result<()> {
    let Some(errno) = attach::errno(&error) else { return Err(error) };
    if mode == Mode::Xdp {
        bail!(refusal(&device.name, &paths::refused(errno, device)));
    }
    match tables.interfaces()?.get(&device.index) {
        Some(known) => tables.write_interface(Interface { refusal: errno as u32, ..*known }),
        None => Ok(()),
    }
}

/// A program of the fast path.
pub fn program<'a>(ebpf: &'a mut Ebpf, name: &str) -> anyhow::Result<&'a mut Xdp> {
    match ebpf.program_mut(name) {
        Some(Program::Xdp(program)) => Ok(program),
        _ => Err(anyhow!("the object has no XDP program {name}: build it again")),
    }
}

/// Opens the ways to the devices that run the fast path at `places` and can transmit, and closes all others. What devices
/// can transmit is read now: drivers change it as programs come.
pub fn settle(tables: &Tables, places: &[Place]) -> anyhow::Result<Network> {
    let network = network::read()?;
    let mut linked = paths::linked(tables.pins())?;
    linked.retain(|index, _| places.iter().any(|place| place.index == *index));
    for (index, interface) in tables.interfaces()? {
        if let Some(device) = network.by_index(index) {
            tables.write_interface(paths::settled(&interface, device, linked.get(&index).copied()))?;
        }
    }
    tables.ask_again()?;
    Ok(network)
}

/// Closes the ways to these interfaces, and waits for the packets that are on them.
pub fn close(tables: &Tables, interfaces: &[u32]) -> anyhow::Result<()> {
    for (index, interface) in tables.interfaces()? {
        if interfaces.contains(&index) {
            let flags = interface.flags & !port::FAST;
            tables.write_interface(Interface { flags, ..interface })?;
        }
    }
    tables.ask_again()?;
    quiesce()
}
