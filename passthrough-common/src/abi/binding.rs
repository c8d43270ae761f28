//! Bindings: the outside endpoint that an inside endpoint has.

use super::Direction;

/// Key of the binding table: the outside end of an inside endpoint's mapping (RFC 4787 section 4.1), or the inside end.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct BindingKey(u64);

impl BindingKey {
    /// No end's key.
    pub const NONE: BindingKey = BindingKey(0);

    /// The inside end (`Direction::Outbound`) or the outside end (`Direction::Inbound`) of a binding.
    #[inline(always)]
    pub const fn new(direction: Direction, address: u32, id: u16, protocol: u8) -> BindingKey {
        BindingKey(address as u64 | (id as u64) << 32 | (protocol as u64) << 48 | (direction as u64) << 56)
    }

    /// Address of this end.
    pub const fn address(&self) -> u32 {
        self.0 as u32
    }

    /// Port or identifier of this end.
    pub const fn id(&self) -> u16 {
        (self.0 >> 32) as u16
    }

    /// IP protocol number.
    pub const fn protocol(&self) -> u8 {
        (self.0 >> 48) as u8
    }

    /// Which end this is.
    pub const fn direction(&self) -> Direction {
        if self.0 >> 56 == 0 { Direction::Outbound } else { Direction::Inbound }
    }
}

/// What is kept under one end of a binding: the other end.
///
/// The record of the outside end is the binding. The inside end has one only if its port could not be kept, or not at its
/// host's address ([`NOTED`](super::session::flag::NOTED)): else the binding is where the port says, and most need one record instead of two.
#[repr(C)]
#[derive(Clone, Copy, PartialEq, Eq, Debug, Hash)]
pub struct Binding {
    /// Outside end: sessions that hold this binding; the one who takes it to 0 removes it.
    pub sessions: u32,
    /// Address of the other end.
    pub address: u32,
    /// Port or identifier of the other end.
    pub id: u16,
    /// [`Class`](super::Class) as a byte, of the session that made it.
    pub class: u8,
    /// Bits of [`flag`](super::session::flag): [`OWN`](super::session::flag::OWN), [`NOTED`](super::session::flag::NOTED).
    pub flags: u8,
}

const _: () = {
    assert!(size_of::<BindingKey>() == 8);
    assert!(size_of::<Binding>() == 12);
};
