//! GRE (RFC 2784, RFC 2890) and PPTP (RFC 2637): the header, the calls, the control stream.
//!
//! - claims and flow key: [`header`], the same in both directions; [`header::selector`] for a call ID.
//! - on miss: [`open`] for GRE; the sessions of enhanced GRE are made by [`control`], which reads the control
//!   connection message by message ([`message`] says what each means) and has [`call`] make and end calls.
//! - advance: [`over`]; GRE sequence numbers are not looked at (conformance P22).
//! - edits: the address, and inbound the call ID of enhanced GRE, bytes 6 and 7, which no checksum covers.
//!
//! Left out: a connection opened by the PAC, whose client is taken for the PNS.

pub mod call;
pub mod control;
pub mod header;
pub mod line;
pub mod message;
pub mod open;
pub mod over;
pub mod stream;

pub use open::open_outbound;

pub use over::call_is_over;

#[cfg(test)]
mod tests;
