//! What each pinned map must look like. Opening a map compares nothing by itself, and a kernel value larger
//! than the buffer for it would overrun that.

use anyhow::bail;
use aya::maps::{MapInfo, MapType};
use passthrough_common::abi::{
    Binding, BindingKey, Control, Counter, Event, Exit, Forward, Fragment, FragmentKey, Host, HostKey,
    Interface, PeerKey, Peers, Session, SessionKey, Settings, exit::EXITS, forward::FORWARDS, names::map,
    settings::PORTS,
};

/// The shape of a map: kind, bytes of a key, bytes of a value, entries where they are fixed.
#[derive(Clone, Copy, PartialEq, Debug)]
pub struct Shape {
    kind: MapType,
    key: usize,
    value: usize,
    entries: Option<usize>,
}

/// The shape that this program expects of a map.
fn expected(name: &str) -> Option<Shape> {
    let hash = |kind, key, value| Shape { kind, key, value, entries: None };
    let array = |kind, value, entries| Shape { kind, key: size_of::<u32>(), value, entries: Some(entries) };
    Some(match name {
        map::SETTINGS => array(MapType::Array, size_of::<Settings>(), 1),
        map::INTERFACES => array(MapType::Array, size_of::<Interface>(), PORTS as usize),
        map::SESSIONS => hash(MapType::Hash, size_of::<SessionKey>(), size_of::<Session>()),
        map::BINDINGS => hash(MapType::Hash, size_of::<BindingKey>(), size_of::<Binding>()),
        map::HOSTS => hash(MapType::Hash, size_of::<HostKey>(), size_of::<Host>()),
        map::FORWARDS => Shape {
            entries: Some(2 * FORWARDS as usize),
            ..hash(MapType::Hash, size_of::<BindingKey>(), size_of::<Forward>())
        },
        map::FRAGMENTS => hash(MapType::LruHash, size_of::<FragmentKey>(), size_of::<Fragment>()),
        map::CONTROLS => hash(MapType::Hash, size_of::<SessionKey>(), size_of::<Control>()),
        map::PEERS => hash(MapType::Hash, size_of::<PeerKey>(), size_of::<Peers>()),
        map::COUNTERS => array(MapType::PerCpuArray, size_of::<Counter>(), Counter::ENTRIES),
        map::EVENTS => array(MapType::PerCpuArray, size_of::<u64>(), Event::ENTRIES),
        map::SWEEPS => array(MapType::Array, size_of::<u64>(), 1),
        map::EXITS => array(MapType::Array, size_of::<Exit>(), EXITS as usize),
        // An interface index and a program (`struct bpf_devmap_val`).
        map::DEVICES => array(MapType::DevMap, 8, PORTS as usize),
        map::STEPS => Shape { kind: MapType::ProgramArray, key: 4, value: 4, entries: None },
        _ => return None,
    })
}

/// Compares a pinned map with what this program expects of it.
pub fn compare(name: &str, info: &MapInfo) -> anyhow::Result<()> {
    let Some(expected) = expected(name) else { bail!("no map is called {name}") };
    let found = Shape {
        kind: info.map_type()?,
        key: info.key_size() as usize,
        value: info.value_size() as usize,
        entries: expected.entries.map(|_| info.max_entries() as usize),
    };
    match difference(&found, &expected) {
        None => Ok(()),
        Some(difference) => bail!(
            "the map {name} was made by another version ({difference}): run `passthrough down`, then `passthrough up` \
             (sessions start anew)"
        ),
    }
}

fn difference(found: &Shape, expected: &Shape) -> Option<String> {
    if found.kind != expected.kind {
        Some(format!("kind {:?} instead of {:?}", found.kind, expected.kind))
    } else if found.key != expected.key {
        Some(format!("keys of {} bytes instead of {}", found.key, expected.key))
    } else if found.value != expected.value {
        Some(format!("values of {} bytes instead of {}", found.value, expected.value))
    } else if found.entries != expected.entries {
        Some(format!("{} entries instead of {}", found.entries.unwrap_or(0), expected.entries.unwrap_or(0)))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_pinned_map_has_an_expected_shape() {
        for name in map::ALL {
            assert!(expected(name).is_some(), "{name}");
        }
    }

    #[test]
    fn any_difference_is_told() {
        let shape = expected(map::SETTINGS).expect("known");
        assert_eq!(difference(&shape, &shape), None);
        assert!(
            difference(&Shape { value: 8, ..shape }, &shape).expect("differs").contains("values of 8 bytes")
        );
        assert!(difference(&Shape { key: 8, ..shape }, &shape).is_some());
        assert!(difference(&Shape { entries: Some(2), ..shape }, &shape).is_some());
        assert!(difference(&Shape { kind: MapType::Hash, ..shape }, &shape).is_some());
    }
}
