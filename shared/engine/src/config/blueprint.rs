//! The blueprint: what an integration moves, stream by stream.

use indexmap::IndexMap;
use schemars::{JsonSchema, SchemaGenerator};
use serde::Deserialize;

use super::dashboards::DashboardSpec;
use super::document::Document;
use super::period::{Period, Schedule};
use super::problem::Problems;
use crate::mapping::{ColumnSpec, NeedSpec};
use crate::plan::{Condition, Control, UpdatedSpec};

/// An integration as it is shipped.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Blueprint {
    /// Its name, by which tenant files switch it on.
    #[schemars(example = &"jde-looker")]
    pub integration: String,
    /// What it moves, in words.
    #[schemars(example = &"Supplier invoices and purchase orders for analysts")]
    pub description: String,
    /// The system it reads from.
    #[schemars(example = &"jde")]
    pub source: String,
    /// The system, or family of systems, it writes to.
    #[schemars(example = &"warehouse")]
    pub destination: String,
    /// The system that is told when something has moved, where there is one.
    #[serde(default)]
    #[schemars(example = &"looker")]
    pub consumer: Option<String>,
    /// Another blueprint whose syncs and dashboards this one has too; what is written here stands in their place, or follows
    /// them.
    #[serde(default)]
    #[schemars(example = &"peoplesoft-looker")]
    pub includes: Option<String>,
    /// Its syncs, in the order in which they run.
    #[serde(default)]
    #[schemars(extend("examples" = [{"cost_centers": {"table": "cost_centers", "key": ["business_unit"]}}]))]
    pub syncs: IndexMap<String, SyncSpec>,
    /// Dashboards that analysts start from, under the names they have in Looker.
    #[serde(default)]
    #[schemars(extend("examples" = [{"spend": {"kind": "spend", "sync": "ap_invoices", "amount": "gross_amount"}}]))]
    pub dashboards: IndexMap<String, DashboardSpec>,
}

/// One stream of records, as it is shipped.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SyncSpec {
    /// What its records are, for the comment on the table.
    #[schemars(example = &"Pay items of supplier invoices")]
    pub description: String,
    /// What is read.
    #[schemars(extend("examples" = [{"object": "F0006", "key": ["MCU"], "updated": {"date": "UPMJ", "time": "UPMT"}}]))]
    pub read: ReadSpec,
    /// The destination table.
    #[schemars(example = &"ap_invoices")]
    pub table: String,
    /// Destination columns that make a record unique.
    #[schemars(example = ["document_number", "document_type", "document_company", "pay_item"])]
    pub key: Vec<String>,
    /// The destination column that tells the company.
    #[serde(default)]
    #[schemars(example = &"company")]
    pub company: Option<String>,
    /// The destination columns, in their order.
    #[schemars(extend("examples" = [{"gross_amount": {"from": "AG", "type": "decimal(15,2)"}}]))]
    pub columns: IndexMap<String, ColumnSpec>,
    /// A CEL expression over source columns: only records for which it is true are loaded.
    #[serde(default, rename = "where")]
    #[schemars(example = &"CO == '00001'")]
    pub filter_rows: Option<String>,
    /// Amount columns that are summed on both sides as proof.
    #[serde(default)]
    #[schemars(example = ["gross_amount"])]
    pub totals: Vec<String>,
    /// How its records are grouped when `reconcile` compares counts and amounts of both sides.
    #[serde(default)]
    #[schemars(extend("examples" = [{"by": ["business_unit", "supplier_number"], "month": "gl_date"}]))]
    pub control: Control,
    /// Records of other syncs that have to be there first: until then a record waits.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"stream": "purchase_orders", "key": ["order_number", "order_type"]}]]))]
    pub needs: Vec<NeedSpec>,
    /// Syncs that run before this one. Those it needs or looks up always do.
    #[serde(default)]
    #[schemars(example = ["suppliers"])]
    pub after: Vec<String>,
    /// Whether it runs against the direction of the integration: it reads from the destination and writes to the source.
    #[serde(default)]
    #[schemars(example = true)]
    pub reverse: bool,
    /// Whether it runs unless the tenant says otherwise.
    #[serde(default = "yes")]
    #[schemars(example = true)]
    pub enabled: bool,
    /// When it runs: a rate, or the six cron fields of EventBridge.
    #[serde(default = "hourly")]
    #[schemars(example = &"rate(1 hour)")]
    pub schedule: Schedule,
    /// How many days before the watermark a poll begins to read.
    #[serde(default = "one")]
    #[schemars(example = 1)]
    pub lookback_days: u32,
    /// How far the watermark stays behind the source's own time.
    #[serde(default = "five_minutes")]
    #[schemars(example = &"5m")]
    pub safety_lag: Period,
    /// How long a record waits for one that it names before it is rejected.
    #[serde(default = "seven_days")]
    #[schemars(example = &"7d")]
    pub wait_at_most: Period,
    /// How long the records as they came are kept for replay.
    #[serde(default = "thirty_days")]
    #[schemars(example = &"30d")]
    pub keep_archive: Period,
}

