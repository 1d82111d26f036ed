//! The plans of the tenants that are configured.

use std::sync::Arc;

use indexmap::IndexMap;

use super::dashboards::DashboardSpec;
use super::nearest;
use super::period::Schedule;
use crate::error::{Error, Result};
use crate::mapping::NeedSpec;
use crate::model::id::{IntegrationId, SyncId, TenantId};
use crate::plan::{ConsumerPlan, Plans, SyncPlan};

/// A sync as it is configured.
#[derive(Debug, Clone)]
pub struct ConfiguredSync {
    /// The plan.
    pub plan: Arc<SyncPlan>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
    /// The records of other syncs of the integration that its records name: declared as needed or looked up, or told by
    /// columns that are the other's whole key.
    pub references: Vec<NeedSpec>,
}

/// All plans of one tenant or several, in the order in which an integration's syncs run.
#[derive(Debug, Clone, Default)]
pub struct ConfiguredPlans {
    syncs: IndexMap<SyncId, ConfiguredSync>,
    dashboards: IndexMap<(TenantId, IntegrationId), IndexMap<String, DashboardSpec>>,
    consumers: IndexMap<(TenantId, IntegrationId), Arc<ConsumerPlan>>,
}

impl ConfiguredPlans {
    pub(super) fn new(syncs: impl IntoIterator<Item = ConfiguredSync>) -> Self {
        let syncs = syncs.into_iter().map(|sync| (sync.plan.id.clone(), sync)).collect();
        Self { syncs, dashboards: IndexMap::new(), consumers: IndexMap::new() }
    }

    /// Adds who is told of an integration.
    pub(super) fn with_consumer(mut self, tenant: &TenantId, integration: &str, consumer: ConsumerPlan) -> Self {
        self.consumers.insert((tenant.clone(), IntegrationId::new(integration)), Arc::new(consumer));
        self
    }

    /// Adds the dashboards that an integration ships.
    pub(super) fn with_dashboards(
        mut self,
        tenant: &TenantId,
        integration: &IntegrationId,
        dashboards: &IndexMap<String, DashboardSpec>,
    ) -> Self {
        self.dashboards.insert((tenant.clone(), integration.clone()), dashboards.clone());
        self
    }

    /// The dashboards of an integration, by name. Their columns are there unless the tenant left them out.
    pub fn dashboards(
        &self,
        tenant: &TenantId,
        integration: &IntegrationId,
    ) -> impl Iterator<Item = (&str, &DashboardSpec)> {
        let shipped = self.dashboards.get(&(tenant.clone(), integration.clone()));
        shipped.into_iter().flatten().map(|(name, dashboard)| (name.as_str(), dashboard))
    }

    /// All syncs, also those that are switched off.
    pub fn iter(&self) -> impl Iterator<Item = &ConfiguredSync> {
        self.syncs.values()
    }

    /// One sync, also when it is switched off.
    ///
    /// # Errors
    /// Stops when it is not configured, and names what is.
    pub fn get(&self, sync: &SyncId) -> Result<&ConfiguredSync> {
        self.syncs.get(sync).ok_or_else(|| {
            let known: Vec<_> = self.syncs.keys().map(ToString::to_string).collect();
            Error::stop(format!("sync {sync} is not configured{}", named(&sync.to_string(), &known)))
        })
    }

    /// Adds the plans of other tenants.
    pub fn extend(&mut self, other: Self) {
        self.syncs.extend(other.syncs);
        self.consumers.extend(other.consumers);
        self.dashboards.extend(other.dashboards);
    }
}

impl Plans for ConfiguredPlans {
    fn plan(&self, sync: &SyncId) -> Result<Arc<SyncPlan>> {
        self.get(sync).map(|sync| Arc::clone(&sync.plan))
    }

    fn syncs(&self, tenant: &TenantId, integration: &IntegrationId) -> Result<Vec<SyncId>> {
        let of_integration = |id: &SyncId| id.tenant == *tenant && id.integration == *integration;
        if !self.syncs.keys().any(of_integration) {
            let mut known: Vec<_> = self.syncs.keys().map(|id| format!("{}/{}", id.tenant, id.integration)).collect();
            known.dedup();
            let wanted = format!("{tenant}/{integration}");
            return Err(Error::stop(format!("integration {wanted} is not configured{}", named(&wanted, &known))));
        }
        let on = self.syncs.iter().filter(|(id, sync)| sync.enabled && of_integration(id));
        Ok(on.map(|(id, _)| id.clone()).collect())
    }

    fn consumer(&self, tenant: &TenantId, integration: &IntegrationId) -> Result<Option<Arc<ConsumerPlan>>> {
        Ok(self.consumers.get(&(tenant.clone(), integration.clone())).cloned())
    }
}

/// The nearest of what is known, or all of it.
fn named(wanted: &str, known: &[String]) -> String {
    let nearest = nearest(wanted, known.iter().map(String::as_str));
    match known {
        [] => "; no integration is: add one to the tenant file".to_owned(),
        _ if !nearest.is_empty() => nearest,
        _ => format!("; configured are {}", known.join(", ")),
    }
}
