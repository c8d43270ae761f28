//! What a vector plays with: frames go into a device, and each answer is held against what was expected.

use passthrough_common::abi::{Class, Direction, Ranges, Reason, Settings, Side, Switch, Ticks};

use super::frame::Packet;
use super::six::Six;

/// Where a frame is put before the programs.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Place {
    /// WAN egress, from a LAN host.
    Out,
    /// WAN egress, from the gateway itself.
    Own,
    /// WAN ingress.
    In,
    /// LAN ingress.
    Lan,
}

/// What became of a frame.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Fate {
    /// Left to the stack.
    Passed,
    /// Sent out at once.
    Redirected,
    /// Dropped.
    Dropped,
}

/// One counter.
pub type Counted = (Class, Direction, Reason);

/// What became of a frame, with its bytes afterwards and the counters that moved.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// Passed, redirected or dropped.
    pub fate: Fate,
    /// The frame afterwards.
    pub frame: Vec<u8>,
    /// Counters that moved, each by one.
    pub counted: Vec<Counted>,
}

/// How many entries the tables have.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Sizes {
    /// Session entries.
    pub sessions: usize,
    /// Binding entries.
    pub bindings: usize,
    /// Fragment entries.
    pub fragments: usize,
    /// Control connections.
    pub controls: usize,
    /// Servers with peers.
    pub peers: usize,
}

/// What runs frames: the host's code, or the kernel's programs.
pub trait Device {
    /// Takes these settings; interfaces and pool are the device's own.
    fn set(&mut self, settings: &Settings);
    /// Frames of this side's zone carry this tag in their bytes; 0 for none.
    fn zone(&mut self, side: Side, vlan: u16);
    /// A socket of the gateway listens there.
    fn listen(&mut self, protocol: u8, local: (u32, u16));
    /// Forwards an outside port to an inside host and port; port 0 for a protocol without ports.
    fn forward(&mut self, protocol: u8, port: u16, to: (u32, u16));
    /// Lets time pass.
    fn wait(&mut self, length: Ticks);
    /// Puts a frame before the programs.
    fn send(&mut self, place: Place, frame: &[u8]) -> Outcome;
    /// Counts the entries of each table.
    fn sizes(&mut self) -> Sizes;
}

/// A vector's run.
pub struct Play<'a> {
    device: &'a mut dyn Device,
    settings: Settings,
    trace: Vec<Outcome>,
}

impl From<&Packet> for Vec<u8> {
    fn from(packet: &Packet) -> Vec<u8> {
        packet.frame()
    }
}

impl From<Packet> for Vec<u8> {
    fn from(packet: Packet) -> Vec<u8> {
        packet.frame()
    }
}

impl From<Six> for Vec<u8> {
    fn from(packet: Six) -> Vec<u8> {
        packet.frame()
    }
}

