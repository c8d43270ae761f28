//! The BPF maps as tables.

use core::arch::asm;
use core::ffi::c_void;

use aya_ebpf::bindings::{__sk_buff, BPF_NOEXIST};
use aya_ebpf::helpers::generated::bpf_for_each_map_elem;
use aya_ebpf::maps::{HashMap, LruHashMap};
use passthrough_common::abi::{
    Binding, BindingKey, Control, Forward, Fragment, FragmentKey, Host, HostKey, PeerKey, Peers, Session,
    SessionKey, Settings, Ticks,
};
use passthrough_common::path::sweep::{self, Sweep, visit};
use passthrough_common::seam::{Clock, Held, Refused, Table, Tables};

use super::Kernel;
use crate::maps;

const EEXIST: i32 = -17;

macro_rules! table {
    ($name:ident, $map:ident, $key:ty, $value:ty) => {
        /// A map as a table.
        #[repr(transparent)]
        pub struct $name($map<$key, $value>);

        impl $name {
            /// The map as a table.
            #[inline(always)]
            fn of(map: &'static $map<$key, $value>) -> &'static $name {
                // SAFETY: repr(transparent).
                unsafe { &*core::ptr::from_ref(map).cast::<$name>() }
            }
        }

        impl Table<$key, $value> for $name {
            #[inline(always)]
            fn get(&self, key: &$key) -> Option<$value> {
                let value = self.0.get_ptr(key)?;
                // SAFETY: a value stays readable until the program ends, even if it is removed meanwhile.
                Some(unsafe { *value })
            }

            #[inline(always)]
            fn update<R>(&self, key: &$key, change: impl FnOnce(&mut $value) -> R) -> Option<R> {
                let value = self.0.get_ptr_mut(key)?;
                // SAFETY: as above; each entry is written by its own direction only, so that a torn write by another
                // processor can at worst lose one count.
                Some(change(unsafe { &mut *value }))
            }

            #[inline(always)]
            fn insert(&self, key: &$key, value: &$value) -> Result<(), Refused> {
                self.0.insert(key, value, u64::from(BPF_NOEXIST)).map_err(refused)
            }

            #[inline(always)]
            fn remove(&self, key: &$key) -> bool {
                self.0.remove(key).is_ok()
            }
        }
    };
}

#[inline(always)]
fn refused(error: i32) -> Refused {
    if error == EEXIST { Refused::Exists } else { Refused::Full }
}

table!(SessionTable, HashMap, SessionKey, Session);
table!(BindingTable, HashMap, BindingKey, Binding);
table!(HostTable, HashMap, HostKey, Host);
table!(ForwardTable, HashMap, BindingKey, Forward);
table!(FragmentTable, LruHashMap, FragmentKey, Fragment);
table!(ControlTable, HashMap, SessionKey, Control);
table!(PeerTable, HashMap, PeerKey, Peers);

macro_rules! held {
    ($name:ident, $key:ty, $value:ty, $count:ident) => {
        impl Held<$key, $value> for $name {
            #[inline(always)]
            fn hold(&self, key: &$key, more: u32) -> Option<u32> {
                let value = self.0.get_ptr_mut(key)?;
                // SAFETY: a value stays until the program ends.
                Some(unsafe { add(&raw mut (*value).$count, more) })
            }

            #[inline(always)]
            fn release(&self, key: &$key, less: u32) -> Option<u32> {
                // BPF has no atomic subtraction.
                self.hold(key, less.wrapping_neg())
            }
        }
    };
}

held!(BindingTable, BindingKey, Binding, sessions);
held!(HostTable, HostKey, Host, held);

/// Adds to a count in one atomic step; the count before.
///
/// # Safety
///
/// It must be 4 bytes, aligned, in a map value.
#[inline(always)]
unsafe fn add(count: *mut u32, mut amount: u32) -> u32 {
    // SAFETY: the caller's promise. In assembly, since `AtomicU64::fetch_add` does not exist for this target and the
    // intrinsic changes with the compiler.
    unsafe {
        asm!("{amount} = atomic_fetch_add((u32 *)({count} + 0), {amount})",
            count = in(reg) count, amount = inout(wreg) amount);
    }
    amount
}

impl<C> Tables for Kernel<C> {
    type Sessions = SessionTable;
    type Bindings = BindingTable;
    type Hosts = HostTable;
    type Forwards = ForwardTable;
    type Fragments = FragmentTable;
    type Controls = ControlTable;
    type Peers = PeerTable;

    #[inline(always)]
    fn settings(&self) -> &Settings {
        self.settings
    }
    #[inline(always)]
    fn sessions(&self) -> &SessionTable {
        SessionTable::of(&maps::SESSIONS)
    }
    #[inline(always)]
    fn bindings(&self) -> &BindingTable {
        BindingTable::of(&maps::BINDINGS)
    }
    #[inline(always)]
    fn hosts(&self) -> &HostTable {
        HostTable::of(&maps::HOSTS)
    }
    #[inline(always)]
    fn forwards(&self) -> &ForwardTable {
        ForwardTable::of(&maps::FORWARDS)
    }
    #[inline(always)]
    fn fragments(&self) -> &FragmentTable {
        FragmentTable::of(&maps::FRAGMENTS)
    }
    #[inline(always)]
    fn controls(&self) -> &ControlTable {
        ControlTable::of(&maps::CONTROLS)
    }
    #[inline(always)]
    fn open_control(&self, key: &SessionKey) -> Result<(), Refused> {
        let Some(empty) = maps::EMPTY_CONTROL.get(0) else { return Err(Refused::Full) };
        maps::CONTROLS.insert(key, empty, u64::from(BPF_NOEXIST)).map_err(refused)
    }
    #[inline(always)]
    fn peers(&self) -> &PeerTable {
        PeerTable::of(&maps::PEERS)
    }
    #[inline(always)]
    fn open_peers(&self, key: &PeerKey) -> Result<(), Refused> {
        let Some(empty) = maps::EMPTY_PEERS.get(0) else { return Err(Refused::Full) };
        maps::PEERS.insert(key, empty, u64::from(BPF_NOEXIST)).map_err(refused)
    }
}

/// Sweeps if nobody has for a second.
#[inline(always)]
pub fn reclaim(kernel: &Kernel<__sk_buff>) {
    let Some(last) = maps::SWEEPS.get_ptr_mut(0) else { return };
    let now = kernel.now();
    // SAFETY: one aligned word; two processors that read the same value both sweep, which is harmless.
    let last = unsafe { &mut *last };
    if now.since(Ticks(*last as u32)) >= Ticks::from_secs(1) {
        *last = u64::from(now.0);
        sweep(kernel, &Sweep::default());
    }
}

/// What the sweep's callback carries from entry to entry.
struct Visit {
    skb: *mut __sk_buff,
    sweep: Sweep,
    removed: u64,
}

/// Visits every session, and then what belongs to none any more; the number of entries removed of the session table.
#[inline(never)]
pub fn sweep(kernel: &Kernel<__sk_buff>, sweep: &Sweep) -> u64 {
    let mut visit = Visit { skb: kernel.context, sweep: *sweep, removed: 0 };
    // SAFETY: the callbacks have the signature that the helper wants, and `visit` outlives the calls.
    unsafe {
        bpf_for_each_map_elem(
            (&raw const maps::SESSIONS).cast_mut().cast::<c_void>(),
            visit_entry as *mut c_void,
            (&raw mut visit).cast::<c_void>(),
            0,
        );
        bpf_for_each_map_elem(
            (&raw const maps::CONTROLS).cast_mut().cast::<c_void>(),
            visit_connection as *mut c_void,
            (&raw mut visit).cast::<c_void>(),
            0,
        );
        bpf_for_each_map_elem(
            (&raw const maps::PEERS).cast_mut().cast::<c_void>(),
            visit_server as *mut c_void,
            (&raw mut visit).cast::<c_void>(),
            0,
        );
    }
    visit.removed
}

macro_rules! visit_key {
    ($name:ident, $key:ty, $value:ty, $visit:expr) => {
        /// One record of the sweep that its key is enough for.
        unsafe extern "C" fn $name(
            _map: *mut c_void,
            key: *const $key,
            _value: *mut $value,
            context: *mut Visit,
        ) -> i64 {
            // SAFETY: the helper hands over valid pointers to a key and the context given to it.
            let (key, skb) = unsafe { (*key, (*context).skb) };
            let Some(kernel) = Kernel::new(skb) else { return 1 };
            $visit(&kernel, &key);
            0
        }
    };
}

visit_key!(visit_connection, SessionKey, Control, sweep::connection);
visit_key!(visit_server, PeerKey, Peers, sweep::server);

/// One entry of the sweep.
unsafe extern "C" fn visit_entry(
    _map: *mut c_void,
    key: *const SessionKey,
    session: *mut Session,
    context: *mut Visit,
) -> i64 {
    // SAFETY: the helper hands over valid pointers to a key, a value and the context given to it.
    let (key, session, context) = unsafe { (*key, *session, &mut *context) };
    let Some(kernel) = Kernel::new(context.skb) else { return 1 };
    if visit(&kernel, &context.sweep, &key, &session) {
        context.removed += 1;
    }
    0
}
