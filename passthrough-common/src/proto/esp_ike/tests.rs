//! Sections 7 and 8 of `conformance.md` against the host doubles: packets in, hosts or reasons out.

use std::vec;
use std::vec::Vec;

use super::*;
use crate::abi::Class;
use crate::abi::{Event, Switch, Ticks};
use crate::proto::{Part, halves};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway, OUTSIDE};
use crate::session::idle;

const A: u32 = 0xc0a8_010a;
const B: u32 = 0xc0a8_010b;
const C: u32 = 0xc0a8_010c;
const S: u32 = 0xc633_640a;
const T: u32 = 0xc633_6414;

const QUICK_MODE: (u8, u8) = (0x10, 32);
const SA_INIT: (u8, u8) = (0x20, 34);
const AUTH: (u8, u8) = (0x20, 35);
const CHILD: (u8, u8) = (0x20, 36);
const INFORMATIONAL: (u8, u8) = (0x20, 37);
const REQUEST: u8 = 0;
const RESPONSE: u8 = 0x20;

/// A gateway, and the part of `path` that leads to this module and back.
struct Lab(Gateway);

impl Lab {
    fn new() -> Lab {
        let mut gateway = Gateway::default();
        gateway.settings.switches[Class::Esp as usize] = Switch::Full as u8;
        gateway.settings.switches[Class::Ike as usize] = Switch::Full as u8;
        Lab(gateway)
    }

    fn wait(&self, secs: u32) {
        self.0.wait(Ticks::from_secs(secs));
    }

    fn events(&self, event: Event) -> u64 {
        self.0.events.borrow().get(&(event as u8)).copied().unwrap_or(0)
    }

    /// Looks up, renews or makes the session; what its address becomes.
    fn pass(&self, key: &SessionKey, frame: &mut Frame, flow: &Flow) -> Result<u32, Reason> {
        let mut opened = flow.class == Class::Ike;
        for _ in 0..4 {
            match self.0.sessions.get(key) {
                None if opened => return Err(Reason::Contended),
                None => {
                    opened = true;
                    step(frame, flow, &self.0)?;
                }
                Some(session) if halves::is_over(&self.0, key, &session) => {
                    halves::remove(&self.0, key, &session)
                }
                Some(session) if idle::lease_is_over(&session, self.0.now.get()) => {
                    self.0.sessions.update(key, |session| {
                        (session.renewed, session.seen) = (self.0.now.get().coarse(), self.0.now.get())
                    });
                    refresh(&self.0, key, &session);
                }
                Some(session) => {
                    self.0.sessions.update(key, |session| session.seen = self.0.now.get());
                    return Ok(session.address);
                }
            }
        }
        Err(Reason::Contended)
    }

    fn esp_bytes(&self, ends: (u32, u32), outbound: bool, bytes: Vec<u8>) -> Result<u32, Reason> {
        let (mut frame, flow) = packet(Class::Esp, ends, outbound, 0, bytes);
        let word = frame.u32(34).unwrap_or(0);
        let (view, server, local) =
            if outbound { (View::Outbound, ends.1, ends.0) } else { (View::Inbound, ends.0, ends.1) };
        let before = frame.clone();
        let result = self.pass(&esp_key(view, server, local, word), &mut frame, &flow);
        assert_eq!(frame, before, "Q7, N2: the step itself changes no byte");
        result
    }

    /// ESP from a host to a server; the outside address that it gets.
    fn sends(&self, host: u32, server: u32, spi: u32, sequence: u32) -> Result<u32, Reason> {
        self.esp_bytes((host, server), true, [spi.to_be_bytes(), sequence.to_be_bytes()].concat())
    }

    /// ESP from a server to E; the host that receives it.
    fn answers(&self, server: u32, spi: u32, sequence: u32) -> Result<u32, Reason> {
        self.esp_bytes((server, OUTSIDE), false, [spi.to_be_bytes(), sequence.to_be_bytes()].concat())
    }

    fn ike_bytes(&self, ends: (u32, u32), outbound: bool, ike: Vec<u8>) -> Result<u32, Reason> {
        let mut bytes = vec![0x01, 0xf4, 0x01, 0xf4, 0, 0, 0, 0];
        bytes.extend(ike);
        let (mut frame, flow) = packet(Class::Ike, ends, outbound, 500 << 16 | 500, bytes);
        step(&mut frame, &flow, &self.0)?;
        let initiator = initiator_key(&frame, &flow)?;
        let (view, server, local) =
            if outbound { (View::Outbound, ends.1, ends.0) } else { (View::Inbound, ends.0, ends.1) };
        let key = SessionKey::new(view, server, local, 17, Space::InitiatorSpi, initiator);
        self.pass(&key, &mut frame, &flow)
    }

