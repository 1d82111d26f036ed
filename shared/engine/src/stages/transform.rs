//! Transform: source rows become destination rows. What cannot be mapped is held with its reason; the rest goes on.

use std::collections::{HashMap, HashSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use chrono::{DateTime, Utc};

use super::Context;
use super::handle::internal;
use crate::error::{Error, Result};
use crate::mapping::{Lookup, Mapped, Mapper, Refusal};
use crate::model::audit::{AuditBatch, AuditEntry, Counts, Held, HeldWhy, Outcome};
use crate::model::batch::meta;
use crate::model::id::{BatchId, RecordKey, SyncId};
use crate::model::message::{BatchTask, Message, Task};
use crate::model::rows::{Rows, RowsWriter};
use crate::model::value::Value;
use crate::plan::SyncPlan;

/// The audit lines of transform are this part of a batch, those of load are part 0.
const PART: u32 = 1;

pub(super) async fn transform(context: &Context, task: &BatchTask, payload: &[u8]) -> Result<()> {
    let plan = context.plans.plan(&task.sync)?;
    let rows = source_rows(context, task, payload).await?;
    let mapped = map(context, &plan, task, &rows).await?;
    write_audit(context, task, &mapped).await?;
    context.store.hold(&mapped.held).await?;
    let task = BatchTask { counts: mapped.counts, ..task.clone() };
    let payload = mapped.rows.compress()?;
    let payload = if payload.len() <= context.limits.message_bytes { payload } else { Vec::new() };
    context.queue.send(&Message::with_rows(Task::Load(task), payload), Duration::ZERO).await
}

/// The rows of a batch as they came: from the message, or from the archive when they were too many for one.
pub(super) async fn source_rows(context: &Context, task: &BatchTask, payload: &[u8]) -> Result<Rows> {
    if !payload.is_empty() {
        return Rows::decompress(payload);
    }
    let archived = context.store.archived(&task.batch).await?;
    let archived = archived
        .ok_or_else(|| Error::stop(format!("batch {} is not in the archive: read its window again", task.batch)))?;
    Rows::decompress(&archived.payload)
}

/// A mapped batch, before it is sent on.
pub(super) struct MappedRows {
    /// [`meta::COLUMNS`], then the columns of the table.
    pub rows: RowsWriter,
    /// What stays behind.
    pub held: Vec<Held>,
    /// Records that a later one of the same batch replaces.
    pub superseded: Vec<RecordKey>,
    /// The account so far.
    pub counts: Counts,
}

/// Maps the rows of a batch. Reads `links` when the mapping looks records up; writes nothing.
pub(super) async fn map(context: &Context, plan: &SyncPlan, task: &BatchTask, rows: &Rows) -> Result<MappedRows> {
    let mut pass = Pass {
        plan,
        task,
        mapper: plan.mapping.bind(rows.columns())?,
        since: context.clock.now(),
        links: None,
        winners: None,
    };
    // Nearly always the first pass is the only one. A batch that names records of other streams, or brings a key twice,
    // is gone through again with what the pass found out.
    loop {
        match pass.run(rows)? {
            Passed::Mapped(mapped) => return Ok(mapped),
            Passed::Wanted(wanted) => pass.links = Some(find_links(context, plan, wanted).await?),
            Passed::KeyTwice => pass.winners = Some(winners(&pass.mapper, rows)?),
        }
    }
}

/// The wanted records: stream → keys.
type Wanted = HashMap<String, HashSet<RecordKey>>;

/// What a pass over a batch came to.
enum Passed {
    Mapped(MappedRows),
    Wanted(Wanted),
    KeyTwice,
}

/// A pass over the rows of a batch, with what earlier passes found out.
struct Pass<'a> {
    plan: &'a SyncPlan,
    task: &'a BatchTask,
    mapper: Mapper<'a>,
    since: DateTime<Utc>,
    links: Option<Links>,
    winners: Option<HashMap<RecordKey, u32>>,
}