impl<'a> Play<'a> {
    /// A run on a device that is as new, with the settings that `up` starts from.
    pub fn new(device: &'a mut dyn Device) -> Play<'a> {
        let mut settings = Settings::DEFAULT;
        settings.wan_ifindex = super::host::WAN;
        settings.pool = Ranges::one(super::E);
        device.set(&settings);
        Play { device, settings, trace: Vec::new() }
    }

    /// What became of every frame.
    pub fn into_trace(self) -> Vec<Outcome> {
        self.trace
    }

    /// Changes the settings, and says so as userspace does.
    pub fn set(&mut self, change: impl FnOnce(&mut Settings)) {
        change(&mut self.settings);
        self.settings.changes = self.settings.changes.wrapping_add(1);
        self.device.set(&self.settings);
    }

    /// Turns switches to *full*.
    pub fn enable(&mut self, classes: &[Class]) {
        for class in classes {
            self.switch(*class, Switch::Full);
        }
    }

    /// Turns a switch. Switching off begins a new generation, as the command line does.
    pub fn switch(&mut self, class: Class, switch: Switch) {
        self.set(|settings| {
            settings.switches[class as usize] = switch as u8;
            if switch == Switch::Off {
                let generation = &mut settings.generations[class as usize];
                *generation = generation.wrapping_add(1);
            }
        });
    }

    /// Has the frames of a side's zone carry this tag.
    pub fn zone(&mut self, side: Side, vlan: u16) {
        self.device.zone(side, vlan);
    }

    /// Has a socket of the gateway listen there.
    pub fn listen(&mut self, protocol: u8, local: (u32, u16)) {
        self.device.listen(protocol, local);
    }

    /// Forwards an outside port to an inside host and port; port 0 for a protocol without ports.
    pub fn forward(&mut self, protocol: u8, port: u16, to: (u32, u16)) {
        self.device.forward(protocol, port, to);
    }

    /// Lets time pass.
    pub fn wait(&mut self, secs: u32) {
        self.device.wait(Ticks::from_secs(secs));
    }

    /// How many entries each table has.
    pub fn sizes(&mut self) -> Sizes {
        self.device.sizes()
    }

    /// A frame from a LAN host at WAN egress.
    #[must_use = "an answer that nobody looks at proves nothing"]
    #[track_caller]
    pub fn out(&mut self, frame: impl Into<Vec<u8>>) -> Answer {
        self.send(Place::Out, frame.into())
    }

    /// A frame from the gateway itself at WAN egress.
    #[must_use = "an answer that nobody looks at proves nothing"]
    #[track_caller]
    pub fn own(&mut self, frame: impl Into<Vec<u8>>) -> Answer {
        self.send(Place::Own, frame.into())
    }

    /// A frame at WAN ingress.
    #[must_use = "an answer that nobody looks at proves nothing"]
    #[track_caller]
    pub fn back(&mut self, frame: impl Into<Vec<u8>>) -> Answer {
        self.send(Place::In, frame.into())
    }

    /// A frame at LAN ingress.
    #[must_use = "an answer that nobody looks at proves nothing"]
    #[track_caller]
    pub fn lan(&mut self, frame: impl Into<Vec<u8>>) -> Answer {
        self.send(Place::Lan, frame.into())
    }

    #[track_caller]
    fn send(&mut self, place: Place, sent: Vec<u8>) -> Answer {
        let before = self.device.sizes();
        let outcome = self.device.send(place, &sent);
        let after = self.device.sizes();
        // A LAN interface counts what it drops and what it translates: a hairpinned packet.
        let silent = place == Place::Lan && outcome.fate != Fate::Dropped && outcome.counted.is_empty();
        assert!(
            silent || outcome.counted.len() == 1,
            "G4: exactly one counter moves, not {:?}",
            outcome.counted
        );
        self.trace.push(outcome.clone());
        Answer { outcome, sent, before, after }
    }
}

/// The answer to one frame.
#[derive(Debug)]
pub struct Answer {
    outcome: Outcome,
    sent: Vec<u8>,
    before: Sizes,
    after: Sizes,
}

impl Answer {
    #[track_caller]
    fn is(self, fate: Fate, reason: Reason, frame: Option<Vec<u8>>) -> Answer {
        let counted = self.outcome.counted.first().map(|(_, _, reason)| *reason);
        assert_eq!((self.outcome.fate, counted.unwrap_or(reason)), (fate, reason), "{}", self.shown());
        if let Some(frame) = frame {
            assert!(
                self.outcome.frame == frame,
                "another frame came out:\n  in   {}\n  out  {}\n  want {}",
                hex(&self.sent),
                hex(&self.outcome.frame),
                hex(&frame)
            );
        }
        self
    }

    fn shown(&self) -> String {
        format!("of {} came {:?} {:?}", hex(&self.sent), self.outcome.fate, self.outcome.counted)
    }

    /// Translated and left to the stack, as this frame.
    #[track_caller]
    pub fn passes(self, frame: impl Into<Vec<u8>>) -> Answer {
        self.is(Fate::Passed, Reason::Forwarded, Some(frame.into()))
    }