    /// IKE from a host to a server.
    fn asks(&self, host: u32, server: u32, spi: u64, kind: (u8, u8), flags: u8) -> Result<u32, Reason> {
        self.ike_bytes((host, server), true, ike(spi, kind, flags, 1))
    }

    /// IKE from a server to E; the host that receives it.
    fn replies(&self, server: u32, spi: u64, kind: (u8, u8), flags: u8) -> Result<u32, Reason> {
        self.ike_bytes((server, OUTSIDE), false, ike(spi, kind, flags, 1))
    }

    /// A host and a server exchange one packet each way with their own SPIs, as a fresh association does.
    fn pair(&self, host: u32, server: u32, out: u32, back: u32) {
        assert_eq!(self.sends(host, server, out, 1), Ok(OUTSIDE));
        assert_eq!(self.answers(server, back, 1), Ok(host));
        assert_eq!(self.sends(host, server, out, 2), Ok(OUTSIDE));
    }

    /// Time passes in which everyone keeps in touch, until the record counts as complete.
    fn settle(&self, hosts: &[u32]) {
        for _ in 0..4 {
            self.wait(100);
            for host in hosts {
                self.asks(*host, S, 0x1_0000 + u64::from(*host), INFORMATIONAL, REQUEST).unwrap();
            }
        }
    }

    /// A host begins IKE with S, as one that was not there before.
    fn begins(&self, host: u32) {
        self.asks(host, S, 0x1_0000 + u64::from(host), SA_INIT, REQUEST).unwrap();
    }

    /// A host's association in place of its last one, as IKE shows it; the exchange has this message ID.
    fn rekeys(&self, host: u32, id: u32) -> Result<u32, Reason> {
        self.ike_bytes((host, S), true, ike(0x1_0000 + u64::from(host), CHILD, REQUEST, id))
    }

    /// An association with S is still in use when its sessions are looked at again.
    fn lasts(&self, host: u32, out: u32, back: u32) {
        self.wait(20);
        assert_eq!(self.sends(host, S, out, 3), Ok(OUTSIDE));
        assert_eq!(self.answers(S, back, 3), Ok(host));
    }

    fn is_tentative(&self, spi: u32) -> bool {
        self.flags(S, spi) & flag::TENTATIVE != 0
    }

    fn flags(&self, server: u32, spi: u32) -> u8 {
        self.0.sessions.get(&esp_key(View::Inbound, server, OUTSIDE, spi)).unwrap().flags
    }
}

fn ike(spi: u64, (version, kind): (u8, u8), flags: u8, id: u32) -> Vec<u8> {
    let mut bytes = spi.to_be_bytes().to_vec();
    bytes.extend([0; 8]);
    bytes.extend([0, version, kind, flags]);
    bytes.extend(id.to_be_bytes());
    bytes.extend(28u32.to_be_bytes());
    bytes
}

fn packet(class: Class, ends: (u32, u32), outbound: bool, ports: u32, l4: Vec<u8>) -> (Frame, Flow) {
    let mut bytes = vec![0; 34];
    bytes.extend(l4);
    let esp = class == Class::Esp;
    let flow = Flow {
        source: ends.0,
        destination: ends.1,
        selector: ports,
        ip_at: 14,
        l4_at: 34,
        end: bytes.len() as u32,
        protocol: if esp { number::ESP } else { number::UDP },
        space: if esp { Space::Spi } else { Space::Ports },
        tcp_flags: 0,
        ttl: 64,
        tos: 0,
        class,
        part: Part::Whole,
        options: false,
        error: false,
        identification: 0,
        progress: if outbound { progress::OUTBOUND } else { 0 },
        reserved: Default::default(),
    };
    (Frame(bytes), flow)
}

/// Proves: E1.
#[test]
fn one_client_is_learned_from_the_first_inbound_packet() {
    let lab = Lab::new();
    assert_eq!(lab.sends(A, S, 0x1001, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    assert_eq!(lab.events(Event::EspLearned), 1);
    assert!(lab.flags(S, 0x2001) & flag::LEARNED != 0);
    // I16: what an error about the outbound packet quotes leads to A.
    assert_eq!(table::owner(&lab.0, &esp_key(View::Quoted, S, OUTSIDE, 0x1001)), Some(A));
}

/// Proves: E2.
#[test]
fn two_clients_one_after_the_other() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, S, 0x1002, 0x2002);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert_eq!(lab.answers(S, 0x2002, 2), Ok(B));
}

