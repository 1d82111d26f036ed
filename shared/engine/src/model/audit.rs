//! What happened to each record, and the account that must always balance.

use std::fmt;

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::id::{BatchId, RecordKey, RunId, SyncId};

/// What became of one record in one batch. Every polled record ends in exactly one of these.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// New at the destination.
    Inserted,
    /// Was there and changed.
    Updated,
    /// Marked deleted.
    Deleted,
    /// Was there with the same content.
    Unchanged,
    /// A newer version is there already, or came in the same batch.
    Superseded,
    /// The sync's filter leaves it out.
    Filtered,
    /// Our own write that came back.
    Echoed,
    /// Cannot be mapped or was refused; kept with its reason.
    Rejected,
    /// Waits for something that is named.
    Waiting,
    /// Lies at the destination and is applied when its run closes, which gives it another outcome.
    Landed,
}

impl Outcome {
    /// All outcomes, in the order of their codes.
    pub const ALL: [Self; 10] = [
        Self::Inserted,
        Self::Updated,
        Self::Deleted,
        Self::Unchanged,
        Self::Superseded,
        Self::Filtered,
        Self::Echoed,
        Self::Rejected,
        Self::Waiting,
        Self::Landed,
    ];

    /// One byte for ledgers.
    pub fn code(self) -> u8 {
        self as u8
    }

    /// The outcome of a ledger's byte.
    pub fn from_code(code: u8) -> Option<Self> {
        Self::ALL.get(usize::from(code)).copied()
    }

    /// The word for it in tables, logs and documents.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Inserted => "inserted",
            Self::Updated => "updated",
            Self::Deleted => "deleted",
            Self::Unchanged => "unchanged",
            Self::Superseded => "superseded",
            Self::Filtered => "filtered",
            Self::Echoed => "echoed",
            Self::Rejected => "rejected",
            Self::Waiting => "waiting",
            Self::Landed => "landed",
        }
    }

    /// The metric that counts it.
    pub fn metric(self) -> &'static str {
        match self {
            Self::Inserted => "RecordsInserted",
            Self::Updated => "RecordsUpdated",
            Self::Deleted => "RecordsDeleted",
            Self::Unchanged => "RecordsUnchanged",
            Self::Superseded => "RecordsSuperseded",
            Self::Filtered => "RecordsFiltered",
            Self::Echoed => "RecordsEchoed",
            Self::Rejected => "RecordsRejected",
            Self::Waiting => "RecordsWaiting",
            Self::Landed => "RecordsLanded",
        }
    }

    /// Whether the audit keeps a line for it: records that stayed as they were leave none, and what has landed gets its
    /// line once it is applied.
    pub fn is_audited(self) -> bool {
        !matches!(self, Self::Unchanged | Self::Filtered | Self::Echoed | Self::Landed)
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// How many records ended in which outcome, of a batch or of a run.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Counts {
    /// Records read from the source; one read twice counts twice.
    pub polled: u64,
    /// See [`Outcome::Inserted`].
    pub inserted: u64,
    /// See [`Outcome::Updated`].
    pub updated: u64,
    /// See [`Outcome::Deleted`].
    pub deleted: u64,
    /// See [`Outcome::Unchanged`].
    pub unchanged: u64,
    /// See [`Outcome::Superseded`].
    pub superseded: u64,
    /// See [`Outcome::Filtered`].
    pub filtered: u64,
    /// See [`Outcome::Echoed`].
    pub echoed: u64,
    /// See [`Outcome::Rejected`].
    pub rejected: u64,
    /// See [`Outcome::Waiting`].
    pub waiting: u64,
    /// See [`Outcome::Landed`]: 0 once the run has closed.
    pub landed: u64,
}

impl Counts {
    /// Counts one record.
    pub fn add(&mut self, outcome: Outcome) {
        *self.of_mut(outcome) += 1;
    }

    fn of_mut(&mut self, outcome: Outcome) -> &mut u64 {
        match outcome {
            Outcome::Inserted => &mut self.inserted,
            Outcome::Updated => &mut self.updated,
            Outcome::Deleted => &mut self.deleted,
            Outcome::Unchanged => &mut self.unchanged,
            Outcome::Superseded => &mut self.superseded,
            Outcome::Filtered => &mut self.filtered,
            Outcome::Echoed => &mut self.echoed,
            Outcome::Rejected => &mut self.rejected,
            Outcome::Waiting => &mut self.waiting,
            Outcome::Landed => &mut self.landed,
        }
    }

    /// How many records ended so.
    pub fn of(mut self, outcome: Outcome) -> u64 {
        *self.of_mut(outcome)
    }

    /// Adds the counts of another batch.
    pub fn merge(&mut self, other: &Self) {
        self.polled += other.polled;
        for outcome in Outcome::ALL {
            *self.of_mut(outcome) += other.of(outcome);
        }
    }

