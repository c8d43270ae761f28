//! The stages of a step: read, decide, act; and what becomes of a packet is counted.

use crate::abi::names::Step;
use crate::abi::{Class, Counter, Direction, Reason};
use crate::proto::gre_pptp::control;
use crate::proto::{Flow, esp_ike, icmp, l2tp, progress, tcp_udp};
use crate::seam::{Hop, Packet, Remote, Towards, World};

use super::forward::{self, Path};
use super::lookup::Edit;
use super::parse::{self, Network};
use super::{Action, Hook, Verdict, classify, hook, ipv6, open, port_forward, renew, source, translate};

/// What a packet has been through when it is new at a hook.
pub const fn initial(hook: Hook) -> u32 {
    match hook {
        Hook::WanEgress => progress::OUTBOUND,
        Hook::LanIngress => progress::OUTBOUND | progress::LAN,
        Hook::WanIngress => 0,
    }
}

/// Reads the packet: parse and classify. Anything but [`Verdict::PROCEED`] is its fate, or the step that it needs first.
#[inline(always)]
pub fn read<P: Packet, W: World>(step: Step, packet: &P, world: &W, passed: u32, flow: &mut Flow) -> Verdict {
    flow.progress = passed;
    if step == Step::Ipv6 {
        // It does its own reading.
        return Verdict::PROCEED;
    }
    flow.end = packet.len();
    let mut network = Network { at: 0, is_v6: false };
    let found = parse::network(packet, &world.arrival(), &mut network);
    if found.action() != Action::Proceed {
        return found;
    }
    if network.is_v6 {
        return Verdict::go_on(Step::Ipv6, passed);
    }
    if let Err(reason) = parse::ipv4(packet, network.at, flow) {
        return Verdict::drop(reason);
    }
    flow.class = classify::classify(world.settings(), flow, flow.has(progress::OUTBOUND));
    if flow.options && !flow.has(progress::OPTIONS) && step != Step::Options {
        return Verdict::go_on(Step::Options, passed);
    }
    Verdict::PROCEED
}

/// Does what the step is for.
#[inline(always)]
pub fn decide<P: Packet, W: World>(
    step: Step,
    packet: &mut P,
    world: &W,
    flow: &mut Flow,
    edit: &mut Edit,
) -> Verdict {
    match step {
        Step::WanEgress => hook::wan_egress(packet, world, flow, edit).unwrap_or_else(Verdict::drop),
        Step::WanIngress => hook::wan_ingress(packet, world, flow, edit).unwrap_or_else(Verdict::drop),
        Step::LanIngress => hook::lan_ingress(packet, world, flow, edit).unwrap_or_else(Verdict::drop),
        Step::OpenOutbound => {
            let own = hook::is_own(world, flow);
            if let Err(reason) = source::may_open(world, flow, own) {
                return Verdict::drop(reason);
            }
            let port = if own { 0 } else { port_forward::outside_port(world, flow) };
            if port != 0 {
                return go_on(port_forward::answer(world, flow, port), flow, progress::OPENED);
            }
            go_on(open::make_outbound(world, flow, own), flow, progress::OPENED)
        }
        Step::OpenInbound => {
            match source::may_open(world, flow, false).and_then(|()| tcp_udp::open_inbound(world, flow)) {
                Ok(true) => Verdict::pass(Reason::ToGateway),
                result => go_on(result.map(|_| ()), flow, progress::OPENED),
            }
        }
        // Stale again although renewed a moment ago: another processor has changed it.
        Step::Renew if flow.has(progress::RENEWED) => Verdict::drop(Reason::Contended),
        Step::Renew => Verdict::go_on(resume(flow), renew::session(packet, flow, world)),
        Step::Control => match control::read(packet, flow, world) {
            Ok(control::Read::More) => Verdict::go_on(Step::Control, flow.progress),
            Ok(control::Read::Done) => go_on(Ok(()), flow, progress::READ),
            // A SYN: its session comes first, and then it is read.
            Err(Reason::FirstPacket) => go_on(Ok(()), flow, progress::READ),
            Err(reason) => Verdict::drop(reason),
        },
        Step::Error => error(packet, world, flow),
        Step::Ipv6 => ipv6::judge(packet, world, flow),
        Step::Esp | Step::IkeOutbound | Step::IkeInbound | Step::L2tp => {
            if let Err(reason) = source::may_open(world, flow, hook::is_own(world, flow)) {
                return Verdict::drop(reason);
            }
            match step {
                Step::Esp => {
                    let result = esp_ike::esp(packet, flow, world);
                    if result == Err(Reason::EspUnsolicited) && port_forward::exists(world, flow) {
                        return unclaimed(flow);
                    }
                    go_on(result, flow, progress::OPENED | progress::READ)
                }
                Step::IkeOutbound => ike(esp_ike::ike_outbound(packet, flow, world), world, flow),
                Step::IkeInbound => ike(esp_ike::ike_inbound(packet, flow, world), world, flow),
                _ => match l2tp::step(packet, flow, world) {
                    // The gateway's own L2TP server.
                    Err(Reason::ToGateway) => Verdict::pass(Reason::ToGateway),
                    Err(Reason::L2tpUnknown) if port_forward::exists(world, flow) => unclaimed(flow),
                    result => go_on(result, flow, progress::OPENED | progress::READ),
                },
            }
        }
        // It has no packet to decide on.
        Step::Reclaim => Verdict::drop(Reason::TableFull),
        Step::Options => go_on(parse::options(packet, flow), flow, progress::OPTIONS),
    }
}

