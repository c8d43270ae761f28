//! Port forwards to VPN servers inside: IPsec, L2TP and PPTP (conformance sections 5, 7, 8 and 9).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::bodies::{AUTH, INITIATOR, RESPONSE, SA_INIT};
use crate::vectors::frame::flag::{ACK, FIN, PUSH, SYN};
use crate::vectors::frame::{Body, Packet, raw, tcp, udp};
use crate::vectors::{A, B, E, Play, S, T, Vector, bodies, vector};

const TCP: u8 = 6;
const UDP: u8 = 17;
const GRE: u8 = 47;
const ESP: u8 = 50;

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("ESP that no evidence gives to a client goes to the forward's host", "E1 E2", |play| {
        play.enable(&[Class::Esp]);
        play.forward(ESP, 0, (B, 0));
        let first = raw(S, E, ESP, &bodies::esp(0x2001, 1));
        play.back(&first).passes(first.clone().to(B)).opens(0);
        let answer = raw(B, S, ESP, &bodies::esp(0x1001, 1));
        play.out(&answer).passes(answer.clone().from(E)).class(Class::Esp);
        play.back(&first).redirects(first.clone().to(B).hop());
        // A client of another server is learned as without a forward.
        let client = raw(A, T, ESP, &bodies::esp(0x1002, 1));
        play.out(&client).passes(client.clone().from(E));
        let theirs = raw(T, E, ESP, &bodies::esp(0x2002, 1));
        play.back(&theirs).redirects(theirs.clone().to(A).hop());
    }),
    vector("with the switch at plain, ESP goes to the forward's host by address", "P26", |play| {
        play.switch(Class::Esp, Switch::Plain);
        play.forward(ESP, 0, (B, 0));
        let sent = raw(S, E, ESP, &bodies::esp(0x2001, 1));
        play.back(&sent).passes(sent.clone().to(B));
        let answer = raw(B, S, ESP, &bodies::esp(0x1001, 1));
        play.out(&answer).passes(answer.clone().from(E)).opens(2);
        play.back(&sent).redirects(sent.clone().to(B).hop());
    }),
    vector("kept port 500: who begins an association is let in to the server inside", "N5 R9 R11", |play| {
        play.enable(&[Class::Ike]);
        play.forward(UDP, 500, (B, 500));
        // A is a client of the same peer, and keeps its own.
        let own = udp((A, 500), (S, 500), &bodies::ike(9, SA_INIT, INITIATOR));
        play.out(&own).passes(own.clone().from(E));
        for port in [500, 1234] {
            let spi = 0x5100_0000_0000_0000 + u64::from(port);
            let first = udp((S, port), (E, 500), &bodies::ike(spi, SA_INIT, INITIATOR));
            play.back(&first).passes(first.clone().to(B)).class(Class::Ike).opens(0);
            let answer = udp((B, 500), (S, port), &bodies::ike(spi, SA_INIT, RESPONSE));
            play.out(&answer).passes(answer.clone().from(E)).class(Class::Ike).opens(2);
            let next = udp((S, port), (E, 500), &bodies::ike(spi, AUTH, INITIATOR));
            play.back(&next).redirects(next.clone().to(B).hop()).class(Class::Ike);
        }
        let theirs = udp((S, 500), (E, 500), &bodies::ike(9, SA_INIT, RESPONSE));
        play.back(&theirs).redirects(theirs.clone().to(A).hop());
    }),
    vector("kept port 500: what is for none of a peer's clients is the server's", "R11", |play| {
        play.enable(&[Class::Ike]);
        let middle = udp((S, 500), (E, 500), &bodies::ike(77, AUTH, INITIATOR));
        play.back(&middle).drops(Reason::Unsolicited);
        play.forward(UDP, 500, (B, 500));
        play.back(&middle).passes(middle.clone().to(B));
    }),
    vector("IKE and NAT-T as plain UDP reach the server inside", "R2 R4", |play| {
        play.switch(Class::Ike, Switch::Plain);
        play.enable(&[Class::NatT]);
        for port in [500, 4500] {
            play.forward(UDP, port, (B, port));
            let first = udp((S, 700), (E, port), &bodies::ike(5, SA_INIT, INITIATOR));
            play.back(&first).passes(first.clone().to(B));
            let answer = udp((B, port), (S, 700), &bodies::ike(5, SA_INIT, RESPONSE));
            play.out(&answer).passes(answer.clone().from(E)).opens(2);
            play.back(&first).redirects(first.clone().to(B).hop());
        }
    }),
    vector("an L2TP server inside is reached from any port", "L1 L5", |play| {
        play.enable(&[Class::L2tp]);
        play.forward(UDP, 1701, (B, 1701));
        for port in [1701, 40_000] {
            let first = udp((S, port), (E, 1701), &bodies::l2tp_control(0, 1, Some(5)));
            play.back(&first).passes(first.clone().to(B)).class(Class::L2tp);
            let answer = udp((B, 1701), (S, port), &bodies::l2tp_control(5, 2, Some(9)));
            play.out(&answer).passes(answer.clone().from(E)).class(Class::L2tp).opens(2);
            let next = udp((S, port), (E, 1701), &bodies::l2tp_control(9, 3, None));
            play.back(&next).redirects(next.clone().to(B).hop()).class(Class::L2tp);
        }
    }),
    vector("kept port 1701: who opens a tunnel is let in to the server inside", "L7 L10", |play| {
        play.enable(&[Class::L2tp]);
        play.set(|settings| settings.options |= option::KEEP_L2TP_PORT);
        play.forward(UDP, 1701, (B, 1701));
        let first = udp((S, 1701), (E, 1701), &bodies::l2tp_control(0, 1, Some(5)));
        play.back(&first).passes(first.clone().to(B)).class(Class::L2tp).opens(0);
        let answer = udp((B, 1701), (S, 1701), &bodies::l2tp_control(5, 2, Some(9)));
        play.out(&answer).passes(answer.clone().from(E)).class(Class::L2tp);
        let next = udp((S, 1701), (E, 1701), &bodies::l2tp_control(9, 3, None));
        play.back(&next).redirects(next.clone().to(B).hop()).class(Class::L2tp);
        // From another port there is nothing to tell it by; it takes the longer way.
        let other = udp((T, 4000), (E, 1701), &bodies::l2tp_control(0, 1, Some(6)));
        let answer = udp((B, 1701), (T, 4000), &bodies::l2tp_control(6, 2, Some(10)));
        for _ in 0..2 {
            play.back(&other).passes(other.clone().to(B)).class(Class::L2tp);
            play.out(&answer).passes(answer.clone().from(E)).class(Class::L2tp);
        }
    }),
    vector("a PPTP server inside: the right column of the table, and GRE both ways", "P24 P4 P5", |play| {
        play.enable(&[Class::Pptp]);
        play.forward(TCP, 1723, (B, 1723));
        let mut line = Line::open(play, (S, 5000));
        line.client(play, &bodies::pptp(1, 0, 0, 0), None);
        line.server(play, &bodies::pptp(2, 0, 0, 1), None);
        line.client(play, &bodies::pptp(7, 0x0901, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0901, 1), None);
        arrives(play, 0x5500, 0x5500);
        leaves(play, 0x0901);
        line.client(play, &bodies::pptp(12, 0x0901, 0, 0), None);
        line.server(play, &bodies::pptp(13, 0x5500, 0, 1), None);
    }),
    vector("a server's call ID that a client's call has becomes another", "P24 P1", |play| {
        play.enable(&[Class::Pptp]);
        play.forward(TCP, 1723, (B, 1723));
        // B has two calls to S under one ID: as S's client's server, and as it is the second, it is drawn.
        let mut first = Line::open(play, (S, 5000));
        first.client(play, &bodies::pptp(7, 0x0901, 0, 0), None);
        first.server(play, &bodies::pptp(8, 0x5500, 0x0901, 1), None);
        let mut second = Line::open(play, (S, 5001));
        second.client(play, &bodies::pptp(7, 0x0902, 0, 0), None);
        let reply = bodies::pptp(8, 0x5500, 0x0902, 1);
        let answer = play.out(second.segment(false, &reply));
        let drawn = answer.id_at(14 + 20 + 20 + 12);
        assert!(drawn != 0x5500 && drawn >> 8 == 0x55, "{drawn:x}");
        answer.passes(second.segment(false, &bodies::pptp(8, drawn, 0x0902, 1)).from(E));
        second.numbers[1] += reply.len() as u32;
        arrives(play, 0x5500, 0x5500);
        arrives(play, drawn, 0x5500);
        // Set-Link-Info names the server's call inbound, and the disconnect outbound.
        second.client(play, &bodies::pptp(15, drawn, 0, 0), Some(&bodies::pptp(15, 0x5500, 0, 0)));
        second.server(play, &bodies::pptp(13, 0x5500, 0, 1), Some(&bodies::pptp(13, drawn, 0, 1)));
    })
    .draws(),
    vector("a client that connects again from its port begins a new connection", "P24 T14", |play| {
        play.enable(&[Class::Pptp]);
        play.forward(TCP, 1723, (B, 1723));
        let mut line = Line::open(play, (S, 5000));
        line.client(play, &bodies::pptp(7, 0x0901, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5500, 0x0901, 1), None);
        for from_client in [true, false] {
            let mut fin = line.segment(from_client, b"");
            if let Body::Tcp { flags, .. } = &mut fin.body {
                *flags = ACK | FIN;
            }
            let out = if from_client { play.back(&fin) } else { play.out(&fin) };
            let _ = if from_client {
                out.redirects(fin.clone().to(B).hop())
            } else {
                out.passes(fin.clone().from(E))
            };
        }
        play.back(raw(S, E, GRE, &bodies::gre(0x5500, 9, None, b"x"))).drops(Reason::GreNoCall);
        let syn = tcp((S, 5000), (E, 1723), SYN, b"").numbered(70_000, 0);
        play.back(&syn).redirects(syn.clone().to(B).hop());
        let answer = tcp((B, 1723), (S, 5000), SYN | ACK, b"").numbered(90_000, 70_001);
        play.out(&answer).passes(answer.clone().from(E));
        line.numbers = [70_001, 90_001];
        line.client(play, &bodies::pptp(7, 0x0903, 0, 0), None);
        line.server(play, &bodies::pptp(8, 0x5600, 0x0903, 1), None);
        arrives(play, 0x5600, 0x5600);
    }),
    vector("the middle of a control connection that is not known does not pass unread", "P16 P18", |play| {
        play.enable(&[Class::Pptp]);
        play.forward(TCP, 1723, (B, 1723));
        play.back(tcp((S, 5000), (E, 1723), PUSH, &bodies::pptp(7, 1, 0, 0))).drops(Reason::PptpGap);
        play.back(tcp((S, 5000), (E, 1723), SYN | ACK, b"")).drops(Reason::PptpGap);
        play.back(raw(S, E, GRE, &bodies::gre(1, 1, None, b"x"))).drops(Reason::GreNoCall);
    }),
    vector("with the switch at plain, GRE goes where port 1723 goes", "P26", |play| {
        play.switch(Class::Pptp, Switch::Plain);
        play.forward(TCP, 1723, (B, 1723));
        let first = tcp((S, 5000), (E, 1723), SYN, b"");
        play.back(&first).passes(first.clone().to(B));
        let sent = raw(S, E, GRE, &bodies::gre(7, 1, None, b"x"));
        play.back(&sent).passes(sent.clone().to(B)).class(Class::Pptp);
        let answer = raw(B, S, GRE, &bodies::gre(8, 1, None, b"x"));
        play.out(&answer).passes(answer.clone().from(E)).opens(2);
        play.back(&sent).redirects(sent.clone().to(B).hop());
    }),
    vector("a client that has source port 1723 is no PPTP server", "O16 T15", |play| {
        let sent = tcp((A, 1723), (S, 80), SYN, b"");
        play.enable(&[Class::Pptp]);
        play.out(&sent).passes(sent.clone().from(E)).class(Class::Tcp);
        let data = tcp((A, 1723), (S, 80), PUSH, b"GET /");
        play.out(&data).passes(data.clone().from(E)).class(Class::Tcp);
    }),
    vector("PPTP from an inside host by the outside address: both call IDs, and GRE", "P25", |play| {
        play.enable(&[Class::Pptp]);
        play.forward(TCP, 1723, (B, 1723));
        let (client, server) = ((A, 5000), (B, 1723));
        let mut numbers = [500u32, 900];
        let mut says = |play: &mut Play<'_>, from_client: bool, flags: u16, message: &[u8]| {
            let [ours, theirs] = if from_client { numbers } else { [numbers[1], numbers[0]] };
            let (inside, outside, to, from) = if from_client {
                (client, (E, 1723), server, (E, 5000))
            } else {
                (server, (E, 5000), client, (E, 1723))
            };
            let sent = tcp(inside, outside, flags, message).numbered(ours, theirs);
            let arrives = tcp(from, to, flags, message).numbered(ours, theirs).hop();
            play.lan(&sent).redirects(arrives);
            numbers[usize::from(!from_client)] += message.len() as u32 + u32::from(flags & SYN != 0);
        };
        says(play, true, SYN, b"");
        says(play, false, SYN | ACK, b"");
        says(play, true, ACK, b"");
        says(play, true, PUSH, &bodies::pptp(7, 0x0801, 0, 0));
        says(play, false, PUSH, &bodies::pptp(8, 0x5500, 0x0801, 1));
        for _ in 0..2 {
            let there = raw(A, E, GRE, &bodies::gre(0x5500, 1, None, b"ppp"));
            play.lan(&there).redirects(there.clone().from(E).to(B).hop());
            let back = raw(B, E, GRE, &bodies::gre(0x0801, 1, None, b"ppp"));
            play.lan(&back).redirects(back.clone().from(E).to(A).hop());
        }
        says(play, true, PUSH, &bodies::pptp(3, 0x0100, 0, 0));
        play.lan(raw(A, E, GRE, &bodies::gre(0x5500, 2, None, b"x"))).punts(Reason::ToGateway);
    }),
];

