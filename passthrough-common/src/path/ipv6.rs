//! IPv6: not translated, but judged by its switch, behind whatever extension headers (RFC 8200, RFC 7112).

use crate::abi::session::flag;
use crate::abi::{Class, Fragment, FragmentKey, Reason, Space, Ticks};
use crate::proto::{Flow, number, progress};
use crate::seam::{Packet, Table, World};
use crate::wire::ipv6::{self, header};

use super::parse::{self, Network};
use super::{Action, Verdict, classify, fragment, gate};

/// For how long later fragments may follow their first.
const FRAGMENT_LIFE: Ticks = Ticks::from_secs(30);

/// What the chain of headers leads to.
struct Chain {
    protocol: u8,
    at: u32,
    end: u32,
    /// Saw an authentication header on the way.
    authenticated: bool,
    /// Whether the packet is a fragment, and not the first.
    fragment: bool,
    later: bool,
    /// Identification of the datagram, if it is a fragment.
    identification: u32,
    /// Where the fragment lies in its datagram, and how much it carries, in units of 8 bytes.
    offset: u32,
    covered: u8,
}

/// Lets the packet pass, or drops it if its switch is off. Puts class and length into the flow.
#[inline(always)]
pub fn judge<P: Packet, W: World>(packet: &mut P, world: &W, flow: &mut Flow) -> Verdict {
    let arrival = world.arrival();
    let mut network = Network { at: 0, is_v6: false };
    let found = parse::network(packet, &arrival, &mut network);
    if found.action() != Action::Proceed {
        return found;
    }
    let at = packet.forget(network.at);
    flow.ip_at = at;
    flow.end = packet.len();
    let Some(source) = address(packet, at + ipv6::SOURCE) else { return Verdict::drop(Reason::Malformed) };
    let Some(destination) = address(packet, at + ipv6::DESTINATION) else {
        return Verdict::drop(Reason::Malformed);
    };
    let outbound = flow.has(progress::OUTBOUND);
    let own = outbound && arrival.side.is_none() && !arrival.foreign;
    if own || destination[0] >> 24 == 0xff {
        return Verdict::pass(Reason::PassedIpv6);
    }
    let mut chain = Chain {
        protocol: 0,
        at: 0,
        end: 0,
        authenticated: false,
        fragment: false,
        later: false,
        identification: 0,
        offset: 0,
        covered: 0,
    };
    if let Err(reason) = walk(packet, at, &mut chain) {
        return Verdict::drop(reason);
    }
    flow.class = class(packet, world, &chain, outbound);
    match admit(world, &chain, flow.class, digest(&source, &destination)) {
        Ok(()) => Verdict::pass(Reason::PassedIpv6),
        Err(_) if world.is_local_v6(arrival.ifindex, &source, &destination) => {
            Verdict::pass(Reason::ToGateway)
        }
        Err(reason) => Verdict::drop(reason),
    }
}

/// An IPv6 address as four 32-bit numbers: arrays of bytes on the stack end in reads at odd offsets, which the
/// verifier refuses (6.18: "misaligned stack access").
#[inline(always)]
fn address<P: Packet>(packet: &P, at: u32) -> Option<[u32; 4]> {
    Some([packet.u32(at)?, packet.u32(at + 4)?, packet.u32(at + 8)?, packet.u32(at + 12)?])
}

/// Walks the extension headers (conformance S19).
#[inline(always)]
fn walk<P: Packet>(packet: &P, ip_at: u32, chain: &mut Chain) -> Result<(), Reason> {
    let Some(version) = packet.u8(ip_at) else { return Err(Reason::Malformed) };
    let Some(length) = packet.u16(ip_at + ipv6::PAYLOAD_LENGTH) else { return Err(Reason::Malformed) };
    let Some(first) = packet.u8(ip_at + ipv6::NEXT_HEADER) else { return Err(Reason::Malformed) };
    let start = ip_at + ipv6::LEN;
    let end = start + u32::from(length);
    if version >> 4 != 6 || length == 0 || end > packet.len() {
        return Err(Reason::Malformed);
    }
    chain.protocol = first;
    chain.at = start;
    chain.end = end;
    let mut headers = 0;
    while headers <= ipv6::HEADERS {
        let protocol = chain.protocol;
        let units = match protocol {
            header::HOP_BY_HOP if headers != 0 => return Err(Reason::Ipv6Chain),
            header::HOP_BY_HOP | header::ROUTING | header::DESTINATION => 8,
            header::MOBILITY | header::HIP | header::SHIM6 => 8,
            header::AUTHENTICATION => 4,
            header::FRAGMENT => 0,
            number::TCP | number::UDP if chain.at + 8 > end => return Err(Reason::Ipv6Chain),
            _ => return Ok(()),
        };
        if headers == ipv6::HEADERS || chain.at + 8 > end {
            return Err(Reason::Ipv6Chain);
        }
        let Some(word) = packet.u16(chain.at) else { return Err(Reason::Malformed) };
        let [next, size] = word.to_be_bytes();
        let size = match units {
            8 => (u32::from(size) + 1) * 8,
            4 => (u32::from(size) + 2) * 4,
            _ => 8,
        };
        if protocol == header::AUTHENTICATION {
            chain.authenticated = true;
        }
        if protocol == header::FRAGMENT {
            let Some(offset) = packet.u16(chain.at + 2) else { return Err(Reason::Malformed) };
            let Some(identification) = packet.u32(chain.at + 4) else { return Err(Reason::Malformed) };
            if chain.fragment {
                return Err(Reason::Ipv6Chain);
            }
            // An atomic fragment stands alone (RFC 6946).
            chain.fragment = offset & 0xfff9 != 0;
            chain.identification = identification;
            chain.later = offset & 0xfff8 != 0;
            chain.offset = u32::from(offset >> 3);
            chain.covered = fragment::covered(end - chain.at - 8);
        }
        chain.protocol = next;
        let at = chain.at + size;
        // Before what is forgotten: an offset beyond 1023 would come back as one that lies within the chain.
        if at > end || at > start + ipv6::CHAIN {
            return Err(Reason::Ipv6Chain);
        }
        // Bounded anew, so that the verifier need not remember how the walk came here.
        chain.at = packet.forget_far(at);
        if chain.later {
            return Ok(());
        }
        headers += 1;
    }
    Err(Reason::Ipv6Chain)
}

