//! What a person asks for by hand: the payload of a manual invoke.

use chrono::NaiveDate;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::id::{DeliveryId, RecordKey, RunId, TenantId};

/// What is replayed. Name exactly one of `run`, `batch`, `keys`, `from`, `rejects` and `delivery`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReplayRequest {
    /// Whose records.
    #[schemars(example = &"acme")]
    pub tenant: TenantId,
    /// The sync, by its name or as `integration/name`. Needed with `keys` and `from`; with `rejects` it may be left out
    /// to mean all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ap_invoices")]
    pub sync: Option<String>,
    /// All batches of this run, from the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"20261121T120301-00000011")]
    pub run: Option<RunId>,
    /// This batch, from the archive.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"20261121T120301-00000011/3")]
    pub batch: Option<String>,
    /// These records, read from the source afresh.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    #[schemars(example = ["70412|PV|00070|001|0"])]
    pub keys: Vec<RecordKey>,
    /// What changed on this day and later, read from the source afresh.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"2026-01-01")]
    pub from: Option<NaiveDate>,
    /// With `from`: what changed up to this day.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(with = "Option<String>", example = &"2026-03-31")]
    pub to: Option<NaiveDate>,
    /// All records that are rejected now, from the archive.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub rejects: bool,
    /// This delivery: one that failed is sent again, one of which nobody knows whether it arrived is looked for.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"ap_daily@20261121T120301-00000011")]
    pub delivery: Option<DeliveryId>,
    /// With `delivery`: send it again even though it was, or may have been, delivered.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    #[schemars(example = true)]
    pub may_arrive_twice: bool,
}

impl ReplayRequest {
    /// Nothing yet, for a tenant.
    pub fn of(tenant: TenantId) -> Self {
        Self {
            tenant,
            sync: None,
            run: None,
            batch: None,
            keys: Vec::new(),
            from: None,
            to: None,
            rejects: false,
            delivery: None,
            may_arrive_twice: false,
        }
    }
}

/// What a replay set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, Default)]
pub struct Replayed {
    /// The runs, by sync.
    pub runs: Vec<ReplayedRun>,
    /// The delivery that goes again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub delivery: Option<DeliveryId>,
}

/// A run that a replay set off.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ReplayedRun {
    /// Of which sync.
    pub sync: String,
    /// Its id.
    pub run: RunId,
}
