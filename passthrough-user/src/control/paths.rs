//! Which path each interface takes - XDP in the driver, XDP in the stack, or TC - and why.
//!
//! What cannot be seen beforehand is tried: a driver that refuses leaves its error number with the interface.

use std::{collections::BTreeMap, io};

use passthrough_common::abi::{Interface, Link, Settings, Side, names::program, settings::port};

use super::{features, offload};
use crate::{
    config::{
        Mode, Network,
        network::{Device, Kind, XdpProgram},
    },
    loader::{Pins, attach},
    tables::Tables,
};

/// Error numbers of a refused program (uapi/asm-generic/errno.h).
const EBUSY: i32 = 16;
const EEXIST: i32 = 17;
const EINVAL: i32 = 22;
const ERANGE: i32 = 34;
const EOPNOTSUPP: i32 = 95;

/// The path of an interface.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Path {
    /// Index of the interface.
    pub index: u32,
    /// `xdp`, `xdp-generic` or `tc`.
    pub name: &'static str,
    /// Why it is not XDP, or what of XDP is missing; empty if nothing is.
    pub why: String,
}

/// The program of the fast path for a side.
pub fn program(side: Side) -> &'static str {
    match side {
        Side::Inside => program::FAST_LAN,
        Side::Outside => program::FAST_WAN,
    }
}

/// Our XDP programs by the interface that they are linked to: interface index to program id.
pub fn linked(pins: &Pins) -> anyhow::Result<BTreeMap<u32, u32>> {
    let links = pins.links()?.into_iter().filter(|(name, ..)| program::FAST.contains(name));
    Ok(links.filter_map(|(_, index, pin)| Some((index, attach::linked_program(&pin).ok()??))).collect())
}

/// The program that runs on a device, if it is ours; `own` is the id behind our link.
pub fn ours(device: &Device, own: Option<u32>) -> Option<XdpProgram> {
    device.xdp.filter(|program| own == Some(program.id))
}

/// What is wished for.
#[derive(Clone, Copy, Debug)]
pub struct Wish<'a> {
    /// The mode.
    pub mode: Mode,
    /// The machine's network.
    pub network: &'a Network,
    /// Whether `auto` may trust devices like veth to hand over finished checksums.
    pub trusting: bool,
}

/// Whether what comes from a device may have checksums that its sender has left to be finished by hardware. The stack
/// knows of each packet; XDP does not, and what it sends on would be dropped by the receiver. (Seen with TCP over veth
/// on 6.18. Looking at the checksum does not tell, since it may be that of a packet inside a tunnel.)
fn leaves_checksums(device: &Device) -> bool {
    matches!(device.kind, Kind::Veth | Kind::Tap)
}

/// Why a device does not take the fast path, as far as that shows before its driver is asked. `takes_tags` says whether
/// an interface takes VLAN tags out of frames before XDP sees them.
pub fn obstacle(
    wish: &Wish<'_>,
    device: &Device,
    own: Option<u32>,
    takes_tags: impl Fn(&str) -> bool,
) -> Option<String> {
    let Wish { mode, network, trusting } = *wish;
    if mode == Mode::Tc {
        return Some("as asked (`--mode tc`)".into());
    }
    if device.link != Some(Link::Ethernet) {
        return Some("its packets have no Ethernet header".into());
    }
    // Generic XDP runs wherever the stack receives; native XDP runs below all of these.
    if mode != Mode::Generic {
        match device.kind {
            Kind::Bridge => return Some("a bridge: packets come to it through the stack".into()),
            Kind::Vlan => return Some("a VLAN: packets come to it through the stack".into()),
            Kind::Veth | Kind::Tap | Kind::Other => {}
        }
    }
    if mode == Mode::Auto && !trusting && leaves_checksums(device) {
        return Some(
            "a virtual device: checksums may come unfinished, which XDP cannot see (`--mode xdp` trusts it)"
                .into(),
        );
    }
    // A tag that is out of the frame makes a VLAN's packets look like those of the interface itself.
    let vlans: Vec<&str> = network.vlans_on(device.index).map(|vlan| vlan.name.as_str()).collect();
    if !vlans.is_empty() && device.kind == Kind::Veth {
        return Some(format!("a veth hands VLAN tags over beside the frame, and has {}", vlans.join(", ")));
    }
    if !vlans.is_empty() && takes_tags(&device.name) {
        return Some(format!(
            "it takes the VLAN tags of {} out before XDP sees them: `ethtool -K {} rxvlan off`",
            vlans.join(", "),
            device.name
        ));
    }
    match device.xdp {
        Some(program) if own != Some(program.id) => {
            Some(format!("another XDP program runs on it (id {})", program.id))
        }
        _ => None,
    }
}

/// Whether an interface takes VLAN tags out of received frames; taken for granted where it cannot be told.
pub fn takes_tags(interface: &str) -> bool {
    offload::is_on(interface, "rx-vlan-offload").unwrap_or(true)
}