/// Proves: E3.
#[test]
fn the_second_client_waits_until_the_first_is_learned() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.asks(B, S, 0xb, (0x10, 2), 0).unwrap();
    assert_eq!(lab.asks(B, S, 0xb, QUICK_MODE, 1), Err(Reason::EspHold));
    assert_eq!(lab.sends(B, S, 0x1002, 1), Err(Reason::EspHold));
    assert_eq!(lab.sends(A, S, 0x1001, 2), Ok(OUTSIDE), "a known SPI is never held");
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    assert_eq!(lab.asks(B, S, 0xb, QUICK_MODE, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(B));
}

/// Proves: E3.
#[test]
fn a_client_waits_for_three_seconds_at_most() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.wait(2);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Err(Reason::EspHold));
    lab.wait(1);
    assert_eq!(lab.sends(B, S, 0x1002, 2), Ok(OUTSIDE));
    assert_eq!(lab.events(Event::EspHoldExpired), 1);
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(B), "one exclusive window before a lazy one");
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "then the only lazy one");
}

/// Proves: E5.
#[test]
fn the_server_first_needs_ike_before() {
    let lab = Lab::new();
    assert_eq!(lab.answers(S, 0x2001, 1), Err(Reason::EspUnsolicited));
    lab.pair(B, S, 0x1002, 0x2002);
    lab.asks(A, S, 0xa, AUTH, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa, AUTH, RESPONSE), Ok(A));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    // A's own first packet opens no window that nothing would fill.
    assert_eq!(lab.sends(A, S, 0x1001, 1), Ok(OUTSIDE));
    assert_eq!(lab.sends(C, S, 0x1003, 1), Ok(OUTSIDE));
}

/// Proves: E6.
#[test]
fn two_lazy_windows_are_ambiguous() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 1).unwrap();
    lab.wait(3);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(3);
    assert_eq!(lab.answers(S, 0x2001, 1), Err(Reason::EspAmbiguous));
    assert_eq!(lab.answers(S, 0x2001, 500), Err(Reason::EspAmbiguous));
}

/// Proves: E7.
#[test]
fn rekey_by_the_client_with_three_others() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    for (index, host) in [A, B, C, C + 1].into_iter().enumerate() {
        lab.pair(host, S, 0x1001 + index as u32, 0x2001 + index as u32);
    }
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa, CHILD, RESPONSE), Ok(A));
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));
    assert_eq!(lab.sends(A, S, 0x4001, 1), Ok(OUTSIDE));
    for (index, host) in [A, B, C, C + 1].into_iter().enumerate() {
        assert_eq!(lab.answers(S, 0x2001 + index as u32, 9), Ok(host), "old SPIs stay");
    }
    assert_eq!(lab.sends(B, S, 0x4002, 1), Ok(OUTSIDE), "A's window is closed");
}

/// Proves: E8.
#[test]
fn rekey_by_the_server_in_both_versions() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, S, 0x1002, 0x2002);
    // Three quick-mode messages, the first from the server.
    assert_eq!(lab.replies(S, 0xa, QUICK_MODE, 1), Ok(A));
    assert_eq!(lab.asks(A, S, 0xa, QUICK_MODE, 1), Ok(OUTSIDE));
    assert_eq!(lab.sends(B, S, 0x1012, 1), Err(Reason::EspHold));
    assert_eq!(lab.replies(S, 0xa, QUICK_MODE, 1), Ok(A));
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));

    assert_eq!(lab.replies(S, 0xa, CHILD, REQUEST), Ok(A));
    assert_eq!(lab.asks(A, S, 0xa, CHILD, RESPONSE), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x3011, 1), Ok(A));
}

/// Proves: E9.
#[test]
fn a_window_that_nothing_fills_does_no_harm() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    lab.replies(S, 0xa, CHILD, RESPONSE).unwrap();
    lab.wait(30);
    lab.pair(B, S, 0x1002, 0x2002);
}

/// Proves: E10.
#[test]
fn the_same_spi_from_two_servers() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.pair(B, T, 0x1001, 0x2001);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert_eq!(lab.answers(T, 0x2001, 2), Ok(B));
    assert_eq!(lab.sends(A, S, 0x1001, 3), Ok(OUTSIDE));
}

/// Proves: E11.
#[test]
fn the_first_owner_of_an_spi_keeps_it() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    assert_eq!(lab.sends(B, S, 0x1001, 1), Err(Reason::EspConflict), "outbound: the server gave it to A");
    lab.sends(B, S, 0x1002, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "inbound: N1");
}

