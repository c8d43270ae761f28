//! Questions to the kernel by netlink: one request, all its answers.

use std::io;

use anyhow::Context;
use netlink_packet_core::{
    NLM_F_REQUEST, NetlinkDeserializable, NetlinkHeader, NetlinkMessage, NetlinkPayload, NetlinkSerializable,
};
use netlink_sys::{Socket, SocketAddr};

/// Bytes of a netlink message's header, in which the length comes first.
const HEADER: usize = 16;

/// Sends one request and collects its answers. `flags` are those beside `NLM_F_REQUEST`; one of them must make the kernel
/// say when it has said everything (`NLM_F_DUMP` or `NLM_F_ACK`).
///
/// # Errors
///
/// What the kernel refuses with is an [`io::Error`] among the causes.
pub fn ask<M>(protocol: isize, request: M, flags: u16, what: &str) -> anyhow::Result<Vec<M>>
where
    M: NetlinkSerializable + NetlinkDeserializable,
{
    let mut socket = Socket::new(protocol).context("opening a netlink socket")?;
    socket.bind_auto().context("binding a netlink socket")?;
    socket.connect(&SocketAddr::new(0, 0)).context("connecting a netlink socket")?;
    let mut header = NetlinkHeader::default();
    header.flags = flags | NLM_F_REQUEST;
    header.sequence_number = 1;
    let mut packet = NetlinkMessage::new(header, NetlinkPayload::InnerMessage(request));
    packet.finalize();
    let mut bytes = vec![0; packet.buffer_len()];
    packet.serialize(&mut bytes);
    socket.send(&bytes, 0).with_context(|| format!("asking for {what}"))?;

    let mut answers = Vec::new();
    loop {
        let (datagram, _) = socket.recv_from_full().with_context(|| format!("reading {what}"))?;
        for message in messages(&datagram) {
            // A message with parts that are newer than this program is left out, not fatal.
            match NetlinkMessage::<M>::deserialize(message).map(|message| message.payload) {
                Ok(NetlinkPayload::Done(_)) => return Ok(answers),
                Ok(NetlinkPayload::Error(error)) if error.code.is_none() => return Ok(answers),
                Ok(NetlinkPayload::Error(error)) => {
                    return Err(io::Error::from(error)).with_context(|| format!("reading {what}"));
                }
                Ok(NetlinkPayload::InnerMessage(message)) => answers.push(message),
                Ok(_) => {}
                Err(error) => log::debug!("a netlink message was not understood: {error}"),
            }
        }
    }
}

/// The messages in a datagram, each with its header. What does not fit is left out.
pub fn messages(datagram: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = datagram;
    std::iter::from_fn(move || {
        let length = u32::from_ne_bytes(*rest.first_chunk()?) as usize;
        if length < HEADER || length > rest.len() {
            return None;
        }
        let message = &rest[..length];
        rest = &rest[length.next_multiple_of(4).min(rest.len())..];
        Some(message)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_taken_apart_and_a_broken_one_ends_them() {
        let mut datagram = Vec::new();
        for length in [18u32, 16, 400] {
            datagram.extend(length.to_ne_bytes());
            datagram.resize(datagram.len() + 12 + if length == 18 { 4 } else { 0 }, 0);
        }
        let lengths: Vec<usize> = messages(&datagram).map(<[u8]>::len).collect();
        assert_eq!(lengths, [18, 16]);
        assert_eq!(messages(&[1, 2]).count(), 0);
    }
}