/// What a driver's refusal means, with the kernel's words.
pub fn refused(errno: i32, device: &Device) -> String {
    let error = io::Error::from_raw_os_error(errno).to_string();
    let words = error.split(" (os error").next().unwrap_or_default().to_lowercase();
    let basic = device.features.is_some_and(|features| features & features::BASIC != 0);
    match errno {
        // virtio and others say so where an offload is in the way.
        EOPNOTSUPP if basic => format!(
            "its driver refused XDP ({words}): often for offloads (`ethtool -K {} lro off rx-gro-hw off`)",
            device.name
        ),
        EOPNOTSUPP => format!("its driver has no native XDP ({words})"),
        EBUSY | EEXIST => format!("another XDP program stands in the way ({words})"),
        EINVAL | ERANGE => {
            format!("its driver refused XDP ({words}): often the MTU, now {}, or offloads", device.mtu)
        }
        _ => format!("its driver refused XDP ({words})"),
    }
}

/// Whether frames may be redirected to a device on which our program runs, and what is to be said of it.
fn transmits(device: &Device, native: bool) -> (bool, &'static str) {
    // What generic XDP redirects goes out as the stack's own packets do.
    if !native {
        return (true, "");
    }
    match (device.features, device.kind) {
        (Some(features), _) if features & features::TRANSMIT != 0 => (true, ""),
        (_, Kind::Veth) => (
            false,
            "packets towards it take TC: its peer has neither GRO on nor an XDP program, and so takes no redirected frames",
        ),
        (Some(_), _) => (false, "packets towards it take TC: its driver does not transmit redirected frames"),
        (None, _) => (true, "this kernel does not tell whether the driver transmits redirected frames"),
    }
}

/// An interface as it should stand in the table, given its device now; `own` is the id behind our XDP link.
pub fn settled(interface: &Interface, device: &Device, own: Option<u32>) -> Interface {
    let (address_head, address_tail) = Interface::split(device.address.unwrap_or_default());
    let fast = ours(device, own).is_some_and(|program| transmits(device, program.native).0);
    let flags = if fast { interface.flags | port::FAST } else { interface.flags & !port::FAST };
    Interface { mtu: device.mtu, address_head, address_tail, flags, ..*interface }
}

/// A line for the operator on a device that is trusted with checksums because a mode asks for it.
pub fn caution(device: &Device, own: Option<u32>) -> Option<String> {
    (leaves_checksums(device) && ours(device, own).is_some()).then(|| {
        format!(
            "{0} is a virtual device: whoever sends through it must finish checksums (`ethtool -K PEER tx off` at its other \
             end), or what XDP sends on will be dropped as damaged",
            device.name
        )
    })
}

/// The path that an interface takes.
fn path(
    wish: &Wish<'_>,
    device: &Device,
    interface: &Interface,
    own: Option<u32>,
    takes_tags: impl Fn(&str) -> bool,
) -> Path {
    let of = |name, why| Path { index: device.index, name, why };
    if let Some(program) = ours(device, own) {
        let name = if program.native { "xdp" } else { "xdp-generic" };
        return of(name, transmits(device, program.native).1.into());
    }
    let why = obstacle(wish, device, own, takes_tags).unwrap_or_else(|| match interface.refusal {
        0 => "it could take XDP: `passthrough up` again".into(),
        errno => refused(errno as i32, device),
    });
    of("tc", why)
}

