//! Databricks as the engine sees it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use engine::model::batch::{MappedBatch, Version};
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{
    AfterRun, Applied, Clock, Destination, DestinationCapabilities, Finding, Landed, Secret, Totals, Which, Written,
};
use engine::{Error, Result};

use super::client::Client;
use super::read::Reader;
use super::settings::DatabricksSettings;
use super::sql::Place;
use super::{apply, check, jobs, load};
use crate::warehouse::fingerprint;

/// Batches that are landed at once: as many as calls that are made at once.
const PARALLEL_BATCHES: usize = 4;

/// A Databricks workspace as a destination.
pub struct Databricks {
    client: Client,
    /// The tables that were found to be as declared, by their fingerprints.
    prepared: Mutex<HashMap<u128, Arc<Place>>>,
    /// Held while a table is being made what is wanted: one is enough to do it.
    making: tokio::sync::Mutex<()>,
}

impl Databricks {
    /// Reads the settings and the secret they name; calls nothing yet.
    ///
    /// # Errors
    /// Stops when a setting cannot be used or the secret lacks a field, and says what to write.
    pub fn open(settings: &DatabricksSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self {
            client: Client::new(settings.clone(), secret, clock)?,
            prepared: Mutex::default(),
            making: tokio::sync::Mutex::default(),
        })
    }

    /// Where a table is, once it is as declared.
    async fn ready(&self, table: &TableSpec) -> Result<Arc<Place>> {
        let key = fingerprint(table);
        if let Some(place) = self.prepared().get(&key) {
            return Ok(Arc::clone(place));
        }
        let _one = self.making.lock().await;
        if let Some(place) = self.prepared().get(&key) {
            return Ok(Arc::clone(place));
        }
        let place = Arc::new(Place::of(&self.client.settings, table));
        self.client.migrate(table, &place).await?;
        self.prepared().insert(key, Arc::clone(&place));
        Ok(place)
    }

    fn prepared(&self) -> MutexGuard<'_, HashMap<u128, Arc<Place>>> {
        self.prepared.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The error for the caller. A table that somebody changed is looked at again the next time.
    fn err(&self, error: Error) -> Error {
        if !error.is_later() {
            self.prepared().clear();
        }
        error.at(format!("Databricks `{}.{}`", self.client.settings.catalog, self.client.settings.schema))
    }

    /// Asks a table that is as declared.
    async fn read<T>(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        ask: impl AsyncFnOnce(Reader<'_>) -> Result<T>,
    ) -> Result<T> {
        let read = async {
            let place = self.ready(table).await?;
            ask(Reader { client: &self.client, place: &place, table, sync }).await
        };
        read.await.map_err(|e| self.err(e))
    }
}

#[async_trait]
impl Destination for Databricks {
    fn capabilities(&self) -> DestinationCapabilities {
        DestinationCapabilities {
            totals: true,
            parallel_batches: PARALLEL_BATCHES,
            applies_at_once: Some(self.client.settings.applies_at_once),
            one_by_one: None,
        }
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        check::check(&self.client, tables).await
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.ready(table).await.map(|_| ()).map_err(|e| self.err(e))
    }

    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        let write = async {
            let place = self.ready(table).await?;
            load::write(&self.client, &place, table, batch).await
        };
        write.await.map_err(|e| self.err(e).at(format!("batch {}", batch.id)))
    }

    async fn count_stale(&self, table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> Result<u64> {
        self.read(table, sync, async |reader| reader.count_stale(before, except).await).await
    }

    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>> {
        self.read(table, sync, async |reader| reader.delete_stale(before, except).await).await
    }

    async fn newer_among(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        keys: &[String],
        than: Version,
    ) -> Result<Vec<String>> {
        self.read(table, sync, async |reader| reader.newer_among(keys, than).await).await
    }

    async fn totals(&self, table: &TableSpec, sync: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals> {
        self.read(table, sync, async |reader| reader.totals(columns, except).await).await
    }

    async fn control_totals(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>> {
        self.read(table, sync, async |reader| reader.control_totals(by, columns).await).await
    }

    async fn standing(&self, table: &TableSpec, sync: &SyncId, which: Which<'_>) -> Result<Rows> {
        self.read(table, sync, async |reader| reader.standing(which).await).await
    }

    async fn count_standing(&self, table: &TableSpec, sync: &SyncId) -> Result<u64> {
        self.read(table, sync, async |reader| reader.count_standing().await).await
    }

    async fn forget(&self, table: &TableSpec, sync: &SyncId, keys: &[RecordKey]) -> Result<()> {
        self.read(table, sync, async |reader| reader.forget(keys).await).await
    }

    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>> {
        self.read(table, sync, async |reader| reader.mark_deleted(before, keys).await).await
    }

    async fn apply(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<Applied> {
        let apply = async {
            let place = self.ready(table).await?;
            apply::apply(&self.client, &place, table, landed, progress).await
        };
        apply.await.map_err(|e| self.err(e).at(format!("run {}", landed.run)))
    }

    async fn after_run(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<AfterRun> {
        let ended = jobs::after_run(&self.client, table, landed, progress).await;
        ended.map_err(|e| self.err(e))
    }
}
