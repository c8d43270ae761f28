//! The device in the kernel: the real programs by test-run, in a namespace with a LAN and a WAN interface.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context, Result};
use aya::maps::xdp::DevMap;
use aya::maps::{Array, HashMap as Table, MapData, PerCpuArray, ProgramArray};
use aya::programs::{
    Program, ProgramError, SchedClassifier, TestRun as _, TestRunOptions, TestRunResult, Xdp, XdpMode,
};
use aya::{Ebpf, EbpfLoader, Pod};
use passthrough_common::abi::names::{STEPS, map, program};
use passthrough_common::abi::{
    Binding, BindingKey, Control, Counter, Forward, Fragment, FragmentKey, Host, HostKey, Interface, PeerKey,
    Peers, Session, SessionKey, Settings, Side, Ticks,
};

use passthrough_common::path::{Hook, step};
use passthrough_common::seam::host::{ethernet_towards, port};

use super::age::{self, Aged};
use super::fast;
use super::host::{LAN, WAN};
use super::play::{Counted, Device, Fate, Outcome, Place, Sizes};
use super::state::{self, State};
use super::{A, B, C, R};
use crate::lab::namespace::{Namespace, unique_prefix};

/// Size of `struct __sk_buff`, and offsets of the fields that are used (uapi/linux/bpf.h).
const SKB_SIZE: usize = 192;
const SKB_INGRESS_IFINDEX: usize = 36;
const SKB_IFINDEX: usize = 40;
const SKB_CB: usize = 48;

/// Size of `struct xdp_md`, and offsets of the fields that are used.
const XDP_MD_SIZE: usize = 24;
const XDP_MD_DATA_END: usize = 4;
const XDP_MD_INGRESS_IFINDEX: usize = 12;
/// Bytes of a frame that a test-run takes: a whole header at least, and at most what a page holds beside its margins.
const XDP_FRAME: std::ops::RangeInclusive<usize> = 14..=3000;

/// What an XDP program answers.
const XDP_PASS: u32 = 2;
const XDP_REDIRECT: u32 = 4;

/// What a TC program answers.
const NEXT: i32 = -1;
const SHOT: i32 = 2;
const REDIRECT: i32 = 7;

/// Entries of each large table: counting them walks every bucket.
const ENTRIES: u32 = 4096;

/// What frames go through before the steps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Before {
    /// Nothing.
    Nothing,
    /// The fast path in XDP.
    Xdp,
    /// The fast path in TC.
    Tc,
}

/// The programs with their tables, in the namespace of the thread that loads them.
pub struct Kernel {
    programs: Ebpf,
    /// Held open: the kernel empties a program array that nobody holds.
    _steps: ProgramArray<MapData>,
    settings: Array<MapData, Settings>,
    interfaces: Array<MapData, Interface>,
    devices: DevMap<MapData>,
    sessions: Table<MapData, SessionKey, Session>,
    bindings: Table<MapData, BindingKey, Binding>,
    hosts: Table<MapData, HostKey, Host>,
    forwards: Table<MapData, BindingKey, Forward>,
    fragments: Table<MapData, FragmentKey, Fragment>,
    controls: Table<MapData, SessionKey, Control>,
    peers: Table<MapData, PeerKey, Peers>,
    counters: PerCpuArray<MapData, Counter>,
    /// By how many epochs the tables have been made older.
    aged: u32,
    counted: HashMap<u32, u64>,
    /// What frames go through first.
    pub before: Before,
    /// Whether the counters are read after each frame, which takes longer than the frame itself.
    pub counting: bool,
    /// How many frames it has moved.
    pub moved: usize,
    /// Programs that the kernel did not take, and why.
    pub refused: Vec<String>,
    listeners: (Vec<UdpSocket>, Vec<TcpListener>),
}

