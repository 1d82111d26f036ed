//! The tenant file: all that a customer writes.

use indexmap::IndexMap;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;
use serde::de::DeserializeOwned;

use super::blueprint::ReadSpec;
use super::deliveries::DeliverySpec;
use super::document::Document;
use super::period::{Period, Schedule};
use super::problem::Problems;
use crate::mapping::{ColumnSpec, Fault, NeedSpec};
use crate::model::id::TenantId;
use crate::plan::{Condition, Control};

/// What a connection's settings tell the engine. The settings themselves belong to the connectors.
pub trait ConnectionSpec: DeserializeOwned + JsonSchema {
    /// The system, as the tenant file names it, such as `jde` or `sqlite`.
    fn system(&self) -> &str;

    /// What blueprints ask for: the system itself, or a family of systems such as `warehouse`.
    fn kind(&self) -> &str {
        self.system()
    }

    /// The zone in which the system stamps its changes, where the settings tell one.
    fn zone(&self) -> Option<&str> {
        None
    }

    /// Mistakes in the settings that their types cannot tell, with paths inside the settings.
    fn faults(&self) -> Vec<Fault> {
        Vec::new()
    }
}

/// A tenant: its systems, and what moves between them.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, bound = "C: DeserializeOwned")]
#[schemars(bound = "C: JsonSchema")]
pub struct Tenant<C> {
    /// The tenant's systems, each under a name of your choice. Secrets are only named here; their values stay in the vault.
    #[schemars(extend("examples" = [{"erp": {"jde": {"url": "https://ais.example.com/jderest", "secret": "acme-jde"}}}]))]
    pub connections: IndexMap<String, C>,
    /// The integrations that are switched on, under the names of their blueprints, such as `jde-looker`.
    #[schemars(extend("examples" = [{"jde-looker": {"source": "erp", "destination": "warehouse"}}]))]
    pub integrations: IndexMap<String, IntegrationSpec>,
    /// Whether the tenant has queues and functions of its own in the cloud, instead of sharing those of its integrations.
    #[serde(default)]
    #[schemars(example = true)]
    pub dedicated: bool,
    /// How the schedules of its syncs are understood in the cloud.
    #[serde(default)]
    #[schemars(extend("examples" = [{"time_zone": "America/Denver", "flexible_window": "15m"}]))]
    pub schedules: ScheduleSpec,
    /// Who makes the secrets in the cloud.
    #[serde(default)]
    #[schemars(example = &"existing")]
    pub secrets: SecretsSpec,
}

/// How schedules are understood. They run in the cloud only; on one machine whoever calls `run` decides when.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ScheduleSpec {
    /// The zone of cron schedules. Without it they are in UTC.
    #[schemars(example = &"America/Denver")]
    pub time_zone: Option<String>,
    /// How much later than its schedule a sync may start, so that many do not start at once. From 1 minute to 1 day, in
    /// whole minutes; without it they start on time.
    #[schemars(example = &"15m")]
    pub flexible_window: Option<Period>,
}

/// Who makes the secrets of a tenant in the cloud.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum SecretsSpec {
    /// The deployment makes them, empty; removing the tenant leaves them.
    #[default]
    Created,
    /// They are there: kept from before the tenant was removed, or made by somebody else.
    Existing,
}

/// An integration of a tenant: which systems it connects, and what differs from its blueprint.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct IntegrationSpec {
    /// The connection it reads from.
    #[schemars(example = &"erp")]
    pub source: String,
    /// The connection it writes to.
    #[schemars(example = &"warehouse")]
    pub destination: String,
    /// The connection that is told when something has moved, such as Looker. Without it nobody is told.
    #[serde(default)]
    #[schemars(example = &"bi")]
    pub consumer: Option<String>,
    /// What the consumer delivers when syncs are complete, each under a name of your choice.
    #[serde(default)]
    #[schemars(extend("examples" = [{"ap_daily": {"plan": "AP daily", "after": ["suppliers", "ap_invoices"]}}]))]
    pub deliveries: IndexMap<String, DeliverySpec>,
    /// The zone in which the source stamps its changes. Without it the source connection's zone is taken.
    #[serde(default)]
    #[schemars(example = &"America/Denver")]
    pub zone: Option<String>,
    /// What differs from the blueprint, per sync. Syncs that are not named run as shipped.
    #[serde(default)]
    #[schemars(extend("examples" = [{"ap_invoices": {"schedule": "rate(15 minutes)"}}]))]
    pub syncs: IndexMap<String, SyncChange>,
}

