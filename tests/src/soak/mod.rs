//! Soak: hostile input at a live gateway, from both sides, while tunnels of every kind go on and lose nothing.

pub mod fill;
mod inside;
mod kinds;
mod live;
mod outside;
pub mod report;
mod sender;
mod tunnels;

use std::{
    sync::{Arc, Mutex, PoisonError, atomic::AtomicBool, atomic::Ordering},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};

use self::{
    fill::Fill,
    kinds::Kind,
    live::Live,
    report::{Loss, Report, Sent},
    sender::{Job, Sender},
};
use crate::{
    lab::{Lab, Plan},
    peers::{l2tp::SourcePort, site::Site},
};

/// Clients that have tunnels of their own. Of two more the first is hostile, and the second has control connections.
const FRIENDS: usize = 3;
/// How often the tables are looked at, and a switch is turned off or on.
const LOOK: Duration = Duration::from_secs(5);
/// A switch that no tunnel here hangs on.
const FLIPPED: &str = "openvpn";
/// What every tunnel must still do at the end.
const AFTERWARDS: u64 = 10;
const PATIENCE: Duration = Duration::from_secs(20);

/// A soak that is to be.
#[derive(Clone, Copy, Debug)]
pub struct Wanted {
    /// How long.
    pub length: Duration,
    /// Hostile frames a second from each side.
    pub rate: u32,
    /// Where random numbers begin.
    pub seed: u64,
}

/// Runs it; `tell` gets a line now and then, and `interrupted` ends it early.
///
/// # Errors
///
/// What keeps it from running at all. Losses are for the report to tell.
pub fn run(wanted: &Wanted, tell: &dyn Fn(&str), interrupted: &AtomicBool) -> Result<Report> {
    let lab = Lab::planned(&Plan { clients: FRIENDS + 2, ..Plan::default() })?;
    // What hostile hosts send reaches the servers too, and is theirs to complain about: losses are seen by the clients.
    let _sites = Site::start_both(&lab, SourcePort::Insist)?;
    lab.cli.up("pptp,ipsec,l2tp,gre,ipip")?;
    lab.cli.start("up --wan wan0 --lan br0 --l2tp-port keep --foreground")?;
    let (friends, others) = lab.clients.split_at(FRIENDS);
    let [foe, talker] = others else { bail!("a lab of another size") };
    let tunnels = tunnels::open(friends, talker)?;
    tell(&format!("{} tunnels are up", tunnels.len()));

    let live = Arc::new(Mutex::new(Arc::new(Live::ask(&lab, foe.address)?)));
    let look = |live: &Arc<Mutex<Arc<Live>>>| {
        let live = Arc::clone(live);
        move || Arc::clone(&live.lock().unwrap_or_else(PoisonError::into_inner))
    };
    let job = |kinds, interface, gateway: &str, turn: u64| -> Result<Job> {
        let gateway = sender::link(&lab.gateway.namespace, gateway)?.addr().context("no link address")?;
        Ok(Job { kinds, interface, gateway, rate: wanted.rate, seed: wanted.seed.wrapping_add(turn * 2) })
    };
    let senders = [
        Sender::start(&lab.router, job(outside::KINDS, "isp0", "wan0", 0)?, look(&live))?,
        Sender::start(foe, job(inside::KINDS, "eth0", "br0", 1)?, look(&live))?,
    ];

    let started = Instant::now();
    let mut fill = Fill::default();
    let mut flips = 0;
    let mut leaks = Ok(());
    while started.elapsed() < wanted.length && !interrupted.load(Ordering::Relaxed) {
        thread::sleep(LOOK.min(wanted.length.saturating_sub(started.elapsed())));
        fill.look(&lab)?;
        *live.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(Live::ask(&lab, foe.address)?);
        // The daemon may be at the settings at this moment.
        let flip =
            lab.cli.run(&format!("{} {FLIPPED}", if flips % 2 == 0 { "disable" } else { "enable" }))?;
        flips += u32::from(flip.code == 0);
        leaks = leaks.and_then(|()| lab.sniffer.assert_no_private_address());
        lab.sniffer.forget();
        let sent: u64 = senders.iter().flat_map(Sender::sent).sum();
        let (answered, lost) =
            tunnels.iter().fold((0, 0), |sum, (_, flow)| (sum.0 + flow.answered(), sum.1 + losses(flow)));
        tell(&format!(
            "{:4.0} s: {sent} hostile frames; tunnels: {answered} answered, {lost} lost; {}",
            started.elapsed().as_secs_f32(),
            fill.short()
        ));
    }
    let took = started.elapsed();
    let mut sent = Vec::new();
    for ((sender, kinds), from) in
        senders.into_iter().zip([outside::KINDS, inside::KINDS]).zip(["outside", "inside"])
    {
        sent.extend(kinds.iter().zip(sender.sent()).map(|(kind, frames)| Sent { kind: *kind, from, frames }));
        sender.finish()?;
    }
    ensure!(sent.iter().all(|one| one.frames > 0), "a kind of hostile input was never sent: run longer");
    let losses = tunnels.iter().map(|(name, flow)| {
        let stuck = flow.go_on(AFTERWARDS, PATIENCE).err().map(|error| format!("{error:#}"));
        Loss {
            tunnel: name.clone(),
            answered: flow.answered(),
            lost: flow.lost(),
            ended: flow.error().or(stuck),
        }
    });
    let losses = losses.collect();
    tunnels.iter().for_each(|(_, flow)| flow.ask_to_stop());
    Ok(Report { took, sent, losses, fill, flips, leak: leaks.err().map(|error| format!("{error:#}")) })
}

/// Payloads lost; a flow that has ended counts as one more.
fn losses(flow: &crate::peers::flow::Flow) -> u64 {
    flow.lost() + u64::from(flow.error().is_some())
}

/// Every kind of hostile input, from both sides.
pub fn all_kinds() -> impl Iterator<Item = &'static Kind> {
    outside::KINDS.iter().chain(inside::KINDS)
}
