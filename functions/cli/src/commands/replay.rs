//! `replay`: send records the same way once more.
//!
//! Runs, batches and rejects are replayed from the archive, as they came, and never overwrite what was read later. A key
//! or a period is read from the source afresh.

use std::collections::{BTreeMap, HashSet};
use std::sync::Arc;
#[cfg(feature = "aws")]
use std::time::Duration;

use chrono::NaiveDate;
use engine::model::id::{BatchId, DeliveryId, RecordKey, RunId, SyncId};
use engine::model::message::Reason;
use engine::model::request::ReplayRequest;
use engine::model::rows::{Rows as Block, RowsWriter};
use engine::model::window::{Replay, Selection, Window};
use engine::plan::SyncPlan;
use engine::ports::{HeldFilter, ReadRequest, What};
use engine::stages::selections;
use serde::Serialize;

use crate::archive::DryRun;
use crate::args::{Options, Waiting};
#[cfg(feature = "aws")]
use crate::backend::Backend;
use crate::exit::{Exit, not_found, usage};
use crate::held;
use crate::output::{Answer, Output};
use crate::previews::{self, Origins};
use crate::setup::Setup;
use crate::words::count;
use crate::work::Work;

/// Records that a dry run shows.
const FIRST: usize = 5;

/// `replay`.
#[derive(Debug, clap::Args)]
#[command(group = clap::ArgGroup::new("what").required(true).args(["run", "batch", "key", "from", "rejects", "delivery"]))]
pub struct Args {
    /// All batches of this run, from the archive
    #[arg(long, value_name = "RUN")]
    run: Option<String>,
    /// One batch, from the archive
    #[arg(long, value_name = "RUN/N")]
    batch: Option<BatchId>,
    /// This record, read from the source afresh; may be given several times
    #[arg(long, value_name = "KEY", requires = "sync")]
    key: Vec<String>,
    /// What changed on this day and later, read from the source afresh
    #[arg(long, value_name = "DATE", requires = "sync")]
    from: Option<NaiveDate>,
    /// What changed up to this day
    #[arg(long, value_name = "DATE", requires = "from")]
    to: Option<NaiveDate>,
    /// All records that are rejected now, from the archive
    #[arg(long)]
    rejects: bool,
    /// This delivery: one that failed is sent again, one of which nobody knows whether it arrived is looked for
    #[arg(long, value_name = "DELIVERY", conflicts_with = "dry_run")]
    delivery: Option<DeliveryId>,
    /// With --delivery: send it again even though it was, or may have been, delivered
    #[arg(long, requires = "delivery")]
    may_arrive_twice: bool,
    /// The sync that the records belong to
    #[arg(long, value_name = "SYNC")]
    sync: Option<String>,
    /// Say what would become of them, and write nothing
    #[arg(long)]
    dry_run: bool,
    #[command(flatten)]
    waiting: Waiting,
}

/// Replays, or says what a replay would do.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    if args.dry_run {
        let setup = Setup::look(options).await?;
        for (sync, selection) in asked(&setup, args).await? {
            let plan = setup.context.plans.plan(&sync)?;
            let result = dry_run(&setup, &plan, &selection).await?;
            let origins = setup.origins(&sync);
            output.answer(&Foreseen { sync: sync.stream, result, plan, origins })?;
        }
        output.say("nothing was written");
        return Ok(Exit::Ok);
    }
    args.waiting.require_aws(options)?;
    let setup = Setup::open(options).await?;
    #[cfg(feature = "aws")]
    if let Backend::Deployed(deployed) = &setup.backend {
        return by_function(&setup, deployed, args, output).await;
    }
    if let Some(delivery) = &args.delivery {
        known(&setup, args).await?;
        return deliver(&setup, delivery, args.may_arrive_twice, output).await;
    }
    let selections = asked(&setup, args).await?;
    let mut work = Work::begin(&setup, output).await?;
    let mut syncs = Vec::new();
    for (sync, selection) in selections {
        work.run(&sync, Reason::Replay, selection).await?;
        syncs.push(sync);
    }
    let rows = work.rows(&syncs).await?;
    output.answer(&rows)?;
    rows.words().iter().for_each(|words| output.say(words));
    Ok(if rows.are_ok() { Exit::Ok } else { Exit::NotOk })
}

