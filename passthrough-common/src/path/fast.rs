//! Fast: moves packets of sessions that exist, by the way out that was found for them. All others are left to the steps.
//!
//! It reads, finds, translates with the same code as the steps do, and decides nothing that they would not decide: what
//! does not hold for every packet of a session is looked at with each packet, and everything else by [`ask`], once an
//! [`Epoch`]. What a session may never do here (be read, be hairpinned, end at the gateway) leaves it without a way out.

use crate::abi::exit::{EXITS, slot_of};
use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::option;
use crate::abi::{Class, Counter, Direction, Epoch, Exit, Interface, Link, Reason, Session, Space, Switch};
use crate::proto::{Flow, l2tp, number, progress};
use crate::seam::{Exits, Packet, Table, Towards, World};
use crate::session::pair::L2TP_PORT;
use crate::session::{idle, tcp};
use crate::wire::{ethernet, ipv4};

use super::lookup::{self, Edit};
use super::{Hook, Verdict, classify, forward, gate, parse, source, step, translate};

/// Moves the packet if its session lives and has a way out; `target` then names the interface that it leaves by.
///
/// `ask` is [`ask`], or a call of it: the kernel has it in a function of its own, since few packets need it.
#[inline(always)]
pub fn run<P: Packet, W: World + Exits>(
    hook: Hook,
    packet: &mut P,
    world: &W,
    target: &mut u32,
    ask: impl FnOnce(&Question) -> u16,
) -> Verdict {
    let mut flow = Flow::EMPTY;
    let (mut space, mut selector) = (Space::Host, 0);
    if let Err(reason) = read(hook, packet, world, &mut flow, (&mut space, &mut selector)) {
        return Verdict::pass(reason);
    }
    let key = lookup::key_of(&flow, space, selector);
    let now = world.now();
    let epoch = Epoch::of(world.settings(), now);
    let moved = world.sessions().update(
        &key,
        #[inline(always)]
        |session| {
            if idle::lease_is_over(session, now)
                || (flow.class == Class::L2tp
                    && session.rewrite() == Rewrite::Address as u8
                    && l2tp::must_read(packet, &flow))
            {
                return false;
            }
            if !epoch.holds(session.exit) {
                session.exit = ask(&Question::new(&flow, session));
            }
            let ready = world.exit(
                slot_of(session.exit),
                #[inline(always)]
                |exit| {
                    if exit.epoch != epoch || flow.length() > exit.mtu {
                        return false;
                    }
                    match world.target(exit) {
                        Some(found) => *target = found,
                        None => return false,
                    }
                    address(packet, exit);
                    true
                },
            );
            if ready != Some(true) {
                return false;
            }
            lookup::note(session, &flow, now, lookup::acknowledged(packet, &flow));
            let mut edit = Edit::NONE;
            lookup::read_edit(session, &flow, &mut edit);
            let direction =
                if flow.has(progress::OUTBOUND) { Direction::Outbound } else { Direction::Inbound };
            world.count(Counter::index(edit.class, direction, Reason::Forwarded as u8), flow.length());
            // Nothing can fail any more: every field lies within what has been read. Checksums that a helper fixes come
            // last, since a frame can't be reached any more after that.
            forward::count_hop(packet, &flow) && translate::apply(packet, &flow, &edit, forward::HOP).is_ok()
        },
    );
    if moved == Some(true) { Verdict::REDIRECT } else { Verdict::pass(Reason::NeedsStack) }
}

/// Puts the addresses of the Ethernet header in place.
#[inline(always)]
fn address<P: Packet>(packet: &mut P, exit: &Exit) {
    let [a, b, c] = exit.addresses;
    packet.store(0, a.to_ne_bytes());
    packet.store(4, b.to_ne_bytes());
    packet.store(8, c.to_ne_bytes());
}

/// Reads a packet that may be moved; the flow's class serves the key alone.
///
/// # Errors
///
/// Why it is left to the steps. Those drop what must be dropped.
#[inline(always)]
fn read<P: Packet, W: World + Exits>(
    hook: Hook,
    packet: &P,
    world: &W,
    flow: &mut Flow,
    (space, selector): (&mut Space, &mut u32),
) -> Result<(), Reason> {
    let Some(port) = world.port() else { return Err(Reason::NeedsStack) };
    if !is_for_us(packet, port) {
        return Err(Reason::NotIp);
    }
    flow.progress = step::initial(hook);
    parse::plain_ipv4(packet, ethernet::LEN, flow)?;
    if flow.error || flow.ttl <= 1 {
        return Err(Reason::NeedsStack);
    }
    // A SYN opens, a RST is judged by the other half.
    let judged = tcp::header::SYN | tcp::header::RST;
    if flow.protocol == number::TCP && flow.tcp_flags & (judged | tcp::header::ACK) != tcp::header::ACK {
        return Err(Reason::NeedsStack);
    }
    flow.class = class_for_key(world, flow);
    lookup::select(packet, flow, world, space, selector)
}

/// Whether the frame is an untagged IPv4 packet for this interface.
#[inline(always)]
fn is_for_us<P: Packet>(packet: &P, port: &Interface) -> bool {
    let head = packet.u32(0).unwrap_or(0);
    let tail = packet.u16(4).unwrap_or(0);
    let ether_type = packet.u16(ethernet::ETHER_TYPE).unwrap_or(0);
    head == port.address_head
        && tail == port.address_tail
        && ether_type == ethernet::IPV4
        && port.vlan == 0
        && port.link == Link::Ethernet as u8
}

