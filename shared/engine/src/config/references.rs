//! Which records of other syncs a record names: what is declared, and what the columns themselves tell.

use indexmap::IndexMap;

use super::blueprint::SyncSpec;
use crate::mapping::NeedSpec;
use crate::model::table::ColumnType;

/// The records of other syncs that the records of a sync name, each by columns of its own in the order of the other's
/// key: what it needs, what it looks up, and every other sync whose whole key it has under the same names and types.
/// A reference that was found in two ways stands here once.
pub(super) fn references(stream: &str, specs: &IndexMap<&str, SyncSpec>) -> Vec<NeedSpec> {
    let Some(own) = specs.get(stream) else { return Vec::new() };
    let lookups = own.columns.values().filter_map(|column| column.lookup.as_ref());
    let lookups = lookups.map(|lookup| NeedSpec { stream: lookup.stream.clone(), key: lookup.key.clone() });
    let others = specs.iter().filter(|(other, spec)| **other != stream && has_key_of(own, spec));
    let told = others.map(|(other, spec)| NeedSpec { stream: (*other).to_owned(), key: spec.key.clone() });
    let mut found: Vec<NeedSpec> = Vec::new();
    for reference in own.needs.iter().cloned().chain(lookups).chain(told) {
        if !found.contains(&reference) {
            found.push(reference);
        }
    }
    found
}

fn has_key_of(own: &SyncSpec, other: &SyncSpec) -> bool {
    let is_same = |name: &String| match (kind_of(own, name), kind_of(other, name)) {
        (Some(own), Some(other)) => is_comparable(own, other),
        _ => false,
    };
    !other.key.is_empty() && other.key.iter().all(is_same)
}

/// Whether values of both types that mean the same are the same.
pub(super) fn is_comparable(one: ColumnType, other: ColumnType) -> bool {
    match (one, other) {
        (ColumnType::Text { .. }, ColumnType::Text { .. }) => true,
        (ColumnType::Decimal { scale, .. }, ColumnType::Decimal { scale: other, .. }) => scale == other,
        (one, other) => one == other,
    }
}

/// The type of a column; nothing when there is no such column, or its type is none.
pub(super) fn kind_of(spec: &SyncSpec, column: &str) -> Option<ColumnType> {
    spec.columns.get(column)?.kind.as_deref()?.parse().ok()
}
