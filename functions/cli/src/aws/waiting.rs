//! Seeing runs through that functions work on, by what the store says of them.

use std::collections::HashMap;
use std::time::Duration;

use engine::Result;
use engine::model::delivery::Delivery;
use engine::model::id::{DeliveryId, RunId, SyncId};
use engine::model::message::Reason;
use engine::model::run::Run;
use engine::ports::Store;

use crate::words::{span, time};

/// How often the store is asked. An answer of a few items costs next to nothing.
const LOOK: Duration = Duration::from_millis(500);

/// A run that has not begun after so long has nobody who takes its message, or somebody who fails before saying so.
const BEGINS_WITHIN: Duration = Duration::from_secs(300);

/// What a run sets off is a message before it is a run: only when so many looks in a row have found nothing under way, it
/// has all been seen.
const QUIET_LOOKS: u32 = 4;

/// Runs of a sync that are looked at.
const RECENT: usize = 5;

/// A run that was asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Asked {
    /// Of which sync.
    pub sync: SyncId,
    /// Its id.
    pub run: RunId,
}

/// What became of a run that was asked for, as far as it is known.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Seen {
    UnderWay,
    NotBegun,
    Ended,
}

/// How long to wait, and what was there before.
pub struct Wait<'a> {
    /// The store of the tenant.
    pub store: &'a dyn Store,
    /// The number of the newest run of each sync before anything was asked for.
    pub epochs: HashMap<SyncId, u64>,
    /// The deliveries that were there before and are not waited for.
    pub deliveries: Vec<DeliveryId>,
    /// For how long.
    pub at_most: Duration,
}

impl Wait<'_> {
    /// Waits until these runs have ended. Says of each sync whose run did not begin, or has not ended in time, what is known.
    ///
    /// # Errors
    /// As the store.
    pub async fn until_ended(&self, asked: &[Asked]) -> Result<HashMap<SyncId, String>> {
        let mut looks: u32 = 0;
        loop {
            let left = self.left(asked).await?;
            if left.is_empty() {
                return Ok(HashMap::new());
            }
            let waited = LOOK.saturating_mul(looks);
            let nobody_begins = waited >= BEGINS_WITHIN && left.iter().all(|(_, seen)| *seen == Seen::NotBegun);
            if waited >= self.at_most || nobody_begins {
                return self.told(left, waited).await;
            }
            tokio::time::sleep(LOOK).await;
            looks = looks.saturating_add(1);
        }
    }

    /// Waits until what runs have set off has ended: runs of other syncs, and deliveries.
    ///
    /// # Errors
    /// As the store.
    pub async fn until_quiet(&self, newest_deliveries: impl AsyncFn() -> Result<Vec<Delivery>>) -> Result<()> {
        let mut quiet = 0;
        let mut looks: u32 = 0;
        while quiet < QUIET_LOOKS && LOOK.saturating_mul(looks) < self.at_most {
            tokio::time::sleep(LOOK).await;
            looks = looks.saturating_add(1);
            let is_quiet = self.is_quiet(&newest_deliveries().await?).await?;
            quiet = if is_quiet { quiet + 1 } else { 0 };
        }
        Ok(())
    }

    /// The runs that have not ended.
    async fn left<'a>(&self, asked: &'a [Asked]) -> Result<Vec<(&'a Asked, Seen)>> {
        let mut left = Vec::new();
        for asked in asked {
            let seen = self.seen(asked).await?;
            if seen != Seen::Ended {
                left.push((asked, seen));
            }
        }
        Ok(left)
    }

    async fn seen(&self, asked: &Asked) -> Result<Seen> {
        if let Some(run) = self.store.run(&asked.run).await? {
            return Ok(if run.has_ended() { Seen::Ended } else { Seen::UnderWay });
        }
        let state = self.store.sync(&asked.sync).await?;
        if state.lease.is_some() || state.again {
            return Ok(Seen::UnderWay);
        }
        // It came while another run was reading: then one that follows that run answers it, under another id.
        let after = self.epoch(&asked.sync);
        let runs = self.store.runs(&asked.sync, RECENT).await?;
        let answers = |run: &Run| run.epoch > after && run.reason == Reason::Again && run.has_ended();
        Ok(if runs.iter().any(answers) { Seen::Ended } else { Seen::NotBegun })
    }

    /// Whether nothing is under way that began since.
    async fn is_quiet(&self, deliveries: &[Delivery]) -> Result<bool> {
        let is_new = |delivery: &&Delivery| !self.deliveries.contains(&delivery.id);
        if deliveries.iter().filter(is_new).any(|delivery| !delivery.has_ended()) {
            return Ok(false);
        }
        for (sync, epoch) in &self.epochs {
            let state = self.store.sync(sync).await?;
            if state.epoch == *epoch && !state.again {
                continue;
            }
            let runs = self.store.runs(sync, RECENT).await?;
            if state.again || runs.iter().any(|run| run.epoch > *epoch && !run.has_ended()) {
                return Ok(false);
            }
        }
        Ok(true)
    }

    fn epoch(&self, sync: &SyncId) -> u64 {
        self.epochs.get(sync).copied().unwrap_or(0)
    }

    async fn told(&self, left: Vec<(&Asked, Seen)>, waited: Duration) -> Result<HashMap<SyncId, String>> {
        let waited = span(chrono::TimeDelta::from_std(waited).unwrap_or_default());
        let mut told = HashMap::new();
        for (Asked { sync, run }, seen) in left {
            let state = self.store.sync(sync).await?;
            let why = match (seen, state.lease) {
                (Seen::UnderWay, Some(lease)) if lease.run != *run => format!(
                    "run {} still holds the sync until {} UTC; look again with `status`",
                    lease.run,
                    time(lease.until)
                ),
                (Seen::UnderWay, _) => format!("it has not ended after {waited}, and goes on: look with `status`"),
                _ => format!(
                    "run {run} has not begun after {waited}: look into the log of the function poll, and whether others \
                     keep it busy; the run begins when its message is taken"
                ),
            };
            told.insert(sync.clone(), why);
        }
        Ok(told)
    }
}
