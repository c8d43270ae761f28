//! Promises to aya that the ABI's types are plain bytes: the one file of this crate with unsafe code.

use super::*;

macro_rules! plain {
    ($($kind:ty),*) => {$(
        // SAFETY: repr(C), Copy, only integers and arrays of them, no padding (sizes are asserted beside each
        // type), and every bit pattern is a value.
        unsafe impl aya::Pod for $kind {}
    )*};
}

plain!(
    Settings,
    Interface,
    SessionKey,
    Session,
    BindingKey,
    Binding,
    FragmentKey,
    Fragment,
    Control,
    PeerKey,
    Peers,
    Counter,
    Exit,
    HostKey,
    Host,
    Forward
);