/// What is read for a sync.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReadSpec {
    /// The source's own name for it: a table, a query, a resource.
    #[schemars(example = &"F0411")]
    pub object: String,
    /// Source columns of the unique key, in the order of the source's index.
    #[schemars(example = ["DOC", "DCT", "KCO", "SFX", "SFXE"])]
    pub key: Vec<String>,
    /// How a record tells when it changed. Without it every run reads everything.
    #[serde(default)]
    #[schemars(extend("examples" = [{"date": "UPMJ", "time": "UPMT"}]))]
    pub updated: Option<UpdatedSpec>,
    /// Conditions that every read carries.
    #[serde(default)]
    #[schemars(extend("examples" = [[{"column": "AT1", "equals": ["V"]}]]))]
    pub filter: Vec<Condition>,
    /// Source columns whose values the source fills up on the left with blanks, and to which width.
    #[serde(default)]
    #[schemars(extend("examples" = [{"MCU": 12}]))]
    pub padded: IndexMap<String, usize>,
    /// Records per page; the connector's own default when absent.
    #[serde(default)]
    #[schemars(example = 500)]
    pub page_size: Option<usize>,
}

fn yes() -> bool {
    true
}

fn one() -> u32 {
    1
}

fn hourly() -> Schedule {
    Schedule::hourly()
}

fn five_minutes() -> Period {
    Period::from_seconds(5 * 60)
}

fn seven_days() -> Period {
    Period::from_seconds(7 * 86_400)
}

fn thirty_days() -> Period {
    Period::from_seconds(30 * 86_400)
}

/// A blueprint that was read.
#[derive(Debug, Clone)]
pub struct BlueprintFile {
    /// What it says.
    pub blueprint: Blueprint,
    pub(super) document: Document,
}

impl BlueprintFile {
    /// Reads a blueprint. `file` is its name for messages.
    ///
    /// # Errors
    /// All unknown fields, or else the first value of a wrong type, with file, line, column and field.
    pub fn parse(file: &str, text: &str) -> Result<Self, Problems> {
        let (blueprint, document) = Document::read(file, text)?;
        Ok(Self { blueprint, document })
    }

    /// Takes over the syncs and dashboards of the blueprint that it includes, if that is among `others`.
    #[must_use]
    pub fn including(mut self, others: &[Self]) -> Self {
        let Some(included) = &self.blueprint.includes else { return self };
        let Some(other) = others.iter().find(|other| other.blueprint.integration == *included) else { return self };
        let mut syncs = other.blueprint.syncs.clone();
        syncs.extend(std::mem::take(&mut self.blueprint.syncs));
        self.blueprint.syncs = syncs;
        let mut dashboards = other.blueprint.dashboards.clone();
        dashboards.extend(std::mem::take(&mut self.blueprint.dashboards));
        self.blueprint.dashboards = dashboards;
        self
    }
}

/// The JSON Schema of a blueprint, for editors and for the documentation.
pub fn blueprint_schema() -> serde_json::Value {
    SchemaGenerator::default().into_root_schema_for::<Blueprint>().to_value()
}
