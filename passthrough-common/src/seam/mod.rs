//! The small traits between the decisions and the kernel, each with its host double.

pub mod clock;
pub mod entropy;
pub mod exits;
#[cfg(any(test, feature = "host"))]
pub mod host;
pub mod next_hop;
pub mod packet;
pub mod report;
pub mod tables;

pub use clock::Clock;
pub use entropy::Entropy;
pub use exits::Exits;
pub use next_hop::{Arrival, Hop, NextHop, Remote, Route, Towards};
pub use packet::Packet;
pub use report::Report;
pub use tables::{Held, Refused, Table, Tables};

/// Everything but the packet that a decision may ask for.
pub trait World: Tables + Clock + Entropy + NextHop + Report {}

impl<T: Tables + Clock + Entropy + NextHop + Report> World for T {}
