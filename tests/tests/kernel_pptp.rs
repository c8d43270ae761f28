//! PPTP's control stream through TC by test-run, each message cut in two at every byte.

use anyhow::Result;
use passthrough_common::abi::Class;
use passthrough_tests::vectors::kernel::{Kernel, with_kernel};
use passthrough_tests::vectors::line::{Line, arrives, leaves};
use passthrough_tests::vectors::play::Play;
use passthrough_tests::vectors::{A, B, bodies};

/// The call ID that both clients have, and the server's IDs of their calls.
const OWN: u16 = 0x0801;
const FIRST: u16 = 0x5500;
const SECOND: u16 = 0x5501;

/// Ethernet, IP and TCP headers.
const HEADERS: usize = 14 + 20 + 20;

/// Each load of the programs takes seconds: so one test sends them all.
///
/// Proves: P4, P13, P14, P15, P17, K9.
#[test]
fn whatever_way_a_message_is_cut_it_is_rewritten_where_it_must_be() {
    with_kernel(passthrough_user::loader::OBJECT, |kernel| {
        assert!(kernel.refused.is_empty(), "{:?}", kernel.refused);
        at_every_byte(kernel, 168, a_request_is_rewritten)?;
        at_every_byte(kernel, 32, a_reply_is_rewritten)?;
        at_every_byte(kernel, 168, what_the_other_end_says_passes_as_it_is)?;
        at_every_byte(kernel, 2, one_byte_a_segment_is_rewritten_and_again_what_is_sent_again)
    })
    .unwrap_or_else(|error| panic!("{error:#}"));
}

/// Runs `work` on programs as new for every place at which a message of this length can be cut in two.
fn at_every_byte(kernel: &mut Kernel, length: usize, work: fn(&mut Play<'_>, usize)) -> Result<()> {
    for cut in 1..length {
        kernel.renew()?;
        work(&mut Play::new(kernel), cut);
    }
    Ok(())
}

fn a_request_is_rewritten(play: &mut Play<'_>, cut: usize) {
    let (mut line, request) = (second_client(play), bodies::pptp(7, OWN, 0, 0));
    let outside = sends_cut(play, &mut line, &request, cut);
    assert_ne!(outside, OWN, "cut at {cut}: A has that one");
    arrives(play, outside, (B, OWN));
    let reply = bodies::pptp(8, SECOND, outside, 1);
    line.server(play, &reply, Some(&bodies::pptp(8, SECOND, OWN, 1)));
    leaves(play, B, SECOND);
}

fn a_reply_is_rewritten(play: &mut Play<'_>, cut: usize) {
    let mut line = second_client(play);
    let outside = line.draws_call(play, OWN);
    let (reply, told) = (bodies::pptp(8, SECOND, outside, 1), bodies::pptp(8, SECOND, OWN, 1));
    for part in [0..cut, cut..32] {
        line.server(play, &reply[part.clone()], Some(&told[part]));
    }
    leaves(play, B, SECOND);
    arrives(play, outside, (B, OWN));
}

fn what_the_other_end_says_passes_as_it_is(play: &mut Play<'_>, cut: usize) {
    let mut line = second_client(play);
    let request = bodies::pptp(7, FIRST, 0, 0);
    for part in [0..cut, cut..168] {
        line.server(play, &request[part], None);
    }
    if cut < 32 {
        let reply = bodies::pptp(8, 0x0999, FIRST, 1);
        for part in [0..cut, cut..32] {
            line.client(play, &reply[part], None);
        }
    }
}

fn one_byte_a_segment_is_rewritten_and_again_what_is_sent_again(play: &mut Play<'_>, _: usize) {
    let (mut line, request) = (second_client(play), bodies::pptp(7, OWN, 0, 0));
    let start = line.numbers[0];
    let mut left = Vec::new();
    for byte in &request {
        left.extend(&play.out(line.segment(true, &[*byte])).frame()[HEADERS..]);
        line.sent(1);
    }
    let outside = u16::from_be_bytes([left[12], left[13]]);
    assert_eq!(left, bodies::pptp(7, outside, 0, 0));
    arrives(play, outside, (B, OWN));
    line.numbers[0] = start;
    assert_eq!(sends_cut(play, &mut line, &request, 13), outside);
}

/// A has a call, and B's connection is open, which wants the same call ID.
fn second_client(play: &mut Play<'_>) -> Line {
    play.enable(&[Class::Pptp]);
    let mut line = Line::open(play, A, 1025, 1025);
    line.client(play, &bodies::pptp(7, OWN, 0, 0), None);
    line.server(play, &bodies::pptp(8, FIRST, OWN, 1), None);
    Line::open(play, B, 1026, 1026)
}

/// The client sends a request in two segments, which leave as such with one call ID in all; that ID.
fn sends_cut(play: &mut Play<'_>, line: &mut Line, request: &[u8], cut: usize) -> u16 {
    let first = play.out(line.segment(true, &request[..cut]));
    line.sent(cut as u32);
    let second = play.out(line.segment(true, &request[cut..]));
    let left = [&first.frame()[HEADERS..], &second.frame()[HEADERS..]].concat();
    let outside = u16::from_be_bytes([left[12], left[13]]);
    let wanted = bodies::pptp(7, outside, 0, 0);
    second.passes(line.translated(&wanted[cut..]));
    line.sent((cut as u32).wrapping_neg());
    first.passes(line.translated(&wanted[..cut]));
    line.sent(request.len() as u32);
    outside
}
