//! Port forwards, and what adding and deleting them has done.

use std::io::{self, Write};

use serde::Serialize;

use super::{
    BAD, GOOD, Show, styled,
    table::{Align, Cell, Table},
};

/// A forward.
#[derive(Clone, Debug, Serialize)]
pub struct Row {
    /// `tcp`, `udp`, `esp`, `gre`, `ipip`, `6in4` or `l2tpv3`.
    pub protocol: &'static str,
    /// The outside address at which it holds: its host's.
    pub outside_address: String,
    /// First outside port, where the protocol has ports.
    pub first_port: Option<u16>,
    /// Last outside port.
    pub last_port: Option<u16>,
    /// The inside host.
    pub host: String,
    /// Inside port that the first outside port leads to.
    pub inside_port: Option<u16>,
    /// Switches that it depends on.
    pub switches: Vec<Gate>,
}

/// A switch that a forward depends on.
#[derive(Clone, Debug, Serialize)]
pub struct Gate {
    /// Class, by name.
    pub protocol: &'static str,
    /// Position of its switch.
    pub switch: &'static str,
}

impl Row {
    fn outside(&self) -> String {
        ends(&self.outside_address, self.first_port, self.last_port)
    }

    fn inside(&self) -> String {
        let count = self.last_port.unwrap_or(0) - self.first_port.unwrap_or(0);
        ends(&self.host, self.inside_port, self.inside_port.map(|port| port + count))
    }

    fn sentence(&self) -> String {
        format!("{} {} to {}", self.protocol, self.outside(), self.inside())
    }
}

fn ends(address: &str, first: Option<u16>, last: Option<u16>) -> String {
    match (first, last) {
        (Some(first), Some(last)) if first == last => format!("{address}:{first}"),
        (Some(first), Some(last)) => format!("{address}:{first}-{last}"),
        _ => address.to_string(),
    }
}

/// All forwards.
#[derive(Clone, Debug, Serialize)]
pub struct Forwards {
    /// A forward each.
    pub forwards: Vec<Row>,
}

impl Show for Forwards {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.forwards.is_empty() {
            return writeln!(out, "no port forwards");
        }
        let mut table = Table::new(&[
            ("protocol", Align::Left),
            ("outside", Align::Left),
            ("inside", Align::Left),
            ("switch", Align::Left),
        ]);
        for row in &self.forwards {
            let words: Vec<String> =
                row.switches.iter().map(|gate| format!("{} {}", gate.protocol, gate.switch)).collect();
            let off = row.switches.iter().any(|gate| gate.switch == "off");
            let switch = if words.is_empty() { "-".to_string() } else { words.join(", ") };
            table.row(vec![
                row.protocol.into(),
                row.outside().into(),
                row.inside().into(),
                if off { Cell::styled(BAD, switch) } else { switch.into() },
            ]);
        }
        table.write(out)
    }
}

/// What `forward add` did.
#[derive(Clone, Debug, Serialize)]
pub struct Add {
    /// A forward each.
    pub forwards: Vec<Added>,
}

/// A forward that was asked for.
#[derive(Clone, Debug, Serialize)]
pub struct Added {
    /// The forward.
    #[serde(flatten)]
    pub forward: Row,
    /// Whether it was not there before.
    pub is_new: bool,
}

impl Show for Add {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        for added in &self.forwards {
            let word = if added.is_new { "forwards" } else { "forwards already" };
            writeln!(out, "{} {}", styled(GOOD, word), added.forward.sentence())?;
        }
        Ok(())
    }
}

/// What `forward del` did.
#[derive(Clone, Debug, Serialize)]
pub struct Del {
    /// Forwards that are gone.
    pub forwards: Vec<Row>,
    /// Entries of the session table that went with them.
    pub entries_removed: u64,
}

impl Show for Del {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        for row in &self.forwards {
            writeln!(out, "{} {}", styled(BAD, "no longer forwards"), row.sentence())?;
        }
        if self.entries_removed > 0 {
            writeln!(out, "{} table entries of their sessions removed", self.entries_removed)?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::render::plain;

    fn row() -> Row {
        Row {
            protocol: "tcp",
            outside_address: "5.6.7.8".into(),
            first_port: Some(5000),
            last_port: Some(5010),
            host: "192.168.1.10".into(),
            inside_port: Some(6000),
            switches: Vec::new(),
        }
    }

    #[test]
    fn a_forward_shows_both_ends() {
        let esp = Row {
            protocol: "esp",
            first_port: None,
            last_port: None,
            inside_port: None,
            switches: vec![Gate { protocol: "esp", switch: "off" }],
            ..row()
        };
        let text = plain(&Forwards { forwards: vec![row(), esp] });
        assert!(text.contains("tcp       5.6.7.8:5000-5010  192.168.1.10:6000-6010  -"), "{text}");
        assert!(text.contains("esp       5.6.7.8            192.168.1.10            esp off"), "{text}");
        assert_eq!(plain(&Forwards { forwards: Vec::new() }), "no port forwards\n");
    }

    #[test]
    fn what_was_done_is_told_a_line_each() {
        let added = Add { forwards: vec![Added { forward: row(), is_new: true }] };
        assert_eq!(plain(&added), "forwards tcp 5.6.7.8:5000-5010 to 192.168.1.10:6000-6010\n");
        let json = serde_json::to_value(&added).expect("JSON");
        assert_eq!(json["forwards"][0]["first_port"], 5000);
        assert_eq!(json["forwards"][0]["is_new"], true);
    }
}
