//! ICMP queries (conformance rows I1, I12, I14, Z32).

use passthrough_common::abi::{Class, Reason};

use crate::vectors::frame::{Body, echo, icmp_error, ip};
use crate::vectors::{A, B, E, L, R, S, T, Vector, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("a ping and its answer pass, with one identifier for every server", "I1", |play| {
        for server in [S, T] {
            let ping = echo(8, A, server, 7);
            play.out(&ping).passes(ping.clone().from(E)).class(Class::Icmp).opens(2);
            let pong = echo(0, server, E, 7);
            play.back(&pong).redirects(pong.clone().to(A).hop());
        }
    }),
    vector("two hosts with one identifier get two", "I1 U3", |play| {
        let ping = echo(8, A, S, 7);
        play.out(&ping).passes(ping.clone().from(E));
        let ping = echo(8, B, S, 7);
        let answer = play.out(&ping);
        let identifier = answer.source_id();
        assert_ne!(identifier, 7);
        answer.passes(ping.clone().from_end((E, identifier)));
        let pong = echo(0, S, E, identifier);
        play.back(&pong).redirects(pong.clone().to_end((B, 7)).hop());
    })
    .draws(),
    vector("a ping of odd length and with a damaged checksum stays as it is", "K5 I1", |play| {
        let mut ping = echo(8, A, S, 7).wrong_by(3);
        if let Body::Icmp { data, .. } = &mut ping.body {
            data.push(9);
        }
        play.out(&ping).passes(ping.clone().from(E));
    }),
    vector("a ping to the gateway is the stack's", "O26", |play| {
        play.back(echo(8, S, E, 7)).punts(Reason::ToGateway);
    }),
    vector("a ping to the gateway's inside address is the stack's", "O26", |play| {
        play.lan(echo(8, A, L, 7)).punts(Reason::FirstPacket);
    }),
    vector("timestamp queries pass", "I12", |play| {
        let query = ip(A, S, Body::Icmp { kind: [13, 0], rest: [9, 1], data: vec![1; 12] });
        play.out(&query).passes(query.clone().from(E));
        let reply = ip(S, E, Body::Icmp { kind: [14, 0], rest: [9, 1], data: vec![2; 12] });
        play.back(&reply).redirects(reply.clone().to(A).hop());
    }),
    vector("redirects, source quench, router discovery and other types do not pass", "Z32 I12 I14", |play| {
        for kind in [4, 5, 9, 10, 15, 16, 30, 37, 253] {
            play.back(icmp_error(R, E, [kind, 0], 0, &[0; 28])).drops(Reason::IcmpType);
            play.out(icmp_error(A, S, [kind, 0], 0, &[0; 28])).drops(Reason::IcmpType);
        }
    }),
    vector("a message shorter than its header is dropped", "Z1", |play| {
        for length in [0, 4, 7] {
            let cut = super::raw(A, S, 1, &[8, 0, 0, 0, 0, 7, 0][..length]);
            play.out(cut).drops(Reason::IcmpMalformed);
        }
    }),
];
