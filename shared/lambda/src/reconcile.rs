//! Reconcile by hand.

use chrono::{DateTime, NaiveDate, Utc};
use engine::Result;
use engine::model::id::TenantId;
use engine::model::message::Reason;
use engine::model::reconcile::Reconciliation;
use engine::stages::{ReconcileOptions, reconcile, repair, start};
use serde::{Deserialize, Serialize};

use super::Function;

/// What is compared.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ReconcileRequest {
    /// Whose records.
    pub tenant: TenantId,
    /// The sync, by its name; all that are switched on when absent.
    #[serde(default)]
    pub sync: Option<String>,
    /// Only what changed on this day and later.
    #[serde(default)]
    pub from: Option<NaiveDate>,
    /// Only what changed up to this day.
    #[serde(default)]
    pub to: Option<NaiveDate>,
    /// Counts and totals only.
    #[serde(default)]
    pub totals_only: bool,
    /// Whether what differs is read again.
    #[serde(default)]
    pub repair: bool,
    /// With `repair`: mark deleted however many they are.
    #[serde(default)]
    pub accept_deletes: bool,
}

/// What was found of one sync.
#[derive(Debug, Serialize)]
pub struct Reconciled {
    /// Which sync.
    pub sync: String,
    /// Both sides.
    #[serde(flatten)]
    pub found: Reconciliation,
    /// The runs that mend it; compare again when they have ended.
    pub repairs: Vec<String>,
}

impl Function {
    /// Compares source and destination, and asks for the runs that mend what differs.
    ///
    /// # Errors
    /// Stops when the tenant or the sync is not configured here, and as source and destination.
    pub async fn reconcile(self, request: ReconcileRequest, _deadline: DateTime<Utc>) -> Result<Vec<Reconciled>> {
        let context = &self.context;
        self.integrations(&request.tenant)?;
        let options = ReconcileOptions {
            window: request.from.map(|from| (from, request.to)),
            totals_only: request.totals_only,
        };
        let mut all = Vec::new();
        for sync in self.syncs(&request.tenant, request.sync.as_deref())? {
            let found = reconcile(context, &sync, options).await?;
            let mut repairs = Vec::new();
            if request.repair && !found.differences.is_empty() {
                for selection in repair(context, &sync, &found, request.accept_deletes).await?.runs {
                    repairs.push(start(context, &sync, Reason::Manual, selection).await?.run.to_string());
                }
            }
            all.push(Reconciled { sync: sync.to_string(), found, repairs });
        }
        Ok(all)
    }
}