impl Pass<'_> {
    fn run(&self, rows: &Rows) -> Result<Passed> {
        let columns = meta::COLUMNS.iter().copied().chain(self.plan.table.columns.iter().map(|c| c.name.as_str()));
        let mut out = MappedRows {
            rows: RowsWriter::new(&columns.collect::<Vec<_>>()),
            held: Vec::new(),
            superseded: Vec::new(),
            counts: self.task.counts,
        };
        let mut wanted = Wanted::new();
        let mut seen = HashSet::new();
        let (mut cells, mut mapped) = (Vec::new(), Vec::new());
        let mut reader = rows.reader();
        let mut row: u32 = 0;
        while reader.next_into(&mut cells)? {
            out.counts.polled += 1;
            match map_row(&self.mapper, &cells, &mut mapped) {
                Mapped::Filtered => out.counts.add(Outcome::Filtered),
                Mapped::Refused(refusal) => self.refuse(&mut out, row, refusal),
                Mapped::Row { key, updated_at, lookups } => {
                    if let Some(winners) = &self.winners {
                        if winners.get(&key) != Some(&row) {
                            out.counts.add(Outcome::Superseded);
                            out.superseded.push(key);
                            row += 1;
                            continue;
                        }
                    } else if !seen.insert(xxhash_rust::xxh3::xxh3_64(key.as_str().as_bytes())) {
                        return Ok(Passed::KeyTwice);
                    }
                    let missing = match &self.links {
                        Some(links) => links.fill(&lookups, &mut mapped),
                        None => {
                            for Lookup { stream, key, .. } in lookups {
                                wanted.entry(stream).or_default().insert(key);
                            }
                            None
                        }
                    };
                    match missing {
                        Some(missing) => self.wait(&mut out, row, key, missing),
                        None => self.push(&mut out, row, &key, updated_at, &mapped),
                    }
                }
            }
            row += 1;
        }
        Ok(if wanted.is_empty() { Passed::Mapped(out) } else { Passed::Wanted(wanted) })
    }

    fn push(&self, out: &mut MappedRows, row: u32, key: &RecordKey, updated_at: Option<i64>, mapped: &[Value<'_>]) {
        let head = [
            Value::text(key.as_str()),
            updated_at.map_or(Value::Null, Value::Timestamp),
            Value::Hash(self.plan.mapping.content_hash(mapped)),
            Value::Bool(false),
            Value::Integer(i64::from(row)),
        ];
        out.rows.push(head.iter().chain(mapped));
    }

    fn refuse(&self, out: &mut MappedRows, row: u32, refusal: Refusal) {
        let key = refusal.key.unwrap_or_else(|| key_of_place(&self.task.batch, row));
        out.counts.add(Outcome::Rejected);
        out.held.push(Held {
            field: Some(refusal.field),
            value: Some(refusal.value),
            ..self.held(key, row, HeldWhy::Rejected, refusal.reason)
        });
    }

    fn wait(&self, out: &mut MappedRows, row: u32, key: RecordKey, missing: &Lookup) {
        let why = HeldWhy::Waiting { stream: missing.stream.clone(), key: missing.key.clone() };
        let reason = format!("waits for {} {} to be loaded", missing.stream, missing.key);
        out.counts.add(Outcome::Waiting);
        out.held.push(self.held(key, row, why, reason));
    }

    fn held(&self, key: RecordKey, row: u32, why: HeldWhy, reason: String) -> Held {
        Held {
            sync: self.task.sync.clone(),
            key,
            why,
            field: None,
            value: None,
            reason,
            batch: self.task.batch.clone(),
            row,
            version: self.task.version.0,
            since: self.since,
        }
    }
}

/// Maps one row; a row that makes the mapping panic is refused like any other that cannot be mapped.
fn map_row<'v>(mapper: &Mapper<'_>, cells: &[Value<'v>], mapped: &mut Vec<Value<'v>>) -> Mapped {
    catch_unwind(AssertUnwindSafe(|| mapper.map(cells, mapped))).unwrap_or_else(|_| {
        Mapped::Refused(Refusal {
            key: None,
            field: String::new(),
            value: String::new(),
            reason: "mapping this row failed in an unforeseen way; please report it with the archived row".to_owned(),
        })
    })
}

/// Rows without a usable key are known by where they lie.
pub(super) fn key_of_place(batch: &BatchId, row: u32) -> RecordKey {
    RecordKey::new(format!("?{batch}#{row}"))
}

