//! The store: one file per table.

mod audit;
mod batches;
mod connections;
mod deliveries;
mod held;
mod links;
mod syncs;

use std::collections::HashSet;

use async_trait::async_trait;
use chrono::{DateTime, Utc};
use engine::Result;
use engine::model::audit::{AuditBatch, AuditLine, Counts, Held, Settled};
use engine::model::batch::Archived;
use engine::model::delivery::{Cycle, Delivery};
use engine::model::id::{BatchId, ConnectionId, DeliveryId, IntegrationId, RecordKey, RunId, SyncId, TenantId};
use engine::model::link::Link;
use engine::model::run::Run;
use engine::model::sync::SyncState;
use engine::ports::{ArchivePut, Change, HeldFilter, Store};

use crate::Aws;

#[async_trait]
impl Store for Aws {
    async fn sync(&self, sync: &SyncId) -> Result<SyncState> {
        syncs::state(self.database(), sync).await
    }

    async fn update_sync(&self, sync: &SyncId, change: Change<'_, SyncState>) -> Result<SyncState> {
        syncs::update_state(self.database(), sync, change).await
    }

    async fn syncs(&self, tenant: &TenantId) -> Result<Vec<SyncId>> {
        syncs::of_tenant(self.database(), tenant).await
    }

    async fn create_run(&self, run: &Run) -> Result<()> {
        syncs::create_run(self.database(), run).await
    }

    async fn run(&self, run: &RunId) -> Result<Option<Run>> {
        syncs::run(self.database(), run).await
    }

    async fn runs(&self, sync: &SyncId, limit: usize) -> Result<Vec<Run>> {
        syncs::runs(self.database(), sync, limit).await
    }

    async fn update_run(&self, run: &RunId, change: Change<'_, Run>) -> Result<Option<Run>> {
        syncs::update_run(self.database(), run, change).await
    }

    async fn batch_done(&self, batch: &BatchId, counts: &Counts) -> Result<Option<Run>> {
        syncs::batch_done(self.database(), batch, counts).await
    }

    async fn archive(&self, batch: &Archived, lease_until: DateTime<Utc>) -> Result<ArchivePut> {
        batches::archive(self.database(), batch, lease_until).await
    }

    async fn archived(&self, batch: &BatchId) -> Result<Option<Archived>> {
        batches::archived(self.database(), batch).await
    }

    async fn last_archived(&self, run: &RunId) -> Result<Option<Archived>> {
        batches::last_archived(self.database(), run).await
    }

    async fn expire_archive(&self, sync: &SyncId, before: DateTime<Utc>) -> Result<u64> {
        batches::expire(self.database(), sync, before).await
    }

    async fn write_audit(&self, audit: &AuditBatch) -> Result<()> {
        audit::write_lines(self.database(), audit).await
    }

    async fn audit_of(&self, sync: &SyncId, key: &RecordKey) -> Result<Vec<AuditLine>> {
        audit::lines_of(self.database(), sync, key).await
    }

    async fn hold(&self, held: &[Held]) -> Result<()> {
        held::hold(self.database(), held).await
    }

    async fn held(&self, sync: &SyncId, filter: &HeldFilter) -> Result<Vec<Held>> {
        held::held(self.database(), sync, filter).await
    }

    async fn held_count(&self, sync: &SyncId) -> Result<(u64, u64)> {
        held::held_count(self.database(), sync).await
    }

    async fn held_among(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<RecordKey>> {
        held::held_among(self.database(), sync, keys).await
    }

    async fn settle(&self, sync: &SyncId, settled: &[Settled]) -> Result<()> {
        held::settle(self.database(), sync, settled).await
    }

    async fn link(&self, sync: &SyncId, links: &[(RecordKey, String)]) -> Result<()> {
        links::link(self.database(), sync, links).await
    }

    async fn linked(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, String)>> {
        links::linked(self.database(), sync, keys).await
    }

    async fn links(&self, sync: &SyncId, keys: &[RecordKey]) -> Result<Vec<(RecordKey, Link)>> {
        links::links(self.database(), sync, keys).await
    }

    async fn update_link(&self, sync: &SyncId, key: &RecordKey, change: Change<'_, Link>) -> Result<Link> {
        links::update(self.database(), sync, key, change).await
    }

    async fn update_cycle(
        &self,
        tenant: &TenantId,
        integration: &IntegrationId,
        name: &str,
        change: Change<'_, Cycle>,
    ) -> Result<Cycle> {
        deliveries::update_cycle(self.database(), (tenant, integration), name, change).await
    }

    async fn create_delivery(&self, delivery: &Delivery) -> Result<()> {
        deliveries::create(self.database(), delivery).await
    }

    async fn delivery(&self, delivery: &DeliveryId) -> Result<Option<Delivery>> {
        deliveries::delivery(self.database(), delivery).await
    }

    async fn deliveries(&self, tenant: &TenantId, integration: &IntegrationId, limit: usize) -> Result<Vec<Delivery>> {
        deliveries::newest(self.database(), (tenant, integration), limit).await
    }

    async fn update_delivery(&self, delivery: &DeliveryId, change: Change<'_, Delivery>) -> Result<Option<Delivery>> {
        deliveries::change(self.database(), delivery, change).await
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
        connections::permit(self.database(), (tenant, connection), holder, limit, now, until).await
    }

    async fn release_permit(&self, tenant: &TenantId, connection: &ConnectionId, holder: &str) -> Result<()> {
        connections::release_permit(self.database(), (tenant, connection), holder).await
    }

    async fn stop_connection(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
        why: &str,
    ) -> Result<()> {
        connections::stop_connection(self.database(), (tenant, connection), secret, why).await
    }

    async fn connection_stopped(
        &self,
        tenant: &TenantId,
        connection: &ConnectionId,
        secret: &str,
    ) -> Result<Option<String>> {
        connections::connection_stopped(self.database(), (tenant, connection), secret).await
    }

    async fn restart_connection(&self, tenant: &TenantId, connection: &ConnectionId) -> Result<()> {
        connections::restart_connection(self.database(), (tenant, connection)).await
    }
}

/// The keys, each once: they come from batches that may name one twice.
fn unique(keys: &[RecordKey]) -> Vec<&RecordKey> {
    let mut seen = HashSet::with_capacity(keys.len());
    keys.iter().filter(|key| seen.insert(*key)).collect()
}
