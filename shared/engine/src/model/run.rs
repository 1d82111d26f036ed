//! A run: one execution of a sync, its states, and every transition between them.

use chrono::{DateTime, Utc};
use serde::{Deserialize, Serialize};

use super::audit::Counts;
use super::id::{RunId, SyncId};
use super::message::Reason;
use super::window::{Selection, Window};

/// Where a run stands. Only the functions of this module move it.
///
/// ```text
/// Polling ──▶ Draining ──▶ Closing ──▶ Complete
///    │            │            └─────▶ Incomplete
///    └────────────┴──▶ Abandoned, Failed
/// ```
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "state", rename_all = "snake_case")]
pub enum RunState {
    /// Pages are being read.
    Polling,
    /// All pages are read; batches are still on their way.
    Draining,
    /// Every batch is done; the next closing step is named.
    Closing {
        /// What is done next.
        step: CloseStep,
    },
    /// Everything polled is accounted for and the watermark has moved.
    Complete,
    /// Some batch could not be finished; the watermark stays and the next run covers the window again.
    Incomplete {
        /// What is missing.
        why: String,
    },
    /// Its lease ran out. A new run covers the same window; late batches of this one close nothing.
    Abandoned,
    /// It could not go on: a person has to act.
    Failed {
        /// What to do.
        why: String,
    },
}

/// The steps of closing, in their order. Each is safe to repeat.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CloseStep {
    /// Apply what has landed at the destination.
    Apply,
    /// Mark deleted what a full read did not find.
    Sweep,
    /// Move the watermark and release the lease.
    Watermark,
    /// Tell the destination that a run has ended.
    AfterRun,
    /// Compare both sides.
    Proof,
    /// Have whoever reads the table told.
    Tell,
    /// Read again what waited for the records of this run: last, because those runs use the source at once.
    WakeUps,
}

impl CloseStep {
    /// The step after this one.
    pub fn next(self) -> Option<Self> {
        match self {
            Self::Apply => Some(Self::Sweep),
            Self::Sweep => Some(Self::Watermark),
            Self::Watermark => Some(Self::AfterRun),
            Self::AfterRun => Some(Self::Proof),
            Self::Proof => Some(Self::Tell),
            Self::Tell => Some(Self::WakeUps),
            Self::WakeUps => None,
        }
    }
}

/// What the short proof at the end of a run found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Proof {
    /// Whether the source equals the destination plus the named rejects and waiters.
    pub agrees: bool,
    /// Records at the source, where it can count.
    pub source: Option<u64>,
    /// Records at the destination that are not marked deleted.
    pub destination: u64,
    /// Records held as rejects.
    pub rejected: u64,
    /// Records held waiting.
    pub waiting: u64,
    /// In words, what was compared and what differs.
    pub note: String,
}

/// One execution of a sync.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Run {
    /// Its id, given by whoever sent the poll task, so that a task that comes twice is one run.
    pub id: RunId,
    /// Of which sync.
    pub sync: SyncId,
    /// Its number in the sync, from 1. Later reads have greater epochs.
    pub epoch: u64,
    /// Why it was started.
    pub reason: Reason,
    /// What it reads.
    pub selection: Selection,
    /// The window it reads, worked out when it began.
    pub window: Window,
    /// Up to when the sync is complete once this run is: the source's time at the start less the safety lag.
    pub complete_up_to: Option<DateTime<Utc>>,
    /// When it began.
    pub started_at: DateTime<Utc>,
    /// When it reached its last state.
    pub ended_at: Option<DateTime<Utc>>,
    /// Number of the newest continuation; older ones do nothing.
    pub sequence: u32,
    /// How many batches it has, known when the last page is read.
    pub expected: Option<u32>,
    /// How many batches are done.
    pub done: u32,
    /// What became of the records of the batches that are done.
    pub counts: Counts,
    /// The version of the mapping it was started with.
    pub mapping: u32,
    /// Whether unchanged records get its version: an older read of the same window may still be under way.
    pub touch: bool,
    /// Where it stands.
    pub state: RunState,
    /// Records that a full read did not find and that were marked deleted.
    #[serde(default)]
    pub swept: u64,
    /// How far the present step of closing has come, in the destination's own words; nothing at its beginning.
    #[serde(default)]
    pub progress: Option<String>,
    /// How many pages of outcomes are written down of what had landed: numbers the parts of its audit.
    #[serde(default)]
    pub settled_pages: u32,
    /// What the proof at its end found.
    pub proof: Option<Proof>,
    /// What is worth knowing of the steps after the load, in words.
    #[serde(default)]
    pub notes: Vec<String>,
    /// Steps after the load that failed, in words. They never block the next poll.
    pub warnings: Vec<String>,
}

impl Run {
    /// Whether it has reached its last state.
    pub fn has_ended(&self) -> bool {
        matches!(
            self.state,
            RunState::Complete | RunState::Incomplete { .. } | RunState::Abandoned | RunState::Failed { .. }
        )
    }

    /// Whether all its batches are done and it can be closed, or is being closed.
    pub fn can_close(&self) -> bool {
        match self.state {
            RunState::Draining => self.expected == Some(self.done),
            RunState::Closing { .. } => true,
            _ => false,
        }
    }

    /// The last page is read: the run has `batches` batches. Does nothing in any later state.
    pub fn polled(&mut self, batches: u32) {
        if self.state == RunState::Polling {
            self.expected = Some(batches);
            self.state = RunState::Draining;
        }
    }

    /// Counts a batch that is done for the first time.
    pub fn batch_done(&mut self, counts: &Counts) {
        self.done += 1;
        self.counts.merge(counts);
    }