/// The class as far as the session's key depends on it: of packets with ports, only those of L2TP where its port is
/// kept. IKE's are read ([`ask`]), and never come as far as that.
#[inline(always)]
fn class_for_key<W: World>(world: &W, flow: &Flow) -> Class {
    if flow.space != Space::Ports {
        return classify::by_protocol(flow.protocol, flow.space);
    }
    let near = if flow.has(progress::OUTBOUND) { flow.source_port() } else { flow.destination_port() };
    let kept =
        flow.protocol == number::UDP && near == L2TP_PORT && world.settings().has(option::KEEP_L2TP_PORT);
    if kept { classify::classify(world.settings(), flow, flow.has(progress::OUTBOUND)) } else { Class::Udp }
}

/// What [`ask`] must know of a packet and its session, in three words: they pass through registers, since the stack of
/// the program that asks has no room left.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Question(pub [u64; 3]);

impl Question {
    /// Of this packet and its session.
    #[inline(always)]
    pub fn new(flow: &Flow, session: &Session) -> Question {
        let rest = u64::from(flow.length() as u16)
            | u64::from(flow.tos) << 16
            | u64::from(flow.protocol) << 24
            | (flow.space as u64) << 32
            | u64::from(session.class_index()) << 40
            | u64::from(flow.progress as u8) << 48
            | u64::from(session.generation) << 56;
        let hosts = u64::from(flow.source) << 32 | u64::from(flow.destination);
        // The gateway's own are the stack's: no address stands for that.
        let address = if session.has(flag::OWN) { 0 } else { session.address };
        Question([hosts, u64::from(flow.selector) << 32 | u64::from(address), rest])
    }

    /// The session's class.
    #[inline(always)]
    const fn class(&self) -> Class {
        Class::from_index((self.0[2] >> 40) as u8)
    }

    /// The generation of its switch when the session was made.
    #[inline(always)]
    const fn generation(&self) -> u8 {
        (self.0[2] >> 56) as u8
    }

    /// The translated end's new address.
    #[inline(always)]
    const fn address(&self) -> u32 {
        self.0[1] as u32
    }

    /// The packet again, as far as [`ask`] needs it.
    #[inline(always)]
    fn read(&self, flow: &mut Flow) {
        let [hosts, selector, rest] = self.0;
        flow.source = (hosts >> 32) as u32;
        flow.destination = hosts as u32;
        flow.selector = (selector >> 32) as u32;
        flow.end = u32::from(rest as u16);
        flow.tos = (rest >> 16) as u8;
        flow.protocol = (rest >> 24) as u8;
        flow.space = Space::from_index((rest >> 32) as u8);
        flow.progress = u32::from((rest >> 48) as u8);
    }
}

/// What [`Session::exit`] is to hold for this epoch: the slot of a way out, or none if its packets are the steps'.
///
/// Asks whatever the steps ask of every packet that cannot change without a new epoch: switches and lists, filters of
/// addresses, routes, neighbours.
#[inline(always)]
pub fn ask<W: World + Exits>(world: &W, question: &Question) -> u16 {
    let mut flow = Flow::EMPTY;
    question.read(&mut flow);
    let flow = &flow;
    let settings = world.settings();
    let epoch = Epoch::of(settings, world.now());
    let outbound = flow.has(progress::OUTBOUND);
    let none = epoch.slot(0);
    let class = classify::classify(settings, flow, outbound);
    let made_before = question.generation() != settings.generation(question.class());
    if question.address() == 0 || made_before || settings.switch(question.class()) == Switch::Off {
        return none;
    }
    if settings.has(option::NO_REDIRECT) || gate::check(settings, class, Reason::SwitchedOff).is_err() {
        return none;
    }
    // Control connections and exchanges are read.
    let full = |class| settings.switch(class) == Switch::Full;
    let is_read = |class| {
        (class == Class::Pptp && flow.protocol == number::TCP && full(class))
            || (class == Class::Ike && full(class))
    };
    if is_read(class) || is_read(question.class()) {
        return none;
    }
    let (destination, towards) = if outbound {
        if settings.is_outside_address(flow.destination) || ipv4::is_not_unicast(flow.destination) {
            return none;
        }
        (flow.destination, Towards::Outside)
    } else {
        if !settings.is_outside_address(flow.destination) || source::check(world, flow).is_err() {
            return none;
        }
        (question.address(), Towards::Inside)
    };
    let mut exit = Exit::default();
    if world.ask(flow.source, destination, flow.tos, flow.length() as u16, &mut exit) != towards {
        return none;
    }
    exit.epoch = epoch;
    keep(world, epoch, &exit)
}

/// How many slots are tried for a way out.
const TRIES: u32 = 4;

/// The slot in which a way out is kept from now on. A slot that nobody has asked for in this epoch is free: every
/// session that held it will ask again. None if all are taken, until the next epoch.
#[inline(always)]
fn keep<W: Exits>(world: &W, epoch: Epoch, exit: &Exit) -> u16 {
    let home = Exit::home(exit.owner);
    let mut attempt = 0;
    while attempt < TRIES {
        let slot = (home + attempt) & (EXITS - 1);
        attempt += 1;
        // Slot 0 stands for none.
        if slot == 0 {
            continue;
        }
        let (mut owner, mut current) = (0, false);
        world.exit(slot, |found| (owner, current) = (found.owner, found.epoch == epoch));
        if current && owner != exit.owner {
            continue;
        }
        if current || world.fill(slot, owner, exit) {
            return epoch.slot(slot);
        }
        // Another processor fills it at this moment: for the same owner, most likely.
        return epoch.unasked();
    }
    epoch.slot(0)
}
