//! Trivial.
#![no_std]
