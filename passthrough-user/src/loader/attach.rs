//! Programs on interfaces: attached, replaced in one step, and taken off again. tcx links where the kernel has
//! them, clsact filters where it has not.

use std::{fs, io::ErrorKind, path::Path, process::Command};

use anyhow::{Context, anyhow};
use aya::{
    programs::{
        LinkOrder, ProgramError, SchedClassifier, TcAttachType,
        links::{FdLink, PinnedLink},
        tc::{self, NlOptions, SchedClassifierLink, TcAttachOptions, TcError, TcHandle},
    },
    sys::SyscallError,
};
use passthrough_common::abi::names::program;

use super::{Pins, Undo};

/// Priority and handle of clsact filters: fixed, so that a later call finds and replaces them.
const CLSACT_PRIORITY: u16 = 0x5054;
const CLSACT_HANDLE: TcHandle = TcHandle::new(0, 1);
/// `ENOLINK`: the link's interface is gone.
const ENOLINK: i32 = 67;

/// Which hook of an interface a program belongs to.
pub fn hook(name: &str) -> TcAttachType {
    if name == program::WAN_EGRESS { TcAttachType::Egress } else { TcAttachType::Ingress }
}

/// A place for a program: an interface, by index and name.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    /// Name of the program.
    pub program: &'static str,
    /// Index of the interface.
    pub index: u32,
    /// Name of the interface.
    pub interface: String,
}

/// Attaches `new` at a place, or has it take the place of what is attached there, without a gap.
/// Undone, `old` (what ran before, by its pin) is back, or nothing is left.
pub fn attach(
    pins: &Pins,
    place: &Place,
    new: &mut SchedClassifier,
    tcx: bool,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    let what = format!("attaching {} to {}", place.program, place.interface);
    if !tcx {
        return attach_clsact(pins, place, new, undo).context(what);
    }
    let pin = pins.link(place.program, place.index);
    match PinnedLink::from_pin(&pin) {
        Ok(link) => match replace(link, new) {
            Ok(()) => {
                let (old, place) = (pins.program(place.program), place.clone());
                undo.push(what, move || {
                    // The interface may be gone; then there is nothing to put back.
                    let mut old = SchedClassifier::from_pin(&old)?;
                    replace(PinnedLink::from_pin(&pin)?, &mut old)
                        .with_context(|| format!("putting the earlier {} back", place.program))
                });
                return Ok(());
            }
            // The interface went and came back: the link is an empty shell.
            Err(error) if is_gone(&error) => {
                fs::remove_file(&pin).with_context(|| format!("removing {}", pin.display()))?;
            }
            Err(error) => return Err(error).context(what),
        },
        Err(_) if !pin.exists() => {}
        Err(error) => return Err(error).context(what),
    }
    let options = TcAttachOptions::TcxOrder(LinkOrder::default());
    let id = new.attach_with_options(&place.interface, hook(place.program), options).context(what.clone())?;
    let link: FdLink = new.take_link(id)?.try_into().map_err(|error| anyhow!("{what}: {error}"))?;
    link.pin(&pin).with_context(|| format!("pinning the link {}", pin.display()))?;
    undo.push(what, move || Ok(fs::remove_file(&pin)?));
    Ok(())
}

fn replace(link: PinnedLink, new: &mut SchedClassifier) -> anyhow::Result<()> {
    let link: SchedClassifierLink = FdLink::from(link).try_into().map_err(|error| anyhow!("{error}"))?;
    let id = new.attach_to_link(link)?;
    // Only the handle goes: the pin keeps the link.
    drop(new.take_link(id)?);
    Ok(())
}

fn is_gone(error: &anyhow::Error) -> bool {
    error.chain().any(|cause| {
        cause.downcast_ref::<SyscallError>().is_some_and(|call| call.io_error.raw_os_error() == Some(ENOLINK))
            || cause
                .downcast_ref::<std::io::Error>()
                .is_some_and(|error| error.raw_os_error() == Some(ENOLINK))
    })
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
    let standing = SchedClassifierLink::attached(
        &place.interface,
        hook(place.program),
        CLSACT_PRIORITY,
        CLSACT_HANDLE,
        None,
    )?;
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
        let standing = SchedClassifierLink::attached(
            &place.interface,
            hook(place.program),
            CLSACT_PRIORITY,
            CLSACT_HANDLE,
            None,
        )?;
        let id = old.attach_to_link(standing)?;
        std::mem::forget(old.take_link(id)?);
        Ok(())
    });
    Ok(())
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

/// Takes a link off by removing its pin.
pub fn detach_link(pin: &Path) -> anyhow::Result<()> {
    fs::remove_file(pin).with_context(|| format!("removing the link {}", pin.display()))
}

/// Id of the program behind a pinned link; `None` if the link's interface is gone.
pub fn linked_program(pin: &Path) -> anyhow::Result<Option<u32>> {
    let link = PinnedLink::from_pin(pin).with_context(|| format!("opening the link {}", pin.display()))?;
    let info = FdLink::from(link).info().with_context(|| format!("reading the link {}", pin.display()))?;
    Ok(Some(info.program_id()).filter(|id| *id != 0))
}

/// A program that somebody attached to an interface by tcx: id and name, in the order in which they run.
pub fn attached(interface: &str, hook: TcAttachType) -> Result<Vec<(u32, String)>, ProgramError> {
    let (_, programs) = SchedClassifier::query_tcx(interface, hook)?;
    Ok(programs
        .into_iter()
        .map(|info| (info.id(), info.name_as_str().unwrap_or("without a name").to_string()))
        .collect())
}

/// Puts a program's pin in place of an earlier one, in one step.
pub fn pin_program(pins: &Pins, name: &str, program: &mut SchedClassifier) -> anyhow::Result<()> {
    put_in_place(&pins.program(name), |path| Ok(program.pin(path)?))
}

/// Makes a pin under another name first and renames it, so that the name always leads to something.
pub fn put_in_place(path: &Path, pin: impl FnOnce(&Path) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let fresh = path.with_extension("").to_string_lossy().into_owned() + "_new";
    let fresh = Path::new(&fresh);
    if fresh.exists() {
        fs::remove_file(fresh).with_context(|| format!("removing {}", fresh.display()))?;
    }
    pin(fresh).with_context(|| format!("pinning {}", path.display()))?;
    fs::rename(fresh, path).with_context(|| format!("renaming {} to {}", fresh.display(), path.display()))
}
