//! Names of programs and maps, as the object file, the pins and `bpftool` show them.

/// Maps. Each is pinned under its own name.
pub mod map {
    /// `u32` 0 -> `Settings`.
    pub const SETTINGS: &str = "SETTINGS";
    /// Interface index, `u32` -> `Interface`.
    pub const INTERFACES: &str = "INTERFACES";
    /// `SessionKey` -> `Session`.
    pub const SESSIONS: &str = "SESSIONS";
    /// `BindingKey` -> `Binding`.
    pub const BINDINGS: &str = "BINDINGS";
    /// `FragmentKey` -> `Fragment`; least recently used leave first.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// `SessionKey` of a control connection, outbound view -> `Control`.
    pub const CONTROLS: &str = "CONTROLS";
    /// `PeerKey` -> `Peers`.
    pub const PEERS: &str = "PEERS";
    /// `Counter::index` -> `Counter`, per CPU.
    pub const COUNTERS: &str = "COUNTERS";
    /// `Event` -> `u64`, per CPU.
    pub const EVENTS: &str = "EVENTS";
    /// `u32` 0 -> `u64`: the last sweep that the data path did itself.
    pub const SWEEPS: &str = "SWEEPS";
    /// `Step` -> program: the data path's continuations.
    pub const STEPS: &str = "STEPS";

    /// Every map that is pinned and kept over restarts.
    pub const ALL: [&str; 11] =
        [SETTINGS, INTERFACES, SESSIONS, BINDINGS, FRAGMENTS, CONTROLS, PEERS, COUNTERS, EVENTS, SWEEPS, STEPS];
}

/// Programs that are attached to interfaces.
pub mod program {
    /// TC egress on the WAN interface.
    pub const WAN_EGRESS: &str = "wan_egress";
    /// TC ingress on the WAN interface.
    pub const WAN_INGRESS: &str = "wan_ingress";
    /// TC ingress on each LAN interface.
    pub const LAN_INGRESS: &str = "lan_ingress";
    /// Run by test-run: removes expired sessions, or those that its arguments name.
    pub const SWEEP: &str = "sweep";
}

/// What the data path continues with: an index into the program array, and a program of that name.
///
/// A step is a program of its own so that each stays within what the verifier and the stack allow.
#[repr(u32)]
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// WAN egress again, after another step has made or renewed the session.
    WanEgress = 0,
    /// WAN ingress again.
    WanIngress = 1,
    /// LAN ingress again.
    LanIngress = 2,
    /// Make the session of an outbound packet.
    OpenOutbound = 3,
    /// Make the session of an inbound packet, if anything inside waits for it.
    OpenInbound = 4,
    /// Renew or end a session whose lease is over, or that a RST may end.
    Renew = 5,
    /// Read the next message of a PPTP control stream.
    Control = 6,
    /// Translate an ICMP error from inside and the packet it quotes.
    ErrorOutbound = 7,
    /// Translate an ICMP error from outside and the packet it quotes.
    ErrorInbound = 8,
    /// Judge an IPv6 packet by its switch.
    Ipv6 = 9,
    /// Make the session of an outbound ESP packet, and read IKE.
    Ipsec = 10,
    /// Make the session of an outbound L2TP packet whose port is kept.
    L2tp = 11,
}

/// Every step's program, by name, with its index in the program array.
pub const STEPS: [(&str, u32); 12] = [
    ("step_wan_egress", Step::WanEgress as u32),
    ("step_wan_ingress", Step::WanIngress as u32),
    ("step_lan_ingress", Step::LanIngress as u32),
    ("step_open_outbound", Step::OpenOutbound as u32),
    ("step_open_inbound", Step::OpenInbound as u32),
    ("step_renew", Step::Renew as u32),
    ("step_control", Step::Control as u32),
    ("step_error_outbound", Step::ErrorOutbound as u32),
    ("step_error_inbound", Step::ErrorInbound as u32),
    ("step_ipv6", Step::Ipv6 as u32),
    ("step_ipsec", Step::Ipsec as u32),
    ("step_l2tp", Step::L2tp as u32),
];
