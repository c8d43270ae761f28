//! Open: what happens to a packet that has no session.
//!
//! From inside it is given one, at WAN egress: the kernel has routed it and the operator's firewall has let it
//! through. From outside it is given one only if something inside waits for it.

use crate::abi::names::Step;
use crate::abi::session::flag;
use crate::abi::{Class, Reason, SessionKey, Space, Switch, View};
use crate::proto::by_address::{self, By};
use crate::proto::{Flow, esp_ike, gre_pptp, l2tp, number, progress, tcp_udp};
use crate::seam::{Packet, Remote, Table, Towards, World};
use crate::session::tcp;
use crate::wire::{pptp, transport};

use super::lookup::{Edit, is_stale, keeps_ike_port};
use super::{Verdict, gate, port_forward};

/// The verdict for an outbound packet without a session: which step makes one.
#[inline(always)]
pub fn outbound<W: World>(world: &W, flow: &Flow, own: bool) -> Verdict {
    let own_tunnel = own && flow.space != Space::Ports && flow.space != Space::Identifier;
    // Asked before anything else: its session goes by addresses, so a look-up by what the packet shows finds none.
    if own_tunnel && is_own_tunnel(world, flow) {
        return Verdict::pass(Reason::Forwarded);
    }
    if flow.has(progress::OPENED) {
        return Verdict::drop(Reason::Contended);
    }
    if own && flow.protocol == number::TCP && flow.tcp_flags & tcp::header::SYN == 0 {
        // The gateway answers as a server, or began before the program did: its port is its own either way.
        return Verdict::pass(Reason::Forwarded);
    }
    if own_tunnel {
        return Verdict::go_on(Step::OpenOutbound, flow.progress);
    }
    if !own && let Err(reason) = gate::check(world.settings(), flow.class, Reason::SwitchedOff) {
        return Verdict::drop(reason);
    }
    let full = world.settings().switch(flow.class) == Switch::Full;
    let step = match flow.class {
        Class::Esp if full => Step::Esp,
        Class::L2tp if full && flow.space == Space::Ports && l2tp::is_kept(flow, world.settings(), true) => {
            Step::L2tp
        }
        _ => Step::OpenOutbound,
    };
    Verdict::go_on(step, flow.progress)
}

/// Makes the session of an outbound packet that goes by ports or by addresses alone.
///
/// # Errors
///
/// The protocol's reason, or [`Reason::Spoofed`].
#[inline(always)]
pub fn make_outbound<W: World>(world: &W, flow: &Flow, own: bool) -> Result<(), Reason> {
    match flow.space {
        Space::Ports | Space::Identifier => {
            tcp_udp::open_outbound(world, flow, own)?;
            if flow.class == Class::NatT {
                esp_ike::floated(world, flow.source, flow.destination);
            }
            Ok(())
        }
        // Whatever the gateway's own tunnels are, they need no telling apart: their server's packets are its own.
        _ if own => by_address::pair(
            world,
            flow,
            &By { class: flow.class, space: Space::Host, selector: 0, conflict: Reason::HostConflict },
        ),
        Space::CallId | Space::GreKey => gre_pptp::open_outbound(flow, world),
        Space::Host if flow.protocol == number::GRE => gre_pptp::open_outbound(flow, world),
        // Full is for the step that learns.
        Space::Spi => by_address::pair(
            world,
            flow,
            &By { class: flow.class, space: Space::Spi, selector: 0, conflict: Reason::HostConflict },
        ),
        _ => by_address::open_outbound(flow, world),
    }
}

/// The verdict for an inbound packet without a session.
///
/// # Errors
///
/// Those of [`port_forward::inbound`].
#[inline(always)]
pub fn inbound<W: World>(world: &W, flow: &mut Flow, edit: &mut Edit) -> Result<Verdict, Reason> {
    if flow.has(progress::OPENED) {
        return Err(Reason::Contended);
    }
    let has_ports = flow.space == Space::Ports;
    if !has_ports {
        if flow.class == Class::Other || flow.space == Space::Identifier {
            // Pings to the gateway, routing protocols: for the stack and its firewall.
            return Ok(Verdict::pass(Reason::ToGateway));
        }
        if is_own_tunnel(world, flow) {
            return Ok(Verdict::pass(Reason::ToGateway));
        }
    }
    if port_forward::inbound(world, flow, edit)? {
        return Ok(Verdict::TRANSLATE_AND_DELIVER);
    }
    Ok(unforwarded(world, flow))
}

