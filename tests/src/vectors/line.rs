//! A PPTP control connection in vectors, and the enhanced GRE of its calls.

use crate::vectors::frame::flag::{ACK, PUSH, SYN};
use passthrough_common::abi::Class;

use super::frame::{Packet, raw, tcp};
use super::{E, Play, S, bodies};

/// A PPTP control connection with S, and where each end is in its stream.
pub struct Line {
    /// The client.
    pub inside: (u32, u16),
    /// Its outside port.
    pub outside: u16,
    /// Next sequence number of the client, then of the server.
    pub numbers: [u32; 2],
}

impl Line {
    /// The handshake.
    pub fn open(play: &mut Play<'_>, host: u32, port: u16, outside: u16) -> Line {
        let mut line = Line { inside: (host, port), outside, numbers: [0xffff_fff0, 77] };
        let syn = tcp((host, port), (S, 1723), SYN, b"").numbered(line.numbers[0], 0);
        play.out(&syn).passes(syn.clone().from_end((E, outside))).class(Class::Pptp);
        line.sent(1);
        let answer = tcp((S, 1723), (E, outside), SYN | ACK, b"").numbered(line.numbers[1], line.numbers[0]);
        play.back(&answer).redirects(answer.clone().to_end((host, port)).hop());
        line.numbers[1] += 1;
        let bare = line.segment(true, b"");
        play.out(&bare).passes(bare.clone().from_end((E, outside)));
        line
    }

    /// The client is so many bytes further.
    pub fn sent(&mut self, bytes: u32) {
        self.numbers[0] = self.numbers[0].wrapping_add(bytes);
    }

    /// A segment as its sender sends it.
    pub fn segment(&self, client: bool, data: &[u8]) -> Packet {
        let [ours, theirs] = self.numbers;
        if client {
            tcp(self.inside, (S, 1723), PUSH, data).numbered(ours, theirs)
        } else {
            tcp((S, 1723), (E, self.outside), PUSH, data).numbered(theirs, ours)
        }
    }

    /// The client's segment as it leaves.
    pub fn translated(&self, data: &[u8]) -> Packet {
        self.segment(true, data).from_end((E, self.outside))
    }

    /// The client sends a message; it leaves as it is, or as another.
    pub fn client(&mut self, play: &mut Play<'_>, message: &[u8], wanted: Option<&[u8]>) {
        play.out(self.segment(true, message)).passes(self.translated(wanted.unwrap_or(message)));
        self.sent(message.len() as u32);
    }

    /// The server sends a message; it arrives as it is, or as another.
    pub fn server(&mut self, play: &mut Play<'_>, message: &[u8], wanted: Option<&[u8]>) {
        let arrives = self.segment(false, wanted.unwrap_or(message)).to_end(self.inside).hop();
        play.back(self.segment(false, message)).redirects(arrives);
        self.numbers[1] = self.numbers[1].wrapping_add(message.len() as u32);
    }

    /// The client requests a call; the ID by which the server will know it.
    pub fn draws_call(&mut self, play: &mut Play<'_>, id: u16) -> u16 {
        let message = bodies::pptp(7, id, 0, 0);
        let answer = play.out(self.segment(true, &message));
        let drawn = answer.id_at(14 + 20 + 20 + 12);
        answer.passes(self.translated(&bodies::pptp(7, drawn, 0, 0)));
        self.sent(message.len() as u32);
        drawn
    }
}

/// GRE from S with this call ID arrives at an inside host with its own.
pub fn arrives(play: &mut Play<'_>, id: u16, (host, own): (u32, u16)) {
    let sent = raw(S, E, 47, &bodies::gre(id, 5, None, b"ppp in gre"));
    let wanted = raw(S, host, 47, &bodies::gre(own, 5, None, b"ppp in gre")).hop();
    play.back(sent).redirects(wanted).class(Class::Pptp);
}

/// GRE from an inside host with the server's call ID leaves unchanged.
pub fn leaves(play: &mut Play<'_>, host: u32, id: u16) {
    let sent = raw(host, S, 47, &bodies::gre(id, 5, Some(4), b"ppp in gre"));
    play.out(&sent).passes(sent.clone().from(E)).class(Class::Pptp);
    play.lan(&sent).is_sent_on(sent.clone().hop());
}
