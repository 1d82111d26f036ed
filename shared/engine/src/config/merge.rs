//! A blueprint's sync with what a tenant changes about it.

use super::blueprint::SyncSpec;
use super::tenant::SyncChange;

impl SyncSpec {
    /// This sync as the tenant wants it. Changed columns keep their position, new ones come last.
    #[must_use]
    pub(super) fn changed_by(&self, change: &SyncChange) -> Self {
        let mut merged = self.clone();
        replace(&mut merged.enabled, &change.enabled);
        replace(&mut merged.schedule, &change.schedule);
        replace(&mut merged.lookback_days, &change.lookback_days);
        replace(&mut merged.safety_lag, &change.safety_lag);
        replace(&mut merged.wait_at_most, &change.wait_at_most);
        replace(&mut merged.keep_archive, &change.keep_archive);
        replace(&mut merged.table, &change.table);
        replace(&mut merged.read, &change.read);
        replace(&mut merged.read.filter, &change.filter);
        replace(&mut merged.needs, &change.needs);
        replace(&mut merged.totals, &change.totals);
        replace(&mut merged.control, &change.control);
        merged.read.page_size = change.page_size.or(merged.read.page_size);
        if change.filter_rows.is_some() {
            merged.filter_rows.clone_from(&change.filter_rows);
        }
        for (name, column) in &change.columns {
            match column {
                None => {
                    merged.columns.shift_remove(name);
                }
                Some(column) => {
                    let shipped = merged.columns.get(name).cloned().unwrap_or_default();
                    merged.columns.insert(name.clone(), shipped.changed_by(column));
                }
            }
        }
        merged
    }

    /// What a column is needed for besides itself, in words.
    pub(super) fn uses_of(&self, column: &str) -> Option<&'static str> {
        let among = |names: &[String]| names.iter().any(|name| name == column);
        let lookups = self.columns.values().filter_map(|spec| spec.lookup.as_ref());
        if among(&self.key) {
            Some("is part of the key")
        } else if self.company.as_deref() == Some(column) {
            Some("tells the company")
        } else if self.needs.iter().any(|need| among(&need.key)) || lookups.into_iter().any(|lookup| among(&lookup.key))
        {
            Some("names a record of another sync")
        } else if among(&self.totals) {
            Some("is summed as proof")
        } else if among(&self.control.by) || self.control.month.as_deref() == Some(column) {
            Some("groups records for comparison")
        } else {
            None
        }
    }
}

fn replace<T: Clone>(field: &mut T, change: &Option<T>) {
    if let Some(change) = change {
        field.clone_from(change);
    }
}
