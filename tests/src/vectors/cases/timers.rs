//! How long what is silent lives, to the second (conformance row G7 and the rows of each protocol's times).

use passthrough_common::abi::settings::{Idle, option};
use passthrough_common::abi::{Class, Reason, Ticks};

use crate::vectors::frame::flag::{ACK, FIN, RST, SYN};
use crate::vectors::frame::{Packet, echo, icmp_error, raw, tcp, udp};
use crate::vectors::{A, E, Play, R, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("UDP lives five minutes, and answers come until then", "U6 G7", |play| {
        let (asked, answer) = (udp((A, 5000), (S, 53), b"?"), udp((S, 53), (E, 5000), b"!"));
        leaves(play, &asked);
        play.wait(299);
        arrives(play, &answer);
        play.wait(301);
        play.back(&answer).drops_and_changes(Reason::Unsolicited);
    }),
    vector("UDP lives as long as the setting says", "U6 G7", |play| {
        play.set(|settings| settings.idle[Idle::Udp as usize] = Ticks::from_secs(120));
        let (asked, answer) = (udp((A, 5000), (S, 53), b"?"), udp((S, 53), (E, 5000), b"!"));
        leaves(play, &asked);
        play.wait(119);
        arrives(play, &answer);
        play.wait(121);
        play.back(&answer).drops_and_changes(Reason::Unsolicited);
    }),
    vector("what leaves keeps the mapping for an hour", "U7 R7", |play| {
        play.enable(&[Class::NatT]);
        let asked = udp((A, 5000), (S, 53), b"?");
        let (esp, keepalive) =
            (udp((S, 4500), (E, 4500), &bodies::esp(7, 1)), udp((A, 4500), (S, 4500), &[0xff]));
        leaves(play, &asked);
        leaves(play, &keepalive);
        for _ in 0..36 {
            play.wait(100);
            leaves(play, &asked);
            leaves(play, &keepalive);
        }
        arrives(play, &udp((S, 53), (E, 5000), b"!"));
        arrives(play, &esp);
        assert_eq!(play.sizes().sessions, 4);
    }),
    vector("a peer that is filtered keeps nothing alive", "U8 Z40", |play| {
        let asked = udp((A, 5000), (S, 53), b"?");
        leaves(play, &asked);
        for _ in 0..4 {
            play.wait(60);
            play.back(udp((T, 53), (E, 5000), b"x")).drops(Reason::Filtered);
        }
        play.wait(61);
        play.back(udp((S, 53), (E, 5000), b"!")).drops_and_changes(Reason::Unsolicited);
    }),
    vector("an established connection lives two hours and four minutes", "T5 G7", |play| {
        connect(play);
        play.wait(7439);
        arrives(play, &from_server(ACK, b"late"));
        play.wait(7441);
        play.back(from_server(ACK, b"too late")).drops_and_changes(Reason::Unsolicited);
    }),
    vector("a connection that is being opened lives four minutes", "T5", |play| {
        leaves(play, &from_client(SYN, b""));
        play.wait(239);
        arrives(play, &from_server(SYN | ACK, b""));
        let other = tcp((A, 5001), (S, 80), SYN, b"");
        leaves(play, &other);
        play.wait(241);
        play.back(tcp((S, 80), (E, 5001), SYN | ACK, b"")).drops_and_changes(Reason::Unsolicited);
    }),
    vector("a closed connection lives four minutes", "T5 T9", |play| {
        connect(play);
        leaves(play, &from_client(FIN | ACK, b""));
        arrives(play, &from_server(FIN | ACK, b""));
        play.wait(239);
        arrives(play, &from_server(FIN | ACK, b""));
        play.wait(241);
        play.back(from_server(ACK, b"")).drops_and_changes(Reason::Unsolicited);
    }),
    vector("both times of TCP act by themselves", "T5", |play| {
        play.set(|settings| {
            settings.idle[Idle::TcpTransitory as usize] = Ticks::from_secs(300);
            settings.idle[Idle::TcpEstablished as usize] = Ticks::from_secs(9000);
        });
        connect(play);
        play.wait(8999);
        arrives(play, &from_server(ACK, b"late"));
        let other = tcp((A, 5001), (S, 80), SYN, b"");
        leaves(play, &other);
        play.wait(299);
        play.back(tcp((S, 80), (E, 5001), SYN | ACK, b""))
            .redirects(tcp((S, 80), (A, 5001), SYN | ACK, b"").hop());
    }),
    vector("a connection that one end has closed is established all the same", "T9", |play| {
        connect(play);
        leaves(play, &from_client(FIN | ACK, b""));
        play.wait(3600);
        arrives(play, &from_server(ACK, b"still sending"));
    }),
    vector("data after a RST makes the connection established again", "T10", |play| {
        connect(play);
        arrives(play, &from_server(RST, b""));
        play.wait(100);
        leaves(play, &from_client(ACK, b"still there"));
        arrives(play, &from_server(ACK, b"too"));
        play.wait(7000);
        arrives(play, &from_server(ACK, b"late"));
    }),
    vector("a RST keeps the state for four minutes", "T10", |play| {
        connect(play);
        arrives(play, &from_server(RST, b""));
        play.wait(239);
        arrives(play, &from_server(RST, b""));
        play.wait(241);
        play.back(from_server(ACK, b"")).drops_and_changes(Reason::Unsolicited);
    }),
    vector("a RST from nowhere in the stream is passed on and believed by nobody here", "T11 Z34", |play| {
        connect(play);
        for distance in [1, 2, 100, 1 << 21, 1 << 30, 1 << 31] {
            arrives(play, &from_server(RST, b"").numbered(2000u32.wrapping_sub(distance), 0));
        }
        play.wait(300);
        arrives(play, &from_server(ACK, b"alive"));
        // In the window: passed on, as are the host's challenge and the RST that answers it (RFC 5961).
        arrives(play, &from_server(RST, b"").numbered(2010, 0));
        leaves(play, &from_client(ACK, b""));
        arrives(play, &from_server(RST, b"").numbered(2000, 0));
    }),
    vector("a SYN on a live connection is the host's to judge", "Z35", |play| {
        connect(play);
        arrives(play, &from_server(SYN, b"").numbered(2010, 0));
        leaves(play, &from_client(ACK, b""));
        play.wait(3600);
        arrives(play, &from_server(ACK, b"alive"));
    }),
    vector("a ping's session lives a minute, and an error neither ends nor keeps it", "I2 I8 G7", |play| {
        let (ping, pong) = (echo(8, A, S, 7), echo(0, S, E, 7));
        leaves(play, &ping);
        play.wait(50);
        let report = icmp_error(R, E, [11, 0], 0, &ping.clone().from(E).ip_bytes());
        play.back(report).passes(icmp_error(R, A, [11, 0], 0, &ping.ip_bytes()));
        play.wait(9);
        arrives(play, &pong);
        play.wait(50);
        let report = icmp_error(R, E, [11, 0], 0, &ping.clone().from(E).ip_bytes());
        play.back(report).passes(icmp_error(R, A, [11, 0], 0, &ping.ip_bytes()));
        play.wait(11);
        play.back(&pong).punts_and_changes(Reason::ToGateway);
    }),
    vector("IPIP, L2TPv3 and GRE live five minutes", "V5 Q2", |play| {
        play.enable(&[Class::Gre, Class::L2tp, Class::Ipip]);
        for (protocol, bytes) in
            [(4, vec![0x45; 40]), (115, vec![1; 24]), (47, bodies::gre_v0(Some(1), b"x"))]
        {
            let (there, back) = (raw(A, S, protocol, &bytes), raw(S, E, protocol, &bytes));
            leaves(play, &there);
            play.wait(299);
            arrives(play, &back);
            play.wait(301);
            play.back(&back).drops_and_changes(Reason::Unsolicited);
        }
    }),
    vector("ESP lives an hour", "E14", |play| {
        play.enable(&[Class::Esp]);
        let back = raw(S, E, 50, &bodies::esp(0x2001, 1));
        leaves(play, &raw(A, S, 50, &bodies::esp(0x1001, 1)));
        arrives(play, &back);
        leaves(play, &raw(A, S, 50, &bodies::esp(0x1001, 2)));
        play.wait(3590);
        leaves(play, &raw(A, S, 50, &bodies::esp(0x1001, 3)));
        arrives(play, &raw(S, E, 50, &bodies::esp(0x2001, 2)));
        play.wait(3610);
        play.back(raw(S, E, 50, &bodies::esp(0x2001, 3))).drops_and_changes(Reason::EspUnsolicited);
    }),
    vector("kept port 500: an initiator SPI lives five minutes", "R14", |play| {
        play.enable(&[Class::Ike]);
        let (ours, theirs) = (bodies::ike(9, 34, 8), bodies::ike(9, 34, 0x20));
        let (sent, back) = (udp((A, 500), (S, 500), &ours), udp((S, 500), (E, 500), &theirs));
        leaves(play, &sent);
        play.wait(299);
        arrives(play, &back);
        play.wait(301);
        play.back(&back).drops_and_changes(Reason::Unsolicited);
    }),
    vector("L2TP's hello keeps the mapping for an hour", "L3", |play| {
        play.enable(&[Class::L2tp]);
        let hello = udp((A, 5000), (S, 1701), &bodies::l2tp_control(9, 6, None));
        leaves(play, &hello);
        for _ in 0..60 {
            play.wait(60);
            leaves(play, &hello);
        }
        arrives(play, &udp((S, 1701), (E, 5000), &bodies::l2tp_control(5, 6, None)));
        assert_eq!(play.sizes().sessions, 3, "both halves, and the permit of its server");
    }),
    vector("after an L2TP tunnel's end its state stays for what is sent again", "L4", |play| {
        for kept in [false, true] {
            play.enable(&[Class::L2tp]);
            let keep = if kept { option::KEEP_L2TP_PORT } else { 0 };
            play.set(|settings| settings.options = settings.options & !option::KEEP_L2TP_PORT | keep);
            let (near, far) = if kept { (1701, 1701) } else { (5000, 1701) };
            let says =
                |id, message, assigns| udp((A, near), (S, far), &bodies::l2tp_control(id, message, assigns));
            leaves(play, &says(0, 1, Some(5)));
            arrives(play, &udp((S, far), (E, near), &bodies::l2tp_control(5, 2, Some(9))));
            leaves(play, &says(9, 4, Some(5)));
            play.wait(30);
            arrives(play, &udp((S, far), (E, near), &bodies::l2tp_control(5, 4, Some(9))));
            leaves(play, &says(9, 4, Some(5)));
        }
    }),
];

fn leaves(play: &mut Play<'_>, sent: &Packet) {
    play.out(sent).passes(sent.clone().from(E));
}

fn arrives(play: &mut Play<'_>, sent: &Packet) {
    play.back(sent).redirects(sent.clone().to(A).hop());
}

/// Of the connection from A port 5000 to S port 80: the client is at 1000, the server at 2000.
fn from_client(flags: u16, data: &[u8]) -> Packet {
    tcp((A, 5000), (S, 80), flags, data)
}

fn from_server(flags: u16, data: &[u8]) -> Packet {
    tcp((S, 80), (E, 5000), flags, data).numbered(2000, 1000)
}

fn connect(play: &mut Play<'_>) {
    leaves(play, &from_client(SYN, b""));
    arrives(play, &from_server(SYN | ACK, b""));
    leaves(play, &from_client(ACK, b"data"));
    arrives(play, &from_server(ACK, b"data"));
}
