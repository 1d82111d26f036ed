//! A system that records are written to.

use async_trait::async_trait;

use super::Finding;
use crate::error::Result;
use crate::model::audit::Outcome;
use crate::model::batch::{MappedBatch, Version};
use crate::model::decimal::Decimal;
use crate::model::id::{RecordKey, SyncId};
use crate::model::rows::Rows;
use crate::model::table::TableSpec;
use crate::model::totals::{GroupBy, GroupTotal};

/// What a destination can truthfully do.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct DestinationCapabilities {
    /// Whether it counts and sums what it holds.
    pub totals: bool,
    /// How many batches of one table may be written at once.
    pub parallel_batches: usize,
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
    /// they were. Returns one entry per row, in their order; refused rows are entries, not errors.
    ///
    /// # Errors
    /// Later for what passes by itself, Stop for permissions and shape.
    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>>;

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

    /// A run has ended: vacuum, analyse, tell somebody. Safe to repeat.
    ///
    /// # Errors
    /// Whatever fails becomes a warning of the run.
    async fn after_run(&self, table: &TableSpec, sync: &SyncId) -> Result<()>;
}
