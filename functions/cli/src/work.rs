//! At work on a state directory: the only process that is, from taking the lock to dropping it.

use std::collections::HashMap;

use backend_embedded::{DeadLetter, WorkLock};
use engine::model::delivery::Delivery;
use engine::model::id::{DeliveryId, RunId, SyncId};
use engine::model::message::{Reason, Stage};
use engine::model::run::Run;
use engine::model::window::Selection;
use engine::stages::{overdue_deliveries, replay_delivery, start};
use tokio::sync::watch;

use crate::deliveries::{self, DeliveryRow};
use crate::driver::{Lanes, drain};
use crate::exit::{Exit, failure};
use crate::output::Output;
use crate::progress::Progress;
use crate::rows::{Rows, SyncRow};
use crate::setup::Setup;
use crate::words::{count, time};

/// Runs of a sync that are looked through for one that has not ended.
const RECENT: usize = 20;

/// The right to work, and what there was before.
pub struct Work<'a> {
    setup: &'a Setup,
    output: &'a Output,
    before: HashMap<SyncId, Before>,
    /// The newest deliveries as they were when the work began.
    deliveries: Vec<Delivery>,
    /// Why a run that was asked for is not known: it could not even begin.
    not_begun: HashMap<SyncId, String>,
    interrupted: watch::Receiver<bool>,
    _lock: WorkLock,
}

/// A sync as it was when the work began.
struct Before {
    epoch: u64,
    open: Vec<Run>,
}

impl<'a> Work<'a> {
    /// Takes the lock and finishes what an interrupted command left in the queues.
    ///
    /// # Errors
    /// [`Exit::Busy`] when another process works here.
    pub async fn begin(setup: &'a Setup, output: &'a Output) -> anyhow::Result<Self> {
        let lock = setup.embedded.lock().map_err(refused)?;
        setup.embedded.recover(&lock).await?;
        let mut work = Self {
            setup,
            output,
            before: HashMap::new(),
            deliveries: deliveries::newest(setup).await?,
            not_begun: HashMap::new(),
            interrupted: ctrl_c(),
            _lock: lock,
        };
        for sync in setup.all_syncs()? {
            let before = work.look(&sync).await?;
            work.before.insert(sync, before);
        }
        for integration in setup.integrations()? {
            overdue_deliveries(&setup.context, &setup.tenant, &integration).await?;
        }
        let mut left = 0;
        for stage in Stage::ALL {
            left += setup.embedded.pending(stage).await?;
        }
        if left > 0 {
            let messages = count(left, "message", "messages");
            output.say(format!("finishing what an interrupted command left behind ({messages})"));
            work.drain().await?;
        }
        Ok(work)
    }

    async fn look(&self, sync: &SyncId) -> anyhow::Result<Before> {
        let store = &self.setup.context.store;
        let epoch = store.sync(sync).await?.epoch;
        let recent = store.runs(sync, RECENT).await?;
        Ok(Before { epoch, open: recent.into_iter().filter(|run| !run.has_ended()).collect() })
    }

    /// Runs a sync and everything that this sets off.
    ///
    /// # Errors
    /// When the sync is not configured, the store fails, or with Ctrl-C. What a run itself met is in its row.
    pub async fn run(&mut self, sync: &SyncId, reason: Reason, selection: Selection) -> anyhow::Result<()> {
        let context = &self.setup.context;
        let progress = Progress::start(self.output, &context.store, sync);
        let started = start(context, sync, reason, selection).await?;
        let drained = self.drain().await;
        progress.end().await;
        drained?;
        if context.store.run(&started.run).await?.is_none() {
            let why = self.why_not_begun(sync, &started.run).await?;
            self.not_begun.insert(sync.clone(), why);
        } else {
            self.not_begun.remove(sync);
        }
        Ok(())
    }

    /// Why the last run of a sync that was asked for could not even begin.
    pub fn not_begun(&self, sync: &SyncId) -> Option<&String> {
        self.not_begun.get(sync)
    }

    /// Why a run did not even begin: its connection has no secret, is stopped, or its source is not there.
    async fn why_not_begun(&self, sync: &SyncId, run: &RunId) -> anyhow::Result<String> {
        let letters = self.setup.embedded.dead_letters().await?;
        let is_of_run = |letter: &DeadLetter| letter.message.as_ref().is_some_and(|message| message.task.run() == run);
        if let Some(letter) = letters.into_iter().rev().find(is_of_run) {
            return Ok(letter.reason);
        }
        let state = self.setup.context.store.sync(sync).await?;
        Ok(match (state.paused, state.lease) {
            (Some(why), _) => why,
            (None, Some(lease)) => {
                format!("run {} still holds the sync until {} UTC: run it again then", lease.run, time(lease.until))
            }
            (None, None) => "it did not begin: run it again with -v to see why".to_owned(),
        })
    }

