//! The routing table, the interfaces and the sockets of the gateway, asked through helpers.

use core::mem::{MaybeUninit, size_of};
use core::ptr::{read_volatile, write_volatile};

use aya_ebpf::bindings::{
    __sk_buff, bpf_fib_lookup as FibLookup, bpf_sock_tuple, bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1,
    xdp_md,
};
use aya_ebpf::helpers::generated::{bpf_fib_lookup, bpf_sk_lookup_udp, bpf_sk_release, bpf_skc_lookup_tcp};
use passthrough_common::abi::settings::{PORT_TRIES, port};
use passthrough_common::abi::{Exit, Interface, Link, Side};
use passthrough_common::proto::number;
use passthrough_common::seam::{Arrival, Hop, NextHop, Remote, Route, Towards};
use passthrough_common::wire::ethernet;

use super::Kernel;
use crate::maps;

const AF_INET: u8 = 2;
const AF_INET6: u8 = 10;
pub const FIB_SUCCESS: i64 = 0;
const FIB_NOT_FORWARDED: i64 = 4;
const FIB_NO_NEIGHBOUR: i64 = 7;
const FIB_FRAGMENT_NEEDED: i64 = 8;
const PACKET_HOST: u32 = 0;
const CURRENT_NETNS: u64 = u64::MAX;

/// What the table says of an interface, as one word, so that it passes through one register: an `Option` of a structure
/// leaves registers undefined (6.18: "!read_ok").
#[derive(Clone, Copy)]
struct Known(u64);

impl Known {
    /// Of an interface that is neither LAN nor WAN.
    const UNKNOWN: u64 = 0xff;

    #[inline(always)]
    fn of(ifindex: u32) -> Known {
        match interface(ifindex) {
            // SAFETY: the first word of an interface, aligned, stays readable until the program ends.
            Some(interface) => Known(unsafe { *interface.cast::<u64>() }),
            None => Known(Known::UNKNOWN),
        }
    }

    #[inline(always)]
    const fn is_known(self) -> bool {
        self.0 & 0xff != Known::UNKNOWN
    }

    #[inline(always)]
    const fn side(self) -> Option<Side> {
        match self.0 as u8 {
            0 => Some(Side::Inside),
            1 => Some(Side::Outside),
            _ => None,
        }
    }

    #[inline(always)]
    const fn is_raw(self) -> bool {
        (self.0 >> 8) as u8 == Link::Raw as u8
    }

    #[inline(always)]
    const fn vlan(self) -> u16 {
        (self.0 >> 16) as u16
    }

    #[inline(always)]
    const fn has(self, flags: u16) -> bool {
        (self.0 >> 32) as u16 & flags != 0
    }
}

const _: () = {
    assert!(core::mem::offset_of!(Interface, side) == 0);
    assert!(core::mem::offset_of!(Interface, link) == 1);
    assert!(core::mem::offset_of!(Interface, vlan) == 2);
    assert!(core::mem::offset_of!(Interface, flags) == 4);
};

/// The slot of an interface and its record, if it takes part.
#[inline(always)]
pub fn interface(ifindex: u32) -> Option<*const Interface> {
    // The gateway's own packets come by none, and 0 is what a free slot says.
    if ifindex == 0 {
        return None;
    }
    let mut attempt = 0;
    while attempt < PORT_TRIES {
        let Some(interface) = maps::INTERFACES.get_ptr(Interface::slot(ifindex, attempt)) else {
            return None;
        };
        // SAFETY: an element of an array is always readable.
        if unsafe { (*interface).index } == ifindex {
            return Some(interface);
        }
        attempt += 1;
    }
    None
}

/// A context whose packet came from somewhere.
pub trait Arrives: Sized {
    /// Where from.
    fn arrival(context: *mut Self) -> Arrival;

    /// Index of the interface that the fast path runs on; 0 for a packet that it never moves: one of a tagged zone.
    fn ifindex(context: *mut Self) -> u32;

    /// By what the hook names the interface that a way out leads by; `None` if it can't send there.
    fn target(exit: &Exit) -> Option<u32>;
}

