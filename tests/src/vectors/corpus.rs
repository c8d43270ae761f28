//! Frames of every protocol to begin with: what the tests with damaged frames damage.

use super::frame::{Packet, echo, icmp_error, raw, tcp, udp};
use super::{A, B, C, E, R, S, T, bodies, six};

/// Frames as their protocols have them, in both directions.
pub fn corpus() -> Vec<Vec<u8>> {
    let mut packets: Vec<Packet> = Vec::new();
    for (near, far) in [(A, S), (B, S), (C, T), (S, E), (T, E), (A, E), (E, S)] {
        packets.extend([
            udp((near, 5000), (far, 53), b"some data"),
            udp((near, 53), (far, 5000), b"some data"),
            udp((near, 500), (far, 500), &bodies::ike(1, 34, 8)),
            udp((near, 500), (far, 500), &bodies::ike(2, 36, 0x20)),
            udp((near, 4500), (far, 4500), &bodies::esp(7, 1)),
            udp((near, 1701), (far, 1701), &bodies::l2tp_control(0, 1, Some(5))),
            udp((near, 1701), (far, 1701), &bodies::l2tp_data(5)),
            tcp((near, 1025), (far, 1723), 0x02, b"").numbered(9, 0),
            tcp((near, 1723), (far, 1025), 0x12, b"").numbered(89, 10),
            tcp((near, 1025), (far, 1723), 0x18, &bodies::pptp(7, 0x0801, 0, 0)).numbered(10, 90),
            tcp((near, 1723), (far, 1025), 0x18, &bodies::pptp(8, 0x5500, 0x0801, 1)).numbered(90, 178),
            tcp((near, 1025), (far, 1723), 0x18, &bodies::pptp(12, 0x0801, 0, 0)).numbered(178, 122),
            tcp((near, 1723), (far, 1025), 0x14, b"").numbered(122, 178),
            raw(near, far, 47, &bodies::gre(0x0801, 1, Some(2), b"ppp")),
            raw(near, far, 47, &bodies::gre(0x5500, 1, None, b"ppp")),
            raw(near, far, 47, &bodies::gre_v0(Some(1), b"data")),
            raw(near, far, 47, &bodies::gre_v0(None, b"data")),
            raw(near, far, 50, &bodies::esp(0x1001, 1)),
            raw(near, far, 50, &bodies::esp(0x2001, 40)),
            raw(near, far, 51, &[4; 24]),
            raw(near, far, 4, &[0x45; 40]),
            raw(near, far, 115, &[1; 24]),
            echo(8, near, far, 7),
            echo(0, near, far, 7),
            udp((near, 5000), (far, 53), b"x").options(&[1, 1, 148, 4, 0, 0]),
        ]);
        packets.extend(udp((near, 5000), (far, 53), &[7; 120]).fragments(&[40, 40]));
        packets.extend(raw(near, far, 50, &[7; 120]).fragments(&[40]));
        let quoted = [
            udp((far, 53), (near, 5000), b"x"),
            udp((far, 5000), (near, 53), b"x"),
            raw(far, near, 50, &bodies::esp(0x1001, 1)),
            raw(far, near, 47, &bodies::gre(0x5500, 1, None, b"x")),
            udp((far, 500), (near, 500), &bodies::ike(1, 34, 8)),
        ];
        packets.extend(quoted.iter().map(|quote| icmp_error(near, far, [3, 4], 1400, &quote.ip_bytes())));
    }
    packets.push(icmp_error(R, E, [3, 4], 1400, &udp((E, 5000), (S, 53), b"x").ip_bytes()));
    let tagged = udp((A, 5000), (S, 53), b"x").tags(&[[0x88a8, 0], [0x8100, 0]]);
    packets.push(tagged);
    let mut frames: Vec<_> = packets.iter().map(Packet::frame).collect();
    for packet in [six::outbound(17, &six::udp(500, 500)), six::inbound(6, &six::tcp(80, 5000))] {
        frames.push(packet.clone().behind(six::extension(0, 0)).behind(six::fragment(0, true, 9)).frame());
        frames.push(packet.clone().behind(six::authentication()).frame());
        frames.push(packet.frame());
    }
    frames
}
