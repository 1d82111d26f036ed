//! What `reconcile` found: the counts and totals of both sides, and every difference by key and cause.

use chrono::{DateTime, NaiveDate, Utc};
use serde::{Deserialize, Serialize};

use super::id::{RecordKey, SyncId};

/// Why a record is not the same on both sides.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// It changed at the source after what the sync is complete up to: the next run brings it.
    Late,
    /// It is held as a reject.
    Rejected,
    /// It is held waiting.
    Waiting,
    /// It is gone at the source and stands here, or is marked deleted here and is at the source.
    Deleted,
    /// Somebody else changed, removed or added it at the destination.
    Changed,
    /// None of these explains it, such as a change at the source without a newer stamp.
    Unknown,
}

impl Cause {
    /// The cause in one word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Late => "late",
            Self::Rejected => "rejected",
            Self::Waiting => "waiting",
            Self::Deleted => "deleted",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
        }
    }
}

/// What mends a difference.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mend {
    /// Reading the record again.
    Read,
    /// Forgetting what was loaded, because somebody else has written over it, and reading the record again.
    Rewrite,
    /// Marking the record deleted at the destination.
    MarkDeleted,
    /// Releasing the hold on a record that is gone.
    Release,
    /// Only a person.
    Nobody,
}

/// A field with different values.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct FieldDifference {
    /// The destination column.
    pub column: String,
    /// Its value as the source has it, mapped; nothing where it has none.
    pub source: Option<String>,
    /// Its value at the destination.
    pub destination: Option<String>,
}

/// A record that is not the same on both sides.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Difference {
    /// Which record.
    pub key: RecordKey,
    /// Why.
    pub cause: Cause,
    /// In words, what was found on both sides.
    pub detail: String,
    /// The fields that differ, where both sides have the record.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub fields: Vec<FieldDifference>,
    /// What mends it.
    pub mend: Mend,
    /// Whether the repair mended it; nothing before a repair.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub repaired: Option<bool>,
    /// After a repair that did not mend it: why.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub not_repaired: Option<String>,
}

/// A count or sum that differs between the sides, of all records or of a group.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TotalDifference {
    /// By what the records are grouped: `all`, a column, or `month of` a column.
    pub by: String,
    /// The group; nothing for all, and for records without a value.
    pub group: Option<String>,
    /// `records`, or the column that is summed.
    pub what: String,
    /// At the source.
    pub source: String,
    /// At the destination, those that are held left out.
    pub destination: String,
    /// Of the records that are rejected.
    pub rejected: String,
    /// Of the records that wait.
    pub waiting: String,
    /// The source less all of these.
    pub difference: String,
    /// Whether the differences by key add up to exactly this.
    pub explained: bool,
}

/// How many groups were compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ComparedTotals {
    /// By what: as [`TotalDifference::by`].
    pub by: String,
    /// Groups on either side.
    pub groups: u64,
}

/// Both sides of a sync compared.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Reconciliation {
    /// Which sync. Whoever shows it names it in their own way.
    #[serde(skip)]
    pub sync: SyncId,
    /// When the comparison began.
    pub at: DateTime<Utc>,
    /// First and last day of change that were compared; nothing for all records.
    pub window: Option<(NaiveDate, Option<NaiveDate>)>,
    /// Up to when the sync is complete.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// Records at the source; nothing where it cannot count.
    pub source: Option<u64>,
    /// Records at the destination that are not marked deleted and not held.
    pub destination: u64,
    /// Records held as rejects.
    pub rejected: u64,
    /// Records held waiting.
    pub waiting: u64,
    /// Records whose content was compared; nothing when only totals were.
    pub compared: Option<u64>,
    /// Whether nothing differs but for what is rejected or waits.
    pub agrees: bool,
    /// Which totals were compared.
    pub totals: Vec<ComparedTotals>,
    /// Counts and sums that differ.
    pub total_differences: Vec<TotalDifference>,
    /// Records that differ, as many as are listed at most.
    pub differences: Vec<Difference>,
    /// Whether there may be more of them than are listed.
    pub is_cut: bool,
    /// In words, what was not compared and why.
    pub notes: Vec<String>,
}

impl Reconciliation {
    /// Whether nothing is left to do: both sides agree, or all that differed was mended and explains the totals.
    pub fn is_settled(&self) -> bool {
        let mended = self.differences.iter().all(|difference| difference.repaired == Some(true));
        self.agrees || (mended && !self.is_cut && self.total_differences.iter().all(|total| total.explained))
    }
}
