//! IPv4 fragments (conformance section 4 and rows O7, O8, Z21, Z24, Z25).

use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::frame::{DONT, MORE, Packet, echo, raw, tcp, udp};
use crate::vectors::{A, B, E, Play, S, T, Vector, bodies, vector};

const CUTS: &[usize] = &[40, 40];

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("fragments in order follow the first one, both ways", "F1", |play| {
        for sent in [udp((A, 5000), (S, 53), &[7; 120]), tcp((A, 5000), (S, 80), 0x10, &[7; 100])] {
            goes_out(play, &sent);
        }
        let mut ping = echo(8, A, S, 7);
        if let super::Body::Icmp { data, .. } = &mut ping.body {
            data.extend([7; 100]);
        }
        goes_out(play, &ping);
        comes_back(play, &udp((S, 53), (E, 5000), &[8; 120]).identified(0x4321));
        comes_back(play, &tcp((S, 80), (E, 5000), 0x10, &[8; 121]).identified(0x4322));
    }),
    vector(
        "a fragment from the LAN is the stack's, whose firewall may want to see the whole",
        "F1",
        |play| {
            let sent = udp((A, 5000), (S, 53), &[7; 120]);
            goes_out(play, &sent);
            for piece in sent.fragments(CUTS) {
                play.lan(piece).punts(Reason::NeedsStack);
            }
        },
    ),
    vector("two hosts' datagrams with one identification get two", "F4", |play| {
        let ours = udp((A, 5000), (S, 53), &[1; 64]).fragments(&[40]);
        let theirs = udp((B, 5001), (S, 53), &[2; 64]).fragments(&[40]);
        let wanted = udp((E, 5000), (S, 53), &[1; 64]).fragments(&[40]);
        play.out(&ours[0]).passes(&wanted[0]);
        let answer = play.out(&theirs[0]);
        let identification = answer.identification();
        assert_ne!(identification, 0x1234);
        let other = udp((E, 5001), (S, 53), &[2; 64]).identified(identification).fragments(&[40]);
        answer.passes(&other[0]);
        play.out(&ours[1]).passes(&wanted[1]);
        play.out(&theirs[1]).passes(&other[1]);
    })
    .draws(),
    vector(
        "a TCP or UDP first fragment without its whole header goes nowhere, nor do its siblings",
        "F6 Z21",
        |play| {
            let pieces = tcp((A, 5000), (S, 80), 0x02, &[7; 40]).fragments(&[8]);
            play.out(&pieces[0]).drops(Reason::FragmentTiny);
            play.out(&pieces[1]).drops(Reason::FragmentTiny);
            let pieces = tcp((A, 5000), (S, 80), 0x02, &[7; 40]).fragments(&[16]);
            play.out(&pieces[0]).drops(Reason::FragmentTiny);
            play.out(&pieces[1]).drops(Reason::FragmentOrphan);
            play.back(raw(S, E, 6, &[0; 16]).fragment(1)).drops(Reason::FragmentTiny);
        },
    ),
    vector("a first fragment of eight bytes of UDP has its ports, and passes", "F6", |play| {
        let sent = udp((A, 5000), (S, 53), &[7; 40]);
        for (piece, wanted) in sent.fragments(&[8]).iter().zip(sent.clone().from(E).fragments(&[8])) {
            play.out(piece).passes(wanted);
        }
    }),
    vector("first fragments without the header of their VPN protocol go nowhere", "F6", |play| {
        play.enable(&[Class::Gre, Class::Pptp, Class::Esp]);
        play.out(raw(A, S, 47, &bodies::gre(7, 1, None, b"")[..8]).fragment(MORE))
            .drops(Reason::GreMalformed);
        play.out(raw(A, S, 50, &[0, 0, 16, 1, 0, 0, 0]).fragment(MORE)).drops(Reason::Malformed);
    }),
    vector("blocked protocols have blocked fragments, in any order", "F11 O7", |play| {
        for sent in [
            udp((A, 500), (S, 500), &[7; 120]),
            raw(A, S, 50, &bodies::esp(0x1001, 1)),
            raw(A, S, 47, &bodies::gre_v0(Some(1), &[7; 40])),
            raw(A, S, 115, &[7; 64]),
            raw(A, S, 4, &[7; 64]),
            raw(A, S, 51, &[7; 64]),
        ] {
            let pieces = sent.fragments(&[24]);
            play.out(&pieces[1]).drops(Reason::FragmentOrphan);
            play.out(&pieces[0]).drops(Reason::SwitchedOff);
            play.out(&pieces[1]).drops(Reason::FragmentOrphan);
            play.lan(&pieces[0]).drops(Reason::SwitchedOff);
        }
    }),
    vector("switched off in the middle of a datagram, its rest goes nowhere", "O7 O3", |play| {
        play.enable(&[Class::NatT]);
        let sent = udp((A, 4500), (S, 4500), &[7; 120]);
        let (pieces, wanted) = (sent.fragments(CUTS), sent.clone().from(E).fragments(CUTS));
        play.out(&pieces[0]).passes(&wanted[0]);
        play.switch(Class::NatT, Switch::Off);
        play.out(&pieces[1]).drops(Reason::SwitchedOffSession);
        play.switch(Class::NatT, Switch::Full);
        play.out(&pieces[2]).drops(Reason::SwitchedOffSession);
    }),
    vector("a flood of orphans leaves nothing behind, and in order datagrams pass", "F3 Z23", |play| {
        for identification in 0..500 {
            let orphan = raw(A, S, 17, &[7; 16]).fragment(8).identified(identification);
            play.out(orphan).drops(Reason::FragmentOrphan);
            play.back(raw(S, E, 17, &[7; 16]).fragment(8).identified(identification))
                .drops(Reason::FragmentOrphan);
        }
        goes_out(play, &udp((A, 5000), (S, 53), &[7; 120]));
        comes_back(play, &udp((S, 53), (E, 5000), &[8; 120]).identified(0x4321));
    }),
    vector("an orphan goes nowhere", "O8", |play| {
        for protocol in [1, 6, 17, 47, 50, 115] {
            play.out(raw(A, S, protocol, &[7; 16]).fragment(8)).drops(Reason::FragmentOrphan);
            play.back(raw(S, E, protocol, &[7; 16]).fragment(8)).drops(Reason::FragmentOrphan);
        }
    }),
    vector("fragments of one server are not another's", "F1 W4", |play| {
        goes_out(play, &udp((A, 5000), (S, 53), &[7; 120]));
        play.out(raw(A, T, 17, &[7; 16]).fragment(5)).drops(Reason::FragmentOrphan);
        play.out(raw(B, S, 17, &[7; 16]).fragment(5)).drops(Reason::FragmentOrphan);
        play.out(raw(A, S, 6, &[7; 16]).fragment(5)).drops(Reason::FragmentOrphan);
        play.out(raw(A, S, 17, &[7; 16]).fragment(5).identified(1)).drops(Reason::FragmentOrphan);
    }),
    vector("a fragment that overlaps the first ends its datagram", "F7 Z22", |play| {
        play.enable(&[Class::Gre]);
        for sent in [
            udp((A, 5000), (S, 53), &[7; 120]),
            raw(A, S, 47, &bodies::gre_v0(Some(5), &[7; 120])).fragment(0),
        ] {
            let (pieces, wanted) = (sent.fragments(CUTS), sent.clone().from(E).fragments(CUTS));
            for offset in [1, 2, 4] {
                play.out(&pieces[0]).passes(&wanted[0]);
                let overlap = raw(A, S, sent.protocol(), &[9; 16]).fragment(offset);
                play.out(overlap).drops_and_changes(Reason::FragmentTiny);
                play.out(&pieces[1]).drops(Reason::FragmentOrphan);
                play.out(&pieces[2]).drops(Reason::FragmentOrphan);
            }
            goes_out(play, &sent);
            let (back, home) = (sent.clone().from(S).to(E), sent.clone().from(S).to(A));
            let back = if sent.protocol() == 17 { back.with_id(0, 53).with_id(1, 5000) } else { back };
            let home = if sent.protocol() == 17 { home.with_id(0, 53).with_id(1, 5000) } else { home };
            play.back(&back.fragments(CUTS)[0]).redirects(home.fragments(CUTS)[0].clone().hop());
            play.back(raw(S, E, sent.protocol(), &[9; 16]).fragment(4))
                .drops_and_changes(Reason::FragmentTiny);
            play.back(&back.fragments(CUTS)[1]).drops(Reason::FragmentOrphan);
        }
    }),
    vector("lengths that no datagram has are refused", "F12 Z24", |play| {
        play.out(raw(A, S, 17, &[7; 16]).fragment(8191)).drops(Reason::Malformed);
        play.out(raw(A, S, 17, &[7; 15]).fragment(MORE)).drops(Reason::Malformed);
        play.out(raw(A, S, 17, &[7; 15]).fragment(MORE | 8)).drops(Reason::Malformed);
    }),
    vector("a second first fragment of a live datagram changes nothing", "Z25", |play| {
        play.enable(&[Class::NatT]);
        let sent = udp((A, 5000), (S, 53), &[7; 120]);
        let (pieces, wanted) = (sent.fragments(CUTS), sent.clone().from(E).fragments(CUTS));
        play.out(&pieces[0]).passes(&wanted[0]);
        let other = udp((A, 4500), (S, 4500), &[7; 120]);
        play.out(&other.fragments(CUTS)[0]).passes(&other.clone().from(E).fragments(CUTS)[0]).opens(2);
        assert_eq!(play.sizes().fragments, 2, "the datagram, and its claim on the identification");
        play.out(&pieces[1]).passes(&wanted[1]).class(Class::Udp);
    }),
    vector("IKE, NAT traversal and L2TP over UDP go as fragments too", "F10 N5", |play| {
        play.enable(&[Class::Ike, Class::NatT, Class::L2tp]);
        let large = |head: &[u8]| [head, &[7; 90]].concat();
        for (port, out, back) in [
            (500, large(&bodies::ike(9, 35, 8)), large(&bodies::ike(9, 35, 0x20))),
            (4500, large(&bodies::esp(0x1001, 1)), large(&bodies::esp(0x2001, 1))),
            (1701, large(&bodies::l2tp_data(5)), large(&bodies::l2tp_data(9))),
        ] {
            goes_out(play, &udp((A, port), (S, port), &out).identified(port));
            comes_back(play, &udp((S, port), (E, port), &back).identified(port));
        }
    }),
    vector("ESP, L2TP and GRE datagrams go as fragments too", "F10 N5", |play| {
        play.enable(&[Class::Esp, Class::L2tp, Class::Gre]);
        goes_out(play, &raw(A, S, 50, &[&bodies::esp(0x1001, 1)[..], &[7; 80]].concat()).fragment(0));
        goes_out(play, &raw(A, S, 115, &[7; 120]).fragment(0));
        goes_out(play, &raw(A, S, 47, &bodies::gre_v0(Some(5), &[7; 120])).fragment(0));
        comes_back(play, &raw(S, E, 50, &[&bodies::esp(0x2001, 1)[..], &[7; 80]].concat()).identified(9));
        comes_back(play, &raw(S, E, 47, &bodies::gre_v0(Some(5), &[7; 120])).identified(9));
        comes_back(play, &raw(S, E, 115, &[7; 120]).identified(9));
    }),
    vector("don't-fragment fragments are fragments", "M3", |play| {
        let pieces = udp((A, 5000), (S, 53), &[7; 120]).fragments(CUTS);
        let wanted = udp((E, 5000), (S, 53), &[7; 120]).fragments(CUTS);
        for (piece, wanted) in pieces.into_iter().zip(wanted) {
            let (with, without) = (piece.fragment | DONT, wanted.fragment | DONT);
            play.out(piece.fragment(with)).passes(wanted.fragment(without));
        }
    }),
    vector("siblings may follow for half a minute", "F3", |play| {
        let sent = udp((A, 5000), (S, 53), &[7; 120]);
        let (pieces, wanted) = (sent.fragments(CUTS), sent.clone().from(E).fragments(CUTS));
        play.out(&pieces[0]).passes(&wanted[0]);
        play.wait(29);
        play.out(&pieces[1]).passes(&wanted[1]);
        play.wait(2);
        play.out(&pieces[2]).drops(Reason::FragmentOrphan);
    }),
];

/// A datagram of A's leaves in three fragments.
fn goes_out(play: &mut Play<'_>, sent: &Packet) {
    for (piece, wanted) in sent.fragments(CUTS).iter().zip(sent.clone().from(E).fragments(CUTS)) {
        play.out(piece).passes(wanted);
    }
}

/// A datagram for A arrives in three fragments.
fn comes_back(play: &mut Play<'_>, sent: &Packet) {
    for (piece, wanted) in sent.fragments(CUTS).iter().zip(sent.clone().to(A).fragments(CUTS)) {
        play.back(piece).redirects(wanted.hop());
    }
}
