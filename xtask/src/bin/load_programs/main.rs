//! Loads every kernel program, attached to nothing, and compares what the verifier says with the budget file.
//!
//! Usage: `load-programs BUDGET [--write]`. Maps are made for this run only and end with it.
//!
//! The verifier tells the stack depth in its log alone, and `aya` asks for the log only after a load has failed. So each
//! program is loaded twice: once as usual, and once with no file descriptor left, which the kernel notices only
//! after it has verified the program (`bpf_prog_new_fd`, EMFILE).

mod frames;

use std::env;
use std::fmt::Write as _;
use std::fs::{self, File};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context as _, Result, bail};
use aya::programs::{Program, ProgramError};
use aya::{Ebpf, EbpfLoader, VerifierLogLevel};

/// More descriptors than this are not used up: the caller sets a limit below.
const MOST_DESCRIPTORS: usize = 4096;

/// What the verifier and the compiler made of a program.
struct Measured {
    name: String,
    /// Instructions the verifier walked through, over all paths.
    verified: u32,
    /// Bytes of stack of each function, the program first.
    stack: Vec<u32>,
    /// Bytes of stack of the deepest chain of calls, as [`frames`] adds them up.
    chain: u32,
    /// Bytes of the program as the kernel runs it, before and after compilation to machine code.
    translated: u32,
    jited: u32,
}

/// What a program may cost.
struct Budget {
    verified: u32,
    /// The sum of all functions: never less than the deepest chain of calls.
    stack: u32,
}

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    let mut arguments = env::args_os().skip(1);
    let file = PathBuf::from(arguments.next().context("usage: load-programs BUDGET [--write]")?);
    let write = arguments.next().is_some_and(|argument| argument == "--write");

    let mut loader = EbpfLoader::new();
    let loader = loader.verifier_log_level(VerifierLogLevel::STATS);
    let mut ebpf =
        loader.load(passthrough_user::loader::OBJECT).context("making the maps of the kernel programs")?;
    let mut names: Vec<_> = ebpf.programs().map(|(name, _)| name.to_owned()).collect();
    names.sort();
    let chains = frames::deepest(passthrough_user::loader::OBJECT)?;
    let mut measured = Vec::new();
    let mut refused = Vec::new();
    for name in names {
        let chain = chains.get(&name).copied().unwrap_or(0);
        match measure(&mut ebpf, name, chain) {
            Ok(program) => measured.push(program),
            Err(error) => refused.push(format!("{error:#}")),
        }
    }
    if !refused.is_empty() {
        measured
            .iter()
            .for_each(|program| println!("{} loads: {} instructions", program.name, program.verified));
        bail!("{} programs are refused: {}", refused.len(), refused.join("\n"));
    }

    if write {
        fs::write(&file, budget_file(&measured)).with_context(|| format!("writing {}", file.display()))?;
        println!("wrote {}", file.display());
    }
    let text = fs::read_to_string(&file)
        .with_context(|| format!("reading {} (`cargo xtask verify --write` makes it)", file.display()))?;
    let budgets: toml::Table = text.parse().with_context(|| format!("parsing {}", file.display()))?;
    report(&measured, &budgets)
}

/// Loads one program twice and unloads it.
fn measure(ebpf: &mut Ebpf, name: String, chain: u32) -> Result<Measured> {
    let program = ebpf.program_mut(&name).with_context(|| format!("program {name} has gone"))?;
    load(program).with_context(|| format!("loading {name}"))?;
    let info = program.info().with_context(|| format!("asking the kernel about {name}"))?;
    unload(program).with_context(|| format!("unloading {name}"))?;
    let every_descriptor = use_up_descriptors()?;
    let refused = load(program);
    drop(every_descriptor);
    let Err(ProgramError::LoadError { verifier_log, .. }) = refused else {
        bail!("{name} loaded although no file descriptor was left");
    };
    let stack = stack_depth(&verifier_log.to_string())
        .with_context(|| format!("the verifier said nothing of the stack of {name}: {verifier_log}"))?;
    Ok(Measured {
        verified: told(info.verified_instruction_count(), "verified instructions")?,
        translated: told(info.size_translated(), "the translated size")?,
        jited: info.size_jitted(),
        stack,
        chain,
        name,
    })
}

