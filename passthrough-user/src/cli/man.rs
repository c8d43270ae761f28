//! `passthrough man`.

use std::io::{self, Write};

use clap::Args;

use super::Outcome;

/// Write the man page to standard output, all commands in one
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  passthrough man > /usr/share/man/man8/passthrough.8")]
pub struct Man {}

impl Man {
    /// Runs it.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        io::stdout().lock().write_all(&page()?)?;
        Ok(Outcome::Fine)
    }
}

/// The page: the program, then each command under a heading of its own.
fn page() -> io::Result<Vec<u8>> {
    let mut definition = super::definition();
    definition.build();
    let mut page = Vec::new();
    let whole = clap_mangen::Man::new(definition.clone()).section("8").manual("Passthrough");
    whole.render_title(&mut page)?;
    whole.render_name_section(&mut page)?;
    whole.render_synopsis_section(&mut page)?;
    whole.render_description_section(&mut page)?;
    whole.render_options_section(&mut page)?;
    whole.render_extra_section(&mut page)?;
    for command in definition.get_subcommands().filter(|command| !command.is_hide_set()) {
        writeln!(page, ".SH \"PASSTHROUGH {}\"", command.get_name().to_uppercase())?;
        let mut body = Vec::new();
        let one = clap_mangen::Man::new(command.clone());
        one.render_synopsis_section(&mut body)?;
        one.render_description_section(&mut body)?;
        one.render_options_section(&mut body)?;
        one.render_extra_section(&mut body)?;
        // Sections of a command are parts of its own section.
        page.extend_from_slice(String::from_utf8_lossy(&body).replace(".SH ", ".SS ").as_bytes());
    }
    Ok(page)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_has_every_command() {
        let page = String::from_utf8(page().expect("memory")).expect("text");
        for command in super::super::definition().get_subcommands() {
            let heading = format!(".SH \"PASSTHROUGH {}\"", command.get_name().to_uppercase());
            assert!(page.contains(&heading), "{heading}");
        }
    }
}
