//! L2TP with port 1701 kept, on the host: what each message makes, and what it looks like afterwards.

use std::vec::Vec;

use super::{is_kept, must_read, step, tunnel_id_at, tunnel_key};
use crate::abi::session::{Rewrite, flag};
use crate::abi::settings::option;
use crate::abi::{Class, Reason, Session, SessionKey, Space, Switch, Ticks, View};
use crate::proto::icmp::frames::{
    A, B, C, E, R, S, T, assert_checksums, error_inbound, error_outbound, flow, frame, icmp, ipv4, packet_of,
    udp,
};
use crate::seam::Table;
use crate::seam::host::{Frame, Gateway};

const SCCRQ: u16 = 1;
const SCCRP: u16 = 2;
const SCCCN: u16 = 3;
const STOP_CCN: u16 = 4;
const HELLO: u16 = 6;

fn gateway() -> Gateway {
    let mut gateway = Gateway::default();
    gateway.settings.switches[Class::L2tp as usize] = Switch::Full as u8;
    gateway.settings.options |= option::KEEP_L2TP_PORT;
    gateway
}

fn avp(kind: u16, value: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::from((0x8000 | (6 + value.len() as u16)).to_be_bytes());
    bytes.extend([0, 0]);
    bytes.extend(kind.to_be_bytes());
    bytes.extend(value);
    bytes
}

/// A control message to a tunnel.
fn control(tunnel: u16, avps: &[Vec<u8>]) -> Vec<u8> {
    let body: Vec<u8> = avps.concat();
    let mut bytes = Vec::from([0xc8, 0x02]);
    bytes.extend((12 + body.len() as u16).to_be_bytes());
    bytes.extend(tunnel.to_be_bytes());
    bytes.extend([0, 0, 0, 1, 0, 2]);
    bytes.extend(body);
    bytes
}

/// A message of a type, with an odd host name before the tunnel ID that it assigns.
fn assigning(message: u16, tunnel: u16, id: u16) -> Vec<u8> {
    control(tunnel, &[avp(0, &message.to_be_bytes()), avp(7, b"lac"), avp(9, &id.to_be_bytes())])
}

fn hello(tunnel: u16) -> Vec<u8> {
    control(tunnel, &[avp(0, &HELLO.to_be_bytes())])
}

/// A data message, with or without length.
fn data(tunnel: u16, with_length: bool) -> Vec<u8> {
    let mut bytes = if with_length { Vec::from([0x40, 0x02, 0, 12]) } else { Vec::from([0x00, 0x02]) };
    bytes.extend(tunnel.to_be_bytes());
    bytes.extend([0, 7, 0xff, 3, 0xc0, 0x21]);
    bytes
}

fn from(host: u32, server: u32, message: &[u8]) -> Frame {
    frame(&ipv4((host, server), 17, &udp((host, server), (1701, 1701), message)))
}

/// A client's message through the step.
fn send(gateway: &Gateway, host: u32, message: &[u8]) -> Result<Frame, Reason> {
    let mut frame = from(host, S, message);
    let seen = flow(&frame, true);
    assert!(is_kept(&seen, &gateway.settings, true));
    step(&mut frame, &seen, gateway)?;
    Ok(frame)
}

/// A server's message through the step; the half that it then belongs to.
fn receive(gateway: &Gateway, message: &[u8]) -> Result<Session, Reason> {
    let mut frame = from(S, E, message);
    let seen = flow(&frame, false);
    assert!(is_kept(&seen, &gateway.settings, false));
    let before = frame.clone();
    step(&mut frame, &seen, gateway)?;
    assert_eq!(frame, before, "an inbound message is not changed by the step");
    let key = SessionKey::new(View::Inbound, S, E, 17, Space::TunnelId, tunnel_key(&frame, &seen)?);
    gateway.sessions.get(&key).ok_or(Reason::Unsolicited)
}

