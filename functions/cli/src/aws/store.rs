//! Queue and store of a tenant whose integrations live in several scopes: what names a sync goes to the scope of its
//! integration; what names a run or a delivery is looked for in all of them.

use std::time::Duration;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::model::audit::{AuditBatch, AuditLine, Counts, Held, Settled};
use engine::model::batch::Archived;
use engine::model::delivery::{Cycle, Delivery};
use engine::model::id::{BatchId, ConnectionId, DeliveryId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use engine::model::link::Link;
use engine::model::message::{Message, Stage};
use engine::model::run::Run;
use engine::model::sync::SyncState;
use engine::ports::{ArchivePut, Change, HeldFilter, Queue, Received, Store};
use engine::{Error, Result};

use super::Deployed;
use backend_aws::Aws;

impl Deployed {
    fn of(&self, sync: &SyncId) -> Result<&Aws> {
        Ok(&self.instance(&sync.integration)?.aws)
    }
}

fn by_functions_alone() -> Error {
    Error::stop("messages of a deployment are taken by its functions alone: please report how this came about")
}

#[async_trait]
impl Queue for Deployed {
    async fn send(&self, message: &Message, delay: Duration) -> Result<()> {
        self.of(message.task.sync())?.send(message, delay).await
    }

    async fn receive(&self, _stage: Stage, _max: usize, _visibility: Duration) -> Result<Vec<Received>> {
        Err(by_functions_alone())
    }

    async fn delete(&self, _stage: Stage, _receipt: &str) -> Result<()> {
        Err(by_functions_alone())
    }

    async fn dead_letter(&self, _stage: Stage, _received: &Received, _reason: &str) -> Result<()> {
        Err(by_functions_alone())
    }
}

#[async_trait]
impl Store for Deployed {
    async fn sync(&self, sync: &SyncId) -> Result<SyncState> {
        self.of(sync)?.sync(sync).await
    }

    async fn update_sync(&self, sync: &SyncId, change: Change<'_, SyncState>) -> Result<SyncState> {
        self.of(sync)?.update_sync(sync, change).await
    }

    async fn syncs(&self, tenant: &TenantId) -> Result<Vec<SyncId>> {
        let mut syncs = Vec::new();
        for aws in self.all() {
            syncs.extend(aws.syncs(tenant).await?);
        }
        Ok(syncs)
    }

    async fn create_run(&self, run: &Run) -> Result<()> {
        self.of(&run.sync)?.create_run(run).await
    }

    async fn run(&self, run: &RunId) -> Result<Option<Run>> {
        for aws in self.all() {
            if let Some(found) = aws.run(run).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn runs(&self, sync: &SyncId, limit: usize) -> Result<Vec<Run>> {
        self.of(sync)?.runs(sync, limit).await
    }

    async fn update_run(&self, run: &RunId, change: Change<'_, Run>) -> Result<Option<Run>> {
        match self.run(run).await? {
            Some(found) => self.of(&found.sync)?.update_run(run, change).await,
            None => Ok(None),
        }
    }

    async fn batch_done(&self, batch: &BatchId, counts: &Counts) -> Result<Option<Run>> {
        match self.run(&batch.run).await? {
            Some(found) => self.of(&found.sync)?.batch_done(batch, counts).await,
            None => Ok(None),
        }
    }

    async fn archive(&self, batch: &Archived, lease_until: DateTime<Utc>) -> Result<ArchivePut> {
        self.of(&batch.sync)?.archive(batch, lease_until).await
    }

    async fn archived(&self, batch: &BatchId) -> Result<Option<Archived>> {
        for aws in self.all() {
            if let Some(found) = aws.archived(batch).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn last_archived(&self, run: &RunId) -> Result<Option<Archived>> {
        for aws in self.all() {
            if let Some(found) = aws.last_archived(run).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn expire_archive(&self, sync: &SyncId, before: DateTime<Utc>) -> Result<u64> {
        self.of(sync)?.expire_archive(sync, before).await
    }

    async fn write_audit(&self, audit: &AuditBatch) -> Result<()> {
        self.of(&audit.sync)?.write_audit(audit).await
    }

    async fn audit_of(&self, sync: &SyncId, key: &RecordKey) -> Result<Vec<AuditLine>> {
        self.of(sync)?.audit_of(sync, key).await
    }

    async fn hold(&self, held: &[Held]) -> Result<()> {
        for record in held {
            self.of(&record.sync)?.hold(std::slice::from_ref(record)).await?;
        }
        Ok(())
    }

    async fn held(&self, sync: &SyncId, filter: &HeldFilter) -> Result<Vec<Held>> {
        self.of(sync)?.held(sync, filter).await
    }

    async fn held_count(&self, sync: &SyncId) -> Result<(u64, u64)> {
        self.of(sync)?.held_count(sync).await
    }

    async fn held_among(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<RecordKey>> {
        self.of(sync)?.held_among(sync, keys).await
    }

    async fn settle(&self, sync: &SyncId, settled: &[Settled]) -> Result<()> {
        self.of(sync)?.settle(sync, settled).await
    }

    async fn link(&self, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
        self.of(sync)?.link(sync, links).await
    }

    async fn linked(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>> {
        self.of(sync)?.linked(sync, keys).await
    }

    async fn links(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Link)>> {
        self.of(sync)?.links(sync, keys).await
    }

    async fn update_link(&self, sync: &SyncId, key: &RecordKey, change: Change<'_, Link>) -> Result<Link> {
        self.of(sync)?.update_link(sync, key, change).await
    }

    async fn update_cycle(
        &self,
        tenant: &TenantId,
        integration: &IntegrationId,
        name: &str,
        change: Change<'_, Cycle>,
    ) -> Result<Cycle> {
        self.instance(integration)?.aws.update_cycle(tenant, integration, name, change).await
    }

    async fn create_delivery(&self, delivery: &Delivery) -> Result<()> {
        self.instance(&delivery.integration)?.aws.create_delivery(delivery).await
    }

    async fn delivery(&self, delivery: &DeliveryId) -> Result<Option<Delivery>> {
        for aws in self.all() {
            if let Some(found) = aws.delivery(delivery).await? {
                return Ok(Some(found));
            }
        }
        Ok(None)
    }

    async fn deliveries(&self, tenant: &TenantId, integration: &IntegrationId, limit: usize) -> Result<Vec<Delivery>> {
        self.instance(integration)?.aws.deliveries(tenant, integration, limit).await
    }

    async fn update_delivery(&self, delivery: &DeliveryId, change: Change<'_, Delivery>) -> Result<Option<Delivery>> {
        match self.delivery(delivery).await? {
            Some(found) => self.instance(&found.integration)?.aws.update_delivery(delivery, change).await,
            None => Ok(None),
        }
    }

    async fn permit(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        holder: &str,
        limit: u32,
        now: DateTime<Utc>,
        until: DateTime<Utc>,
    ) -> Result<bool> {
        self.any()?.permit(tenant, connection, holder, limit, now, until).await
    }

    async fn release_permit(&self, tenant: &TenantId, connection: &ConnectionId, holder: &str) -> Result<()> {
        self.any()?.release_permit(tenant, connection, holder).await
    }

    async fn stop_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
        why: &str,
    ) -> Result<()> {
        self.any()?.stop_connection(tenant, connection, secret, why).await
    }

    async fn connection_stopped(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
    ) -> Result<Option<String>> {
        self.any()?.connection_stopped(tenant, connection, secret).await
    }

    async fn restart_connection(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<()> {
        self.any()?.restart_connection(tenant, connection).await
    }
}