/// Proves: E12.
#[test]
fn state_loss_with_one_client() {
    let lab = Lab::new();
    assert_eq!(lab.answers(S, 0x2001, 7000), Err(Reason::EspUnsolicited));
    lab.sends(A, S, 0x1001, 8000).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 7001), Ok(A));
}

/// Proves: E12.
#[test]
fn state_loss_with_several_clients_guesses_nothing() {
    let lab = Lab::new();
    lab.sends(A, S, 0x1001, 8000).unwrap();
    assert_eq!(lab.sends(B, S, 0x1002, 900), Ok(OUTSIDE), "nor keeps anyone waiting");
    assert_eq!(lab.answers(S, 0x2002, 950), Err(Reason::EspAmbiguous));
    // A makes a new association: that one is certain.
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x3001, 1), Ok(A));
    // B is now the only one that waits for a first answer.
    assert_eq!(lab.answers(S, 0x2002, 951), Ok(B));
}

/// Proves: E13.
#[test]
fn a_host_that_floated_takes_no_plain_esp() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    floated(&lab.0, A, S);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Ok(OUTSIDE));
    lab.wait(40);
    assert_eq!(lab.answers(S, 0x2002, 70), Ok(B));
}

/// Proves: E13.
#[test]
fn a_host_with_plain_esp_beside_nat_traversal_stays_a_candidate() {
    let lab = Lab::new();
    // A agrees on plain ESP over port 500, and opens another tunnel to the same server over 4500.
    lab.asks(A, S, 0xa, AUTH, REQUEST).unwrap();
    floated(&lab.0, A, S);
    lab.sends(B, S, 0x1002, 1).unwrap_err();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "not B's, who is all that would be left");
}

/// Proves: E14.
#[test]
fn idle_and_membership_expire_at_their_times() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(299);
    assert_eq!(lab.answers(S, 0x2011, 1), Ok(A));
    lab.wait(3);
    assert_eq!(lab.answers(S, 0x2012, 1), Err(Reason::EspUnsolicited), "K is empty after 300 s");
    // An outbound packet of a known SPI, past its lease, brings A back.
    lab.sends(A, S, 0x1001, 3).unwrap();
    assert_eq!(lab.answers(S, 0x2012, 1), Ok(A));
    lab.wait(3599);
    assert_eq!(lab.sends(A, S, 0x1001, 4), Ok(OUTSIDE));
    assert_eq!(table::owner(&lab.0, &esp_key(View::Quoted, S, OUTSIDE, 0x1001)), Some(A));
    assert_eq!(lab.answers(S, 0x2012, 2), Ok(A));
    lab.wait(3602);
    assert_eq!(lab.answers(S, 0x2012, 3), Err(Reason::EspUnsolicited));
}

/// Proves: E18.
#[test]
fn a_flood_of_unknown_spis_leaves_the_learned_one_alone() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    let before = lab.0.sessions.len();
    for spi in 0..100_000u32 {
        let _ = lab.answers(S, 0x10_0000 + spi, spi);
        if spi % 1000 == 0 {
            assert_eq!(lab.answers(S, 0x2001, spi), Ok(A));
            assert_eq!(lab.sends(A, S, 0x1001, spi), Ok(OUTSIDE));
            lab.wait(1);
        }
    }
    // 64 a minute and host.
    assert!(lab.0.sessions.len() - before <= 64 * 3, "{}", lab.0.sessions.len());
}

/// Proves: Z54.
#[test]
fn a_flood_of_outbound_spis_is_bounded_and_holds_no_other_client_for_long() {
    let lab = Lab::new();
    let mut refused = 0;
    for spi in 0..10_000u32 {
        refused += u32::from(lab.sends(A, S, 0x10_0000 + spi, 1) == Err(Reason::EspFlood));
    }
    assert_eq!(refused, 10_000 - 64);
    lab.wait(3);
    assert_eq!(lab.sends(B, S, 0x1002, 1), Ok(OUTSIDE));
    lab.wait(60);
    assert_eq!(lab.sends(A, S, 0x9999, 1), Ok(OUTSIDE), "and forgotten after a minute");
}

/// Proves: Z53.
#[test]
fn refuses_malformed() {
    let lab = Lab::new();
    assert_eq!(lab.sends(A, S, 0, 1), Err(Reason::Malformed));
    assert_eq!(lab.esp_bytes((A, S), true, vec![0, 0, 1, 1, 0, 0, 0]), Err(Reason::Malformed));
    assert_eq!(lab.answers(S, 0, 1), Err(Reason::Malformed));
    assert_eq!(lab.esp_bytes((S, OUTSIDE), false, vec![0, 0, 1]), Err(Reason::Malformed));
    assert_eq!(lab.sends(A, S, 255, 1), Ok(OUTSIDE), "reserved SPIs pass");
    assert!(lab.0.peers.len() == 1);
}

