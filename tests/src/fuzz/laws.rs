//! What must hold of a frame and what became of it, and of the tables, whatever the frame was.
//!
//! Nothing of the code under test is used to read a frame or to sum it.

use std::collections::HashMap;
use std::ops::Range;

use passthrough_common::abi::{BindingKey, Class, Direction, HostKey, Reason, Share, Space};
use passthrough_common::proto::hosts;
use passthrough_common::session::pair;

use crate::vectors::E;
use crate::vectors::play::{Fate, Outcome, Place};
use crate::vectors::state::State;

/// No byte.
const NONE: Range<usize> = 0..0;

/// Where things are in an IPv4 packet behind up to two tags.
struct Layout {
    ip: usize,
    l4: usize,
    end: usize,
    protocol: u8,
    /// Whether it is a fragment, and whether a later one.
    fragment: bool,
    later: bool,
}

impl Layout {
    fn of(frame: &[u8]) -> Option<Layout> {
        let word = |at: usize| Some(u16::from_be_bytes([*frame.get(at)?, *frame.get(at + 1)?]));
        let mut at = 12;
        while matches!(word(at)?, 0x8100 | 0x88a8) && at < 20 {
            at += 4;
        }
        let ip = at + 2;
        let header = usize::from(frame.get(ip)? & 15) * 4;
        let end = ip + usize::from(word(ip + 2)?);
        let fits = word(at)? == 0x0800 && frame[ip] >> 4 == 4 && header >= 20;
        if !fits || ip + header > end || end > frame.len() {
            return None;
        }
        let fragment = word(ip + 6)? & 0x3fff;
        Some(Layout {
            ip,
            l4: ip + header,
            end,
            protocol: frame[ip + 9],
            fragment: fragment != 0,
            later: fragment & 0x1fff != 0,
        })
    }

    /// Parts of the transport header and data that a translation may change, from its beginning.
    fn named(&self, frame: &[u8]) -> [Range<usize>; 3] {
        let l4 = &frame[self.l4..self.end];
        let port =
            |port: u16| l4.len() >= 4 && (l4[..2] == port.to_be_bytes() || l4[2..4] == port.to_be_bytes());
        match self.protocol {
            _ if self.later => [NONE; 3],
            // Call IDs in the control stream: which bytes those are, is for the target `pptp` to say.
            6 if port(1723) => [0..4, 16..18, 20..l4.len()],
            6 => [0..4, 16..18, NONE],
            // Tunnel IDs, where port 1701 is kept.
            17 if port(1701) => [0..4, 6..8, 8..l4.len()],
            17 => [0..4, 6..8, NONE],
            1 if matches!(l4.first(), Some(3 | 4 | 5 | 11 | 12)) => [2..4, 8..l4.len(), NONE],
            1 => [2..6, NONE, NONE],
            47 if l4.len() >= 8 && l4[1] & 7 == 1 => [6..8, NONE, NONE],
            _ => [NONE; 3],
        }
    }
}

/// The one's complement sum of bytes, with zero in one form only.
fn sum(bytes: &[u8]) -> u32 {
    let pair = |pair: &[u8]| u32::from(u16::from_be_bytes([pair[0], *pair.get(1).unwrap_or(&0)]));
    bytes.chunks(2).map(pair).sum::<u32>() % 0xffff
}

/// Holds the outcome of a frame to every law of a single frame.
///
/// # Panics
///
/// If one is broken.
pub fn of_frame(place: Place, sent: &[u8], outcome: &Outcome) {
    let out = &outcome.frame[..];
    assert_eq!(out.len(), sent.len(), "no frame gets longer or shorter");
    let reason = outcome.counted.first().map(|(_, _, reason)| *reason);
    let silent = place == Place::Lan && outcome.fate != Fate::Dropped;
    assert!(
        outcome.counted.len() == 1 || (silent && outcome.counted.is_empty()),
        "G4: {:?}",
        outcome.counted
    );
    match (outcome.fate, reason) {
        (Fate::Dropped, Some(reason)) => {
            assert!(reason.is_drop(), "dropped for a reason to {reason:?}");
            return;
        }
        (Fate::Dropped, None) => panic!("dropped without a reason"),
        (_, Some(reason)) => assert!(!reason.is_drop(), "not dropped for {reason:?}"),
        _ => {}
    }
    if reason.is_some_and(|reason| reason.is_punt() || reason == Reason::PassedIpv6) {
        assert!(place == Place::Lan || out == sent, "{reason:?} changes the packet");
    }
    if out == sent {
        return;
    }
    let layout = Layout::of(sent).expect("only a packet that is whole is changed");
    let Layout { ip, l4, end, .. } = layout;
    assert!(out[..ip] == sent[..ip] && out[end..] == sent[end..], "G1: what is around the packet stays");
    for (at, name) in [
        (0..2, "version, length, type of service"),
        (2..4, "total length"),
        (6..8, "fragment"),
        (9..10, "protocol"),
        (20..l4 - ip, "options"),
    ] {
        assert_eq!(out[ip..][at.clone()], sent[ip..][at], "G1: {name}");
    }
    assert!(layout.fragment || out[ip + 4..ip + 6] == sent[ip + 4..ip + 6], "G1: identification");
    assert!(out[ip + 8] == sent[ip + 8] || out[ip + 8] == sent[ip + 8] - 1, "G1: time to live");
    // With options the packet goes through the stack, which looks at the sum itself: a wrong one must stay wrong.
    let header = [sum(&sent[ip..l4]), sum(&out[ip..l4])];
    assert!(
        header[0] == header[1] && (header[0] == 0 || l4 - ip > 20),
        "Z7, K1: header checksum: {header:?}"
    );
    addresses(place, &sent[ip + 12..ip + 20], &out[ip + 12..ip + 20]);
    transport(&layout, sent, out);
}

