//! Userspace of the passthrough NAT gateway: loads the kernel side, keeps it, shows it.
//!
//! What the operator writes becomes a plan ([`config`]), is checked against the machine, and is then acted on
//! ([`control`]), through the kernel objects ([`loader`]) and their tables ([`tables`]). Everything shown goes
//! through [`render`]. No packet is ever handled here.

#![deny(unsafe_code)]

pub mod cli;
pub mod config;
pub mod control;
pub mod loader;
pub mod render;
pub mod tables;
