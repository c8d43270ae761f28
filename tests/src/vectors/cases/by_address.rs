//! GRE version 0, IPIP, 6in4, L2TPv3 over IP, AH and unknown protocols (conformance section 6, V1-V5, Z50, Z60).

use passthrough_common::abi::{Class, Reason, Switch};

use crate::vectors::frame::{checksum, raw};
use crate::vectors::{A, B, E, Play, S, T, Vector, bodies, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("GRE goes by its key: two hosts with two keys to one server", "Q1", |play| {
        play.enable(&[Class::Gre]);
        for (host, key) in [(A, 1), (B, 2)] {
            both_ways(play, host, 47, &bodies::gre_v0(Some(key), b"keyed"), Class::Gre);
        }
        let back = raw(S, E, 47, &bodies::gre_v0(Some(1), b"again"));
        play.back(&back).redirects(back.clone().to(A).hop());
    }),
    vector("GRE without a key has one inside host for each server", "Q2", |play| {
        play.enable(&[Class::Gre]);
        both_ways(play, A, 47, &bodies::gre_v0(None, b"plain"), Class::Gre);
        play.out(raw(B, S, 47, &bodies::gre_v0(None, b"x"))).drops(Reason::GreConflict);
        let other = raw(B, T, 47, &bodies::gre_v0(None, b"x"));
        play.out(&other).passes(other.clone().from(E));
    }),
    vector("after the first host's idle time the second has its turn", "Q2", |play| {
        play.enable(&[Class::Gre]);
        both_ways(play, A, 47, &bodies::gre_v0(None, b"plain"), Class::Gre);
        play.wait(301);
        let theirs = raw(B, S, 47, &bodies::gre_v0(None, b"x"));
        play.out(&theirs).passes(theirs.clone().from(E));
        let back = raw(S, E, 47, &bodies::gre_v0(None, b"x"));
        play.back(&back).redirects(back.clone().to(B).hop());
    }),
    vector("a key that another host uses with the server is refused", "Q3", |play| {
        play.enable(&[Class::Gre]);
        both_ways(play, A, 47, &bodies::gre_v0(Some(1), b"keyed"), Class::Gre);
        play.out(raw(B, S, 47, &bodies::gre_v0(Some(1), b"x"))).drops(Reason::GreConflict);
    }),
    vector("with the switch at plain keys tell nobody apart", "Q2", |play| {
        play.switch(Class::Gre, Switch::Plain);
        both_ways(play, A, 47, &bodies::gre_v0(Some(1), b"keyed"), Class::Gre);
        play.out(raw(B, S, 47, &bodies::gre_v0(Some(2), b"x"))).drops(Reason::GreConflict);
    }),
    vector("GRE's own checksum is not touched", "Q4", |play| {
        play.enable(&[Class::Gre]);
        let mut bytes = [&[0xa0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9][..], b"summed!"].concat();
        let sum = checksum(&bytes, 0);
        bytes[4..6].copy_from_slice(&sum.to_be_bytes());
        both_ways(play, A, 47, &bytes, Class::Gre);
    }),
    vector("GRE that nobody asked for is dropped", "Q5", |play| {
        play.enable(&[Class::Gre, Class::Pptp]);
        play.back(raw(S, E, 47, &bodies::gre_v0(Some(1), b"x"))).drops(Reason::Unsolicited).class(Class::Gre);
        play.back(raw(S, E, 47, &bodies::gre_v0(None, b"x"))).drops(Reason::Unsolicited);
    }),
    vector("GRE with routing, or cut inside its header, is dropped", "Z50 Z48", |play| {
        play.enable(&[Class::Gre]);
        let good = [&[0xb0, 0, 8, 0, 0, 0, 0, 0, 0, 0, 0, 9, 0, 0, 0, 1][..]].concat();
        both_ways(play, A, 47, &good, Class::Gre);
        play.out(raw(A, S, 47, &[&[0x40], &good[1..]].concat())).drops(Reason::GreMalformed);
        for length in 0..16 {
            play.out(raw(A, S, 47, &good[..length])).drops(Reason::GreMalformed);
            play.back(raw(S, E, 47, &good[..length])).drops(Reason::GreMalformed);
        }
    }),
    vector("GRE is off until enabled", "O2", |play| {
        play.enable(&[Class::Pptp]);
        for bytes in [bodies::gre_v0(None, b"x"), bodies::gre_v0(Some(1), b"x")] {
            play.out(raw(A, S, 47, &bytes)).drops(Reason::SwitchedOff).class(Class::Gre);
            play.lan(raw(A, S, 47, &bytes)).drops(Reason::SwitchedOff);
            play.back(raw(S, E, 47, &bytes)).drops(Reason::SwitchedOff);
        }
    }),
    vector("IP in IP and 6in4 have one inside host for each server", "O1 Z51", |play| {
        play.enable(&[Class::Ipip]);
        for protocol in [4, 41] {
            both_ways(play, A, protocol, &[0x45; 40], Class::Ipip);
            play.out(raw(B, S, protocol, &[0x45; 40])).drops(Reason::HostConflict);
            play.back(raw(T, E, protocol, &[0x45; 40])).drops(Reason::Unsolicited);
        }
    }),
    vector(
        "L2TPv3 over IP has one inside host for each server, and no byte of it changes",
        "V1 V3 V5",
        |play| {
            play.enable(&[Class::L2tp]);
            play.back(raw(S, E, 115, &[1; 24])).drops(Reason::Unsolicited).class(Class::L2tp);
            both_ways(
                play,
                A,
                115,
                &[0, 0, 0, 0, 0xc8, 3, 0, 20, 0, 0, 0, 9, 0, 0, 0, 0, 1, 2, 3, 4],
                Class::L2tp,
            );
            play.out(raw(B, S, 115, &[1; 24])).drops(Reason::HostConflict);
        },
    ),
    vector("AH cannot cross, and says so", "Q6", |play| {
        play.enable(&[Class::Ah]);
        play.out(raw(A, S, 51, &[4; 24])).drops(Reason::AhNat).class(Class::Ah);
        play.back(raw(S, E, 51, &[4; 24])).drops(Reason::AhNat).class(Class::Ah);
        play.switch(Class::Ah, Switch::Off);
        play.out(raw(A, S, 51, &[4; 24])).drops(Reason::SwitchedOff).class(Class::Ah);
    }),
    vector("an unknown protocol from inside is not translated blindly", "Z60 C1", |play| {
        for protocol in [0, 2, 33, 89, 103, 132, 136, 255] {
            play.out(raw(A, S, protocol, &[7; 40])).drops(Reason::Unsupported).class(Class::Other);
            play.back(raw(S, E, protocol, &[7; 40])).punts(Reason::ToGateway);
        }
    }),
    vector("a header that is cut does not stop a protocol without ports", "Z51", |play| {
        play.enable(&[Class::Ipip]);
        let empty = raw(A, S, 4, b"");
        play.out(&empty).passes(empty.clone().from(E));
    }),
];

/// A packet of this protocol goes out from a host, and one comes back.
fn both_ways(play: &mut Play<'_>, host: u32, protocol: u8, bytes: &[u8], class: Class) {
    let sent = raw(host, S, protocol, bytes);
    play.lan(&sent).punts(Reason::FirstPacket);
    play.out(&sent).passes(sent.clone().from(E)).class(class).opens(2);
    play.lan(&sent).is_sent_on(sent.clone().hop());
    let back = raw(S, E, protocol, bytes);
    play.back(&back).redirects(back.clone().to(host).hop()).class(class);
}
