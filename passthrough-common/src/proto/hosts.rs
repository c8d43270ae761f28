//! Limits of an inside host: how many sessions and PPTP control connections it may have, and how many sessions it may
//! open in a second.
//!
//! What is above them is refused, and nothing is evicted (RFC 6888 REQ-4, REQ-11), so one host can take neither the
//! tables nor the ports of all. Counted as sessions is what goes by ports and identifiers; what VPN protocols hold beside
//! that has limits of its own, where it is held.

use crate::abi::{Host, HostKey, Reason, Share};
use crate::seam::{Held, Refused, Table, World};

/// Counts one more of this inside host.
///
/// # Errors
///
/// [`Reason::HostSessions`], [`Reason::HostRate`], [`Reason::HostConnections`]; [`Reason::TableFull`] if too many hosts have
/// some; [`Reason::Contended`].
#[inline(never)]
pub fn take<W: World>(world: &W, inside: u32, share: Share) -> Result<(), Reason> {
    let settings = world.settings();
    let (most, rate, full) = match share {
        Share::Sessions => (settings.host_sessions, settings.host_rate, Reason::HostSessions),
        Share::Connections => (settings.host_connections, 0, Reason::HostConnections),
    };
    let second = Host::second(world.now());
    let key = HostKey::new(inside, share);
    let verdict = world.hosts().update(
        &key,
        #[inline(always)]
        |host| {
            if most != 0 && host.held as i32 >= most as i32 {
                return full;
            }
            if host.second != second {
                host.second = second;
                host.opened = 0;
            }
            if rate != 0 && host.opened >= rate {
                return Reason::HostRate;
            }
            host.opened += 1;
            Reason::Forwarded
        },
    );
    match verdict {
        Some(Reason::Forwarded) => {
            world.hosts().hold(&key);
            Ok(())
        }
        Some(reason) => Err(reason),
        None => match world.hosts().insert(&key, &Host { held: 1, second, opened: 1 }) {
            Ok(()) => Ok(()),
            Err(Refused::Exists) => Err(Reason::Contended),
            Err(Refused::Full) => Err(Reason::TableFull),
        },
    }
}

/// Counts one less, and forgets the host with the last.
#[inline(always)]
pub fn give_back<W: World>(world: &W, inside: u32, share: Share) {
    let key = HostKey::new(inside, share);
    if world.hosts().release(&key) == Some(1) {
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
            assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
        }
        assert_eq!(take(&gateway, A, Share::Sessions), Err(Reason::HostSessions), "C4, C11");
        assert_eq!(take(&gateway, B, Share::Sessions), Ok(()));
        give_back(&gateway, A, Share::Sessions);
        assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
        for _ in 0..3 {
            give_back(&gateway, A, Share::Sessions);
        }
        give_back(&gateway, B, Share::Sessions);
        assert!(gateway.hosts.is_empty());
    }

    #[test]
    fn each_share_has_a_limit_and_a_count_of_its_own() {
        let mut gateway = Gateway::default();
        (gateway.settings.host_sessions, gateway.settings.host_connections) = (1, 2);
        assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
        assert_eq!(take(&gateway, A, Share::Connections), Ok(()));
        assert_eq!(take(&gateway, A, Share::Connections), Ok(()));
        assert_eq!(take(&gateway, A, Share::Sessions), Err(Reason::HostSessions));
        assert_eq!(take(&gateway, A, Share::Connections), Err(Reason::HostConnections));
        give_back(&gateway, A, Share::Connections);
        assert_eq!(take(&gateway, A, Share::Sessions), Err(Reason::HostSessions));
        assert_eq!(take(&gateway, A, Share::Connections), Ok(()));
    }

    #[test]
    fn a_host_opens_no_faster_than_it_may() {
        let mut gateway = Gateway::default();
        gateway.settings.host_rate = Host::per_second(10);
        let opened = (0..100).filter(|_| take(&gateway, A, Share::Sessions).is_ok()).count();
        assert_eq!(
            (opened, take(&gateway, A, Share::Sessions)),
            (11, Err(Reason::HostRate)),
            "in a second of 1.07 s"
        );
        assert_eq!(take(&gateway, B, Share::Sessions), Ok(()));
        gateway.wait(Ticks::from_secs(2));
        assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
    }

    #[test]
    fn a_count_below_zero_locks_nobody_out() {
        let mut gateway = Gateway::default();
        gateway.settings.host_sessions = 1;
        assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
        gateway.hosts.update(&HostKey::new(A, Share::Sessions), |host| host.held = u32::MAX);
        assert_eq!(take(&gateway, A, Share::Sessions), Ok(()));
    }
}
