//! Everything that is shown, to people and as JSON, from the same values.

pub mod bring;
pub mod check;
pub mod forward;
pub mod sessions;
pub mod stats;
pub mod status;
pub mod table;

use std::io::{self, Write};

use anstyle::{AnsiColor, Style};
use serde::Serialize;

/// A heading.
pub const HEADING: Style = Style::new().bold();
/// Something that is as it should be.
pub const GOOD: Style = AnsiColor::Green.on_default();
/// Something that keeps packets back.
pub const BAD: Style = AnsiColor::Red.on_default();
/// Something to look at.
pub const NOTICE: Style = AnsiColor::Yellow.on_default();
/// Something beside the point.
pub const FAINT: Style = Style::new().dimmed();

/// A value that can be shown.
pub trait Show: Serialize {
    /// Writes it for people. Colours are taken out again where they do not belong.
    fn people(&self, out: &mut dyn Write) -> io::Result<()>;
}

/// Shows a value on standard output, one way for all commands. A reader that went away (`| head`) is no fault.
pub fn show(value: &impl Show, json: bool) -> anyhow::Result<()> {
    let text = if json { Some(serde_json::to_string_pretty(value)?) } else { None };
    write(value, text).map(|_| ())
}

/// Shows one value of several; in JSON, each is a line. Answers whether anybody still reads.
pub fn show_next(value: &impl Show, json: bool) -> anyhow::Result<bool> {
    let text = if json { Some(serde_json::to_string(value)?) } else { None };
    write(value, text)
}

fn write(value: &impl Show, json: Option<String>) -> anyhow::Result<bool> {
    let written = match json {
        Some(text) => writeln!(io::stdout().lock(), "{text}"),
        None => {
            let mut out = anstream::stdout().lock();
            value.people(&mut out).and_then(|()| out.flush())
        }
    };
    match written {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// A line beside the output, on standard error.
pub fn note(line: &str) {
    anstream::eprintln!("{NOTICE}note:{NOTICE:#} {line}");
}

/// Text in a style.
pub fn styled(style: Style, text: &str) -> String {
    format!("{style}{text}{style:#}")
}

/// Bytes in the largest binary unit that leaves a number of at least one.
pub fn bytes(count: u64) -> String {
    const UNITS: [&str; 5] = ["KiB", "MiB", "GiB", "TiB", "PiB"];
    if count < 1024 {
        return format!("{count} B");
    }
    let mut value = count as f64 / 1024.0;
    let mut unit = 0;
    while value >= 1024.0 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    format!("{value:.1} {}", UNITS[unit])
}

/// Seconds as people say them: the two largest units.
pub fn duration(secs: u64) -> String {
    match secs {
        0..60 => format!("{secs}s"),
        60..3600 => format!("{}m{:02}s", secs / 60, secs % 60),
        3600..86400 => format!("{}h{:02}m", secs / 3600, secs % 3600 / 60),
        _ => format!("{}d{:02}h", secs / 86400, secs % 86400 / 3600),
    }
}

/// What a value shows to people, without colours: for tests.
#[cfg(test)]
pub(crate) fn plain(value: &impl Show) -> String {
    let mut out = anstream::StripStream::new(Vec::new());
    value.people(&mut out).expect("writing to memory");
    String::from_utf8(out.into_inner()).expect("text")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_said_in_units() {
        assert_eq!((bytes(1023).as_str(), bytes(1536).as_str()), ("1023 B", "1.5 KiB"));
        assert_eq!(bytes(5 << 30), "5.0 GiB");
        assert_eq!((duration(59).as_str(), duration(61).as_str()), ("59s", "1m01s"));
        assert_eq!((duration(3700).as_str(), duration(90_000).as_str()), ("1h01m", "1d01h"));
    }
}
