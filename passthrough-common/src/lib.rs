//! The gateway's decisions, pure and `no_std`: the same code runs in TC, in XDP and on the host.
//!
//! Nothing here touches a packet, a map or a clock directly; the traits of [`seam`] do.
//! Imports point one way: [`abi`], [`wire`], [`seam`], [`session`], [`proto`], [`path`].
//!
//! Numbers read from the wire are in host byte order everywhere outside [`wire`].

#![no_std]
#![deny(unsafe_code)]

#[cfg(any(test, feature = "host"))]
extern crate std;

pub mod abi;
pub mod path;
pub mod proto;
pub mod seam;
pub mod session;
pub mod wire;
