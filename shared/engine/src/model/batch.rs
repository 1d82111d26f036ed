//! Batches: as archived, and as handed to a destination.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::{BatchId, SyncId};
use super::rows::Rows;
use super::window::Position;

/// Which read brought a value: the run's epoch in its sync, then the batch in the run. A later read wins over an
/// earlier one whatever the source's stamp says, because only one run of a sync reads at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Version(pub i64);

/// Batches per run; far more than a run has.
const SEQ_BITS: u32 = 24;

impl Version {
    /// The version of a batch.
    pub fn new(epoch: u64, seq: u32) -> Self {
        Self(i64::try_from(epoch).unwrap_or(i64::MAX >> SEQ_BITS) << SEQ_BITS | i64::from(seq))
    }

    /// The epoch of the run that read it.
    pub fn epoch(self) -> u64 {
        u64::try_from(self.0 >> SEQ_BITS).unwrap_or(0)
    }

    /// The least version of the epoch: all older reads are below it.
    pub fn start_of(epoch: u64) -> Self {
        Self::new(epoch, 0)
    }
}

/// A batch as it came from the source: the commit of the poll stage.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Archived {
    /// Which batch.
    pub id: BatchId,
    /// Of which sync.
    pub sync: SyncId,
    /// The version its records have. A replayed batch keeps the version it had.
    pub version: Version,
    /// The batch that this one replays.
    pub replays: Option<BatchId>,
    /// Rows in it.
    pub rows: u32,
    /// Records that were too big to carry and are held as rejects instead.
    #[serde(default)]
    pub too_big: u32,
    /// Where the source goes on after it; `None` says that it was the last.
    pub next: Option<Position>,
    /// When it was archived.
    pub at: DateTime<Utc>,
    /// The rows, a compressed block (see [`super::rows`]).
    #[serde(skip)]
    pub payload: Vec<u8>,
}

/// Names of the columns that precede the mapped ones in a block of mapped rows.
pub mod meta {
    /// The record's key as text.
    pub const KEY: &str = "_key";
    /// The source's own time of change: a timestamp, or null.
    pub const UPDATED_AT: &str = "_updated_at";
    /// Hash of the mapped content.
    pub const HASH: &str = "_hash";
    /// Whether the source says the record is deleted.
    pub const DELETED: &str = "_deleted";
    /// The row in the archived batch, from 0.
    pub const ROW: &str = "_row";
    /// All of them, in the order of a mapped block.
    pub const COLUMNS: [&str; 5] = [KEY, UPDATED_AT, HASH, DELETED, ROW];
}

/// Mapped rows on their way into a destination. Keys are unique within it.
#[derive(Debug, Clone)]
pub struct MappedBatch {
    /// Which batch.
    pub id: BatchId,
    /// Which part of it, when it was split on the way; 0 otherwise.
    pub part: u32,
    /// Of which sync.
    pub sync: SyncId,
    /// The version of its records.
    pub version: Version,
    /// The version of the mapping: at an equal version the newer mapping writes.
    pub mapping: u32,
    /// Whether unchanged records get this version too. Set when an older read of the same records may still arrive.
    pub touch: bool,
    /// When the stage began to load it.
    pub at: DateTime<Utc>,
    /// [`meta::COLUMNS`], then the columns of the table.
    pub rows: Rows,
}
