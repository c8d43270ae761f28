//! What crosses between kernel and user: map keys and values, names, reasons, version.
//!
//! Every type is `repr(C)`, without padding, and its size is asserted, since a pinned map outlives the
//! program that made it. A change of any layout bumps [`VERSION`].

pub mod binding;
pub mod class;
pub mod control;
pub mod count;
pub mod exit;
pub mod forward;
pub mod fragment;
pub mod host;
pub mod names;
pub mod peers;
#[cfg(feature = "user")]
#[expect(unsafe_code, reason = "aya asks for a promise that these types are plain bytes")]
mod pod;
pub mod ranges;
pub mod reason;
pub mod session;
pub mod settings;
pub mod ticks;

pub use binding::{Binding, BindingKey};
pub use class::{CLASSES, Class, Direction, Switch};
pub use control::{Call, Control, Field, Stream};
pub use count::{Counter, Event};
pub use exit::{Epoch, Exit};
pub use forward::Forward;
pub use fragment::{Fragment, FragmentKey};
pub use host::{Host, HostKey, Share};
pub use peers::{Peer, PeerKey, Peers};
pub use ranges::{Range, Ranges};
pub use reason::Reason;
pub use session::{Session, SessionKey, Space, View};
pub use settings::{Filtering, Interface, Link, Settings, Side};
pub use ticks::Ticks;

/// Version of everything in this module; kept in [`Settings::version`] and compared before pinned maps are reused.
pub const VERSION: u32 = 9;
