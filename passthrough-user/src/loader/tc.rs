//! The TC hooks: tcx links where the kernel has them, clsact filters where it has not.

use std::{
    io::{self, ErrorKind},
    path::Path,
    process::Command,
};

use anyhow::{Context, anyhow};
use aya::programs::{
    LinkOrder, ProgramError, SchedClassifier, TcAttachType,
    links::FdLink,
    tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
};
use passthrough_common::abi::names::program;

use super::{
    Pins, Undo,
    attach::{self, Linked, Place},
};

/// Priority and handle of clsact filters: fixed, so that a later call finds and replaces them.
const CLSACT_PRIORITY: u16 = 0x5054;
const CLSACT_HANDLE: TcHandle = TcHandle::new(0, 1);

/// Which hook of an interface a program belongs to.
pub fn hook(name: &str) -> TcAttachType {
    if name == program::WAN_EGRESS { TcAttachType::Egress } else { TcAttachType::Ingress }
}

impl Linked for SchedClassifier {
    type How = ();

    fn open(pin: &Path) -> anyhow::Result<SchedClassifier> {
        Ok(SchedClassifier::from_pin(pin)?)
    }

    fn pin_at(&mut self, path: &Path) -> anyhow::Result<()> {
        Ok(self.pin(path)?)
    }

    fn link(&mut self, place: &Place, (): ()) -> anyhow::Result<FdLink> {
        let options = TcAttachOptions::TcxOrder(LinkOrder::default());
        let id = self.attach_with_options(&place.interface, hook(place.program), options)?;
        self.take_link(id)?.try_into().map_err(|error| anyhow!("{error}"))
    }

    fn take_over(&mut self, link: FdLink) -> anyhow::Result<()> {
        let link: SchedClassifierLink = link.try_into().map_err(|error| anyhow!("{error}"))?;
        let id = self.attach_to_link(link)?;
        // Only the handle goes: the pin keeps the link.
        drop(self.take_link(id)?);
        Ok(())
    }
}

/// Attaches `new` at a place, by a tcx link or by a clsact filter: see [`attach::attach`].
pub fn attach(
    pins: &Pins,
    place: &Place,
    new: &mut SchedClassifier,
    tcx: bool,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    if tcx {
        attach::attach(pins, place, new, (), undo)
    } else {
        attach_clsact(pins, place, new, undo)
            .with_context(|| format!("attaching {} to {}", place.program, place.interface))
    }
}

fn attach_clsact(
    pins: &Pins,
    place: &Place,
    new: &mut SchedClassifier,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    match tc::qdisc_add_clsact(&place.interface) {
        Ok(()) => {}
        // Somebody made it before; it stays, ours or not, since others may hang on it.
        Err(TcError::NetlinkError(error)) if error.raw_os_error() == Some(17) => {}
        Err(TcError::AlreadyAttached) => {}
        Err(error) => return Err(error).context("adding the clsact queue"),
    }
    let standing = standing_filter(place)?;
    let options = NlOptions { priority: CLSACT_PRIORITY, handle: CLSACT_HANDLE, classid: None };
    let attached =
        new.attach_with_options(&place.interface, hook(place.program), TcAttachOptions::Netlink(options));
    let (id, fresh) = match attached {
        Ok(id) => {
            std::mem::forget(standing);
            (id, true)
        }
        Err(_) => (new.attach_to_link(standing)?, false),
    };
    // A filter belongs to the kernel, not to this process: forgotten here, it stays.
    std::mem::forget(new.take_link(id)?);
    let (place, old) = (place.clone(), pins.program(place.program));
    undo.push(format!("the filter on {}", place.interface), move || {
        if fresh {
            return detach_clsact(&place);
        }
        let mut old = SchedClassifier::from_pin(&old)?;
        let standing = standing_filter(&place)?;
        let id = old.attach_to_link(standing)?;
        std::mem::forget(old.take_link(id)?);
        Ok(())
    });
    Ok(())
}

/// The link of the filter that stands in a place, or that would: it is found by its priority and handle.
fn standing_filter(place: &Place) -> io::Result<SchedClassifierLink> {
    SchedClassifierLink::attached(&place.interface, hook(place.program), CLSACT_PRIORITY, CLSACT_HANDLE, None)
}

/// Takes a clsact filter off; none there is as good.
pub fn detach_clsact(place: &Place) -> anyhow::Result<()> {
    match tc::qdisc_detach_program(&place.interface, hook(place.program), place.program) {
        Ok(()) => Ok(()),
        Err(TcError::IoError(error)) if error.kind() == ErrorKind::NotFound => Ok(()),
        Err(error) => Err(error).with_context(|| format!("taking {} off {}", place.program, place.interface)),
    }
}

/// Whether a program of this name is attached to an interface as a clsact filter, by what `tc` says.
pub fn is_filter(interface: &str, name: &str) -> bool {
    let side = if matches!(hook(name), TcAttachType::Egress) { "egress" } else { "ingress" };
    Command::new("tc").args(["filter", "show", "dev", interface, side]).output().is_ok_and(|output| {
        String::from_utf8_lossy(&output.stdout).split_whitespace().any(|word| word == name)
    })
}

/// A program that somebody attached to an interface by tcx: id and name, in the order in which they run.
pub fn attached(interface: &str, hook: TcAttachType) -> Result<Vec<(u32, String)>, ProgramError> {
    let (_, programs) = SchedClassifier::query_tcx(interface, hook)?;
    Ok(programs
        .into_iter()
        .map(|info| (info.id(), info.name_as_str().unwrap_or("without a name").to_string()))
        .collect())
}
