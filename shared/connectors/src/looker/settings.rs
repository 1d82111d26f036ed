//! How to reach one Looker instance, and what is whose in its model.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use engine::mapping::Fault;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::plan_settings::PlanSettings;
use crate::http::TimeOut;

/// Looker gives no more rows than this to a query that does not stream.
pub(super) const MOST_ROWS: usize = 5_000;

/// How to reach a Looker instance by its API 4.0, and where it shows what is loaded.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct LookerSettings {
    /// Address of the API: scheme and host, the port where it is not 443 (19999 on older installations), and a path only
    /// where a proxy adds one.
    #[schemars(example = &"https://acme.cloud.looker.com")]
    pub url: String,
    /// Name of the secret with the fields `client_id` and `client_secret` of the API user's key.
    #[schemars(example = &"acme/looker")]
    pub secret: String,
    /// What stands between the address and the calls.
    #[serde(default = "api_path")]
    #[schemars(example = &"api/4.0")]
    pub api_path: String,
    /// The LookML model that shows the tables.
    #[schemars(example = &"erp")]
    pub model: String,
    /// Looker's name of its connection to the warehouse, for the connection test; that of the explores when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"warehouse")]
    pub connection: Option<String>,
    /// The connection tests that `check` asks for.
    #[serde(default = "tests")]
    #[schemars(example = ["connect", "query"])]
    pub tests: Vec<String>,
    /// What is told when a table has changed.
    #[serde(default)]
    #[schemars(example = DatagroupSettings::example())]
    pub datagroup: DatagroupSettings,
    /// Where a table is found in the model, by the table's name, as far as it differs from the LookML that is generated.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"ap_invoices": {"explore": "payables", "view": "invoice"}}]))]
    pub explores: BTreeMap<String, ExploreSettings>,
    /// Scheduled plans that are created and kept as they are declared here, by our own names.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("examples" = [{"ap_daily": {"look": "42", "crontab": "0 6 * * *", "destinations": [{"email": "ap@example.com"}]}}]))]
    pub plans: BTreeMap<String, PlanSettings>,
    /// Whether plans of other users are looked at too. It needs an administrator's API user: others may run only their own.
    #[serde(default)]
    #[schemars(example = false)]
    pub all_users: bool,
    /// The model in which Looker shows what became of deliveries; `i__looker` on old releases.
    #[serde(default = "outcome_model")]
    #[schemars(example = &"system__activity")]
    pub outcome_model: String,
    /// Rows that one query may bring. An answer that is as long as this is taken for cut off, and asked for in slices.
    #[serde(default = "row_limit")]
    #[schemars(range(min = 2, max = 5000), example = 5000)]
    pub row_limit: usize,
    /// The longest that one call may take.
    #[serde(default = "time_out")]
    #[schemars(example = &"120s")]
    pub time_out: TimeOut,
    /// A PEM file of certificates to trust besides the public ones, for servers with a certificate of the company.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"/etc/ml-connector/company-ca.pem")]
    pub ca_file: Option<PathBuf>,
    /// The longest answer that is read, in bytes.
    #[serde(default = "max_response_bytes")]
    #[schemars(range(min = 1024), example = 67_108_864)]
    pub max_response_bytes: usize,
}

/// The datagroup on which the caches of the model hang.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct DatagroupSettings {
    /// Its name in the model; `<model>_loads` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"erp_loads")]
    pub name: Option<String>,
    /// What happens to it when a table has changed.
    #[schemars(example = OnChange::Reset)]
    pub on_change: OnChange,
    /// How far Looker's clock may be behind ours: times that lie in its future are refused.
    #[schemars(example = &"1s")]
    pub clock_skew: TimeOut,
}

/// What happens to the datagroup when a table has changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnChange {
    /// What is cached becomes stale, so that the next query asks the warehouse.
    #[default]
    Reset,
    /// As when its own trigger fires: caches become stale, derived tables are built again, and plans that hang on it run.
    Trigger,
    /// Nothing: Looker finds out by itself.
    Nothing,
}

