//! Query strings: which parameters a call knows, and what they may hold.
//!
//! Invariant: a Boolean is `true` or `false` and nothing else, an integer is one; a parameter that the call does not
//! have is refused unless the settings accept it.

use std::collections::BTreeMap;

use super::error::{FieldError, Refusal};
use super::settings::UnknownMembers;
use crate::http::Request;

/// What a parameter may hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Holds {
    Text,
    Bool,
    Integer,
}

pub(super) type Known = &'static [(&'static str, Holds)];

use Holds::{Bool, Integer, Text};

pub(super) const NONE: Known = &[];
pub(super) const FIELDS: Known = &[("fields", Text)];
pub(super) const EXPLORE: Known = &[("fields", Text), ("add_drills_metadata", Bool)];
pub(super) const MODELS: Known = &[
    ("fields", Text),
    ("limit", Integer),
    ("offset", Integer),
    ("exclude_empty", Bool),
    ("exclude_hidden", Bool),
    ("include_internal", Bool),
    ("include_self_service", Bool),
];
pub(super) const RUN: Known = &[
    ("limit", Integer),
    ("apply_formatting", Bool),
    ("apply_vis", Bool),
    ("cache", Bool),
    ("image_width", Integer),
    ("image_height", Integer),
    ("generate_drill_links", Bool),
    ("force_production", Bool),
    ("cache_only", Bool),
    ("path_prefix", Text),
    ("rebuild_pdts", Bool),
    ("server_table_calcs", Bool),
];
pub(super) const TASK: Known = &[
    ("limit", Integer),
    ("apply_formatting", Bool),
    ("apply_vis", Bool),
    ("cache", Bool),
    ("generate_drill_links", Bool),
    ("force_production", Bool),
    ("cache_only", Bool),
    ("path_prefix", Text),
    ("rebuild_pdts", Bool),
    ("server_table_calcs", Bool),
    ("fields", Text),
];
pub(super) const CONNECTION_TEST: Known = &[("tests", Text)];
pub(super) const COLUMNS: Known = &[
    ("database", Text),
    ("schema_name", Text),
    ("cache", Bool),
    ("table_limit", Integer),
    ("table_names", Text),
    ("fields", Text),
];
pub(super) const SEARCH_LOOKS: Known = &[
    ("id", Text),
    ("title", Text),
    ("description", Text),
    ("content_favorite_id", Text),
    ("folder_id", Text),
    ("user_id", Text),
    ("view_count", Text),
    ("deleted", Bool),
    ("query_id", Text),
    ("curate", Bool),
    ("last_viewed_at", Text),
    ("fields", Text),
    ("page", Integer),
    ("per_page", Integer),
    ("limit", Integer),
    ("offset", Integer),
    ("sorts", Text),
    ("filter_or", Bool),
];
/// As that of looks, but for `deleted`, which is text here.
pub(super) const SEARCH_DASHBOARDS: Known = &[
    ("id", Text),
    ("slug", Text),
    ("title", Text),
    ("description", Text),
    ("content_favorite_id", Text),
    ("folder_id", Text),
    ("deleted", Text),
    ("user_id", Text),
    ("view_count", Text),
    ("content_metadata_id", Text),
    ("curate", Bool),
    ("last_viewed_at", Text),
    ("fields", Text),
    ("page", Integer),
    ("per_page", Integer),
    ("limit", Integer),
    ("offset", Integer),
    ("sorts", Text),
    ("filter_or", Bool),
    ("not_owned_by", Bool),
];
pub(super) const PLANS: Known = &[("user_id", Text), ("fields", Text), ("all_users", Bool)];

/// The parameters of one call.
#[derive(Clone, Debug, Default)]
pub(super) struct Parameters(BTreeMap<String, String>);

impl Parameters {
    pub(super) fn read(request: &Request, known: Known, unknown: UnknownMembers) -> Result<Self, Refusal> {
        let mut read = BTreeMap::new();
        let mut errors = Vec::new();
        for (name, value) in request.parameters() {
            let Some((_, holds)) = known.iter().find(|(known, _)| *known == name) else {
                if unknown == UnknownMembers::Refuse {
                    errors.push(FieldError::invalid(&name, format!("{name} is not a parameter of this call")));
                }
                continue;
            };
            let (fits, what) = match holds {
                Text => (true, ""),
                Bool => (["true", "false"].contains(&value.as_str()), "true or false"),
                Integer => (value.parse::<i64>().is_ok(), "an integer"),
            };
            if !fits {
                errors.push(FieldError::invalid(&name, format!("{name} must be {what}")));
            }
            read.insert(name, value);
        }
        Refusal::check(errors)?;
        Ok(Self(read))
    }

    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.0.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    pub(super) fn yes(&self, name: &str) -> Option<bool> {
        self.text(name).map(|value| value == "true")
    }

    pub(super) fn integer(&self, name: &str) -> Option<i64> {
        self.text(name)?.parse().ok()
    }

    /// The entries of a list joined by commas.
    pub(super) fn list(&self, name: &str) -> Option<Vec<String>> {
        let entries = self.text(name)?.split(',').map(|entry| entry.trim().to_owned());
        Some(entries.filter(|entry| !entry.is_empty()).collect())
    }
}
