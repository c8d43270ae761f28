//! What runs on after `up --foreground`: sweeps, follows addresses and interfaces, prints kernel-side messages.
//!
//! The data path needs none of it: it goes on when this ends.

use std::time::{Duration, Instant};

use anyhow::Context;
use aya_log::EbpfLogger;
use passthrough_common::abi::{Ranges, names::program};
use tokio::{
    signal::unix::{SignalKind, signal},
    time::{MissedTickBehavior, interval},
};

use super::{changes::Changes, follow, network, up};
use crate::{
    config::Plan,
    loader::{
        Pins, attach,
        run::{self, Sweep},
    },
    tables::Tables,
};

/// How often expired sessions are swept (conformance G7: at most 5 s).
const SWEEP_PERIOD: Duration = Duration::from_secs(5);

/// How often kernel-side messages are printed.
const MESSAGE_PERIOD: Duration = Duration::from_millis(250);

/// How long nothing is brought up again after that has failed: the attempt itself changes links, and would be its own cause.
const UP_PAUSE: Duration = Duration::from_secs(10);

/// Says a line to the operator.
pub type Say<'a> = &'a dyn Fn(&str);

/// Runs until SIGINT or SIGTERM, or until somebody takes the gateway down.
pub async fn run(pins: &Pins, plan: &Plan, log_level: u8, say: Say<'_>) -> anyhow::Result<()> {
    let mut changes = Changes::listen()?;
    let mut owed = false;
    let mut ticks = interval(SWEEP_PERIOD);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut message_ticks = interval(MESSAGE_PERIOD);
    message_ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    let mut interrupt = signal(SignalKind::interrupt()).context("waiting for SIGINT")?;
    let mut terminate = signal(SignalKind::terminate()).context("waiting for SIGTERM")?;
    let mut messages = Messages::open(pins);
    let mut failed = None;

    loop {
        tokio::select! {
            _ = interrupt.recv() => return Ok(()),
            _ = terminate.recv() => return Ok(()),
            _ = ticks.tick() => {
                if !pins.exist() {
                    say("the gateway was taken down");
                    return Ok(());
                }
                let swept = run::sweep(pins, &Sweep::default());
                if let Err(error) = swept {
                    say(&format!("sweeping failed: {error:#}"));
                }
                // The interface that came back may have done so before this one listened.
                step(pins, plan, log_level, say, &mut failed, &mut messages);
            }
            changed = changes.next() => {
                owed |= changed.any();
                if changed.machine {
                    step(pins, plan, log_level, say, &mut failed, &mut messages);
                }
            }
            _ = message_ticks.tick() => messages.print(),
        }
        if owed {
            match ask_again(pins) {
                Ok(done) => owed = !done,
                Err(error) => say(&format!("{error:#}")),
            }
        }
    }
}

/// Has the fast path ask for its ways out again, unless another command is at work just now. Answers whether it did.
fn ask_again(pins: &Pins) -> anyhow::Result<bool> {
    let Some(tables) = Tables::open_standing(pins)? else { return Ok(true) };
    let Some(_lock) = pins.try_lock()? else { return Ok(false) };
    tables.ask_again()?;
    Ok(true)
}

/// Follows the machine; a fault is told, and the next change tries again, but not at once if it was in bringing up.
fn step(
    pins: &Pins,
    plan: &Plan,
    log_level: u8,
    say: Say<'_>,
    failed: &mut Option<Instant>,
    messages: &mut Messages,
) {
    match follow_once(pins, plan, log_level, say, failed) {
        Ok(false) => {}
        Ok(true) => *messages = Messages::open(pins),
        Err(error) => say(&format!("{error:#}")),
    }
}

/// Follows addresses and sizes; brings the gateway up again when an interface came back under another index, as
/// `ppp0` does with each connection. Answers whether it did that.
fn follow_once(
    pins: &Pins,
    plan: &Plan,
    log_level: u8,
    say: Say<'_>,
    failed: &mut Option<Instant>,
) -> anyhow::Result<bool> {
    let Some(tables) = Tables::open_standing(pins)? else { return Ok(false) };
    let network = network::read()?;
    let standing = tables.interfaces()?;
    let returned = std::iter::once(&plan.wan)
        .chain(&plan.lans)
        .filter_map(|name| network.by_name(name))
        .find(|device| !standing.contains_key(&device.index));
    if let Some(device) = returned {
        // Without its address there is nothing to bring up yet; that will be a change, too.
        if device.name == plan.wan && plan.addresses == Ranges::NONE && device.addresses.is_empty() {
            return Ok(false);
        }
        if failed.is_some_and(|at| at.elapsed() < UP_PAUSE) {
            return Ok(false);
        }
        let name = device.name.clone();
        let done = up::up(pins, plan, log_level);
        *failed = done.is_err().then(Instant::now);
        let done = done?;
        say(&format!("{name} came back: up again, with {} table entries kept", done.kept));
        return Ok(true);
    }
    for note in follow::follow(&tables, &network)? {
        say(&note);
    }
    Ok(false)
}

/// Messages of the kernel side.
struct Messages {
    logger: Option<EbpfLogger<&'static dyn log::Log>>,
}

impl Messages {
    /// Opens their buffer. All programs of one load share it, so any link leads to it; where no program has
    /// messages there is none, and that is no fault.
    fn open(pins: &Pins) -> Messages {
        let links = pins.links().unwrap_or_default();
        let entries =
            links.iter().filter(|(name, ..)| *name == program::WAN_EGRESS || *name == program::WAN_INGRESS);
        let logger = entries
            .filter_map(|(_, _, pin)| attach::linked_program(pin).ok().flatten())
            .find_map(|id| EbpfLogger::init_from_id(id).ok());
        Messages { logger }
    }

    fn print(&mut self) {
        if let Some(logger) = &mut self.logger {
            logger.flush();
        }
    }
}
