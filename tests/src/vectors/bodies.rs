//! Payloads of the VPN protocols, byte by byte after their RFCs.

use super::frame::words;

/// IKE_SA_INIT, an exchange type (RFC 7296 section 3.1).
pub const SA_INIT: u8 = 34;
/// IKE_AUTH.
pub const AUTH: u8 = 35;
/// CREATE_CHILD_SA.
pub const CHILD: u8 = 36;
/// INFORMATIONAL.
pub const INFORMATIONAL: u8 = 37;
/// The message is the initiator's, a flag of the header (RFC 7296 section 3.1).
pub const INITIATOR: u8 = 0x08;
/// The message answers one.
pub const RESPONSE: u8 = 0x20;

/// Start-Control-Connection-Request, a message type (RFC 2661 section 3.2).
pub const SCCRQ: u16 = 1;
/// Start-Control-Connection-Reply.
pub const SCCRP: u16 = 2;
/// Start-Control-Connection-Connected.
pub const SCCCN: u16 = 3;

/// An enhanced GRE packet's bytes (RFC 2637 section 4.1): sequence number, acknowledgement if given, payload.
pub fn gre(call_id: u16, sequence: u32, acknowledgement: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let flags = if acknowledgement.is_some() { 0x3081 } else { 0x3001 };
    let mut bytes = words(&[flags, 0x880b, payload.len() as u16, call_id]);
    bytes.extend(sequence.to_be_bytes());
    if let Some(number) = acknowledgement {
        bytes.extend(number.to_be_bytes());
    }
    bytes.extend(payload);
    bytes
}

/// A GRE version 0 packet's bytes (RFC 2890), with a key or without.
pub fn gre_v0(key: Option<u32>, payload: &[u8]) -> Vec<u8> {
    let mut bytes = words(&[if key.is_some() { 0x2000 } else { 0 }, 0x0800]);
    bytes.extend(key.map(u32::to_be_bytes).into_iter().flatten());
    bytes.extend(payload);
    bytes
}

/// An ESP packet's bytes (RFC 4303): SPI, sequence number, and what might be encrypted.
pub fn esp(spi: u32, sequence: u32) -> Vec<u8> {
    let mut bytes = spi.to_be_bytes().to_vec();
    bytes.extend(sequence.to_be_bytes());
    bytes.extend((0..32u8).map(|index| index.wrapping_mul(11)));
    bytes
}

/// An IKE message (RFC 7296 section 3.1): initiator SPI, version 2, exchange type, flags.
pub fn ike(initiator: u64, exchange: u8, flags: u8) -> Vec<u8> {
    let mut bytes = initiator.to_be_bytes().to_vec();
    bytes.extend(if exchange == SA_INIT && flags & RESPONSE == 0 { [0; 8] } else { [7; 8] });
    bytes.extend([33, 0x20, exchange, flags, 0, 0, 0, 0, 0, 0, 0, 44]);
    bytes.extend([0x5a; 16]);
    bytes
}

/// A PPTP control message (RFC 2637 section 2): type, call ID at 12, the peer's at 14, result at 16.
pub fn pptp(kind: u16, call_id: u16, peer_call_id: u16, result: u8) -> Vec<u8> {
    let length: u16 = match kind {
        1 | 2 => 156,
        6 => 20,
        7 => 168,
        8 => 32,
        9 => 220,
        10 | 15 => 24,
        11 => 28,
        13 => 148,
        14 => 40,
        _ => 16,
    };
    let mut bytes: Vec<u8> = (0..length).map(|index| (index * 7 + 1) as u8).collect();
    let head = words(&[length, 1, 0x1a2b, 0x3c4d, kind, 0, call_id, peer_call_id]);
    bytes[..16].copy_from_slice(&head);
    if length > 16 {
        bytes[16] = result;
    }
    bytes
}

/// An L2TP control message (RFC 2661): header tunnel ID, message type, and the tunnel ID it assigns, if any.
pub fn l2tp_control(tunnel: u16, message: u16, assigns: Option<u16>) -> Vec<u8> {
    let mut avps = words(&[0x8008, 0, 0, message]);
    if let Some(id) = assigns {
        avps.extend(words(&[0x8008, 0, 9, id]));
    }
    let mut bytes = words(&[0xc802, 12 + avps.len() as u16, tunnel, 0, 0, 0]);
    bytes.extend(avps);
    bytes
}

/// An L2TP data message without a length field: tunnel ID at 2.
pub fn l2tp_data(tunnel: u16) -> Vec<u8> {
    let mut bytes = words(&[0x0002, tunnel, 9]);
    bytes.extend(b"\xff\x03ppp frame");
    bytes
}
