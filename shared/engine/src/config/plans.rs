//! The plans of the tenants that are configured.

use std::sync::Arc;

use indexmap::IndexMap;

use super::nearest;
use super::period::Schedule;
use crate::error::{Error, Result};
use crate::model::id::{IntegrationId, SyncId, TenantId};
use crate::plan::{Plans, SyncPlan};

/// A sync as it is configured.
#[derive(Debug, Clone)]
pub struct ConfiguredSync {
    /// The plan.
    pub plan: Arc<SyncPlan>,
    /// Whether it is switched on.
    pub enabled: bool,
    /// When it runs.
    pub schedule: Schedule,
}

/// All plans of one tenant or several, in the order in which an integration's syncs run.
#[derive(Debug, Clone, Default)]
pub struct ConfiguredPlans {
    syncs: IndexMap<SyncId, ConfiguredSync>,
}

impl ConfiguredPlans {
    pub(super) fn new(syncs: impl IntoIterator<Item = ConfiguredSync>) -> Self {
        Self { syncs: syncs.into_iter().map(|sync| (sync.plan.id.clone(), sync)).collect() }
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