fn outbound_half(gateway: &Gateway, host: u32) -> Option<Session> {
    gateway.sessions.get(&SessionKey::ports(View::Outbound, (S, 1701), (host, 1701), 17))
}

/// The tunnel ID that [`assigning`] shows now.
fn assigned(frame: &Frame) -> u16 {
    let packet = packet_of(frame);
    u16::from_be_bytes([packet[packet.len() - 2], packet[packet.len() - 1]])
}

#[test]
fn claims_its_own_port_when_full_and_asked_to_keep_it() {
    let mut gateway = gateway();
    let seen = flow(&from(A, S, &hello(1)), true);
    assert!(is_kept(&seen, &gateway.settings, true), "L6");
    let other_port = frame(&ipv4((A, S), 17, &udp((A, S), (5000, 1701), &hello(1))));
    assert!(!is_kept(&flow(&other_port, true), &gateway.settings, true));
    gateway.settings.switches[Class::L2tp as usize] = Switch::Plain as u8;
    assert!(!is_kept(&seen, &gateway.settings, true));
    gateway.settings.switches[Class::L2tp as usize] = Switch::Full as u8;
    gateway.settings.options = 0;
    assert!(!is_kept(&seen, &gateway.settings, true), "L1, L5: the default");
}

/// Proves: L7.
#[test]
fn flow_key_is_the_header_tunnel_id_with_and_without_length() {
    let key = |message: &[u8]| {
        let frame = from(S, E, message);
        let seen = flow(&frame, false);
        let at = tunnel_id_at(&frame, seen.l4_at + 8);
        (tunnel_key(&frame, &seen), at)
    };
    assert_eq!(key(&hello(0x1234)), (Ok(0x1234), Some(46)), "L7");
    assert_eq!(key(&data(0x1234, true)), (Ok(0x1234), Some(46)), "L7");
    assert_eq!(key(&data(0x1234, false)), (Ok(0x1234), Some(44)), "L7: at 2 without length");
    let sequenced = [0x0a, 0x02, 0x12, 0x34, 0, 7, 0, 0, 0, 0, 0, 2, 0, 0];
    assert_eq!(key(&sequenced).0, Ok(0x1234), "S and O");
}

#[test]
fn only_outbound_control_must_be_read_again() {
    let reads = |message: &[u8], outbound| {
        let frame = from(A, S, message);
        must_read(&frame, &flow(&frame, outbound))
    };
    assert!(reads(&hello(1), true));
    assert!(!reads(&data(1, true), true));
    assert!(!reads(&hello(1), false));
}

/// Proves: Z58, L11.
#[test]
fn refuses_malformed_headers() {
    let key = |message: &[u8]| {
        let frame = from(S, E, message);
        tunnel_key(&frame, &flow(&frame, false))
    };
    let malformed = Err(Reason::L2tpMalformed);
    assert_eq!(key(&[0x40, 0x01, 0, 12, 0, 1, 0, 2, 0, 0, 0, 0]), malformed, "L11: L2F");
    assert_eq!(key(&[0x00, 0x03, 0, 0, 0, 0, 0, 1]), malformed, "L11: L2TPv3 over UDP");
    for length in 0..6 {
        assert_eq!(key(&data(1, false)[..length]), malformed, "Z58: cut");
    }
    let lying = |length: u16| {
        let mut message = data(1, true);
        message[2..4].copy_from_slice(&length.to_be_bytes());
        key(&message)
    };
    assert_eq!(lying(12), Ok(1));
    for length in [0, 7, 13, 0xffff] {
        assert_eq!(lying(length), malformed, "Z58: length {length}");
    }
    assert_eq!(key(&[0x02, 0x02, 0, 1, 0, 2, 0, 3, 0, 0]), malformed, "Z58: offset size past the end");
    assert_eq!(key(&[0x02, 0x02, 0, 1, 0, 2, 0, 2, 0, 0]), Ok(1));
    assert_eq!(key(&[0x80, 0x02, 0, 1, 0, 2, 0, 0, 0, 0, 0, 0]), malformed, "control without length");
}

