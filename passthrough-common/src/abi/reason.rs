//! Why a packet was forwarded, punted or dropped: one list, one byte, its sentence beside it.

macro_rules! reasons {
    ($($(#[$doc:meta])* $name:ident = $code:literal, $key:literal, $sentence:literal;)*) => {
        /// What became of a packet and why. Below [`Reason::FIRST_PUNT`] it was forwarded; from
        /// [`Reason::FIRST_DROP`] on it was dropped; in between it was left to the kernel's own stack.
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug, Hash, PartialOrd, Ord)]
        pub enum Reason { $($(#[$doc])* #[doc = $sentence] $name = $code,)* }

        impl Reason {
            /// Every reason.
            pub const ALL: &'static [Reason] = &[$(Reason::$name,)*];

            /// The word that `stats` shows.
            pub const fn name(self) -> &'static str {
                match self { $(Reason::$name => $key,)* }
            }

            /// What it means, for the operator.
            pub const fn sentence(self) -> &'static str {
                match self { $(Reason::$name => $sentence,)* }
            }
        }
    };
}

reasons! {
    Forwarded = 0, "forwarded", "translated and sent on";
    PassedIpv6 = 1, "passed-ipv6", "IPv6, which is not translated, passed its switch";

    NotIp = 16, "not-ip", "neither IPv4 nor IPv6: left to the kernel";
    ToGateway = 17, "to-gateway", "addressed to the gateway itself: left to the kernel";
    Multicast = 18, "multicast", "multicast or broadcast: left to the kernel";
    OtherZone = 19, "other-zone", "carries a VLAN tag of another interface: left to the kernel";
    FirstPacket = 20, "first-packet", "no session yet: left to routing and the firewall";
    NeedsStack = 21, "needs-stack", "TTL, MTU, options or fragments need the kernel's answer";
    NoRoute = 22, "no-route", "the routing table has no direct way: left to the kernel";
    NotManaged = 23, "not-managed", "comes from an interface that is neither LAN nor WAN: left to the kernel";

    SwitchedOff = 32, "switched-off", "the protocol's switch is off (enable it with `passthrough enable`)";
    SwitchedOffSession = 33, "switched-off-session", "the session's protocol has been switched off";
    SwitchedOffError = 34, "switched-off-error", "an ICMP error about a protocol that is switched off";
    Malformed = 35, "malformed", "the IP header or the header behind it is cut short or contradicts itself";
    SourceRoute = 36, "ip-option", "carries a source route or another IP option that RFC 7126 drops";
    Spoofed = 37, "spoofed", "its source address does not belong to the side it came from";
    Martian = 38, "martian", "came from outside with a source address that no public host has";
    Unsolicited = 39, "unsolicited", "came from outside and belongs to nothing that started inside";
    Filtered = 40, "filtered", "came from outside for a known endpoint that has not sent to this peer";
    NotTranslated = 41, "not-translated", "would have crossed the gateway untranslated";
    Unsupported = 42, "unsupported", "an IP protocol that cannot be translated";
    TableFull = 43, "table-full", "the session table is full";
    PortsExhausted = 44, "ports-exhausted", "no outside port, identifier or call ID was free";
    Contended = 45, "contended", "lost a race for a table entry; the sender's retry will pass";
    BadTcpFlags = 46, "bad-tcp-flags", "TCP flags that no endpoint sends together";
    Land = 47, "land", "source and destination are the same";
    FragmentOrphan = 48, "fragment-orphan", "a later fragment whose first has not been seen";
    FragmentTiny = 49, "fragment-tiny", "a fragment that is too small or overlaps the header";
    IcmpNoSession = 50, "icmp-no-session", "an ICMP error about no known session";
    IcmpMalformed = 51, "icmp-malformed", "an ICMP message with a bad checksum or a bad quoted packet";
    IcmpType = 52, "icmp-type", "an ICMP type that a gateway does not forward";
    HostSessions = 54, "host-sessions", "its inside host has as many sessions as one may have (`up --host-sessions`)";
    HostRate = 55, "host-rate", "its inside host opens sessions faster than one may (`up --host-rate`)";
    HostConnections = 58, "host-connections", "its inside host has as many PPTP control connections as one may have (`up --host-connections`)";
    HostServers = 59, "host-servers", "its inside host is the first client of as many VPN servers as one may be (`up --host-servers`)";
    BlockFull = 56, "block-full", "its inside host uses every port of its block (`up --port-block`)";
    NoBlock = 57, "no-block", "its inside host has no block of ports (`up --subscribers`)";
    Ipv6Chain = 53, "ipv6-chain", "an IPv6 extension header chain that is too long, or wrong";

    GreNoCall = 64, "gre-nocall", "enhanced GRE that belongs to no PPTP call";
    GreConflict = 65, "gre-conflict", "another inside host uses this server with the same GRE key (or without a key)";
    GreMalformed = 66, "gre-malformed", "a GRE header that the RFCs forbid";
    PptpMalformed = 67, "pptp-malformed", "the PPTP control stream lost its framing: the connection must start again";
    PptpGap = 68, "pptp-gap", "a PPTP segment ahead of a gap or without its connection's start; its resend will pass";
    PptpCalls = 69, "pptp-calls", "too many PPTP calls in one control connection";
    EspHold = 70, "esp-hold", "another client of this server is being learned; this one waits its turn";
    EspUnsolicited = 71, "esp-unsolicited", "ESP from a server that no inside host talks to";
    EspAmbiguous = 72, "esp-ambiguous", "ESP that could belong to several inside hosts";
    EspConflict = 73, "esp-spi-conflict", "this security parameters index belongs to another inside host";
    EspFlood = 74, "esp-spi-flood", "too many unknown or new SPIs for one server";
    HostConflict = 75, "host-conflict", "another inside host uses this server, and the protocol cannot tell two apart";
    AhNat = 76, "ah-nat", "AH covers the addresses, so it cannot cross a NAT: use ESP";
    IkeConflict = 77, "ike-cookie-conflict", "this initiator SPI belongs to another inside host";
    IkeAmbiguous = 78, "ike-in-ambiguous", "IKE from a server with several inside hosts, and none has used this initiator SPI";
    L2tpHidden = 79, "l2tp-hidden", "the assigned tunnel ID is hidden, so a second client of this server cannot be told apart";
    L2tpUnknown = 80, "l2tp-unknown", "an L2TP tunnel ID that no inside host has assigned";
    L2tpMalformed = 81, "l2tp-malformed", "an L2TP header or AVP that contradicts itself";
    PeerLimit = 82, "peer-limit", "too many inside hosts for one server";
}

impl Reason {
    /// The lowest punt.
    pub const FIRST_PUNT: u8 = 16;
    /// The lowest drop.
    pub const FIRST_DROP: u8 = 32;
    /// Length of an array indexed by reason.
    pub const COUNT: usize = 96;

    /// The reason with this code, if there is one.
    pub fn from_code(code: u8) -> Option<Reason> {
        Reason::ALL.iter().copied().find(|reason| *reason as u8 == code)
    }

    /// Whether the packet was dropped.
    pub const fn is_drop(self) -> bool {
        self as u8 >= Reason::FIRST_DROP
    }

    /// Whether the packet was left to the kernel's stack.
    pub const fn is_punt(self) -> bool {
        self as u8 >= Reason::FIRST_PUNT && !self.is_drop()
    }
}
