//! Why a record differs, decided from what both sides say of it and what is remembered. Plain functions over plain data.

use chrono::{DateTime, Utc};

use super::held::HeldRecord;
use super::sides::{Ours, There, fields, is_same_content, is_touched};
use crate::model::audit::{AuditLine, Outcome};
use crate::model::id::RecordKey;
use crate::model::reconcile::{Cause, Difference, Mend};
use crate::model::value::timestamp_text;
use crate::plan::SyncPlan;

/// What the source says of a record.
#[derive(Debug, Clone)]
pub(super) enum Source<'r> {
    /// It has none of this key.
    Gone,
    /// It has it, and it maps.
    Mapped(&'r Ours<'r>),
    /// It has it, and it does not map or names a record that is not there.
    Refused {
        /// When it changed.
        stamp: Option<i64>,
        /// Why it is not loaded.
        why: &'r str,
    },
    /// It has it, and the sync's own condition leaves it out.
    Filtered,
    /// It cannot be asked for this key.
    NotAsked(&'r str),
}

/// All that is known of one record.
pub(super) struct Case<'r> {
    pub plan: &'r SyncPlan,
    pub key: &'r RecordKey,
    pub source: Source<'r>,
    pub there: Option<&'r There<'r>>,
    pub held: Option<&'r HeldRecord>,
    /// What the source's row is, in short, as [`HeldRecord::print`].
    pub print: Option<u64>,
    pub audit: &'r [AuditLine],
    pub reach: Reach,
}

/// What the next run would read.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reach {
    /// Changes at or after this time; `None` for everything.
    pub from: Option<i64>,
    /// Up to when the sync is complete.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// The version of the mapping in force.
    pub mapping: i64,
}

/// What became of a record in the comparison.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Verdict {
    /// Both sides agree.
    Agrees,
    /// It is held, and that explains it.
    Held,
    /// It differs.
    Differs(Difference),
}

