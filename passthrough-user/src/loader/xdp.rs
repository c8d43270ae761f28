//! The XDP hook: links in the driver, or in the stack where that was asked for.

use std::path::Path;

use anyhow::anyhow;
use aya::programs::{Xdp, XdpMode, links::FdLink, xdp::XdpLink};
use aya_obj::programs::XdpAttachType;

use super::{
    Pins, Undo,
    attach::{self, Linked, Place},
};

impl Linked for Xdp {
    type How = XdpMode;

    fn open(pin: &Path) -> anyhow::Result<Xdp> {
        Ok(Xdp::from_pin(pin, XdpAttachType::Interface)?)
    }

    fn pin_at(&mut self, path: &Path) -> anyhow::Result<()> {
        Ok(self.pin(path)?)
    }

    fn link(&mut self, place: &Place, mode: XdpMode) -> anyhow::Result<FdLink> {
        let id = self.attach_to_if_index(place.index, mode)?;
        self.take_link(id)?.try_into().map_err(|error| anyhow!("{error}"))
    }

    fn take_over(&mut self, link: FdLink) -> anyhow::Result<()> {
        let link: XdpLink = link.try_into().map_err(|error| anyhow!("{error}"))?;
        let id = self.attach_to_link(link)?;
        // Only the handle goes: the pin keeps the link.
        drop(self.take_link(id)?);
        Ok(())
    }
}

/// The mode of a link: in the driver, or on the stack's buffers.
pub fn mode(native: bool) -> XdpMode {
    if native { XdpMode::Driver } else { XdpMode::Skb }
}

/// Takes a program off whose link is of the other mode, since a link keeps its mode. Undone, it is back.
pub fn take_off(pins: &Pins, place: &Place, native: bool, undo: &mut Undo) -> anyhow::Result<()> {
    let pin = pins.link(place.program, place.index);
    attach::detach(&pin)?;
    let (old, place) = (pins.program(place.program), place.clone());
    undo.push(format!("taking {} off {}", place.program, place.interface), move || {
        let link = Xdp::open(&old)?.link(&place, mode(native))?;
        drop(link.pin(&pin)?);
        Ok(())
    });
    Ok(())
}