    /// What had landed is applied: so many records get these outcomes instead.
    pub fn settle(&mut self, outcomes: &Self) {
        let before = self.landed;
        for outcome in Outcome::ALL {
            *self.of_mut(outcome) += outcomes.of(outcome);
        }
        let settled: u64 = Outcome::ALL.iter().map(|outcome| outcomes.of(*outcome)).sum();
        self.landed = before.saturating_sub(settled);
    }

    /// Whether every polled record is accounted for.
    pub fn balanced(&self) -> bool {
        self.polled == Outcome::ALL.iter().map(|o| self.of(*o)).sum::<u64>()
    }
}

/// One record's line in the audit of a batch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditEntry {
    /// Which record.
    pub key: RecordKey,
    /// What became of it.
    pub outcome: Outcome,
    /// Why, for rejected and waiting records.
    pub detail: Option<String>,
}

/// The audit lines of one batch: written together, at most once under their id however often they are sent.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuditBatch {
    /// Whose records.
    pub sync: SyncId,
    /// In which batch.
    pub batch: BatchId,
    /// Which part of a batch that was split; 0 otherwise.
    pub part: u32,
    /// When it was loaded.
    pub at: DateTime<Utc>,
    /// The version of the mapping.
    pub mapping: u32,
    /// The version of the records (see [`super::batch::Version`]).
    pub version: i64,
    /// The lines, in the order of the batch.
    pub entries: Vec<AuditEntry>,
}

/// One line of a record's history, as `audit` prints it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct AuditLine {
    /// When.
    pub at: DateTime<Utc>,
    /// In which batch of which run.
    pub batch: BatchId,
    /// What became of the record.
    pub outcome: Outcome,
    /// Why, where there is a why.
    pub detail: Option<String>,
    /// The version of the mapping.
    pub mapping: u32,
    /// The version of the record.
    pub version: i64,
}

/// A record that cannot go on: refused for good, or waiting. One per record; a newer one replaces the older.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Held {
    /// Of which sync.
    pub sync: SyncId,
    /// Which record; rows without a usable key are known by where they lie.
    pub key: RecordKey,
    /// Refused or waiting, and why.
    pub why: HeldWhy,
    /// The field it failed in.
    pub field: Option<String>,
    /// The value it failed with, shortened.
    pub value: Option<String>,
    /// In words: what is wrong, what to do next.
    pub reason: String,
    /// The archived batch that holds the record as it came.
    pub batch: BatchId,
    /// Its row in that batch, from 0.
    pub row: u32,
    /// The version of the record.
    pub version: i64,
    /// Since when this record is held.
    pub since: DateTime<Utc>,
}

/// Why a record is held.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum HeldWhy {
    /// It cannot be mapped, or the destination refused it.
    Rejected,
    /// It needs a record of another sync of the same tenant and integration that is not there yet.
    Waiting {
        /// The stream it waits for.
        stream: String,
        /// The record it waits for.
        key: RecordKey,
    },
    /// It has waited too long and counts as refused; it is tried again all the same when what it waited for comes.
    TimedOut {
        /// The stream it waited for.
        stream: String,
        /// The record it waited for.
        key: RecordKey,
    },
}

impl HeldWhy {
    /// The record whose coming changes things: its stream and its key.
    pub fn hopes_for(&self) -> Option<(&str, &RecordKey)> {
        match self {
            Self::Rejected => None,
            Self::Waiting { stream, key } | Self::TimedOut { stream, key } => Some((stream, key)),
        }
    }
}

impl Held {
    /// Whether it waits rather than being refused.
    pub fn is_waiting(&self) -> bool {
        matches!(self.why, HeldWhy::Waiting { .. })
    }
}

/// A key at which a run left a record, with the run's version: newer than any held version up to it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settled {
    /// Which record.
    pub key: RecordKey,
    /// By which version it was settled.
    pub version: i64,
    /// By which run.
    pub run: RunId,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_account_balances_only_when_every_polled_record_has_an_outcome() {
        let mut counts = Counts { polled: 2, ..Counts::default() };
        counts.add(Outcome::Inserted);
        assert!(!counts.balanced());
        counts.add(Outcome::Rejected);
        assert!(counts.balanced());
    }

    #[test]
    fn what_has_landed_gets_its_outcomes_when_it_is_applied() {
        let mut counts = Counts { polled: 3, landed: 2, rejected: 1, ..Counts::default() };
        counts.settle(&Counts { updated: 1, unchanged: 1, ..Counts::default() });
        assert_eq!(counts, Counts { polled: 3, updated: 1, unchanged: 1, rejected: 1, ..Counts::default() });
    }

    #[test]
    fn every_outcome_reads_back_from_its_ledger_byte() {
        for outcome in Outcome::ALL {
            assert_eq!(Outcome::from_code(outcome.code()), Some(outcome));
        }
        assert_eq!(Outcome::from_code(10), None);
    }
}