/// Proves: Z58.
#[test]
fn refuses_malformed_avps() {
    let gateway = gateway();
    let refused = |message: Vec<u8>| {
        assert_eq!(send(&gateway, A, &message).err(), Some(Reason::L2tpMalformed), "Z58");
        assert!(gateway.sessions.is_empty() && gateway.peers.is_empty(), "G4");
    };
    for length in [0u16, 1, 5, 9, 0x3ff] {
        let mut bad = avp(7, b"x");
        bad[..2].copy_from_slice(&(0x8000 | length).to_be_bytes());
        refused(control(0, &[avp(0, &SCCRQ.to_be_bytes()), bad]));
    }
    refused(control(0, &[avp(9, &[0, 1])])); // the first is not the message type
    refused(control(0, &[avp(0, &SCCRQ.to_be_bytes())])); // assigns nothing
    refused(assigning(SCCRQ, 0, 0)); // assigns 0
    refused(control(0, &[avp(0, &SCCRQ.to_be_bytes()), avp(9, &[0, 0, 0, 1])])); // of another length
    let mut many = std::vec![avp(0, &SCCRQ.to_be_bytes())];
    many.extend((0..40).map(|_| avp(8, b"")));
    many.push(avp(9, &[0, 1]));
    refused(control(0, &many)); // not within reach: bounded
}

/// Proves: L6, L7.
#[test]
fn two_clients_are_told_apart_by_the_ids_that_they_assign() {
    let gateway = gateway();
    for (host, tunnel) in [(A, 10), (B, 20)] {
        let before = from(host, S, &assigning(SCCRQ, 0, tunnel));
        assert_eq!(send(&gateway, host, &assigning(SCCRQ, 0, tunnel)), Ok(before), "L7: not changed");
        let half = outbound_half(&gateway, host).unwrap();
        assert_eq!(
            (half.address, half.id, half.rewrite()),
            (E, tunnel, Rewrite::Address as u8),
            "L6: 1701 is kept"
        );
        assert_eq!(half.class(), Class::L2tp);
    }
    for message in [hello(10), data(10, true), data(10, false)] {
        assert_eq!(receive(&gateway, &message).map(|half| half.address), Ok(A), "L6, L7");
    }
    assert_eq!(receive(&gateway, &data(20, false)).map(|half| half.address), Ok(B), "L6, L7");
    // The server opens a tunnel to the first: the client's SCCRP assigns.
    send(&gateway, A, &assigning(SCCRP, 900, 11)).unwrap();
    assert_eq!(receive(&gateway, &data(11, true)).map(|half| half.address), Ok(A), "L7: SCCRP");
    assert_eq!(receive(&gateway, &data(10, true)).map(|half| half.address), Ok(A), "both tunnels work");
}

/// Proves: L8.
#[test]
fn the_same_id_from_two_clients_is_rewritten_for_the_second() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    let sent = send(&gateway, B, &assigning(SCCRQ, 0, 10)).unwrap();
    let outside = assigned(&sent);
    assert_ne!(outside, 10, "L8");
    assert_checksums(packet_of(&sent));
    let half = receive(&gateway, &data(outside, false)).unwrap();
    assert_eq!(
        (half.address, half.id, half.rewrite()),
        (B, 10, Rewrite::TunnelId as u8),
        "L8: header inbound"
    );
    assert_eq!(receive(&gateway, &data(10, false)).map(|half| half.address), Ok(A), "L8");
    // A retransmission, and the notification at the end, show the same ID.
    let entries = gateway.sessions.len();
    assert_eq!(send(&gateway, B, &assigning(SCCRQ, 0, 10)).unwrap(), sent, "L8: retransmitted");
    assert_eq!(assigned(&send(&gateway, B, &assigning(STOP_CCN, 0, 10)).unwrap()), outside, "L8: StopCCN");
    assert_eq!(gateway.sessions.len(), entries);
    // Another tunnel of A, then the first one's retransmission: the way is walked again.
    assert_eq!(assigned(&send(&gateway, B, &assigning(SCCRQ, 0, 44)).unwrap()), 44);
    assert_eq!(assigned(&send(&gateway, B, &assigning(SCCRQ, 0, 10)).unwrap()), outside, "L8");
    // And a third client gets a third ID.
    let third = assigned(&send(&gateway, C, &assigning(SCCRQ, 0, 10)).unwrap());
    assert!(third != 10 && third != outside);
}

