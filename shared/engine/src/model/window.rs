//! What a run reads: a window of change times, chosen keys, or everything; and how far it has come.

use chrono::{DateTime, NaiveDate, Utc};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{BatchId, RecordKey, RunId};

/// What a poll task asks for.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, Default)]
#[serde(rename_all = "snake_case")]
pub enum Selection {
    /// What changed since the watermark. The only selection that moves it, together with `Full`.
    #[default]
    Changes,
    /// Everything; what is no longer at the source is marked deleted once the counts agree.
    Full {
        /// Mark deleted however many they are, as a person has decided.
        #[serde(default)]
        accept_deletes: bool,
    },
    /// A backfill: records changed from the first date to the second, both included.
    Dates {
        /// First date, in the source's zone.
        from: NaiveDate,
        /// Last date, in the source's zone; open when absent.
        to: Option<NaiveDate>,
    },
    /// Just these records, read afresh.
    Keys(Vec<RecordKey>),
    /// Archived rows once more, as they came, under the version they had.
    Replay(Replay),
}

impl Selection {
    /// Whether a run over it makes the sync complete up to its start.
    pub fn moves_watermark(&self) -> bool {
        matches!(self, Self::Changes | Self::Full { .. })
    }
}

/// Which archived rows are replayed.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Replay {
    /// All batches of a run.
    Run(RunId),
    /// One batch.
    Batch(BatchId),
    /// The open rejects of the sync, or of one of its runs.
    Rejects {
        /// Only those of this run.
        run: Option<RunId>,
    },
}

/// The change times a source is asked for: at or after `from`, before `to`.
#[derive(Debug, Clone, Copy, PartialEq, Serialize, Deserialize, Default)]
pub struct Window {
    /// No lower end reads everything.
    pub from: Option<DateTime<Utc>>,
    /// No upper end reads up to now.
    pub to: Option<DateTime<Utc>>,
}

/// Where a source goes on reading: its own words, opaque to the engine. For key-range paging, the last key.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Position(pub serde_json::Value);

/// How a source can tell what changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Granularity {
    /// The cursor is a date: the open day is read again.
    Day,
    /// The cursor is a time.
    Second,
    /// There is no cursor: every run reads everything.
    None,
}
