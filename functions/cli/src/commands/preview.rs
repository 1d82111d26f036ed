//! `preview`: the first records of a sync as they come and as they would be written. Writes nothing anywhere.

use std::sync::Arc;

use engine::model::id::RecordKey;
use engine::plan::SyncPlan;
use engine::stages::{Previewed, preview};
use serde::Serialize;

use crate::args::Options;
use crate::exit::{Exit, not_found};
use crate::output::{Answer, Output};
use crate::previews::{self, Origins};
use crate::setup::Setup;

/// `preview`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sync
    sync: String,
    /// Show this record; may be given several times
    #[arg(long, value_name = "KEY")]
    key: Vec<String>,
    /// Show so many records
    #[arg(long, value_name = "N", default_value_t = 5)]
    limit: usize,
}

/// Shows the records.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options).await?;
    let sync = setup.find(&args.sync)?;
    let keys: Vec<_> = args.key.iter().map(RecordKey::new).collect();
    setup.check_keys(&sync, &keys)?;
    let limit = if keys.is_empty() { args.limit } else { keys.len() };
    let records = preview(&setup.context, &sync, &keys, limit).await?;
    if records.is_empty() && !keys.is_empty() {
        return Err(not_found(format!("the source has no record {} of {}", args.key.join(", "), sync.stream)));
    }
    let plan = setup.context.plans.plan(&sync)?;
    let origins = setup.origins(&sync);
    let shown = Shown { sync: sync.stream, table: plan.table.name.clone(), records, plan, origins };
    output.answer(&shown)?;
    output.say("nothing was written");
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct Shown {
    sync: String,
    table: String,
    records: Vec<Previewed>,
    #[serde(skip)]
    plan: Arc<SyncPlan>,
    #[serde(skip)]
    origins: Origins,
}

impl Answer for Shown {
    fn text(&self) -> String {
        match self.records.is_empty() {
            true => format!("the source has no record of {}\n", self.sync),
            false => previews::text(&self.plan, &self.origins, &self.records),
        }
    }
}
