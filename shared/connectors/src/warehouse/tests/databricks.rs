use std::collections::BTreeMap;
use std::sync::Arc;

use async_trait::async_trait;
use chrono::DateTime;
use engine::model::audit::{Counts, Outcome};
use engine::model::batch::{MappedBatch, Version};
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{
    AfterRun, Applied, Destination, DestinationCapabilities, Finding, Landed, Secret, Settlement, SystemClock, Totals,
    Which, Written,
};
use engine::{Error, Result};
use sandbox::databricks::{ColumnInfo, DatabricksSandbox};
use serde_json::json;
use tokio::sync::Mutex;

use super::{Harness, Texts};
use crate::databricks::sql::name;
use crate::databricks::{Databricks, DatabricksSettings};
use crate::warehouse::incoming::Incoming;
use crate::warehouse::meta;

const SCHEMA: &str = "`main`.`erp`";

/// A simulated workspace.
pub(crate) struct Workspace {
    sandbox: DatabricksSandbox,
    settings: DatabricksSettings,
    destination: AppliedAtOnce,
}

impl Workspace {
    /// With a schema, and small batches merged at once.
    pub async fn new() -> Self {
        Self::with(json!({})).await
    }

    /// The same where every batch lands.
    pub async fn landing() -> Self {
        Self::with(json!({"small_batch": 0})).await
    }

    async fn with(change: serde_json::Value) -> Self {
        let sandbox = DatabricksSandbox::builder().schema("main.erp").start().await.unwrap();
        let mut settings = json!({
            "url": sandbox.url(), "warehouse": "w1", "catalog": "main", "secret": "acme/databricks", "ask_every": "1ms"
        });
        settings.as_object_mut().unwrap().extend(change.as_object().unwrap().clone());
        let settings: DatabricksSettings = serde_json::from_value(settings).unwrap();
        let destination = AppliedAtOnce { destination: open(&settings), turn: Arc::default() };
        Self { sandbox, settings, destination }
    }

    fn asked(&self, sql: &str) -> Vec<Vec<Option<String>>> {
        self.sandbox.sql(sql).unwrap_or_else(|error| panic!("{sql}: {error}")).rows
    }
}

fn open(settings: &DatabricksSettings) -> Databricks {
    let fields = [("client_id", "sandbox"), ("client_secret", "secret")];
    let secret = Secret::new(fields.map(|(name, value)| (name.to_owned(), value.to_owned())).into_iter().collect());
    Databricks::open(settings, &secret, Arc::new(SystemClock::new())).unwrap()
}

#[async_trait]
impl Harness for Workspace {
    fn destination(&self) -> &dyn Destination {
        &self.destination
    }

    fn another(&self) -> Box<dyn Destination> {
        let turn = Arc::clone(&self.destination.turn);
        Box::new(AppliedAtOnce { destination: open(&self.settings), turn })
    }

    async fn rows(&self, table: &TableSpec) -> BTreeMap<String, Texts> {
        let columns = self.sandbox.columns(&format!("main.erp.{}", table.name)).unwrap();
        let select: Vec<String> = columns
            .iter()
            .map(|column| match column.ty.as_str() {
                "TIMESTAMP" => format!("unix_micros({})", name(&column.name)),
                _ => name(&column.name),
            })
            .collect();
        let rows = self.asked(&format!("SELECT {} FROM {SCHEMA}.{}", select.join(", "), name(&table.name)));
        let texts = |row: Vec<Option<String>>| -> Texts {
            let text = |(column, value): (&ColumnInfo, Option<String>)| {
                let value = value.map(|value| match column.ty.as_str() {
                    "TIMESTAMP" => {
                        let at = DateTime::from_timestamp_micros(value.parse().unwrap()).unwrap();
                        at.format("%Y-%m-%dT%H:%M:%S%.6fZ").to_string()
                    }
                    _ => value,
                });
                (column.name.clone(), value)
            };
            columns.iter().zip(row).map(text).collect()
        };
        rows.into_iter().map(texts).map(|row| (row[meta::SOURCE_ID].clone().unwrap_or_default(), row)).collect()
    }

    async fn run(&self, sql: &str) {
        self.asked(&sql.replace("{schema}", &format!("{SCHEMA}.")).replace(" text", " STRING"));
    }

    async fn ledger(&self) -> Vec<[i64; 7]> {
        let tables =
            self.asked("SELECT count(*) FROM main.information_schema.tables WHERE table_name = 'load_batches'");
        if tables[0][0].as_deref() == Some("0") {
            return Vec::new();
        }
        let sql = format!(
            "SELECT rows_in, inserted, updated, unchanged, superseded, deleted, 0 FROM {SCHEMA}.load_batches ORDER BY finished_at"
        );
        let number = |cell: &Option<String>| cell.as_deref().unwrap_or("0").parse().unwrap();
        self.asked(&sql).iter().map(|row| std::array::from_fn(|i| number(&row[i]))).collect()
    }

