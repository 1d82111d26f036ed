//! Archived rows, looked at again: found by key, or mapped as if they were replayed.

use std::collections::{BTreeSet, HashMap, HashSet};

use engine::mapping::{Lookup, Mapped};
use engine::model::batch::Archived;
use engine::model::id::{BatchId, RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::value::Value;
use engine::plan::SyncPlan;
use engine::stages::{Context, Previewed};
use serde::Serialize;
use serde_json::{Map, Value as Json};

/// Runs whose archive is looked through for a key.
const RUNS: usize = 50;

/// Rows that are looked through for a key.
const ROWS: usize = 500_000;

/// The archived row of a record in a batch, as the source sent it.
///
/// # Errors
/// When the store fails, or the batch was read for an older mapping.
pub async fn row_of(
    context: &Context,
    plan: &SyncPlan,
    batch: &BatchId,
    key: &RecordKey,
) -> engine::Result<Option<Map<String, Json>>> {
    let Some(archived) = context.store.archived(batch).await? else {
        return Ok(None);
    };
    let mut found = None;
    each_row(plan, &archived, |columns, cells, mapped| {
        if key_of(&mapped).is_some_and(|of| of == key) {
            found = Some(as_json(columns, cells));
        }
        true
    })?;
    Ok(found)
}

/// Keys in the archive that are like what somebody asked for: all its parts occur in them.
///
/// # Errors
/// When the store fails.
pub async fn similar_keys(
    context: &Context,
    sync: &SyncId,
    wanted: &str,
    limit: usize,
) -> engine::Result<BTreeSet<String>> {
    let plan = context.plans.plan(sync)?;
    let parts: Vec<&str> = wanted.split(['|', ' ', ',', '/']).filter(|part| !part.is_empty()).collect();
    let mut similar = BTreeSet::new();
    let mut looked_at = 0;
    for run in context.store.runs(sync, RUNS).await? {
        for seq in 0..run.expected.unwrap_or(run.done) {
            let batch = BatchId { run: run.id.clone(), seq };
            let Some(archived) = context.store.archived(&batch).await? else {
                continue;
            };
            let read = each_row(&plan, &archived, |_, _, mapped| {
                looked_at += 1;
                if let Some(key) = key_of(&mapped)
                    && parts.iter().all(|part| key.as_str().contains(part))
                {
                    similar.insert(key.as_str().to_owned());
                }
                similar.len() < limit
            });
            // A batch of an older mapping tells no keys; others may.
            if read.is_err() {
                continue;
            }
            if similar.len() >= limit || looked_at >= ROWS {
                return Ok(similar);
            }
        }
    }
    Ok(similar)
}

fn key_of(mapped: &Mapped) -> Option<&RecordKey> {
    match mapped {
        Mapped::Row { key, .. } => Some(key),
        Mapped::Refused(refusal) => refusal.key.as_ref(),
        Mapped::Filtered => None,
    }
}

/// Maps the rows of an archived batch one after the other, as long as `look` wants more.
fn each_row(
    plan: &SyncPlan,
    archived: &Archived,
    mut look: impl FnMut(&[String], &[Value<'_>], Mapped) -> bool,
) -> engine::Result<()> {
    let rows = Rows::decompress(&archived.payload)?;
    let mapper = plan.mapping.bind(rows.columns())?;
    let (mut cells, mut out) = (Vec::new(), Vec::new());
    let mut reader = rows.reader();
    while reader.next_into(&mut cells)? {
        let mapped = mapper.map(&cells, &mut out);
        if !look(rows.columns(), &cells, mapped) {
            break;
        }
    }
    Ok(())
}

fn as_json(columns: &[String], cells: &[Value<'_>]) -> Map<String, Json> {
    columns.iter().cloned().zip(cells.iter().map(Value::to_json)).collect()
}

/// What would become of rows that are sent the same way once more. Nothing is written.
#[derive(Debug, Default, Serialize)]
pub struct DryRun {
    /// Rows.
    pub read: u64,
    /// Rows that map; the destination decides whether they are new, changed or known.
    pub would_be_written: u64,
    /// Rows that the sync's own condition leaves out.
    pub filtered: u64,
    /// Rows that cannot be mapped.
    pub rejected: u64,
    /// Rows that name a record which is not there.
    pub waiting: u64,
    /// The first of them.
    pub first: Vec<Previewed>,
}

impl DryRun {
    /// Maps the rows, or those at `places`, and keeps the first `limit` to be shown.
    ///
    /// # Errors
    /// When the store fails, or the rows were read for an older mapping.
    pub async fn add(
        &mut self,
        context: &Context,
        plan: &SyncPlan,
        rows: &Rows,
        places: Option<&HashSet<u32>>,
        limit: usize,
    ) -> engine::Result<()> {
        let mapper = plan.mapping.bind(rows.columns())?;
        let there = Links::find(context, plan, rows).await?;
        let (mut cells, mut out) = (Vec::new(), Vec::new());
        let mut reader = rows.reader();
        let mut place = 0;
        while reader.next_into(&mut cells)? {
            let wanted = places.is_none_or(|places| places.contains(&place));
            place += 1;
            if !wanted {
                continue;
            }
            let mapped = mapper.map(&cells, &mut out);
            let held = self.count(&mapped, &there);
            if self.first.len() < limit {
                let names = plan.table.columns.iter().map(|column| column.name.clone());
                let values = || names.zip(out.iter().map(Value::to_json)).collect();
                self.first.push(Previewed {
                    source: as_json(rows.columns(), &cells),
                    mapped: held.is_none().then(values),
                    key: key_of(&mapped).map(ToString::to_string),
                    held,
                });
            }
        }
        Ok(())
    }

    /// Counts a row; says why it would not be written.
    fn count(&mut self, mapped: &Mapped, there: &Links) -> Option<String> {
        self.read += 1;
        match mapped {
            Mapped::Filtered => {
                self.filtered += 1;
                Some("left out by the sync's own condition".to_owned())
            }
            Mapped::Refused(refusal) => {
                self.rejected += 1;
                Some(format!("{}: {}", refusal.field, refusal.reason))
            }
            Mapped::Row { lookups, .. } => match lookups.iter().find(|lookup| there.lacks(lookup)) {
                Some(missing) => {
                    self.waiting += 1;
                    Some(format!("waits for {} {} to be loaded", missing.stream, missing.key))
                }
                None => {
                    self.would_be_written += 1;
                    None
                }
            },
        }
    }
}

/// Records of other streams that are there.
struct Links(HashMap<String, HashSet<RecordKey>>);

impl Links {
    async fn find(context: &Context, plan: &SyncPlan, rows: &Rows) -> engine::Result<Self> {
        let mut there = HashMap::new();
        for (stream, keys) in named(plan, rows)? {
            let sync = SyncId { stream: stream.clone(), ..plan.id.clone() };
            let keys: Vec<_> = keys.into_iter().collect();
            let found = context.store.linked(&sync, &keys).await?;
            there.insert(stream, found.into_iter().map(|(key, _)| key).collect());
        }
        Ok(Self(there))
    }

    fn lacks(&self, lookup: &Lookup) -> bool {
        lookup.required && !self.0.get(&lookup.stream).is_some_and(|keys| keys.contains(&lookup.key))
    }
}

/// The records of other streams that these rows name.
fn named(plan: &SyncPlan, rows: &Rows) -> engine::Result<HashMap<String, HashSet<RecordKey>>> {
    let mapper = plan.mapping.bind(rows.columns())?;
    let mut named: HashMap<String, HashSet<RecordKey>> = HashMap::new();
    let (mut cells, mut out) = (Vec::new(), Vec::new());
    let mut reader = rows.reader();
    while reader.next_into(&mut cells)? {
        if let Mapped::Row { lookups, .. } = mapper.map(&cells, &mut out) {
            for lookup in lookups {
                named.entry(lookup.stream).or_default().insert(lookup.key);
            }
        }
    }
    Ok(named)
}
