//! Writes attributes back to PeopleSoft, one record at a time, and reads back what became of them.
//!
//! Invariants: nothing is created and nothing is deleted: a record that PeopleSoft does not have is refused, because it is
//! created there by the people who answer for it. A call is made once; whoever does not know what became of it reads the
//! record back. What is read back goes through the same queries as everything that is read.

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use engine::model::batch::{MappedBatch, Version};
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{
    AfterRun, Clock, Destination, DestinationCapabilities, Finding, Landed, OneByOne, Outgoing, Secret, Totals, Which,
    Written,
};
use engine::{Error, Result};

use super::check;
use super::client::Client;
use super::query::Call;
use super::query_settings::CompanionSettings;
use super::refusal::{Looked, Told};
use super::settings::PeopleSoftSettings;
use super::source::PeopleSoftSource;
use super::write_settings::WriteMethod;
use super::writes::body;
use super::writes::reading::Reading;
use super::writes::{WriteDefinition, writes};
use crate::http::Method;

/// Writes to one PeopleSoft database through its Integration Broker: one call is in flight.
pub struct PeopleSoftDestination {
    source: PeopleSoftSource,
    /// How long after a call queries may show a record as it was.
    settles_after: Duration,
}

impl PeopleSoftDestination {
    /// A destination. Nothing is called yet.
    ///
    /// # Errors
    /// Stops when the settings cannot work or the secret lacks a field.
    pub fn new(settings: &PeopleSoftSettings, secret: &Secret, clock: Arc<dyn Clock>) -> Result<Self> {
        settings.validate()?;
        let settles_after = writes(Some(settings))?.iter().map(|write| write.settles_after.0).max().unwrap_or_default();
        let mut settings = settings.clone();
        // Nothing is counted: of the records there only some are written to.
        settings.totals = false;
        for query in settings.queries.values_mut() {
            query.totals = Some(CompanionSettings { enabled: Some(false), ..CompanionSettings::default() });
        }
        Ok(Self { source: PeopleSoftSource::new(settings, secret, clock)?, settles_after })
    }

    fn client(&self) -> &Client {
        &self.source.client
    }

    fn settings(&self) -> &PeopleSoftSettings {
        &self.client().settings
    }

    /// How a table is written and read back.
    ///
    /// # Errors
    /// Stops when the connection knows no such table, or cannot find its records by their key.
    fn plan(&self, table: &TableSpec) -> Result<(WriteDefinition, Reading)> {
        let write = WriteDefinition::of(&table.name, self.settings())?;
        let reading = Reading::new(&write, table, self.settings())?;
        let plan = self.source.plan(&reading.stream)?;
        if !plan.finds_keys() {
            return Err(Error::stop(format!(
                "the table `{}` cannot be written: what is written is read back, and {} finds no record by its key; create \
                 the query {}_K, or name one in `writes.{}.read`",
                table.name, write.read, write.read, table.name
            )));
        }
        if let Some(column) = reading.stream.columns.iter().find(|column| plan.treatments.hides(column)) {
            return Err(Error::stop(format!(
                "the table `{}` cannot be written: {column} is personal, and what is hashed or dropped when it is read \
                 cannot be compared; leave it out of the sync, or keep it by `personal.columns`",
                table.name
            )));
        }
        drop(plan);
        Ok((write, reading))
    }

    /// Looks whether the operation of a table can be called. A GET changes nothing, also where the operation takes it.
    async fn look(&self, write: &WriteDefinition) -> Finding {
        let operation = &write.operation;
        let what = format!("write `{}` by {operation}", write.table);
        let call = Call {
            path: operation.clone(),
            query: None,
            body: None,
            headers: Vec::new(),
            what: format!("operation {operation}"),
        };
        match self.client().look(&call).await {
            Ok(Looked::There) => Finding::good(
                what,
                format!("it is there, active and granted; whether it writes shows with the first {}", write.record),
            ),
            Ok(Looked::Unclear(said)) => Finding::good(
                what,
                format!(
                    "cannot be told without writing: {said}, which an operation may also answer to another method than {}. It has \
                     to be created and active, with an active any-to-local routing, and granted to the user; the first {} \
                     shows it",
                    write.method.as_str(),
                    write.record
                ),
            ),
            Err(error) => Finding::bad(
                what,
                format!("{error}. `ml-connector peoplesoft queries --all` prints what it has to accept and to answer"),
            ),
        }
    }
}