/// A PPTP control connection of an outside client with the server B, and where each end is in its stream.
struct Line {
    client: (u32, u16),
    /// Next sequence number of the client, then of the server.
    numbers: [u32; 2],
}

impl Line {
    /// The handshake: the client's SYN makes no session, the server's answer does.
    fn open(play: &mut Play<'_>, client: (u32, u16)) -> Line {
        let mut line = Line { client, numbers: [0xffff_fff0, 77] };
        let syn = tcp(client, (E, 1723), SYN, b"").numbered(line.numbers[0], 0);
        play.back(&syn).passes(syn.clone().to(B)).class(Class::Pptp).opens(0);
        line.numbers[0] = line.numbers[0].wrapping_add(1);
        let answer = tcp((B, 1723), client, SYN | ACK, b"").numbered(line.numbers[1], line.numbers[0]);
        play.out(&answer).passes(answer.clone().from(E)).class(Class::Pptp).opens(2);
        line.numbers[1] += 1;
        let bare = line.segment(true, b"");
        play.back(&bare).redirects(bare.clone().to(B).hop());
        line
    }

    /// A segment as its sender sends it.
    fn segment(&self, from_client: bool, data: &[u8]) -> Packet {
        let [ours, theirs] = self.numbers;
        if from_client {
            tcp(self.client, (E, 1723), PUSH, data).numbered(ours, theirs)
        } else {
            tcp((B, 1723), self.client, PUSH, data).numbered(theirs, ours)
        }
    }

