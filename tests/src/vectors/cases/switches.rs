//! Switches: every class by itself, and no way around them (conformance section 12).

use passthrough_common::abi::{Class, Ranges, Reason, Switch};

use crate::vectors::frame::{Packet, raw, tcp, udp};
use crate::vectors::{A, B, E, Play, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("one class off, all others pass: eleven by eleven", "O16 O1 O2 O22", |play| {
        let mut server = 0xc633_6464;
        for off in Class::SWITCHED {
            play.enable(&Class::SWITCHED);
            play.switch(off, Switch::Off);
            for class in Class::SWITCHED {
                // A server each, so that no session of an earlier round is met.
                server += 1;
                play.set(|settings| settings.sstp_servers[0] = server);
                for sent in kinds(class, server) {
                    let answer = play.out(&sent);
                    if class == off {
                        answer.drops(Reason::SwitchedOff).class(class);
                        play.lan(&sent).drops(Reason::SwitchedOff).class(class);
                        play.back(turned(&sent)).drops(Reason::SwitchedOff).class(class);
                    } else if class == Class::Ah {
                        answer.drops(Reason::AhNat).class(class);
                    } else {
                        let port = answer.source_id();
                        answer.is_forwarded().class(class);
                        play.back(turned(&sent).with_id(1, port)).is_forwarded().class(class);
                        play.out(&sent).is_forwarded().class(class).opens(0);
                    }
                }
            }
        }
    })
    .draws(),
    vector("each class off is off from outside too", "O2", |play| {
        play.set(|settings| settings.sstp_servers[0] = S);
        for class in Class::SWITCHED {
            play.switch(class, Switch::Off);
            for sent in kinds(class, S) {
                let back = turned(&sent);
                play.back(&back).drops(Reason::SwitchedOff).class(class);
            }
        }
    }),
    vector("no option hides a protocol from its switch", "O10", |play| {
        play.set(|settings| settings.sstp_servers[0] = S);
        for class in Class::SWITCHED {
            play.switch(class, Switch::Off);
            for sent in kinds(class, S) {
                let sent = sent.options(&[1; 40]);
                play.out(&sent).drops(Reason::SwitchedOff).class(class);
                play.lan(&sent).drops(Reason::SwitchedOff).class(class);
                play.back(turned(&sent)).drops(Reason::SwitchedOff).class(class);
            }
        }
    }),
    vector("NAT traversal stops at once, and begins anew", "O3 O6 O11", |play| stops(play, Class::NatT)),
    vector("OpenVPN stops at once, and begins anew", "O3 O6 O11", |play| stops(play, Class::Openvpn)),
    vector("WireGuard stops at once, and begins anew", "O3 O6 O11", |play| stops(play, Class::Wireguard)),
    vector("L2TP stops at once, and begins anew", "O3 O6 O11", |play| stops(play, Class::L2tp)),
    vector("SSTP is its servers' port 443, and nobody else's", "O21", |play| {
        play.set(|settings| settings.sstp_servers[0] = T);
        play.switch(Class::Sstp, Switch::Off);
        play.out(tcp((A, 5000), (T, 443), 2, b"")).drops(Reason::SwitchedOff).class(Class::Sstp);
        let other = tcp((A, 5000), (S, 443), 2, b"");
        play.out(&other).passes(other.clone().from(E)).class(Class::Tcp);
        play.set(|settings| settings.sstp_servers[0] = 0);
        let other = tcp((A, 5001), (T, 443), 2, b"");
        play.out(&other).passes(other.clone().from(E)).class(Class::Tcp);
    }),
    vector("ports nearby are not blocked", "O22", |play| {
        for class in [Class::Openvpn, Class::Wireguard] {
            play.switch(class, Switch::Off);
        }
        for port in [53, 443, 1193, 1195, 51821, 501, 4501, 1702, 1722] {
            let sent = udp((A, 5000), (S, port), b"x");
            play.out(&sent).passes(sent.clone().from(E)).class(Class::Udp);
        }
        for port in [1723, 1701, 500] {
            let sent = if port == 1723 {
                udp((A, 5000), (S, port), b"x")
            } else {
                tcp((A, 5000), (S, port), 2, b"")
            };
            play.out(&sent).passes(sent.clone().from(E));
        }
    }),
    vector("extra ports belong to their class", "O22", |play| {
        play.set(|settings| {
            settings.openvpn_ports[1] = 8443;
            settings.wireguard_ports[1] = 8444;
        });
        for (class, sent) in [
            (Class::Openvpn, udp((A, 5000), (S, 8443), b"x")),
            (Class::Openvpn, tcp((A, 5000), (S, 8443), 2, b"")),
            (Class::Wireguard, udp((A, 5000), (S, 8444), b"x")),
            (Class::Tcp, tcp((A, 5000), (S, 8444), 2, b"")),
        ] {
            play.out(&sent).passes(sent.clone().from(E)).class(class);
        }
    }),
    vector("IKE to port 500 from any port, and from port 500 to any, is IKE", "O2", |play| {
        for ports in [(5000, 500), (500, 5000), (500, 500)] {
            let sent = udp((A, ports.0), (S, ports.1), b"x");
            play.out(&sent).drops(Reason::SwitchedOff).class(Class::Ike);
        }
    }),
    vector("pptp on and gre off: calls pass, version 0 does not", "O17", |play| {
        play.enable(&[Class::Pptp]);
        play.out(raw(A, S, 47, &bodies::gre_v0(None, b"x"))).drops(Reason::SwitchedOff).class(Class::Gre);
        play.out(raw(A, S, 47, &bodies::gre(7, 1, None, b"x"))).drops(Reason::GreNoCall).class(Class::Pptp);
        play.lan(raw(A, S, 47, &bodies::gre_v0(None, b"x"))).drops(Reason::SwitchedOff);
    }),
    vector("esp off and nat-t on: ESP in UDP passes", "O18", |play| {
        play.enable(&[Class::NatT]);
        let sent = udp((A, 4500), (S, 4500), &bodies::esp(0x1001, 1));
        play.out(&sent).passes(sent.clone().from(E)).class(Class::NatT);
        play.out(raw(A, S, 50, &bodies::esp(0x1001, 1))).drops(Reason::SwitchedOff).class(Class::Esp);
    }),
    vector("what is inside a tunnel is its own affair", "O20 L13", |play| {
        play.enable(&[Class::Esp, Class::NatT, Class::Ipip]);
        let l2tp = udp((A, 1701), (S, 1701), &bodies::l2tp_control(0, 1, Some(5)));
        let esp = [&bodies::esp(0x1001, 1)[..8], &l2tp.payload()].concat();
        let control = tcp((A, 5000), (S, 1723), 2, b"");
        for (sent, class) in [
            (raw(A, S, 50, &esp), Class::Esp),
            (udp((A, 4500), (S, 4500), &esp), Class::NatT),
            (raw(A, S, 4, &control.ip_bytes()), Class::Ipip),
        ] {
            play.out(&sent).passes(sent.clone().from(E)).class(class);
        }
        play.out(&l2tp).drops(Reason::SwitchedOff).class(Class::L2tp);
        play.out(&control).drops(Reason::SwitchedOff).class(Class::Pptp);
    }),
    vector("before the settings are written nothing passes", "O24", |play| {
        play.set(|settings| {
            settings.switches = [0; passthrough_common::abi::CLASSES];
            settings.pool = Ranges::NONE;
        });
        play.set(|settings| settings.sstp_servers[0] = S);
        for class in Class::SWITCHED {
            for sent in kinds(class, S) {
                play.out(&sent).drops(Reason::SwitchedOff).class(class);
                play.lan(&sent).drops(Reason::SwitchedOff).class(class);
            }
        }
        play.out(udp((A, 5000), (S, 53), b"x")).drops(Reason::SwitchedOff).class(Class::Udp);
        play.back(udp((S, 53), (A, 5000), b"x")).drops(Reason::NotTranslated);
    }),
    vector("the gateway's own tunnels are outside the switches", "O26", |play| {
        for sent in [
            udp((E, 500), (S, 500), b"own ike"),
            udp((E, 4500), (S, 4500), b"own"),
            raw(E, S, 50, &bodies::esp(0x1001, 1)),
            raw(E, T, 47, &bodies::gre_v0(None, b"x")),
            raw(E, T, 41, &[0x60; 40]),
        ] {
            play.own(&sent).passes(&sent);
            let back = exchanged(sent.clone().from(sent.destination).to(E));
            let answer = play.back(&back);
            assert_eq!(answer.frame(), back.frame(), "what comes back is the stack's, as it is");
            play.own(&sent).passes(&sent).opens(0);
        }
    }),
    vector("the gateway's own VPN server is outside the switches", "O26", |play| {
        play.listen(17, (E, 500));
        play.listen(17, (E, 1701));
        play.listen(6, (E, 1723));
        play.back(udp((S, 500), (E, 500), b"x")).punts(Reason::ToGateway).class(Class::Ike);
        play.back(udp((S, 5000), (E, 1701), b"x")).punts(Reason::ToGateway).class(Class::L2tp);
        play.back(tcp((S, 5000), (E, 1723), 2, b"")).punts(Reason::ToGateway).class(Class::Pptp);
        play.back(udp((S, 4500), (E, 4500), b"x")).drops(Reason::SwitchedOff);
    }),
    vector("a client gets no port that the gateway itself uses", "U3 C14", |play| {
        play.listen(17, (E, 5000));
        play.own(udp((E, 5001), (S, 53), b"own")).passes(udp((E, 5001), (S, 53), b"own"));
        for port in [5000, 5001] {
            let sent = udp((B, port), (S, 53), b"x");
            let answer = play.out(&sent);
            let outside = answer.source_id();
            assert_ne!(outside, port);
            answer.passes(sent.clone().from_end((E, outside)));
        }
    })
    .draws(),
];

