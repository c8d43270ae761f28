//! What commands that change something have done: up, down, switches, flush.

use std::io::{self, Write};

use serde::Serialize;

use super::{BAD, FAINT, GOOD, HEADING, NOTICE, Show, styled};

/// What `up` did.
#[derive(Clone, Debug, Serialize)]
pub struct Up {
    /// The WAN interface.
    pub wan: String,
    /// LAN interfaces.
    pub lan: Vec<String>,
    /// Whether they were found, not named.
    pub lan_found: bool,
    /// Outside addresses.
    pub pool: Vec<String>,
    /// The path of each interface.
    pub paths: Vec<Path>,
    /// Whether a running gateway's programs were replaced.
    pub replaced: bool,
    /// Entries of the session table that went on.
    pub entries_kept: usize,
    /// Classes that are full.
    pub full: Vec<&'static str>,
    /// Classes that are off.
    pub off: Vec<&'static str>,
    /// What the operator should know.
    pub notes: Vec<String>,
}

/// The path of an interface.
#[derive(Clone, Debug, Serialize)]
pub struct Path {
    /// Name of the interface.
    pub interface: String,
    /// `xdp`, `xdp-generic` or `tc`.
    pub path: &'static str,
    /// Why it is not XDP, or what of XDP is missing.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub why: String,
}

impl Show for Up {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        let found = if self.lan_found { " (found)" } else { "" };
        writeln!(
            out,
            "{}: WAN {} with {}, LAN {}{found}",
            styled(GOOD, "up"),
            styled(HEADING, &self.wan),
            self.pool.join(", "),
            styled(HEADING, &self.lan.join(", "))
        )?;
        for path in &self.paths {
            let why = if path.why.is_empty() { String::new() } else { format!(" ({})", path.why) };
            writeln!(out, "path of {}: {}{}", path.interface, path.path, styled(FAINT, &why))?;
        }
        if self.replaced {
            writeln!(out, "programs replaced, {} table entries kept", self.entries_kept)?;
        }
        writeln!(out, "full: {}", listed(&self.full))?;
        writeln!(out, "off:  {}", listed(&self.off))?;
        for note in &self.notes {
            writeln!(out, "{} {note}", styled(NOTICE, "note:"))?;
        }
        Ok(())
    }
}

fn listed(names: &[&str]) -> String {
    if names.is_empty() { "nothing".into() } else { names.join(", ") }
}

/// What `down` did.
#[derive(Clone, Debug, Serialize)]
pub struct Down {
    /// Whether there was a gateway.
    pub was_up: bool,
    /// How many interfaces were left.
    pub interfaces: usize,
}

impl Show for Down {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.was_up {
            writeln!(out, "down: {} interfaces left, tables removed", self.interfaces)
        } else {
            writeln!(out, "was not up")
        }
    }
}

/// What a switch command did.
#[derive(Clone, Debug, Serialize)]
pub struct Switches {
    /// A switch each.
    pub switches: Vec<Turned>,
    /// Entries of the session table that were removed.
    pub entries_removed: u64,
}

/// A switch that was turned.
#[derive(Clone, Debug, Serialize)]
pub struct Turned {
    /// Class, by name.
    pub protocol: &'static str,
    /// Position before.
    pub before: &'static str,
    /// Position now.
    pub after: &'static str,
}

impl Show for Switches {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        for turned in &self.switches {
            let style = if turned.after == "off" { BAD } else { GOOD };
            let after = styled(style, turned.after);
            if turned.before == turned.after {
                writeln!(out, "{} was {after} already", turned.protocol)?;
            } else {
                writeln!(out, "{} is {after} (was {})", turned.protocol, turned.before)?;
            }
        }
        if self.entries_removed > 0 {
            writeln!(out, "{} table entries of its sessions removed", self.entries_removed)?;
        }
        Ok(())
    }
}

/// What `flush` did.
#[derive(Clone, Debug, Serialize)]
pub struct Flush {
    /// Entries of the session table that were removed.
    pub entries_removed: u64,
}

impl Show for Flush {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        writeln!(out, "{} table entries removed", self.entries_removed)
    }
}
