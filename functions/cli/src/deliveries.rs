//! What was delivered, one row per delivery.

use chrono::{DateTime, Utc};
use engine::model::delivery::{Delivery, DeliveryState, What};
use serde::Serialize;

use crate::setup::Setup;
use crate::words::{Columns, shortened, time};

/// Deliveries of one integration that are looked at.
const RECENT: usize = 50;

/// One delivery's row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DeliveryRow {
    /// Its id, by which it is replayed.
    pub delivery: String,
    /// The integration it belongs to.
    pub integration: String,
    /// What is delivered, in words.
    pub delivers: String,
    /// `delivered`, `failed`, `uncertain`, or how far it is.
    pub state: String,
    /// Where it went, or what went wrong.
    pub detail: String,
    /// The consumer's own id of it.
    pub reference: Option<String>,
    /// How often it was sent, or may have been.
    pub attempts: u32,
    /// Syncs that were not complete when it had to go.
    pub late: Vec<String>,
    /// When it was planned.
    pub planned_at: DateTime<Utc>,
    /// When its outcome was known.
    pub ended_at: Option<DateTime<Utc>>,
}

impl From<&Delivery> for DeliveryRow {
    fn from(delivery: &Delivery) -> Self {
        let (state, detail, reference) = match &delivery.state {
            DeliveryState::Planned => ("planned", String::new(), None),
            DeliveryState::Requested { .. } => ("requested", String::new(), None),
            DeliveryState::Accepted { reference, .. } => ("accepted", String::new(), Some(reference)),
            DeliveryState::Delivered { reference, detail } => ("delivered", detail.clone(), Some(reference)),
            DeliveryState::Failed { why } => ("failed", why.clone(), None),
            DeliveryState::Uncertain { why, .. } => ("uncertain", why.clone(), None),
        };
        Self {
            delivery: delivery.id.to_string(),
            integration: delivery.integration.to_string(),
            delivers: match &delivery.what {
                What::Plan(plan) => format!("plan {plan}"),
                What::Trigger(group) => format!("trigger {group}"),
            },
            state: state.to_owned(),
            detail,
            reference: reference.cloned(),
            attempts: delivery.attempts,
            late: delivery.late.clone(),
            planned_at: delivery.planned_at,
            ended_at: delivery.ended_at,
        }
    }
}

impl DeliveryRow {
    /// Whether nobody has to look after it.
    pub fn is_ok(&self) -> bool {
        !matches!(self.state.as_str(), "failed" | "uncertain")
    }

    /// What went wrong with it, and what to do.
    pub fn words(&self) -> Option<String> {
        let id = &self.delivery;
        match self.state.as_str() {
            "failed" => Some(format!("delivery {id} failed: {}: `replay --delivery {id}` sends it again", self.detail)),
            "uncertain" => Some(format!(
                "nobody knows whether delivery {id} arrived: {}: `replay --delivery {id}` looks for it once more",
                self.detail
            )),
            _ if !self.late.is_empty() => Some(format!("delivery {id} went without {}", self.late.join(", "))),
            _ => None,
        }
    }
}

/// The newest deliveries of the tenant, newest first in each integration.
///
/// # Errors
/// When the store fails.
pub async fn newest(setup: &Setup) -> engine::Result<Vec<Delivery>> {
    let mut deliveries = Vec::new();
    for integration in setup.integrations()? {
        deliveries.extend(setup.context.store.deliveries(&setup.tenant, &integration, RECENT).await?);
    }
    Ok(deliveries)
}

/// The deliveries as a table; nothing when there are none.
pub fn table(rows: &[DeliveryRow]) -> String {
    if rows.is_empty() {
        return String::new();
    }
    let mut columns = Columns::new(&["delivery", "delivers", "planned (UTC)", ">sent", "state", "detail"]);
    for row in rows {
        columns.row([
            row.delivery.clone(),
            row.delivers.clone(),
            time(row.planned_at),
            row.attempts.to_string(),
            row.state.clone(),
            shortened(&row.detail, 60),
        ]);
    }
    format!("\n{}", columns.text())
}
