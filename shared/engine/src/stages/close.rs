//! Closing a run: a task of its own with recorded steps, each safe to repeat, so that a function that dies between two
//! steps is continued and not forgotten.

use std::collections::HashSet;

use chrono::{DateTime, Utc};
use tracing::{info, warn};

use super::apply::{Step, apply};
use super::poll::NO_ROW;
use super::session::Session;
use super::transform::is_key_of_place;
use super::{Context, proof, start, tell};
use crate::error::Result;
use crate::metrics::{self, Unit};
use crate::model::audit::{AuditBatch, AuditEntry, Held, HeldWhy, Outcome, Settled};
use crate::model::batch::Version;
use crate::model::id::{BatchId, RecordKey, RunId, SyncId};
use crate::model::message::{Message, Reason, Task};
use crate::model::run::{CloseStep, Run, RunState};
use crate::model::sync::{End, SyncState};
use crate::model::window::{Selection, Window};
use crate::plan::SyncPlan;
use crate::ports::{AfterRun, HeldFilter, Landed};

/// Soft deletes of one run beyond this many records and beyond [`DELETES_PERCENT`] are held for a person.
const DELETES_ALWAYS: u64 = 50;

/// See [`DELETES_ALWAYS`].
const DELETES_PERCENT: u64 = 2;

/// Held records are listed in pages of this size.
const HELD_PAGE: usize = 1_000;

/// Records woken by one poll task.
const WAKE_AT_ONCE: usize = 500;

pub(super) async fn close(
    context: &Context,
    sync: &SyncId,
    run: &RunId,
    deadline: Option<DateTime<Utc>>,
) -> Result<()> {
    let plan = context.plans.plan(sync)?;
    let Some(mut run) = context.store.update_run(run, &mut Run::begin_closing).await? else {
        warn!(%sync, %run, "the run to be closed is not known");
        return Ok(());
    };
    while let RunState::Closing { step } = run.state {
        let stepped = match step {
            CloseStep::Apply => apply(context, &plan, &mut run, deadline).await?,
            CloseStep::AfterRun => match after_run(context, &plan, &run).await {
                Ok(stepped) => stepped,
                Err(failure) => Step::Done(Some(failure.to_string())),
            },
            _ => Step::Done(step_at_once(context, &plan, &run, step).await?),
        };
        let warning = match stepped {
            Step::Done(warning) => warning,
            Step::Later(delay) => {
                let task = Task::Close { sync: sync.clone(), run: run.id.clone() };
                return context.queue.send(&Message::new(task), delay.min(context.limits.longest_delay)).await;
            }
        };
        let now = context.clock.now();
        let closed = context
            .store
            .update_run(&run.id, &mut |run| {
                run.warnings.extend(warning.clone().filter(|warning| !run.warnings.contains(warning)));
                run.closed_step(step, now);
            })
            .await?;
        match closed {
            Some(closed) => run = closed,
            None => return Ok(()),
        }
    }
    info!(%sync, run = %run.id, counts = ?run.counts, "closed");
    Ok(())
}

/// A step that nothing has to be waited for in; its warning.
async fn step_at_once(context: &Context, plan: &SyncPlan, run: &Run, step: CloseStep) -> Result<Option<String>> {
    Ok(match step {
        CloseStep::Apply | CloseStep::AfterRun => None,
        CloseStep::Sweep => sweep(context, plan, run).await?,
        CloseStep::Watermark => finish(context, run).await?,
        CloseStep::Proof => warning_of(prove(context, plan, run).await),
        CloseStep::Tell => warning_of(tell::ask(context, run).await),
        CloseStep::WakeUps => warning_of(wake_up(context, plan, run).await),
    })
}

/// What fails after the watermark has moved becomes a warning: it never blocks the next poll.
fn warning_of(result: Result<()>) -> Option<String> {
    result.err().map(|failure| failure.to_string())
}

