//! What a session is, without tables: its other half, its TCP state, its idle time, its outside address and port.

pub mod idle;
pub mod pair;
pub mod pool;
pub mod port;
pub mod tcp;
