//! TTL, IP options and malformed IPv4 headers (conformance sections 3 and 13).

use passthrough_common::abi::settings::option;
use passthrough_common::abi::{Class, Reason};

use crate::vectors::frame::{ethernet, tcp, udp};
use crate::vectors::{A, E, L, MARTIANS, Packet, S, T, Vector, vector};

/// The vectors of this topic.
pub const VECTORS: &[Vector] = &[
    vector("a packet with TTL 1 goes to the stack, which answers", "M9", |play| {
        let sent = udp((A, 5000), (S, 53), b"x");
        play.lan(sent.clone().ttl(1)).punts(Reason::FirstPacket);
        play.out(&sent).passes(sent.clone().from(E));
        play.lan(sent.clone().ttl(1)).punts(Reason::NeedsStack);
        play.lan(sent.clone().ttl(2)).is_sent_on(sent.clone().ttl(1));
        let back = udp((S, 53), (E, 5000), b"y").ttl(1);
        play.back(&back).passes(back.clone().to(A));
    }),
    vector("a known session's packets are sent on from the LAN with one hop less", "G2 T13", |play| {
        let sent = tcp((A, 5000), (S, 80), 0x10, b"x");
        play.lan(&sent).punts(Reason::FirstPacket);
        play.out(&sent).passes(sent.clone().from(E));
        play.lan(&sent).is_sent_on(sent.clone().hop());
        play.lan(tcp((A, 5000), (S, 80), 0x02, b"")).punts(Reason::NeedsStack);
    }),
    vector("without redirects everything goes through the stack", "G2", |play| {
        play.set(|settings| settings.options |= option::NO_REDIRECT);
        let sent = udp((A, 5000), (S, 53), b"x");
        play.out(&sent).passes(sent.clone().from(E));
        play.lan(&sent).punts(Reason::NeedsStack);
        let back = udp((S, 53), (E, 5000), b"y");
        play.back(&back).passes(back.clone().to(A));
    }),
    vector("harmless options are kept, and the stack forwards them", "M12 M13", |play| {
        for options in
            [&[1, 1, 1, 1][..], &[1; 40], &[148, 4, 0, 0], &[0], &[1, 130, 11, 0, 0, 0, 0, 0, 0, 0, 0, 0]]
        {
            let sent = udp((A, 5000), (S, 53), b"optional").options(options);
            play.out(&sent).passes(sent.clone().from(E));
            let back = udp((S, 53), (E, 5000), b"too").options(options);
            play.back(&back).passes(back.clone().to(A));
            play.lan(&sent).punts(Reason::NeedsStack);
        }
    }),
    vector(
        "what RFC 7126 drops is dropped: routes, records, timestamps, stream IDs",
        "M13 Z10 M14",
        |play| {
            for kind in [7, 68, 131, 136, 137] {
                let options = [1, kind, 7, 4, 198, 51, 100, 20];
                play.out(udp((A, 5000), (S, 53), b"x").options(&options)).drops(Reason::SourceRoute);
                play.back(udp((S, 53), (E, 5000), b"x").options(&options)).drops(Reason::SourceRoute);
                play.lan(udp((A, 5000), (S, 53), b"x").options(&options)).drops(Reason::SourceRoute);
            }
            let both = [131, 7, 4, 1, 2, 3, 4, 137, 7, 4, 1, 2, 3, 4];
            play.out(udp((A, 5000), (S, 53), b"x").options(&both)).drops(Reason::SourceRoute);
        },
    ),
    vector("options whose lengths lie are dropped", "Z9", |play| {
        for options in [&[130, 0][..], &[130, 1], &[130, 9, 0, 0], &[1, 1, 1, 130], &[148, 0, 0, 0]] {
            play.out(udp((A, 5000), (S, 53), b"x").options(options)).drops(Reason::Malformed);
        }
    }),
    vector("another version than 4 is dropped", "Z3", |play| {
        for version in [0, 5, 6, 15] {
            play.out(broken(14, version << 4 | 5)).drops(Reason::Malformed);
            play.back(broken(14, version << 4 | 5)).drops(Reason::Malformed);
        }
    }),
    vector("header and total length must fit each other and the frame", "Z4", |play| {
        for length in 0..5 {
            play.out(broken(14, 0x40 | length)).drops(Reason::Malformed);
        }
        play.out(broken(14, 0x4f)).drops(Reason::Malformed);
        for total in [0, 19, 255] {
            play.out(broken(17, total)).drops(Reason::Malformed);
            play.lan(broken(17, total)).drops(Reason::Malformed);
        }
    }),
    vector("a wrong header checksum is not repaired", "Z7", |play| {
        let sent = udp((A, 5000), (S, 53), b"x").header_wrong_by(1);
        play.out(&sent).drops(Reason::Malformed);
        play.back(udp((S, 53), (E, 5000), b"x").header_wrong_by(0x1000)).drops(Reason::Malformed);
    }),
    vector("the reserved flag changes nothing", "Z8", |play| {
        let sent = udp((A, 5000), (S, 53), b"x").fragment(0x8000);
        play.out(&sent).passes(sent.clone().from(E));
        play.out(udp((A, 5000), (S, 500), b"x").fragment(0x8000))
            .drops(Reason::SwitchedOff)
            .class(Class::Ike);
    }),
    vector("what stands behind the packet is not looked at", "Z6", |play| {
        let hidden = udp((A, 5001), (T, 53), b"hidden").ip_bytes();
        let sent = udp((A, 5000), (S, 53), b"x").padded(&hidden);
        play.out(&sent).passes(sent.clone().from(E)).opens(2);
    }),
    vector("TCP headers that contradict themselves are dropped", "Z11", |play| {
        for offset in [0, 4, 6, 15] {
            let mut frame = tcp((A, 5000), (S, 80), 0x10, b"x").frame();
            frame[46] = offset << 4;
            play.out(frame).drops(Reason::Malformed);
        }
        play.out(super::raw(A, S, 6, &[0; 19])).drops(Reason::Malformed);
    }),
    vector("a UDP length below 8 or beyond the packet is dropped; a shorter one passes", "Z11", |play| {
        for length in [0, 7, 10] {
            let mut frame = udp((A, 5000), (S, 53), b"x").frame();
            frame[39] = length;
            play.out(frame).drops(Reason::Malformed);
        }
        let mut frame = udp((A, 5000), (S, 53), b"xyz").unsummed().frame();
        let mut wanted = udp((E, 5000), (S, 53), b"xyz").unsummed().frame();
        (frame[39], wanted[39]) = (9, 9);
        play.out(frame).passes(wanted);
    }),
    vector("TCP flags that no endpoint sends are dropped", "Z12", |play| {
        for flags in [0, 0x03, 0x06, 0x3f, 0x07] {
            play.out(tcp((A, 5000), (S, 80), flags, b"")).drops(Reason::BadTcpFlags);
            play.back(tcp((S, 80), (E, 5000), flags, b"")).drops(Reason::BadTcpFlags);
        }
    }),
    vector("destination port 0 is dropped", "Z13", |play| {
        play.out(udp((A, 5000), (S, 0), b"x")).drops(Reason::Malformed);
        play.out(tcp((A, 5000), (S, 0), 0x02, b"")).drops(Reason::Malformed);
    }),
    vector("nobody sends to himself", "Z14", |play| {
        play.back(tcp((E, 80), (E, 80), 0x02, b"")).drops(Reason::Land);
        play.lan(tcp((A, 80), (A, 80), 0x02, b"")).drops(Reason::Land);
        play.out(tcp((A, 80), (A, 80), 0x02, b"")).drops(Reason::Land);
    }),
    vector("nobody outside has an inside or an outside address of ours", "Z15", |play| {
        for source in [A, L] {
            play.back(udp((source, 53), (E, 5000), b"x")).drops(Reason::Martian);
        }
    }),
    vector("an inside source outside is spoofed, whatever the martian filter says", "Z15", |play| {
        use passthrough_common::abi::Filtering;
        play.set(|settings| {
            settings.options &= !option::DROP_MARTIANS;
            settings.filtering = [Filtering::Endpoint as u8; 2];
        });
        let sent = udp((A, 5000), (S, 53), b"x");
        play.out(&sent).passes(sent.clone().from(E));
        play.back(udp((super::B, 53), (E, 5000), b"x")).drops(Reason::Spoofed);
    }),
    vector("a source that does not lie behind its interface opens nothing", "Z16", |play| {
        for source in [0x0a09_0909, T] {
            play.out(udp((source, 5000), (S, 53), b"x")).drops(Reason::Spoofed);
        }
    }),
    vector("no public host sends from a martian address", "Z18", |play| {
        for source in MARTIANS {
            play.back(udp((source, 53), (E, 5000), b"x")).drops(Reason::Martian);
        }
    }),
    vector("multicast and broadcast are the stack's", "Z16", |play| {
        for destination in [0xe000_0001, 0xffff_ffff] {
            play.lan(udp((A, 5000), (destination, 53), b"x")).punts(Reason::Multicast);
            play.back(udp((S, 5000), (destination, 53), b"x")).punts(Reason::Multicast);
        }
    }),
    vector("to what is no unicast, nobody inside gets out untranslated", "G5 Z16", |play| {
        for destination in [0xf000_0001, 0xe000_0001, 0xffff_ffff] {
            play.out(udp((A, 5000), (destination, 53), b"x")).drops(Reason::NotTranslated);
            play.own(udp((E, 5000), (destination, 53), b"x")).punts(Reason::Multicast);
        }
    }),
    vector("a packet to an outside network of ours that nobody translates does not cross", "G5", |play| {
        play.back(udp((S, 53), (A, 5000), b"x")).drops(Reason::NotTranslated);
        play.back(udp((S, 53), (L, 5000), b"x")).punts(Reason::ToGateway);
    }),
    vector("what is not IP is the stack's", "W12 W7 W8", |play| {
        for ether_type in [0x0806, 0x8847, 0x88e5, 0x8863, 0x8864, 0x0026] {
            let mut frame = ethernet(ether_type, &[]);
            frame.extend([0x45; 46]);
            play.back(frame.clone()).punts(Reason::NotIp);
            play.out(frame.clone()).punts(Reason::NotIp);
            play.lan(frame).punts(Reason::NotIp);
        }
    }),
    vector("frames for others and for all are the stack's, which routes none of them", "Z19", |play| {
        let (sent, back) = (udp((A, 5000), (S, 53), b"x"), udp((S, 53), (E, 5000), b"y"));
        play.out(&sent).passes(sent.clone().from(E));
        for station in [[0xff; 6], [1, 0, 0x5e, 0, 0, 9], [2, 0, 0, 0, 0, 0x77]] {
            for packet in [&sent, &back] {
                let mut frame = packet.frame();
                frame[..6].copy_from_slice(&station);
                let answer = if packet == &sent { play.lan(frame) } else { play.back(frame) };
                answer.punts(Reason::Multicast);
            }
        }
        play.back(&back).redirects(back.clone().to(A).hop());
    }),
    vector("probes that are too large are the stack's, and change nothing", "M6 M1", |play| {
        let sent = udp((A, 5000), (S, 53), b"x");
        play.out(&sent).passes(sent.clone().from(E));
        for _ in 0..20 {
            play.lan(udp((A, 5000), (S, 53), &[7; 1473])).punts(Reason::NeedsStack);
        }
        play.lan(udp((A, 5000), (S, 53), &[7; 1472])).is_sent_on(udp((A, 5000), (S, 53), &[7; 1472]).hop());
        let back = udp((S, 53), (E, 5000), b"y");
        play.back(&back).redirects(back.clone().to(A).hop());
    }),
    vector("frames that are cut are dropped", "Z1", |play| {
        let whole = udp((A, 5000), (S, 53), b"x").frame();
        for length in 0..whole.len() {
            let cut = whole[..length].to_vec();
            play.out(cut.clone()).drops(Reason::Malformed);
            play.back(cut.clone()).drops(Reason::Malformed);
            play.lan(cut).drops(Reason::Malformed);
        }
    })
    .host_only("test-run takes no frame whose IP header is cut"),
];

/// A UDP packet of A's with one byte of its frame replaced and its header checksum computed anew.
fn broken(at: usize, byte: u8) -> Vec<u8> {
    let packet: Packet = udp((A, 5000), (S, 53), b"some data behind");
    let mut frame = packet.frame();
    frame[at] = byte;
    let header = usize::from(frame[14] & 15).clamp(5, 6) * 4;
    frame[24..26].fill(0);
    let sum = crate::vectors::frame::checksum(&frame[14..14 + header], 0);
    frame[24..26].copy_from_slice(&sum.to_be_bytes());
    frame
}
