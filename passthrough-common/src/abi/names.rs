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
