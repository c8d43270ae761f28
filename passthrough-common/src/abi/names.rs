//! Names of programs and maps, as the object file, the pins and `bpftool` show them.

/// Maps. Each is pinned under its own name.
pub mod map {
    /// `u32` 0 -> `Settings`.
    pub const SETTINGS: &str = "SETTINGS";
    /// Slot -> `Interface`: see there.
    pub const INTERFACES: &str = "INTERFACES";
    /// `SessionKey` -> `Session`.
    pub const SESSIONS: &str = "SESSIONS";
    /// `BindingKey` -> `Binding`.
    pub const BINDINGS: &str = "BINDINGS";
    /// `HostKey` -> `Host`: what inside hosts have open.
    pub const HOSTS: &str = "HOSTS";
    /// `FragmentKey` -> `Fragment`; least recently used leave first.
    pub const FRAGMENTS: &str = "FRAGMENTS";
    /// `SessionKey` of a control connection, outbound view -> `Control`.
    pub const CONTROLS: &str = "CONTROLS";
    /// `BindingKey` -> `Forward`, at both ends: see there.
    pub const FORWARDS: &str = "FORWARDS";
    /// `PeerKey` -> `Peers`.
    pub const PEERS: &str = "PEERS";
    /// `Counter::index` -> `Counter`, per CPU.
    pub const COUNTERS: &str = "COUNTERS";
    /// `Event` -> `u64`, per CPU.
    pub const EVENTS: &str = "EVENTS";
    /// `u32` 0 -> `u64`: the last sweep that the data path did itself.
    pub const SWEEPS: &str = "SWEEPS";
    /// Slot -> `Exit`: ways out that the fast path has asked for.
    pub const EXITS: &str = "EXITS";
    /// Slot of `INTERFACES` -> device to which the fast path redirects.
    pub const DEVICES: &str = "DEVICES";
    /// `Step` -> program: the data path's continuations.
    pub const STEPS: &str = "STEPS";

    /// Every map that is pinned and kept over restarts.
    pub const ALL: [&str; 15] = [
        SETTINGS, INTERFACES, SESSIONS, BINDINGS, FORWARDS, HOSTS, FRAGMENTS, CONTROLS, PEERS, COUNTERS,
        EVENTS, SWEEPS, EXITS, DEVICES, STEPS,
    ];
}

/// Programs that are attached to interfaces.
pub mod program {
    /// TC egress on the WAN interface.
    pub const WAN_EGRESS: &str = "wan_egress";
    /// TC ingress on the WAN interface.
    pub const WAN_INGRESS: &str = "wan_ingress";
    /// TC ingress on each LAN interface.
    pub const LAN_INGRESS: &str = "lan_ingress";
    /// XDP on the WAN interface and on each LAN interface: the fast path.
    pub const FAST: [&str; 2] = [FAST_LAN, FAST_WAN];
    /// XDP on each LAN interface.
    pub const FAST_LAN: &str = "fast_lan";
    /// XDP on the WAN interface.
    pub const FAST_WAN: &str = "fast_wan";
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
    /// Translate an ICMP error and the packet it quotes.
    Error = 7,
    /// Judge an IPv6 packet by its switch.
    Ipv6 = 8,
    /// Make the session of an ESP packet, or learn whose it is.
    Esp = 9,
    /// Make the session of an outbound L2TP packet whose port is kept.
    L2tp = 10,
    /// Judge the IP options of an IPv4 packet.
    Options = 11,
    /// Make room in a full session table, at most once a second. It ends the packet's way.
    Reclaim = 12,
    /// Read IKE of a client where port 500 is kept.
    IkeOutbound = 13,
    /// Read IKE of a server where port 500 is kept.
    IkeInbound = 14,
}

impl Step {
    /// The step with this index; the last one for an index that none has.
    pub const fn from_index(index: u32) -> Step {
        match index {
            0 => Step::WanEgress,
            1 => Step::WanIngress,
            2 => Step::LanIngress,
            3 => Step::OpenOutbound,
            4 => Step::OpenInbound,
            5 => Step::Renew,
            6 => Step::Control,
            7 => Step::Error,
            8 => Step::Ipv6,
            9 => Step::Esp,
            10 => Step::L2tp,
            11 => Step::Options,
            12 => Step::Reclaim,
            13 => Step::IkeOutbound,
            _ => Step::IkeInbound,
        }
    }
}

/// Every step's program, by name, with its index in the program array.
pub const STEPS: [(&str, u32); 15] = [
    ("step_wan_egress", Step::WanEgress as u32),
    ("step_wan_ingress", Step::WanIngress as u32),
    ("step_lan_ingress", Step::LanIngress as u32),
    ("step_open_outbound", Step::OpenOutbound as u32),
    ("step_open_inbound", Step::OpenInbound as u32),
    ("step_renew", Step::Renew as u32),
    ("step_control", Step::Control as u32),
    ("step_error", Step::Error as u32),
    ("step_ipv6", Step::Ipv6 as u32),
    ("step_esp", Step::Esp as u32),
    ("step_l2tp", Step::L2tp as u32),
    ("step_options", Step::Options as u32),
    ("step_reclaim", Step::Reclaim as u32),
    ("step_ike_outbound", Step::IkeOutbound as u32),
    ("step_ike_inbound", Step::IkeInbound as u32),
];