#[test]
fn the_checksum_follows_the_avp_at_even_and_odd_offsets_and_zero_stays_zero() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    for name in [&b"odd"[..], b"even", b""] {
        let message = control(0, &[avp(0, &SCCRQ.to_be_bytes()), avp(7, name), avp(9, &10u16.to_be_bytes())]);
        let sent = send(&gateway, B, &message).unwrap();
        assert_ne!(assigned(&sent), 10);
        assert_checksums(packet_of(&sent)); // L8, K9
        let mut unsummed = from(B, S, &message);
        unsummed.0[40..42].fill(0);
        let seen = flow(&unsummed, true);
        step(&mut unsummed, &seen, &gateway).unwrap();
        assert_eq!(unsummed.0[40..42], [0, 0], "L11, K2");
    }
}

#[test]
fn sixty_four_clients_may_all_choose_the_same_id_and_a_sixty_fifth_is_refused() {
    let gateway = gateway();
    let mut seen = Vec::new();
    for host in 0..64 {
        let id = assigned(&send(&gateway, A + host, &assigning(SCCRQ, 0, 1)).unwrap());
        assert!(id != 0 && !seen.contains(&id));
        assert_eq!(receive(&gateway, &data(id, true)).map(|half| half.address), Ok(A + host));
        seen.push(id);
    }
    assert_eq!(send(&gateway, A + 64, &assigning(SCCRQ, 0, 1)).err(), Some(Reason::PeerLimit));
    gateway.wait(Ticks::from_secs(301));
    assert!(send(&gateway, A + 64, &assigning(SCCRQ, 0, 1)).is_ok(), "places are given again");
}

/// Proves: L9.
#[test]
fn a_hidden_id_is_allowed_to_the_only_client() {
    let gateway = gateway();
    let mut hidden = avp(9, &[1, 2, 3, 4]);
    hidden[0] |= 0x40;
    let message = control(0, &[avp(0, &SCCRQ.to_be_bytes()), hidden]);
    assert!(send(&gateway, A, &message).is_ok(), "L9");
    assert_eq!(receive(&gateway, &hello(77)).map(|half| half.address), Ok(A), "L9, L10");
    assert_eq!(send(&gateway, B, &message).err(), Some(Reason::L2tpHidden), "L9");
    assert!(outbound_half(&gateway, B).is_none());
    assert_eq!(receive(&gateway, &data(77, false)).map(|half| half.address), Ok(A), "A's tunnel stays");
    assert!(send(&gateway, A, &message).is_ok(), "B, refused, is no company for A");
}

/// Proves: G4.
#[test]
fn a_refused_message_keeps_nothing_alive() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    send(&gateway, B, &assigning(SCCRQ, 0, 20)).unwrap();
    gateway.wait(Ticks::from_secs(1));
    let before = gateway.sessions.digest();
    let mut hidden = avp(9, &[1, 2, 3, 4]);
    hidden[0] |= 0x40;
    let message = control(0, &[avp(0, &SCCRQ.to_be_bytes()), hidden]);
    assert_eq!(send(&gateway, A, &message).err(), Some(Reason::L2tpHidden));
    let message = control(0, &[avp(0, &SCCRQ.to_be_bytes()), avp(9, &[1, 2, 3])]);
    assert_eq!(send(&gateway, A, &message).err(), Some(Reason::L2tpMalformed));
    assert_eq!(gateway.sessions.digest(), before);
    send(&gateway, A, &hello(7)).unwrap();
    assert_ne!(gateway.sessions.digest(), before, "what passes is seen");
}

