//! `run`: move what changed, sync after sync.

use std::time::Duration;

use chrono::NaiveDate;
use engine::model::id::{RecordKey, RunId, SyncId};
use engine::model::message::Reason;
use engine::model::window::Selection;
use engine::stages::start;
use serde::Serialize;

use crate::args::{Options, Waiting};
use crate::exit::{Exit, usage};
use crate::output::{Answer, Output};
use crate::setup::Setup;
use crate::words::Columns;
use crate::work::Work;

/// `run`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The syncs to run, such as ap_invoices or jde-looker/ap_invoices [default: all that are switched on]
    syncs: Vec<String>,
    /// Read what changed on this day and later, whatever was read before
    #[arg(long, value_name = "DATE", conflicts_with_all = ["key", "full"])]
    from: Option<NaiveDate>,
    /// Read what changed up to this day
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// Read just this record afresh; may be given several times
    #[arg(long, value_name = "KEY", conflicts_with = "full")]
    key: Vec<String>,
    /// Read everything, and mark deleted what is no longer at the source
    #[arg(long)]
    full: bool,
    /// With --full: mark deleted however many they are
    #[arg(long, requires = "full")]
    accept_deletes: bool,
    #[command(flatten)]
    waiting: Waiting,
}

impl Args {
    fn selection(&self) -> anyhow::Result<Selection> {
        if !self.key.is_empty() {
            if self.syncs.len() != 1 {
                return Err(usage("--key belongs to one sync: name it, such as `run ap_invoices --key …`"));
            }
            return Ok(Selection::Keys(self.key.iter().map(RecordKey::new).collect()));
        }
        if self.full {
            return Ok(Selection::Full { accept_deletes: self.accept_deletes });
        }
        let Some(from) = self.from else {
            return Ok(Selection::Changes);
        };
        if self.to.is_some_and(|to| to < from) {
            return Err(usage("--to is before --from"));
        }
        Ok(Selection::Dates { from, to: self.to })
    }
}

/// Says which runs the functions were asked for.
pub(crate) fn only_started(runs: &[(SyncId, RunId)], output: &Output) -> anyhow::Result<Exit> {
    let row = |(sync, run): &(SyncId, RunId)| StartedRun {
        sync: sync.stream.clone(),
        integration: sync.integration.to_string(),
        run: run.to_string(),
    };
    output.answer(&StartedRuns { runs: runs.iter().map(row).collect() })?;
    output.say("the functions do the rest: `status` shows how far they are");
    Ok(Exit::Ok)
}

#[derive(Debug, Serialize)]
struct StartedRuns {
    runs: Vec<StartedRun>,
}

#[derive(Debug, Serialize)]
struct StartedRun {
    sync: String,
    integration: String,
    run: String,
}

impl Answer for StartedRuns {
    fn text(&self) -> String {
        let mut columns = Columns::new(&["sync", "run"]);
        self.runs.iter().for_each(|run| columns.row([&run.sync, &run.run]));
        columns.text()
    }
}

/// Runs the syncs.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let selection = args.selection()?;
    args.waiting.require_aws(options)?;
    let setup = Setup::open(options).await?;
    let syncs = setup.choose(&args.syncs)?;
    if let (Selection::Keys(keys), [sync]) = (&selection, syncs.as_slice()) {
        setup.check_keys(sync, keys)?;
    }
    if args.waiting.no_wait {
        let mut started = Vec::new();
        for sync in &syncs {
            let run = start(&setup.context, sync, Reason::Manual, selection.clone()).await?.run;
            started.push((sync.clone(), run));
        }
        return only_started(&started, output);
    }
    let work = Work::begin(&setup, output).await?;
    let mut work = work.waiting_at_most(Duration::from_secs(args.waiting.wait_at_most));
    for sync in &syncs {
        work.run(sync, Reason::Manual, selection.clone()).await?;
    }
    let rows = work.rows(&syncs).await?;
    output.answer(&rows)?;
    rows.words().iter().for_each(|words| output.say(words));
    if let (Selection::Keys(keys), [row], true) = (&selection, rows.syncs.as_slice(), rows.are_ok())
        && row.read < keys.len() as u64
    {
        output.say(format!("the source has only {} of these {} records of {}", row.read, keys.len(), row.sync));
        return Ok(if row.read == 0 { Exit::NotFound } else { Exit::Ok });
    }
    Ok(if rows.are_ok() { Exit::Ok } else { Exit::NotOk })
}
