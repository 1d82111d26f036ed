//! Whether everything works from where the function runs: its network, its role, its secrets.

use engine::Result;
use engine::model::id::{ConnectionId, TenantId};
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
    /// Tries the tenant's connections from here.
    ///
    /// # Errors
    /// Stops when the tenant is not configured here.
    pub async fn check(&self, request: &CheckRequest) -> Result<Vec<CheckedConnection>> {
        self.integrations(&request.tenant)?;
        let of_tenant = self.plans.iter().filter(|sync| sync.enabled && sync.plan.id.tenant == request.tenant);
        let syncs: Vec<_> = of_tenant.map(|sync| sync.plan.id.clone()).collect();
        let mut checked = Vec::new();
        for connection in self.registry.connections(&request.tenant) {
            let findings = check(&self.context, &request.tenant, &connection, &syncs).await?;
            checked.push(CheckedConnection { connection, findings });
        }
        Ok(checked)
    }
}
