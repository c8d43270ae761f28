//! The list of sessions.

use std::{
    collections::HashMap,
    io::{self, Write},
};

use passthrough_common::abi::{Class, Control, SessionKey, Ticks};
use serde::Serialize;

use super::{
    FAINT, NOTICE, Show, bytes, duration,
    table::{Align, Cell, Table},
};
use crate::tables::sessions::{Endpoint, Ids, Pair};

/// All that are shown.
#[derive(Clone, Debug, Serialize)]
pub struct Sessions {
    /// A session each.
    pub sessions: Vec<Row>,
}

/// A session.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Row {
    /// Class, by name.
    pub protocol: &'static str,
    /// IP protocol number.
    pub ip_protocol: u8,
    /// `address` or `address:port` inside.
    pub inside: String,
    /// The same as the WAN side sees it.
    pub outside: String,
    /// The server.
    pub server: String,
    /// Identifiers that the protocol has.
    #[serde(flatten)]
    pub ids: ShownIds,
    /// Calls, if it is a PPTP control connection.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub calls: Vec<Call>,
    /// State in a word; for ESP, how sure the binding is.
    pub state: &'static str,
    /// Whether the gateway itself is the inside end.
    pub own: bool,
    /// Seconds since its last packet.
    pub idle_secs: u64,
    /// Packets from inside.
    pub packets_out: u64,
    /// Bytes from inside.
    pub bytes_out: u64,
    /// Packets from outside.
    pub packets_in: u64,
    /// Bytes from outside.
    pub bytes_in: u64,
}

/// Identifiers; absent ones are left out of the JSON.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize)]
#[serde(default)]
pub struct ShownIds {
    /// PPTP call ID of the inside end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id_inside: Option<u16>,
    /// PPTP call ID that the outside sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id_outside: Option<u16>,
    /// PPTP call ID of the server.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub call_id_server: Option<u16>,
    /// GRE key.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub gre_key: Option<u32>,
    /// SPI of packets from inside, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spi_out: Option<String>,
    /// SPI of packets from outside, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub spi_in: Option<String>,
    /// IKE initiator SPI (cookie) folded to 32 bits, in hexadecimal.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub initiator_spi: Option<String>,
    /// L2TP tunnel ID of the inside end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_id_inside: Option<u16>,
    /// L2TP tunnel ID that the outside sees.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tunnel_id_outside: Option<u16>,
}

/// A PPTP call of a control connection.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Call {
    /// Call ID of the inside end.
    pub inside: u16,
    /// The same as the outside sees it.
    pub outside: u16,
    /// Call ID of the server; 0 until known.
    pub server: u16,
    /// Whether both ends know it.
    pub connected: bool,
}

impl Row {
    /// A row of a session.
    pub fn new(pair: &Pair, controls: &HashMap<SessionKey, Control>, now: Ticks) -> Row {
        let (packets_out, bytes_out) = Pair::traffic(pair.outbound());
        let (packets_in, bytes_in) = Pair::traffic(pair.inbound());
        let calls = if pair.class() == Class::Pptp { pair.calls(controls) } else { None };
        Row {
            protocol: pair.class().name(),
            ip_protocol: pair.protocol(),
            inside: said(pair.inside()),
            outside: said(pair.outside()),
            server: said(pair.server()),
            ids: shown(&pair.ids()),
            calls: calls.map(said_calls).unwrap_or_default(),
            state: pair.state(),
            own: pair.is_own(),
            idle_secs: pair.idle(now).millis() / 1000,
            packets_out,
            bytes_out,
            packets_in,
            bytes_in,
        }
    }

    /// Identifiers in a few words.
    fn words(&self) -> String {
        let ids = &self.ids;
        let mut words = Vec::new();
        let number = |id: Option<u16>| id.map_or("?".to_string(), |id| id.to_string());
        if ids.call_id_inside.or(ids.call_id_outside).or(ids.call_id_server).is_some() {
            words.push(format!(
                "call {}>{} server {}",
                number(ids.call_id_inside),
                number(ids.call_id_outside),
                number(ids.call_id_server)
            ));
        }
        for call in &self.calls {
            let open = if call.connected { "" } else { " opening" };
            words.push(format!("call {}>{} server {}{open}", call.inside, call.outside, call.server));
        }
        words.extend(ids.gre_key.map(|key| format!("key {key}")));
        words.extend(ids.spi_out.as_ref().map(|spi| format!("SPI out {spi}")));
        words.extend(ids.spi_in.as_ref().map(|spi| format!("SPI in {spi}")));
        words.extend(ids.initiator_spi.as_ref().map(|spi| format!("cookie {spi}")));
        if ids.tunnel_id_inside.or(ids.tunnel_id_outside).is_some() {
            words.push(format!("tunnel {}>{}", number(ids.tunnel_id_inside), number(ids.tunnel_id_outside)));
        }
        if self.own {
            words.push("gateway's own".into());
        }
        words.join(", ")
    }
}

