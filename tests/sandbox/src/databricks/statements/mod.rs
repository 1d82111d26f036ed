//! Statements from the call that brings them to the end of their results.
//!
//! Invariant: a statement's state goes PENDING, RUNNING, one end; a result is kept for its time and no longer; what was given
//! up before it began touches nothing.

mod calls;
mod history;
mod order;
mod result;
mod work;

use std::sync::Arc;
use std::sync::atomic::AtomicBool;

use chrono::{DateTime, Utc};
use tokio::sync::watch;

use super::faults::Fate;
use order::Order;
use result::Stored;

/// How a statement stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum State {
    Pending,
    Running,
    Succeeded,
    Failed,
    Canceled,
    /// Succeeded; the result is gone.
    Closed,
}

impl State {
    fn word(self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Running => "RUNNING",
            Self::Succeeded => "SUCCEEDED",
            Self::Failed => "FAILED",
            Self::Canceled => "CANCELED",
            Self::Closed => "CLOSED",
        }
    }

    pub(super) fn is_final(self) -> bool {
        !matches!(self, Self::Pending | Self::Running)
    }
}

/// Why a statement failed.
#[derive(Clone, Debug)]
pub(super) struct Failure {
    code: String,
    message: String,
    state: Option<String>,
}

/// One statement.
pub(super) struct Statement {
    pub(super) id: String,
    pub(super) order: Order,
    pub(super) state: State,
    failure: Option<Failure>,
    fate: Fate,
    submitted: DateTime<Utc>,
    ended: Option<DateTime<Utc>>,
    asked: DateTime<Utc>,
    /// So many more questions find it under way, although it has ended.
    polls: usize,
    stored: Option<Stored>,
    rows: usize,
    /// Told to stop: before it begins, or in the middle.
    stop: Arc<AtomicBool>,
    /// Why it was told to stop, where it was not canceled.
    stopped_by: Option<Failure>,
    progress: Arc<watch::Sender<bool>>,
}

/// All statements, in the order they came.
#[derive(Default)]
pub(super) struct Statements {
    pub(super) all: Vec<Statement>,
    /// The most that were under way at once on one warehouse.
    pub(super) most_at_once: usize,
}

impl Statements {
    fn get(&self, id: &str) -> Option<&Statement> {
        self.all.iter().find(|one| one.id == id)
    }

    fn get_mut(&mut self, id: &str) -> Option<&mut Statement> {
        self.all.iter_mut().find(|one| one.id == id)
    }

    pub(super) fn running_on(&self, warehouse: &str) -> usize {
        self.all.iter().filter(|one| one.order.warehouse == warehouse && one.state == State::Running).count()
    }

    fn open(&self) -> usize {
        self.all.iter().filter(|one| !one.state.is_final()).count()
    }
}

impl Statement {
    /// The state that callers see.
    fn seen(&self) -> State {
        if self.state.is_final() && self.polls > 0 { State::Running } else { self.state }
    }

    fn end(&mut self, state: State, failure: Option<Failure>, now: DateTime<Utc>) {
        self.state = state;
        self.failure = failure;
        self.ended = Some(now);
        self.progress.send_replace(true);
    }

    /// Told to stop. What has not begun stops at once.
    fn stop(&mut self, by: Option<Failure>, now: DateTime<Utc>) {
        match self.state {
            State::Pending => {
                let state = if by.is_some() { State::Failed } else { State::Canceled };
                self.end(state, by, now);
            }
            State::Running => {
                self.stop.store(true, std::sync::atomic::Ordering::SeqCst);
                self.stopped_by = by;
                // Wakes it where it waits before a gate.
                self.progress.send_modify(|_| {});
            }
            _ => {}
        }
    }
}
