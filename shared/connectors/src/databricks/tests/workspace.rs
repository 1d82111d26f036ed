//! A simulated workspace, and the batches of runs that are loaded into it.

use std::sync::Arc;

use chrono::{DateTime, TimeDelta, Utc};
use engine::model::audit::{Counts, Outcome};
use engine::model::batch::MappedBatch;
use engine::model::id::RunId;
use engine::model::table::TableSpec;
use engine::ports::{Applied, Destination, Landed, Settlement};
use sandbox::databricks::{Builder, DatabricksSandbox, Principal};
use serde_json::{Value as Json, json};

use super::fixture::{secret, settings};
use crate::databricks::Databricks;
use crate::warehouse::tests::databricks::apply_all;
use crate::warehouse::tests::sample::{self, Sample, sync};

/// The clock of both sides.
#[derive(Clone)]
pub(super) struct Clock(sandbox::clock::Clock);

impl engine::ports::Clock for Clock {
    fn now(&self) -> DateTime<Utc> {
        self.0.now()
    }
}

/// A workspace with the schema `main.erp`.
pub(super) struct Workspace {
    pub(super) sandbox: DatabricksSandbox,
    clock: Clock,
}

impl Workspace {
    pub(super) async fn new() -> Self {
        Self::of(DatabricksSandbox::builder()).await
    }

    pub(super) async fn of(builder: Builder) -> Self {
        let clock = Clock(sandbox::clock::Clock::fixed(sample::at()));
        let builder = builder.clock(clock.0.clone()).schema("main.erp");
        Self { sandbox: builder.start().await.unwrap(), clock }
    }

    pub(super) fn forward(&self, seconds: i64) {
        self.clock.0.advance(TimeDelta::seconds(seconds));
    }

    /// A destination whose batches land, unless it is said otherwise.
    pub(super) fn destination(&self, change: Json) -> Databricks {
        self.destination_of("sandbox", "secret", change)
    }

    pub(super) fn destination_of(&self, id: &str, password: &str, change: Json) -> Databricks {
        let mut all = json!({"small_batch": 0});
        all.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let secret = secret(&[("client_id", id), ("client_secret", password)]);
        Databricks::open(&settings(&self.sandbox.url(), all), &secret, Arc::new(self.clock.clone())).unwrap()
    }

    /// The only value of a query that somebody else makes.
    pub(super) fn value(&self, sql: &str) -> String {
        let rows = self.sandbox.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}"));
        rows.rows[0][0].clone().unwrap_or_default()
    }

    /// How many statements of the destination apply rows.
    pub(super) fn merges(&self) -> usize {
        self.sandbox.count_statements("MERGE INTO `main`.`erp`.`t`")
    }
}

/// Somebody who may do everything but this.
pub(super) fn principal(id: &str) -> Principal {
    Principal::new(id, "secret")
}

/// A batch of a run.
pub(super) fn batch(table: &TableSpec, run: &str, seq: u32, version: i64, rows: &[Sample]) -> MappedBatch {
    let mut batch = sample::batch(table, run, version, rows);
    batch.id.seq = seq;
    batch
}

/// Lands a batch, all of it.
pub(super) async fn land(destination: &Databricks, table: &TableSpec, batch: &MappedBatch) {
    let written = destination.write(table, batch).await.unwrap();
    assert!(written.iter().all(|row| row.outcome == Outcome::Landed), "{written:?}");
}

/// Applies a run.
pub(super) async fn close(
    destination: &Databricks,
    table: &TableSpec,
    run: &str,
) -> engine::Result<(Vec<Settlement>, Counts)> {
    let (run, sync) = (RunId::new(run), sync());
    apply_all(destination, table, &Landed { run: &run, sync: &sync, every_row: false }).await
}

/// One step of applying a run.
pub(super) async fn step(
    destination: &Databricks,
    table: &TableSpec,
    run: &str,
    progress: Option<&str>,
) -> engine::Result<Applied> {
    let (run, sync) = (RunId::new(run), sync());
    destination.apply(table, &Landed { run: &run, sync: &sync, every_row: false }, progress).await
}

/// Inserted, updated, deleted, unchanged, superseded.
pub(super) fn told(counts: &Counts) -> [u64; 5] {
    [counts.inserted, counts.updated, counts.deleted, counts.unchanged, counts.superseded]
}
