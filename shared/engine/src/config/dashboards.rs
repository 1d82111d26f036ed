//! Dashboards that an integration ships: which columns they show, and whether those are there.

use indexmap::IndexMap;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::blueprint::{BlueprintFile, SyncSpec};
use super::nearest;
use super::problem::Problems;
use super::references::{kind_of, references};
use crate::mapping::is_name;
use crate::model::table::ColumnType;

/// What a dashboard shows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DashboardKind {
    /// An amount by how long ago its date was: not due yet, 1 to 30 days, and so on.
    Aging,
    /// An amount by month.
    Spend,
}

/// A dashboard that analysts start from. It shows one amount of one sync.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DashboardSpec {
    /// What it shows.
    #[schemars(example = DashboardKind::Aging)]
    pub kind: DashboardKind,
    /// Its title.
    #[schemars(example = &"Payables by age")]
    pub title: String,
    /// What it is for, in words.
    #[schemars(example = &"What is still to be paid, and for how long it has been due")]
    pub description: String,
    /// The sync whose records it shows.
    #[schemars(example = &"ap_invoices")]
    pub sync: String,
    /// The column that is summed.
    #[schemars(example = &"open_amount")]
    pub amount: String,
    /// The column that tells the amount's currency. Amounts of different currencies are never added up.
    #[serde(default)]
    #[schemars(example = &"base_currency")]
    pub currency: Option<String>,
    /// The date by which the amount ages, or whose month it belongs to.
    #[schemars(example = &"due_date")]
    pub date: String,
    /// Where the buckets of an aging end, in days after the date.
    #[serde(default)]
    #[schemars(example = [30, 60, 90])]
    pub days: Vec<u32>,
    /// One table for each of these groups of columns, which may be columns of a record that the sync's records name,
    /// such as `suppliers.name`.
    #[schemars(extend("examples" = [[["supplier_number", "suppliers.name"], ["company"]]]))]
    pub by: Vec<Vec<String>>,
}

impl DashboardSpec {
    /// Where the buckets of an aging end: as written, or 30, 60 and 90 days.
    pub fn buckets(&self) -> &[u32] {
        match self.days.as_slice() {
            [] => &[30, 60, 90],
            days => days,
        }
    }
}

/// Finds the mistakes in the dashboards of a blueprint. They are checked as shipped: what a tenant leaves out afterwards
/// is no mistake of the blueprint.
pub(super) fn check(file: &BlueprintFile, problems: &mut Problems) {
    let specs = file.blueprint.syncs.iter().map(|(stream, spec)| (stream.as_str(), spec.clone())).collect();
    for (name, dashboard) in &file.blueprint.dashboards {
        let mut found = Vec::new();
        Check { name, dashboard, specs: &specs, found: &mut found }.all();
        for (path, message) in found {
            let path: Vec<_> = ["dashboards", name].map(str::to_owned).into_iter().chain(path).collect();
            problems.push(file.document.problem(&path, message));
        }
    }
}

struct Check<'a> {
    name: &'a str,
    dashboard: &'a DashboardSpec,
    specs: &'a IndexMap<&'a str, SyncSpec>,
    found: &'a mut Vec<(Vec<String>, String)>,
}

impl Check<'_> {
    fn problem(&mut self, path: &[&str], message: impl Into<String>) {
        self.found.push((path.iter().map(|&part| part.to_owned()).collect(), message.into()));
    }

    fn all(&mut self) {
        let (specs, dashboard) = (self.specs, self.dashboard);
        if !is_name(self.name) {
            let message = "is no name for a dashboard: use lower-case letters, digits and _, beginning with a letter";
            self.problem(&[], format!("`{}` {message}", self.name));
        }
        let Some(spec) = specs.get(dashboard.sync.as_str()) else {
            let hint = nearest(&dashboard.sync, specs.keys().copied());
            self.problem(&["sync"], format!("there is no sync `{}`{hint}", dashboard.sync));
            return;
        };
        self.column("amount", &dashboard.amount, spec, "a number", |kind| {
            matches!(kind, ColumnType::Integer | ColumnType::Decimal { .. })
        });
        self.column("date", &dashboard.date, spec, "a date or timestamp", |kind| {
            matches!(kind, ColumnType::Date | ColumnType::Timestamp)
        });
        if let Some(currency) = &dashboard.currency {
            self.column("currency", currency, spec, "text", |kind| matches!(kind, ColumnType::Text { .. }));
        }
        self.days();
        for (i, group) in dashboard.by.iter().enumerate() {
            if group.is_empty() {
                self.problem(&["by", &i.to_string()], "names no column: name at least one");
            }
            for (j, column) in group.iter().enumerate() {
                self.shown(&["by", &i.to_string(), &j.to_string()], column, spec);
            }
        }
    }

    fn column(&mut self, field: &str, name: &str, spec: &SyncSpec, wanted: &str, fits: fn(ColumnType) -> bool) {
        if !spec.columns.contains_key(name) {
            let hint = nearest(name, spec.columns.keys().map(String::as_str));
            self.problem(&[field], format!("`{name}` is no column of {}{hint}", self.dashboard.sync));
            return;
        }
        if let Some(kind) = kind_of(spec, name).filter(|kind| !fits(*kind)) {
            self.problem(&[field], format!("`{name}` is of type {kind}, and {wanted} is needed here"));
        }
    }

    fn days(&mut self) {
        let dashboard = self.dashboard;
        if dashboard.kind != DashboardKind::Aging && !dashboard.days.is_empty() {
            self.problem(&["days"], "only an aging has buckets: leave them out");
        }
        let grows = dashboard.days.windows(2).all(|pair| pair[0] < pair[1]);
        if !grows || dashboard.days.first() == Some(&0) {
            self.problem(&["days"], "each bucket ends later than the one before it, and the first after 1 day or more");
        }
    }

    /// A column of the sync, or of a record that its records name.
    fn shown(&mut self, path: &[&str], column: &str, spec: &SyncSpec) {
        let dashboard = self.dashboard;
        let Some((stream, of_other)) = column.split_once('.') else {
            if !spec.columns.contains_key(column) {
                let hint = nearest(column, spec.columns.keys().map(String::as_str));
                self.problem(path, format!("`{column}` is no column of {}{hint}", dashboard.sync));
            }
            return;
        };
        let named = references(&dashboard.sync, self.specs);
        let Some(other) = self.specs.get(stream).filter(|_| named.iter().any(|reference| reference.stream == stream))
        else {
            let hint = nearest(stream, named.iter().map(|reference| reference.stream.as_str()));
            self.problem(path, format!("records of {} name no record of `{stream}`{hint}", dashboard.sync));
            return;
        };
        if !other.columns.contains_key(of_other) {
            let hint = nearest(of_other, other.columns.keys().map(String::as_str));
            self.problem(path, format!("`{of_other}` is no column of {stream}{hint}"));
        }
    }
}