    /// The client sends a message; it arrives as it is, or as another.
    fn client(&mut self, play: &mut Play<'_>, message: &[u8], wanted: Option<&[u8]>) {
        let arrives = self.segment(true, wanted.unwrap_or(message)).to(B).hop();
        play.back(self.segment(true, message)).redirects(arrives).class(Class::Pptp);
        self.numbers[0] = self.numbers[0].wrapping_add(message.len() as u32);
    }

    /// The server sends a message; it leaves as it is, or as another.
    fn server(&mut self, play: &mut Play<'_>, message: &[u8], wanted: Option<&[u8]>) {
        let leaves = self.segment(false, wanted.unwrap_or(message)).from(E);
        play.out(self.segment(false, message)).passes(leaves).class(Class::Pptp);
        self.numbers[1] = self.numbers[1].wrapping_add(message.len() as u32);
    }
}

/// GRE from S with this call ID arrives at B with its own.
fn arrives(play: &mut Play<'_>, id: u16, own: u16) {
    let sent = raw(S, E, GRE, &bodies::gre(id, 5, None, b"ppp in gre"));
    let wanted = raw(S, B, GRE, &bodies::gre(own, 5, None, b"ppp in gre")).hop();
    play.back(sent).redirects(wanted).class(Class::Pptp);
}

/// GRE from B with the client's call ID leaves unchanged.
fn leaves(play: &mut Play<'_>, id: u16) {
    let sent = raw(B, S, GRE, &bodies::gre(id, 5, Some(4), b"ppp in gre"));
    play.out(&sent).passes(sent.clone().from(E)).class(Class::Pptp);
}