/// The class of what the chain leads to.
#[inline(always)]
fn class<P: Packet, W: World>(packet: &P, world: &W, chain: &Chain, outbound: bool) -> Class {
    if chain.authenticated {
        return Class::Ah;
    }
    let tcp_or_udp = chain.protocol == number::TCP || chain.protocol == number::UDP;
    // The first fragment must hold the ports (RFC 7112): without them there is no class, and no way through.
    if chain.later && tcp_or_udp {
        return Class::Other;
    }
    if tcp_or_udp {
        let ports = packet.u32(chain.at).unwrap_or(0);
        let by_port = |port| classify::by_port(world.settings(), chain.protocol, port, 0);
        let (source, destination) = ((ports >> 16) as u16, ports as u16);
        let (near, far) = if outbound { (source, destination) } else { (destination, source) };
        return match by_port(far) {
            Class::Tcp | Class::Udp if !outbound || near == 500 => by_port(near),
            class => class,
        };
    }
    if chain.protocol == number::GRE {
        // Version 1 belongs to PPTP; a later fragment does not tell, and must pass both switches.
        let enhanced = packet.u16(chain.at).unwrap_or(1) & 7 == 1;
        let off = gate::check(world.settings(), Class::Pptp, Reason::SwitchedOff).is_err();
        return if (chain.later && off) || (!chain.later && enhanced) { Class::Pptp } else { Class::Gre };
    }
    classify::by_protocol(chain.protocol, Space::Host)
}

/// Passes the switch, and its siblings after it.
#[inline(always)]
fn admit<W: World>(world: &W, chain: &Chain, class: Class, hosts: u64) -> Result<(), Reason> {
    gate::check(world.settings(), class, Reason::SwitchedOff)?;
    if !chain.fragment {
        return Ok(());
    }
    if chain.protocol != number::TCP && chain.protocol != number::UDP {
        return Ok(());
    }
    let key = FragmentKey::v6(hosts, chain.identification);
    let now = world.now();
    if chain.later {
        let Some(first) = world.fragments().get(&key) else {
            return if gate::ports_matter(world.settings()) { Err(Reason::FragmentOrphan) } else { Ok(()) };
        };
        if now.since(first.opened) > FRAGMENT_LIFE {
            return Err(Reason::FragmentOrphan);
        }
        if chain.offset < u32::from(first.covered) {
            // RFC 5722 gives up the whole datagram.
            world.fragments().remove(&key);
            return Err(Reason::FragmentTiny);
        }
        return gate::check(world.settings(), Class::from_index(first.class), Reason::SwitchedOff);
    }
    let first = Fragment {
        address: 1,
        opened: now,
        reserved: 0,
        identification: 0,
        class: class as u8,
        covered: chain.covered,
        flags: flag::OWN,
        generation: 0,
    };
    world.fragments().remove(&key);
    let _full = world.fragments().insert(&key, &first);
    Ok(())
}

/// A digest of both addresses, good enough to keep a few thousand datagrams apart for half a minute.
#[inline(always)]
fn digest(source: &[u32; 4], destination: &[u32; 4]) -> u64 {
    let mut digest = 0xcbf2_9ce4_8422_2325_u64;
    let mut index = 0;
    while index < 4 {
        let word = u64::from(source[index]) << 32 | u64::from(destination[index]);
        digest = (digest ^ word).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        digest ^= digest >> 32;
        index += 1;
    }
    digest
}
