//! Renew: a session whose lease is over is looked at with its other half and with what it depends on.

use crate::abi::session::flag;
use crate::abi::{Epoch, SessionKey};
use crate::proto::{Flow, esp_ike, halves, number, progress};
use crate::seam::{Packet, Table, World};
use crate::session::{pair, tcp};
use crate::wire::transport;

use super::lookup;

/// Renews the session of this packet or removes it; returns the packet's further progress.
#[inline(always)]
pub fn session<P: Packet, W: World>(packet: &P, flow: &Flow, world: &W) -> u32 {
    let passed = flow.progress | progress::RENEWED;
    let mut key = SessionKey::NONE;
    if lookup::key(packet, flow, world, &mut key).is_err() {
        return passed;
    }
    let Some(session) = world.sessions().get(&key) else { return passed };
    if halves::is_over(world, &key, &session) {
        halves::remove(world, &key, &session);
        return passed;
    }
    let now = world.now();
    let exit = Epoch::of(world.settings(), now).unasked();
    world.sessions().update(&key, |session| {
        // A disconnected call keeps the end that it was given.
        if !(session.has(flag::FIN) && key.protocol() == number::GRE) {
            session.renewed = now.coarse();
            session.seen = now;
            session.exit = exit;
        }
    });
    if key.protocol() == number::ESP || key.space() == crate::abi::Space::InitiatorSpi {
        esp_ike::refresh(world, &key, &session);
    }
    if is_reset(packet, flow, world, &key, &session) { passed | progress::RESETS } else { passed }
}

/// Whether the packet is a RST that belongs to the connection (RFC 7857 section 2.2, RFC 5961 section 3).
#[inline(always)]
fn is_reset<P: Packet, W: World>(
    packet: &P,
    flow: &Flow,
    world: &W,
    key: &SessionKey,
    session: &crate::abi::Session,
) -> bool {
    if flow.tcp_flags & tcp::header::RST == 0 {
        return false;
    }
    let other = pair::twin(key, session).and_then(|twin| world.sessions().get(&twin));
    let sequence = packet.u32(flow.l4_at + transport::tcp::SEQUENCE).unwrap_or(0);
    tcp::resets(sequence, other.map_or(0, |other| other.mark))
}
