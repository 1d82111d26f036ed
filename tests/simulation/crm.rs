//! A system with an API that takes records one at a time: it shows what it took only after a while, and other people work
//! in it too.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::batch::{MappedBatch, Version};
use engine::model::decimal::Decimal;
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::{Rows, RowsWriter};
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::model::value::Value;
use engine::ports::{
    AfterRun, Clock, Destination, DestinationCapabilities, Finding, Landed, OneByOne, Outgoing, Totals, Which, Written,
    standing,
};
use engine::{Error, Result};

use super::chaos::Chaos;

/// The record that other people change as well.
pub const SHARED: i64 = 11;

/// How long a write may stay out of sight.
const SETTLES: Duration = Duration::from_secs(30);

pub struct Crm {
    pub records: Mutex<BTreeMap<i64, Record>>,
    pub clock: Arc<dyn Clock>,
    pub chaos: Arc<Chaos>,
    /// Writes that changed nothing: what was there had come back, or was sent twice.
    pub needless: Mutex<u64>,
}

/// A record as it is, and as it is still shown.
pub struct Record {
    pub amount: Decimal,
    shown_before: Option<Decimal>,
    shown_from: DateTime<Utc>,
}

impl Crm {
    /// Somebody there changes what is not theirs.
    pub fn edit(&self) {
        if let Some(record) = self.records.lock().unwrap().get_mut(&SHARED) {
            record.amount = Decimal::new(i128::from(self.chaos.below(900)) + 1_000, 2);
            record.shown_from = self.clock.now();
        }
    }
}

fn not_here<T>() -> Result<T> {
    Err(Error::stop("records are read back by their keys only"))
}

#[async_trait]
impl Destination for Crm {
    fn capabilities(&self) -> DestinationCapabilities {
        let one_by_one = Some(OneByOne { settles_after: SETTLES, sessions: 1 });
        DestinationCapabilities { totals: false, parallel_batches: 1, applies_at_once: None, one_by_one }
    }

    async fn check(&self, _: &[&TableSpec]) -> Vec<Finding> {
        Vec::new()
    }

    async fn prepare(&self, _: &TableSpec) -> Result<()> {
        Ok(())
    }

    async fn write(&self, _: &TableSpec, _: &MappedBatch) -> Result<Vec<Written>> {
        not_here()
    }

    async fn send(&self, _: &TableSpec, record: &Outgoing<'_>) -> Result<Option<String>> {
        let [Value::Integer(id), Value::Decimal(amount)] = record.cells else { panic!("{:?}", record.cells) };
        let now = self.clock.now();
        let late = if !self.chaos.is_calm() && self.chaos.below(5) == 0 { self.chaos.below(20) } else { 0 };
        let mut records = self.records.lock().unwrap();
        let before = records.get(id).map(|record| record.amount);
        if before == Some(*amount) {
            *self.needless.lock().unwrap() += 1;
        }
        let shown_from = now + Duration::from_secs(late);
        records.insert(*id, Record { amount: *amount, shown_before: before, shown_from });
        Ok(Some(format!("crm-{id}")))
    }

    async fn standing(&self, table: &TableSpec, _: &SyncId, which: Which<'_>) -> Result<Rows> {
        let Which::Keys(keys) = which else { return not_here() };
        let columns: Vec<&str> =
            standing::COLUMNS.into_iter().chain(table.columns.iter().map(|column| column.name.as_str())).collect();
        let mut rows = RowsWriter::new(&columns);
        let records = self.records.lock().unwrap();
        for key in keys {
            let id: i64 = key.as_str().parse().unwrap();
            let Some(record) = records.get(&id) else { continue };
            let shown = match record.shown_from <= self.clock.now() {
                true => Some(record.amount),
                false => record.shown_before,
            };
            let Some(amount) = shown else { continue };
            let none = || Value::Null;
            let cells = [none(), none(), none(), Value::Bool(false), none(), none(), Value::Integer(id)];
            rows.push(cells.iter().chain([&Value::Decimal(amount)]));
        }
        rows.into_rows()
    }

    async fn count_stale(&self, _: &TableSpec, _: &SyncId, _: Version, _: &[String]) -> Result<u64> {
        not_here()
    }

    async fn delete_stale(&self, _: &TableSpec, _: &SyncId, _: Version, _: &[String]) -> Result<Vec<String>> {
        not_here()
    }

    async fn newer_among(&self, _: &TableSpec, _: &SyncId, _: &[String], _: Version) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    async fn totals(&self, _: &TableSpec, _: &SyncId, _: &[&str], _: &[String]) -> Result<Totals> {
        not_here()
    }

    async fn control_totals(&self, _: &TableSpec, _: &SyncId, _: &GroupBy, _: &[&str]) -> Result<Vec<GroupTotal>> {
        not_here()
    }

    async fn count_standing(&self, _: &TableSpec, _: &SyncId) -> Result<u64> {
        not_here()
    }

    async fn forget(&self, _: &TableSpec, _: &SyncId, _: &[RecordKey]) -> Result<()> {
        not_here()
    }

    async fn mark_deleted(&self, _: &TableSpec, _: &SyncId, _: Version, _: &[RecordKey]) -> Result<Vec<RecordKey>> {
        not_here()
    }

    async fn after_run(&self, _: &TableSpec, _: &Landed<'_>, _: Option<&str>) -> Result<AfterRun> {
        Ok(AfterRun::Done { note: None })
    }
}
