//! `passthrough stats`.

use std::time::{Duration, Instant};

use anyhow::Context;
use clap::Args;
use tokio::time::{MissedTickBehavior, interval};

use super::{Global, Outcome};
use crate::{
    config::usage::usage,
    render::{self, stats},
    tables::Tables,
};

/// Show packets and bytes forwarded, punted and dropped by reason, events, and the use of the tables
#[derive(Debug, Args)]
#[command(
    after_help = "Examples:\n  passthrough stats\n  passthrough stats --watch\n  passthrough stats --watch=5 --json"
)]
pub struct Stats {
    /// Show rates every SECS seconds until interrupted
    #[arg(long, value_name = "SECS", num_args = 0..=1, require_equals = true, default_missing_value = "1")]
    watch: Option<f64>,
}

impl Stats {
    /// Runs it.
    pub fn run(&self, global: &Global) -> anyhow::Result<Outcome> {
        let Some(secs) = self.watch else {
            render::show(&look(&global.tables()?)?, global.json)?;
            return Ok(Outcome::Fine);
        };
        if !(0.1..=3600.0).contains(&secs) {
            return Err(usage(format!("--watch={secs}: give seconds from 0.1 to 3600")));
        }
        let tables = global.tables()?;
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .context("starting what runs on")?;
        runtime.block_on(watch(&tables, Duration::from_secs_f64(secs), global.json))?;
        Ok(Outcome::Fine)
    }
}

fn look(tables: &Tables) -> anyhow::Result<stats::Stats> {
    let counters = tables.counters()?;
    let limits = tables.limits(&counters)?;
    Ok(stats::Stats::new(&counters, &tables.events()?, &limits, &tables.memory()?))
}

/// Shows rates until SIGINT, or until nobody reads them.
async fn watch(tables: &Tables, period: Duration, json: bool) -> anyhow::Result<()> {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    ticks.tick().await;
    let (mut before, mut at) = (look(tables)?, Instant::now());
    loop {
        tokio::select! {
            done = tokio::signal::ctrl_c() => return done.context("waiting for SIGINT"),
            _ = ticks.tick() => {
                let now = look(tables)?;
                let rates = stats::Rates::between(&before, &now, at.elapsed().as_secs_f64());
                if !render::show_next(&rates, json)? {
                    return Ok(());
                }
                (before, at) = (now, Instant::now());
            }
        }
    }
}
