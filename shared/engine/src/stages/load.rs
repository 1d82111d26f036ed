//! Load: write a batch so that doing it twice changes nothing, audit it, mark it done. Whoever completes the last batch
//! asks for the run to be closed.

use std::collections::HashSet;

use chrono::{DateTime, Utc};

use super::Context;
use super::handle::internal;
use super::one_by_one::{self, Passed};
use super::poll::{release_if_given_up, send_close_if_due};
use super::transform::mapped_rows;
use crate::error::Result;
use crate::metrics::{self, Unit};
use crate::model::audit::{AuditBatch, AuditEntry, Counts, Held, HeldWhy, Outcome, Settled};
use crate::model::batch::{MappedBatch, Version, meta};
use crate::model::id::{BatchId, RecordKey, SyncId};
use crate::model::message::{BatchTask, Message, Task};
use crate::model::rows::Rows;
use crate::model::value::Value;
use crate::plan::SyncPlan;
use crate::ports::{HeldFilter, Written};

/// Held records are listed in pages of this size.
const HELD_PAGE: usize = 1_000;

pub(super) async fn load(
    context: &Context,
    task: &BatchTask,
    payload: &[u8],
    deadline: Option<DateTime<Utc>>,
) -> Result<()> {
    let plan = context.plans.plan(&task.sync)?;
    let newest_epoch = keep_lease(context, task).await?;
    let rows = mapped_rows(context, &plan, task, payload).await?;
    let records = records(&rows)?;
    let held_before = match context.store.held_count(&task.sync).await? {
        (0, 0) => Vec::new(),
        _ => {
            let keys: Vec<RecordKey> = records.iter().map(|(key, _)| key.clone()).collect();
            context.store.held_among(&task.sync, &keys).await?
        }
    };
    let mut is_one_by_one = false;
    let written = if records.is_empty() {
        Vec::new()
    } else {
        let destination = context.connectors.destination(&task.sync.tenant, &plan.destination).await?;
        is_one_by_one = destination.capabilities().one_by_one.is_some();
        destination.prepare(&plan.table).await?;
        let batch = MappedBatch {
            id: task.batch.clone(),
            part: task.part,
            sync: task.sync.clone(),
            version: task.version,
            mapping: task.mapping,
            // An older version of a held record may be replayed some day: what is read now has to stand above it even
            // when it changes nothing.
            touch: task.touch || !held_before.is_empty(),
            at: context.clock.now(),
            rows,
        };
        match destination.capabilities().one_by_one {
            None => destination.write(&plan.table, &batch).await?,
            Some(way) => match one_by_one::write(context, &plan, &batch, destination.as_ref(), way, deadline).await? {
                Passed::All(written) => written,
                Passed::Part(delay) => {
                    let again = Message::with_rows(Task::Load(task.clone()), payload.to_vec());
                    return context.queue.send(&again, delay).await;
                }
            },
        }
    };
    if written.len() != records.len() {
        return Err(internal(format!(
            "batch {}: the destination answered for {} of {} records",
            task.batch,
            written.len(),
            records.len()
        )));
    }
    let mut counts = task.counts;
    for one in &written {
        counts.add(one.outcome);
    }
    if !counts.balanced() {
        return Err(internal(format!("batch {}: not every record is accounted for: {counts:?}", task.batch)));
    }
    let place = Place {
        sync: &task.sync,
        batch: task.batch.clone(),
        part: task.part,
        mapping: task.mapping,
        version: task.version,
        keeps_links: plan.keeps_links && !is_one_by_one,
    };
    remember(context, &place, &records, &written, &held_before).await?;
    if task.version.epoch() < newest_epoch && task.counts.rejected + task.counts.waiting > 0 {
        release_overtaken(context, &plan, task).await?;
    }
    match context.store.batch_done(&task.batch, &counts).await? {
        Some(run) => {
            measure(&counts);
            release_if_given_up(context, &run).await?;
            send_close_if_due(context, &run).await
        }
        None => Err(internal(format!("run {} is not known", task.batch.run))),
    }
}

/// Figures of a batch that is done; one that is done twice counts twice.
pub(super) fn measure(counts: &Counts) {
    for outcome in Outcome::ALL {
        let records = counts.of(outcome);
        if records > 0 {
            metrics::emit(outcome.metric(), records, Unit::Count);
        }
    }
}

/// What the engine has to know of a mapped record: its key, and its row in the archived batch.
type Record = (RecordKey, u32);

fn records(rows: &Rows) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    while reader.next_head_into(meta::COLUMNS.len(), &mut cells)? {
        let (Some(Value::Text(key)), Some(Value::Integer(row))) = (cells.first(), cells.get(4)) else {
            return Err(internal("a mapped row does not begin with its key and its place"));
        };
        records.push((RecordKey::new(key.as_ref()), u32::try_from(*row).unwrap_or(u32::MAX)));
    }
    Ok(records)
}

