//! The tables: keyed values that are changed in place.

use crate::abi::{
    Binding, BindingKey, Control, Forward, Fragment, FragmentKey, Host, HostKey, PeerKey, Peers, Session,
    SessionKey, Settings,
};

/// Why an insertion was refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Refused {
    /// The key is there already.
    Exists,
    /// No room.
    Full,
}

/// One table.
pub trait Table<K, V> {
    /// A copy of the value. For small values only: the BPF stack holds 512 bytes.
    fn get(&self, key: &K) -> Option<V>;

    /// Changes the value in place. `change` must not touch the same table.
    fn update<R>(&self, key: &K, change: impl FnOnce(&mut V) -> R) -> Option<R>;

    /// Puts a value where none is.
    fn insert(&self, key: &K, value: &V) -> Result<(), Refused>;

    /// Removes a value; `false` if there was none. Of several who try at once, one is told `true`.
    fn remove(&self, key: &K) -> bool;
}

/// A table whose values count what holds them, by atomic additions.
pub trait Held<K, V>: Table<K, V> {
    /// Counts so many more; the count before.
    fn hold(&self, key: &K, more: u32) -> Option<u32>;

    /// Counts so many less; the count before.
    fn release(&self, key: &K, less: u32) -> Option<u32>;
}

/// Every table of the gateway.
pub trait Tables {
    /// The session table.
    type Sessions: Table<SessionKey, Session>;
    /// The binding table.
    type Bindings: Held<BindingKey, Binding>;
    /// The inside hosts.
    type Hosts: Held<HostKey, Host>;
    /// The port forwards: read here, written by userspace alone.
    type Forwards: Table<BindingKey, Forward>;
    /// The fragment table.
    type Fragments: Table<FragmentKey, Fragment>;
    /// The PPTP control connections.
    type Controls: Table<SessionKey, Control>;
    /// The peers of one server.
    type Peers: Table<PeerKey, Peers>;

    /// What the operator has set.
    fn settings(&self) -> &Settings;
    /// The session table.
    fn sessions(&self) -> &Self::Sessions;
    /// The binding table.
    fn bindings(&self) -> &Self::Bindings;
    /// The inside hosts.
    fn hosts(&self) -> &Self::Hosts;
    /// The port forwards, by either end: [`Forward::outside`], [`Forward::inside`].
    fn forwards(&self) -> &Self::Forwards;
    /// The fragment table.
    fn fragments(&self) -> &Self::Fragments;
    /// The PPTP control connections, by the outbound session key of the connection.
    fn controls(&self) -> &Self::Controls;
    /// Puts an empty control connection where none is: the value is too large for the BPF stack.
    fn open_control(&self, key: &SessionKey) -> Result<(), Refused>;
    /// The peers of one server.
    fn peers(&self) -> &Self::Peers;
    /// Puts an empty record of peers where none is.
    fn open_peers(&self, key: &PeerKey) -> Result<(), Refused>;
}
