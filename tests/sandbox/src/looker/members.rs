//! What request bodies may hold: names and JSON types, as the vendor's specification lists them.
//!
//! Invariant: a member that is not listed, is read-only or has another JSON type is refused by name, before anybody
//! acts.

use serde_json::{Map, Value as Json};

use super::error::{FieldError, Refusal};
use super::settings::UnknownMembers;
use crate::http::Request;

/// The JSON type of a member; `null` fits each of them and means absent.
#[derive(Clone, Copy, Debug)]
pub(super) enum Type {
    Text,
    Bool,
    Integer,
    Texts,
    /// An object of texts.
    TextMap,
    /// Any object.
    Object,
    /// A list of objects with these members.
    Objects(&'static [(&'static str, Type)]),
}

pub(super) type Members = &'static [(&'static str, Type)];

use Type::{Bool, Integer, Object, Objects, Text, TextMap, Texts};

/// `Query`, without what is read-only.
pub(super) const QUERY: Members = &[
    ("model", Text),
    ("view", Text),
    ("fields", Texts),
    ("pivots", Texts),
    ("fill_fields", Texts),
    ("filters", TextMap),
    ("filter_expression", Text),
    ("sorts", Texts),
    ("limit", Text),
    ("column_limit", Text),
    ("total", Bool),
    ("row_total", Text),
    ("subtotals", Texts),
    ("vis_config", Object),
    ("filter_config", Object),
    ("visible_ui_sections", Text),
    ("dynamic_fields", Text),
    ("client_id", Text),
    ("query_timezone", Text),
];

/// `CreateQueryTask`.
pub(super) const QUERY_TASK: Members = &[
    ("query_id", Text),
    ("result_format", Text),
    ("source", Text),
    ("deferred", Bool),
    ("look_id", Text),
    ("dashboard_id", Text),
];

/// What can be written in a `Datagroup`.
pub(super) const DATAGROUP: Members = &[("stale_before", Integer), ("triggered_at", Integer)];

/// What can be written in an `ApiSession`.
pub(super) const SESSION: Members = &[("workspace_id", Text)];

/// `ScheduledPlanDestination`, without what is read-only.
pub(super) const DESTINATION: Members = &[
    ("scheduled_plan_id", Text),
    ("format", Text),
    ("apply_formatting", Bool),
    ("apply_vis", Bool),
    ("address", Text),
    ("type", Text),
    ("parameters", Text),
    ("secret_parameters", Text),
    ("message", Text),
];

/// `WriteScheduledPlan`.
pub(super) const PLAN: Members = &[
    ("name", Text),
    ("user_id", Text),
    ("run_as_recipient", Bool),
    ("enabled", Bool),
    ("look_id", Text),
    ("dashboard_id", Text),
    ("lookml_dashboard_id", Text),
    ("filters_string", Text),
    ("dashboard_filters", Text),
    ("require_results", Bool),
    ("require_no_results", Bool),
    ("require_change", Bool),
    ("send_all_results", Bool),
    ("crontab", Text),
    ("datagroup", Text),
    ("timezone", Text),
    ("query_id", Text),
    ("scheduled_plan_destination", Objects(DESTINATION)),
    ("run_once", Bool),
    ("include_links", Bool),
    ("include_dashboard_summary", Bool),
    ("custom_url_base", Text),
    ("custom_url_params", Text),
    ("custom_url_label", Text),
    ("show_custom_url", Bool),
    ("pdf_paper_size", Text),
    ("pdf_landscape", Bool),
    ("embed", Bool),
    ("color_theme", Text),
    ("long_tables", Bool),
    ("pdf_page_breaks", Bool),
    ("tab_ids", Texts),
    ("inline_table_width", Integer),
];

/// The body of a request as an object of known members. What the request declares its body to be is of no interest: a
/// published client declares JSON as a form.
pub(super) fn read(request: &Request, members: Members, unknown: UnknownMembers) -> Result<Map<String, Json>, Refusal> {
    let body: Json = serde_json::from_slice(&request.body)
        .map_err(|error| Refusal::BadRequest(format!("Problems parsing JSON: {error}")))?;
    check(body, members, unknown)
}

/// The same where the body may be missing.
pub(super) fn read_optional(
    request: &Request,
    members: Members,
    unknown: UnknownMembers,
) -> Result<Map<String, Json>, Refusal> {
    if request.body.trim_ascii().is_empty() { Ok(Map::new()) } else { read(request, members, unknown) }
}

/// The same for JSON that came another way.
pub(super) fn check(body: Json, members: Members, unknown: UnknownMembers) -> Result<Map<String, Json>, Refusal> {
    let Json::Object(body) = body else {
        return Err(Refusal::BadRequest("Body must be a JSON object".into()));
    };
    let mut errors = Vec::new();
    let body = object("", body, members, unknown, &mut errors);
    Refusal::check(errors)?;
    Ok(body)
}

fn object(
    place: &str,
    body: Map<String, Json>,
    members: Members,
    unknown: UnknownMembers,
    errors: &mut Vec<FieldError>,
) -> Map<String, Json> {
    let mut read = Map::new();
    for (name, value) in body {
        let path = if place.is_empty() { name.clone() } else { format!("{place}.{name}") };
        let Some((_, wanted)) = members.iter().find(|(known, _)| *known == name) else {
            if unknown == UnknownMembers::Refuse {
                errors.push(FieldError::invalid(&path, format!("{path} is not a member that can be written here")));
            }
            continue;
        };
        if value.is_null() {
            read.insert(name, value);
            continue;
        }
        if let Some(value) = typed(&path, value, *wanted, unknown, errors) {
            read.insert(name, value);
        }
    }
    read
}

fn typed(path: &str, value: Json, wanted: Type, unknown: UnknownMembers, errors: &mut Vec<FieldError>) -> Option<Json> {
    let texts = |items: &Vec<Json>| items.iter().all(Json::is_string);
    let (fits, what) = match wanted {
        Text => (value.is_string(), "a string"),
        Bool => (value.is_boolean(), "true or false"),
        Integer => (value.is_i64(), "an integer"),
        Texts => (value.as_array().is_some_and(texts), "an array of strings"),
        TextMap => (value.as_object().is_some_and(|map| map.values().all(Json::is_string)), "an object of strings"),
        Object => (value.is_object(), "an object"),
        Objects(members) => {
            let Json::Array(items) = value else {
                errors.push(FieldError::invalid(path, format!("{path} must be an array of objects")));
                return None;
            };
            let items = items.into_iter().enumerate().filter_map(|(at, item)| match item {
                Json::Object(item) => {
                    Some(Json::Object(object(&format!("{path}[{at}]"), item, members, unknown, errors)))
                }
                _ => {
                    errors.push(FieldError::invalid(path, format!("{path} must be an array of objects")));
                    None
                }
            });
            return Some(Json::Array(items.collect()));
        }
    };
    if !fits {
        errors.push(FieldError::invalid(path, format!("{path} must be {what}")));
        return None;
    }
    Some(value)
}
