//! GRE headers and GRE without a call (P20, P22, P26, Q1-Q5, Z48, Z50).

use super::super::header::{parse, parse_part, selector};
use super::super::open_outbound;
use super::*;
use crate::abi::Ticks;

fn tell(bytes: &[u8]) -> Result<(Space, u32), Reason> {
    // Behind something, and with padding behind it that is no part of the packet.
    let mut frame = std::vec![0xff; 14];
    frame.extend(bytes);
    frame.extend([0xff; 8]);
    parse(&Frame(frame), 14, 14 + bytes.len() as u32)
}

/// Proves: P22.
#[test]
fn claims_every_form_of_enhanced_gre() {
    // P22: data, data and acknowledgement, acknowledgement only.
    let id = (Space::CallId, 0x0102);
    assert_eq!(tell(&[0x30, 1, 0x88, 0x0b, 0, 2, 1, 2, 0, 0, 0, 1, 0xc0, 0x21]), Ok(id));
    assert_eq!(tell(&[0x30, 0x81, 0x88, 0x0b, 0, 1, 1, 2, 0, 0, 0, 1, 0, 0, 0, 1, 0xff]), Ok(id));
    assert_eq!(tell(&[0x20, 0x81, 0x88, 0x0b, 0, 0, 1, 2, 0, 0, 0, 1]), Ok(id));
    assert_eq!(tell(&[0x30, 1, 0x88, 0x0b, 0, 0, 0, 0, 0, 0, 0, 1]), Ok((Space::CallId, selector(0))));
}

/// Proves: Z48, Z50.
#[test]
fn refuses_malformed() {
    let good = [0x30, 1, 0x88, 0x0b, 0, 2, 1, 2, 0, 0, 0, 1, 0xc0, 0x21];
    for (at, value) in [(0, 0xb0), (0, 0x70), (0, 0x38), (0, 0x31), (0, 0x10), (3, 0x0c), (5, 3), (1, 0x81)] {
        let mut bad = good;
        bad[at] = value;
        assert_eq!(tell(&bad), Err(Reason::GreMalformed), "Z48: byte {at} = {value:#x}");
    }
    for version in 2..8 {
        let mut bad = good;
        bad[1] = version;
        assert_eq!(tell(&bad), Err(Reason::GreMalformed), "Z48: version {version}");
    }
    for length in 0..12 {
        assert_eq!(tell(&good[..length]), Err(Reason::GreMalformed), "Z48: {length} bytes");
    }
    for bad in [
        &[0x40, 0, 8, 0, 0, 0, 0, 0][..],
        &[0x20, 0, 8, 0],
        &[0x80, 0, 8, 0, 0],
        &[0xa0, 0, 8, 0, 0, 0, 0, 0],
    ] {
        assert_eq!(tell(bad), Err(Reason::GreMalformed), "Z50");
    }
    for length in 0..4 {
        assert_eq!(tell(&[0, 0, 8, 0][..length]), Err(Reason::GreMalformed), "Z48");
    }
}

#[test]
fn a_first_fragment_is_shorter_than_its_payload_length() {
    let first = Frame([0x30, 1, 0x88, 0x0b, 5, 0, 1, 2, 0, 0, 0, 1, 0xc0, 0x21].to_vec());
    assert_eq!(parse_part(&first, 0, 14, Part::First), Ok((Space::CallId, 0x0102)), "F10");
}

/// Proves: Q1.
#[test]
fn version_0_goes_by_its_key() {
    assert_eq!(tell(&[0, 0, 8, 0]), Ok((Space::Host, 0)));
    assert_eq!(tell(&[0x20, 0, 8, 0, 1, 2, 3, 4]), Ok((Space::GreKey, 0x0102_0304)));
    assert_eq!(tell(&[0xb0, 0, 8, 0, 9, 9, 0, 0, 1, 2, 3, 4, 0, 0, 0, 1]), Ok((Space::GreKey, 0x0102_0304)));
}

fn flow(host: u32, space: Space, selector: u32) -> Flow {
    let class = if space == Space::CallId { Class::Pptp } else { Class::Gre };
    Flow {
        source: host,
        destination: S,
        selector,
        ip_at: 14,
        l4_at: 34,
        end: 60,
        protocol: number::GRE,
        space,
        tcp_flags: 0,
        class,
        part: Part::Whole,
        progress: progress::OUTBOUND,
        ..Flow::EMPTY
    }
}

fn inbound(world: &Gateway, space: Space, selector: u32) -> Option<Session> {
    world.sessions.get(&SessionKey::new(View::Inbound, S, OUTSIDE, number::GRE, space, selector))
}

/// Proves: Q2, Q3.
#[test]
fn each_key_has_one_host() {
    let world = gateway();
    open_outbound(&flow(A, Space::GreKey, 1), &world).unwrap();
    open_outbound(&flow(B, Space::GreKey, 2), &world).unwrap();
    assert_eq!(inbound(&world, Space::GreKey, 1).unwrap().address, A, "Q1");
    assert_eq!(inbound(&world, Space::GreKey, 2).unwrap().address, B, "Q1");
    assert_eq!(open_outbound(&flow(B, Space::GreKey, 1), &world), Err(Reason::GreConflict), "Q3");
    open_outbound(&flow(A, Space::Host, 0), &world).unwrap();
    assert_eq!(open_outbound(&flow(B, Space::Host, 0), &world), Err(Reason::GreConflict), "Q2");
    world.wait(Ticks::from_secs(301));
    open_outbound(&flow(B, Space::Host, 0), &world).unwrap();
    assert_eq!(inbound(&world, Space::Host, 0).unwrap().address, B, "Q2");
}

/// Proves: P20.
#[test]
fn enhanced_gre_without_a_call_goes_nowhere() {
    let world = gateway();
    assert_eq!(open_outbound(&flow(A, Space::CallId, 1), &world), Err(Reason::GreNoCall), "P20");
    assert!(world.sessions.is_empty());
}

/// Proves: P26.
#[test]
fn plain_lets_one_client_to_a_server() {
    let mut world = gateway();
    world.settings.switches[Class::Pptp as usize] = Switch::Plain as u8;
    open_outbound(&flow(A, Space::CallId, 7), &world).unwrap();
    assert_eq!(inbound(&world, Space::CallId, 0).unwrap().address, A, "P26");
    assert_eq!(open_outbound(&flow(B, Space::CallId, 9), &world), Err(Reason::HostConflict), "P26");
    world.wait(Ticks::from_secs(301));
    open_outbound(&flow(B, Space::CallId, 9), &world).unwrap();
    assert_eq!(inbound(&world, Space::CallId, 0).unwrap().address, B);
}
