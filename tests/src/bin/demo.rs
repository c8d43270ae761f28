//! The walk through: a lab, the gateway in it, four clients a protocol to one server, one protocol switched off while it runs.

use std::{
    io::{IsTerminal, stdout},
    process::ExitCode,
    sync::atomic::{AtomicBool, Ordering},
    thread,
    time::{Duration, Instant, SystemTime},
};

use anyhow::{Result, bail, ensure};
use passthrough_tests::{
    interrupt,
    lab::{Lab, sniffer::Way},
    peers::{self, Protocol, flow::Flow, l2tp::SourcePort, site::Site},
    wait,
};

/// How long a blocked protocol is tried.
const BRIEF: Duration = Duration::from_millis(1500);
const PATIENCE: Duration = Duration::from_secs(20);
/// Lines shown of what a command says.
const MOST_LINES: usize = 40;

/// The protocols of which four clients share the server.
const TUNNELS: [Protocol; 5] =
    [Protocol::Pptp, Protocol::Ipsec, Protocol::NatT, Protocol::L2tp, Protocol::GreKeyed];

fn main() -> ExitCode {
    let mut show =
        Show { colour: stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none(), failed: 0 };
    let started = Instant::now();
    let result = interrupt::flag().and_then(|interrupted| walk(&mut show, &interrupted));
    if let Err(error) = &result {
        show.failed += 1;
        show.line("31", "✗", &format!("{error:#}"));
    }
    let seconds = started.elapsed().as_secs_f32();
    match show.failed {
        0 => {
            show.step(&format!("everything worked, in {seconds:.0} s"));
            ExitCode::SUCCESS
        }
        failed => {
            show.step(&format!("{failed} steps did not work, after {seconds:.0} s"));
            ExitCode::FAILURE
        }
    }
}

/// What the demo says, in colour where that makes sense.
struct Show {
    colour: bool,
    failed: usize,
}

impl Show {
    fn paint(&self, code: &str, text: &str) -> String {
        if self.colour { format!("\x1b[{code}m{text}\x1b[0m") } else { text.to_owned() }
    }

    fn step(&self, text: &str) {
        println!("\n{}", self.paint("1;36", text));
    }

    fn line(&self, code: &str, mark: &str, text: &str) {
        println!("  {} {text}", self.paint(code, mark));
    }

    /// Tells whether something was as it should be; the demo goes on if it was not.
    fn verdict(&mut self, text: &str, result: Result<()>) {
        match result {
            Ok(()) => self.line("32", "✓", text),
            Err(error) => {
                self.failed += 1;
                self.line("31", "✗", &format!("{text}: {error:#}"));
            }
        }
    }

    /// Runs `passthrough` in the gateway and shows what it says.
    fn command(&mut self, lab: &Lab, arguments: &str) -> Result<()> {
        println!("  {}", self.paint("1", &format!("$ passthrough {arguments}")));
        let outcome = lab.cli.run(arguments)?;
        let lines: Vec<&str> = outcome.stdout.lines().chain(outcome.stderr.lines()).collect();
        for line in lines.iter().take(MOST_LINES) {
            println!("    {}", self.paint("2", line));
        }
        if lines.len() > MOST_LINES {
            println!("    {}", self.paint("2", &format!("... and {} lines more", lines.len() - MOST_LINES)));
        }
        ensure!(outcome.code == 0, "`passthrough {arguments}` ended with exit code {}", outcome.code);
        Ok(())
    }
}