/// Proves: Z55.
#[test]
fn another_host_cannot_steal_a_binding() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(20);
    lab.sends(A, S, 0x1001, 3).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    lab.sends(B, S, 0x6666, 1).unwrap();
    lab.asks(B, S, 0xb, CHILD, REQUEST).unwrap();
    for _ in 0..10 {
        lab.wait(30);
        lab.sends(B, S, 0x6666, 2).unwrap();
        assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    }
}

/// Proves: E17.
#[test]
fn rule_9_a_disputed_binding_that_its_host_never_uses_is_given_up() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A), "a wrong guess: it was B's");
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(59);
    assert_eq!(lab.answers(S, 0x2002, 100), Ok(A));
    lab.wait(20);
    assert_eq!(lab.answers(S, 0x2002, 101), Ok(B));
}

#[test]
fn rule_9_an_undisputed_binding_stands_without_an_answer() {
    let lab = Lab::new();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    for sequence in 1..10 {
        lab.wait(30);
        assert_eq!(lab.answers(S, 0x2001, sequence * 100), Ok(A));
    }
    lab.wait(3400);
    assert_eq!(
        lab.answers(S, 0x2001, 9000),
        Err(Reason::EspUnsolicited),
        "rule 11: inbound alone keeps it not"
    );
}

#[test]
fn rule_9_a_pair_that_was_quiet_for_long_is_confirmed_by_its_other_half() {
    let lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(1);
    // Within the lease: only the session sees it.
    lab.sends(A, S, 0x1001, 3).unwrap();
    lab.wait(200);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A), "kept, though B disputes it");
    lab.wait(200);
    assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    assert!(lab.is_tentative(0x2001), "what B sends was agreed on out of sight, so the SPI may be B's");
}

#[test]
fn rule_9_one_client_is_confirmed_once_no_other_can_be_there() {
    let lab = Lab::new();
    lab.begins(A);
    lab.pair(A, S, 0x1001, 0x2001);
    lab.wait(100);
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
    assert!(lab.is_tentative(0x2001), "another may have been there before, and show itself yet");
    lab.settle(&[A]);
    assert_eq!(lab.answers(S, 0x2001, 3), Ok(A));
    assert!(lab.is_tentative(0x2001), "A showed an SPI that nobody saw it agree on: when, nobody knows");
    lab.rekeys(A, 1).unwrap();
    lab.pair(A, S, 0x1011, 0x2011);
    lab.lasts(A, 0x1011, 0x2011);
    assert!(!lab.is_tentative(0x2011), "agreed on in sight, by one who was known");
}

#[test]
fn rule_9_a_binding_with_a_rival_stays_tentative_however_much_its_host_sends() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    lab.rekeys(A, 1).unwrap();
    lab.wait(4);
    // A's window is lazy. B's is exclusive when the server first speaks to A.
    lab.rekeys(B, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(B), "a wrong guess");
    lab.sends(B, S, 0x1002, 1).unwrap();
    for sequence in 2..6 {
        lab.wait(20);
        assert_eq!(lab.sends(B, S, 0x1002, sequence), Ok(OUTSIDE));
        assert_eq!(lab.answers(S, 0x2001, sequence), Ok(B));
        assert!(lab.is_tentative(0x2001));
    }
    // As many are learned as were agreed on: from here on the accounts are clear again.
    lab.sends(A, S, 0x1001, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A));
    lab.rekeys(A, 2).unwrap();
    lab.pair(A, S, 0x1011, 0x2011);
    lab.lasts(A, 0x1011, 0x2011);
    assert!(!lab.is_tentative(0x2011));
    assert!(lab.is_tentative(0x2001), "of the two that were guessed, nothing more is known");
}

#[test]
fn rule_9_a_rekeyed_ike_association_is_nobodys_rival() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    // A agrees on a new IKE association, which looks as one of ESP does, and then uses it.
    lab.rekeys(A, 1).unwrap();
    lab.asks(A, S, 0xa2, INFORMATIONAL, REQUEST).unwrap();
    lab.wait(4);
    lab.rekeys(B, 1).unwrap();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.lasts(B, 0x1002, 0x2002);
    assert!(!lab.is_tentative(0x2002));
}