impl Case<'_> {
    /// Decides.
    pub fn judge(&self) -> Verdict {
        let live = self.there.filter(|there| !there.is_deleted);
        match &self.source {
            Source::Gone => self.gone(live),
            Source::NotAsked(why) => match live {
                Some(there) if !there.is_ours() || !self.was_loaded() => self.stranger(there),
                Some(_) => {
                    let detail = format!("stands at the destination, and the source cannot be asked for it: {why}");
                    self.differs(Cause::Unknown, Mend::Nobody, detail)
                }
                None => Verdict::Agrees,
            },
            Source::Filtered if live.is_some() => {
                let detail = "stands at the destination, and the sync's own condition (`where`) leaves it out by now";
                self.differs(Cause::Unknown, Mend::Nobody, detail.to_owned())
            }
            Source::Filtered => Verdict::Agrees,
            Source::Refused { .. } if self.held.is_some() => Verdict::Held,
            Source::Refused { stamp, why } => {
                let (cause, when) = self.by_stamp(*stamp, self.there.and_then(|there| there.stamp));
                self.differs(cause, Mend::Read, format!("{when}; it cannot be loaded as it is now: {why}"))
            }
            Source::Mapped(ours) => self.mapped(ours, live),
        }
    }

    fn gone(&self, live: Option<&There<'_>>) -> Verdict {
        match (live, self.held) {
            (Some(there), _) if !there.is_ours() || !self.was_loaded() => self.stranger(there),
            (Some(_), _) => {
                let detail = "is gone at the source and stands at the destination".to_owned();
                self.differs(Cause::Deleted, Mend::MarkDeleted, detail)
            }
            (None, Some(held)) => {
                let detail = format!("is held ({}), and the source has it no longer", held.held.reason);
                self.differs(Cause::Deleted, Mend::Release, detail)
            }
            (None, None) => Verdict::Agrees,
        }
    }

    /// A record that this program did not put there under this key.
    fn stranger(&self, there: &There<'_>) -> Verdict {
        let whose = match &there.id {
            Some(id) if id != self.key.as_str() => format!("it says it is {id}, but its key columns say otherwise"),
            Some(_) => "it was never loaded under this key".to_owned(),
            None => "it has none of this program's marks".to_owned(),
        };
        let detail = format!("stands at the destination and not at the source; somebody else put it there: {whose}");
        self.differs(Cause::Changed, Mend::Nobody, detail)
    }

    fn mapped(&self, ours: &Ours<'_>, live: Option<&There<'_>>) -> Verdict {
        let table = &self.plan.table;
        let agrees = live.is_some_and(|there| is_same_content(table, &ours.cells, &there.cells));
        if let Some(held) = self.held {
            let as_it_was = held.print.is_none() || held.print == self.print;
            if as_it_was && !agrees {
                return Verdict::Held;
            }
            let (cause, when) = self.by_stamp(ours.stamp, self.there.and_then(|there| there.stamp));
            let now = if agrees { "both sides are the same now" } else { "it was corrected at the source since" };
            return self.differs(cause, Mend::Read, format!("{when}; it is held ({}), but {now}", held.held.reason));
        }
        if agrees {
            return Verdict::Agrees;
        }
        match self.there {
            None => self.missing(ours),
            Some(there) if there.is_deleted => self.marked(ours, there),
            Some(there) => self.other(ours, there),
        }
    }

    /// At the source and not at the destination.
    fn missing(&self, ours: &Ours<'_>) -> Verdict {
        if let Some(line) = self.last_written() {
            let detail = format!("was loaded at {} and is no longer in the table: somebody removed it", line.at);
            return self.differs(Cause::Changed, Mend::Read, detail);
        }
        let (cause, when) = self.by_stamp(ours.stamp, None);
        self.differs(cause, Mend::Read, format!("{when}; it was never loaded"))
    }

    /// At the source, and marked deleted at the destination.
    fn marked(&self, ours: &Ours<'_>, there: &There<'_>) -> Verdict {
        if ours.stamp > there.stamp && self.reaches(ours.stamp) {
            let (cause, when) = self.by_stamp(ours.stamp, there.stamp);
            return self.differs(cause, Mend::Read, format!("{when}; it is marked deleted at the destination"));
        }
        let by_whom = match self.audit.last() {
            Some(line) if line.outcome == Outcome::Deleted => format!("by run {} at {}", line.batch.run, line.at),
            _ => "by somebody else".to_owned(),
        };
        let detail = format!("is at the source and was marked deleted at the destination {by_whom}");
        self.differs(Cause::Deleted, Mend::Read, detail)
    }

    /// On both sides with another content.
    fn other(&self, ours: &Ours<'_>, there: &There<'_>) -> Verdict {
        let table = &self.plan.table;
        let with_fields = |cause, mend, detail| match self.differs(cause, mend, detail) {
            Verdict::Differs(difference) => {
                Verdict::Differs(Difference { fields: fields(table, &ours.cells, &there.cells), ..difference })
            }
            other => other,
        };
        if !there.is_ours() {
            let detail = "somebody else put another record of this key into the table".to_owned();
            return with_fields(Cause::Changed, Mend::Read, detail);
        }
        let by_this_mapping = there.mapping == Some(self.reach.mapping) || there.hash == ours.hash;
        let touched = match by_this_mapping {
            true => is_touched(&self.plan.mapping, table, there, Some(ours)),
            false => None,
        };
        let newer = ours.hash != there.hash && there.hash.is_some();
        match touched {
            Some(true) if newer => {
                let (_, when) = self.by_stamp(ours.stamp, there.stamp);
                let detail = format!("somebody else changed it at the destination after it was loaded; also, {when}");
                with_fields(Cause::Changed, Mend::Rewrite, detail)
            }
            Some(true) => {
                let detail = "somebody else changed it at the destination after it was loaded".to_owned();
                with_fields(Cause::Changed, Mend::Rewrite, detail)
            }
            None if !by_this_mapping && !self.is_newer(ours.stamp, there.stamp) => {
                let detail = "was loaded with an older version of the mapping and not read since".to_owned();
                with_fields(Cause::Unknown, Mend::Rewrite, detail)
            }
            Some(false) | None => {
                let (cause, when) = self.by_stamp(ours.stamp, there.stamp);
                with_fields(cause, Mend::Rewrite, when)
            }
        }
    }

    /// Whether a run has ever written the record.
    fn was_loaded(&self) -> bool {
        self.audit.iter().any(|line| matches!(line.outcome, Outcome::Inserted | Outcome::Updated | Outcome::Deleted))
    }

    /// The line of the last write, unless it marked the record deleted.
    fn last_written(&self) -> Option<&AuditLine> {
        let written =
            |line: &&AuditLine| matches!(line.outcome, Outcome::Inserted | Outcome::Updated | Outcome::Deleted);
        self.audit.iter().rfind(written).filter(|line| line.outcome != Outcome::Deleted)
    }

    /// Whether the next run reads what changed then.
    fn reaches(&self, stamp: Option<i64>) -> bool {
        self.reach.from.is_none_or(|from| stamp.is_some_and(|stamp| stamp >= from))
    }

    /// Whether the source's stamp is newer than what was loaded. One without a time of day may stay the same for a day.
    fn is_newer(&self, ours: Option<i64>, there: Option<i64>) -> bool {
        let has_time = self.plan.stream.updated.as_ref().is_some_and(|updated| updated.time.is_some());
        match (ours, there) {
            (Some(ours), Some(there)) => ours > there || (!has_time && ours == there),
            _ => true,
        }
    }

    /// Whether a change at the source is only late, and when it was, in words.
    fn by_stamp(&self, ours: Option<i64>, there: Option<i64>) -> (Cause, String) {
        let stamped = ours.map_or_else(|| "without a stamp".to_owned(), timestamp_text);
        let complete = self.reach.complete_up_to.map_or_else(
            || "nothing is complete yet".to_owned(),
            |mark| format!("the sync is complete up to {}", timestamp_text(mark.timestamp_micros())),
        );
        match (self.is_newer(ours, there), self.reaches(ours)) {
            (true, true) => {
                (Cause::Late, format!("changed at the source {stamped}, {complete}: the next run brings it"))
            }
            (true, false) => {
                (Cause::Unknown, format!("changed at the source {stamped}, {complete}, and no run will read it again"))
            }
            (false, _) => {
                (Cause::Unknown, format!("changed at the source without a newer stamp (it is still {stamped})"))
            }
        }
    }

    fn differs(&self, cause: Cause, mend: Mend, detail: String) -> Verdict {
        Verdict::Differs(Difference {
            key: self.key.clone(),
            cause,
            detail,
            fields: Vec::new(),
            mend,
            repaired: None,
            not_repaired: None,
        })
    }
}
