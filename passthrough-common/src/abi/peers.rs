//! Which inside hosts talk to one server, where ports do not tell them apart (ESP, IKE on 500, L2TP on 1701).

use super::Ticks;

/// Most inside hosts for one server, outside address and protocol.
pub const PEERS: usize = 64;

/// SPIs of one host to one server that may come unpaired within a minute (`conformance.md` section 8 rule 12).
pub const SPIS: u16 = 64;

/// Unknown inbound SPIs from one server in a second (rule 12).
pub const UNKNOWN_SPIS: u16 = 50;

/// Key of the peer table: one server as seen from one outside address.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct PeerKey {
    hosts: u64,
    protocol: u64,
}

/// Protocol number of the peers' record that IKE and ESP share.
pub const IPSEC: u8 = 50;
/// Protocol number of L2TP's record.
pub const L2TP: u8 = 115;

impl PeerKey {
    /// `server` as seen from `outside`, for [`IPSEC`] or [`L2TP`].
    #[inline(always)]
    pub const fn new(server: u32, outside: u32, protocol: u8) -> PeerKey {
        PeerKey { hosts: server as u64 | (outside as u64) << 32, protocol: protocol as u64 }
    }

    /// The server.
    pub const fn server(&self) -> u32 {
        self.hosts as u32
    }

    /// The outside address.
    pub const fn outside(&self) -> u32 {
        (self.hosts >> 32) as u32
    }

    /// [`IPSEC`] or [`L2TP`].
    pub const fn protocol(&self) -> u8 {
        self.protocol as u8
    }
}

/// Bits of [`Peer::window`]: a peer's learn window (`conformance.md` section 8 rules 3 to 5) and what it has shown.
pub mod window {
    /// No window.
    pub const NONE: u16 = 0;
    /// Open: exclusive for its first three seconds (one, once its exchange is answered), lazy until thirty.
    pub const OPEN: u16 = 1 << 0;
    /// A new outbound SPI was seen in this window.
    pub const SENT: u16 = 1 << 1;
    /// The window closed with an inbound SPI before a new outbound one: the next such opens none.
    pub const AHEAD: u16 = 1 << 2;
    /// The window turned lazy and another host has had its turn.
    pub const EXPIRED: u16 = 1 << 3;
    /// An inbound SPI has been learned for this host.
    pub const PAIRED: u16 = 1 << 4;
    /// The host has sent ESP since the last inbound SPI was learned for it.
    pub const SPOKE: u16 = 1 << 5;
    /// The last exchange that could make an association was begun by the server.
    pub const ASKED: u16 = 1 << 6;
    /// From this bit on: how many SPIs came without being paired, within a minute (rule 12).
    pub const SPIS_SHIFT: u16 = 8;
}

/// One inside host that talks to the server.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Hash)]
pub struct Peer {
    /// The inside host; 0 in an entry not used.
    pub host: u32,
    /// Last IKE or ESP (or L2TP) from it.
    pub seen: Ticks,
    /// First outbound ESP from it in this record; 0 if none.
    pub esp_since: Ticks,
    /// When its learn window opened; where less of its exclusive part is left, as much earlier.
    pub window_at: Ticks,
    /// Since when what it asks for in IKE waits for another host's window; 0 if nothing does.
    pub waits_since: Ticks,
    /// Message ID of the last quick-mode message from the server to it (RFC 2409 section 5.5).
    pub quick_mode: u32,
    /// The last new outbound SPI that it used.
    pub spi: u32,
    /// The exchange that the last association counted in `owed` was agreed on in.
    pub exchange: u32,
    /// Bits of [`window`].
    pub window: u16,
    /// Inbound SPIs that it may yet be shown: associations agreed on, or seen, for which none was learned for certain.
    pub owed: u8,
    /// Associations agreed on whose outbound SPI has not been seen.
    pub unsent: u8,
    /// [`Peers::round`] that `owed` is of; of another one, nothing is owed.
    pub round: u32,
}

impl Peer {
    /// Inbound SPIs that are owed to it in this round.
    #[inline(always)]
    pub const fn owed_in(&self, round: u32) -> u8 {
        if self.round == round { self.owed } else { 0 }
    }
}

/// Value of the peer table.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Peers {
    /// Hosts; entries not used have host 0.
    pub hosts: [Peer; PEERS],
    /// When the count of unknown SPIs below began.
    pub unknown_since: Ticks,
    /// Unknown inbound SPIs since then (rule 12).
    pub unknown: u16,
    /// Generations of the switches that the hosts joined under; other ones now mean that the record is empty (rule 13).
    pub generations: u16,
    /// When something was last seen that began before this record did, or when the record began; 0 in an empty one.
    pub settled: Ticks,
    /// Inbound SPIs that are owed to all hosts together, in this round.
    pub owed: u32,
    /// Inbound SPIs bound in this round that may have been another host's.
    pub guessed: u32,
    /// Bindings given up in this round: somebody is owed an SPI for each, nobody knows who.
    pub orphans: u32,
    /// Counts up when everything that was owed has been paid, whoever got what.
    pub round: u32,
    /// An inbound SPI that a host has refused, and that host (rule 9).
    pub refused: u32,
    /// The host.
    pub refused_by: u32,
    /// The inside host that made the record, for which it counts ([`super::Share::Servers`]); 0 while it is being made.
    pub opener: u32,
    /// Always 0, which the verifier does not know: see [`Peers::first`].
    pub nought: u32,
}

impl Peers {
    /// The first entry that fits.
    ///
    /// Where the search ended is blurred with a number that is 0: the verifier would walk all that follows once for each of the
    /// 64 places (6.18: half of what it walked of `step_renew` was one entry's clearing).
    #[inline(always)]
    pub fn first(&mut self, fits: impl Fn(&Peer) -> bool) -> Option<&mut Peer> {
        let mut index = 0;
        while index < PEERS && !fits(&self.hosts[index]) {
            index += 1;
        }
        self.hosts.get_mut((index as u32 ^ self.nought) as usize)
    }

    /// A record of nobody.
    pub const EMPTY: Peers = Peers {
        hosts: [Peer {
            host: 0,
            seen: Ticks(0),
            esp_since: Ticks(0),
            window_at: Ticks(0),
            waits_since: Ticks(0),
            quick_mode: 0,
            spi: 0,
            exchange: 0,
            window: 0,
            owed: 0,
            unsent: 0,
            round: 0,
        }; PEERS],
        unknown_since: Ticks(0),
        unknown: 0,
        generations: 0,
        settled: Ticks(0),
        owed: 0,
        guessed: 0,
        orphans: 0,
        round: 0,
        refused: 0,
        refused_by: 0,
        opener: 0,
        nought: 0,
    };
}

const _: () = {
    assert!(size_of::<PeerKey>() == 16);
    assert!(size_of::<Peer>() == 40);
    assert!(size_of::<Peers>() == 40 * PEERS + 44);
};
