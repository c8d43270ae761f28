//! `passthrough up`.

use std::path::PathBuf;

use anyhow::Context;
use clap::{Args, ValueEnum};
use passthrough_common::abi::{Class, Settings, Switch};

use super::{Global, Outcome};
use crate::{
    config::{Plan, file, plan::Words, pooling, ranges},
    control::{foreground, paths, up},
    render::{self, bring},
    tables::Tables,
};

/// Bring the gateway up, or take new options and a new version of the program into a running one
#[derive(Debug, Args)]
#[command(after_help = "Examples:\n  passthrough up --wan eth0\n  \
                        passthrough up --wan eth0 --lan eth1 --lan eth2 --enable pptp,ipsec,l2tp\n  \
                        passthrough up --config /etc/passthrough.toml --foreground\n\n\
                        The gateway stays when the command ends. Sessions stay over another `up`.")]
pub struct Up {
    /// Interface that leads to the internet
    #[arg(long, value_name = "IF")]
    wan: Option<String>,
    /// Interface that leads to clients; several may be given [default: found from addresses and routes]
    #[arg(long, value_name = "IF")]
    lan: Vec<String>,
    /// Protocols to enable: pptp, ipsec (= ike, nat-t, esp, ah), l2tp, gre, ipip, all
    #[arg(long, value_name = "LIST")]
    enable: Vec<String>,
    /// Path of packets: auto (native XDP where it goes, else TC), xdp (native XDP everywhere, or nothing), tc, or generic
    /// (XDP in the stack, for trying out) [default: as it was; auto at first]
    #[arg(long, value_name = "MODE")]
    mode: Option<String>,
    /// Outside addresses, prefixes and ranges, parted by commas: 203.0.113.1,203.0.113.8/29,203.0.113.20-203.0.113.22
    /// [default: those of the WAN interface, followed as they change]
    #[arg(long, value_name = "LIST")]
    address: Vec<String>,
    /// A host whose outside address has no port left: is refused (paired), or gets one of another address (soft)
    #[arg(long, value_name = "RULE")]
    pooling: Option<String>,
    /// Outside ports and ICMP identifiers that may be handed out [default: 1-65535, those below 1024 among themselves]
    #[arg(long, value_name = "LOW-HIGH")]
    ports: Option<String>,
    /// Give each host of --subscribers this many ports of its own, which follow from its address; 0 for none
    #[arg(long, value_name = "SIZE")]
    port_block: Option<u16>,
    /// Inside hosts that have a block of ports, as addresses, prefixes and ranges, parted by commas
    #[arg(long, value_name = "LIST")]
    subscribers: Vec<String>,
    /// IPsec clients of one server: have the outside address of their other traffic (paired), or one each (each)
    #[arg(long, value_name = "RULE")]
    ipsec_addresses: Option<String>,
    /// L2TP's source port 1701: keep (for servers that insist on it) or translate
    #[arg(long, value_name = "RULE")]
    l2tp_port: Option<String>,
    /// Who may send to a client's port from outside: address-and-port, address or endpoint
    #[arg(long, value_name = "RULE")]
    filtering: Option<String>,
    /// Port forward, a rule in quotes: --forward 'tcp 8080 192.168.1.10:80'; several may be given
    #[arg(long, value_name = "RULE")]
    forward: Vec<String>,
    /// Most sessions at once; memory for them is taken at the start [default: 65536]
    #[arg(long, value_name = "N")]
    sessions: Option<u32>,
    /// Most sessions of one inside host; 0 for no limit [default: half of them]
    #[arg(long, value_name = "N")]
    host_sessions: Option<u32>,
    /// Most sessions that one inside host may open in a second; 0 for no limit [default: 0]
    #[arg(long, value_name = "N")]
    host_rate: Option<u32>,
    /// Most PPTP control connections of one inside host; 0 for no limit [default: 256]
    #[arg(long, value_name = "N")]
    host_connections: Option<u32>,
    /// Most VPN servers (IPsec, L2TP on a kept port) that one inside host may be the first client of; 0 for no limit
    /// [default: 256]
    #[arg(long, value_name = "N")]
    host_servers: Option<u32>,
    /// File with the same words, as TOML; options on the command line win
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
    /// Stay: sweep expired sessions, follow addresses and interfaces, print kernel-side messages
    #[arg(long)]
    foreground: bool,
    /// Kernel-side messages to print with --foreground
    #[arg(long, value_name = "LEVEL", default_value = "warn")]
    log_level: LogLevel,
}

