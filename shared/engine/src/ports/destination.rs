//! A system that records are written to.

use std::time::Duration;

use async_trait::async_trait;

use super::Finding;
use crate::error::{Error, Result};
use crate::model::audit::{Counts, Outcome};
use crate::model::batch::{MappedBatch, Version};
use crate::model::decimal::Decimal;
use crate::model::id::{RecordKey, RunId, SyncId};
use crate::model::rows::Rows;
use crate::model::table::TableSpec;
use crate::model::totals::{GroupBy, GroupTotal};
use crate::model::value::Value;

/// What a destination can truthfully do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationCapabilities {
    /// Whether it counts and sums what it holds.
    pub totals: bool,
    /// How many batches of one table may be written at once.
    pub parallel_batches: usize,
    /// How many runs may be applied at once, of all tables, where batches only land until their run closes; `None` where
    /// every batch is applied as it is written.
    pub applies_at_once: Option<u32>,
    /// How records are written, where the system takes them one at a time through its API and not in batches.
    pub one_by_one: Option<OneByOne>,
}

/// How a system takes records one at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OneByOne {
    /// How long after a call what it has written may still not be there to be read back.
    pub settles_after: Duration,
    /// How many may write at once on one connection.
    pub sessions: u32,
}

/// A record that is sent to a system that takes them one at a time.
#[derive(Debug, Clone, Copy)]
pub struct Outgoing<'a> {
    /// Which record.
    pub key: &'a RecordKey,
    /// The values of the table's columns.
    pub cells: &'a [Value<'a>],
    /// The values of the same columns as they stand there; `None` when the system has no such record.
    pub there: Option<&'a [Value<'a>]>,
    /// Our reference of this call, by which its traces are found in the other system.
    pub reference: &'a str,
}

/// What became of one row of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its outcome.
    pub outcome: Outcome,
    /// Why, when it was refused: the database's own words and what to do next.
    pub reason: Option<String>,
}

impl From<Outcome> for Written {
    fn from(outcome: Outcome) -> Self {
        Self { outcome, reason: None }
    }
}

/// A run that closes: what it has landed is applied, and what belongs to its end is done.
#[derive(Debug, Clone, Copy)]
pub struct Landed<'a> {
    /// Which run.
    pub run: &'a RunId,
    /// Of which sync.
    pub sync: &'a SyncId,
    /// Whether rows that stayed as they were are listed too: some of them are held or linked.
    pub every_row: bool,
}

/// What became of one row that had landed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settlement {
    /// Number of its batch in the run.
    pub seq: u32,
    /// Its row in the archived batch, from 0.
    pub row: u32,
    /// Its record.
    pub key: RecordKey,
    /// Its outcome.
    pub outcome: Outcome,
    /// The version of the record.
    pub version: Version,
    /// The version of the mapping.
    pub mapping: u32,
}

/// How far applying has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Applied {
    /// It is under way at the destination.
    UnderWay {
        /// Where it goes on, in the destination's own words.
        progress: String,
        /// How long to wait before it is asked again.
        after: Duration,
    },
    /// Some rows are applied.
    Settled {
        /// What became of them; rows that stayed as they were only where every row is asked for.
        rows: Vec<Settlement>,
        /// How many rows have which outcome, those that are not listed included.
        counts: Counts,
        /// Where it goes on, in the destination's own words.
        progress: String,
    },
    /// Everything that had landed is applied and was listed.
    Done,
}

/// How far the work at the end of a run has come.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum AfterRun {
    /// It is under way at the destination.
    UnderWay {
        /// Where it goes on, in the destination's own words.
        progress: String,
        /// How long to wait before it is asked again.
        after: Duration,
    },
    /// It is done.
    Done {
        /// What people should know of it.
        note: Option<String>,
    },
}

/// Counts and sums of what a destination holds of a sync.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Totals {
    /// Records that are not marked deleted.
    pub records: u64,
    /// The exact sum per asked column, in the order asked; `None` for no rows.
    pub sums: Vec<Option<Decimal>>,
}

