//! Reconcile by hand.

use chrono::{DateTime, NaiveDate, Utc};
use engine::metrics::{self, Unit};
use engine::model::id::TenantId;
use engine::model::message::Reason;
use engine::model::reconcile::Reconciliation;
use engine::plan::Plans;
use engine::stages::{ReconcileOptions, overdue_deliveries, reconcile, repair, start};
use engine::{Error, Result};
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

/// What the function is invoked with.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub enum Request {
    /// By its schedule: how late is everything, and has a delivery waited too long?
    Sweep {
        /// Nothing yet.
        sweep: Nothing,
    },
    /// By hand.
    Compare(ReconcileRequest),
}

/// An object without members.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Nothing {}

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
    /// What the repair did not do, and why.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub repair_notes: Vec<String>,
}

impl Function {
    /// Does what is asked for.
    ///
    /// # Errors
    /// As [`Function::compare`]; a sweep as the store.
    pub async fn reconcile(self, request: Request, _deadline: DateTime<Utc>) -> Result<Vec<Reconciled>> {
        match request {
            Request::Compare(request) => self.compare(request).await,
            Request::Sweep { .. } => self.sweep().await.map(|()| Vec::new()),
        }
    }

    /// The greatest lateness of all syncs, as one figure, and the deliveries whose deadline has passed.
    async fn sweep(&self) -> Result<()> {
        let (context, now) = (&self.context, self.context.clock.now());
        let mut greatest = 0;
        for configured in self.plans.iter().filter(|sync| sync.enabled) {
            let sync = &configured.plan.id;
            if sync.integration != self.integration {
                continue;
            }
            let since = context.store.sync(sync).await?.watermark;
            let lag = since.map_or(0, |mark| (now - mark).num_seconds().max(0));
            tracing::info!(%sync, lag, "late by so many seconds");
            greatest = greatest.max(u64::try_from(lag).unwrap_or(0));
        }
        let span = tracing::info_span!("sweep", stage = "reconcile");
        span.in_scope(|| metrics::emit("WatermarkLagSeconds", greatest, Unit::Seconds));
        for tenant in self.tenants.iter() {
            if self.plans.syncs(tenant, &self.integration).is_ok() {
                overdue_deliveries(context, tenant, &self.integration).await?;
            }
        }
        Ok(())
    }

    /// Compares source and destination, and asks for the runs that mend what differs.
    ///
    /// # Errors
    /// Stops when the tenant or the sync is not configured here, and as source and destination.
    async fn compare(self, request: ReconcileRequest) -> Result<Vec<Reconciled>> {
        let context = &self.context;
        self.integrations(&request.tenant)?;
        match (request.from, request.to) {
            (None, Some(_)) => return Err(Error::stop("`to` without `from`: name the first day as `from`")),
            (Some(from), Some(to)) if to < from => return Err(Error::stop("`to` is before `from`")),
            _ => {}
        }
        let options =
            ReconcileOptions { window: request.from.map(|from| (from, request.to)), totals_only: request.totals_only };
        let mut all = Vec::new();
        for sync in self.syncs(&request.tenant, request.sync.as_deref())? {
            let found = reconcile(context, &sync, options).await?;
            let (mut repairs, mut repair_notes) = (Vec::new(), Vec::new());
            if request.repair && !found.differences.is_empty() {
                let repair = repair(context, &sync, &found, request.accept_deletes).await?;
                repair_notes = repair.notes;
                for selection in repair.runs {
                    repairs.push(start(context, &sync, Reason::Manual, selection).await?.run.to_string());
                }
            }
            all.push(Reconciled { sync: sync.to_string(), found, repairs, repair_notes });
        }
        Ok(all)
    }
}