/// What differs from the blueprint for one sync. What is not written stays as shipped.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct SyncChange {
    /// Whether the sync runs.
    #[schemars(example = false)]
    pub enabled: Option<bool>,
    /// When it runs: a rate, or the six cron fields of EventBridge.
    #[schemars(example = &"rate(1 hour)", example = &"cron(0 6 * * ? *)")]
    pub schedule: Option<Schedule>,
    /// How many days before the watermark a poll begins to read. Records found unchanged are not written again.
    #[schemars(example = 2)]
    pub lookback_days: Option<u32>,
    /// How far the watermark stays behind the source's own time.
    #[schemars(example = &"5m")]
    pub safety_lag: Option<Period>,
    /// How long a record waits for one that it names before it is rejected.
    #[schemars(example = &"7d")]
    pub wait_at_most: Option<Period>,
    /// How long the records as they came are kept for replay.
    #[schemars(example = &"30d")]
    pub keep_archive: Option<Period>,
    /// What is read. Written here, it replaces all of the blueprint's.
    #[schemars(extend("examples" = [{"object": "main.mdm.vendors", "key": ["setid", "vendor_id"], "updated": {"date": "updated_at"}}]))]
    pub read: Option<ReadSpec>,
    /// Records per page; the connector's own default when absent.
    #[schemars(example = 500)]
    pub page_size: Option<usize>,
    /// A CEL expression over source columns: only records for which it is true are loaded.
    #[serde(rename = "where")]
    #[schemars(example = &"CO == '00001'")]
    pub filter_rows: Option<String>,
    /// Conditions that the source itself applies. Written here, they replace all of the blueprint's.
    #[schemars(extend("examples" = [[{"column": "AT1", "equals": ["V", "C"]}]]))]
    pub filter: Option<Vec<Condition>>,
    /// The destination table.
    #[schemars(example = &"ap_invoices")]
    pub table: Option<String>,
    /// Columns to add or to change. `null` leaves a column of the blueprint out.
    #[schemars(extend("examples" = [{"site_code": {"from": "URAB", "type": "text"}, "remark": null}]))]
    pub columns: IndexMap<String, Option<ColumnSpec>>,
    /// Records of other syncs that have to be there first. Written here, they replace all of the blueprint's.
    #[schemars(extend("examples" = [[{"stream": "suppliers", "key": ["supplier_number"]}]]))]
    pub needs: Option<Vec<NeedSpec>>,
    /// Amount columns that are summed on both sides as proof. Written here, they replace all of the blueprint's.
    #[schemars(example = ["gross_amount", "open_amount"])]
    pub totals: Option<Vec<String>>,
    /// How its records are grouped when `reconcile` compares both sides. Written here, it replaces all of the blueprint's.
    #[schemars(extend("examples" = [{"by": ["business_unit"], "month": "gl_date"}]))]
    pub control: Option<Control>,
}

/// A tenant file that was read.
#[derive(Debug, Clone)]
pub struct TenantFile<C> {
    /// Whose it is: the file's name.
    pub id: TenantId,
    /// What it says.
    pub tenant: Tenant<C>,
    pub(super) document: Document,
}

impl<C: ConnectionSpec> TenantFile<C> {
    /// Reads a tenant file. `file` is its name for messages.
    ///
    /// # Errors
    /// All unknown fields, or else the first value of a wrong type, with file, line, column and field.
    pub fn parse(id: TenantId, file: &str, text: &str) -> Result<Self, Problems> {
        let (tenant, document) = Document::read(file, text)?;
        Ok(Self { id, tenant, document })
    }
}

/// The JSON Schema of the tenant file, for editors and for the documentation.
pub fn tenant_schema<C: ConnectionSpec>() -> serde_json::Value {
    SchemaGenerator::default().into_root_schema_for::<Tenant<C>>().to_value()
}
