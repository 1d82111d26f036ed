//! What people write: tenant files and blueprints, read, checked and resolved into plans.
//!
//! A [`TenantFile`] is all that a customer writes; a [`BlueprintFile`] is what an integration ships. [`resolve`] merges
//! them and gives [`ConfiguredPlans`]. A mistake is a [`Problem`] with file, line, column, field and the next step, and
//! all that can be found are found together.
//!
//! Invariants: nothing here does I/O; systems are known only by [`ConnectionSpec`]; a file that resolves never fails
//! later for how it was written.

mod blueprint;
mod dashboards;
mod deliveries;
mod document;
#[cfg(feature = "schema")]
mod fields;
mod merge;
mod nodes;
mod period;
mod plans;
mod problem;
mod references;
mod resolve;
mod syncs;
mod tenant;
#[cfg(test)]
mod tests;
mod values;

pub use blueprint::{Blueprint, BlueprintFile, ReadSpec, SyncSpec, blueprint_schema};
pub use dashboards::{DashboardKind, DashboardSpec};
pub use deliveries::{DeliverySpec, WhenLate};
pub use document::Place;
pub use period::{Period, Schedule};
pub use plans::{ConfiguredPlans, ConfiguredSync};
pub use problem::{Problem, Problems};
pub use resolve::resolve;
pub use tenant::{
    ConnectionSpec, IntegrationSpec, ScheduleSpec, SecretsSpec, SyncChange, Tenant, TenantFile, tenant_schema,
};

/// The known name nearest to an unknown one, as `; did you mean …?`, or nothing.
pub(crate) fn nearest<'n>(unknown: &str, known: impl Iterator<Item = &'n str>) -> String {
    let likeness = |name: &str| {
        let begins = unknown.len() >= 2 && name.starts_with(unknown);
        strsim::normalized_damerau_levenshtein(unknown, name).max(if begins { 0.6 } else { 0.0 })
    };
    match known.map(|name| (likeness(name), name)).max_by(|a, b| a.0.total_cmp(&b.0)) {
        Some((likeness, name)) if likeness >= 0.5 => format!("; did you mean `{name}`?"),
        _ => String::new(),
    }
}
