//! Programs on interfaces by pinned links: attached, replaced in one step, and taken off again. What is particular to
//! a hook is beside it, in `tc` and `xdp`.

use std::{fs, path::Path};

use anyhow::Context;
use aya::{
    programs::links::{FdLink, PinnedLink},
    sys::SyscallError,
};

use super::{Pins, Undo};

/// `ENOLINK`: the link's interface is gone.
const ENOLINK: i32 = 67;

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

/// A kind of program that hangs on an interface by a link.
pub trait Linked: Sized {
    /// What has to be said about a new link beside its place.
    type How: Copy + 'static;

    /// Opens a pinned program.
    fn open(pin: &Path) -> anyhow::Result<Self>;

    /// Pins the program.
    fn pin_at(&mut self, path: &Path) -> anyhow::Result<()>;

    /// Attaches it, by a link that ends when it is dropped.
    fn link(&mut self, place: &Place, how: Self::How) -> anyhow::Result<FdLink>;

    /// Puts it in the place of the program that a link leads to.
    fn take_over(&mut self, link: FdLink) -> anyhow::Result<()>;
}

/// Attaches `new` at a place, or has it take the place of what is attached there, without a gap.
/// Undone, what ran before (by its pin) is back, or nothing is left.
pub fn attach<P: Linked>(
    pins: &Pins,
    place: &Place,
    new: &mut P,
    how: P::How,
    undo: &mut Undo,
) -> anyhow::Result<()> {
    let what = format!("attaching {} to {}", place.program, place.interface);
    let pin = pins.link(place.program, place.index);
    match PinnedLink::from_pin(&pin) {
        Ok(link) => match new.take_over(link.into()) {
            Ok(()) => {
                let (old, place) = (pins.program(place.program), place.clone());
                undo.push(what, move || {
                    // The interface may be gone; then there is nothing to put back.
                    P::open(&old)?
                        .take_over(PinnedLink::from_pin(&pin)?.into())
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
    let link = new.link(place, how).with_context(|| what.clone())?;
    link.pin(&pin).with_context(|| format!("pinning the link {}", pin.display()))?;
    undo.push(what, move || detach(&pin));
    Ok(())
}

fn is_gone(error: &anyhow::Error) -> bool {
    errno(error) == Some(ENOLINK)
}

/// The error number behind an error, if a system call is.
pub fn errno(error: &anyhow::Error) -> Option<i32> {
    error.chain().find_map(|cause| {
        let call = cause.downcast_ref::<SyscallError>().map(|call| &call.io_error);
        call.or_else(|| cause.downcast_ref::<std::io::Error>()).and_then(std::io::Error::raw_os_error)
    })
}

/// Takes a program off by its pinned link. It is off when this returns: the last reference to the link is ours, and the
/// kernel ends it as we close it. (Ended with its pin, it would go some time later, in a work queue.)
pub fn detach(pin: &Path) -> anyhow::Result<()> {
    let Ok(link) = PinnedLink::from_pin(pin) else {
        return fs::remove_file(pin).with_context(|| format!("removing {}", pin.display()));
    };
    drop(link.unpin().with_context(|| format!("removing the link {}", pin.display()))?);
    Ok(())
}

/// Id of the program behind a pinned link; `None` if the link's interface is gone.
pub fn linked_program(pin: &Path) -> anyhow::Result<Option<u32>> {
    let link = PinnedLink::from_pin(pin).with_context(|| format!("opening the link {}", pin.display()))?;
    let info = FdLink::from(link).info().with_context(|| format!("reading the link {}", pin.display()))?;
    Ok(Some(info.program_id()).filter(|id| *id != 0))
}

/// Puts a program's pin in place of an earlier one, in one step.
pub fn pin_program<P: Linked>(pins: &Pins, name: &str, program: &mut P) -> anyhow::Result<()> {
    put_in_place(&pins.program(name), |path| program.pin_at(path))
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

#[cfg(test)]
mod tests {
    use aya::programs::ProgramError;

    use super::*;

    #[test]
    fn the_error_number_is_found_below_everything() {
        let call = SyscallError { call: "bpf_link_create", io_error: std::io::Error::from_raw_os_error(95) };
        let error = anyhow::Error::new(ProgramError::SyscallError(call)).context("attaching");
        assert_eq!(errno(&error), Some(95));
        assert_eq!(errno(&anyhow::anyhow!("no call")), None);
    }
}