/// Makes the namespace, loads the programs of `object` in it, and runs `work` there.
pub fn with_kernel<T: Send>(object: &[u8], work: impl FnOnce(&mut Kernel) -> Result<T> + Send) -> Result<T> {
    let namespace = Namespace::new(unique_prefix())?;
    namespace.sysctl("ipv4/ip_forward", "1")?;
    namespace.ip(&format!(
        "link add name lan0 index {LAN} address 02:00:00:00:00:01 type veth peer name lan1 index 12\n\
         link add name wan0 index {WAN} address 02:00:00:00:00:01 type veth peer name wan1 index 13\n\
         link set lan0 up\nlink set lan1 up\nlink set wan0 up\nlink set wan1 up\n\
         address add 192.168.1.1/24 dev lan0\naddress add 203.0.113.1/24 dev wan0\n\
         route add default via 203.0.113.254 dev wan0\n{}",
        neighbours()
    ))?;
    namespace.enter(|| work(&mut Kernel::load(object)?))
}

/// Permanent neighbours: those that the host's double knows of, under the same addresses.
fn neighbours() -> String {
    let on = |device: &str, hosts: &[u32]| -> String {
        let line = |host: &u32| {
            let bytes: Vec<u8> = ethernet_towards(*host).iter().flat_map(|word| word.to_ne_bytes()).collect();
            let address: Vec<String> = bytes[..6].iter().map(|byte| format!("{byte:02x}")).collect();
            format!("neigh add {} lladdr {} dev {device}\n", Ipv4Addr::from(*host), address.join(":"))
        };
        hosts.iter().map(line).collect()
    };
    on("lan0", &[A, B, C]) + &on("wan0", &[R])
}

impl Kernel {
    fn load(object: &[u8]) -> Result<Kernel> {
        let mut loader = EbpfLoader::new();
        for name in [map::SESSIONS, map::BINDINGS, map::FRAGMENTS] {
            loader.map_max_entries(name, ENTRIES);
        }
        let mut programs = loader.load(object).context("making the maps")?;
        let mut refused = Vec::new();
        for (name, program) in programs.programs_mut() {
            let loaded = match program {
                Program::SchedClassifier(program) => program.load(),
                // Attached too: a test-run needs an interface with queues for XDP.
                Program::Xdp(program) => program.load().and_then(|()| {
                    let interface = if name == program::FAST_LAN { LAN } else { WAN };
                    program.attach_to_if_index(interface, XdpMode::Driver).map(|_| ())
                }),
                _ => Ok(()),
            };
            if let Err(error) = loaded {
                refused.push(format!("{name}: {error}"));
            }
        }
        let mut steps = ProgramArray::try_from(taken(&mut programs, map::STEPS)?)?;
        for (name, index) in STEPS {
            let program: &SchedClassifier = programs.program(name).context(name)?.try_into()?;
            // One that was refused stays empty; the packets that need it are dropped.
            if let Ok(file) = program.fd() {
                steps.set(index, file, 0).context(name)?;
            }
        }
        let mut kernel = Kernel {
            settings: Array::try_from(taken(&mut programs, map::SETTINGS)?)?,
            interfaces: Array::try_from(taken(&mut programs, map::INTERFACES)?)?,
            devices: DevMap::try_from(taken(&mut programs, map::DEVICES)?)?,
            sessions: Table::try_from(taken(&mut programs, map::SESSIONS)?)?,
            bindings: Table::try_from(taken(&mut programs, map::BINDINGS)?)?,
            hosts: Table::try_from(taken(&mut programs, map::HOSTS)?)?,
            forwards: Table::try_from(taken(&mut programs, map::FORWARDS)?)?,
            fragments: Table::try_from(taken(&mut programs, map::FRAGMENTS)?)?,
            controls: Table::try_from(taken(&mut programs, map::CONTROLS)?)?,
            peers: Table::try_from(taken(&mut programs, map::PEERS)?)?,
            counters: PerCpuArray::try_from(taken(&mut programs, map::COUNTERS)?)?,
            aged: 0,
            counted: HashMap::new(),
            listeners: (Vec::new(), Vec::new()),
            before: Before::Nothing,
            counting: true,
            moved: 0,
            _steps: steps,
            programs,
            refused,
        };
        kernel.renew()?;
        Ok(kernel)
    }

