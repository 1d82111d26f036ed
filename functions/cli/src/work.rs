//! At work on a state directory: the only process that is, from taking the lock to dropping it. For a stack that is deployed
//! the same, but that its functions do the work, and that others may be at it at the same time.

use std::collections::HashMap;
use std::time::Duration;

use backend_embedded::{DeadLetter, WorkLock};
use engine::model::delivery::Delivery;
use engine::model::id::{DeliveryId, RunId, SyncId};
use engine::model::message::Reason;
use engine::model::run::Run;
use engine::model::window::Selection;
use engine::stages::{overdue_deliveries, replay_delivery, start};
use tokio::sync::watch;

#[cfg(feature = "aws")]
use crate::aws::waiting::{Asked, Wait};
use crate::backend::Backend;
use crate::deliveries::{self, DeliveryRow};
use crate::driver::{Lanes, drain};
use crate::exit::{Exit, failure};
use crate::output::Output;
use crate::progress::{LOOK, LOOK_AFAR, Progress};
use crate::rows::{Rows, SyncRow, why};
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
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only functions are waited for"))]
    wait_at_most: Duration,
    /// A delivery of before that goes again.
    #[cfg_attr(not(feature = "aws"), expect(dead_code, reason = "only functions are waited for"))]
    again: Option<DeliveryId>,
    _lock: Option<WorkLock>,
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
        let lock = match &setup.backend {
            Backend::Here(embedded) => {
                let lock = embedded.lock().map_err(refused)?;
                embedded.recover(&lock).await?;
                Some(lock)
            }
            #[cfg(feature = "aws")]
            Backend::Deployed(_) => None,
        };
        let mut work = Self {
            setup,
            output,
            before: HashMap::new(),
            deliveries: deliveries::newest(setup).await?,
            not_begun: HashMap::new(),
            interrupted: ctrl_c(),
            wait_at_most: Duration::MAX,
            again: None,
            _lock: lock,
        };
        for sync in setup.all_syncs()? {
            let before = work.look(&sync).await?;
            work.before.insert(sync, before);
        }
        if !setup.backend.is_deployed() {
            work.finish_what_was_left().await?;
        }
        Ok(work)
    }

    async fn finish_what_was_left(&mut self) -> anyhow::Result<()> {
        for integration in self.setup.integrations()? {
            overdue_deliveries(&self.setup.context, &self.setup.tenant, &integration).await?;
        }
        let left = self.setup.backend.pending().await?;
        if left > 0 {
            let messages = count(left, "message", "messages");
            self.output.say(format!("finishing what an interrupted command left behind ({messages})"));
            self.finish(&[]).await?;
        }
        Ok(())
    }

    /// Waits for functions no longer than this; what they have not done by then goes on without being waited for.
    #[must_use]
    pub fn waiting_at_most(self, wait_at_most: Duration) -> Self {
        Self { wait_at_most, ..self }
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
        let look = if self.setup.backend.is_deployed() { LOOK_AFAR } else { LOOK };
        let progress = Progress::start(self.output, &context.store, sync, look);
        let started = start(context, sync, reason, selection).await?;
        let finished = self.finish(&[(sync.clone(), started.run.clone())]).await;
        progress.end().await;
        let mut not_finished = finished?;
        let why = match not_finished.remove(sync) {
            Some(why) => Some(why),
            None => self.why_not_begun(sync, &started.run).await?,
        };
        match why {
            Some(why) => _ = self.not_begun.insert(sync.clone(), why),
            None => _ = self.not_begun.remove(sync),
        }
        Ok(())
    }

    /// Sees runs and a delivery through that a function has started.
    ///
    /// # Errors
    /// As [`Work::run`].
    #[cfg(feature = "aws")]
    pub async fn follow(&mut self, runs: &[(SyncId, RunId)], delivery: Option<DeliveryId>) -> anyhow::Result<()> {
        self.again = delivery;
        let not_finished = self.finish(runs).await?;
        self.not_begun.extend(not_finished);
        for (sync, run) in runs {
            if let Some(why) = self.why_not_begun(sync, run).await? {
                self.not_begun.entry(sync.clone()).or_insert(why);
            }
        }
        Ok(())
    }

    /// Why the last run of a sync that was asked for could not even begin.
    pub fn not_begun(&self, sync: &SyncId) -> Option<&String> {
        self.not_begun.get(sync)
    }

    /// Why a run did not even begin, if it did not: its connection has no secret, is stopped, or its source is not there.
    async fn why_not_begun(&self, sync: &SyncId, run: &RunId) -> anyhow::Result<Option<String>> {
        let store = &self.setup.context.store;
        if let Some(known) = store.run(run).await? {
            // It was written down only to say that it failed, and is none of the runs of the sync by number.
            let has_number = self.before.get(sync).is_none_or(|before| known.epoch > before.epoch);
            return Ok(if has_number { None } else { why(&known) });
        }
        if self.setup.backend.is_deployed() {
            // Another run of the sync has answered it.
            return Ok(None);
        }
        let letters = self.setup.backend.dead_letters().await?;
        let is_of_run = |letter: &DeadLetter| letter.message.as_ref().is_some_and(|message| message.task.run() == run);
        if let Some(letter) = letters.into_iter().rev().find(is_of_run) {
            return Ok(Some(letter.reason));
        }
        let state = store.sync(sync).await?;
        Ok(Some(match (state.paused, state.lease) {
            (Some(why), _) => why,
            (None, Some(lease)) => {
                format!("run {} still holds the sync until {} UTC: run it again then", lease.run, time(lease.until))
            }
            (None, None) => "it did not begin: run it again with -v to see why".to_owned(),
        }))
    }

    /// Works until nothing is left to do, or waits until functions have. Says of each sync whose run they have not begun or
    /// not ended what is known.
    async fn finish(&self, asked: &[(SyncId, RunId)]) -> anyhow::Result<HashMap<SyncId, String>> {
        self.unless_interrupted(self.until_finished(asked)).await
    }

    async fn unless_interrupted<T>(&self, work: impl Future<Output = engine::Result<T>>) -> anyhow::Result<T> {
        let mut interrupted = self.interrupted.clone();
        let stopped = match self.setup.backend.is_deployed() {
            true => "stopped waiting; the runs go on without: `status` shows how far they are",
            false => "stopped; nothing is lost: `run` continues where this stopped",
        };
        tokio::select! {
            done = work => Ok(done?),
            Ok(_) = interrupted.wait_for(|interrupted| *interrupted) => Err(failure(Exit::Interrupted, stopped)),
        }
    }

    #[cfg_attr(not(feature = "aws"), expect(unused_variables, reason = "here all that is in the queues is done"))]
    async fn until_finished(&self, asked: &[(SyncId, RunId)]) -> engine::Result<HashMap<SyncId, String>> {
        match &self.setup.backend {
            Backend::Here(embedded) => {
                drain(&self.setup.context, embedded, Lanes::default()).await?;
                Ok(HashMap::new())
            }
            #[cfg(feature = "aws")]
            Backend::Deployed(_) => {
                let asked = asked.iter().map(|(sync, run)| Asked { sync: sync.clone(), run: run.clone() });
                self.wait().until_ended(&asked.collect::<Vec<_>>()).await
            }
        }
    }

    /// Waits for what functions do beyond the runs that were asked for, unless those keep others waiting already.
    #[cfg(feature = "aws")]
    async fn until_quiet(&self) -> anyhow::Result<()> {
        if !self.setup.backend.is_deployed() || !self.not_begun.is_empty() {
            return Ok(());
        }
        let newest = async || deliveries::newest(self.setup).await;
        self.unless_interrupted(self.wait().until_quiet(newest)).await
    }

    #[cfg(feature = "aws")]
    fn wait(&self) -> Wait<'_> {
        let before = self.deliveries.iter().filter(|delivery| self.again.as_ref() != Some(&delivery.id));
        Wait {
            store: self.setup.context.store.as_ref(),
            epochs: self.before.iter().map(|(sync, before)| (sync.clone(), before.epoch)).collect(),
            deliveries: before.map(|delivery| delivery.id.clone()).collect(),
            at_most: self.wait_at_most,
        }
    }

    /// The rows of these syncs, and of all others that had a run since the work began.
    ///
    /// # Errors
    /// When the store fails.
    pub async fn rows(&self, asked: &[SyncId]) -> anyhow::Result<Rows> {
        #[cfg(feature = "aws")]
        self.until_quiet().await?;
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
        self.finish(&[]).await.map(|_| ())
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
