//! What is remembered: syncs and runs, archived batches, the audit, links.
//!
//! The port is narrow on purpose. State that has rules ([`SyncState`], [`Run`]) is changed by a function of the engine
//! under an optimistic update, so that every backend keeps the same rules by keeping none of its own.

use async_trait::async_trait;
use chrono::{DateTime, Utc};

use crate::error::Result;
use crate::model::audit::{AuditBatch, AuditLine, Counts, Held, Settled};
use crate::model::batch::Archived;
use crate::model::delivery::{Cycle, Delivery};
use crate::model::id::{BatchId, ConnectionId, DeliveryId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use crate::model::link::Link;
use crate::model::run::Run;
use crate::model::sync::SyncState;

/// A change to a remembered thing: called with its present state, possibly several times, it must depend on nothing else.
pub type Change<'a, T> = &'a mut (dyn FnMut(&mut T) + Send);

/// What became of an attempt to archive a batch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ArchivePut {
    /// It is archived now.
    Stored,
    /// A batch with this id was archived before: somebody else polls this run.
    Exists,
    /// The run does not hold its sync's lease any more.
    Fenced,
}

/// Which held records are listed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct HeldFilter {
    /// Only waiting ones (`true`) or only rejects (`false`).
    pub waiting: Option<bool>,
    /// Only those that came with this run.
    pub run: Option<RunId>,
    /// Only those that wait, or have waited in vain, for a record of this stream.
    pub waiting_for: Option<String>,
    /// Only those whose key sorts after this one: for paging.
    pub after: Option<RecordKey>,
    /// At most so many.
    pub limit: usize,
}

/// What is remembered. Everything is durable when a call returns.
///
/// All methods: `Later` when the store cannot be reached, `Stop` when what it holds cannot be read.
#[async_trait]
pub trait Store: Send + Sync {
    /// The state of a sync; the default state for one never seen.
    async fn sync(&self, sync: &SyncId) -> Result<SyncState>;

    /// Changes the state of a sync and returns what it is then.
    async fn update_sync(&self, sync: &SyncId, change: Change<'_, SyncState>) -> Result<SyncState>;

    /// The syncs of a tenant that have a state.
    async fn syncs(&self, tenant: &TenantId) -> Result<Vec<SyncId>>;

    /// Remembers a new run; does nothing when the run is known.
    async fn create_run(&self, run: &Run) -> Result<()>;

    /// A run, if it is known.
    async fn run(&self, run: &RunId) -> Result<Option<Run>>;

    /// The newest runs of a sync, newest first.
    async fn runs(&self, sync: &SyncId, limit: usize) -> Result<Vec<Run>>;

    /// Changes a run and returns what it is then; `None` when it is not known.
    async fn update_run(&self, run: &RunId, change: Change<'_, Run>) -> Result<Option<Run>>;

    /// Marks a batch done and counts it in its run ([`Run::batch_done`]), in one transaction; the second time it only
    /// returns the run. `None` when the run is not known.
    async fn batch_done(&self, batch: &BatchId, counts: &Counts) -> Result<Option<Run>>;

    /// Archives a batch unless one with its id exists, and only while its run holds the sync's lease, which is renewed
    /// until `lease_until` in the same transaction.
    async fn archive(&self, batch: &Archived, lease_until: DateTime<Utc>) -> Result<ArchivePut>;

    /// An archived batch with its rows.
    async fn archived(&self, batch: &BatchId) -> Result<Option<Archived>>;

    /// The last archived batch of a run, with its rows.
    async fn last_archived(&self, run: &RunId) -> Result<Option<Archived>>;

    /// Deletes archived batches from before `before`, except those that hold an open reject or waiter. Returns how many.
    async fn expire_archive(&self, sync: &SyncId, before: DateTime<Utc>) -> Result<u64>;

    /// Writes the audit lines of a batch; a batch that was written before is not written again.
    async fn write_audit(&self, audit: &AuditBatch) -> Result<()>;

    /// The history of a record, oldest first.
    async fn audit_of(&self, sync: &SyncId, key: &RecordKey) -> Result<Vec<AuditLine>>;

    /// Holds records as rejects or waiters: one per sync and key. A held record of a greater version stays; of an equal
    /// or lesser one is replaced, keeping the `since` of one that waits for the same thing.
    async fn hold(&self, held: &[Held]) -> Result<()>;

    /// Held records of a sync, by key.
    async fn held(&self, sync: &SyncId, filter: &HeldFilter) -> Result<Vec<Held>>;

    /// How many records of a sync are held: (rejected, waiting).
    async fn held_count(&self, sync: &SyncId) -> Result<(u64, u64)>;

    /// Which of these keys are held.
    async fn held_among(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<RecordKey>>;

    /// Releases held records whose version is not greater than the settled one.
    async fn settle(&self, sync: &SyncId, settled: &[Settled]) -> Result<()>;

    /// Remembers where these records of a sync are at the destination: (key here, id there).
    async fn link(&self, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()>;

    /// Those of these records of a sync that are at the destination: (key here, id there).
    async fn linked(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>>;

    /// How these records of a sync stand to their counterparts; those without a link are left out.
    async fn links(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Link)>>;

    /// Changes how a record stands to its counterpart, from the default for one without a link, and returns what it is
    /// then. A link with an id is found by [`Store::linked`] too.
    async fn update_link(&self, sync: &SyncId, key: &RecordKey, change: Change<'_, Link>) -> Result<Link>;

    /// What a delivery, by its name in the tenant file, waits for; the default for one never seen. Changed and returned.
    async fn update_cycle(
        &self,
        tenant: &TenantId,
        integration: &IntegrationId,
        name: &str,
        change: Change<'_, Cycle>,
    ) -> Result<Cycle>;

    /// Remembers a new delivery; does nothing when it is known.
    async fn create_delivery(&self, delivery: &Delivery) -> Result<()>;

    /// A delivery, if it is known.
    async fn delivery(&self, delivery: &DeliveryId) -> Result<Option<Delivery>>;

    /// The newest deliveries of an integration, newest first.
    async fn deliveries(&self, tenant: &TenantId, integration: &IntegrationId, limit: usize) -> Result<Vec<Delivery>>;

    /// Changes a delivery and returns what it is then; `None` when it is not known.
    async fn update_delivery(&self, delivery: &DeliveryId, change: Change<'_, Delivery>) -> Result<Option<Delivery>>;

    /// Takes one of the connection's `limit` permits for `holder` until `until`, or renews it; `false` when none is free.
    async fn permit(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        holder: &str,
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool>;

    /// Gives a permit back.
    async fn release_permit(&self, tenant: &TenantId, connection: &ConnectionId, holder: &str) -> Result<()>;

    /// Stops a connection whose credentials were refused: nobody logs in with this secret again.
    async fn stop_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
        why: &str,
    ) -> Result<()>;

    /// Why a connection is stopped for the secret with this fingerprint, if it is.
    async fn connection_stopped(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
    ) -> Result<Option<String>>;

    /// Lets a stopped connection try again.
    async fn restart_connection(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<()>;
}