/// Has the function `replay` start it, and sees it through.
#[cfg(feature = "aws")]
async fn by_function(
    setup: &Setup,
    deployed: &crate::aws::Deployed,
    args: &Args,
    output: &Output,
) -> anyhow::Result<Exit> {
    let request = request(setup, args)?;
    known(setup, args).await?;
    let mut work = Work::begin(setup, output).await?.waiting_at_most(Duration::from_secs(args.waiting.wait_at_most));
    let started = crate::aws::replay::start(setup, deployed, &request).await?;
    if started.runs.is_empty() && started.delivery.is_none() {
        return Err(not_found("no record is rejected: there is nothing to replay"));
    }
    if args.waiting.no_wait {
        return super::run::only_started(&started.runs, output);
    }
    work.follow(&started.runs, started.delivery).await?;
    let syncs: Vec<_> = started.runs.into_iter().map(|(sync, _)| sync).collect();
    let rows = work.rows(&syncs).await?;
    output.answer(&rows)?;
    rows.words().iter().for_each(|words| output.say(words));
    Ok(if rows.are_ok() { Exit::Ok } else { Exit::NotOk })
}

/// Sends one delivery again, and nothing else.
async fn deliver(setup: &Setup, delivery: &DeliveryId, twice: bool, output: &Output) -> anyhow::Result<Exit> {
    let mut work = Work::begin(setup, output).await?;
    work.deliver(delivery, twice).await?;
    let rows = work.rows(&[]).await?;
    output.answer(&rows)?;
    rows.words().iter().for_each(|words| output.say(words));
    Ok(if rows.are_ok() { Exit::Ok } else { Exit::NotOk })
}

/// The request that the words of the command line make.
fn request(setup: &Setup, args: &Args) -> anyhow::Result<ReplayRequest> {
    let sync = args.sync.as_deref().map(|name| setup.find(name)).transpose()?;
    if let (Some(from), Some(to)) = (args.from, args.to)
        && to < from
    {
        return Err(usage("--to is before --from"));
    }
    let keys: Vec<_> = args.key.iter().map(RecordKey::new).collect();
    if let Some(sync) = &sync {
        setup.check_keys(sync, &keys)?;
    }
    Ok(ReplayRequest {
        sync: sync.map(|sync| format!("{}/{}", sync.integration, sync.stream)),
        run: args.run.as_ref().map(RunId::new),
        batch: args.batch.as_ref().map(ToString::to_string),
        keys,
        from: args.from,
        to: args.to,
        rejects: args.rejects,
        delivery: args.delivery.clone(),
        may_arrive_twice: args.may_arrive_twice,
        ..ReplayRequest::of(setup.tenant.clone())
    })
}

/// Refuses what is not known, before anything is started.
async fn known(setup: &Setup, args: &Args) -> anyhow::Result<()> {
    if let Some(delivery) = &args.delivery
        && setup.context.store.delivery(delivery).await?.is_none()
    {
        return Err(not_found(format!("delivery `{delivery}` is not known here: `status` lists the newest")));
    }
    for run in args.run.iter().map(RunId::new).chain(args.batch.iter().map(|batch| batch.run.clone())) {
        if setup.context.store.run(&run).await?.is_none() {
            return Err(not_found(format!(
                "run `{run}` is not known here: look for it with `status --json` or `audit`"
            )));
        }
    }
    Ok(())
}

/// What is to be replayed, sync by sync.
async fn asked(setup: &Setup, args: &Args) -> anyhow::Result<Vec<(SyncId, Selection)>> {
    let request = request(setup, args)?;
    known(setup, args).await?;
    let selections = selections(&setup.context, &request, &setup.integrations()?).await?;
    if selections.is_empty() {
        return Err(not_found("no record is rejected: there is nothing to replay"));
    }
    Ok(selections)
}

