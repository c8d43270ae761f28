//! The three hooks: what a packet meets, in order, where it arrives or leaves.

use crate::abi::names::Step;
use crate::abi::session::flag;
use crate::abi::{BindingKey, Class, Direction, Reason, SessionKey, Side, Space};
use crate::proto::{Flow, Part, number, progress};
use crate::seam::{Packet, Table, Towards, World};
use crate::session::tcp;
use crate::wire::ipv4;

use super::lookup::{self, Edit, Found};
use super::open::Age;
use super::{Verdict, fragment, gate, open, port_forward, source};

/// Whether the gateway itself sent the packet, or something else has given it an outside address as its source.
#[inline(always)]
pub fn is_own<W: World>(world: &W, flow: &Flow) -> bool {
    let arrival = world.arrival();
    (arrival.side.is_none() || arrival.foreign) && world.settings().is_outside_address(flow.source)
}

/// WAN egress: outbound packets are translated, after routing and firewall.
///
/// # Errors
///
/// Why the packet is dropped.
#[inline(always)]
pub fn wan_egress<P: Packet, W: World>(
    packet: &P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Result<Verdict, Reason> {
    let arrival = world.arrival();
    if ipv4::is_not_unicast(flow.destination) || flow.source == 0 {
        // Linux routes 240.0.0.0/4 as if it were unicast, and would let an inside address out (conformance G5, Z16).
        if arrival.foreign || arrival.side.is_some() {
            return Err(Reason::NotTranslated);
        }
        return Ok(Verdict::pass(Reason::Multicast));
    }
    let own = is_own(world, flow);
    if !own && (arrival.foreign || arrival.side == Some(Side::Outside)) {
        return Err(Reason::NotTranslated);
    }
    if flow.error {
        return Ok(Verdict::go_on(Step::Error, flow.progress));
    }
    if flow.part == Part::Later {
        fragment::later(world, flow, edit)?;
        return Ok(Verdict::TRANSLATE_AND_PASS);
    }
    if let Some(step) = open::reading_step(packet, flow, world) {
        return Ok(Verdict::go_on(step, flow.progress));
    }
    match find(packet, world, flow, edit)? {
        Found::Session => Ok(Verdict::TRANSLATE_AND_PASS),
        Found::Stale => Ok(Verdict::go_on(Step::Renew, flow.progress)),
        Found::SwitchedOff => Err(Reason::SwitchedOffSession),
        Found::Nothing => Ok(open::outbound(world, flow, own)),
    }
}

/// WAN ingress: inbound packets are translated, before routing.
///
/// # Errors
///
/// Why the packet is dropped.
#[inline(always)]
pub fn wan_ingress<P: Packet, W: World>(
    packet: &P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Result<Verdict, Reason> {
    if ipv4::is_not_unicast(flow.destination) {
        return Ok(Verdict::pass(Reason::Multicast));
    }
    if flow.error && flow.has(progress::HAIRPIN) {
        // Translated for both of its ends by now: all that is left is the way to its reader.
        edit.address = flow.destination;
        edit.identification = flow.identification;
        edit.class = flow.class as u8;
        return Ok(Verdict::TRANSLATE_AND_DELIVER);
    }
    if !world.settings().is_outside_address(flow.destination) {
        return Ok(open::not_ours(world, flow));
    }
    source::check(world, flow)?;
    if flow.error {
        return Ok(Verdict::go_on(Step::Error, flow.progress));
    }
    if flow.part == Part::Later {
        fragment::later(world, flow, edit)?;
        return Ok(Verdict::TRANSLATE_AND_DELIVER);
    }
    if let Some(step) = open::reading_step(packet, flow, world) {
        return Ok(Verdict::go_on(step, flow.progress));
    }
    match find(packet, world, flow, edit)? {
        Found::Session => Ok(Verdict::TRANSLATE_AND_DELIVER),
        Found::Stale => Ok(Verdict::go_on(Step::Renew, flow.progress)),
        Found::SwitchedOff => Err(Reason::SwitchedOffSession),
        Found::Nothing => open::inbound(world, flow, edit),
    }
}

/// The session of a packet that has its transport header; remembers the edit for its siblings if it is a first
/// fragment.
#[inline(always)]
fn find<P: Packet, W: World>(
    packet: &P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Result<Found, Reason> {
    let mut key = SessionKey::NONE;
    lookup::key(packet, flow, world, &mut key)?;
    let found = lookup::session(packet, flow, world, &key, edit);
    if found == Found::Session || found == Found::SwitchedOff {
        // A server may answer from another port than the one that told its class (conformance O5).
        flow.class = Class::from_index(edit.class);
    }
    if found == Found::Session && flow.part == Part::First {
        fragment::first(world, flow, edit)?;
    }
    Ok(found)
}

/// LAN ingress: packets of existing sessions are sent on at once, untranslated: WAN egress does that. Hairpinned ones
/// are translated here. All others are left to routing and firewall.
///
/// # Errors
///
/// Why the packet is dropped.
#[inline(always)]
pub fn lan_ingress<P: Packet, W: World>(
    packet: &P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Result<Verdict, Reason> {
    if ipv4::is_not_unicast(flow.destination) || flow.source == 0 {
        return Ok(Verdict::pass(Reason::Multicast));
    }
    // A later fragment of GRE does not tell whether it is PPTP's: at WAN egress it follows its first (conformance O17).
    let by_first = flow.part == Part::Later
        && flow.protocol == number::GRE
        && gate::check(world.settings(), Class::Pptp, Reason::SwitchedOff).is_ok();
    if !by_first && gate::check(world.settings(), flow.class, Reason::SwitchedOff).is_err() {
        // The gateway's own VPN server is outside the switches.
        let route = world.route(world.arrival().ifindex, flow.source, flow.destination, flow.tos, 0);
        let local = route.towards == Towards::Local && !port_forward::exists(world, flow);
        return if local { Ok(Verdict::pass(Reason::ToGateway)) } else { Err(Reason::SwitchedOff) };
    }
    if world.settings().is_outside_address(flow.destination) {
        return hairpin(packet, world, flow, edit);
    }
    if flow.error || flow.part != Part::Whole || flow.tcp_flags & tcp::header::SYN != 0 {
        return Ok(Verdict::pass(Reason::NeedsStack));
    }
    let mut key = SessionKey::NONE;
    lookup::key(packet, flow, world, &mut key)?;
    Ok(match open::age(world, &key) {
        Age::Live => Verdict::SEND,
        // A server may answer from another port than the one that told its class (conformance O5): removed here, its
        // session would leave the packet to begin another.
        Age::SwitchedOff => Verdict::drop(Reason::SwitchedOffSession),
        // Renewed here, not left to the stack: the connection tracking there has not seen what went before.
        Age::Stale if !flow.has(progress::RENEWED) => Verdict::go_on(Step::Renew, flow.progress),
        Age::Stale | Age::None => Verdict::pass(Reason::FirstPacket),
    })
}

/// A packet from inside to an outside address: to whoever inside is bound there, as if it came from outside
/// (RFC 4787 REQ-9); else to the gateway itself.
#[inline(always)]
fn hairpin<P: Packet, W: World>(
    packet: &P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Result<Verdict, Reason> {
    let hairpinned = flow.progress | progress::HAIRPIN;
    if flow.error && flow.part == Part::Whole {
        return Ok(Verdict::go_on(Step::Error, hairpinned));
    }
    // The GRE of a call has a session or none; it waits for nobody.
    let has_ports = flow.space == Space::Ports;
    if flow.part != Part::Whole || (has_ports && !is_bound(world, flow) && !port_forward::exists(world, flow))
    {
        return Ok(Verdict::pass(Reason::ToGateway));
    }
    // One initiator SPI would stand for both of them where port 500 is kept.
    if (!has_ports && flow.space != Space::CallId) || lookup::keeps_ike_port(world, flow, true) {
        return Ok(Verdict::pass(Reason::ToGateway));
    }
    if open::reading_step(packet, flow, world) == Some(Step::Control) {
        return Ok(Verdict::go_on(Step::Control, hairpinned));
    }
    match find(packet, world, flow, edit)? {
        Found::Session => {
            let outbound =
                progress::OUTBOUND | progress::LAN | progress::OPENED | progress::RENEWED | progress::READ;
            Ok(Verdict::translate_and_go_on(Step::WanIngress, hairpinned & !outbound))
        }
        Found::Stale => Ok(Verdict::go_on(Step::Renew, hairpinned)),
        Found::SwitchedOff => Err(Reason::SwitchedOffSession),
        Found::Nothing if !has_ports => Ok(Verdict::pass(Reason::ToGateway)),
        Found::Nothing if flow.has(progress::OPENED) => Err(Reason::Contended),
        Found::Nothing => Ok(Verdict::go_on(Step::OpenOutbound, hairpinned)),
    }
}

/// Whether somebody inside is bound to the outside endpoint that a packet from inside is for.
#[inline(always)]
fn is_bound<W: World>(world: &W, flow: &Flow) -> bool {
    let outer = BindingKey::new(Direction::Inbound, flow.destination, flow.destination_port(), flow.protocol);
    let bound = world.bindings().update(
        &outer,
        #[inline(always)]
        |binding| binding.flags & flag::OWN == 0,
    );
    bound == Some(true)
}
