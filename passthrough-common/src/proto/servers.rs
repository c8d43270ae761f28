//! The records of servers' clients: made by the first, for which they count, and removed when all are silent.
//!
//! What a record says is the business of those who read it: `esp_ike` and `l2tp`.

use crate::abi::peers::PEERS;
use crate::abi::{PeerKey, Reason, Share, Ticks};
use crate::seam::{Refused, Table, World};

use super::hosts;

/// How long a host belongs to a server's clients (K of `conformance.md` section 8) after it was last heard.
pub const MEMBER: Ticks = Ticks::from_secs(300);

/// Has a server's record there; a new one counts for this host.
///
/// # Errors
///
/// Those of [`hosts::take`], [`Reason::TableFull`].
#[inline(never)]
pub fn open<W: World>(world: &W, key: &PeerKey, host: u32) -> Result<(), Reason> {
    if world.peers().update(key, |_| ()).is_some() {
        return Ok(());
    }
    let payer = payer(world, host);
    hosts::take(world, payer, Share::Servers, 1)?;
    match world.open_peers(key) {
        Ok(()) => {
            world.peers().update(key, |record| record.opener = host);
            return Ok(());
        }
        // Somebody was faster.
        Err(Refused::Exists) => hosts::give_back(world, payer, Share::Servers, 1),
        Err(Refused::Full) => {
            hosts::give_back(world, payer, Share::Servers, 1);
            return Err(Reason::TableFull);
        }
    }
    Ok(())
}

/// For whom a record counts: not for the gateway itself, which may be a hub of many servers.
#[inline(always)]
fn payer<W: World>(world: &W, opener: u32) -> u32 {
    hosts::payer(hosts::own_flag(world.settings(), opener), opener)
}

/// Removes a record that nobody inside has lately added to.
#[inline(always)]
pub fn remove_if_silent<W: World>(world: &W, key: &PeerKey) {
    let now = world.now();
    let opener = world.peers().update(key, |record| {
        let mut silent = true;
        let mut index = 0;
        while index < PEERS {
            let peer = &record.hosts[index];
            silent &= peer.host == 0 || now.since(peer.seen) > MEMBER;
            index += 1;
        }
        if silent { record.opener } else { 0 }
    });
    let opener = opener.unwrap_or(0);
    if opener != 0 && world.peers().remove(key) {
        hosts::give_back(world, payer(world, opener), Share::Servers, 1);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::abi::peers::IPSEC;
    use crate::seam::Clock;
    use crate::seam::host::Gateway;

    const A: u32 = 0xc0a8_010a;
    const B: u32 = 0xc0a8_010b;
    const KEY: [PeerKey; 3] =
        [PeerKey::new(1, 9, IPSEC), PeerKey::new(2, 9, IPSEC), PeerKey::new(3, 9, IPSEC)];

    #[test]
    fn a_record_counts_for_who_made_it_until_it_is_gone() {
        let mut gateway = Gateway::default();
        gateway.settings.host_servers = 2;
        assert_eq!(open(&gateway, &KEY[0], A), Ok(()));
        assert_eq!(open(&gateway, &KEY[1], A), Ok(()));
        assert_eq!(open(&gateway, &KEY[2], A), Err(Reason::HostServers), "C4, C11");
        assert_eq!(open(&gateway, &KEY[0], B), Ok(()), "it is there");
        assert_eq!(open(&gateway, &KEY[2], B), Ok(()));
        remove_if_silent(&gateway, &KEY[0]);
        assert!(gateway.peers.get(&KEY[0]).is_none(), "nobody is in it");
        assert_eq!(open(&gateway, &KEY[0], A), Ok(()));
        gateway.peers.update(&KEY[0], |record| {
            (record.hosts[63].host, record.hosts[63].seen) = (B, Clock::now(&gateway));
        });
        remove_if_silent(&gateway, &KEY[0]);
        assert!(gateway.peers.get(&KEY[0]).is_some(), "B is in it");
        gateway.wait(Ticks::from_secs(302));
        KEY.iter().for_each(|key| remove_if_silent(&gateway, key));
        assert!(gateway.hosts.is_empty());
    }
}