impl Arrives for __sk_buff {
    #[inline(always)]
    fn arrival(skb: *mut __sk_buff) -> Arrival {
        // SAFETY: the context pointer is the kernel's; each field is read once.
        let (here, entered, kind, tagged, tag) = unsafe {
            (
                read_volatile(&raw const (*skb).ifindex),
                read_volatile(&raw const (*skb).ingress_ifindex),
                read_volatile(&raw const (*skb).pkt_type),
                read_volatile(&raw const (*skb).vlan_present),
                read_volatile(&raw const (*skb).vlan_tci),
            )
        };
        let at = Known::of(here);
        let from = Known::of(entered);
        Arrival {
            side: from.side(),
            foreign: entered != 0 && !from.is_known(),
            ifindex: entered,
            link: if at.is_known() && at.is_raw() { Link::Raw } else { Link::Ethernet },
            vlan: if at.is_known() { at.vlan() } else { 0 },
            stripped_vlan: if tagged != 0 { tag as u16 & ethernet::VLAN_ID } else { 0 },
            // On the way out the kernel has set no type that says anything.
            to_us: kind == PACKET_HOST || entered != here,
        }
    }

    #[inline(always)]
    fn ifindex(skb: *mut __sk_buff) -> u32 {
        // SAFETY: the context pointer is the kernel's.
        let (here, tagged) = unsafe {
            (read_volatile(&raw const (*skb).ifindex), read_volatile(&raw const (*skb).vlan_present))
        };
        if tagged != 0 { 0 } else { here }
    }

    #[inline(always)]
    fn target(exit: &Exit) -> Option<u32> {
        Some(exit.ifindex())
    }
}

impl Arrives for xdp_md {
    /// What the fast path asks the routing table with; it knows the interface's own record ([`Exits::port`]).
    ///
    /// [`Exits::port`]: passthrough_common::seam::Exits::port
    #[inline(always)]
    fn arrival(xdp: *mut xdp_md) -> Arrival {
        let entered = xdp_md::ifindex(xdp);
        let at = Known::of(entered);
        Arrival {
            side: at.side(),
            foreign: !at.is_known(),
            ifindex: entered,
            link: if at.is_known() && at.is_raw() { Link::Raw } else { Link::Ethernet },
            vlan: if at.is_known() { at.vlan() } else { 0 },
            stripped_vlan: 0,
            to_us: true,
        }
    }

    #[inline(always)]
    fn ifindex(xdp: *mut xdp_md) -> u32 {
        // SAFETY: the context pointer is the kernel's.
        unsafe { read_volatile(&raw const (*xdp).ingress_ifindex) }
    }

    #[inline(always)]
    fn target(exit: &Exit) -> Option<u32> {
        if exit.port == Exit::NO_PORT { None } else { Some(exit.port) }
    }
}

/// A question to the routing table, and its answer. Aligned, to be cleared by words.
#[repr(C, align(8))]
pub struct Query(pub FibLookup);

impl Query {
    /// A place for one, to be cleared.
    pub const NONE: MaybeUninit<Query> = MaybeUninit::uninit();

    /// Clears it where it is.
    #[inline(always)]
    pub fn clear(place: &mut MaybeUninit<Query>) -> &mut Query {
        let mut word = 0;
        while word < size_of::<Query>() / 8 {
            // Volatile: of plain stores LLVM makes a call of its `memset`, a loop over 64 single bytes.
            // SAFETY: within the structure, which is aligned for it.
            unsafe { write_volatile(place.as_mut_ptr().cast::<u64>().add(word), 0) };
            word += 1;
        }
        // SAFETY: all fields are integers or unions of integers: zero is a value of each.
        unsafe { place.assume_init_mut() }
    }
}

/// What the routing table answers to an IPv4 packet, and the helper's result.
#[inline(always)]
pub fn look_up<C>(
    context: *mut C,
    (ifindex, tos, length): (u32, u8, u16),
    (source, destination): (u32, u32),
    Query(query): &mut Query,
) -> i64 {
    query.family = AF_INET;
    query.ifindex = ifindex;
    query.__bindgen_anon_1.tot_len = length;
    query.__bindgen_anon_2.tos = tos;
    query.__bindgen_anon_3.ipv4_src = source.to_be();
    query.__bindgen_anon_4.ipv4_dst = destination.to_be();
    // SAFETY: the helper reads and writes the structure of the size given.
    unsafe { bpf_fib_lookup(context.cast(), &raw mut *query, size_of::<FibLookup>() as i32, 0) }
}