/// Proves: L10.
#[test]
fn unknown_ids_go_to_the_only_client_and_to_nobody_else() {
    let gateway = gateway();
    assert_eq!(receive(&gateway, &assigning(SCCRQ, 0, 5)).err(), Some(Reason::L2tpUnknown), "nobody asked");
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    assert_eq!(receive(&gateway, &assigning(SCCRQ, 0, 5)).map(|half| half.address), Ok(A), "L10: 0");
    assert_eq!(receive(&gateway, &hello(99)).map(|half| half.address), Ok(A), "L10: unknown");
    send(&gateway, B, &assigning(SCCRQ, 0, 20)).unwrap();
    assert_eq!(receive(&gateway, &assigning(SCCRQ, 0, 5)).err(), Some(Reason::L2tpUnknown), "L10: several");
    assert_eq!(receive(&gateway, &hello(98)).err(), Some(Reason::L2tpUnknown), "L10: several");
    // Once B has been silent for long enough, A is alone again.
    gateway.wait(Ticks::from_secs(200));
    send(&gateway, A, &hello(7)).unwrap();
    gateway.wait(Ticks::from_secs(101));
    assert_eq!(receive(&gateway, &hello(98)).map(|half| half.address), Ok(A));
    // Another server knows nobody.
    let mut other = from(T, E, &data(10, true));
    let seen = flow(&other, false);
    assert_eq!(step(&mut other, &seen, &gateway), Err(Reason::L2tpUnknown), "Z58: wrong server");
}

/// Proves: Z58.
#[test]
fn floods_are_bounded() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    let before = gateway.sessions.len();
    let delivered = (1000..2000).filter(|tunnel| receive(&gateway, &hello(*tunnel)).is_ok()).count();
    assert_eq!(delivered, 32, "Z58: guessed IDs");
    assert_eq!(gateway.sessions.len(), before + 32);
    let made = (3000..5000).filter(|tunnel| send(&gateway, A, &assigning(SCCRQ, 0, *tunnel)).is_ok()).count();
    assert_eq!(made, 255, "Z58: SCCRQ flood");
    assert!(send(&gateway, A, &hello(7)).is_ok(), "tunnels that are up go on");
}

#[test]
fn data_without_state_opens_its_half_again() {
    let gateway = gateway();
    assert!(send(&gateway, A, &data(900, true)).is_ok());
    assert_eq!(outbound_half(&gateway, A).map(|half| (half.address, half.id)), Some((E, 0)));
    assert_eq!(gateway.sessions.len(), 1);
    assert!(send(&gateway, A, &control(900, &[])).is_ok(), "an acknowledgement has no AVP");
    assert!(send(&gateway, A, &control(900, &[avp(0, &SCCCN.to_be_bytes())])).is_ok());
    assert_eq!(receive(&gateway, &data(10, true)).map(|half| half.address), Ok(A), "L10: after a restart");
}

/// Proves: L4.
#[test]
fn state_stays_after_the_notification_of_the_end() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    send(&gateway, B, &assigning(SCCRQ, 0, 20)).unwrap();
    send(&gateway, A, &assigning(STOP_CCN, 900, 10)).unwrap();
    gateway.wait(Ticks::from_secs(31));
    assert_eq!(receive(&gateway, &control(10, &[])).map(|half| half.address), Ok(A), "L4");
}

#[test]
fn a_session_from_before_the_option_stays_as_it_began() {
    let gateway = gateway();
    let key = SessionKey::ports(View::Outbound, (S, 1701), (A, 1701), 17);
    let half = crate::proto::halves::half(
        &gateway.settings,
        gateway.now.get(),
        Class::L2tp,
        Rewrite::Port,
        (E, 4000),
        0,
    );
    gateway.sessions.insert(&key, &half).unwrap();
    send(&gateway, A, &hello(900)).unwrap();
    assert_eq!(outbound_half(&gateway, A).map(|half| half.rewrite()), Some(Rewrite::Port as u8));
}

