//! A system that records are written to.

use async_trait::async_trait;

use super::Finding;
use crate::error::Result;
use crate::model::audit::Outcome;
use crate::model::batch::{MappedBatch, Version};
use crate::model::decimal::Decimal;
use crate::model::id::SyncId;
use crate::model::table::TableSpec;

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

    /// A run has ended: vacuum, analyse, tell somebody. Safe to repeat.
    ///
    /// # Errors
    /// Whatever fails becomes a warning of the run.
    async fn after_run(&self, table: &TableSpec, sync: &SyncId) -> Result<()>;
}