/// The next hop's address and the interface that a look-up has answered, and on which side that is.
#[inline(always)]
pub fn answered(Query(query): &Query) -> (Hop, Towards, bool) {
    // SAFETY: the helper leaves the next hop's address there.
    let gateway = u32::from_be(unsafe { query.__bindgen_anon_4.ipv4_dst });
    let known = Known::of(query.ifindex);
    let towards = match known.side() {
        Some(Side::Inside) => Towards::Inside,
        Some(Side::Outside) => Towards::Outside,
        None => Towards::Elsewhere,
    };
    (Hop { ifindex: query.ifindex, gateway }, towards, known.has(port::FAST))
}

impl<C: Arrives> NextHop for Kernel<C> {
    #[inline(always)]
    fn arrival(&self) -> Arrival {
        C::arrival(self.context)
    }

    #[inline(always)]
    fn route(&self, ifindex: u32, source: u32, destination: u32, tos: u8, length: u16) -> Route {
        let mut query = Query::NONE;
        let query = Query::clear(&mut query);
        match look_up(self.context, (ifindex, tos, length), (source, destination), query) {
            FIB_SUCCESS | FIB_NO_NEIGHBOUR => {
                let (hop, towards, _) = answered(query);
                Route { towards, hop }
            }
            FIB_NOT_FORWARDED => Route::to(Towards::Local),
            FIB_FRAGMENT_NEEDED => Route::to(Towards::TooBig),
            _ => Route::to(Towards::Nowhere),
        }
    }

    #[inline(always)]
    fn is_local_v6(&self, ifindex: u32, source: &[u32; 4], destination: &[u32; 4]) -> bool {
        let mut query = Query::NONE;
        let Query(query) = Query::clear(&mut query);
        query.family = AF_INET6;
        query.ifindex = ifindex;
        query.__bindgen_anon_3.ipv6_src = words(source);
        query.__bindgen_anon_4.ipv6_dst = words(destination);
        // SAFETY: the helper reads and writes the structure of the size given.
        let answer =
            unsafe { bpf_fib_lookup(self.context.cast(), &raw mut *query, size_of::<FibLookup>() as i32, 0) };
        answer == FIB_NOT_FORWARDED
    }

    #[inline(always)]
    fn has_listener(&self, local: (u32, u16), remote: &Remote) -> bool {
        listens(self.context.cast(), local.0, u32::from(local.1), remote) != 0
    }
}

/// Whether a socket of the gateway's own takes what comes from `remote` to this address and port. Global, so that the verifier
/// walks the look-ups once and not in every try for a port. For programs of TC alone.
#[unsafe(no_mangle)]
#[inline(never)]
extern "C" fn listens(skb: *mut __sk_buff, address: u32, port: u32, remote: *const Remote) -> u32 {
    if remote.is_null() {
        return 0;
    }
    // SAFETY: not null, and the caller's own: the verifier has checked its size.
    let remote = unsafe { &*remote };
    // Only the part for IPv4: what the helpers would read of the rest, the verifier would see zeroed byte by byte.
    let mut ends = bpf_sock_tuple__bindgen_ty_1__bindgen_ty_1 {
        saddr: remote.address.to_be(),
        daddr: address.to_be(),
        sport: remote.port.to_be(),
        dport: (port as u16).to_be(),
    };
    let protocol = remote.protocol as u8;
    let size = size_of_val(&ends) as u32;
    let tuple = (&raw mut ends).cast::<bpf_sock_tuple>();
    // SAFETY: the helpers read as many bytes of the tuple as they are told, and the socket they return is given
    // back below.
    let socket = unsafe {
        if protocol == number::TCP {
            bpf_skc_lookup_tcp(skb.cast(), tuple, size, CURRENT_NETNS, 0).cast()
        } else if protocol == number::UDP {
            bpf_sk_lookup_udp(skb.cast(), tuple, size, CURRENT_NETNS, 0)
        } else {
            return 0;
        }
    };
    if socket.is_null() {
        return 0;
    }
    // SAFETY: not null, and held since the look-up.
    unsafe { bpf_sk_release(socket.cast()) };
    1
}

/// An IPv6 address as the helper takes it: four words in network order.
#[inline(always)]
fn words([a, b, c, d]: &[u32; 4]) -> [u32; 4] {
    [a.to_be(), b.to_be(), c.to_be(), d.to_be()]
}