/// Packets of a class from A to a server.
fn kinds(class: Class, server: u32) -> Vec<Packet> {
    match class {
        Class::Pptp => vec![tcp((A, 5000), (server, 1723), 2, b"")],
        Class::Gre => vec![raw(A, server, 47, &bodies::gre_v0(Some(1), b"x"))],
        Class::Ike => vec![udp((A, 500), (server, 500), &bodies::ike(u64::from(server), 34, 8))],
        Class::NatT => vec![udp((A, 4500), (server, 4500), b"x"), tcp((A, 5000), (server, 4500), 2, b"")],
        Class::Esp => vec![raw(A, server, 50, &bodies::esp(0x1001, 1))],
        Class::Ah => vec![raw(A, server, 51, &[4; 24])],
        Class::L2tp => vec![udp((A, 5000), (server, 1701), b"x"), raw(A, server, 115, &[1; 24])],
        Class::Ipip => vec![raw(A, server, 4, &[0x45; 40]), raw(A, server, 41, &[0x60; 40])],
        Class::Openvpn => vec![udp((A, 5000), (server, 1194), b"x"), tcp((A, 5000), (server, 1194), 2, b"")],
        Class::Wireguard => vec![udp((A, 5000), (server, 51820), b"x")],
        Class::Sstp => vec![tcp((A, 5000), (server, 443), 2, b"")],
        _ => Vec::new(),
    }
}

/// The same as if the server had sent it to the gateway.
fn turned(sent: &Packet) -> Packet {
    exchanged(sent.clone().from(sent.destination).to(E))
}

/// The same with its ports exchanged.
fn exchanged(mut packet: Packet) -> Packet {
    if let super::Body::Udp { ports, .. } | super::Body::Tcp { ports, .. } = &mut packet.body {
        ports.swap(0, 1);
    }
    packet
}

/// From the moment the switch is off nothing of its session passes, nor after it is on again, until the host sends.
fn stops(play: &mut Play<'_>, class: Class) {
    play.enable(&[class]);
    let sent = &kinds(class, S)[0];
    let back = turned(sent);
    play.out(sent).passes(sent.clone().from(E));
    play.back(&back).redirects(back.clone().to(A).hop());
    play.switch(class, Switch::Off);
    play.out(sent).drops(Reason::SwitchedOffSession).class(class);
    play.back(&back).drops(Reason::SwitchedOffSession).class(class);
    play.lan(sent).drops(Reason::SwitchedOff);
    play.enable(&[class]);
    play.back(&back).drops_and_changes(Reason::Unsolicited);
    play.out(sent).passes(sent.clone().from(E)).opens(2);
}