/// Which records of a table are read back.
#[derive(Debug, Clone, Copy)]
pub enum Which<'a> {
    /// Those that follow this key in the order of the table's own key, at most so many; from the first without one.
    After(Option<&'a RecordKey>, usize),
    /// Those of these keys that are there, in no order.
    Keys(&'a [RecordKey]),
}

/// Names of the columns that precede the table's own in the rows of [`Destination::standing`].
pub mod standing {
    /// `_source_id`; null where something else wrote the record.
    pub const ID: &str = "_id";
    /// The source's own time of change, as it was loaded: a timestamp, or null.
    pub const UPDATED_AT: &str = "_updated_at";
    /// Hash of the content as it was loaded; null where it is not known.
    pub const HASH: &str = "_hash";
    /// Whether the record is marked deleted.
    pub const DELETED: &str = "_deleted";
    /// The version of the record: a whole number, or null.
    pub const VERSION: &str = "_version";
    /// The version of the mapping it was loaded with, or last seen unchanged by: a whole number, or null.
    pub const MAPPING: &str = "_mapping";
    /// All of them, in their order.
    pub const COLUMNS: [&str; 6] = [ID, UPDATED_AT, HASH, DELETED, VERSION, MAPPING];
}

/// A system that records are written to.
#[async_trait]
pub trait Destination: Send + Sync {
    /// What it can do.
    fn capabilities(&self) -> DestinationCapabilities;

    /// Tries everything that loading these tables needs and says what works and what an administrator must do.
    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding>;

    /// Creates the table or adds what it lacks. Only ever adds; safe to repeat and to run twice at once.
    ///
    /// # Errors
    /// Stops when the table has a column of another type or another key, and says in words what to do.
    async fn prepare(&self, table: &TableSpec) -> Result<()>;

    /// Writes a batch so that writing it twice changes nothing: by key, guarded by version, with the batch's outcomes
    /// in a ledger in the same transaction. A batch the ledger knows is not written again; its outcomes are returned as
    /// they were. Returns one entry per row, in their order; refused rows are entries, not errors. Where files are loaded
    /// many at a time a row may only have landed: then [`Destination::apply`] tells its outcome.
    ///
    /// # Errors
    /// Later for what passes by itself, Stop for permissions and shape.
    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>>;

    /// Sends one record, where [`DestinationCapabilities::one_by_one`] says that records are taken so. Returns the id that
    /// the other system gave it, where it tells one. Whether it is there is asked of [`Destination::standing`] afterwards.
    ///
    /// # Errors
    /// Reject when the system refuses the record, Unknown when it may have been written, Later when it certainly was not.
    async fn send(&self, table: &TableSpec, _record: &Outgoing<'_>) -> Result<Option<String>> {
        Err(Error::stop(format!("`{}` takes records in batches", table.name)))
    }

    /// Counts the records with a version older than `before` that are not marked deleted: what a full read did not find.
    /// Records whose `_source_id` is among `except` are held, not gone, and are left out.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn count_stale(&self, table: &TableSpec, sync: &SyncId, before: Version, except: &[String]) -> Result<u64>;

    /// Marks those records deleted, with `before` as their version, and returns their `_source_id`s.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>>;

    /// Those of these `_source_id`s that stand at the destination with a version greater than `than`.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn newer_among(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        keys: &[String],
        than: Version,
    ) -> Result<Vec<String>>;

    /// Counts the records that are not marked deleted, and sums these columns over them, leaving out those whose
    /// `_source_id` is among `except`.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn totals(&self, table: &TableSpec, sync: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals>;

    /// Counts the records that are not marked deleted in groups, and sums these columns over each group.
    ///
    /// # Errors
    /// As [`Destination::write`]; Stop when the table has no such column.
    async fn control_totals(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>>;

    /// Reads records back: [`standing::COLUMNS`], then the columns of the table with their values as they stand now, equal
    /// to the mapped values they were written from unless somebody has changed them. (JSON may be written another way.)
    /// Records without our metadata are among them: somebody else put them there.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn standing(&self, table: &TableSpec, sync: &SyncId, which: Which<'_>) -> Result<Rows>;

    /// Counts the records that are not marked deleted, those without our metadata included.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn count_standing(&self, table: &TableSpec, sync: &SyncId) -> Result<u64>;

    /// Forgets with which content these records were loaded, so that the next newer read of them is written whatever it
    /// holds.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn forget(&self, table: &TableSpec, sync: &SyncId, keys: &[RecordKey]) -> Result<()>;

    /// Marks those of these records deleted that are older than `before`, with `before` as their version. Returns those
    /// that it marked, now or in an earlier call with the same `before`.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>>;

    /// Applies what a run has landed, when all its batches are written and before anything else is done to close it.
    /// `progress` is what was answered last, by this process or by one that died since: a repetition, also from an older
    /// progress, changes nothing and answers the same.
    ///
    /// # Errors
    /// As [`Destination::write`].
    async fn apply(&self, _table: &TableSpec, _landed: &Landed<'_>, _progress: Option<&str>) -> Result<Applied> {
        Ok(Applied::Done)
    }

    /// A run has ended: vacuum, analyse, run what the tenant wants run then. Safe to repeat; `progress` as for
    /// [`Destination::apply`].
    ///
    /// # Errors
    /// Whatever fails becomes a warning of the run.
    async fn after_run(&self, table: &TableSpec, landed: &Landed<'_>, progress: Option<&str>) -> Result<AfterRun>;
}
