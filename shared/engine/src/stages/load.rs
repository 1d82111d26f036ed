//! Load: write a batch so that doing it twice changes nothing, audit it, mark it done. Whoever completes the last batch
//! asks for the run to be closed.

use super::Context;
use super::handle::internal;
use super::poll::{release_if_given_up, send_close_if_due};
use super::transform::mapped_rows;
use crate::error::Result;
use crate::metrics::{self, Unit};
use crate::model::audit::{AuditBatch, AuditEntry, Counts, Held, HeldWhy, Outcome, Settled};
use crate::model::batch::{MappedBatch, meta};
use crate::model::id::RecordKey;
use crate::model::message::BatchTask;
use crate::model::rows::Rows;
use crate::model::value::Value;
use crate::plan::SyncPlan;
use crate::ports::{HeldFilter, Written};

/// Held records are listed in pages of this size.
const HELD_PAGE: usize = 1_000;

pub(super) async fn load(context: &Context, task: &BatchTask, payload: &[u8]) -> Result<()> {
    let plan = context.plans.plan(&task.sync)?;
    let newest_epoch = keep_lease(context, task).await?;
    let rows = mapped_rows(context, &plan, task, payload).await?;
    let records = records(&rows)?;
    let keys: Vec<RecordKey> = records.iter().map(|record| record.key.clone()).collect();
    let held_before = match context.store.held_count(&task.sync).await? {
        (0, 0) => Vec::new(),
        _ => context.store.held_among(&task.sync, &keys).await?,
    };
    let written = if records.is_empty() {
        Vec::new()
    } else {
        let destination = context.connectors.destination(&task.sync.tenant, &plan.destination).await?;
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
        destination.write(&plan.table, &batch).await?
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
    remember(context, &plan, task, &records, &written, &held_before).await?;
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
fn measure(counts: &Counts) {
    for outcome in Outcome::ALL {
        let records = counts.of(outcome);
        if records > 0 {
            metrics::emit(outcome.metric(), records, Unit::Count);
        }
    }
}

/// What the engine has to know of a mapped record.
struct Record {
    key: RecordKey,
    row: u32,
}

fn records(rows: &Rows) -> Result<Vec<Record>> {
    let mut records = Vec::new();
    let mut cells = Vec::new();
    let mut reader = rows.reader();
    while reader.next_head_into(meta::COLUMNS.len(), &mut cells)? {
        let (Some(Value::Text(key)), Some(Value::Integer(row))) = (cells.first(), cells.get(4)) else {
            return Err(internal("a mapped row does not begin with its key and its place"));
        };
        records.push(Record { key: RecordKey::new(key.as_ref()), row: u32::try_from(*row).unwrap_or(u32::MAX) });
    }
    Ok(records)
}

/// Writes what became of each record: audit, holds, links. Each write is safe to repeat.
async fn remember(
    context: &Context,
    plan: &SyncPlan,
    task: &BatchTask,
    records: &[Record],
    written: &[Written],
    held_before: &[RecordKey],
) -> Result<()> {
    let at = context.clock.now();
    let mut entries = Vec::new();
    let mut held = Vec::new();
    let mut links = Vec::new();
    for (record, one) in records.iter().zip(written) {
        if one.outcome.is_audited() {
            entries.push(AuditEntry { key: record.key.clone(), outcome: one.outcome, detail: one.reason.clone() });
        }
        if one.outcome == Outcome::Rejected {
            let reason = one.reason.clone().unwrap_or_else(|| "the destination refused the record".to_owned());
            held.push(Held {
                sync: task.sync.clone(),
                key: record.key.clone(),
                why: HeldWhy::Rejected,
                field: None,
                value: None,
                reason,
                batch: task.batch.clone(),
                row: record.row,
                version: task.version.0,
                since: at,
            });
        } else if plan.keeps_links {
            // A warehouse knows a record by the key we gave it.
            links.push((record.key.clone(), record.key.as_str().to_owned()));
        }
    }
    if !entries.is_empty() {
        let audit = AuditBatch {
            sync: task.sync.clone(),
            batch: task.batch.clone(),
            part: task.part,
            at,
            mapping: task.mapping,
            version: task.version.0,
            entries,
        };
        context.store.write_audit(&audit).await?;
    }
    if !links.is_empty() {
        context.store.link(&task.sync, &links).await?;
    }
    if !held.is_empty() {
        context.store.hold(&held).await?;
    }
    let settled: Vec<_> = held_before
        .iter()
        .filter(|key| !held.iter().any(|held| held.key == **key))
        .map(|key| Settled { key: key.clone(), version: task.version.0, run: task.batch.run.clone() })
        .collect();
    if !settled.is_empty() {
        context.store.settle(&task.sync, &settled).await?;
    }
    Ok(())
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
        let newer = destination.newer_among(&plan.table, &task.sync, &keys, task.version).await?;
        let settled: Vec<_> = newer
            .into_iter()
            .map(|key| Settled { key: RecordKey::new(key), version: task.version.0, run: task.batch.run.clone() })
            .collect();
        if !settled.is_empty() {
            context.store.settle(&task.sync, &settled).await?;
        }
    }
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
