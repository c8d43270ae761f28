//! Turns switches. When a command that switched off returns, not one packet more passes.

use passthrough_common::abi::{Class, Settings, Switch, settings::option};

use super::{quiesce, set_option};
use crate::{
    config::L2tpPort,
    loader::run::{self, Sweep},
    tables::Tables,
};

/// What turning a switch has changed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Turned {
    /// The class.
    pub class: Class,
    /// Its position before.
    pub before: Switch,
    /// Its position now.
    pub after: Switch,
}

/// What a command has done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Done {
    /// Each class that was named.
    pub turned: Vec<Turned>,
    /// Entries of the session table that went with them.
    pub removed: u64,
}

/// Sets the switches of these classes, and L2TP's port rule if one is given.
pub fn turn(
    tables: &Tables,
    classes: &[Class],
    position: Switch,
    l2tp_port: Option<L2tpPort>,
) -> anyhow::Result<Done> {
    let _lock = tables.pins().lock()?;
    let before = tables.settings()?;
    let (after, turned, ended) = plan(&before, classes, position, l2tp_port);
    tables.write_settings(&after)?;
    if ended.is_empty() {
        return Ok(Done { turned, removed: 0 });
    }
    quiesce()?;
    let removed = run::sweep(tables.pins(), &Sweep { classes: ended, ..Sweep::default() })?;
    Ok(Done { turned, removed })
}

/// The settings afterwards, what is turned, and the classes whose sessions end.
///
/// Sessions end when a class goes off. They end, too, when it changes between plain and full, or L2TP its port
/// rule: the two do not know each other's sessions by the same keys.
fn plan(
    before: &Settings,
    classes: &[Class],
    position: Switch,
    l2tp_port: Option<L2tpPort>,
) -> (Settings, Vec<Turned>, Vec<Class>) {
    let mut after = *before;
    let mut turned = Vec::new();
    let mut ended = Vec::new();
    if let Some(rule) = l2tp_port {
        set_option(&mut after, option::KEEP_L2TP_PORT, rule == L2tpPort::Keep);
        if after.options != before.options && before.switch(Class::L2tp) != Switch::Off {
            ended.push(Class::L2tp);
        }
    }
    for class in classes {
        let was = before.switch(*class);
        after.switches[*class as usize] = position as u8;
        turned.push(Turned { class: *class, before: was, after: position });
        if was != Switch::Off && was != position && !ended.contains(class) {
            ended.push(*class);
        }
    }
    for class in &ended {
        let generation = &mut after.generations[*class as usize];
        *generation = generation.wrapping_add(1);
    }
    (after, turned, ended)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn off_ends_the_sessions_of_the_class_and_of_no_other() {
        let mut before = Settings::DEFAULT;
        before.switches[Class::Pptp as usize] = Switch::Full as u8;
        before.switches[Class::L2tp as usize] = Switch::Full as u8;
        let (after, turned, ended) = plan(&before, &[Class::Pptp, Class::Gre], Switch::Off, None);
        assert_eq!(ended, [Class::Pptp]);
        assert_eq!(after.generation(Class::Pptp), 1);
        assert_eq!((after.generation(Class::Gre), after.generation(Class::L2tp)), (0, 0));
        assert_eq!(after.switch(Class::Pptp), Switch::Off);
        assert_eq!(turned[0], Turned { class: Class::Pptp, before: Switch::Full, after: Switch::Off });
    }

    #[test]
    fn on_ends_nothing() {
        let (after, _, ended) = plan(&Settings::DEFAULT, &[Class::Esp], Switch::Full, None);
        assert!(ended.is_empty());
        assert_eq!((after.switch(Class::Esp), after.generation(Class::Esp)), (Switch::Full, 0));
    }

    #[test]
    fn a_changed_port_rule_ends_l2tp() {
        let mut before = Settings::DEFAULT;
        before.switches[Class::L2tp as usize] = Switch::Full as u8;
        let (after, _, ended) = plan(&before, &[Class::L2tp], Switch::Full, Some(L2tpPort::Keep));
        assert_eq!(ended, [Class::L2tp]);
        assert!(after.has(option::KEEP_L2TP_PORT));
        let (_, _, again) = plan(&after, &[Class::L2tp], Switch::Full, Some(L2tpPort::Keep));
        assert!(again.is_empty());
    }

    #[test]
    fn generations_go_round() {
        let mut before = Settings::DEFAULT;
        before.switches[Class::Ah as usize] = Switch::Full as u8;
        before.generations[Class::Ah as usize] = u8::MAX;
        assert_eq!(plan(&before, &[Class::Ah], Switch::Off, None).0.generation(Class::Ah), 0);
    }
}
