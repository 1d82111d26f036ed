//! The records that cannot go on, gathered for people.

use std::collections::BTreeMap;
use std::sync::Arc;

use chrono::{DateTime, Utc};
use engine::model::audit::{Held, HeldWhy};
use engine::model::id::SyncId;
use engine::ports::{HeldFilter, Store};
use serde::Serialize;

/// Held records are listed in pages of this size.
const PAGE: usize = 1_000;

/// All held records of a sync that the filter lets through, by key; its `after` and `limit` are set here.
///
/// # Errors
/// When the store fails.
pub async fn all(store: &Arc<dyn Store>, sync: &SyncId, filter: &HeldFilter) -> engine::Result<Vec<Held>> {
    let mut all: Vec<Held> = Vec::new();
    loop {
        let after = all.last().map(|held| held.key.clone());
        let page = store.held(sync, &HeldFilter { after, limit: PAGE, ..filter.clone() }).await?;
        if page.is_empty() {
            return Ok(all);
        }
        all.extend(page);
    }
}

/// Records of one sync that wait for records of the same other one.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Waiters {
    /// The stream they wait for.
    pub for_stream: String,
    /// How many they are.
    pub records: u64,
    /// Since when the first of them waits.
    pub since: DateTime<Utc>,
    /// One of them.
    pub example: String,
    /// What that one waits for.
    pub example_waits_for: String,
}

/// Groups waiting records by what they wait for.
pub fn waiters(held: &[Held]) -> Vec<Waiters> {
    let mut groups: BTreeMap<&str, Waiters> = BTreeMap::new();
    for record in held {
        let HeldWhy::Waiting { stream, key } = &record.why else {
            continue;
        };
        let group = groups.entry(stream).or_insert_with(|| Waiters {
            for_stream: stream.clone(),
            records: 0,
            since: record.since,
            example: record.key.to_string(),
            example_waits_for: key.to_string(),
        });
        group.records += 1;
        group.since = group.since.min(record.since);
    }
    groups.into_values().collect()
}

/// A reason without the value it failed with, so that equal reasons count together.
pub fn general_reason(reason: &str, value: Option<&str>) -> String {
    match value {
        Some(value) if !value.is_empty() => reason.replace(&format!("`{value}`"), "`…`"),
        _ => reason.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reasons_that_differ_in_their_values_are_one_reason() {
        let reason = |value: &str| general_reason(&format!("`{value}` does not fit `integer`"), Some(value));
        assert_eq!(reason("12x"), reason("abc"));
        assert_eq!(reason("12x"), "`…` does not fit `integer`");
        assert_eq!(general_reason("must not be empty", None), "must not be empty");
    }
}