    /// Empties every table, closes every socket, forgets the zones, and counts from here.
    ///
    /// # Errors
    ///
    /// What the kernel says of a table.
    pub fn renew(&mut self) -> Result<()> {
        self.clear()?;
        self.counted = self.counters()?;
        Ok(())
    }

    /// The same but for the counters, which take longer to read than many frames.
    ///
    /// # Errors
    ///
    /// What the kernel says of a table.
    pub fn clear(&mut self) -> Result<()> {
        empty(&mut self.sessions)?;
        empty(&mut self.bindings)?;
        empty(&mut self.hosts)?;
        empty(&mut self.forwards)?;
        empty(&mut self.fragments)?;
        empty(&mut self.controls)?;
        empty(&mut self.peers)?;
        self.listeners = (Vec::new(), Vec::new());
        self.put_interface(Side::Inside, 0)?;
        self.put_interface(Side::Outside, 0)?;
        Ok(())
    }

    /// What is in the tables.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn state(&self) -> Result<State> {
        Ok(State {
            sessions: state::read(&self.sessions)?,
            bindings: state::read(&self.bindings)?,
            hosts: state::read(&self.hosts)?,
            fragments: state::read(&self.fragments)?,
            controls: state::read(&self.controls)?,
            peers: state::read(&self.peers)?,
        })
    }

    /// The settings as they are, with every epoch by which the tables have been made older.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn settings(&self) -> Result<Settings> {
        Ok(self.settings.get(&0, 0)?)
    }

    fn put_interface(&mut self, side: Side, vlan: u16) -> Result<()> {
        let index = if side == Side::Inside { LAN } else { WAN };
        let interface = Interface { vlan, ..port(side) };
        let slot = Interface::slot(index, 0);
        self.interfaces.set(slot, interface, 0)?;
        Ok(self.devices.set(slot, index, None, 0)?)
    }

    fn counters(&self) -> Result<HashMap<u32, u64>> {
        let mut counted = HashMap::new();
        for index in 0..Counter::ENTRIES as u32 {
            let packets = self.counters.get(&index, 0)?.iter().map(|counter| counter.packets).sum();
            if packets != 0 {
                counted.insert(index, packets);
            }
        }
        Ok(counted)
    }

    /// What the fast path makes of a frame; `None` if it leaves it to the others, or can't be run with it.
    fn run_fast(&mut self, place: Place, frame: &[u8]) -> Result<Option<Vec<u8>>> {
        let Some((side, _)) = fast::entry(place) else { return Ok(None) };
        if !XDP_FRAME.contains(&frame.len()) {
            return Ok(None);
        }
        let (name, index) = match side {
            Side::Inside => (program::FAST_LAN, LAN),
            Side::Outside => (program::FAST_WAN, WAN),
        };
        let mut context = [0u8; XDP_MD_SIZE];
        context[XDP_MD_DATA_END..][..4].copy_from_slice(&(frame.len() as u32).to_ne_bytes());
        context[XDP_MD_INGRESS_IFINDEX..][..4].copy_from_slice(&index.to_ne_bytes());
        let program: &Xdp = self.programs.program(name).context(name)?.try_into()?;
        let (answer, after) = test_run(name, frame, &context, |options| program.test_run(options))?;
        match answer {
            XDP_REDIRECT => Ok(Some(after)),
            XDP_PASS => {
                anyhow::ensure!(after == frame, "{name} has changed what it leaves to the others");
                Ok(None)
            }
            other => anyhow::bail!("{name} answered {other}"),
        }
    }

    /// Puts a frame before the hook's program in TC, which goes on with a step if the fast path does not move the frame.
    /// At WAN ingress that is the frame's fate; at LAN ingress WAN egress comes after, and `None` says so.
    fn run_hook(&mut self, place: Place, side: Side, frame: &[u8]) -> Result<Option<Outcome>> {
        let (name, index) = match side {
            Side::Inside => (program::LAN_INGRESS, LAN),
            Side::Outside => (program::WAN_INGRESS, WAN),
        };
        let (answer, after) = self.run_tc(name, (index, index, 0), frame)?;
        let counted = self.counted_since()?;
        // The steps leave the Ethernet header to the kernel.
        if answer == REDIRECT && after[..12] != frame[..12] {
            self.moved += 1;
            return Ok(Some(fast::as_the_steps_answer(place, frame, after, counted)));
        }
        Ok(match place {
            Place::In => Some(Outcome { fate: fate(name, answer)?, frame: after, counted }),
            _ => None,
        })
    }

    /// Puts a frame before the programs.
    ///
    /// # Errors
    ///
    /// What test-run says of a frame that it does not take.
    pub fn run(&mut self, place: Place, frame: &[u8]) -> Result<Outcome> {
        if self.before == Before::Tc
            && let Some((side, _)) = fast::entry(place)
            && let Some(outcome) = self.run_hook(place, side, frame)?
        {
            return Ok(outcome);
        }
        if self.before == Before::Xdp
            && let Some(moved) = self.run_fast(place, frame)?
        {
            self.moved += 1;
            let counted = self.counted_since()?;
            return Ok(fast::as_the_steps_answer(place, frame, moved, counted));
        }
        // By their steps, where the hook's program is the fast path's.
        let (name, context) = match place {
            Place::Out => (program::WAN_EGRESS, (LAN, WAN, 0)),
            Place::Own => (program::WAN_EGRESS, (0, WAN, 0)),
            Place::In => ("step_wan_ingress", (WAN, WAN, step::initial(Hook::WanIngress))),
            Place::Lan => ("step_lan_ingress", (LAN, LAN, step::initial(Hook::LanIngress))),
        };
        let (answer, after) = self.run_tc(name, context, frame)?;
        Ok(Outcome { fate: fate(name, answer)?, frame: after, counted: self.counted_since()? })
    }

    /// Runs a TC program on a frame that has entered by one interface and is seen at another, with this progress; what
    /// it answers, and the frame afterwards.
    fn run_tc(
        &self,
        name: &str,
        (entered, here, progress): (u32, u32, u32),
        frame: &[u8],
    ) -> Result<(i32, Vec<u8>)> {
        let mut context = [0u8; SKB_SIZE];
        context[SKB_INGRESS_IFINDEX..][..4].copy_from_slice(&entered.to_ne_bytes());
        context[SKB_IFINDEX..][..4].copy_from_slice(&here.to_ne_bytes());
        context[SKB_CB..][..4].copy_from_slice(&progress.to_ne_bytes());
        let program: &SchedClassifier = self.programs.program(name).context("no such program")?.try_into()?;
        let (answer, after) = test_run(name, frame, &context, |options| program.test_run(options))?;
        Ok((answer as i32, after))
    }

    /// The counters that have moved since the last time, once for each packet; none if they are not read.
    fn counted_since(&mut self) -> Result<Vec<Counted>> {
        if self.counting { self.recount() } else { Ok(Vec::new()) }
    }

    /// The counters that have moved since they were last read, once for each packet.
    ///
    /// # Errors
    ///
    /// If they can't be read.
    pub fn recount(&mut self) -> Result<Vec<Counted>> {
        let counted = self.counters()?;
        let before = std::mem::replace(&mut self.counted, counted);
        let mut moved: Vec<Counted> = Vec::new();
        for (index, count) in &self.counted {
            for _ in before.get(index).copied().unwrap_or(0)..*count {
                moved.push(Counter::of(*index).context("a counter of the table")?);
            }
        }
        Ok(moved)
    }
}

