//! Ethernet and its tags (IEEE 802.3, 802.1Q).

use core::mem::offset_of;

use network_types::eth::EthHdr;
use network_types::vlan::VlanHdr;

/// Bytes of an Ethernet header.
pub const LEN: u32 = EthHdr::LEN as u32;
/// Where the EtherType is.
pub const ETHER_TYPE: u32 = offset_of!(EthHdr, ether_type) as u32;
/// Bytes of a tag.
pub const TAG_LEN: u32 = VlanHdr::LEN as u32;
/// The VLAN identifier's bits of a tag's control information.
pub const VLAN_ID: u16 = 0x0fff;

/// EtherType of IPv4.
pub const IPV4: u16 = 0x0800;
/// EtherType of IPv6.
pub const IPV6: u16 = 0x86dd;
/// EtherType of an 802.1Q tag.
pub const TAG: u16 = 0x8100;
/// EtherType of an 802.1ad service tag.
pub const SERVICE_TAG: u16 = 0x88a8;
