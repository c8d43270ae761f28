//! IKE and ESP (conformance sections 7 and 8).

use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::bodies::{AUTH, CHILD, INFORMATIONAL, INITIATOR, RESPONSE, SA_INIT};
use crate::vectors::frame::{Packet, raw, udp};
use crate::vectors::{A, B, C, E, Play, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector(
        "with the switch at plain, IKE on port 500 is UDP whose ports stay below 1024",
        "R1 R2 U4 N2 N3 N8",
        |play| {
            play.switch(Class::Ike, Switch::Plain);
            let mut ports = Vec::new();
            for host in [A, B, C] {
                let sent = udp((host, 500), (S, 500), &bodies::ike(7, SA_INIT, INITIATOR));
                let answer = play.out(&sent);
                let port = answer.source_id();
                answer.passes(sent.clone().from_end((E, port))).class(Class::Ike);
                let back = udp((S, 500), (E, port), &bodies::ike(7, SA_INIT, RESPONSE));
                play.back(&back).redirects(back.clone().to_end((host, 500)).hop()).class(Class::Ike);
                ports.push(port);
            }
            ports.sort_unstable();
            ports.dedup();
            assert!(ports.len() == 3 && ports.iter().all(|port| (1..1024).contains(port)), "{ports:?}");
        },
    )
    .draws(),
    vector("kept port 500: clients are told apart by their initiator SPIs", "R8 R9 N2 N3", |play| {
        play.enable(&[Class::Ike]);
        for (host, spi) in [(A, 0xa11a_0000_0000_0001), (B, 0xb22b_0000_0000_0001)] {
            leaves(play, host, &bodies::ike(spi, SA_INIT, INITIATOR));
            leaves(play, host, &bodies::ike(spi, SA_INIT, INITIATOR));
        }
        for (host, spi) in [(B, 0xb22b_0000_0000_0001), (A, 0xa11a_0000_0000_0001)] {
            arrives(play, host, &bodies::ike(spi, SA_INIT, RESPONSE));
            arrives(play, host, &bodies::ike(spi, INFORMATIONAL, RESPONSE));
        }
        assert_eq!(play.sizes().sessions, 4);
    }),
    vector("kept port 500: an initiator SPI that another host has is refused", "R10", |play| {
        play.enable(&[Class::Ike]);
        leaves(play, A, &bodies::ike(9, SA_INIT, INITIATOR));
        let theirs = udp((B, 500), (S, 500), &bodies::ike(9, SA_INIT, INITIATOR));
        play.out(theirs).drops(Reason::IkeConflict).class(Class::Ike);
        arrives(play, A, &bodies::ike(9, SA_INIT, RESPONSE));
    }),
    vector(
        "kept port 500: what the server begins goes to its only client, and to nobody if it has two",
        "R11 N5",
        |play| {
            play.enable(&[Class::Ike]);
            let asks = |spi| udp((S, 500), (E, 500), &bodies::ike(spi, SA_INIT, INITIATOR));
            play.back(asks(70)).drops(Reason::Unsolicited).class(Class::Ike);
            leaves(play, A, &bodies::ike(1, SA_INIT, INITIATOR));
            arrives(play, A, &bodies::ike(71, SA_INIT, INITIATOR));
            leaves(play, B, &bodies::ike(2, SA_INIT, INITIATOR));
            play.back(asks(72)).drops(Reason::IkeAmbiguous);
            arrives(play, A, &bodies::ike(71, AUTH, INITIATOR));
        },
    ),
    vector(
        "kept port 500: a server that has rekeyed an association goes on with the client that it asked",
        "R11",
        |play| {
            play.enable(&[Class::Ike, Class::Esp]);
            leaves(play, A, &bodies::ike(1, SA_INIT, INITIATOR));
            leaves(play, B, &bodies::ike(2, SA_INIT, INITIATOR));
            let asks = |spi| udp((S, 500), (E, 500), &bodies::ike(spi, CHILD, INITIATOR));
            play.back(asks(3)).drops(Reason::IkeAmbiguous).class(Class::Ike);
            arrives(play, B, &bodies::ike(2, CHILD, INITIATOR));
            leaves(play, B, &bodies::ike(2, CHILD, RESPONSE));
            arrives(play, B, &bodies::ike(3, CHILD, INITIATOR));
            // The guess gives way to who sends with it.
            leaves(play, A, &bodies::ike(3, INFORMATIONAL, INITIATOR));
            arrives(play, A, &bodies::ike(3, INFORMATIONAL, RESPONSE));
        },
    ),
    vector("kept port 500: new SPIs of a rekeyed association are learned from the client", "R12", |play| {
        play.enable(&[Class::Ike]);
        leaves(play, A, &bodies::ike(1, SA_INIT, INITIATOR));
        leaves(play, B, &bodies::ike(2, SA_INIT, INITIATOR));
        leaves(play, A, &bodies::ike(3, INFORMATIONAL, INITIATOR));
        arrives(play, A, &bodies::ike(3, INFORMATIONAL, RESPONSE));
    }),
    vector("kept port 500: a message without an initiator SPI, or cut, is dropped", "Z56", |play| {
        play.enable(&[Class::Ike]);
        let whole = bodies::ike(1, SA_INIT, INITIATOR);
        play.out(udp((A, 500), (S, 500), &bodies::ike(0, SA_INIT, INITIATOR))).drops(Reason::Malformed);
        for length in [0, 8, 27] {
            play.out(udp((A, 500), (S, 500), &whole[..length])).drops(Reason::Malformed);
            play.back(udp((S, 500), (E, 500), &whole[..length])).drops(Reason::Malformed);
        }
    }),
    vector(
        "UDP 4500 carries IKE, ESP and keepalives, and none of them is read",
        "R3 R4 R5 R6 Z57 N2 N8",
        |play| {
            play.enable(&[Class::NatT]);
            let marker = [&[0; 4][..], &bodies::ike(1, SA_INIT, INITIATOR)].concat();
            for data in [&marker[..], &bodies::esp(0x1001, 1), &[0xff], b"", &[0, 0, 0], &[0, 0, 0, 0]] {
                for sent in [udp((A, 4500), (S, 4500), data), udp((A, 4500), (S, 4500), data).unsummed()] {
                    play.out(&sent).passes(sent.clone().from(E)).class(Class::NatT);
                    let mut back = sent.clone().from(S).to(E);
                    play.back(&back).redirects(back.clone().to(A).hop()).class(Class::NatT);
                    back.ttl = 9;
                }
            }
        },
    ),
    vector(
        "port 500 is kept for all or for the first, as the switch says, however many there are",
        "R13",
        |play| {
            for (switch, kept) in [(Switch::Full, true), (Switch::Plain, false)] {
                play.switch(Class::Ike, Switch::Off);
                play.switch(Class::Ike, switch);
                for number in 1..=20u32 {
                    let sent = udp(
                        (0xc0a8_0120 + number, 500),
                        (S, 500),
                        &bodies::ike(number.into(), SA_INIT, INITIATOR),
                    );
                    let port = play.out(&sent).class(Class::Ike).source_id();
                    assert!(
                        if kept || number == 1 { port == 500 } else { port != 500 && port < 1024 },
                        "{port}"
                    );
                }
            }
        },
    )
    .draws(),
    vector("without reading, ESP on port 500 behind eight zero bytes is UDP", "R15", |play| {
        play.switch(Class::Ike, Switch::Plain);
        let sent = udp((A, 500), (S, 500), &[&[0; 8][..], &bodies::esp(0x1001, 1)].concat());
        play.out(&sent).passes(sent.clone().from(E)).class(Class::Ike);
        let back = udp((S, 500), (E, 500), &[&[0; 8][..], &bodies::esp(0x2001, 1)].concat());
        play.back(&back).redirects(back.clone().to(A).hop()).class(Class::Ike);
    }),
    vector("a client that has another address has another mapping, and the old one stays", "R17", |play| {
        play.enable(&[Class::NatT]);
        let sent = udp((A, 4500), (S, 4500), &bodies::esp(0x1001, 1));
        play.out(&sent).passes(sent.clone().from(E));
        let answer = play.out(sent.clone().from(C)).opens(2);
        let port = answer.source_id();
        assert_ne!(port, 4500);
        let back = udp((S, 4500), (E, port), &bodies::esp(0x2001, 1));
        play.back(&back).redirects(back.clone().to_end((C, 4500)).hop());
        let back = udp((S, 4500), (E, 4500), &bodies::esp(0x2001, 1));
        play.back(&back).redirects(back.clone().to(A).hop());
    })
    .draws(),
    vector(
        "a packet of another client's steals no SPI, and a server's flood breaks none",
        "Z55 E18",
        |play| {
            play.enable(&[Class::Esp]);
            esp_leaves(play, A, 0x1001, 1);
            esp_arrives(play, A, 0x2001, 1);
            esp_leaves(play, A, 0x1001, 2);
            esp_leaves(play, B, 0x1002, 1);
            esp_arrives(play, A, 0x2001, 2);
            play.out(raw(B, S, 50, &bodies::esp(0x1001, 1))).drops(Reason::EspConflict);
            for spi in 0..20 {
                let _any = play.back(raw(S, E, 50, &bodies::esp(0x7000 + spi, 77)));
                esp_arrives(play, A, 0x2001, 3 + spi);
            }
        },
    ),
    vector("ESP goes out, and the first SPI that comes back is its client's", "E1 Q7", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1).opens(2);
        esp_arrives(play, A, 0x2001, 1).opens(1);
        esp_leaves(play, A, 0x1001, 2).opens(0);
        esp_arrives(play, A, 0x2001, 2).opens(0);
    }),
    vector("two clients learn one after the other", "E2", |play| {
        play.enable(&[Class::Esp]);
        for (host, out, back) in [(A, 0x1001, 0x2001), (B, 0x1002, 0x2002)] {
            esp_leaves(play, host, out, 1);
            esp_arrives(play, host, back, 1);
        }
        esp_arrives(play, A, 0x2001, 2);
        esp_arrives(play, B, 0x2002, 2);
    }),
    vector("while one client is being learned, the other waits", "E3", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        play.out(raw(B, S, 50, &bodies::esp(0x1002, 1))).drops(Reason::EspHold).class(Class::Esp);
        esp_arrives(play, A, 0x2001, 1);
        esp_leaves(play, B, 0x1002, 2);
        esp_arrives(play, B, 0x2002, 1);
    }),
    vector("what could be several clients' reaches nobody", "E6", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        play.wait(4);
        esp_leaves(play, B, 0x1002, 1);
        play.wait(4);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 1))).drops(Reason::EspAmbiguous);
    }),
    vector("one SPI from two servers is two", "E10", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        esp_arrives(play, A, 0x2001, 1);
        let there = raw(B, T, 50, &bodies::esp(0x1001, 1));
        play.out(&there).passes(there.clone().from(E));
        let back = raw(T, E, 50, &bodies::esp(0x2001, 1));
        play.back(&back).redirects(back.clone().to(B).hop());
        esp_arrives(play, A, 0x2001, 2);
    }),
    vector("an inbound SPI stays with its first owner, and an outbound one too", "E11 N1", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        esp_arrives(play, A, 0x2001, 1);
        esp_leaves(play, A, 0x1001, 2);
        play.out(raw(B, S, 50, &bodies::esp(0x1001, 1))).drops(Reason::EspConflict);
        esp_leaves(play, B, 0x1002, 1);
        esp_arrives(play, A, 0x2001, 2);
        esp_arrives(play, B, 0x2002, 1);
    }),
    vector("ESP from a server that nobody talks to is dropped", "E12 Z52", |play| {
        play.enable(&[Class::Esp]);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 1))).drops(Reason::EspUnsolicited).class(Class::Esp);
        esp_leaves(play, A, 0x1001, 1);
        play.back(raw(T, E, 50, &bodies::esp(0x2001, 1))).drops(Reason::EspUnsolicited);
    }),
    vector("a rekeyed association keeps the old SPI beside the new", "E7", |play| {
        play.enable(&[Class::Esp, Class::Ike]);
        leaves(play, A, &bodies::ike(1, AUTH, INITIATOR));
        esp_leaves(play, A, 0x1001, 1);
        esp_arrives(play, A, 0x2001, 1);
        leaves(play, B, &bodies::ike(2, AUTH, INITIATOR));
        esp_leaves(play, B, 0x1002, 1);
        esp_arrives(play, B, 0x2002, 1);
        leaves(play, A, &bodies::ike(1, CHILD, INITIATOR));
        arrives(play, A, &bodies::ike(1, CHILD, RESPONSE));
        esp_leaves(play, A, 0x1003, 1);
        esp_arrives(play, A, 0x2003, 1);
        esp_arrives(play, A, 0x2001, 2);
        esp_arrives(play, B, 0x2002, 2);
    }),
    vector("with the switch at plain one client a server has all of its ESP", "P26", |play| {
        play.switch(Class::Esp, Switch::Plain);
        esp_leaves(play, A, 0x1001, 1).opens(2);
        esp_leaves(play, A, 0x1002, 1).opens(0);
        esp_arrives(play, A, 0x2001, 7);
        esp_arrives(play, A, 0x2002, 900);
        play.out(raw(B, S, 50, &bodies::esp(0x1003, 1))).drops(Reason::HostConflict);
    }),
    vector("SPI 0 and less than a header are dropped; reserved SPIs pass", "Z53", |play| {
        play.enable(&[Class::Esp]);
        play.out(raw(A, S, 50, &bodies::esp(0, 1))).drops(Reason::Malformed);
        for length in 0..8 {
            play.out(raw(A, S, 50, &bodies::esp(0x1001, 1)[..length])).drops(Reason::Malformed);
            play.back(raw(S, E, 50, &bodies::esp(0x1001, 1)[..length])).drops(Reason::Malformed);
        }
        esp_leaves(play, A, 200, 1);
    }),
    vector("ESP and IKE are off until enabled", "O2 O6", |play| {
        play.out(raw(A, S, 50, &bodies::esp(0x1001, 1))).drops(Reason::SwitchedOff).class(Class::Esp);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 1))).drops(Reason::SwitchedOff);
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        esp_arrives(play, A, 0x2001, 1);
        play.switch(Class::Esp, Switch::Off);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 2))).drops(Reason::SwitchedOffSession);
        play.out(raw(A, S, 50, &bodies::esp(0x1001, 2))).drops(Reason::SwitchedOffSession);
        play.enable(&[Class::Esp]);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 3))).drops_and_changes(Reason::EspUnsolicited);
    }),
    vector("ike off and nat-t on: 500 is closed, 4500 open", "O18", |play| {
        play.enable(&[Class::NatT]);
        play.out(udp((A, 500), (S, 500), &bodies::ike(1, SA_INIT, INITIATOR))).drops(Reason::SwitchedOff);
        let float = udp((A, 4500), (S, 4500), &bodies::esp(0x1001, 1));
        play.out(&float).passes(float.clone().from(E));
        play.out(raw(A, S, 50, &bodies::esp(0x1001, 1))).drops(Reason::SwitchedOff);
    }),
    vector("nat-t off and esp on: plain ESP passes, 4500 is closed for UDP and TCP", "O18 R16", |play| {
        play.enable(&[Class::Esp]);
        esp_leaves(play, A, 0x1001, 1);
        play.out(udp((A, 4500), (S, 4500), b"x")).drops(Reason::SwitchedOff).class(Class::NatT);
        let syn = crate::vectors::frame::tcp((A, 5000), (S, 4500), 2, b"");
        play.out(&syn).drops(Reason::SwitchedOff).class(Class::NatT);
        play.back(udp((S, 4500), (E, 4500), b"x")).drops(Reason::SwitchedOff);
        play.enable(&[Class::NatT]);
        play.out(&syn).passes(syn.clone().from(E)).class(Class::NatT);
    }),
];

/// IKE from a host to S leaves with its port.
fn leaves(play: &mut Play<'_>, host: u32, message: &[u8]) {
    let sent = udp((host, 500), (S, 500), message);
    play.out(&sent).passes(sent.clone().from(E)).class(Class::Ike);
}

/// IKE from S reaches a host.
fn arrives(play: &mut Play<'_>, host: u32, message: &[u8]) {
    let sent = udp((S, 500), (E, 500), message);
    play.back(&sent).redirects(sent.clone().to(host).hop()).class(Class::Ike);
}

fn esp_leaves(play: &mut Play<'_>, host: u32, spi: u32, sequence: u32) -> crate::vectors::play::Answer {
    let sent: Packet = raw(host, S, 50, &bodies::esp(spi, sequence));
    play.out(&sent).passes(sent.clone().from(E)).class(Class::Esp)
}

fn esp_arrives(play: &mut Play<'_>, host: u32, spi: u32, sequence: u32) -> crate::vectors::play::Answer {
    let sent = raw(S, E, 50, &bodies::esp(spi, sequence));
    play.back(&sent).redirects(sent.clone().to(host).hop()).class(Class::Esp)
}