fn only_written(table: &TableSpec) -> Error {
    Error::stop(format!(
        "`{}` is no table: PeopleSoft is written to record by record and read back by key, and its other records are its own",
        table.name
    ))
}

#[async_trait]
impl Destination for PeopleSoftDestination {
    fn capabilities(&self) -> DestinationCapabilities {
        DestinationCapabilities {
            totals: false,
            parallel_batches: 1,
            applies_at_once: None,
            one_by_one: Some(OneByOne { settles_after: self.settles_after, sessions: 1 }),
        }
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        let mut findings = Vec::new();
        let mut plans = Vec::new();
        for table in tables {
            match self.plan(table) {
                Ok(plan) => plans.push(plan),
                Err(error) => findings.push(Finding::bad(check::SETTINGS, error.to_string())),
            }
        }
        if plans.is_empty() {
            return findings;
        }
        let streams: Vec<_> = plans.iter().map(|(_, reading)| &reading.stream).collect();
        let read = check::check(&self.source, &streams).await;
        let is_reached =
            self.client().is_reached() && !read.iter().any(|finding| !finding.ok && finding.what == check::REACH);
        findings.extend(read);
        if is_reached {
            for (write, _) in &plans {
                findings.push(self.look(write).await);
            }
        }
        findings
    }

    /// Nothing is created in PeopleSoft; what the settings lack is said before anything is read.
    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        self.plan(table).map(|_| ())
    }

    async fn write(&self, table: &TableSpec, _batch: &MappedBatch) -> Result<Vec<Written>> {
        Err(only_written(table))
    }

    async fn send(&self, table: &TableSpec, record: &Outgoing<'_>) -> Result<Option<String>> {
        let write = WriteDefinition::of(&table.name, self.settings())?;
        if record.there.is_none() {
            return Err(Error::reject(format!(
                "PeopleSoft has no {} {}: it is created there, and written to from then on",
                write.record,
                body::shown(record)
            )));
        }
        let call = body::call(&write, table, record, self.settings())?;
        let method = match write.method {
            WriteMethod::Post => Method::POST,
            WriteMethod::Put => Method::PUT,
            WriteMethod::Patch => Method::PATCH,
        };
        let told = Told { success: &write.success, message: &write.message, id: &write.id };
        self.client().write(&call, method, &told).await
    }

    async fn standing(&self, table: &TableSpec, _: &SyncId, which: Which<'_>) -> Result<Rows> {
        match which {
            Which::Keys(keys) => {
                let (_, reading) = self.plan(table)?;
                reading.standing(&self.source, table, keys).await
            }
            Which::After(..) => Err(only_written(table)),
        }
    }

    /// PeopleSoft keeps no version of ours, so none is newer.
    async fn newer_among(&self, _: &TableSpec, _: &SyncId, _: &[String], _: Version) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// PeopleSoft keeps nothing of what was written, so there is nothing to forget.
    async fn forget(&self, _: &TableSpec, _: &SyncId, _: &[RecordKey]) -> Result<()> {
        Ok(())
    }

    async fn count_stale(&self, table: &TableSpec, _: &SyncId, _: Version, _: &[String]) -> Result<u64> {
        Err(only_written(table))
    }

    async fn delete_stale(&self, table: &TableSpec, _: &SyncId, _: Version, _: &[String]) -> Result<Vec<String>> {
        Err(only_written(table))
    }

    async fn totals(&self, table: &TableSpec, _: &SyncId, _: &[&str], _: &[String]) -> Result<Totals> {
        Err(only_written(table))
    }

    async fn control_totals(&self, table: &TableSpec, _: &SyncId, _: &GroupBy, _: &[&str]) -> Result<Vec<GroupTotal>> {
        Err(only_written(table))
    }

    async fn count_standing(&self, table: &TableSpec, _: &SyncId) -> Result<u64> {
        Err(only_written(table))
    }

    async fn mark_deleted(&self, table: &TableSpec, _: &SyncId, _: Version, _: &[RecordKey]) -> Result<Vec<RecordKey>> {
        Err(only_written(table))
    }

    async fn after_run(&self, _: &TableSpec, _: &Landed<'_>, _: Option<&str>) -> Result<AfterRun> {
        Ok(AfterRun::Done { note: None })
    }
}