    /// Begins closing, once every batch is done.
    pub fn begin_closing(&mut self) {
        if self.state == RunState::Draining && self.can_close() {
            self.state = RunState::Closing { step: CloseStep::Apply };
        }
    }

    /// Step `step` of the closing goes on later, from `progress`.
    pub fn comes_on(&mut self, step: CloseStep, progress: &str) {
        if self.state == (RunState::Closing { step }) {
            self.progress = Some(progress.to_owned());
        }
    }

    /// A page of what had landed is applied, so that applying goes on from `progress`. Only whoever asked from where the
    /// run stands counts it: a page that comes twice counts once.
    pub fn settled(&mut self, asked_from: Option<&str>, counts: &Counts, progress: &str) {
        if self.state == (RunState::Closing { step: CloseStep::Apply }) && self.progress.as_deref() == asked_from {
            self.counts.settle(counts);
            self.settled_pages += 1;
            self.progress = Some(progress.to_owned());
        }
    }

    /// Step `done` of the closing is done; the last one completes the run. A repeated or late call does nothing.
    pub fn closed_step(&mut self, done: CloseStep, now: DateTime<Utc>) {
        if self.state == (RunState::Closing { step: done }) {
            self.progress = None;
            match done.next() {
                Some(step) => self.state = RunState::Closing { step },
                None => self.end(RunState::Complete, now),
            }
        }
    }

    /// Its lease ran out.
    pub fn abandon(&mut self, now: DateTime<Utc>) {
        self.end(RunState::Abandoned, now);
    }

    /// Some batch cannot be finished.
    pub fn incomplete(&mut self, why: impl Into<String>, now: DateTime<Utc>) {
        self.end(RunState::Incomplete { why: why.into() }, now);
    }

    /// It cannot go on at all.
    pub fn fail(&mut self, why: impl Into<String>, now: DateTime<Utc>) {
        self.end(RunState::Failed { why: why.into() }, now);
    }

    fn end(&mut self, state: RunState, now: DateTime<Utc>) {
        if !self.has_ended() {
            self.state = state;
            self.ended_at = Some(now);
        }
    }

    /// Whether every record is accounted for and nothing is missing.
    pub fn is_green(&self) -> bool {
        self.state == RunState::Complete && self.counts.balanced() && self.counts.landed == 0
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::audit::Outcome;

    fn run() -> Run {
        Run {
            id: RunId::new("1"),
            sync: "acme/jde-looker/ap_invoices".parse().unwrap(),
            epoch: 1,
            reason: Reason::Manual,
            selection: Selection::Changes,
            window: Window::default(),
            complete_up_to: None,
            started_at: DateTime::UNIX_EPOCH,
            ended_at: None,
            sequence: 0,
            expected: None,
            done: 0,
            counts: Counts::default(),
            mapping: 1,
            touch: false,
            state: RunState::Polling,
            swept: 0,
            progress: None,
            settled_pages: 0,
            notes: Vec::new(),
            proof: None,
            warnings: Vec::new(),
        }
    }

    #[test]
    fn a_run_closes_only_when_its_last_page_is_read_and_its_last_batch_is_done() {
        let mut run = run();
        run.batch_done(&Counts::default());
        run.begin_closing();
        assert_eq!(run.state, RunState::Polling);
        run.polled(2);
        assert!(!run.can_close());
        run.batch_done(&Counts::default());
        assert!(run.can_close());
        run.begin_closing();
        assert_eq!(run.state, RunState::Closing { step: CloseStep::Apply });
    }

    #[test]
    fn a_run_without_pages_closes_at_once_and_every_step_is_done_once() {
        let mut run = run();
        run.polled(0);
        run.begin_closing();
        let mut steps = Vec::new();
        while let RunState::Closing { step } = run.state {
            steps.push(step);
            run.closed_step(step, DateTime::UNIX_EPOCH);
            run.closed_step(step, DateTime::UNIX_EPOCH);
        }
        assert_eq!(
            steps,
            [
                CloseStep::Apply,
                CloseStep::Sweep,
                CloseStep::Watermark,
                CloseStep::AfterRun,
                CloseStep::Proof,
                CloseStep::Tell,
                CloseStep::WakeUps
            ]
        );
        assert_eq!(run.state, RunState::Complete);
    }

    #[test]
    fn a_page_of_what_had_landed_counts_once_however_often_it_comes() {
        let mut run = run();
        run.batch_done(&Counts { polled: 2, landed: 2, ..Counts::default() });
        run.polled(1);
        run.begin_closing();
        let page = Counts { inserted: 1, ..Counts::default() };
        run.settled(None, &page, "after 1");
        run.settled(None, &page, "after 1");
        assert_eq!((run.counts.landed, run.counts.inserted, run.settled_pages), (1, 1, 1));
        run.settled(Some("after 1"), &page, "after 2");
        run.closed_step(CloseStep::Apply, DateTime::UNIX_EPOCH);
        assert_eq!((run.counts.landed, run.progress), (0, None));
    }

    #[test]
    fn a_run_that_has_ended_stays_as_it_ended() {
        let mut run = run();
        run.incomplete("batch 3 is missing", DateTime::UNIX_EPOCH);
        run.polled(1);
        run.begin_closing();
        run.abandon(DateTime::UNIX_EPOCH);
        assert_eq!(run.state, RunState::Incomplete { why: "batch 3 is missing".to_owned() });
    }

    #[test]
    fn a_run_whose_account_does_not_balance_is_not_green() {
        let mut run = run();
        run.state = RunState::Complete;
        run.counts.polled = 1;
        assert!(!run.is_green());
        run.counts.add(Outcome::Waiting);
        assert!(run.is_green());
    }
}
