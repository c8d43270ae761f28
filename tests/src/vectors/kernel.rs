//! The device in the kernel: the real programs by test-run, in a namespace with a LAN and a WAN interface.

use std::collections::HashMap;
use std::net::{Ipv4Addr, TcpListener, UdpSocket};

use anyhow::{Context, Result};
use aya::maps::{Array, HashMap as Table, MapData, PerCpuArray, ProgramArray};
use aya::programs::{Program, SchedClassifier, TestRun as _, TestRunOptions};
use aya::{Ebpf, EbpfLoader, Pod};
use passthrough_common::abi::names::{STEPS, map, program};
use passthrough_common::abi::{
    Binding, BindingKey, CLASSES, Class, Control, Counter, Direction, Fragment, FragmentKey, Interface, Link,
    PeerKey, Peers, Reason, Session, SessionKey, Settings, Side, Ticks,
};

use super::host::{LAN, WAN};
use super::play::{Counted, Device, Fate, Outcome, Place, Sizes};
use crate::lab::namespace::{Namespace, unique_prefix};

/// Size of `struct __sk_buff`, and offsets of the fields that are used (uapi/linux/bpf.h).
const SKB_SIZE: usize = 192;
const SKB_INGRESS_IFINDEX: usize = 36;
const SKB_IFINDEX: usize = 40;

/// What a TC program answers.
const NEXT: i32 = -1;
const SHOT: i32 = 2;
const REDIRECT: i32 = 7;

/// Entries of each large table: counting them walks every bucket.
const ENTRIES: u32 = 4096;

/// The programs with their tables, in the namespace of the thread that loads them.
pub struct Kernel {
    programs: Ebpf,
    /// Held open: the kernel empties a program array that nobody holds.
    _steps: ProgramArray<MapData>,
    settings: Array<MapData, Settings>,
    interfaces: Table<MapData, u32, Interface>,
    sessions: Table<MapData, SessionKey, Session>,
    bindings: Table<MapData, BindingKey, Binding>,
    fragments: Table<MapData, FragmentKey, Fragment>,
    controls: Table<MapData, SessionKey, Control>,
    peers: Table<MapData, PeerKey, Peers>,
    counters: PerCpuArray<MapData, Counter>,
    counted: HashMap<u32, u64>,
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
         route add default via 203.0.113.254 dev wan0\n"
    ))?;
    namespace.enter(|| work(&mut Kernel::load(object)?))
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
            if let Program::SchedClassifier(program) = program
                && let Err(error) = program.load()
            {
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
            interfaces: Table::try_from(taken(&mut programs, map::INTERFACES)?)?,
            sessions: Table::try_from(taken(&mut programs, map::SESSIONS)?)?,
            bindings: Table::try_from(taken(&mut programs, map::BINDINGS)?)?,
            fragments: Table::try_from(taken(&mut programs, map::FRAGMENTS)?)?,
            controls: Table::try_from(taken(&mut programs, map::CONTROLS)?)?,
            peers: Table::try_from(taken(&mut programs, map::PEERS)?)?,
            counters: PerCpuArray::try_from(taken(&mut programs, map::COUNTERS)?)?,
            counted: HashMap::new(),
            listeners: (Vec::new(), Vec::new()),
            _steps: steps,
            programs,
            refused,
        };
        kernel.renew()?;
        Ok(kernel)
    }

    /// Empties every table, closes every socket, and forgets the zones.
    pub fn renew(&mut self) -> Result<()> {
        empty(&mut self.sessions)?;
        empty(&mut self.bindings)?;
        empty(&mut self.fragments)?;
        empty(&mut self.controls)?;
        empty(&mut self.peers)?;
        self.listeners = (Vec::new(), Vec::new());
        self.put_interface(Side::Inside, 0)?;
        self.put_interface(Side::Outside, 0)?;
        self.counted = self.counters()?;
        Ok(())
    }

    fn put_interface(&mut self, side: Side, vlan: u16) -> Result<()> {
        let index = if side == Side::Inside { LAN } else { WAN };
        let interface = Interface { side: side as u8, link: Link::Ethernet as u8, vlan, mtu: 1500 };
        Ok(self.interfaces.insert(index, interface, 0)?)
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

    fn run(&mut self, place: Place, frame: &[u8]) -> Result<Outcome> {
        let (name, entered, here) = match place {
            Place::Out => (program::WAN_EGRESS, LAN, WAN),
            Place::Own => (program::WAN_EGRESS, 0, WAN),
            Place::In => (program::WAN_INGRESS, WAN, WAN),
            Place::Lan => (program::LAN_INGRESS, LAN, LAN),
        };
        let mut context = [0u8; SKB_SIZE];
        context[SKB_INGRESS_IFINDEX..][..4].copy_from_slice(&entered.to_ne_bytes());
        context[SKB_IFINDEX..][..4].copy_from_slice(&here.to_ne_bytes());
        let mut after = vec![0u8; frame.len() + 256];
        let program: &SchedClassifier = self.programs.program(name).context(name)?.try_into()?;
        let result = program
            .test_run(TestRunOptions {
                data_in: Some(frame),
                data_out: Some(&mut after),
                ctx_in: Some(&context),
                ..TestRunOptions::default()
            })
            .with_context(|| format!("test-run of {name} with {} bytes", frame.len()))?;
        after.truncate(result.data_size_out as usize);
        let fate = match result.return_value as i32 {
            NEXT => Fate::Passed,
            SHOT => Fate::Dropped,
            REDIRECT => Fate::Redirected,
            other => anyhow::bail!("{name} answered {other}"),
        };
        let counted = self.counters()?;
        let before = std::mem::replace(&mut self.counted, counted);
        let mut moved: Vec<Counted> = Vec::new();
        for (index, count) in &self.counted {
            for _ in before.get(index).copied().unwrap_or(0)..*count {
                moved.push(counter_of(*index));
            }
        }
        Ok(Outcome { fate, frame: after, counted: moved })
    }
}

/// What a counter's index counts.
fn counter_of(index: u32) -> Counted {
    let reason = Reason::from_code((index % Reason::COUNT as u32) as u8).expect("a reason");
    let pair = index / Reason::COUNT as u32;
    let direction = if pair.is_multiple_of(2) { Direction::Outbound } else { Direction::Inbound };
    assert!(pair / 2 < CLASSES as u32);
    (Class::from_index((pair / 2) as u8), direction, reason)
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

fn size<K: Pod, V: Pod>(table: &Table<MapData, K, V>) -> usize {
    table.keys().filter(Result::is_ok).count()
}

impl Device for Kernel {
    fn set(&mut self, settings: &Settings) {
        self.settings.set(0, settings, 0).expect("settings are written");
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

    fn wait(&mut self, _length: Ticks) {
        panic!("the kernel's clock cannot be set: mark this vector as host only");
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
