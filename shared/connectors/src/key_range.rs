//! Paging by key: a page is asked for by the last key of the page before, and ends nowhere but on an empty one.
//!
//! Keys are compared for equality, never for order: only the server knows its order.

use serde::{Deserialize, Serialize};

/// The values of a key as the server wrote them; `None` for null.
pub type Key = Vec<Option<String>>;

/// Where a page ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct At {
    /// The key of the last row.
    pub key: Key,
    /// Pages so far.
    #[serde(default)]
    pub page: u32,
    /// The key of an earlier page, which moves up at every power of two: a read that goes in circles meets it again.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mark: Option<Key>,
}

impl At {
    /// Where the page after this one ended.
    #[must_use]
    pub fn next(after: Option<&Self>, key: Key) -> Self {
        let page = after.map_or(1, |at| at.page.saturating_add(1));
        let mark = if page.is_power_of_two() { Some(key.clone()) } else { after.and_then(|at| at.mark.clone()) };
        Self { key, page, mark }
    }

    /// Whether a page with this key in it comes again.
    pub fn is_met_by(&self, key: Option<&Key>) -> bool {
        key.is_some_and(|key| *key == self.key || Some(key) == self.mark.as_ref())
    }
}

/// A key for messages.
pub fn shown(key: &Key) -> String {
    let parts: Vec<_> = key.iter().map(|part| part.as_deref().unwrap_or("null").trim()).collect();
    parts.join("|")
}
