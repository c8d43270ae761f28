//! The maps, under the names that `passthrough_common::abi::names` lists. Userspace pins them and sets their sizes.

use aya_ebpf::macros::map;
use aya_ebpf::maps::{Array, DevMap, HashMap, LruHashMap, PerCpuArray, ProgramArray};
use passthrough_common::abi::exit::EXITS as EXIT_SLOTS;
use passthrough_common::abi::forward::FORWARDS as FORWARDED_PORTS;
use passthrough_common::abi::names::STEPS as STEP_LIST;
use passthrough_common::abi::settings::PORTS;
use passthrough_common::abi::{
    Binding, BindingKey, Control, Counter, Event, Exit, Forward, Fragment, FragmentKey, Host, HostKey,
    Interface, PeerKey, Peers, Session, SessionKey, Settings,
};

/// What the operator has set.
#[map]
pub static SETTINGS: Array<Settings> = Array::with_max_entries(1, 0);
/// Interfaces, each near the slot of its index.
#[map]
pub static INTERFACES: Array<Interface> = Array::with_max_entries(PORTS, 0);
/// Sessions, two entries each.
#[map]
pub static SESSIONS: HashMap<SessionKey, Session> = HashMap::with_max_entries(131_072, 0);
/// Bindings, one entry each, or two if the port could not be kept. Not allocated beforehand: as many are allowed as there
/// are sessions, and most endpoints have several of these.
#[map]
pub static BINDINGS: HashMap<BindingKey, Binding> = HashMap::with_max_entries(131_072, BPF_F_NO_PREALLOC);
/// Inside hosts that have sessions. Not allocated beforehand: few networks have as many.
#[map]
pub static HOSTS: HashMap<HostKey, Host> = HashMap::with_max_entries(16_384, BPF_F_NO_PREALLOC);
/// Port forwards, two entries each. Not allocated beforehand: most gateways have few.
#[map]
pub static FORWARDS: HashMap<BindingKey, Forward> =
    HashMap::with_max_entries(2 * FORWARDED_PORTS, BPF_F_NO_PREALLOC | BPF_F_RDONLY_PROG);
/// Fragmented datagrams under way. The least recently used make room: a flood harms fragments only.
#[map]
pub static FRAGMENTS: LruHashMap<FragmentKey, Fragment> = LruHashMap::with_max_entries(8192, 0);
/// PPTP control connections. Not allocated beforehand: an entry is large, and most gateways need a few.
#[map]
pub static CONTROLS: HashMap<SessionKey, Control> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// Inside hosts by server. Not allocated beforehand, as above.
#[map]
pub static PEERS: HashMap<PeerKey, Peers> = HashMap::with_max_entries(4096, BPF_F_NO_PREALLOC);
/// Packets by class, direction and reason.
#[map]
pub static COUNTERS: PerCpuArray<Counter> = PerCpuArray::with_max_entries(Counter::ENTRIES as u32, 0);
/// Events.
#[map]
pub static EVENTS: PerCpuArray<u64> = PerCpuArray::with_max_entries(Event::ENTRIES as u32, 0);
/// When the data path last swept by itself, in ticks.
#[map]
pub static SWEEPS: Array<u64> = Array::with_max_entries(1, 0);
/// Ways out that the fast path has asked for.
#[map]
pub static EXITS: Array<Exit> = Array::with_max_entries(EXIT_SLOTS, 0);
/// Devices that the fast path may send to, by their slot among the interfaces.
#[map]
pub static DEVICES: DevMap = DevMap::with_max_entries(PORTS, 0);
/// The steps' programs.
#[map]
pub static STEPS: ProgramArray = ProgramArray::with_max_entries(STEP_LIST.len() as u32, 0);

/// An empty [`Control`], never written: too large to be made on the stack.
#[map]
pub static EMPTY_CONTROL: Array<Control> = Array::with_max_entries(1, 0);
/// An empty [`Peers`], never written.
#[map]
pub static EMPTY_PEERS: Array<Peers> = Array::with_max_entries(1, 0);

const BPF_F_NO_PREALLOC: u32 = 1;
/// Programs read it and cannot write it.
const BPF_F_RDONLY_PROG: u32 = 1 << 7;
