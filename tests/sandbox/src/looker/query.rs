//! Queries as they are written and stored.
//!
//! Invariant: queries never change, and two that say the same are one.

use std::collections::BTreeMap;

use chrono_tz::Tz;
use serde_json::{Map, Value as Json, json};

use super::error::{FieldError, Refusal};
use super::members::QUERY;
use crate::random::Random;

/// A query that makes sense in itself; whether its names exist is found out when it runs.
#[derive(Clone, Debug)]
pub(super) struct Query {
    members: Map<String, Json>,
    pub(super) model: String,
    /// The explore.
    pub(super) view: String,
    pub(super) fields: Vec<String>,
    pub(super) filters: BTreeMap<String, String>,
    pub(super) sorts: Vec<String>,
    /// -1 is unlimited.
    pub(super) limit: Option<i64>,
    pub(super) zone: Tz,
}

impl Query {
    /// From members whose types have been checked.
    pub(super) fn read(mut members: Map<String, Json>) -> Result<Self, Refusal> {
        members.retain(|_, value| !value.is_null());
        let mut errors = Vec::new();
        let text = |name: &str| members.get(name).and_then(Json::as_str).map(str::to_owned);
        let texts = |name: &str| -> Vec<String> {
            let items = members.get(name).and_then(Json::as_array);
            items.into_iter().flatten().filter_map(Json::as_str).map(str::to_owned).collect()
        };
        for required in ["model", "view"] {
            if text(required).is_none_or(|value| value.is_empty()) {
                errors.push(FieldError::missing(required));
            }
        }
        // Refused rather than ignored: a result without them would look like one with them.
        for name in ["pivots", "fill_fields", "subtotals", "filter_expression", "dynamic_fields", "row_total", "total"]
        {
            let empty = members.get(name).is_none_or(|value| match value {
                Json::Array(items) => items.is_empty(),
                Json::String(text) => text.is_empty(),
                other => *other == json!(false),
            });
            if !empty {
                errors.push(FieldError::invalid(name, format!("{name} is not simulated")));
            }
        }
        let limit = text("limit").map(|limit| (limit.parse::<i64>().ok().filter(|rows| *rows >= -1), limit));
        if let Some((None, limit)) = &limit {
            errors.push(FieldError::invalid("limit", format!("limit \"{limit}\" is neither a number nor -1")));
        }
        let zone = text("query_timezone").unwrap_or_else(|| "UTC".into());
        let found = zone.parse::<Tz>();
        if found.is_err() {
            errors.push(FieldError::invalid("query_timezone", format!("Unknown time zone \"{zone}\"")));
        }
        if let Some(id) = text("client_id")
            && (id.len() != 22 || !id.bytes().all(|byte| byte.is_ascii_alphanumeric()))
        {
            errors.push(FieldError::invalid("client_id", "client_id must be 22 letters and digits"));
        }
        Refusal::check(errors)?;
        let filters = members.get("filters").and_then(Json::as_object).into_iter().flatten();
        let filters = filters.filter_map(|(name, value)| Some((name.clone(), value.as_str()?.to_owned())));
        Ok(Self {
            model: text("model").unwrap_or_default(),
            view: text("view").unwrap_or_default(),
            fields: texts("fields"),
            sorts: texts("sorts"),
            filters: filters.collect(),
            limit: limit.and_then(|(rows, _)| rows),
            zone: found.unwrap_or(Tz::UTC),
            members,
        })
    }

    fn with_filters(&self, filters: &[(String, String)]) -> Self {
        let mut query = self.clone();
        query.filters.extend(filters.iter().cloned());
        let all: Map<String, Json> = query.filters.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
        query.members.insert("filters".into(), Json::Object(all));
        query
    }

    fn client_id(&self) -> Option<&str> {
        self.members.get("client_id").and_then(Json::as_str)
    }

    /// Equal for queries that say the same.
    fn identity(&self) -> String {
        let sorted: BTreeMap<&String, String> = self
            .members
            .iter()
            .filter(|(name, _)| *name != "client_id" && *name != "filters")
            .map(|(name, value)| (name, value.to_string()))
            .collect();
        format!("{sorted:?} {:?}", self.filters)
    }
}

/// A query with its ids.
#[derive(Clone, Debug)]
pub(super) struct Stored {
    pub(super) id: u64,
    slug: String,
    pub(super) query: Query,
}

impl Stored {
    /// The same with other filters on top.
    pub(super) fn with_filters(&self, filters: &[(String, String)]) -> Self {
        Self { query: self.query.with_filters(filters), ..self.clone() }
    }

    /// As the API shows it.
    pub(super) fn json(&self, base: &str) -> Json {
        let mut shown: Map<String, Json> = QUERY.iter().map(|(name, _)| ((*name).to_owned(), Json::Null)).collect();
        shown.extend(self.query.members.clone());
        shown.entry("client_id").and_modify(|id| {
            if id.is_null() {
                *id = json!(self.slug);
            }
        });
        let url = format!("/explore/{}/{}?qid={}", self.query.model, self.query.view, self.slug);
        shown.insert("id".into(), json!(self.id.to_string()));
        shown.insert("slug".into(), json!(self.slug));
        shown.insert("share_url".into(), json!(format!("{base}/x/{}", self.slug)));
        shown.insert("expanded_share_url".into(), json!(format!("{base}{url}")));
        shown.insert("url".into(), json!(url));
        shown.insert("has_table_calculations".into(), json!(false));
        shown.insert("can".into(), json!({"run": true, "see_results": true}));
        Json::Object(shown)
    }
}

/// All queries.
#[derive(Debug)]
pub(super) struct Queries {
    stored: Vec<Stored>,
    random: Random,
}

impl Queries {
    pub(super) fn new() -> Self {
        Self { stored: Vec::new(), random: Random::new(4).fork("slugs") }
    }

    /// Stores a query, or finds the one that says the same.
    pub(super) fn create(&mut self, query: Query) -> Result<Stored, Refusal> {
        let identity = query.identity();
        if let Some(same) = self.stored.iter().find(|stored| stored.query.identity() == identity) {
            return Ok(same.clone());
        }
        if let Some(id) = query.client_id()
            && self.stored.iter().any(|stored| stored.query.client_id() == Some(id))
        {
            let message = "client_id has been used by another query";
            let error = FieldError { field: "client_id".into(), code: "already_exists", message: message.into() };
            return Err(Refusal::Invalid(vec![error]));
        }
        const ALPHABET: &[u8] = b"ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz23456789";
        let slug = (0..22).map(|_| char::from(ALPHABET[self.random.below(ALPHABET.len())])).collect();
        let stored = Stored { id: self.stored.len() as u64 + 1, slug, query };
        self.stored.push(stored.clone());
        Ok(stored)
    }

    pub(super) fn find(&self, id: &str) -> Option<&Stored> {
        self.stored.iter().find(|stored| stored.id.to_string() == id)
    }
}