/// How much the kernel side says.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
enum LogLevel {
    /// Nothing.
    Off,
    /// Faults.
    Error,
    /// Things that should not be.
    Warn,
    /// Things that happen seldom.
    Info,
    /// Decisions about sessions.
    Debug,
    /// Everything.
    Trace,
}

impl Up {
    fn plan(&self) -> anyhow::Result<Plan> {
        let file = self.config.as_deref().map(file::read).transpose()?.unwrap_or_default();
        let words = Words {
            wan: self.wan.clone(),
            lan: self.lan.clone(),
            enable: self.enable.clone(),
            mode: self.mode.clone(),
            address: self.address.clone(),
            pooling: pooling::Words {
                pooling: self.pooling.clone(),
                ports: self.ports.clone(),
                port_block: self.port_block,
                subscribers: self.subscribers.clone(),
                ipsec_addresses: self.ipsec_addresses.clone(),
            },
            l2tp_port: self.l2tp_port.clone(),
            filtering: self.filtering.clone(),
            forward: self.forward.clone(),
            sessions: self.sessions,
            host_sessions: self.host_sessions,
            host_rate: self.host_rate,
            host_connections: self.host_connections,
            host_servers: self.host_servers,
        };
        Plan::read(words.over(file))
    }

    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let plan = self.plan()?;
        let pins = global.pins();
        let level = self.log_level as u8;
        log_to_stderr(level);
        let done = up::up(&pins, &plan, level)?;
        let settings = Tables::open(&pins)?.settings()?;
        render::show(&shown(&done, &settings), global.json)?;
        if self.foreground {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .context("starting what runs on")?;
            // LAN interfaces that were found stay the same ones: a later look must not choose others.
            let mut plan = plan;
            plan.lans = done.checked.lans.iter().map(|lan| lan.name.clone()).collect();
            runtime.block_on(foreground::run(&pins, &plan, level, &render::note))?;
            render::note("the gateway stays up; `passthrough down` takes it down");
        }
        Ok(Outcome::Fine)
    }
}

/// Messages of libraries and of the kernel side go to standard error, a line each.
fn log_to_stderr(level: u8) {
    struct Stderr;
    impl log::Log for Stderr {
        /// Libraries tell of faults alone; what they do is no news to an operator.
        fn enabled(&self, about: &log::Metadata<'_>) -> bool {
            let library = about.target().starts_with("aya") || about.target().starts_with("netlink");
            !library || about.level() <= log::Level::Warn
        }
        fn log(&self, record: &log::Record<'_>) {
            if !self.enabled(record.metadata()) {
                return;
            }
            anstream::eprintln!("{}: {}", record.level().as_str().to_ascii_lowercase(), record.args());
        }
        fn flush(&self) {}
    }
    static STDERR: Stderr = Stderr;
    let filter = match level {
        0 => log::LevelFilter::Off,
        1 => log::LevelFilter::Error,
        2 => log::LevelFilter::Warn,
        3 => log::LevelFilter::Info,
        4 => log::LevelFilter::Debug,
        _ => log::LevelFilter::Trace,
    };
    // Set once a process; a second call changes nothing.
    if log::set_logger(&STDERR).is_ok() {
        log::set_max_level(filter);
    }
}

fn shown(done: &up::Done, settings: &Settings) -> bring::Up {
    let at = |position| -> Vec<&'static str> {
        Class::SWITCHED
            .iter()
            .filter(|class| settings.switch(**class) == position)
            .map(|class| class.name())
            .collect()
    };
    bring::Up {
        wan: done.checked.wan.name.clone(),
        lan: done.checked.lans.iter().map(|lan| lan.name.clone()).collect(),
        lan_found: done.lans_found,
        pool: ranges::words(&done.checked.pool),
        paths: done.paths.iter().map(|path| shown_path(done, path)).collect(),
        replaced: done.replaced,
        entries_kept: done.kept,
        full: at(Switch::Full),
        off: at(Switch::Off),
        notes: done.notes.clone(),
    }
}

fn shown_path(done: &up::Done, path: &paths::Path) -> bring::Path {
    let ports = std::iter::once(&done.checked.wan).chain(&done.checked.lans);
    let interface = ports.into_iter().find(|port| port.index == path.index);
    bring::Path {
        interface: interface.map_or_else(|| path.index.to_string(), |port| port.name.clone()),
        path: path.name,
        why: path.why.clone(),
    }
}
