//! `passthrough completions`.

use std::io;

use clap::Args;
use clap_complete::Shell;

use super::Outcome;

/// Write completions for a shell to standard output
#[derive(Debug, Args)]
#[command(
    after_help = "Example:\n  passthrough completions bash > /usr/share/bash-completion/completions/passthrough"
)]
pub struct Completions {
    /// The shell
    shell: Shell,
}

impl Completions {
    /// Runs it.
    pub fn run(&self) -> anyhow::Result<Outcome> {
        let mut text = Vec::new();
        clap_complete::generate(self.shell, &mut super::definition(), "passthrough", &mut text);
        io::Write::write_all(&mut io::stdout().lock(), &text)?;
        Ok(Outcome::Fine)
    }
}