fn said(endpoint: Endpoint) -> String {
    match endpoint.id {
        Some(id) => format!("{}:{id}", endpoint.address),
        None => endpoint.address.to_string(),
    }
}

fn shown(ids: &Ids) -> ShownIds {
    let hex = |spi: Option<u32>| spi.map(|spi| format!("0x{spi:08x}"));
    ShownIds {
        call_id_inside: ids.call_inside,
        call_id_outside: ids.call_outside,
        call_id_server: ids.call_server,
        gre_key: ids.gre_key,
        spi_out: hex(ids.spi_out),
        spi_in: hex(ids.spi_in),
        initiator_spi: hex(ids.initiator_spi),
        tunnel_id_inside: ids.tunnel_inside,
        tunnel_id_outside: ids.tunnel_outside,
    }
}

fn said_calls(control: &Control) -> Vec<Call> {
    let used = control.calls.iter().filter(|call| call.outside != 0);
    used.map(|call| Call {
        inside: call.inside,
        outside: call.outside,
        server: call.remote,
        connected: call.connected != 0,
    })
    .collect()
}

impl Show for Sessions {
    fn people(&self, out: &mut dyn Write) -> io::Result<()> {
        if self.sessions.is_empty() {
            return writeln!(out, "no sessions");
        }
        let mut table = Table::new(&[
            ("protocol", Align::Left),
            ("inside", Align::Left),
            ("outside", Align::Left),
            ("server", Align::Left),
            ("state", Align::Left),
            ("idle", Align::Right),
            ("out", Align::Right),
            ("in", Align::Right),
            ("identifiers", Align::Left),
        ]);
        for row in &self.sessions {
            let state = match row.state {
                "tentative" | "learned" | "opening" | "one-way" => Cell::styled(NOTICE, row.state),
                state => state.into(),
            };
            table.row(vec![
                row.protocol.into(),
                row.inside.as_str().into(),
                row.outside.as_str().into(),
                row.server.as_str().into(),
                state,
                duration(row.idle_secs).into(),
                bytes(row.bytes_out).into(),
                bytes(row.bytes_in).into(),
                Cell::styled(FAINT, row.words()),
            ]);
        }
        table.write(out)?;
        let count = self.sessions.len();
        writeln!(out, "{count} session{}", if count == 1 { "" } else { "s" })
    }
}

#[cfg(test)]
mod tests {
    use passthrough_common::abi::Settings;

    use super::*;
    use crate::{
        render::plain,
        tables::sessions::{pairs, tests::entries},
    };

    fn sessions() -> Sessions {
        let now = Ticks(130);
        let pairs = pairs(&entries(), &Settings::DEFAULT, now);
        Sessions { sessions: pairs.iter().map(|pair| Row::new(pair, &HashMap::new(), now)).collect() }
    }

    #[test]
    fn people_see_endpoints_and_identifiers() {
        let text = plain(&sessions());
        let lines: Vec<&str> = text.lines().collect();
        assert_eq!(lines.len(), 4, "{text}");
        assert!(lines[1].starts_with("udp       192.168.1.10:5000  5.6.7.8:5001  9.9.9.9:53"), "{text}");
        assert!(lines[2].contains("SPI in 0xc0ffee00") && lines[2].contains("learned"), "{text}");
        assert_eq!(lines[3], "2 sessions");
    }

    #[test]
    fn machines_see_the_same_in_json() {
        let json = serde_json::to_value(sessions()).expect("JSON");
        let udp = &json["sessions"][0];
        assert_eq!(udp["inside"], "192.168.1.10:5000");
        assert_eq!((udp["packets_out"].as_u64(), udp["bytes_in"].as_u64()), (Some(3), Some(300)));
        assert!(udp.get("spi_in").is_none());
        assert_eq!(json["sessions"][1]["spi_in"], "0xc0ffee00");
        assert_eq!(json["sessions"][1]["state"], "learned");
    }
}
