//! What devices can do with XDP: generic netlink's family `netdev` (kernel 6.3; uapi/linux/netdev.h).

use std::collections::HashMap;

use anyhow::Context;
use netlink_packet_core::{
    DecodeError, DefaultNla, Emitable, NLM_F_ACK, NLM_F_DUMP, NetlinkDeserializable, NetlinkHeader,
    NetlinkSerializable, Nla, NlaBuffer, NlasIterator, Parseable,
};
use netlink_sys::{AsyncSocket, SocketAddr, TokioSocket, protocols::NETLINK_GENERIC};

use super::netlink;

/// The device's driver runs XDP programs (`NETDEV_XDP_ACT_BASIC`).
pub const BASIC: u64 = 1;
/// The device can transmit frames that another device's XDP program redirects to it (`NETDEV_XDP_ACT_NDO_XMIT`).
pub const TRANSMIT: u64 = 4;

/// The family's name, and the name of the group that is told of changes.
const FAMILY: &str = "netdev";
const GROUP: &str = "mgmt";
/// `NETDEV_CMD_DEV_GET`, and attributes of its answer.
const DEVICE_GET: u8 = 1;
const DEVICE_INDEX: u16 = 1;
const DEVICE_XDP_FEATURES: u16 = 3;

/// The controller's family (uapi/linux/genetlink.h): its ID, `CTRL_CMD_GETFAMILY`, and attributes.
const CONTROLLER: u16 = 0x10;
const GET_FAMILY: u8 = 3;
const FAMILY_ID: u16 = 1;
const FAMILY_NAME: u16 = 2;
const FAMILY_GROUPS: u16 = 7;
const GROUP_NAME: u16 = 1;
const GROUP_ID: u16 = 2;

/// A generic netlink message, its attributes not looked into.
#[derive(Clone, PartialEq, Eq, Debug)]
struct Generic {
    family: u16,
    command: u8,
    attributes: Vec<DefaultNla>,
}

/// Bytes of `struct genlmsghdr`: command, version, two that are not used.
const GENERIC_HEADER: usize = 4;

impl NetlinkSerializable for Generic {
    fn message_type(&self) -> u16 {
        self.family
    }

    fn buffer_len(&self) -> usize {
        GENERIC_HEADER + self.attributes.as_slice().buffer_len()
    }

    fn serialize(&self, buffer: &mut [u8]) {
        buffer[..GENERIC_HEADER].copy_from_slice(&[self.command, 1, 0, 0]);
        self.attributes.as_slice().emit(&mut buffer[GENERIC_HEADER..]);
    }
}

impl NetlinkDeserializable for Generic {
    type Error = DecodeError;

    fn deserialize(header: &NetlinkHeader, payload: &[u8]) -> Result<Generic, DecodeError> {
        let command = *payload.first().ok_or("a generic netlink message without a header")?;
        let attributes = attributes(payload.get(GENERIC_HEADER..).unwrap_or_default());
        Ok(Generic { family: header.message_type, command, attributes })
    }
}

fn attributes(bytes: &[u8]) -> Vec<DefaultNla> {
    let parse = |nla: NlaBuffer<&[u8]>| DefaultNla::parse(&nla).ok();
    NlasIterator::new(bytes).filter_map(|nla| parse(nla.ok()?)).collect()
}

/// The value of the attribute of this kind.
fn value(attributes: &[DefaultNla], kind: u16) -> Option<Vec<u8>> {
    let attribute = attributes.iter().find(|attribute| attribute.kind() == kind)?;
    let mut value = vec![0; attribute.value_len()];
    attribute.emit_value(&mut value);
    Some(value)
}

/// An unsigned number of any of netlink's sizes.
fn number(attributes: &[DefaultNla], kind: u16) -> Option<u64> {
    let value = value(attributes, kind)?;
    match *value.as_slice() {
        [a, b] => Some(u16::from_ne_bytes([a, b]).into()),
        [a, b, c, d] => Some(u32::from_ne_bytes([a, b, c, d]).into()),
        _ => value.first_chunk().copied().map(u64::from_ne_bytes),
    }
}