    async fn drain(&self) -> anyhow::Result<()> {
        let drained = drain(&self.setup.context, &self.setup.embedded, Lanes::default());
        let mut interrupted = self.interrupted.clone();
        tokio::select! {
            drained = drained => Ok(drained?),
            Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => Err(failure(
                Exit::Interrupted,
                "stopped; nothing is lost: `run` continues where this stopped",
            )),
        }
    }

    /// The rows of these syncs, and of all others that had a run since the work began.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rows(&self, asked: &[SyncId]) -> anyhow::Result<Rows> {
        let mut rows = Vec::new();
        for sync in self.setup.all_syncs()? {
            let runs = self.runs_of(&sync).await?;
            if runs.is_empty() && !asked.contains(&sync) {
                continue;
            }
            let store = &self.setup.context.store;
            let watermark = store.sync(&sync).await?.watermark;
            let row = SyncRow::new(&sync, &runs, watermark, store.held_count(&sync).await?);
            rows.push(row.not_begun(self.not_begun(&sync)));
        }
        Ok(Rows { syncs: rows, deliveries: self.deliveries().await? })
    }

    /// The deliveries that went any further since the work began, oldest first.
    async fn deliveries(&self) -> anyhow::Result<Vec<DeliveryRow>> {
        let mut moved = deliveries::newest(self.setup).await?;
        moved.retain(|delivery| !self.deliveries.contains(delivery));
        Ok(moved.iter().rev().map(DeliveryRow::from).collect())
    }

    /// Sends a delivery again, and follows it.
    ///
    /// # Errors
    /// When it is not known, or must not be sent again.
    pub async fn deliver(&mut self, delivery: &DeliveryId, may_arrive_twice: bool) -> anyhow::Result<()> {
        replay_delivery(&self.setup.context, delivery, may_arrive_twice).await?;
        self.drain().await
    }

    /// The runs of a sync that began since the work began, or were continued by it; oldest first.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn runs_of(&self, sync: &SyncId) -> anyhow::Result<Vec<Run>> {
        let store = &self.setup.context.store;
        let Some(before) = self.before.get(sync) else {
            return Ok(Vec::new());
        };
        // Every run of a sync takes its epoch one further.
        let begun = store.sync(sync).await?.epoch.saturating_sub(before.epoch);
        let limit = usize::try_from(begun).unwrap_or(usize::MAX).saturating_add(RECENT);
        let mut runs = store.runs(sync, limit).await?;
        runs.retain(|run| run.epoch > before.epoch || before.open.iter().any(|open| open.id == run.id));
        runs.sort_by_key(|run| run.epoch);
        Ok(runs)
    }
}

/// Watches for Ctrl-C from now on, so that none is missed between two syncs.
fn ctrl_c() -> watch::Receiver<bool> {
    let (pressed, interrupted) = watch::channel(false);
    tokio::spawn(async move {
        while !pressed.is_closed() {
            // Where signals cannot be watched, Ctrl-C ends the process as ever; what was in hand is still in the queue.
            if tokio::signal::ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
            pressed.send_replace(true);
        }
    });
    interrupted
}

/// The error of a lock that was not given.
pub fn refused(error: engine::Error) -> anyhow::Error {
    failure(exit_of_lock(&error), error)
}

/// The lock says in words alone whether somebody else has it, or whether it cannot be taken at all.
fn exit_of_lock(error: &engine::Error) -> Exit {
    if error.to_string().contains("is working in") { Exit::Busy } else { Exit::NotOk }
}

#[cfg(test)]
mod tests {
    use backend_embedded::Embedded;

    use super::*;

    #[test]
    fn a_second_worker_is_told_apart_from_a_lock_that_cannot_be_taken() {
        let dir = tempfile::tempdir().unwrap();
        let first = Embedded::open(dir.path()).unwrap();
        let _lock = first.lock().unwrap();
        let second = Embedded::open(dir.path()).unwrap().lock().unwrap_err();
        assert_eq!(exit_of_lock(&second), Exit::Busy);
        assert_eq!(exit_of_lock(&engine::Error::stop("the lock cannot be opened")), Exit::NotOk);
    }
}
