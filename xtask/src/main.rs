//! Every step of CI and of the README, runnable at home: `cargo xtask TASK`.

mod bench;
mod build;
mod check;
mod compliance;
mod demo;
mod fuzz;
mod process;
mod setup;
mod simulate;
mod soak;
mod test;
mod tidy;
mod toolchain;
mod verify;
mod vm;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// The steps of this project.
#[derive(Parser)]
#[command(name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    task: Task,
}

#[derive(Subcommand)]
enum Task {
    /// Install what building and testing need; says what it does
    Setup,
    /// Build everything, the kernel programs included
    Build(build::Arguments),
    /// Build, then show the gateway at work in a lab of namespaces (needs root)
    Demo,
    /// Build, then measure ways through a gateway side by side (needs root)
    Bench(bench::Arguments),
    /// Build, then simulate ESP pairing under three rules, and write the table of docs/esp-pairing.md
    Simulate(simulate::Arguments),
    /// Build, then fuzz the decisions; or send many frames through host and kernel, and compare (that needs root)
    Fuzz(fuzz::Arguments),
    /// Build, then send hostile input at a live gateway while tunnels of every kind go on (needs root)
    Soak(soak::Arguments),
    /// Build, then run all tests (those in namespaces need root)
    Test,
    /// Formatting, lints on host and BPF target, docs, licences, house rules
    Check(check::Arguments),
    /// Check the house rules alone
    Tidy,
    /// Write docs/compliance.md: which test proves which rule, and what its last run came to
    Compliance(compliance::Arguments),
    /// Load every kernel program here and compare its size with the budget (needs root)
    Verify(verify::Arguments),
    /// Build, then run real VPN software through the gateway, in a virtual machine with a kernel of one's choice
    VmTest(vm::Arguments),
}

fn main() -> ExitCode {
    let done = match Arguments::parse().task {
        Task::Setup => setup::run(),
        Task::Build(arguments) => build::run(&arguments),
        Task::Demo => demo::run(),
        Task::Bench(arguments) => bench::run(&arguments),
        Task::Simulate(arguments) => simulate::run(&arguments),
        Task::Fuzz(arguments) => fuzz::run(&arguments),
        Task::Soak(arguments) => soak::run(&arguments),
        Task::Test => test::run(),
        Task::Check(arguments) => check::run(&arguments),
        Task::Tidy => tidy::run(),
        Task::Compliance(arguments) => compliance::run(&arguments),
        Task::Verify(arguments) => verify::run(&arguments),
        Task::VmTest(arguments) => vm::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            // A task that has already told its story ends with an empty error.
            let error = format!("{error:#}");
            if !error.is_empty() {
                eprintln!("error: {error}");
            }
            ExitCode::FAILURE
        }
    }
}
