//! Whether everything works from where the function runs: its network, its role, its secrets.

use std::collections::BTreeSet;

use engine::Result;
use engine::model::id::{ConnectionId, TenantId};
use engine::plan::Plans;
use engine::ports::Finding;
use engine::stages::check;
use serde::{Deserialize, Serialize};

use super::Function;

/// Whose connections are tried.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CheckRequest {
    /// The tenant.
    pub tenant: TenantId,
}

/// What was found of one connection.
#[derive(Debug, Clone, Serialize)]
pub struct CheckedConnection {
    /// Its name.
    pub connection: ConnectionId,
    /// One line each.
    pub findings: Vec<Finding>,
}

impl Function {
    /// Tries the connections that the integration uses for the tenant, from here. Secrets of others may not even be read.
    ///
    /// # Errors
    /// Stops when the tenant is not configured here.
    pub async fn check(&self, request: &CheckRequest) -> Result<Vec<CheckedConnection>> {
        let mut used = BTreeSet::new();
        let mut syncs = Vec::new();
        for integration in self.integrations(&request.tenant)? {
            let consumer = self.plans.consumer(&request.tenant, &integration)?;
            used.extend(consumer.map(|consumer| consumer.connection.clone()));
            syncs.extend(self.plans.syncs(&request.tenant, &integration)?);
        }
        for sync in &syncs {
            let plan = self.plans.plan(sync)?;
            used.extend([plan.source.clone(), plan.destination.clone()]);
        }
        let mut checked = Vec::new();
        for connection in used {
            let findings = check(&self.context, &request.tenant, &connection, &syncs).await?;
            checked.push(CheckedConnection { connection, findings });
        }
        Ok(checked)
    }
}