/// Marks deleted what a full read did not find: only after the source counts what was read, only records older than the
/// run, and never many of them without a person.
async fn sweep(context: &Context, plan: &SyncPlan, run: &Run) -> Result<Option<String>> {
    let Selection::Full { accept_deletes } = run.selection else { return Ok(None) };
    let read = run.counts.polled - run.counts.superseded;
    let source = match count_source(context, plan, run).await {
        Ok(count) => count,
        Err(failure) if failure.is_later() => return Err(failure),
        Err(failure) => return Ok(Some(format!("nothing was marked deleted: the source does not count: {failure}"))),
    };
    if source != read {
        return Ok(Some(format!("nothing was marked deleted: the source counts {source} records, {read} were read")));
    }
    let before = Version::start_of(run.epoch);
    let held = all_held(context, &plan.id).await?;
    let nameless = held.iter().filter(|held| is_key_of_place(&held.key) && held.version >= before.0).count();
    if nameless > 0 {
        return Ok(Some(format!(
            "nothing was marked deleted: {nameless} records came without a usable key, and nobody knows which they are"
        )));
    }
    let except: Vec<String> = held.into_iter().map(|held| held.key.as_str().to_owned()).collect();
    let destination = context.connectors.destination(&run.sync.tenant, &plan.destination).await?;
    if destination.capabilities().one_by_one.is_some() {
        return Ok(None);
    }
    destination.prepare(&plan.table).await?;
    let stale = destination.count_stale(&plan.table, &run.sync, before, &except).await?;
    let allowed = deletes_allowed(source);
    if stale > allowed && !accept_deletes {
        return Ok(Some(format!(
            "{stale} records are no longer at the source, more than the {allowed} that are marked deleted without \
             asking: look at them, then run {} with --full --accept-deletes",
            plan.id.stream
        )));
    }
    let deleted = destination.delete_stale(&plan.table, &run.sync, before, &except).await?;
    if deleted.is_empty() {
        return Ok(None);
    }
    let swept = deleted.len() as u64;
    let audit = AuditBatch {
        sync: run.sync.clone(),
        batch: BatchId { run: run.id.clone(), seq: run.expected.unwrap_or(0) },
        part: 0,
        at: context.clock.now(),
        mapping: run.mapping,
        version: before.0,
        entries: deleted
            .into_iter()
            .map(|key| AuditEntry {
                key: RecordKey::new(key),
                outcome: Outcome::Deleted,
                detail: Some("no longer at the source".to_owned()),
            })
            .collect(),
    };
    context.store.write_audit(&audit).await?;
    context.store.update_run(&run.id, &mut |run| run.swept = swept).await?;
    Ok(None)
}

/// How many records are marked deleted without asking, of a source with so many.
pub(super) fn deletes_allowed(source: u64) -> u64 {
    // A source without any record is more likely one that hides them all.
    if source == 0 { 0 } else { DELETES_ALWAYS.max(source * DELETES_PERCENT / 100) }
}

async fn count_source(context: &Context, plan: &SyncPlan, run: &Run) -> Result<u64> {
    let session = Session::open(context, &run.sync.tenant, &plan.source, run.id.as_str()).await?;
    let counted = async {
        session.permit(context, session.source.capabilities(&plan.stream).sessions).await?;
        session.source.count(&plan.stream, Window::default()).await
    }
    .await;
    session.close(context, &counted).await;
    counted
}

/// Moves the watermark, releases the lease, and starts the run that was asked for in between.
async fn finish(context: &Context, run: &Run) -> Result<Option<String>> {
    let end = match run.selection.moves_watermark() {
        true => End::Complete { up_to: run.complete_up_to },
        false => End::Aside,
    };
    if run.selection.moves_watermark() && run.window == Window::default() {
        settle_nameless(context, run).await?;
    }
    let finish = &mut |state: &mut SyncState| _ = state.finish(&run.id, end);
    let state = context.store.update_sync(&run.sync, finish).await?;
    if let Some(mark) = state.watermark {
        let lag = u64::try_from((context.clock.now() - mark).num_seconds()).unwrap_or(0);
        metrics::emit("WatermarkLagSeconds", lag, Unit::Seconds);
    }
    if state.owes_a_run() {
        start::send_again(context, &run.sync).await?;
    }
    Ok(None)
}

/// A run that has read everything has seen every row without a usable key again: the older holds of such rows, which
/// are known only by where they lay, are answered by its own.
async fn settle_nameless(context: &Context, run: &Run) -> Result<()> {
    let version = Version::start_of(run.epoch).0 - 1;
    let settled: Vec<_> = all_held(context, &run.sync)
        .await?
        .into_iter()
        .filter(|held| is_key_of_place(&held.key) && held.version <= version)
        .map(|held| Settled { key: held.key, version, run: run.id.clone() })
        .collect();
    match settled.is_empty() {
        true => Ok(()),
        false => context.store.settle(&run.sync, &settled).await,
    }
}