fn load(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::SchedClassifier(program) => program.load(),
        Program::Xdp(program) => program.load(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn unload(program: &mut Program) -> Result<(), ProgramError> {
    match program {
        Program::SchedClassifier(program) => program.unload(),
        Program::Xdp(program) => program.unload(),
        _ => Err(ProgramError::UnexpectedProgramType),
    }
}

fn told<T>(value: Option<T>, what: &str) -> Result<T> {
    value.with_context(|| format!("this kernel does not tell {what} (5.16 and newer do)"))
}

/// Opens files until no descriptor is left; they close as the answer is dropped.
fn use_up_descriptors() -> Result<Vec<File>> {
    let mut files = Vec::new();
    while let Ok(file) = File::open("/dev/null") {
        files.push(file);
        if files.len() > MOST_DESCRIPTORS {
            bail!("more than {MOST_DESCRIPTORS} descriptors are allowed: run `ulimit -n 256` first");
        }
    }
    Ok(files)
}

/// Reads the line `stack depth 32+16+0`.
fn stack_depth(log: &str) -> Option<Vec<u32>> {
    let depths = log.lines().find_map(|line| line.trim().strip_prefix("stack depth "))?;
    depths.split('+').map(|depth| depth.trim().parse().ok()).collect()
}

fn report(measured: &[Measured], budgets: &toml::Table) -> Result<()> {
    println!(
        "{:<24} {:>12} {:>9} {:>6} {:>6} {:>6} {:>10} {:>7}  frames",
        "program", "instructions", "budget", "stack", "budget", "chain", "translated", "machine"
    );
    let mut over = Vec::new();
    for program in measured {
        let budget = Budget::of(&program.name, budgets);
        let stack: u32 = program.stack.iter().sum();
        let frames: Vec<_> = program.stack.iter().map(u32::to_string).collect();
        let column = |limit: Option<u32>| limit.map_or("none".into(), |limit| limit.to_string());
        println!(
            "{:<24} {:>12} {:>9} {:>6} {:>6} {:>6} {:>10} {:>7}  {}",
            program.name,
            program.verified,
            column(budget.as_ref().map(|budget| budget.verified)),
            stack,
            column(budget.as_ref().map(|budget| budget.stack)),
            program.chain,
            program.translated,
            program.jited,
            frames.join("+"),
        );
        if program.chain > frames::MOST {
            over.push(format!(
                "{}: a chain of calls takes {} bytes of stack of {} on Linux 6.1",
                program.name,
                program.chain,
                frames::MOST
            ));
        }
        match budget {
            None => over.push(format!("{} has no budget", program.name)),
            Some(budget) => {
                if program.verified > budget.verified {
                    over.push(format!(
                        "{}: {} instructions of {}",
                        program.name, program.verified, budget.verified
                    ));
                }
                if stack > budget.stack {
                    over.push(format!("{}: {stack} bytes of stack of {}", program.name, budget.stack));
                }
            }
        }
    }
    let gone = budgets.keys().filter(|name| !measured.iter().any(|program| program.name == **name));
    over.extend(gone.map(|name| format!("{name} has a budget and is no program")));
    if over.is_empty() {
        println!("{} programs load on this kernel, all within their budget", measured.len());
        return Ok(());
    }
    bail!(
        "{}; make it cheaper, or raise the budget with a reason (`cargo xtask verify --write`)",
        over.join("; ")
    )
}

impl Budget {
    fn of(name: &str, budgets: &toml::Table) -> Option<Self> {
        let entry = budgets.get(name)?;
        let number = |key: &str| entry.get(key)?.as_integer()?.try_into().ok();
        Some(Self { verified: number("instructions")?, stack: number("stack")? })
    }
}

/// The budget file: what is measured and a quarter more, rounded up.
fn budget_file(measured: &[Measured]) -> String {
    let mut text = String::from(
        "# What each kernel program may cost: instructions the verifier walks through, and bytes of stack summed over its\n\
         # functions. `cargo xtask verify` fails above; `cargo xtask verify --write` writes what it measures and a quarter more.\n",
    );
    let more = |value: u32, step: u32| (value + value / 4).max(1).next_multiple_of(step);
    for program in measured {
        let instructions = more(program.verified, 100);
        let stack = more(program.stack.iter().sum(), 16);
        // Writing to a string cannot fail.
        let _ = write!(text, "\n[{}]\ninstructions = {instructions}\nstack = {stack}\n", program.name);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_stack_of_each_function_is_read_from_the_log() {
        let log = "verification time 5 usec\nstack depth 32+16+0\nprocessed 9 insns (limit 1000000)\n";
        assert_eq!(stack_depth(log), Some(vec![32, 16, 0]));
        assert_eq!(stack_depth("processed 9 insns"), None);
    }
}