/// Whether a held record is known only by where it lies.
pub(super) fn is_key_of_place(key: &RecordKey) -> bool {
    key.as_str().starts_with('?')
}

/// For every key of a batch, which row counts: the one with the greatest stamp, among equals the last.
fn winners(mapper: &Mapper<'_>, rows: &Rows) -> Result<HashMap<RecordKey, u32>> {
    let mut winners: HashMap<RecordKey, (Option<i64>, u32)> = HashMap::new();
    let (mut cells, mut mapped) = (Vec::new(), Vec::new());
    let mut reader = rows.reader();
    let mut row = 0;
    while reader.next_into(&mut cells)? {
        if let Mapped::Row { key, updated_at, .. } = map_row(mapper, &cells, &mut mapped) {
            let best = winners.entry(key).or_insert((updated_at, row));
            if updated_at >= best.0 {
                *best = (updated_at, row);
            }
        }
        row += 1;
    }
    Ok(winners.into_iter().map(|(key, (_, row))| (key, row)).collect())
}

/// The records of other streams that a batch names and that are there: stream → key → id there.
#[derive(Default)]
struct Links(HashMap<String, HashMap<RecordKey, String>>);

impl Links {
    /// Fills the looked-up columns; returns the first required record that is not there.
    fn fill<'l>(&self, lookups: &'l [Lookup], mapped: &mut [Value<'_>]) -> Option<&'l Lookup> {
        for lookup in lookups {
            match self.0.get(&lookup.stream).and_then(|found| found.get(&lookup.key)) {
                None if lookup.required => return Some(lookup),
                None => {}
                Some(there) => {
                    if let Some(cell) = lookup.column.and_then(|column| mapped.get_mut(column)) {
                        *cell = Value::Text(there.clone().into());
                    }
                }
            }
        }
        None
    }
}

async fn find_links(context: &Context, plan: &SyncPlan, wanted: Wanted) -> Result<Links> {
    let mut links = Links::default();
    for (stream, keys) in wanted {
        let sync = SyncId { stream: stream.clone(), ..plan.id.clone() };
        let keys: Vec<_> = keys.into_iter().collect();
        links.0.insert(stream, context.store.linked(&sync, &keys).await?.into_iter().collect());
    }
    Ok(links)
}

async fn write_audit(context: &Context, task: &BatchTask, mapped: &MappedRows) -> Result<()> {
    let held = mapped.held.iter().map(|held| AuditEntry {
        key: held.key.clone(),
        outcome: if held.is_waiting() { Outcome::Waiting } else { Outcome::Rejected },
        detail: Some(match &held.field {
            Some(field) if !field.is_empty() => format!("{field}: {}", held.reason),
            _ => held.reason.clone(),
        }),
    });
    let superseded = mapped.superseded.iter().map(|key| AuditEntry {
        key: key.clone(),
        outcome: Outcome::Superseded,
        detail: Some("the same key came again in this batch".to_owned()),
    });
    let entries: Vec<_> = held.chain(superseded).collect();
    if entries.is_empty() {
        return Ok(());
    }
    let audit = AuditBatch {
        sync: task.sync.clone(),
        batch: task.batch.clone(),
        part: PART,
        at: context.clock.now(),
        mapping: task.mapping,
        version: task.version.0,
        entries,
    };
    context.store.write_audit(&audit).await
}

/// The mapped rows of a load task: from its message, or mapped again when they were too many for one.
pub(super) async fn mapped_rows(context: &Context, plan: &SyncPlan, task: &BatchTask, payload: &[u8]) -> Result<Rows> {
    if !payload.is_empty() {
        return Rows::decompress(payload);
    }
    let rows = source_rows(context, task, &[]).await?;
    let fresh = BatchTask { counts: Counts::default(), ..task.clone() };
    let mapped = map(context, plan, &fresh, &rows).await?;
    let carried = task.counts.polled - task.counts.rejected - task.counts.waiting - task.counts.filtered;
    if mapped.rows.len() as u64 + task.counts.superseded != carried {
        return Err(internal(format!("batch {} maps to other rows than before: replay it", task.batch)));
    }
    mapped.rows.into_rows()
}