/// Asks the controller for the family; `None` if this kernel does not have it.
fn family() -> Option<Vec<DefaultNla>> {
    let name = DefaultNla::new(FAMILY_NAME, [FAMILY.as_bytes(), b"\0"].concat());
    let request = Generic { family: CONTROLLER, command: GET_FAMILY, attributes: vec![name] };
    let answers = netlink::ask(NETLINK_GENERIC, request, NLM_F_ACK, "the family of network devices");
    answers.ok()?.pop().map(|answer| answer.attributes)
}

/// XDP features of every device of this network namespace, by index; `None` if this kernel does not tell.
pub fn read() -> Option<HashMap<u32, u64>> {
    let id = number(&family()?, FAMILY_ID)? as u16;
    let request = Generic { family: id, command: DEVICE_GET, attributes: Vec::new() };
    let answers = netlink::ask(NETLINK_GENERIC, request, NLM_F_DUMP, "XDP features").ok()?;
    Some(answers.iter().filter_map(|answer| device(&answer.attributes)).collect())
}

fn device(attributes: &[DefaultNla]) -> Option<(u32, u64)> {
    Some((number(attributes, DEVICE_INDEX)? as u32, number(attributes, DEVICE_XDP_FEATURES)?))
}

/// A socket on which the kernel tells of changed features; `None` if this kernel does not. Needs a runtime.
pub fn changes() -> anyhow::Result<Option<TokioSocket>> {
    let Some(group) = family().and_then(|family| group(&family)) else { return Ok(None) };
    let mut socket = TokioSocket::new(NETLINK_GENERIC).context("opening a netlink socket")?;
    socket.socket_mut().bind(&SocketAddr::new(0, 0)).context("binding a netlink socket")?;
    socket.socket_mut().add_membership(group).context("listening for changes of XDP features")?;
    Ok(Some(socket))
}

/// ID of the group that is told of changes, from the controller's answer.
fn group(family: &[DefaultNla]) -> Option<u32> {
    let groups = attributes(&value(family, FAMILY_GROUPS)?);
    groups.iter().find_map(|group| {
        let mut about = vec![0; group.value_len()];
        group.emit_value(&mut about);
        let about = attributes(&about);
        let name = value(&about, GROUP_NAME)?;
        if name.strip_suffix(b"\0") != Some(GROUP.as_bytes()) {
            return None;
        }
        number(&about, GROUP_ID).map(|id| id as u32)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bytes(attributes: &[DefaultNla]) -> Vec<u8> {
        let mut bytes = vec![0; attributes.buffer_len()];
        attributes.emit(&mut bytes);
        bytes
    }

    #[test]
    fn a_device_tells_its_index_and_features() {
        let answer = Generic {
            family: 20,
            command: DEVICE_GET,
            attributes: vec![
                DefaultNla::new(DEVICE_INDEX, 7u32.to_ne_bytes().to_vec()),
                DefaultNla::new(DEVICE_XDP_FEATURES, 7u64.to_ne_bytes().to_vec()),
            ],
        };
        let mut text = vec![0; answer.buffer_len()];
        answer.serialize(&mut text);
        let mut header = NetlinkHeader::default();
        header.message_type = 20;
        let read = Generic::deserialize(&header, &text).expect("a message");
        assert_eq!(read, answer);
        assert_eq!(device(&read.attributes), Some((7, 7)));
        assert_eq!(device(&read.attributes[..1]), None);
    }

    #[test]
    fn the_group_is_found_by_its_name() {
        let group_of = |name: &[u8], id: u32| {
            bytes(&[
                DefaultNla::new(GROUP_NAME, name.to_vec()),
                DefaultNla::new(GROUP_ID, id.to_ne_bytes().to_vec()),
            ])
        };
        let groups = bytes(&[
            DefaultNla::new(1, group_of(b"page-pool\0", 5)),
            DefaultNla::new(2, group_of(b"mgmt\0", 4)),
        ]);
        assert_eq!(group(&[DefaultNla::new(FAMILY_GROUPS, groups)]), Some(4));
        assert_eq!(group(&[]), None);
    }
}
