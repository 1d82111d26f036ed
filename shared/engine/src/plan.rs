//! A sync made ready: what the tenant file and the blueprint say, resolved, checked and compiled.

use std::sync::Arc;
use std::time::Duration;

use chrono_tz::Tz;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::error::Result;
use crate::mapping::Mapping;
use crate::model::delivery::What;
use crate::model::id::{ConnectionId, IntegrationId, SyncId, TenantId};
use crate::model::table::TableSpec;

/// How a stream tells when a record changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields)]
pub struct UpdatedSpec {
    /// Source column that holds the date of the last change, such as `UPMJ`.
    #[schemars(example = &"UPMJ")]
    pub date: String,
    /// Source column that holds the time of the last change, such as `UPMT` or `TDAY`, where there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"UPMT")]
    pub time: Option<String>,
}

/// A condition that every read of a stream carries, such as `AT1 = V`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Condition {
    /// Source column.
    #[schemars(example = &"AT1")]
    pub column: String,
    /// One of these values.
    #[schemars(example = ["V"])]
    pub equals: Vec<String>,
}

/// What a source reads for a sync.
#[derive(Debug, Clone, PartialEq)]
pub struct StreamSpec {
    /// The stream's name in the blueprint.
    pub name: String,
    /// The source's own name for it: a table, a query, a resource.
    pub object: String,
    /// Source columns of the unique key, in the order of the source's index.
    pub key: Vec<String>,
    /// How it tells what changed; `None` reads everything each time.
    pub updated: Option<UpdatedSpec>,
    /// Conditions that every read carries.
    pub filter: Vec<Condition>,
    /// Source columns that are read, key and change columns included, in the order of the rows.
    pub columns: Vec<String>,
    /// Source columns whose values are padded on the left with blanks to this width.
    pub padded: Vec<(String, usize)>,
    /// Records per page; the connector's default when absent.
    pub page_size: Option<usize>,
}

/// How the records of a sync are grouped when both sides are compared.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema, Default)]
#[serde(deny_unknown_fields, default)]
pub struct Control {
    /// Destination columns by whose values counts and amounts are compared, such as the business unit or the supplier.
    #[schemars(example = ["business_unit", "supplier_number", "currency"])]
    pub by: Vec<String>,
    /// The destination column of type date by whose months they are compared.
    #[schemars(example = &"gl_date")]
    pub month: Option<String>,
}

/// A delivery made ready.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DeliveryPlan {
    /// Its name in the tenant file.
    pub name: String,
    /// What is delivered.
    pub what: What,
    /// The streams that have to be complete before it goes.
    pub after: Vec<String>,
    /// How long after the first of them the others may come late.
    pub deadline: Duration,
    /// Whether it goes without the late ones then, naming them; or is held for a person.
    pub without_late: bool,
}

/// Who is told when an integration has moved something, and what is delivered then.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConsumerPlan {
    /// The connection.
    pub connection: ConnectionId,
    /// What is delivered.
    pub deliveries: Vec<DeliveryPlan>,
}

/// A sync made ready to run.
#[derive(Debug)]
pub struct SyncPlan {
    /// Which sync.
    pub id: SyncId,
    /// In words, for people.
    pub description: String,
    /// Where it reads.
    pub source: ConnectionId,
    /// Where it writes.
    pub destination: ConnectionId,
    /// What it reads.
    pub stream: StreamSpec,
    /// What it writes.
    pub table: TableSpec,
    /// How one becomes the other.
    pub mapping: Mapping,
    /// The zone in which the source stamps its changes.
    pub zone: Tz,
    /// How far before the watermark a poll begins to read, in days.
    pub lookback_days: u32,
    /// How far behind the source's own time the watermark stays.
    pub safety_lag: Duration,
    /// How long a record may wait before it becomes a reject.
    pub wait_at_most: Duration,
    /// How long archived batches are kept.
    pub keep_archive: Duration,
    /// Amount columns that the proof at the end of a run sums on both sides: (source column, destination column).
    pub totals: Vec<(String, String)>,
    /// How its records are grouped when both sides are compared.
    pub control: Control,
    /// Whether other syncs look its records up, so that their links are kept.
    pub keeps_links: bool,
    /// Streams of the same integration that are run before this one.
    pub after: Vec<String>,
    /// Whether it runs against the direction of its integration: from where the others write to where they read.
    pub reverse: bool,
}

/// Finds the plan of a sync.
pub trait Plans: Send + Sync {
    /// The plan.
    ///
    /// # Errors
    /// Stops when the tenant, integration or stream is not configured.
    fn plan(&self, sync: &SyncId) -> Result<Arc<SyncPlan>>;

    /// The syncs of an integration that are switched on, in the order in which they are run.
    ///
    /// # Errors
    /// Stops when the tenant or the integration is not configured.
    fn syncs(&self, tenant: &TenantId, integration: &IntegrationId) -> Result<Vec<SyncId>>;

    /// Who is told when this integration has moved something; `None` when nobody is.
    ///
    /// # Errors
    /// Stops when the tenant or the integration is not configured.
    fn consumer(&self, tenant: &TenantId, integration: &IntegrationId) -> Result<Option<Arc<ConsumerPlan>>>;
}