/// One end's address is translated, and none of ours leaves.
fn addresses(place: Place, before: &[u8], after: &[u8]) {
    let is_private = |address: &[u8]| address.starts_with(&[192, 168]);
    match place {
        Place::Out | Place::Own => {
            assert_eq!(before[4..], after[4..], "G1: the destination of what leaves");
            assert!(!is_private(after), "G5");
        }
        Place::In => {
            assert_eq!(before[..4], after[..4], "G1: the source of what comes in");
            assert!(is_private(&after[4..]) || before == after, "what comes in is for somebody inside");
        }
        // Sent on untranslated, or hairpinned, which translates both.
        Place::Lan => {}
    }
}

/// Only the named fields change, and a checksum is as right, or as wrong, as it was.
fn transport(layout: &Layout, sent: &[u8], out: &[u8]) {
    let (before, after) = (&sent[layout.l4..layout.end], &out[layout.l4..layout.end]);
    let named = layout.named(sent);
    for (at, (old, new)) in before.iter().zip(after).enumerate() {
        assert!(
            old == new || named.iter().any(|named| named.contains(&at)),
            "G1: byte {at} of protocol {}",
            layout.protocol
        );
    }
    let (at, pseudo) = match layout.protocol {
        _ if layout.later => return,
        1 => (2, false),
        6 => (16, true),
        17 => (6, true),
        _ => return,
    };
    let Some(field) = before.get(at..at + 2) else { return };
    if layout.protocol == 17 {
        assert_eq!(
            field == [0, 0],
            after[at..at + 2] == [0, 0],
            "K2, K3: no checksum stays none, and one stays one"
        );
        if field == [0, 0] {
            return;
        }
    }
    // Length and protocol of the pseudo header are the same on both sides.
    let addresses = layout.ip + 12..layout.ip + 20;
    let whole = |bytes: &[u8], segment| {
        sum(&[if pseudo { &bytes[addresses.clone()] } else { &[] }, segment].concat())
    };
    assert_eq!(
        whole(sent, before),
        whole(out, after),
        "K1, K9: transport checksum of protocol {}",
        layout.protocol
    );
}

/// Holds the tables to the laws of what may be in them.
///
/// # Panics
///
/// If one is broken.
pub fn of_tables(state: &State) {
    for (key, session) in &state.sessions {
        // Where port 1701 is kept, a client whose tunnel ID is not known yet has no inbound half; and of several tunnels the last
        // takes the outbound half along when it ends, which a client at its limit does not get again.
        let is_alone = session.class() == Class::L2tp && (session.id == 0 || key.space() == Space::TunnelId);
        if let Some(twin) = pair::twin(key, session).filter(|_| !is_alone) {
            assert!(state.sessions.contains_key(&twin), "half a pair: {key:?} {session:?}");
        }
    }
    for (key, binding) in &state.bindings {
        let other = BindingKey::new(key.direction().reversed(), binding.address, binding.id, key.protocol());
        let twin = state.bindings.get(&other).map(|twin| (twin.address, twin.id));
        let noted = twin == Some((key.address(), key.id()));
        match key.direction() {
            Direction::Inbound => {
                assert!(binding.sessions > 0, "a binding of no session: {key:?} {binding:?}");
                assert_eq!(noted, key.id() != binding.id, "a binding's inside end: {key:?} {binding:?}");
            }
            Direction::Outbound => assert!(noted, "a binding's outside end: {key:?} {binding:?}"),
        }
    }
    let mut held: HashMap<HostKey, u32> = HashMap::new();
    for (key, session) in &state.sessions {
        *held.entry(HostKey::new(hosts::of(key, session), Share::Halves)).or_default() += 1;
    }
    for key in state.controls.keys() {
        *held.entry(HostKey::new(key.local(), Share::Connections)).or_default() += 1;
    }
    for record in state.peers.values() {
        *held.entry(HostKey::new(record.opener, Share::Servers)).or_default() += 1;
    }
    // The gateway itself has no limits.
    held.retain(|key, _| key.address != hosts::NOBODY && key.address != E);
    for (key, host) in &state.hosts {
        assert_eq!(held.remove(key).unwrap_or(0), host.held, "what a host has: {key:x?}");
    }
    assert!(held.is_empty(), "what hosts have that are not in the table: {held:x?}");
}