async fn after_run(context: &Context, plan: &SyncPlan, run: &Run) -> Result<Step> {
    let destination = context.connectors.destination(&plan.id.tenant, &plan.destination).await?;
    destination.prepare(&plan.table).await?;
    let landed = Landed { run: &run.id, sync: &run.sync, every_row: false };
    match destination.after_run(&plan.table, &landed, run.progress.as_deref()).await? {
        AfterRun::UnderWay { progress, after } => {
            context.store.update_run(&run.id, &mut |run| run.comes_on(CloseStep::AfterRun, &progress)).await?;
            return Ok(Step::Later(after));
        }
        AfterRun::Done { note: Some(note) } => {
            let keep = &mut |run: &mut Run| {
                if !run.notes.contains(&note) {
                    run.notes.push(note.clone());
                }
            };
            context.store.update_run(&run.id, keep).await?;
        }
        AfterRun::Done { note: None } => {}
    }
    let keep = chrono::Duration::from_std(plan.keep_archive).unwrap_or(chrono::Duration::MAX);
    if let Some(before) = context.clock.now().checked_sub_signed(keep) {
        context.store.expire_archive(&plan.id, before).await?;
    }
    Ok(Step::Done(None))
}

/// Reads again what waited for records of this sync that are there now; what has waited too long becomes a reject.
async fn wake_up(context: &Context, plan: &SyncPlan, run: &Run) -> Result<()> {
    let now = context.clock.now();
    for sync in context.plans.syncs(&plan.id.tenant, &plan.id.integration)? {
        let waiting = context.plans.plan(&sync)?;
        let filter =
            HeldFilter { waiting_for: Some(plan.id.stream.clone()), limit: HELD_PAGE, ..HeldFilter::default() };
        let mut after = None;
        let mut wake = Vec::new();
        loop {
            let page = context.store.held(&sync, &HeldFilter { after, ..filter.clone() }).await?;
            let Some(last) = page.last() else { break };
            after = Some(last.key.clone());
            let wanted: Vec<RecordKey> =
                page.iter().filter_map(waits_for).collect::<HashSet<_>>().into_iter().collect();
            let there: HashSet<RecordKey> =
                context.store.linked(&plan.id, &wanted).await?.into_iter().map(|(key, _)| key).collect();
            let mut given_up = Vec::new();
            for held in page {
                if waits_for(&held).is_some_and(|key| there.contains(&key)) {
                    wake.push(held.key);
                } else if let (HeldWhy::Waiting { stream, key }, true) =
                    (&held.why, now > held.since + waiting.wait_at_most)
                {
                    given_up.push(Held {
                        why: HeldWhy::TimedOut { stream: stream.clone(), key: key.clone() },
                        reason: format!("{} since {}; it is tried again when it comes", held.reason, held.since),
                        ..held
                    });
                }
            }
            context.store.hold(&given_up).await?;
        }
        for (i, keys) in wake.chunks(WAKE_AT_ONCE).enumerate() {
            // The same closing names the same runs, so a step that is repeated starts nothing twice.
            let id = RunId::new(format!("{}-{}-{i}", run.id, sync.stream));
            start::send(context, &sync, id, Reason::WakeUp, Selection::Keys(keys.to_vec())).await?;
        }
    }
    Ok(())
}

fn waits_for(held: &Held) -> Option<RecordKey> {
    held.why.hopes_for().map(|(_, key)| key.clone())
}

async fn prove(context: &Context, plan: &SyncPlan, run: &Run) -> Result<()> {
    if !run.selection.moves_watermark() {
        return Ok(());
    }
    let destination = context.connectors.destination(&plan.id.tenant, &plan.destination).await?;
    if destination.capabilities().one_by_one.is_some() {
        // Each record that was sent was read back.
        return Ok(());
    }
    let proof = proof::prove(context, plan, run).await?;
    context.store.update_run(&run.id, &mut |run| run.proof = Some(proof.clone())).await?;
    Ok(())
}

/// All held records of a sync. They are few by nature; should they be many, that is what a person has to see first.
pub(super) async fn all_held(context: &Context, sync: &SyncId) -> Result<Vec<Held>> {
    let mut all: Vec<Held> = Vec::new();
    loop {
        let after = all.last().map(|held| held.key.clone());
        let page = context.store.held(sync, &HeldFilter { after, limit: HELD_PAGE, ..HeldFilter::default() }).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Whether a held record lies in the archive.
pub(super) fn is_archived(held: &Held) -> bool {
    held.row != NO_ROW
}