/// The kernel's coarse clock, as the programs read it.
pub fn now() -> Ticks {
    let time = nix::time::clock_gettime(nix::time::ClockId::CLOCK_MONOTONIC_COARSE)
        .expect("every Linux has a coarse clock");
    Ticks::from_ns(time.tv_sec() as u64 * 1_000_000_000 + time.tv_nsec() as u64)
}

/// Runs a program on a frame in this context; what it answers, and the frame afterwards.
fn test_run(
    name: &str,
    frame: &[u8],
    context: &[u8],
    run: impl FnOnce(TestRunOptions<'_>) -> Result<TestRunResult, ProgramError>,
) -> Result<(u32, Vec<u8>)> {
    let mut after = vec![0u8; frame.len() + 256];
    let result = run(TestRunOptions {
        data_in: Some(frame),
        data_out: Some(&mut after),
        ctx_in: Some(context),
        ..TestRunOptions::default()
    })
    .with_context(|| format!("test-run of {name} with {} bytes", frame.len()))?;
    after.truncate(result.data_size_out as usize);
    Ok((result.return_value, after))
}

/// What a TC program's answer means.
fn fate(name: &str, answer: i32) -> Result<Fate> {
    Ok(match answer {
        NEXT => Fate::Passed,
        SHOT => Fate::Dropped,
        REDIRECT => Fate::Redirected,
        other => anyhow::bail!("{name} answered {other}"),
    })
}

fn taken(programs: &mut Ebpf, name: &str) -> Result<aya::maps::Map> {
    programs.take_map(name).with_context(|| format!("the object has no map {name}"))
}

fn empty<K: Pod, V: Pod>(table: &mut Table<MapData, K, V>) -> Result<()> {
    let keys: Vec<K> = table.keys().collect::<Result<_, _>>()?;
    for key in keys {
        table.remove(&key)?;
    }
    Ok(())
}

fn make_older<K: Pod, V: Pod + Aged>(table: &mut Table<MapData, K, V>, length: Ticks) -> Result<()> {
    let entries: Vec<(K, V)> = table.iter().collect::<Result<_, _>>()?;
    for (key, mut value) in entries {
        value.age(length);
        table.insert(key, value, 0)?;
    }
    Ok(())
}

fn size<K: Pod, V: Pod>(table: &Table<MapData, K, V>) -> usize {
    table.keys().filter(Result::is_ok).count()
}

impl Device for Kernel {
    fn set(&mut self, settings: &Settings) {
        let changes = settings.changes.wrapping_add(self.aged);
        self.settings.set(0, Settings { changes, ..*settings }, 0).expect("settings are written");
    }

    fn zone(&mut self, side: Side, vlan: u16) {
        self.put_interface(side, vlan).expect("an interface is written");
    }

    fn listen(&mut self, protocol: u8, (address, port): (u32, u16)) {
        let local = (Ipv4Addr::from(address), port);
        if protocol == 17 {
            self.listeners.0.push(UdpSocket::bind(local).expect("a UDP socket"));
        } else {
            self.listeners.1.push(TcpListener::bind(local).expect("a TCP socket"));
        }
    }

    fn forward(&mut self, protocol: u8, port: u16, to: (u32, u16)) {
        for (key, end) in Forward::ends(protocol, port, port, to) {
            self.forwards.insert(key, end, 0).expect("a forward is written");
        }
    }

    /// The kernel's clock cannot be turned on, so everything in its tables is turned back.
    fn wait(&mut self, length: Ticks) {
        make_older(&mut self.sessions, length).expect("sessions are made older");
        make_older(&mut self.fragments, length).expect("fragments are made older");
        make_older(&mut self.peers, length).expect("peers are made older");
        // Ways out are of an epoch that is over.
        let epochs = age::epochs(length);
        self.aged = self.aged.wrapping_add(epochs);
        let mut settings = self.settings.get(&0, 0).expect("settings are read");
        settings.changes = settings.changes.wrapping_add(epochs);
        self.settings.set(0, settings, 0).expect("settings are written");
    }

    fn send(&mut self, place: Place, frame: &[u8]) -> Outcome {
        self.run(place, frame).unwrap_or_else(|error| panic!("{error:#}"))
    }

    fn sizes(&mut self) -> Sizes {
        Sizes {
            sessions: size(&self.sessions),
            bindings: size(&self.bindings),
            fragments: size(&self.fragments),
            controls: size(&self.controls),
            peers: size(&self.peers),
        }
    }
}