/// Proves: O6.
#[test]
fn off_and_on_again_starts_empty() {
    let mut gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    gateway.settings.generations[Class::L2tp as usize] += 1;
    assert_eq!(receive(&gateway, &hello(99)).err(), Some(Reason::L2tpUnknown), "O6");
    assert_eq!(assigned(&send(&gateway, B, &assigning(SCCRQ, 0, 10)).unwrap()), 10, "the ID is free again");
    assert_eq!(receive(&gateway, &hello(10)).map(|half| half.address), Ok(B));
    send(&gateway, A, &data(900, true)).unwrap();
    assert_eq!(outbound_half(&gateway, A).map(|half| half.generation), Some(1));
}

#[test]
fn the_gateways_own_client_and_server_work() {
    let gateway = gateway();
    send(&gateway, E, &assigning(SCCRQ, 0, 10)).unwrap();
    assert!(outbound_half(&gateway, E).is_some_and(|half| half.has(flag::OWN) && half.address == E));
    assert!(receive(&gateway, &hello(10)).is_ok_and(|half| half.has(flag::OWN) && half.address == E));
    gateway.listeners.borrow_mut().push((17, E, 1701));
    let mut opening = from(T, E, &assigning(SCCRQ, 0, 5));
    let seen = flow(&opening, false);
    assert_eq!(step(&mut opening, &seen, &gateway), Err(Reason::ToGateway), "O26: for the stack");
}

#[test]
fn errors_about_kept_messages_reach_their_client() {
    let gateway = gateway();
    send(&gateway, A, &assigning(SCCRQ, 0, 10)).unwrap();
    let error = |ends, kind, rest, quote: &[u8]| frame(&ipv4(ends, 1, &icmp(3, kind, rest, quote)));
    let packet = |ends, message: &[u8]| ipv4(ends, 17, &udp(ends, (1701, 1701), message));
    let mtu = [0, 0, 5, 0x78];
    // The only client, even by ports alone.
    let mut about = error((R, E), 4, mtu, &packet((E, S), &assigning(SCCRQ, 0, 10))[..28]);
    let seen = flow(&about, false);
    assert_eq!(error_inbound(&mut about, &seen, &gateway), Ok(A), "I15");
    // Two clients, by the tunnel ID that the server assigned to each.
    let outside = assigned(&send(&gateway, B, &assigning(SCCRQ, 0, 10)).unwrap());
    send(&gateway, A, &hello(901)).unwrap();
    send(&gateway, B, &hello(902)).unwrap();
    for (host, tunnel) in [(A, 901), (B, 902)] {
        let mut about = error((R, E), 4, mtu, &packet((E, S), &data(tunnel, true)));
        let seen = flow(&about, false);
        assert_eq!(error_inbound(&mut about, &seen, &gateway), Ok(host), "M2");
        assert_eq!(about, error((R, host), 4, mtu, &packet((host, S), &data(tunnel, true))), "K6");
    }
    let mut about = error((R, E), 4, mtu, &packet((E, S), &data(901, true))[..28]);
    let seen = flow(&about, false);
    assert_eq!(error_inbound(&mut about, &seen, &gateway), Err(Reason::IcmpNoSession), "ports do not tell");
    // From inside: the server's message, with the tunnel ID by which it knows B.
    let mut about = error((B, S), 3, [0; 4], &packet((S, B), &data(10, false)));
    let seen = flow(&about, true);
    assert_eq!(error_outbound(&mut about, &seen, &gateway), Ok(E), "I7");
    assert_eq!(about, error((E, S), 3, [0; 4], &packet((S, E), &data(outside, false))), "K6");
}
