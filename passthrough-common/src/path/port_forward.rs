//! Port forwards: packets from outside for a host that the operator has named, and that host's answers.
//!
//! A packet that belongs to no session is translated and left to the kernel, and nothing is remembered: routing and the
//! operator's firewall see it, as they see a client's first packet. Its session is made where every other is, at WAN
//! egress, when the host answers; what follows goes by that. So what the firewall refuses leaves nothing to come in by,
//! and nobody outside can fill the table (conformance Z38).
//!
//! The forward holds at the outside address that its host has anyway (RFC 4787 REQ-2): where the pool has several, an
//! answer could not tell by which of them it was asked. Where evidence tells clients apart - ESP, IKE and L2TP on a port
//! that is kept - it comes first, and the forward is for what it leaves (conformance section 8 rule 2). The GRE of a PPTP
//! server belongs to its control connection; under a *plain* switch it goes where that goes.

use crate::abi::session::Rewrite;
use crate::abi::{BindingKey, Class, Forward, Reason, Settings, Space, Switch};
use crate::proto::{Flow, Part, endpoint, esp_ike, l2tp, number, progress, tcp_udp};
use crate::seam::{Table, World};
use crate::session::tcp;
use crate::wire::pptp;

use super::lookup::{Edit, keeps_ike_port};
use super::{classify, fragment, gate, source};

/// The outside end that this packet from outside would come in by.
#[inline(always)]
fn outside_end(flow: &Flow) -> BindingKey {
    match flow.space {
        Space::Ports => Forward::outside(flow.protocol, flow.destination_port()),
        Space::CallId => Forward::outside(number::TCP, pptp::PORT),
        _ => Forward::outside(flow.protocol, 0),
    }
}

/// Whether the operator has named a host for this packet from outside, or from inside to an outside address.
#[inline(always)]
pub fn exists<W: World>(world: &W, flow: &Flow) -> bool {
    leads_to(world, flow).is_some_and(|forward| forward.host != 0)
}

/// The forward of this packet, if its host has the outside address that the packet is for.
#[inline(always)]
fn leads_to<W: World>(world: &W, flow: &Flow) -> Option<Forward> {
    let forward = world.forwards().get(&outside_end(flow))?;
    if endpoint::outside_address(world, forward.host) == flow.destination { Some(forward) } else { None }
}

/// Whether evidence has to be asked first, and has not been.
#[inline(always)]
fn is_for_others<W: World>(world: &W, flow: &Flow) -> bool {
    let full = |class| world.settings().switch(class) == Switch::Full;
    match flow.space {
        Space::Identifier => true,
        // Only its control connection opens the way for it.
        Space::CallId => full(Class::Pptp),
        Space::Spi => full(Class::Esp) && !flow.has(progress::UNCLAIMED),
        Space::Ports => {
            let kept = keeps_ike_port(world, flow, false) || l2tp::is_kept(flow, world.settings(), false);
            kept && !flow.has(progress::UNCLAIMED)
        }
        _ => false,
    }
}

/// Puts what a forward does to an inbound packet without a session into `edit`; `true` if there is one.
///
/// # Errors
///
/// [`Reason::SwitchedOff`] (conformance O2), [`Reason::Spoofed`]; [`Reason::PptpGap`] for the middle of a control
/// connection that is not known; [`Reason::TableFull`] for a first fragment.
#[inline(always)]
pub fn inbound<W: World>(world: &W, flow: &mut Flow, edit: &mut Edit) -> Result<bool, Reason> {
    if is_for_others(world, flow) {
        return Ok(false);
    }
    let Some(forward) = leads_to(world, flow) else { return Ok(false) };
    if flow.space == Space::Ports {
        flow.class = class_at(world.settings(), flow, flow.destination_port(), flow.source);
    }
    gate::check(world.settings(), flow.class, Reason::SwitchedOff)?;
    source::may_open(world, flow, false)?;
    if flow.class == Class::Pptp
        && flow.space == Space::Ports
        && flow.tcp_flags & (tcp::header::SYN | tcp::header::ACK) != tcp::header::SYN
        && world.settings().switch(Class::Pptp) == Switch::Full
    {
        return Err(Reason::PptpGap);
    }
    edit.address = forward.host;
    edit.identification = flow.identification;
    edit.class = flow.class as u8;
    if flow.space == Space::Ports {
        edit.rewrite = Rewrite::Port as u8;
        edit.id = forward.port;
    }
    // A source that is the gateway's own address would not be let through by the kernel.
    edit.by_stack = !flow.has(progress::HAIRPIN);
    if flow.part == Part::First {
        fragment::first(world, flow, edit)?;
    }
    Ok(true)
}

/// The outside port of an outbound packet whose source a forward leads to, 0 if none does. The packet then is of the
/// class of that port: what a switch stops on the way in, it stops on the way out (conformance O3).
#[inline(always)]
pub fn outside_port<W: World>(world: &W, flow: &mut Flow) -> u16 {
    if flow.space != Space::Ports {
        return 0;
    }
    let key = Forward::inside(flow.protocol, (flow.source, flow.source_port()));
    let Some(forward) = world.forwards().get(&key) else { return 0 };
    flow.class = class_at(world.settings(), flow, forward.port, flow.destination);
    forward.port
}