/// The path of every interface that there is.
pub fn all(tables: &Tables, network: &Network, settings: &Settings) -> anyhow::Result<Vec<Path>> {
    let linked = linked(tables.pins())?;
    let interfaces = tables.interfaces()?;
    let wish = Wish { mode: Mode::of(settings), network, trusting: false };
    let there =
        interfaces.values().filter_map(|interface| Some((interface, network.by_index(interface.index)?)));
    Ok(there
        .map(|(interface, device)| {
            let own = linked.get(&device.index).copied();
            path(&wish, device, interface, own, takes_tags)
        })
        .collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn device(kind: Kind) -> Device {
        Device {
            index: 2,
            name: "lan0".into(),
            link: Some(Link::Ethernet),
            mtu: 9000,
            kind,
            address: Some([2, 0, 0, 0, 0, 1]),
            ..Device::default()
        }
    }

    fn vlan() -> Device {
        Device { index: 5, name: "lan0.7".into(), lower: Some(2), ..device(Kind::Vlan) }
    }

    fn why(mode: Mode, device: &Device, others: &[Device]) -> Option<String> {
        let network = Network { devices: others.to_vec(), ..Network::default() };
        obstacle(&Wish { mode, network: &network, trusting: false }, device, Some(10), |_| true)
    }

    #[test]
    fn a_plain_ethernet_device_is_tried() {
        for mode in [Mode::Auto, Mode::Xdp, Mode::Generic] {
            assert_eq!(why(mode, &device(Kind::Other), &[]), None);
        }
        assert!(why(Mode::Tc, &device(Kind::Other), &[]).expect("a reason").contains("--mode tc"));
    }

    #[test]
    fn devices_above_the_driver_take_tc_or_generic_xdp() {
        for kind in [Kind::Bridge, Kind::Vlan] {
            assert!(why(Mode::Auto, &device(kind), &[]).is_some());
            assert_eq!(why(Mode::Generic, &device(kind), &[]), None);
        }
        let raw = Device { link: Some(Link::Raw), ..device(Kind::Other) };
        assert!(why(Mode::Generic, &raw, &[]).expect("a reason").contains("Ethernet"));
    }

    #[test]
    fn devices_with_unfinished_checksums_take_tc_unless_xdp_is_asked_for() {
        let network = Network::default();
        for kind in [Kind::Veth, Kind::Tap] {
            assert!(why(Mode::Auto, &device(kind), &[]).expect("a reason").contains("checksums"));
            assert_eq!(why(Mode::Xdp, &device(kind), &[]), None);
            let trusting = Wish { mode: Mode::Auto, network: &network, trusting: true };
            assert_eq!(obstacle(&trusting, &device(kind), None, |_| true), None);
            let running = Device { xdp: Some(XdpProgram { id: 10, native: true }), ..device(kind) };
            assert!(caution(&running, Some(10)).is_some() && caution(&running, None).is_none());
        }
    }

    #[test]
    fn tags_that_are_taken_out_keep_xdp_off_and_the_cure_is_named() {
        let sentence = why(Mode::Auto, &device(Kind::Other), &[vlan()]).expect("a reason");
        assert!(sentence.contains("lan0.7") && sentence.contains("ethtool -K lan0 rxvlan off"), "{sentence}");
        let network = Network { devices: vec![vlan()], ..Network::default() };
        let wish = Wish { mode: Mode::Xdp, network: &network, trusting: false };
        assert_eq!(obstacle(&wish, &device(Kind::Other), None, |_| false), None);
        // On veth no setting of this end helps.
        assert!(obstacle(&wish, &device(Kind::Veth), None, |_| false).is_some());
        let elsewhere = Device { lower: Some(3), ..vlan() };
        assert_eq!(why(Mode::Auto, &device(Kind::Other), &[elsewhere]), None);
    }

    #[test]
    fn only_our_own_program_does_not_stand_in_the_way() {
        let running = |id| Device { xdp: Some(XdpProgram { id, native: true }), ..device(Kind::Other) };
        assert_eq!(why(Mode::Auto, &running(10), &[]), None);
        assert!(why(Mode::Auto, &running(11), &[]).expect("a reason").contains("id 11"));
    }

    #[test]
    fn frames_are_sent_only_to_devices_that_run_our_program_and_transmit() {
        let running = |kind, features| Device {
            xdp: Some(XdpProgram { id: 10, native: true }),
            features,
            ..device(kind)
        };
        let fast = |device: &Device, own| {
            settled(&Interface { index: 2, ..Interface::default() }, device, own).flags & port::FAST != 0
        };
        assert!(fast(&running(Kind::Other, Some(7)), Some(10)));
        assert!(!fast(&running(Kind::Other, Some(7)), Some(11)), "another's program");
        assert!(!fast(&running(Kind::Other, Some(3)), Some(10)), "no NDO_XMIT");
        assert!(fast(&running(Kind::Other, None), Some(10)), "a kernel that does not tell");
        assert!(!fast(&running(Kind::Veth, None), Some(10)), "a veth would drop them");
        assert!(!fast(&device(Kind::Other), Some(10)), "nothing runs");
        let generic = Device { xdp: Some(XdpProgram { id: 10, native: false }), ..device(Kind::Bridge) };
        assert!(fast(&generic, Some(10)));
    }

    #[test]
    fn an_interface_follows_address_and_size_and_loses_the_fast_path() {
        let before = Interface { index: 2, flags: port::FAST, mtu: 1500, ..Interface::default() };
        let after = settled(&before, &device(Kind::Other), None);
        assert_eq!((after.address_head, after.address_tail), (0x0200_0000, 1));
        assert_eq!((after.mtu, after.flags, after.index), (9000, 0, 2));
    }

    #[test]
    fn a_path_tells_why_it_is_not_faster() {
        let network = Network::default();
        let wish = Wish { mode: Mode::Auto, network: &network, trusting: false };
        let path = |device: &Device, refusal| {
            let interface = Interface { refusal, ..Interface::default() };
            path(&wish, device, &interface, Some(10), |_| true)
        };
        let running = |features| Device {
            xdp: Some(XdpProgram { id: 10, native: true }),
            features: Some(features),
            ..device(Kind::Other)
        };
        assert_eq!(path(&running(7), 0), Path { index: 2, name: "xdp", why: String::new() });
        assert!(path(&running(3), 0).why.contains("take TC"));
        let refused = path(&device(Kind::Other), EOPNOTSUPP as u32);
        assert_eq!(refused.name, "tc");
        assert!(refused.why.contains("no native XDP (operation not supported)"), "{}", refused.why);
        assert!(path(&device(Kind::Other), EINVAL as u32).why.contains("9000"));
        let able = Device { features: Some(7), ..device(Kind::Other) };
        assert!(path(&able, EOPNOTSUPP as u32).why.contains("rx-gro-hw off"));
    }
}