#[test]
fn rule_9_a_retried_exchange_is_owed_one_spi() {
    let lab = Lab::new();
    lab.begins(A);
    lab.begins(B);
    lab.settle(&[A, B]);
    for _ in 0..3 {
        lab.rekeys(A, 1).unwrap();
        lab.wait(1);
    }
    assert_eq!(lab.ike_bytes((S, OUTSIDE), false, ike(0x1_0000 + u64::from(A), CHILD, RESPONSE, 1)), Ok(A));
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A));
    lab.rekeys(B, 1).unwrap();
    lab.pair(B, S, 0x1002, 0x2002);
    lab.lasts(B, 0x1002, 0x2002);
    assert!(!lab.is_tentative(0x2002), "A is owed nothing");
}

#[test]
fn e17_an_spi_that_its_host_refuses_goes_to_the_other_candidate() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, CHILD, REQUEST).unwrap();
    assert_eq!(lab.answers(S, 0x2002, 1), Ok(A), "a wrong guess: it was B's");
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 2), Ok(A), "who has no rival keeps it");
    lab.wait(4);
    lab.sends(B, S, 0x1002, 1).unwrap();
    lab.wait(4);
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 3), Ok(A), "an error that comes late is about something else");
    refused(&lab.0, B, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 4), Ok(A), "nor may another host speak for it");
    refused(&lab.0, A, S, 0x2002);
    assert_eq!(lab.answers(S, 0x2002, 5), Ok(B));
    assert_eq!(lab.answers(S, 0x2002, 6), Ok(B));
}

#[test]
fn rule_9_what_was_given_up_is_anybodys_until_it_is_paid_for() {
    let lab = Lab::new();
    [A, B, C].iter().for_each(|host| lab.begins(*host));
    lab.settle(&[A, B, C]);
    lab.rekeys(A, 1).unwrap();
    assert_eq!(lab.answers(S, 0x2001, 1), Ok(A), "which is right, and for certain");
    lab.wait(70);
    lab.rekeys(B, 1).unwrap();
    lab.sends(B, S, 0x1002, 1).unwrap();
    // A has sent nothing since, and B waits for an answer: it goes to B, who is the only one that is owed an SPI.
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(B));
    for sequence in 3..6 {
        lab.wait(20);
        lab.asks(C, S, 0x1_0000 + u64::from(C), INFORMATIONAL, REQUEST).unwrap();
        assert_eq!(lab.sends(B, S, 0x1002, sequence), Ok(OUTSIDE));
        assert_eq!(lab.answers(S, 0x2001, sequence), Ok(B));
        assert!(lab.is_tentative(0x2001));
    }
}

#[test]
fn rule_13_who_comes_back_after_a_loss_of_state_waits_for_nobody() {
    let lab = Lab::new();
    for (index, host) in [A, B, C].into_iter().enumerate() {
        assert_eq!(lab.sends(host, S, 0x1001 + index as u32, 5000), Ok(OUTSIDE));
    }
    assert_eq!(lab.answers(S, 0x2001, 5000), Err(Reason::EspAmbiguous));
}

#[test]
fn rule_13_a_switch_that_was_turned_empties_the_record() {
    let mut lab = Lab::new();
    lab.pair(A, S, 0x1001, 0x2001);
    lab.0.settings.generations[Class::Esp as usize] += 1;
    assert_eq!(lab.answers(S, 0x2001, 2), Err(Reason::EspUnsolicited), "O6: until A sends");
    assert_eq!(lab.sends(A, S, 0x1001, 3), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2001, 2), Ok(A));
}

/// 64 clients that retry, in an order that changes each round; the server answers every association that it has.
fn crowd(lab: &Lab, with_ike: bool) {
    let hosts: Vec<u32> = (0..64).map(|index| 0xc0a8_0164 + index).collect();
    let (mut authenticated, mut sent, mut learned) = ([false; 64], [false; 64], [false; 64]);
    let mut sequence = [0; 64];
    let mut rounds = 0;
    while learned.contains(&false) {
        rounds += 1;
        assert!(rounds < 2000, "{learned:?}");
        for turn in 0..64usize {
            let index = (turn * 37 + rounds * 11) % 64;
            let (host, number) = (hosts[index], index as u32);
            if with_ike && !authenticated[index] {
                lab.asks(host, S, 0xaaaa_0000 + u64::from(number), SA_INIT, REQUEST).unwrap();
                match lab.asks(host, S, 0xaaaa_0000 + u64::from(number), AUTH, REQUEST) {
                    Ok(_) => authenticated[index] = true,
                    Err(reason) => assert_eq!(reason, Reason::EspHold),
                }
                continue;
            }
            match lab.sends(host, S, 0x1000 + number, 1) {
                Ok(_) => sent[index] = true,
                Err(reason) => assert_eq!(reason, Reason::EspHold),
            }
        }
        for (index, host) in hosts.iter().enumerate() {
            if with_ike && authenticated[index] && !learned[index] {
                assert_eq!(lab.replies(S, 0xaaaa_0000 + index as u64, AUTH, RESPONSE), Ok(*host));
            }
            if sent[index] {
                sequence[index] += 1;
                assert_eq!(lab.answers(S, 0x2000 + index as u32, sequence[index]), Ok(*host), "none crossed");
                learned[index] = true;
            }
        }
        lab.0.wait(Ticks::from_millis(100));
    }
    for (index, host) in hosts.iter().enumerate() {
        assert_eq!(lab.answers(S, 0x2000 + index as u32, 9999), Ok(*host));
        assert_eq!(lab.sends(*host, S, 0x1000 + index as u32, 9999), Ok(OUTSIDE));
    }
}

