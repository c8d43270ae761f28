//! Counters: packets by class, direction and reason; events beside them.

use super::{CLASSES, Class, Direction, Reason};

/// One counter, kept per CPU.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Counter {
    /// Packets.
    pub packets: u64,
    /// Bytes, by IP total length where the packet has one, else by frame.
    pub bytes: u64,
}

impl Counter {
    /// Entries of the counter table.
    pub const ENTRIES: usize = CLASSES * 2 * Reason::COUNT;

    /// Index of a counter in its table; `class` is [`Class`] and `reason` is [`Reason`], each as a byte.
    #[inline(always)]
    pub const fn index(class: u8, direction: Direction, reason: u8) -> u32 {
        (class as u32 * 2 + direction as u32) * Reason::COUNT as u32 + reason as u32
    }

    /// What the counter with this index counts; `None` beyond the last.
    pub fn of(index: u32) -> Option<(Class, Direction, Reason)> {
        let reason = Reason::from_code((index % Reason::COUNT as u32) as u8)?;
        let pair = index / Reason::COUNT as u32;
        let direction = if pair.is_multiple_of(2) { Direction::Outbound } else { Direction::Inbound };
        let in_table = (index as usize) < Counter::ENTRIES;
        in_table.then(|| (Class::from_index((pair / 2) as u8), direction, reason))
    }
}

macro_rules! events {
    ($($name:ident = $code:literal, $key:literal, $sentence:literal;)*) => {
        /// Things that happen beside the fate of a packet. Index of the event table (one `u64` per CPU each).
        #[repr(u8)]
        #[derive(Clone, Copy, PartialEq, Eq, Debug)]
        pub enum Event { $(#[doc = $sentence] $name = $code,)* }

        impl Event {
            /// Every event.
            pub const ALL: &'static [Event] = &[$(Event::$name,)*];

            /// The word that `stats` shows.
            pub const fn name(self) -> &'static str {
                match self { $(Event::$name => $key,)* }
            }

            /// What it means, for the operator.
            pub const fn sentence(self) -> &'static str {
                match self { $(Event::$name => $sentence,)* }
            }
        }
    };
}

events! {
    SessionOpened = 0, "session-opened", "a session was made";
    SessionClosed = 1, "session-closed", "a session ended or was removed";
    PptpRewritten = 2, "pptp-rewritten", "a call ID in a PPTP control message was rewritten";
    PptpCall = 3, "pptp-call", "a PPTP call was announced";
    EspLearned = 4, "esp-learned", "an inbound SPI was learned";
    EspHoldExpired = 5, "esp-hold-expired", "a client was waited for in vain, and the next one had its turn";
    FragmentOpened = 6, "fragment-opened", "a fragmented datagram began";
    PptpUncalled = 7, "pptp-uncalled", "a PPTP reply to a call that nobody had requested";
    OtherAddress = 8, "other-address", "a host whose outside address was full got a port of another one (`up --pooling soft`)";
    AddressShared = 9, "address-shared", "an IPsec client found no outside address of its own (`up --ipsec-addresses each`)";
    EspOverdue = 10, "esp-overdue", "a client had waited for others for long enough, and went on without a turn of its own";
}

impl Event {
    /// Entries of the event table.
    pub const ENTRIES: usize = 16;
}