/// The verdict for an inbound packet without a session that no forward leads anywhere.
#[inline(always)]
fn unforwarded<W: World>(world: &W, flow: &Flow) -> Verdict {
    if flow.space == Space::Ports {
        if gate::check(world.settings(), flow.class, Reason::SwitchedOff).is_err() {
            // The gateway's own VPN server is outside the switches (conformance O26).
            let local = (flow.destination, flow.destination_port());
            let served =
                world.has_listener(local, &Remote::new(flow.protocol, (flow.source, flow.source_port())));
            return if served {
                Verdict::pass(Reason::ToGateway)
            } else {
                Verdict::drop(Reason::SwitchedOff)
            };
        }
        let full = world.settings().switch(flow.class) == Switch::Full;
        let kept = flow.class == Class::L2tp && full && l2tp::is_kept(flow, world.settings(), false);
        return Verdict::go_on(if kept { Step::L2tp } else { Step::OpenInbound }, flow.progress);
    }
    if let Err(reason) = gate::check(world.settings(), flow.class, Reason::SwitchedOff) {
        return Verdict::drop(reason);
    }
    match flow.class {
        Class::Esp if world.settings().switch(Class::Esp) == Switch::Full => {
            Verdict::go_on(Step::Esp, flow.progress)
        }
        Class::Pptp if world.settings().switch(Class::Pptp) == Switch::Full => {
            Verdict::drop(Reason::GreNoCall)
        }
        Class::Ah => Verdict::drop(Reason::AhNat),
        _ => Verdict::drop(Reason::Unsolicited),
    }
}

/// Whether the gateway itself has a tunnel of this protocol with this server. Asking keeps it alive.
#[inline(always)]
fn is_own_tunnel<W: World>(world: &W, flow: &Flow) -> bool {
    let (view, remote, local) = if flow.has(progress::OUTBOUND) {
        (View::Outbound, flow.destination, flow.source)
    } else {
        (View::Inbound, flow.source, flow.destination)
    };
    let key = SessionKey::new(view, remote, local, flow.protocol, Space::Host, 0);
    let now = world.now();
    let own = world.sessions().update(
        &key,
        #[inline(always)]
        |session| {
            // A client's session is none of this packet's: it must not be kept alive by it (conformance U8).
            let own = session.has(flag::OWN);
            if own {
                session.seen = now;
                session.count(flow.length());
            }
            own
        },
    );
    own == Some(true)
}

/// The verdict for a packet that arrives from outside for an address that is none of the pool.
#[inline(always)]
pub fn not_ours<W: World>(world: &W, flow: &Flow) -> Verdict {
    match world.route(world.arrival().ifindex, flow.source, flow.destination, flow.tos, 0).towards {
        Towards::Local => Verdict::pass(Reason::ToGateway),
        Towards::Nowhere => Verdict::pass(Reason::NoRoute),
        _ => Verdict::drop(Reason::NotTranslated),
    }
}

/// What a hook that does not translate finds of a packet's session.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Age {
    /// It lives.
    Live,
    /// It must be renewed first.
    Stale,
    /// It lives, but its switch is off.
    SwitchedOff,
    /// There is none.
    None,
}

/// Whether a packet's session lives, without letting it see the packet: for the hook that comes before the one that
/// translates.
#[inline(always)]
pub fn age<W: World>(world: &W, key: &SessionKey) -> Age {
    let (settings, now) = (world.settings(), world.now());
    let age = world.sessions().update(
        key,
        #[inline(always)]
        |session| {
            if !session.has(flag::OWN) && settings.switch(session.class()) == Switch::Off {
                Age::SwitchedOff
            } else if is_stale(settings, now, session) {
                Age::Stale
            } else {
                Age::Live
            }
        },
    );
    age.unwrap_or(Age::None)
}

/// Which step must read this packet before it is looked up; `None` for almost every packet.
#[inline(always)]
pub fn reading_step<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> Option<Step> {
    if flow.has(progress::READ) || flow.space != Space::Ports {
        return None;
    }
    let outbound = flow.has(progress::OUTBOUND);
    // By either port, since a server inside answers to any. What is none of PPTP's has no such session.
    let is_control = flow.protocol == number::TCP
        && (flow.source_port() == pptp::PORT || flow.destination_port() == pptp::PORT);
    let full = world.settings().switch(if is_control { Class::Pptp } else { flow.class }) == Switch::Full;
    match flow.class {
        _ if is_control && full => {
            let news = tcp::header::SYN | tcp::header::FIN | tcp::header::RST;
            let offset = packet.u8(flow.l4_at + transport::tcp::DATA_OFFSET).unwrap_or(0);
            let has_data = flow.l4_at + u32::from(offset >> 4) * 4 < flow.end;
            if has_data || flow.tcp_flags & news != 0 { Some(Step::Control) } else { None }
        }
        Class::Ike if keeps_ike_port(world, flow, outbound) => {
            Some(if outbound { Step::IkeOutbound } else { Step::IkeInbound })
        }
        Class::L2tp if full && outbound && l2tp::is_kept(flow, world.settings(), outbound) => {
            if l2tp::must_read(packet, flow) {
                Some(Step::L2tp)
            } else {
                None
            }
        }
        _ => None,
    }
}