#[test]
fn sixty_four_clients_of_one_server_are_all_learned_from_esp_alone() {
    let lab = Lab::new();
    crowd(&lab, false);
    assert_eq!(lab.events(Event::EspLearned), 64);
    assert_eq!(lab.sends(A, S, 0x1, 1), Err(Reason::PeerLimit), "the 65th is refused");
}

#[test]
fn sixty_four_clients_of_one_server_are_all_learned_with_ike() {
    crowd(&Lab::new(), true);
}

/// Proves: R8.
#[test]
fn replies_go_by_initiator_spi() {
    let lab = Lab::new();
    assert_eq!(lab.asks(A, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    assert_eq!(lab.replies(S, 0xb, SA_INIT, RESPONSE), Ok(B));
    let (_, session) = lab.0.outbound()[0];
    assert_eq!(
        (session.id, session.rewrite()),
        (500, crate::abi::session::Rewrite::Address as u8),
        "the port stays 500"
    );
}

/// Proves: R9.
#[test]
fn a_retry_keeps_its_host() {
    let lab = Lab::new();
    for _ in 0..3 {
        assert_eq!(lab.asks(A, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE));
        assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    }
    assert_eq!(lab.0.outbound().len(), 1);
}

/// Proves: R10.
#[test]
fn an_initiator_spi_of_another_host_is_refused() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Err(Reason::IkeConflict));
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    assert_eq!(lab.asks(B, T, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE), "another server is another matter");
}

/// Proves: R11.
#[test]
fn a_new_exchange_of_the_server() {
    let lab = Lab::new();
    assert_eq!(lab.replies(S, 0x5, (0x10, 2), 0), Err(Reason::Unsolicited));
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0x5, (0x10, 2), 0), Ok(A));
    assert_eq!(lab.asks(A, S, 0x5, (0x10, 2), 0), Ok(OUTSIDE));
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0x6, (0x10, 2), 0), Err(Reason::IkeAmbiguous));
}

/// The server rekeys the host's association under `old`.
fn is_rekeyed(lab: &Lab, host: u32, old: u64) {
    assert_eq!(lab.replies(S, old, CHILD, REQUEST), Ok(host));
    assert_eq!(lab.asks(host, S, old, CHILD, RESPONSE), Ok(OUTSIDE));
}

/// Proves: R11.
#[test]
fn a_server_that_has_rekeyed_goes_on_with_the_host_it_rekeyed_with() {
    let lab = Lab::new();
    for (host, spi) in [(A, 0xa), (B, 0xb), (C, 0xc)] {
        lab.asks(host, S, spi, SA_INIT, REQUEST).unwrap();
    }
    assert_eq!(lab.replies(S, 0xf, CHILD, REQUEST), Err(Reason::IkeAmbiguous), "it has rekeyed with nobody");
    is_rekeyed(&lab, A, 0xa);
    assert_eq!(lab.replies(S, 0x1, SA_INIT, REQUEST), Err(Reason::IkeAmbiguous), "that would be no rekey");
    // An association of its own under the new one leaves A the last that was asked.
    is_rekeyed(&lab, A, 0xa2);
    lab.wait(4);
    is_rekeyed(&lab, B, 0xb);
    assert_eq!(lab.replies(S, 0xb2, INFORMATIONAL, REQUEST), Ok(B), "B was asked later");
    assert_eq!(lab.replies(S, 0xa3, INFORMATIONAL, REQUEST), Ok(A), "and is through");
    lab.wait(4);
    is_rekeyed(&lab, A, 0xa3);
    assert_eq!(lab.asks(B, S, 0xb2, CHILD, RESPONSE), Err(Reason::EspHold), "B's answer waits for its turn");
    lab.wait(4);
    is_rekeyed(&lab, B, 0xb2);
    lab.wait(4);
    assert_eq!(lab.replies(S, 0xd, INFORMATIONAL, REQUEST), Err(Reason::IkeAmbiguous), "both of late");
}