fn walk(show: &mut Show, interrupted: &AtomicBool) -> Result<()> {
    let go_on = || if interrupted.load(Ordering::Relaxed) { bail!("interrupted") } else { Ok(()) };

    show.step("A lab of network namespaces: clients A to D, the gateway, a router, servers S and T");
    let lab = Lab::new()?;
    let [site, t] = Site::start_both(&lab, SourcePort::Insist)?;
    println!(
        "  A B C D  192.168.1.0/24 -- br0 [gateway] wan0 203.0.113.1 -- router -- S 198.51.100.10, T .20"
    );
    println!("  The router has no way back to 192.168.1.0/24: what is not translated dies there.");

    show.step("The gateway comes up: ordinary traffic is translated, VPN protocols are blocked");
    show.command(&lab, "up --wan wan0 --lan br0 --l2tp-port keep")?;
    go_on()?;
    for (protocol, works) in tries(&lab) {
        let switched = Protocol::SWITCHED.contains(&protocol);
        let text = format!("{:<22}{}", protocol.name(), if switched { "blocked" } else { "works" });
        let wrong = match (switched, works) {
            (true, Ok(())) => Err(anyhow::anyhow!("it passed")),
            (true, Err(_)) => Ok(()),
            (false, result) => result,
        };
        show.verdict(&text, wrong);
    }
    go_on()?;

    show.step("The switches go on; four clients a protocol connect to one server at once (NAT-T to T, the others to S)");
    show.command(&lab, "enable pptp ipsec l2tp gre")?;
    let mut flows = Vec::new();
    for (protocol, result) in connect(&lab) {
        let text = format!("{:<22}4 clients, 25 payloads each way, none lost, none crossed", protocol.name());
        let started = result.and_then(|peers| {
            peers.into_iter().map(|peer| Flow::start(protocol.name(), peer)).collect::<Result<Vec<_>>>()
        });
        show.verdict(
            &text,
            started.map(|started| flows.extend(started.into_iter().map(|flow| (protocol, flow)))),
        );
    }
    let faults = site.assert_no_faults().and_then(|()| t.assert_no_faults());
    show.verdict("the servers saw nothing that belongs to another client", faults);
    go_on()?;

    show.step("What the gateway tells of it");
    for command in ["status", "sessions", "stats"] {
        show.command(&lab, command)?;
        go_on()?;
    }

    show.step("PPTP is switched off while all of them move data");
    show.command(&lab, "disable pptp")?;
    switched_off(show, &lab, &flows, SystemTime::now())?;
    go_on()?;

    show.step("PPTP is switched on again: clients call again, and it works");
    site.pptp.hang_up();
    show.command(&lab, "enable pptp")?;
    let again = peers::open_all(&[Protocol::Pptp], &lab.clients, 25, PATIENCE).map(drop);
    show.verdict("PPTP                  4 clients, 25 payloads each way", again);
    let mut others = flows.iter().filter(|(protocol, _)| *protocol != Protocol::Pptp);
    show.verdict(
        "the others have lost nothing all the while",
        others.try_for_each(|(_, flow)| flow.assert_nothing_lost()),
    );
    show.verdict("no private address was seen on the internet", lab.sniffer.assert_no_private_address());

    show.step("Everything is taken away");
    flows.iter().for_each(|(_, flow)| flow.ask_to_stop());
    drop(flows);
    show.command(&lab, "down")
}

/// Each protocol once from client A, all at the same time.
fn tries(lab: &Lab) -> Vec<(Protocol, Result<()>)> {
    thread::scope(|scope| {
        let protocols = Protocol::ALL.into_iter().filter(|protocol| *protocol != Protocol::GrePlain);
        let threads: Vec<_> = protocols
            .map(|protocol| {
                let work = move || peers::open(protocol, &lab.clients[0], protocol.server(), BRIEF).map(drop);
                (protocol, scope.spawn(work))
            })
            .collect();
        threads.into_iter().map(|(protocol, thread)| (protocol, joined(thread))).collect()
    })
}

/// What came of connecting the clients with one protocol.
type Connected = Result<Vec<Box<dyn peers::Peer>>>;

/// Four clients with each tunnel protocol, all at the same time.
fn connect(lab: &Lab) -> Vec<(Protocol, Connected)> {
    thread::scope(|scope| {
        let threads: Vec<_> = TUNNELS
            .into_iter()
            .map(|protocol| {
                let work = move || {
                    let open = peers::open_all(&[protocol], &lab.clients, 25, PATIENCE)?;
                    Ok(open.into_iter().map(|(_, peer)| peer).collect())
                };
                (protocol, scope.spawn(work))
            })
            .collect();
        threads.into_iter().map(|(protocol, thread)| (protocol, joined(thread))).collect()
    })
}

fn joined<T>(thread: thread::ScopedJoinHandle<'_, T>) -> T {
    thread.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic))
}

fn switched_off(show: &mut Show, lab: &Lab, flows: &[(Protocol, Flow)], since: SystemTime) -> Result<()> {
    let (calls, others): (Vec<_>, Vec<_>) =
        flows.iter().partition(|(protocol, _)| *protocol == Protocol::Pptp);
    let stopped = || calls.iter().all(|(_, call)| call.lost() > 0 || call.error().is_some());
    show.verdict(
        "PPTP                  all calls have stopped",
        wait::until(PATIENCE, "the calls to stop", stopped),
    );
    for protocol in TUNNELS.into_iter().filter(|protocol| *protocol != Protocol::Pptp) {
        let on = others.iter().filter(|(other, _)| *other == protocol).try_for_each(|(_, flow)| {
            flow.go_on(50, PATIENCE)?;
            flow.assert_nothing_lost()
        });
        show.verdict(&format!("{:<22}goes on, nothing lost", protocol.name()), on);
    }
    let leaks = lab.sniffer.since(since, |packet| packet.is_pptp() && packet.way == Way::FromGateway)?;
    let none = if leaks.is_empty() { Ok(()) } else { Err(anyhow::anyhow!("{} did", leaks.len())) };
    show.verdict("not one PPTP packet left the gateway after `disable` had returned", none);
    Ok(())
}
