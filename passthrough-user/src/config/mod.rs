//! What the operator wants: from arguments and file to a plan, and from a plan to one that fits this machine.

pub mod checked;
pub mod file;
pub mod forward;
pub mod list;
pub mod mode;
pub mod network;
pub mod plan;
pub mod pooling;
pub mod prefix;
pub mod protocols;
pub mod ranges;
pub mod usage;

pub use checked::{Checked, Port};
pub use mode::Mode;
pub use network::Network;
pub use plan::{L2tpPort, Plan};
pub use pooling::Pooling;
pub use prefix::Prefix;
pub use usage::Usage;