async fn dry_run(setup: &Setup, plan: &SyncPlan, selection: &Selection) -> anyhow::Result<DryRun> {
    let mut result = DryRun::default();
    let context = &setup.context;
    match selection {
        Selection::Replay(Replay::Run(run)) => {
            let known = context.store.run(run).await?;
            for seq in 0..known.and_then(|run| run.expected).unwrap_or(0) {
                add_batch(setup, plan, &BatchId { run: run.clone(), seq }, None, &mut result).await?;
            }
        }
        Selection::Replay(Replay::Batch(batch)) => add_batch(setup, plan, batch, None, &mut result).await?,
        Selection::Replay(Replay::Rejects { .. }) => {
            let filter = HeldFilter { waiting: Some(false), ..HeldFilter::default() };
            let mut places: BTreeMap<BatchId, HashSet<u32>> = BTreeMap::new();
            for held in held::all(&context.store, &plan.id, &filter).await? {
                places.entry(held.batch).or_default().insert(held.row);
            }
            for (batch, places) in places {
                add_batch(setup, plan, &batch, Some(&places), &mut result).await?;
            }
        }
        Selection::Keys(keys) => {
            let keys = keys.iter().map(|key| plan.mapping.source_key(key)).collect::<engine::Result<Vec<_>>>()?;
            read(setup, plan, What::Keys(&keys), &mut result).await?;
        }
        Selection::Dates { from, to } => {
            let end = to.and_then(|to| to.succ_opt()).map(|day| setup.start_of(plan, day));
            let window = Window { from: Some(setup.start_of(plan, *from)), to: end };
            read(setup, plan, What::Window(window), &mut result).await?;
        }
        Selection::Changes | Selection::Full { .. } => {}
    }
    Ok(result)
}

async fn add_batch(
    setup: &Setup,
    plan: &SyncPlan,
    batch: &BatchId,
    places: Option<&HashSet<u32>>,
    result: &mut DryRun,
) -> anyhow::Result<()> {
    let Some(archived) = setup.context.store.archived(batch).await? else {
        return Err(not_found(format!("batch {batch} is not in the archive any more: replay with --key or --from")));
    };
    let rows = Block::decompress(&archived.payload)?;
    Ok(result.add(&setup.context, plan, &rows, places, FIRST).await?)
}

/// Reads from the source, page by page, and writes nothing.
async fn read(setup: &Setup, plan: &SyncPlan, what: What<'_>, result: &mut DryRun) -> anyhow::Result<()> {
    let source = setup.source(&plan.source).await?;
    let read: engine::Result<()> = async {
        let mut after = None;
        loop {
            let mut rows = RowsWriter::new(&plan.stream.columns);
            let request = ReadRequest { stream: &plan.stream, what, after: after.as_ref() };
            let page = source.read(request, &mut rows).await?;
            result.add(&setup.context, plan, &rows.into_rows()?, None, FIRST).await?;
            match page.next {
                Some(next) => after = Some(next),
                None => return Ok(()),
            }
        }
    }
    .await;
    source.close().await;
    Ok(read?)
}

#[derive(Debug, Serialize)]
struct Foreseen {
    sync: String,
    #[serde(flatten)]
    result: DryRun,
    #[serde(skip)]
    plan: Arc<SyncPlan>,
    #[serde(skip)]
    origins: Origins,
}

impl Answer for Foreseen {
    fn text(&self) -> String {
        let result = &self.result;
        let mut text = format!(
            "{}: {}: {} would be written, {} left out, {} rejected, {} waiting\n",
            self.sync,
            count(result.read, "row", "rows"),
            result.would_be_written,
            result.filtered,
            result.rejected,
            result.waiting
        );
        if !result.first.is_empty() {
            text.push('\n');
            text.push_str(&previews::text(&self.plan, &self.origins, &result.first));
        }
        text
    }
}
