//! A warehouse that loads files: what is written only lands, and is applied when its run closes.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use connectors::warehouse::Sqlite;
use engine::Result;
use engine::model::audit::{Counts, Outcome};
use engine::model::batch::{MappedBatch, Version, meta};
use engine::model::id::{RecordKey, RunId, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::{
    AfterRun, Applied, Destination, DestinationCapabilities, Finding, Landed, Settlement, Totals, Which, Written,
};

use super::chaos::Chaos;

/// Lands batches, and applies them to the database inside.
pub struct Staged {
    pub inner: Sqlite,
    pub chaos: Arc<Chaos>,
    pub landed: Mutex<BTreeMap<(RunId, u32), MappedBatch>>,
}

/// Key and row of each record of a batch.
fn places(batch: &MappedBatch) -> Vec<(RecordKey, u32)> {
    let (mut places, mut cells, mut reader) = (Vec::new(), Vec::new(), batch.rows.reader());
    while reader.next_head_into(meta::COLUMNS.len(), &mut cells).unwrap() {
        let (Value::Text(key), Value::Integer(row)) = (&cells[0], &cells[4]) else { panic!("{cells:?}") };
        places.push((RecordKey::new(key.as_ref()), u32::try_from(*row).unwrap()));
    }
    places
}

#[async_trait]
impl Destination for Staged {
    fn capabilities(&self) -> DestinationCapabilities {
        DestinationCapabilities { applies_at_once: Some(1), ..self.inner.capabilities() }
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        self.inner.check(tables).await
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.inner.prepare(table).await
    }

    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        // A small batch is written at once, however often it comes.
        let places = places(batch);
        if batch.id.seq == 0 && places.len() <= 2 {
            return self.inner.write(table, batch).await;
        }
        self.landed.lock().unwrap().insert((batch.id.run.clone(), batch.id.seq), batch.clone());
        Ok(places.iter().map(|_| Outcome::Landed.into()).collect())
    }

    /// The first call applies everything, the others list it batch by batch. The ledger inside remembers the outcomes.
    async fn apply(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<Applied> {
        let batches: Vec<MappedBatch> = {
            let all = self.landed.lock().unwrap();
            all.iter().filter(|((run, _), _)| run == landed.run).map(|(_, batch)| batch.clone()).collect()
        };
        let Some(from) = progress else {
            for batch in &batches {
                self.inner.write(table, batch).await?;
            }
            return Ok(Applied::UnderWay {
                progress: "0".to_owned(),
                after: Duration::from_secs(self.chaos.below(200)),
            });
        };
        let from: usize = from.parse().unwrap();
        let Some(batch) = batches.get(from) else { return Ok(Applied::Done) };
        let written = self.inner.write(table, batch).await?;
        let mut counts = Counts::default();
        let mut rows = Vec::new();
        for ((key, row), one) in places(batch).into_iter().zip(written) {
            counts.add(one.outcome);
            if landed.every_row || one.outcome.is_audited() {
                let (seq, outcome) = (batch.id.seq, one.outcome);
                rows.push(Settlement { seq, row, key, outcome, version: batch.version, mapping: batch.mapping });
            }
        }
        Ok(Applied::Settled { rows, counts, progress: (from + 1).to_string() })
    }

    async fn count_stale(&self, table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> Result<u64> {
        self.inner.count_stale(table, sync, before, except).await
    }

    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>> {
        self.inner.delete_stale(table, sync, before, except).await
    }

    async fn newer_among(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        keys: &[String],
        than: Version,
    ) -> Result<Vec<String>> {
        self.inner.newer_among(table, sync, keys, than).await
    }

    async fn totals(&self, table: &TableSpec, sync: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals> {
        self.inner.totals(table, sync, columns, except).await
    }

    async fn control_totals(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>> {
        self.inner.control_totals(table, sync, by, columns).await
    }

    async fn standing(&self, table: &TableSpec, sync: &SyncId, which: Which<'_>) -> Result<Rows> {
        self.inner.standing(table, sync, which).await
    }

    async fn count_standing(&self, table: &TableSpec, sync: &SyncId) -> Result<u64> {
        self.inner.count_standing(table, sync).await
    }

    async fn forget(&self, table: &TableSpec, sync: &SyncId, keys: &[RecordKey]) -> Result<()> {
        self.inner.forget(table, sync, keys).await
    }

    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>> {
        self.inner.mark_deleted(table, sync, before, keys).await
    }

    async fn after_run(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<AfterRun> {
        self.inner.after_run(table, landed, progress).await
    }
}
