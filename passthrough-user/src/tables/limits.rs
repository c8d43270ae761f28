//! The limits that packets are held to, how near they are, and what they have refused.

use std::net::Ipv4Addr;

use passthrough_common::abi::{
    Host, HostKey, Reason, Settings, Share,
    control::CALLS,
    names::map,
    peers::{PEERS, SPIS, UNKNOWN_SPIS},
};

use super::{Tables, counters::Counted, snapshot};

/// A limit.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Limit {
    /// Of what, and of whom.
    pub of: &'static str,
    /// How much; `None` for no limit.
    pub most: Option<u64>,
    /// The inside host that has most, and how much, where that is known.
    pub nearest: Option<(Ipv4Addr, u64)>,
    /// Why packets beyond it are dropped.
    pub reason: Reason,
    /// How many were.
    pub refused: u64,
}

impl Tables {
    /// Every limit; `counted` are the counters.
    pub fn limits(&self, counted: &[Counted]) -> anyhow::Result<Vec<Limit>> {
        let settings = self.settings()?;
        let hosts = snapshot(&self.hash::<HostKey, Host>(map::HOSTS)?)?;
        let busiest = |share: Share| {
            let of = hosts.iter().filter(|(key, _)| key.share == share as u32);
            let most = of.max_by_key(|(_, host)| host.held as i32);
            // A session is two halves.
            let counted = |held: u32| u64::from(if share == Share::Halves { held.div_ceil(2) } else { held });
            most.map(|(key, host)| (Ipv4Addr::from(key.address), counted(host.held)))
        };
        let sessions = u64::from(self.map(map::SESSIONS)?.info()?.max_entries()) / 2;
        let limit = |of, most: u64, reason: Reason| Limit {
            of,
            most: (most > 0).then_some(most),
            nearest: None,
            reason,
            refused: refused(counted, reason),
        };
        Ok(vec![
            limit("sessions", sessions, Reason::TableFull),
            Limit {
                nearest: busiest(Share::Halves),
                ..limit("sessions of a host", u64::from(settings.host_sessions), Reason::HostSessions)
            },
            limit("new sessions of a host a second", rate(&settings), Reason::HostRate),
            limit("outside ports of an address and protocol", ports(&settings), Reason::PortsExhausted),
            limit("outside ports of a host and protocol", u64::from(settings.block_size), Reason::BlockFull),
            limit("hosts with a block of ports", u64::from(settings.subscribers.count()), Reason::NoBlock),
            Limit {
                nearest: busiest(Share::Connections),
                ..limit(
                    "PPTP control connections of a host",
                    u64::from(settings.host_connections),
                    Reason::HostConnections,
                )
            },
            Limit {
                nearest: busiest(Share::Servers),
                ..limit(
                    "VPN servers that a host is first with",
                    u64::from(settings.host_servers),
                    Reason::HostServers,
                )
            },
            limit("PPTP calls of a control connection", CALLS as u64, Reason::PptpCalls),
            limit("unpaired ESP SPIs of a host and server a minute", u64::from(SPIS), Reason::EspFlood),
            limit("unknown ESP SPIs from a server a second", u64::from(UNKNOWN_SPIS), Reason::EspFlood),
            limit("hosts of a VPN server", PEERS as u64, Reason::PeerLimit),
        ])
    }
}

fn refused(counted: &[Counted], reason: Reason) -> u64 {
    counted.iter().filter(|one| one.reason == reason).map(|one| one.counter.packets).sum()
}

/// The rate in real seconds: what [`Host::per_second`] was given.
fn rate(settings: &Settings) -> u64 {
    (u64::from(settings.host_rate) * 1_000_000_000) >> 30
}

fn ports(settings: &Settings) -> u64 {
    let [low, high] = settings.ports[1];
    u64::from(high - low) + 1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rate_is_shown_as_it_was_given() {
        for asked in [1, 10, 1000, 123_456] {
            let settings = Settings { host_rate: Host::per_second(asked), ..Settings::DEFAULT };
            assert_eq!(rate(&settings), u64::from(asked));
        }
    }
}
