//! The kernel side as an object: brought in, pinned, attached, run once. Decides nothing about traffic.

pub mod attach;
pub mod pins;
pub mod preflight;
pub mod run;
pub mod tc;
pub mod undo;
pub mod xdp;

use anyhow::{Context, anyhow};
use aya::{
    Ebpf, EbpfLoader,
    maps::{MapError, ProgramArray},
    programs::{Program, ProgramError},
};
use passthrough_common::abi::names::{self, map};

pub use pins::Pins;
pub use undo::Undo;

/// The kernel side, as the build made it.
pub static OBJECT: &[u8] = aya::include_bytes_aligned!(concat!(env!("OUT_DIR"), "/passthrough"));

/// How large and how talkative the kernel side is made.
#[derive(Clone, Copy, Debug)]
pub struct Size {
    /// Entries of the session table, two a session.
    pub entries: u32,
    /// Kernel-side messages up to this level are kept (1 error ... 4 debug, 5 trace); 0 for none.
    pub log_level: u8,
}

impl Size {
    /// Entries of the session table unless the operator says otherwise.
    pub const ENTRIES: u32 = 131_072;
}

/// Loads maps and programs. Maps that are pinned already are used as they are (the caller has compared them);
/// the others are made and pinned. The array of continuations is always a new one, not pinned yet, so that
/// programs that still run keep theirs.
pub fn load(pins: &Pins, size: Size) -> anyhow::Result<Ebpf> {
    let paths: Vec<_> =
        map::ALL.iter().filter(|name| **name != map::STEPS).map(|name| (*name, pins.map(name))).collect();
    let mut loader = EbpfLoader::new();
    for (name, path) in &paths {
        loader.map_pin_path(name, path.as_path());
    }
    loader.map_max_entries(map::SESSIONS, size.entries).map_max_entries(map::BINDINGS, size.entries);
    loader.override_global(aya_log::LEVEL, &size.log_level, false);
    let mut ebpf = loader.load(OBJECT).map_err(sized).context("making the maps of the kernel side")?;

    load_programs(&mut ebpf)?;
    fill_steps(&mut ebpf)?;
    Ok(ebpf)
}

/// Has the kernel verify all programs at once: it takes seconds for the largest, and each is judged by itself.
fn load_programs(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    std::thread::scope(|scope| {
        let mut loading = Vec::new();
        for (name, program) in ebpf.programs_mut() {
            let thread = match program {
                Program::SchedClassifier(program) => scope.spawn(|| program.load()),
                Program::Xdp(program) => scope.spawn(|| program.load()),
                _ => continue,
            };
            loading.push((name, thread));
        }
        // All are waited for; the first refusal by name is told, so that the same fault reads the same each time.
        loading.sort_by_key(|(name, _)| *name);
        let done: Vec<_> = loading.into_iter().map(|(name, thread)| (name, thread.join())).collect();
        for (name, outcome) in done {
            outcome
                .map_err(|_| anyhow!("loading program {name} panicked"))?
                .map_err(|error| refused(name, error))?;
        }
        Ok(())
    })
}

/// Puts the continuations into their array.
fn fill_steps(ebpf: &mut Ebpf) -> anyhow::Result<()> {
    let mut programs = Vec::new();
    for (name, index) in names::STEPS {
        let program =
            ebpf.program(name).ok_or_else(|| anyhow!("the object has no program {name}: build it again"))?;
        programs.push((name, index, program.fd()?.try_clone()?));
    }
    let steps = ebpf
        .map_mut(map::STEPS)
        .ok_or_else(|| anyhow!("the object has no map {}: build it again", map::STEPS))?;
    let mut steps = ProgramArray::try_from(steps).context("opening the array of continuations")?;
    for (name, index, program) in &programs {
        steps.set(*index, program, 0).with_context(|| format!("storing continuation {name}"))?;
    }
    Ok(())
}

/// A map that could not be made, with the likely cure.
fn sized(error: aya::EbpfError) -> anyhow::Error {
    let memory = matches!(
        &error,
        aya::EbpfError::MapError(MapError::CreateError { io_error, .. })
            if io_error.kind() == std::io::ErrorKind::OutOfMemory
    );
    let error = anyhow::Error::new(error);
    if memory {
        error.context("not enough memory for the tables: give `up` a smaller --sessions")
    } else {
        error
    }
}

/// A program that the kernel did not take: one line, and what the verifier said where it said something.
fn refused(name: &str, error: ProgramError) -> anyhow::Error {
    match error {
        ProgramError::LoadError { io_error, verifier_log } => {
            let log = verifier_log.to_string();
            let log = log.trim();
            if log.is_empty() {
                anyhow!("the kernel refused program {name}: {io_error}")
            } else {
                anyhow!("the kernel refused program {name}: {io_error}; the verifier says:\n{log}")
            }
        }
        other => anyhow::Error::new(other).context(format!("loading program {name}")),
    }
}