/// Proves: R11, R12.
#[test]
fn a_guess_gives_way_to_the_host_that_sends_with_the_initiator_spi() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    is_rekeyed(&lab, A, 0xa);
    assert_eq!(
        lab.replies(S, 0xb2, INFORMATIONAL, REQUEST),
        Ok(A),
        "B has rekeyed by itself, and nobody knows"
    );
    assert_eq!(lab.asks(B, S, 0xb2, INFORMATIONAL, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.replies(S, 0xb2, INFORMATIONAL, RESPONSE), Ok(B));
    assert_eq!(lab.asks(A, S, 0xb2, INFORMATIONAL, REQUEST), Err(Reason::IkeConflict), "it is certain now");
}

/// Proves: R12.
#[test]
fn a_rekeyed_sa_is_learned_from_its_first_outbound_packet() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    lab.asks(A, S, 0xa2, (0x20, 37), REQUEST).unwrap();
    assert_eq!(lab.replies(S, 0xa2, (0x20, 37), RESPONSE), Ok(A));
}

/// Proves: R14.
#[test]
fn an_initiator_spi_idles_out_after_five_minutes() {
    let lab = Lab::new();
    lab.asks(A, S, 0xa, SA_INIT, REQUEST).unwrap();
    lab.asks(B, S, 0xb, SA_INIT, REQUEST).unwrap();
    lab.wait(299);
    assert_eq!(lab.replies(S, 0xa, SA_INIT, RESPONSE), Ok(A));
    lab.wait(3);
    assert_eq!(lab.replies(S, 0xb, SA_INIT, RESPONSE), Err(Reason::Unsolicited));
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Err(Reason::IkeConflict), "still A's");
    lab.wait(302);
    assert_eq!(lab.asks(B, S, 0xa, SA_INIT, REQUEST), Ok(OUTSIDE), "free again");
}

/// Proves: Z56.
#[test]
fn refuses_malformed_ike_and_bounds_a_flood() {
    let lab = Lab::new();
    assert_eq!(lab.asks(A, S, 0, SA_INIT, REQUEST), Err(Reason::Malformed));
    assert_eq!(lab.ike_bytes((A, S), true, vec![1; 27]), Err(Reason::Malformed));
    assert_eq!(lab.asks(A, S, 1, (0x00, 32), 0), Ok(OUTSIDE), "version 0 tells nothing");
    assert_eq!(lab.asks(A, S, 1, (0x30, 35), 0), Ok(OUTSIDE), "version 3 neither");
    for spi in 2..100_000u64 {
        let _ = lab.asks(A, S, spi, SA_INIT, REQUEST);
    }
    assert!(lab.0.sessions.len() <= 2 * 64);
    assert_eq!(lab.asks(A, S, 1, SA_INIT, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb << 32, SA_INIT, REQUEST), Ok(OUTSIDE));
}

#[test]
fn leaves_alone_what_esp_does_not_need_when_its_switch_is_not_full() {
    let mut lab = Lab::new();
    lab.0.settings.switches[Class::Esp as usize] = Switch::Off as u8;
    assert_eq!(lab.asks(A, S, 0xa, AUTH, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.asks(B, S, 0xb, AUTH, REQUEST), Ok(OUTSIDE), "nobody waits");
}

#[test]
fn the_gateways_own_associations_are_sessions_too() {
    let lab = Lab::new();
    assert_eq!(lab.asks(OUTSIDE, S, 0xe, AUTH, REQUEST), Ok(OUTSIDE));
    assert_eq!(lab.sends(OUTSIDE, S, 0x1000, 1), Ok(OUTSIDE));
    assert_eq!(lab.answers(S, 0x2000, 1), Ok(OUTSIDE));
    assert!(lab.flags(S, 0x2000) & flag::OWN != 0);
    lab.pair(A, S, 0x1001, 0x2001);
    assert_eq!(lab.answers(S, 0x2000, 2), Ok(OUTSIDE));
}

/// The step that a packet of this class goes through.
fn step(frame: &mut Frame, flow: &Flow, gateway: &Gateway) -> Result<(), Reason> {
    match flow.class {
        Class::Ike if flow.has(progress::OUTBOUND) => super::ike_outbound(frame, flow, gateway),
        Class::Ike => super::ike_inbound(frame, flow, gateway),
        _ => super::esp(frame, flow, gateway),
    }
}