/// Translates an error. One about a hairpinned packet is the answer of the one inside host to the other: translated as if
/// it left, and then as if it came back (conformance I9).
#[inline(always)]
fn error<P: Packet, W: World>(packet: &mut P, world: &W, flow: &Flow) -> Verdict {
    let result = icmp::error(packet, flow, world);
    if !flow.has(progress::HAIRPIN) {
        return Verdict::or_drop(result, Verdict::pass(Reason::Forwarded));
    }
    let step = if flow.has(progress::OUTBOUND) { Step::Error } else { Step::WanIngress };
    if step == Step::Error && result == Err(Reason::IcmpNoSession) {
        // About what the gateway itself has sent.
        return Verdict::pass(Reason::ToGateway);
    }
    Verdict::or_drop(result, Verdict::go_on(step, progress::HAIRPIN))
}

/// What becomes of IKE that has been read: the gateway's own daemon may be meant.
#[inline(always)]
fn ike<W: World>(result: Result<(), Reason>, world: &W, flow: &Flow) -> Verdict {
    if result == Err(Reason::FirstPacket) {
        return unclaimed(flow);
    }
    let unknown = result == Err(Reason::Unsolicited) || result == Err(Reason::IkeAmbiguous);
    if unknown {
        let local = (flow.destination, flow.destination_port());
        if world.has_listener(local, &Remote::new(flow.protocol, (flow.source, flow.source_port()))) {
            return Verdict::pass(Reason::ToGateway);
        }
    }
    go_on(result, flow, progress::OPENED | progress::READ)
}

/// An inbound packet that no evidence gives to a client goes to the host that the operator has named.
#[inline(always)]
const fn unclaimed(flow: &Flow) -> Verdict {
    Verdict::go_on(Step::WanIngress, flow.progress | progress::UNCLAIMED | progress::READ)
}

/// Translates, finds the way out, puts it into `hop`.
#[inline(always)]
pub fn act<P: Packet, W: World>(
    packet: &mut P,
    world: &W,
    flow: &Flow,
    edit: &Edit,
    verdict: Verdict,
    hop: &mut Hop,
) -> Verdict {
    let translates = match verdict.action() {
        Action::TranslateAndPass | Action::TranslateAndDeliver | Action::TranslateAndContinue => true,
        Action::Send => false,
        _ => return verdict,
    };
    if translates && let Err(reason) = translate::apply(packet, flow, edit, 0) {
        return Verdict::drop(reason);
    }
    let path = match verdict.action() {
        Action::TranslateAndPass => return Verdict::pass(Reason::Forwarded),
        Action::TranslateAndContinue => {
            return Verdict::go_on_index(verdict.step_index(), verdict.progress());
        }
        Action::TranslateAndDeliver if edit.own || edit.by_stack => return Verdict::pass(Reason::Forwarded),
        Action::TranslateAndDeliver => Path {
            source: flow.source,
            destination: edit.address,
            towards: Towards::Inside,
            otherwise: Verdict::pass(Reason::Forwarded),
        },
        _ => Path {
            source: flow.source,
            destination: flow.destination,
            towards: Towards::Outside,
            otherwise: Verdict::pass(Reason::NeedsStack),
        },
    };
    forward::send(packet, flow, world, &path, hop)
}

/// Counts a packet whose fate is known.
///
/// What a LAN interface sends on is counted where it is translated; only what it drops is counted there.
#[inline(always)]
pub fn count<W: World>(world: &W, flow: &Flow, verdict: Verdict) {
    if flow.has(progress::LAN) && verdict.action() != Action::Drop {
        return;
    }
    let direction = if flow.has(progress::OUTBOUND) { Direction::Outbound } else { Direction::Inbound };
    world.count(Counter::index(flow.class as u8, direction, verdict.reason_code()), flow.length());
}

/// The step that goes on after one that has made or read something.
#[inline(always)]
fn resume(flow: &Flow) -> Step {
    if flow.has(progress::LAN) {
        Step::LanIngress
    } else if flow.has(progress::OUTBOUND) {
        Step::WanEgress
    } else {
        Step::WanIngress
    }
}

/// Turns a step's result into the way on. What has a session only now is read now: a PPTP connection's SYN.
#[inline(always)]
fn go_on(result: Result<(), Reason>, flow: &Flow, done: u32) -> Verdict {
    let unread = if flow.class == Class::Pptp && done == progress::OPENED { progress::READ } else { 0 };
    Verdict::or_drop(result, Verdict::go_on(resume(flow), (flow.progress & !unread) | done))
}