    fn tells_deleted_before(&self) -> bool {
        false
    }
}

/// A destination whose batches are runs of their own: each is written and applied before anybody looks.
pub(crate) struct AppliedAtOnce {
    destination: Databricks,
    /// The engine applies one run at a time to a table.
    turn: Arc<Mutex<()>>,
}

/// Applies what a run has landed, page by page, and gives every outcome its row.
pub(crate) async fn apply_all(
    destination: &dyn Destination,
    table: &TableSpec,
    landed: &Landed<'_>,
) -> Result<(Vec<Settlement>, Counts)> {
    let (mut settled, mut total, mut progress) = (Vec::new(), Counts::default(), None);
    for _ in 0..1_000 {
        match destination.apply(table, landed, progress.as_deref()).await? {
            Applied::Done => return Ok((settled, total)),
            Applied::UnderWay { progress: next, .. } => progress = Some(next),
            Applied::Settled { rows, counts, progress: next } => {
                settled.extend(rows);
                total.merge(&counts);
                progress = Some(next);
            }
        }
    }
    panic!("applying comes to an end")
}

impl AppliedAtOnce {
    /// Writes a batch and applies its run.
    async fn load(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        let landed = Landed { run: &batch.id.run, sync: &batch.sync, every_row: true };
        let mut written = self.destination.write(table, batch).await?;
        let turn = self.turn.lock().await;
        let (settled, counts) = apply_all(&self.destination, table, &landed).await?;
        drop(turn);
        let listed = Outcomes::of(settled.iter().map(|row| row.outcome));
        assert_eq!(listed, Outcomes::counted(&counts), "what is counted is what is listed");
        let settled: BTreeMap<u32, _> = settled.into_iter().map(|row| (row.row, row)).collect();
        let mut incoming = Incoming::new(table, batch)?;
        let mut at = 0;
        while let Some(row) = incoming.next()? {
            if written[at].outcome == Outcome::Landed {
                let settled = settled.get(&u32::try_from(row.seq).unwrap());
                let settled =
                    settled.ok_or_else(|| Error::stop(format!("row {} landed and was not applied", row.seq)))?;
                assert_eq!((settled.key.as_str(), settled.version), (row.key, batch.version));
                written[at].outcome = settled.outcome;
            }
            at += 1;
        }
        Ok(written)
    }
}

#[async_trait]
impl Destination for AppliedAtOnce {
    fn capabilities(&self) -> DestinationCapabilities {
        self.destination.capabilities()
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        self.destination.check(tables).await
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.destination.prepare(table).await
    }

    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        // One of two writers of a table meets a conflict and tries again, as the engine does.
        for _ in 0..20 {
            match self.load(table, batch).await {
                Err(error) if error.is_later() => {}
                written => return written,
            }
        }
        self.load(table, batch).await
    }

    async fn count_stale(&self, table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> Result<u64> {
        self.destination.count_stale(table, sync, before, except).await
    }

    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>> {
        self.destination.delete_stale(table, sync, before, except).await
    }

    async fn newer_among(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        keys: &[String],
        than: Version,
    ) -> Result<Vec<String>> {
        self.destination.newer_among(table, sync, keys, than).await
    }

    async fn totals(&self, table: &TableSpec, sync: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals> {
        self.destination.totals(table, sync, columns, except).await
    }

    async fn control_totals(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>> {
        self.destination.control_totals(table, sync, by, columns).await
    }

    async fn standing(&self, table: &TableSpec, sync: &SyncId, which: Which<'_>) -> Result<Rows> {
        self.destination.standing(table, sync, which).await
    }

    async fn count_standing(&self, table: &TableSpec, sync: &SyncId) -> Result<u64> {
        self.destination.count_standing(table, sync).await
    }

    async fn forget(&self, table: &TableSpec, sync: &SyncId, keys: &[RecordKey]) -> Result<()> {
        self.destination.forget(table, sync, keys).await
    }

    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>> {
        self.destination.mark_deleted(table, sync, before, keys).await
    }

    async fn after_run(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<AfterRun> {
        self.destination.after_run(table, landed, progress).await
    }
}

/// How many rows have which outcome, of those that applying gives.
#[derive(Debug, PartialEq, Eq)]
struct Outcomes([u64; 5]);

impl Outcomes {
    fn of(outcomes: impl Iterator<Item = Outcome>) -> Self {
        let mut counts = Counts::default();
        outcomes.for_each(|outcome| counts.add(outcome));
        Self::counted(&counts)
    }

    fn counted(counts: &Counts) -> Self {
        Self([counts.inserted, counts.updated, counts.deleted, counts.unchanged, counts.superseded])
    }
}