/// Where records come from.
pub(super) struct Place<'a> {
    pub(super) sync: &'a SyncId,
    pub(super) batch: BatchId,
    /// Part of the batch's audit.
    pub(super) part: u32,
    pub(super) mapping: u32,
    pub(super) version: Version,
    /// Whether the destination knows its records by our keys, and others of the integration name them.
    pub(super) keeps_links: bool,
}

/// Writes what became of each record: audit, holds, links. Each write is safe to repeat. Of a record that has only landed
/// nothing is known yet.
pub(super) async fn remember(
    context: &Context,
    place: &Place<'_>,
    records: &[Record],
    written: &[Written],
    held_before: &[RecordKey],
) -> Result<()> {
    let at = context.clock.now();
    let mut entries = Vec::new();
    let mut held = Vec::new();
    let mut links = Vec::new();
    let mut open = HashSet::new();
    for ((key, row), one) in records.iter().zip(written) {
        if one.outcome.is_audited() {
            entries.push(AuditEntry { key: key.clone(), outcome: one.outcome, detail: one.reason.clone() });
        }
        match one.outcome {
            Outcome::Landed => _ = open.insert(key),
            Outcome::Rejected => {
                open.insert(key);
                held.push(refused(place, key, *row, one, at));
            }
            // A warehouse knows a record by the key we gave it.
            _ if place.keeps_links => links.push((key.clone(), key.as_str().to_owned())),
            _ => {}
        }
    }
    if !entries.is_empty() {
        let audit = AuditBatch {
            sync: place.sync.clone(),
            batch: place.batch.clone(),
            part: place.part,
            at,
            mapping: place.mapping,
            version: place.version.0,
            entries,
        };
        context.store.write_audit(&audit).await?;
    }
    if !links.is_empty() {
        context.store.link(place.sync, &links).await?;
    }
    if !held.is_empty() {
        context.store.hold(&held).await?;
    }
    let settled: Vec<_> = held_before
        .iter()
        .filter(|key| !open.contains(key))
        .map(|key| Settled { key: key.clone(), version: place.version.0, run: place.batch.run.clone() })
        .collect();
    if !settled.is_empty() {
        context.store.settle(place.sync, &settled).await?;
    }
    Ok(())
}

/// A record that the destination refused, as it is held.
fn refused(place: &Place<'_>, key: &RecordKey, row: u32, one: &Written, at: DateTime<Utc>) -> Held {
    Held {
        sync: place.sync.clone(),
        key: key.clone(),
        why: HeldWhy::Rejected,
        field: None,
        value: None,
        reason: one.reason.clone().unwrap_or_else(|| "the destination refused the record".to_owned()),
        batch: place.batch.clone(),
        row,
        version: place.version.0,
        since: at,
    }
}

/// A late or replayed batch may hold a record that a later read has long brought in good order: then nothing is held.
async fn release_overtaken(context: &Context, plan: &SyncPlan, task: &BatchTask) -> Result<()> {
    let mut filter = HeldFilter { run: Some(task.batch.run.clone()), limit: HELD_PAGE, ..HeldFilter::default() };
    let destination = context.connectors.destination(&task.sync.tenant, &plan.destination).await?;
    destination.prepare(&plan.table).await?;
    loop {
        let page = context.store.held(&task.sync, &filter).await?;
        let Some(last) = page.last() else { return Ok(()) };
        filter.after = Some(last.key.clone());
        let keys: Vec<String> = page.iter().map(|held| held.key.as_str().to_owned()).collect();
        let newer = match destination.capabilities().one_by_one {
            None => destination.newer_among(&plan.table, &task.sync, &keys, task.version).await?,
            Some(_) => newer_linked(context, task, &keys).await?,
        };
        let settled: Vec<_> = newer
            .into_iter()
            .map(|key| Settled { key: RecordKey::new(key), version: task.version.0, run: task.batch.run.clone() })
            .collect();
        if !settled.is_empty() {
            context.store.settle(&task.sync, &settled).await?;
        }
    }
}

/// Those of these records on which both sides agreed in a later version.
async fn newer_linked(context: &Context, task: &BatchTask, keys: &[String]) -> Result<Vec<String>> {
    let keys: Vec<RecordKey> = keys.iter().map(RecordKey::new).collect();
    let links = context.store.links(&task.sync, &keys).await?;
    let newer = links.into_iter().filter(|(_, link)| link.version > task.version.0);
    Ok(newer.map(|(key, _)| key.as_str().to_owned()).collect())
}

/// Loading is progress too: the run keeps its lease while its batches arrive. Returns the newest epoch of the sync.
async fn keep_lease(context: &Context, task: &BatchTask) -> Result<u64> {
    let half = context.clock.now() + context.limits.lease / 2;
    let state = context.store.sync(&task.sync).await?;
    if state.lease.as_ref().is_some_and(|lease| lease.run == task.batch.run && lease.until < half) {
        let until = context.lease_until();
        let run = &task.batch.run;
        context
            .store
            .update_sync(&task.sync, &mut |state| {
                state.renew(run, until);
            })
            .await?;
    }
    Ok(state.epoch)
}
