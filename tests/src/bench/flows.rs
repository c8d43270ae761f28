//! Who talks to whom in each test.

use std::net::Ipv4Addr;

use super::frame::{Flow, Traffic};

/// Inside hosts.
pub const HOSTS: u32 = 100;
/// Inside endpoints that all sessions of a test share, evenly: each host has this many ports over [`HOSTS`].
pub const ENDPOINTS: u32 = 25_000;
/// Servers that ESP talks to at most: more sessions are more SPIs with each. A gateway that learns who is who keeps a
/// record for each server, and `passthrough` has room for 4,096.
pub const ESP_SERVERS: u32 = 4_000;

/// The first inside host; the others follow.
const FIRST_HOST: Ipv4Addr = Ipv4Addr::new(10, 66, 0, 1);
/// The first server of what has ports; the others follow. RFC 2544 has these for benchmarks.
pub const FIRST_SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 0, 1);
const FIRST_ESP_SERVER: Ipv4Addr = Ipv4Addr::new(198, 18, 16, 1);

/// SPIs that clients chose, and those that servers did.
const SPI_IN: u32 = 0x2000_0000;
const SPI_OUT: u32 = 0x1000_0000;

/// How inside endpoints take their ports.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Ports {
    /// No two endpoints have the same: all can be kept outside.
    Distinct,
    /// All hosts have the same 250: one in a hundred can be kept.
    Colliding,
}

/// The inside host at `index`, in host byte order.
pub fn host(index: u32) -> u32 {
    u32::from(FIRST_HOST) + index % HOSTS
}

/// The outbound flow of session `number` of `count`. Not for PPTP, whose calls are made by a dialogue.
pub fn outbound(traffic: Traffic, ports: Ports, number: u32, count: u32) -> Flow {
    if traffic == Traffic::Esp {
        let server = number % count.min(ESP_SERVERS);
        return Flow {
            source: host(server),
            destination: u32::from(FIRST_ESP_SERVER) + server,
            selector: SPI_OUT + number,
        };
    }
    let endpoint = number % ENDPOINTS;
    // L2TP's ports are apart from UDP's: an endpoint's mapping belongs to the class that opened it.
    let (first, server_port) = match traffic {
        Traffic::L2tp => (35_000, 1701),
        _ => (10_000, 7000),
    };
    let port = first
        + match ports {
            Ports::Distinct => endpoint,
            Ports::Colliding => endpoint / HOSTS,
        };
    Flow {
        source: host(endpoint),
        destination: u32::from(FIRST_SERVER) + number / ENDPOINTS,
        selector: port << 16 | server_port,
    }
}

/// What the server answers to what it has seen of session `number`.
pub fn answer(traffic: Traffic, number: u32, seen: &Flow) -> Flow {
    let selector = match traffic {
        Traffic::Esp => SPI_IN + number,
        _ => seen.selector.rotate_left(16),
    };
    Flow { source: seen.destination, destination: seen.source, selector }
}

/// Whether an answer has come to the endpoint that began session `number`, with what belongs to it.
pub fn is_home(traffic: Traffic, number: u32, began: &Flow, home: &Flow) -> bool {
    *home == answer(traffic, number, began)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::collections::HashSet;

    #[test]
    fn every_session_is_another() {
        for traffic in [Traffic::Udp, Traffic::Tcp, Traffic::Esp, Traffic::L2tp] {
            for ports in [Ports::Distinct, Ports::Colliding] {
                let flows = (0..100_000).map(|number| outbound(traffic, ports, number, 100_000));
                let flows: HashSet<_> =
                    flows.map(|flow| (flow.source, flow.destination, flow.selector)).collect();
                assert_eq!(flows.len(), 100_000, "{traffic:?} {ports:?}");
            }
        }
    }

    #[test]
    fn colliding_endpoints_have_250_ports() {
        let ports = (0..ENDPOINTS).map(|number| outbound(Traffic::Udp, Ports::Colliding, number, ENDPOINTS));
        let ports: HashSet<_> = ports.map(|flow| flow.selector >> 16).collect();
        assert_eq!(ports.len(), 250);
    }

    #[test]
    fn an_answer_to_an_untranslated_packet_goes_home() {
        let began = outbound(Traffic::Udp, Ports::Distinct, 30_000, 100_000);
        let home = answer(Traffic::Udp, 30_000, &began);
        assert!(is_home(Traffic::Udp, 30_000, &began, &home));
        assert_eq!(home.selector, 7000 << 16 | 15_000);
    }
}