    /// Translated and sent out at once, as this frame.
    #[track_caller]
    pub fn redirects(self, frame: impl Into<Vec<u8>>) -> Answer {
        self.is(Fate::Redirected, Reason::Forwarded, Some(frame.into()))
    }

    /// Translated and sent on, whatever the gateway has chosen for it.
    #[track_caller]
    pub fn is_forwarded(self) -> Answer {
        let fate = self.outcome.fate;
        assert_ne!(fate, Fate::Dropped, "{}", self.shown());
        self.is(fate, Reason::Forwarded, None)
    }

    /// Sent on from a LAN interface, untranslated: it is translated at WAN egress.
    #[track_caller]
    pub fn is_sent_on(self, frame: impl Into<Vec<u8>>) -> Answer {
        self.is(Fate::Redirected, Reason::Forwarded, Some(frame.into()))
    }

    /// Left to the stack unchanged, for this reason, and nothing is remembered.
    #[track_caller]
    pub fn punts(self, reason: Reason) -> Answer {
        self.punts_and_changes(reason).leaves_no_trace()
    }

    /// Left to the stack unchanged, for this reason, which changes tables.
    #[track_caller]
    pub fn punts_and_changes(self, reason: Reason) -> Answer {
        let sent = self.sent.clone();
        self.is(Fate::Passed, reason, Some(sent))
    }

    /// IPv6 that passes unchanged; a first fragment is remembered.
    #[track_caller]
    pub fn passes_ipv6(self) -> Answer {
        let sent = self.sent.clone();
        self.is(Fate::Passed, Reason::PassedIpv6, Some(sent))
    }

    /// Dropped for this reason, and nothing is remembered.
    #[track_caller]
    pub fn drops(self, reason: Reason) -> Answer {
        self.is(Fate::Dropped, reason, None).leaves_no_trace()
    }

    /// Dropped for this reason, which changes tables.
    #[track_caller]
    pub fn drops_and_changes(self, reason: Reason) -> Answer {
        self.is(Fate::Dropped, reason, None)
    }

    #[track_caller]
    fn leaves_no_trace(self) -> Answer {
        assert_eq!(self.before, self.after, "G4: no entry is made; {}", self.shown());
        self
    }

    /// Counted under this class.
    #[track_caller]
    pub fn class(self, class: Class) -> Answer {
        assert_eq!(self.outcome.counted.first().map(|(class, _, _)| *class), Some(class), "{}", self.shown());
        self
    }

    /// The session table has grown by so many entries.
    #[track_caller]
    pub fn opens(self, entries: usize) -> Answer {
        assert_eq!(
            self.after.sessions as i64 - self.before.sessions as i64,
            entries as i64,
            "{}",
            self.shown()
        );
        self
    }

    /// The source port or identifier with which the frame came out: for those that the gateway draws.
    pub fn source_id(&self) -> u16 {
        // Identifiers of ICMP lie 4 bytes further.
        let icmp = self.outcome.frame[23] == 1;
        self.id_at(34 + if icmp { 4 } else { 0 })
    }

    /// The source address with which the frame came out.
    pub fn source(&self) -> u32 {
        let [a, b, c, d] = [26, 27, 28, 29].map(|at| self.outcome.frame[at]);
        u32::from_be_bytes([a, b, c, d])
    }

    /// The IPv4 identification with which the frame came out.
    pub fn identification(&self) -> u16 {
        self.id_at(18)
    }

    /// The 16-bit number at this offset of the frame that came out.
    pub fn id_at(&self, at: usize) -> u16 {
        u16::from_be_bytes([self.outcome.frame[at], self.outcome.frame[at + 1]])
    }

    /// What came out.
    pub fn frame(&self) -> &[u8] {
        &self.outcome.frame
    }
}

fn hex(bytes: &[u8]) -> String {
    let shown: String = bytes.iter().skip(12).take(220).map(|byte| format!("{byte:02x}")).collect();
    format!("{}... {} bytes", shown, bytes.len())
}
