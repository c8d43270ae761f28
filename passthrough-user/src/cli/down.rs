//! `passthrough down`.

use clap::Args;

use super::{Global, Outcome};
use crate::{
    control::down,
    loader::preflight,
    render::{self, bring},
};

/// Take the gateway down: programs off, tables gone, traffic as without it
#[derive(Debug, Args)]
#[command(after_help = "Example:\n  passthrough down")]
pub struct Down {}

impl Down {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        preflight::rights()?;
        let done = down::down(&global.pins())?;
        render::show(&bring::Down { was_up: done.was_up, interfaces: done.interfaces }, global.json)?;
        Ok(Outcome::Fine)
    }
}