/// Makes the session of a packet of a forward's host, which leaves from this outside port.
///
/// Apart from [`open::make_outbound`], for the verifier: the port has told it the class, and it would walk every
/// protocol's way once for each.
///
/// # Errors
///
/// [`Reason::SwitchedOff`], and as [`tcp_udp::open_forwarded`].
#[inline(always)]
pub fn answer<W: World>(world: &W, flow: &Flow, port: u16) -> Result<(), Reason> {
    gate::check(world.settings(), flow.class, Reason::SwitchedOff)?;
    tcp_udp::open_forwarded(world, flow, port)?;
    if flow.class == Class::NatT {
        esp_ike::floated(world, flow.source, flow.destination);
    }
    Ok(())
}

/// The class of a packet of a server at this outside port: the port's, if that has a switch, else the packet's own.
#[inline(always)]
fn class_at(settings: &Settings, flow: &Flow, port: u16, remote: u32) -> Class {
    match classify::by_port(settings, flow.protocol, port, remote) {
        Class::Tcp | Class::Udp => flow.class,
        class => class,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::seam::host::{Gateway, OUTSIDE};

    const A: u32 = 0xc0a8_010a;
    const B: u32 = 0xc0a8_010b;
    const S: u32 = 0xc633_640a;

    fn gateway(class: Class, switch: Switch) -> Gateway {
        let mut gateway = Gateway::default();
        gateway.settings.switches[class as usize] = switch as u8;
        gateway.arrival.set(crate::seam::host::arrival(crate::abi::Side::Outside));
        gateway
    }

    fn packet(protocol: u8, space: Space, selector: u32) -> Flow {
        let class = if protocol == number::TCP { Class::Tcp } else { Class::Udp };
        let class = if space == Space::Ports { class } else { classify::by_protocol(protocol, space) };
        Flow { source: S, destination: OUTSIDE, selector, protocol, space, class, ..Flow::EMPTY }
    }

    fn ports(protocol: u8, source: u16, destination: u16) -> Flow {
        packet(protocol, Space::Ports, u32::from(source) << 16 | u32::from(destination))
    }

    #[test]
    fn a_packet_is_translated_and_nothing_is_remembered() {
        let gateway = gateway(Class::Tcp, Switch::Full);
        gateway.forward(number::TCP, 8080, (B, 80));
        let (mut flow, mut edit) = (ports(number::TCP, 5000, 8080), Edit::NONE);
        assert_eq!(inbound(&gateway, &mut flow, &mut edit), Ok(true));
        assert_eq!((edit.address, edit.id, edit.rewrite), (B, 80, Rewrite::Port as u8));
        assert!(edit.by_stack && !edit.own);
        assert!(gateway.sessions.is_empty() && gateway.bindings.is_empty());
        assert_eq!(inbound(&gateway, &mut ports(number::UDP, 5000, 8080), &mut edit), Ok(false), "U18");
        flow.progress = progress::HAIRPIN;
        assert_eq!(inbound(&gateway, &mut flow, &mut edit), Ok(true));
        assert!(!edit.by_stack, "U12: its source is an address of the gateway");
    }

    #[test]
    fn the_servers_port_tells_the_class_and_a_clients_does_not() {
        let gateway = gateway(Class::NatT, Switch::Full);
        gateway.forward(number::TCP, 1723, (B, 1723));
        gateway.forward(number::TCP, 8080, (B, 80));
        for far in [4500, 5000] {
            let (mut flow, mut edit) = (ports(number::TCP, far, 1723), Edit::NONE);
            flow.class = Class::NatT;
            assert_eq!(inbound(&gateway, &mut flow, &mut edit), Err(Reason::SwitchedOff), "O2");
            assert_eq!((flow.class, edit), (Class::Pptp, Edit::NONE));
        }
        let mut answer = ports(number::TCP, 1723, 5000);
        (answer.source, answer.destination) = (B, S);
        assert_eq!(outside_port(&gateway, &mut answer), 1723);
        assert_eq!(answer.class, Class::Pptp, "O3");
        let mut other = Flow { source: A, ..ports(number::TCP, 1723, 5000) };
        assert_eq!((outside_port(&gateway, &mut other), other.class), (0, Class::Tcp), "O16");
    }

    #[test]
    fn evidence_comes_first_where_there_is_any() {
        let (mut edit, spi) = (Edit::NONE, packet(number::ESP, Space::Spi, 7));
        let full = gateway(Class::Esp, Switch::Full);
        full.forward(number::ESP, 0, (B, 0));
        assert_eq!(inbound(&full, &mut spi.clone(), &mut edit), Ok(false), "section 8 rule 6");
        let mut unclaimed = Flow { progress: progress::UNCLAIMED, ..spi };
        assert_eq!(inbound(&full, &mut unclaimed, &mut edit), Ok(true), "section 8 rule 2");
        assert_eq!((edit.address, edit.rewrite), (B, Rewrite::Address as u8));
        let plain = gateway(Class::Esp, Switch::Plain);
        plain.forward(number::ESP, 0, (B, 0));
        assert_eq!(inbound(&plain, &mut spi.clone(), &mut edit), Ok(true));
    }

    #[test]
    fn enhanced_gre_follows_the_control_connection_under_a_plain_switch_alone() {
        for (switch, found) in [(Switch::Full, Ok(false)), (Switch::Plain, Ok(true))] {
            let gateway = gateway(Class::Pptp, switch);
            gateway.forward(number::TCP, 1723, (B, 1723));
            let (mut call, mut edit) = (packet(number::GRE, Space::CallId, 7), Edit::NONE);
            assert_eq!(inbound(&gateway, &mut call, &mut edit), found, "P20, P26");
            assert!(!exists(&gateway, &packet(number::GRE, Space::GreKey, 7)));
        }
    }
}