/// Where one table is found in the model. Fields are written as `view.field`, or without the view.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
pub struct ExploreSettings {
    /// The explore; the table's name when absent. One that is named here has to be there.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"payables")]
    pub explore: Option<String>,
    /// The view whose fields are the table's columns; the table's name when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"invoice")]
    pub view: Option<String>,
    /// The measure that counts the records that are not marked deleted; `count` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(example = &"invoice.count")]
    pub count: Option<String>,
    /// Measures that sum columns, by column; `total_<column>` when absent.
    #[schemars(extend("examples" = [{"gross_amount": "invoice.sum_gross"}]))]
    pub sums: BTreeMap<String, String>,
    /// Fields with the month of date columns, by column, such as `invoice.posted_month` for `gl_date`.
    #[schemars(extend("examples" = [{"gl_date": "invoice.posted_month"}]))]
    pub month: BTreeMap<String, String>,
    /// Fields with the values of columns, by column, where they have other names.
    #[schemars(extend("examples" = [{"gl_date": "invoice.posted_date"}]))]
    pub fields: BTreeMap<String, String>,
    /// Columns that the explore does not show.
    #[schemars(example = ["remark"])]
    pub ignore: Vec<String>,
}

impl LookerSettings {
    /// The name of the datagroup.
    pub fn datagroup_name(&self) -> String {
        self.datagroup.name.clone().unwrap_or_else(|| format!("{}_loads", self.model))
    }

    /// The names of all secrets that the declared plans send along.
    pub fn plan_secrets(&self) -> impl Iterator<Item = &str> {
        let destinations = self.plans.values().flat_map(|plan| &plan.destinations);
        destinations.filter_map(|destination| destination.secret.as_deref())
    }

    /// What types cannot tell: settings that cannot work.
    pub fn faults(&self) -> Vec<Fault> {
        let mut faults = Vec::new();
        let mut refuse = |path: &[&str], message: &str| {
            let path = path.iter().map(|part| (*part).to_owned()).collect();
            faults.push(Fault { path, message: message.to_owned() });
        };
        for (field, value) in [("model", &self.model), ("outcome_model", &self.outcome_model)] {
            if value.trim().is_empty() {
                refuse(&[field], "must not be empty");
            }
        }
        if self.tests.is_empty() {
            refuse(&["tests"], "name at least one connection test, such as `connect`");
        }
        if !(2..=MOST_ROWS).contains(&self.row_limit) {
            refuse(&["row_limit"], "must be at least 2 and at most 5000, the most that Looker gives");
        }
        for (table, explore) in &self.explores {
            let named = explore.sums.keys().chain(explore.month.keys()).chain(explore.fields.keys());
            for column in named.filter(|column| explore.ignore.contains(column)) {
                let message = format!("`{column}` has a field of its own here: take it out of `ignore`");
                refuse(&["explores", table, "ignore"], &message);
            }
        }
        for (name, plan) in &self.plans {
            for (path, message) in plan.faults() {
                let path: Vec<_> = ["plans", name].into_iter().chain(path).collect();
                refuse(&path, &message);
            }
        }
        faults
    }
}

impl DatagroupSettings {
    fn example() -> Self {
        Self { name: Some("erp_loads".to_owned()), ..Self::default() }
    }
}

impl Default for DatagroupSettings {
    fn default() -> Self {
        Self { name: None, on_change: OnChange::default(), clock_skew: TimeOut(Duration::from_secs(1)) }
    }
}

fn api_path() -> String {
    "api/4.0".to_owned()
}

fn tests() -> Vec<String> {
    vec!["connect".to_owned(), "query".to_owned()]
}

fn outcome_model() -> String {
    "system__activity".to_owned()
}

fn row_limit() -> usize {
    MOST_ROWS
}

fn time_out() -> TimeOut {
    TimeOut(Duration::from_secs(120))
}

fn max_response_bytes() -> usize {
    64 << 20
}
