//! Limits of an inside host: how much of each [`Share`] it may have, and how many sessions it may open in a second.
//!
//! What is above them is refused, and nothing is evicted (RFC 6888 REQ-4, REQ-11), so one host can take neither the
//! tables nor the ports of all. Sessions count as what they take of the table, two entries each or one: so whatever makes or
//! removes an entry counts it, and nobody has to know of how many halves a protocol makes a session.

use crate::abi::session::flag;
use crate::abi::{Host, HostKey, Reason, Session, SessionKey, Settings, Share, Space};
use crate::seam::{Held, Refused, Table, World};
use crate::session::pair;

/// Stands for no host.
pub const NOBODY: u32 = 0;

/// The inside host that an entry of the session table counts for; [`NOBODY`] for the gateway itself and for a PPTP call, of
/// which a control connection has no more than a few. Not an `Option`, half of which may reach the verifier uninitialised.
#[inline(always)]
pub const fn of(key: &SessionKey, session: &Session) -> u32 {
    let is_call = matches!(key.space(), Space::CallId) && key.selector() != 0;
    if is_call { NOBODY } else { payer(session.flags, pair::inside(key, session)) }
}

/// The host that a session of these flags and this inside host counts for.
#[inline(always)]
pub const fn payer(flags: u8, inside: u32) -> u32 {
    if flags & flag::OWN != 0 { NOBODY } else { inside }
}

/// [`flag::OWN`] if the host is the gateway itself. A call, since the pool's ranges fill a fifth of the BPF stack when LLVM has
/// them in line.
#[inline(never)]
pub fn own_flag(settings: &Settings, host: u32) -> u8 {
    if settings.is_outside_address(host) { flag::OWN } else { 0 }
}

/// Counts so many more of this inside host; [`NOBODY`] has no limit.
///
/// # Errors
///
/// [`Reason::HostSessions`], [`Reason::HostRate`], [`Reason::HostConnections`], [`Reason::HostServers`];
/// [`Reason::TableFull`] if too many hosts have some; [`Reason::Contended`].
#[inline(never)]
pub fn take<W: World>(world: &W, inside: u32, share: Share, more: u32) -> Result<(), Reason> {
    if inside == NOBODY {
        return Ok(());
    }
    let settings = world.settings();
    // A session is two halves.
    let (most, rate, full) = match share {
        Share::Halves => (2 * settings.host_sessions, 2 * settings.host_rate, Reason::HostSessions),
        Share::Connections => (settings.host_connections, 0, Reason::HostConnections),
        Share::Servers => (settings.host_servers, 0, Reason::HostServers),
    };
    let second = Host::second(world.now());
    let key = HostKey::new(inside, share);
    let verdict = world.hosts().update(
        &key,
        #[inline(always)]
        |host| {
            if most != 0 && host.held.wrapping_add(more) as i32 > most as i32 {
                return full;
            }
            if host.second != second {
                host.second = second;
                host.opened = 0;
            }
            if rate != 0 && host.opened >= rate {
                return Reason::HostRate;
            }
            host.opened += more;
            Reason::Forwarded
        },
    );
    match verdict {
        Some(Reason::Forwarded) => {
            world.hosts().hold(&key, more);
            Ok(())
        }
        Some(reason) => Err(reason),
        None => match world.hosts().insert(&key, &Host { held: more, second, opened: more }) {
            Ok(()) => Ok(()),
            Err(Refused::Exists) => Err(Reason::Contended),
            Err(Refused::Full) => Err(Reason::TableFull),
        },
    }
}

/// Has a host's halves of sessions put into the table, counted before; what fails is given back.
///
/// # Errors
///
/// Those of [`take`] and of `put`.
#[inline(always)]
pub fn charge<W: World>(
    world: &W,
    host: u32,
    halves: u32,
    put: impl FnOnce() -> Result<(), Reason>,
) -> Result<(), Reason> {
    take(world, host, Share::Halves, halves)?;
    let result = put();
    if result.is_err() {
        give_back(world, host, Share::Halves, halves);
    }
    result
}

/// Counts so many less, and forgets the host with the last.
#[inline(always)]
pub fn give_back<W: World>(world: &W, inside: u32, share: Share, less: u32) {
    let key = HostKey::new(inside, share);
    if inside != NOBODY && world.hosts().release(&key, less) == Some(less) {
        world.hosts().remove(&key);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::Ticks;
    use crate::seam::host::Gateway;

    const A: u32 = 0xc0a8_010a;
    const B: u32 = 0xc0a8_010b;

    #[test]
    fn a_host_has_no_more_than_its_share_and_others_are_not_touched() {
        let mut gateway = Gateway::default();
        gateway.settings.host_sessions = 3;
        for _ in 0..3 {
            assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
        }
        assert_eq!(take(&gateway, A, Share::Halves, 2), Err(Reason::HostSessions), "C4, C11");
        assert_eq!(take(&gateway, B, Share::Halves, 2), Ok(()));
        give_back(&gateway, A, Share::Halves, 2);
        assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
        for _ in 0..3 {
            give_back(&gateway, A, Share::Halves, 2);
        }
        give_back(&gateway, B, Share::Halves, 2);
        assert!(gateway.hosts.is_empty());
    }

    #[test]
    fn each_share_has_a_limit_and_a_count_of_its_own() {
        let mut gateway = Gateway::default();
        (gateway.settings.host_sessions, gateway.settings.host_connections) = (1, 2);
        assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
        assert_eq!(take(&gateway, A, Share::Connections, 1), Ok(()));
        assert_eq!(take(&gateway, A, Share::Connections, 1), Ok(()));
        assert_eq!(take(&gateway, A, Share::Halves, 2), Err(Reason::HostSessions));
        assert_eq!(take(&gateway, A, Share::Connections, 1), Err(Reason::HostConnections));
        give_back(&gateway, A, Share::Connections, 1);
        assert_eq!(take(&gateway, A, Share::Halves, 2), Err(Reason::HostSessions));
        assert_eq!(take(&gateway, A, Share::Connections, 1), Ok(()));
    }

    #[test]
    fn a_host_opens_no_faster_than_it_may() {
        let mut gateway = Gateway::default();
        gateway.settings.host_rate = Host::per_second(10);
        let opened = (0..100).filter(|_| take(&gateway, A, Share::Halves, 2).is_ok()).count();
        assert_eq!(
            (opened, take(&gateway, A, Share::Halves, 2)),
            (11, Err(Reason::HostRate)),
            "in a second of 1.07 s"
        );
        assert_eq!(take(&gateway, B, Share::Halves, 2), Ok(()));
        gateway.wait(Ticks::from_secs(2));
        assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
    }

    #[test]
    fn a_count_below_zero_locks_nobody_out() {
        let mut gateway = Gateway::default();
        gateway.settings.host_sessions = 1;
        assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
        gateway.hosts.update(&HostKey::new(A, Share::Halves), |host| host.held = u32::MAX);
        assert_eq!(take(&gateway, A, Share::Halves, 2), Ok(()));
    }
}
