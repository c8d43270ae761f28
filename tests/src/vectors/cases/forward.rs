//! Port forwards: who is let in, how the answers leave, and what the switches say (conformance sections 1, 6 and 12).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Range, Ranges, Reason, Switch};

use crate::vectors::frame::flag::{ACK, PUSH, SYN};
use crate::vectors::frame::{Packet, raw, tcp, udp};
use crate::vectors::{A, B, E, S, T, Vector, bodies, vector};

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ESP: u8 = 50;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector(
        "a new packet is translated and left to routing and firewall; the server's answer makes the session",
        "O1 Z38",
        |play| {
            play.forward(TCP, 8080, (B, 80));
            let syn = tcp((S, 5000), (E, 8080), SYN, b"");
            for _ in 0..2 {
                play.back(&syn).passes(syn.clone().to_end((B, 80))).opens(0).class(Class::Tcp);
            }
            let answer = tcp((B, 80), (S, 5000), SYN | ACK, b"");
            play.lan(&answer).punts(Reason::NeedsStack);
            play.out(&answer).passes(answer.clone().from_end((E, 8080))).opens(2);
            assert_eq!(play.sizes().bindings, 0, "the forward is the binding");
            let more = tcp((S, 5000), (E, 8080), PUSH, b"GET /");
            play.back(&more).redirects(more.clone().to_end((B, 80)).hop());
            let data = tcp((B, 80), (S, 5000), PUSH, b"200 OK");
            play.lan(&data).is_sent_on(data.clone().hop());
            play.out(&data).passes(data.clone().from_end((E, 8080)));
        },
    ),
    vector("UDP from anybody reaches the server, which answers each from the same port", "U1 U11", |play| {
        play.forward(UDP, 5353, (B, 53));
        for (client, port) in [(S, 4000), (S, 4001), (T, 4000)] {
            let asked = udp((client, port), (E, 5353), b"who");
            play.back(&asked).passes(asked.clone().to_end((B, 53))).opens(0);
            let answer = udp((B, 53), (client, port), b"me");
            play.out(&answer).passes(answer.clone().from_end((E, 5353))).opens(2);
            play.back(&asked).redirects(asked.clone().to_end((B, 53)).hop());
        }
    }),
    vector("what the server begins leaves from its forwarded port", "U1", |play| {
        play.forward(UDP, 51820, (B, 51820));
        let sent = udp((B, 51820), (T, 4000), b"hello");
        play.out(&sent).passes(sent.clone().from(E)).opens(2).class(Class::Wireguard);
        let back = udp((T, 4000), (E, 51820), b"hello yourself");
        play.back(&back).redirects(back.clone().to(B).hop());
    }),
    vector("no client is given a forwarded port", "U3 C14", |play| {
        play.forward(UDP, 5000, (B, 5000));
        let sent = udp((A, 5000), (S, 53), b"x");
        let answer = play.out(&sent);
        let port = answer.source_id();
        assert!(port != 5000 && port >= 1024, "{port}");
        answer.passes(sent.clone().from_end((E, port)));
        // The same port of another protocol is another port (U18).
        let sent = tcp((A, 5000), (S, 80), SYN, b"");
        play.out(&sent).passes(sent.clone().from(E));
    })
    .draws(),
    vector("the gateway's own services beside a forward are its own", "O26", |play| {
        play.forward(TCP, 8080, (B, 80));
        play.listen(TCP, (E, 8022));
        play.back(tcp((S, 5000), (E, 8022), SYN, b"")).punts(Reason::ToGateway);
        play.back(tcp((S, 5000), (E, 8081), SYN, b"")).drops(Reason::Unsolicited);
        play.back(udp((S, 5000), (E, 8080), b"x")).drops(Reason::Unsolicited);
    }),
    vector("a source that lies inside opens no forward", "Z15", |play| {
        play.forward(TCP, 8080, (B, 80));
        play.set(|settings| settings.options &= !option::DROP_MARTIANS);
        play.back(tcp((A, 5000), (E, 8080), SYN, b"")).drops(Reason::Spoofed);
    }),
    vector("a class that is off stays off behind a forward, whatever port it comes from", "O2", |play| {
        let ports = [
            (TCP, 1723, Class::Pptp),
            (UDP, 500, Class::Ike),
            (UDP, 4500, Class::NatT),
            (UDP, 1701, Class::L2tp),
            (UDP, 51820, Class::Wireguard),
            (TCP, 1194, Class::Openvpn),
        ];
        play.switch(Class::Wireguard, Switch::Off);
        play.switch(Class::Openvpn, Switch::Off);
        for (protocol, port, class) in ports {
            play.forward(protocol, port, (B, port));
            for far in [5000, port] {
                let new = packet(protocol, (S, far), (E, port));
                play.back(&new).drops(Reason::SwitchedOff).class(class);
            }
            let own = packet(protocol, (B, port), (S, 5000));
            play.out(&own).drops(Reason::SwitchedOff).class(class);
        }
        // TCP 4500 is NAT-T's: a client's port says nothing of the server's.
        play.enable(&[Class::NatT]);
        play.back(tcp((S, 4500), (E, 1723), SYN, b"")).drops(Reason::SwitchedOff).class(Class::Pptp);
        for (protocol, class) in [(GRE, Class::Gre), (ESP, Class::Esp), (4, Class::Ipip), (115, Class::L2tp)]
        {
            play.forward(protocol, 0, (B, 0));
            let sent = raw(S, E, protocol, &payload(protocol));
            play.back(sent).drops(Reason::SwitchedOff).class(class);
        }
    }),
    vector("switched off, a server's session ends and does not begin anew", "O3 O5 O6", |play| {
        play.enable(&[Class::NatT]);
        play.forward(UDP, 4500, (B, 4500));
        let asked = udp((S, 5000), (E, 4500), b"esp in udp");
        let answer = udp((B, 4500), (S, 5000), b"esp in udp");
        play.back(&asked).passes(asked.clone().to(B));
        play.out(&answer).passes(answer.clone().from(E)).class(Class::NatT);
        play.switch(Class::NatT, Switch::Off);
        play.back(&asked).drops(Reason::SwitchedOffSession).class(Class::NatT);
        play.lan(&answer).drops(Reason::SwitchedOffSession);
        play.out(&answer).drops(Reason::SwitchedOffSession).class(Class::NatT);
    }),
    vector("protocols without ports reach their host, and its answers leave", "Q5 V5 O1", |play| {
        play.enable(&[Class::Gre, Class::Ipip, Class::L2tp]);
        for protocol in [GRE, 4, 41, 115] {
            let sent = raw(S, E, protocol, &payload(protocol));
            play.back(&sent).drops(Reason::Unsolicited);
            play.forward(protocol, 0, (B, 0));
            play.back(&sent).passes(sent.clone().to(B)).opens(0);
            let answer = raw(B, S, protocol, &payload(protocol));
            play.out(&answer).passes(answer.clone().from(E)).opens(2);
            play.back(&sent).redirects(sent.clone().to(B).hop());
        }
    }),
    vector("inside hosts reach the server by the outside address", "U12 T7 M11", |play| {
        play.forward(TCP, 8080, (B, 80));
        play.forward(UDP, 8080, (B, 80));
        for (protocol, port) in [(TCP, 5000), (UDP, 5001)] {
            for _ in 0..2 {
                let ours = packet(protocol, (A, port), (E, 8080));
                play.lan(&ours).redirects(packet(protocol, (E, port), (B, 80)).hop());
                let theirs = packet(protocol, (B, 80), (E, port));
                play.lan(&theirs).redirects(packet(protocol, (E, 8080), (A, port)).hop());
            }
        }
        play.lan(tcp((A, 5000), (E, 8081), SYN, b"")).punts(Reason::ToGateway);
    }),
    vector("a class that is off does not hairpin to its forward", "O12", |play| {
        play.forward(TCP, 1723, (B, 1723));
        play.forward(UDP, 4500, (B, 4500));
        play.lan(tcp((A, 5000), (E, 1723), SYN, b"")).drops(Reason::SwitchedOff).class(Class::Pptp);
        play.lan(udp((A, 5000), (E, 4500), b"x")).drops(Reason::SwitchedOff).class(Class::NatT);
    }),
    vector("a datagram in fragments takes the stack until the server has answered", "F1 F10", |play| {
        play.forward(UDP, 5353, (B, 53));
        let sent = udp((S, 4000), (E, 5353), &[7; 100]).fragment(0);
        let pieces = |packet: &Packet| packet.fragments(&[48]);
        for (piece, wanted) in pieces(&sent).iter().zip(pieces(&sent.clone().to_end((B, 53)))) {
            play.back(piece).passes(wanted);
        }
        let answer = udp((B, 53), (S, 4000), b"me");
        play.out(&answer).passes(answer.clone().from_end((E, 5353)));
        let again = sent.identified(0x4321);
        for (piece, wanted) in pieces(&again).iter().zip(pieces(&again.clone().to_end((B, 53)))) {
            play.back(piece).redirects(wanted.hop());
        }
    }),
    vector("of two outside addresses, the one that the host has is the server's", "U2", |play| {
        let other = E + 1;
        play.set(|settings| {
            settings.pool = Ranges::of(&[Range { first: E, count: 2 }]);
        });
        play.forward(UDP, 5353, (B, 53));
        let answer = udp((B, 53), (S, 4000), b"me");
        let shown = play.out(&answer);
        let outside = u32::from_be_bytes([203, 0, 113, shown.frame()[29]]);
        assert!(outside == E || outside == other, "{outside:x}");
        let asked = |to: u32| udp((T, 4000), (to, 5353), b"who");
        play.back(asked(outside)).passes(asked(B).to_end((B, 53)));
        play.back(asked(if outside == E { other } else { E })).drops(Reason::Unsolicited);
    }),
];

/// A new packet of TCP or UDP.
fn packet(protocol: u8, from: (u32, u16), to: (u32, u16)) -> Packet {
    if protocol == TCP { tcp(from, to, SYN, b"") } else { udp(from, to, b"hello") }
}

/// What a packet of a protocol without ports carries.
fn payload(protocol: u8) -> Vec<u8> {
    match protocol {
        GRE => bodies::gre_v0(Some(7), b"data"),
        ESP => bodies::esp(0x2001, 1),
        _ => vec![0x45; 40],
    }
}
