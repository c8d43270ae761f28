//! The table of interfaces, and beside it, slot by slot, the devices to which the fast path sends.

use std::collections::BTreeMap;

use anyhow::{Context, bail};
use aya::maps::{Array, DevMap, Map, MapData};
use passthrough_common::abi::{
    Interface,
    names::map,
    settings::{PORT_TRIES, PORTS, port},
};

use super::Tables;

impl Tables {
    fn ports(&self) -> anyhow::Result<Array<MapData, Interface>> {
        Ok(Map::Array(self.map(map::INTERFACES)?).try_into()?)
    }

    fn devices(&self) -> anyhow::Result<DevMap<MapData>> {
        Ok(Map::DevMap(self.map(map::DEVICES)?).try_into()?)
    }

    /// The interfaces, by index.
    pub fn interfaces(&self) -> anyhow::Result<BTreeMap<u32, Interface>> {
        let ports = self.ports()?;
        let used = ports.iter().filter(|port| port.as_ref().map_or(true, |port| port.index != 0));
        used.map(|port| port.map(|port| (port.index, port)))
            .collect::<Result<_, _>>()
            .context("reading the interfaces")
    }

    /// Adds or changes an interface, in place. If the fast path may send out there, its device is known before the
    /// interface says so, and forgotten only after it has ceased to.
    pub fn write_interface(&self, interface: Interface) -> anyhow::Result<()> {
        let mut ports = self.ports()?;
        let index = interface.index;
        let Some(slot) = find(index, |slot| ports.get(&slot, 0).ok().map(|port| port.index)) else {
            bail!(
                "no room for interface {index}: {PORT_TRIES} others whose indices are equal modulo {PORTS} take part \
                 (`passthrough down`, then `passthrough up` with fewer interfaces)"
            )
        };
        let fast = interface.flags & port::FAST != 0;
        if fast {
            // Written even if it stands: the kernel drops the entry of a device that goes.
            self.devices()?
                .set(slot, index, None, 0)
                .with_context(|| format!("writing the device of interface {index}"))?;
        }
        let known = ports.get(&slot, 0).context("reading an interface")?;
        if known != interface {
            ports.set(slot, interface, 0).context("writing an interface")?;
        }
        if !fast && known.flags & port::FAST != 0 {
            self.forget_device(slot)?;
        }
        Ok(())
    }

    /// Removes an interface; none there is as good.
    pub fn remove_interface(&self, index: u32) -> anyhow::Result<()> {
        let mut ports = self.ports()?;
        for slot in slots(index) {
            if ports.get(&slot, 0).context("reading an interface")?.index == index {
                ports.set(slot, Interface::default(), 0).context("removing an interface")?;
                self.forget_device(slot)?;
            }
        }
        Ok(())
    }

    /// Clears a slot of the devices. (Interface 0 stands for none; the kernel has no other way to write that.)
    fn forget_device(&self, slot: u32) -> anyhow::Result<()> {
        self.devices()?.set(slot, 0, None, 0).context("removing a device of the fast path")
    }
}

fn slots(index: u32) -> impl Iterator<Item = u32> {
    (0..PORT_TRIES).map(move |attempt| Interface::slot(index, attempt))
}

/// The interface's own slot, or else the first free one of those where it is looked for. `owner` tells whose a slot is.
fn find(index: u32, owner: impl Fn(u32) -> Option<u32>) -> Option<u32> {
    let of = |wanted: u32| slots(index).find(|slot| owner(*slot) == Some(wanted));
    of(index).or_else(|| of(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_interface_keeps_its_slot_and_a_new_one_takes_the_first_free() {
        let mut owners = BTreeMap::from([(7, 7)]);
        let find_in = |owners: &BTreeMap<u32, u32>, index| {
            find(index, |slot| Some(owners.get(&slot).copied().unwrap_or(0)))
        };
        assert_eq!(find_in(&owners, 7), Some(7));
        // Another one with the same home.
        assert_eq!(find_in(&owners, 7 + PORTS), Some(8));
        owners.insert(8, 7 + PORTS);
        // Its home is free again, but it stays where it is.
        owners.remove(&7);
        assert_eq!(find_in(&owners, 7 + PORTS), Some(8));
        assert_eq!(find_in(&owners, 7), Some(7));
    }

    #[test]
    fn a_full_neighbourhood_is_refused_and_the_table_wraps() {
        let full = |_| Some(99);
        assert_eq!(find(3, full), None);
        let last = PORTS - 1;
        assert_eq!(find(last, |slot| Some(if slot == last { 5 } else { 0 })), Some(0));
    }
}
