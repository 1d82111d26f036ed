//! Scheduled plans: what may be written into one, and the store of them.
//!
//! Invariant: what was given as secret is kept for the delivery and never shown.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::error::{FieldError, Refusal};
use super::members::{DESTINATION, PLAN, Type};
use super::render::iso;
use super::server::State;
use super::settings::Account;

/// A plan.
#[derive(Clone, Debug)]
pub(super) struct Plan {
    pub(super) id: u64,
    pub(super) user_id: String,
    /// As written, without what is `null`; destinations have got their ids.
    pub(super) members: Map<String, Json>,
    created: DateTime<Utc>,
    updated: DateTime<Utc>,
    pub(super) last_run: Option<DateTime<Utc>>,
    /// Deleted, or a run-once plan that ran: only its jobs are still to be seen.
    pub(super) gone: bool,
}

impl Plan {
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        self.members.get(name).and_then(Json::as_str)
    }

    pub(super) fn yes(&self, name: &str) -> bool {
        self.members.get(name).and_then(Json::as_bool).unwrap_or(false)
    }

    pub(super) fn name(&self) -> &str {
        self.text("name").unwrap_or_default()
    }

    pub(super) fn destinations(&self) -> Vec<&Map<String, Json>> {
        let items = self.members.get("scheduled_plan_destination").and_then(Json::as_array);
        items.into_iter().flatten().filter_map(Json::as_object).collect()
    }

    pub(super) fn created_at(&self) -> String {
        iso(self.created)
    }

    /// As the API shows it.
    pub(super) fn json(&self) -> Json {
        let mut shown: Map<String, Json> = PLAN
            .iter()
            .map(|(name, holds)| {
                let nothing = if matches!(holds, Type::Bool) { json!(false) } else { Json::Null };
                ((*name).to_owned(), nothing)
            })
            .collect();
        shown.insert("enabled".into(), json!(true));
        shown.extend(self.members.clone());
        let destinations: Vec<Json> = self.destinations().into_iter().map(destination).collect();
        shown.insert("scheduled_plan_destination".into(), Json::Array(destinations));
        shown.insert("id".into(), json!(self.id.to_string()));
        shown.insert("user_id".into(), json!(self.user_id));
        shown.insert("title".into(), json!(self.name()));
        shown.insert("user".into(), json!({"id": self.user_id, "display_name": format!("User {}", self.user_id)}));
        shown.insert("created_at".into(), json!(iso(self.created)));
        shown.insert("updated_at".into(), json!(iso(self.updated)));
        shown.insert("last_run_at".into(), json!(self.last_run.map(iso)));
        shown.insert("next_run_at".into(), Json::Null);
        shown.insert("can".into(), json!({}));
        Json::Object(shown)
    }
}

fn destination(given: &Map<String, Json>) -> Json {
    let mut shown: Map<String, Json> = DESTINATION.iter().map(|(name, _)| ((*name).to_owned(), Json::Null)).collect();
    shown.insert("apply_formatting".into(), json!(true));
    shown.insert("apply_vis".into(), json!(true));
    shown.extend(given.clone());
    shown.remove("secret_parameters");
    shown.insert("looker_recipient".into(), json!(false));
    Json::Object(shown)
}

/// All plans.
#[derive(Debug, Default)]
pub(super) struct Plans {
    pub(super) all: Vec<Plan>,
    destinations: u64,
}

impl Plans {
    /// Stores a plan whose members have been checked; without an id it gets the next one.
    pub(super) fn add(
        &mut self,
        id: Option<u64>,
        user_id: &str,
        members: Map<String, Json>,
        now: DateTime<Utc>,
    ) -> Plan {
        let next = self.all.iter().map(|plan| plan.id).max().unwrap_or(4710) + 1;
        let mut plan = Plan {
            id: id.unwrap_or(next),
            user_id: user_id.into(),
            members,
            created: now,
            updated: now,
            last_run: None,
            gone: false,
        };
        self.number(&mut plan);
        self.all.push(plan.clone());
        plan
    }

    /// The plan of an id, as far as this user may see it.
    pub(super) fn find(&mut self, id: &str, account: &Account) -> Result<&mut Plan, Refusal> {
        let found = self.all.iter_mut().find(|plan| plan.id.to_string() == id && !plan.gone);
        found.filter(|plan| account.admin || plan.user_id == account.user_id).ok_or(Refusal::NotFound)
    }

    pub(super) fn by_id(&mut self, id: u64) -> Option<&mut Plan> {
        self.all.iter_mut().find(|plan| plan.id == id)
    }

    /// Writes changed members.
    pub(super) fn change(&mut self, id: u64, members: Map<String, Json>, now: DateTime<Utc>) -> Option<Plan> {
        let mut plan = self.by_id(id)?.clone();
        plan.members = members;
        plan.updated = now;
        self.number(&mut plan);
        *self.by_id(id)? = plan.clone();
        Some(plan)
    }

    /// Gives the destinations ids of their own.
    fn number(&mut self, plan: &mut Plan) {
        let id = plan.id.to_string();
        let items = plan.members.get_mut("scheduled_plan_destination").and_then(Json::as_array_mut);
        for item in items.into_iter().flatten() {
            self.destinations += 1;
            item["id"] = json!(self.destinations.to_string());
            item["scheduled_plan_id"] = json!(id);
        }
    }
}

/// Members with others on top; `null` takes one away. Destinations are replaced as a list.
pub(super) fn merge(base: &Map<String, Json>, over: Map<String, Json>) -> Map<String, Json> {
    let mut merged = base.clone();
    for (name, value) in over {
        if value.is_null() {
            merged.remove(&name)
        } else {
            merged.insert(name, value)
        };
    }
    if let Some(destinations) = merged.get_mut("scheduled_plan_destination").and_then(Json::as_array_mut) {
        for members in destinations.iter_mut().filter_map(Json::as_object_mut) {
            members.retain(|_, value| !value.is_null());
        }
    }
    merged
}

/// What is wrong with the members of a plan. One that runs once needs no schedule.
pub(super) fn check(members: &Map<String, Json>, state: &State, once: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let text = |name: &str| members.get(name).and_then(Json::as_str).filter(|value| !value.trim().is_empty());
    if text("name").is_none() {
        errors.push(FieldError::missing("name"));
    }
    let content = ["look_id", "dashboard_id", "lookml_dashboard_id", "query_id"];
    match content.iter().filter(|name| text(name).is_some()).count() {
        0 => errors.push(FieldError::missing("look_id")),
        1 => errors.extend(unknown_content(&text, state)),
        _ => errors.push(FieldError::invalid("look_id", "Only one of look, dashboard and query can be scheduled")),
    }
    match (text("crontab"), text("datagroup")) {
        (None, None) if !once => errors.push(FieldError::missing("crontab")),
        (Some(_), Some(_)) => {
            errors.push(FieldError::invalid("crontab", "crontab and datagroup cannot be used together"));
        }
        (Some(crontab), None) if !is_crontab(crontab) => {
            errors.push(FieldError::invalid("crontab", format!("\"{crontab}\" is not a crontab")));
        }
        (None, Some(name)) if !state.datagroups.iter().any(|datagroup| datagroup.is_called(name)) => {
            errors.push(FieldError::invalid("datagroup", format!("Datagroup \"{name}\" not found")));
        }
        _ => {}
    }
    if text("look_id").is_some() {
        for name in ["require_results", "require_no_results", "require_change"] {
            if members.get(name).is_none_or(Json::is_null) {
                errors.push(FieldError::missing(name));
            }
        }
    }
    let destinations = members.get("scheduled_plan_destination").and_then(Json::as_array);
    match destinations.filter(|destinations| !destinations.is_empty()) {
        None => errors.push(FieldError::missing("scheduled_plan_destination")),
        Some(destinations) => {
            let dashboard = text("dashboard_id").is_some();
            errors.extend(destinations.iter().enumerate().flat_map(|(at, one)| check_destination(at, one, dashboard)));
        }
    }
    errors
}

fn unknown_content<'a>(text: &impl Fn(&str) -> Option<&'a str>, state: &State) -> Option<FieldError> {
    let not_found = |name: &str| Some(FieldError::invalid(name, format!("{name} not found")));
    match (text("look_id"), text("dashboard_id"), text("query_id")) {
        (Some(id), _, _) if !state.looks.iter().any(|look| look.id == id) => not_found("look_id"),
        (_, Some(id), _) if !state.dashboards.iter().any(|dashboard| dashboard.id == id) => not_found("dashboard_id"),
        (_, _, Some(id)) if state.queries.find(id).is_none() => not_found("query_id"),
        (None, None, None) => not_found("lookml_dashboard_id"),
        _ => None,
    }
}

const FORMATS: [&str; 10] =
    ["txt", "csv", "inline_json", "json", "json_detail", "xlsx", "html", "wysiwyg_pdf", "assembled_pdf", "wysiwyg_png"];

fn check_destination(at: usize, destination: &Json, dashboard: bool) -> Vec<FieldError> {
    let mut errors = Vec::new();
    let place = |name: &str| format!("scheduled_plan_destination[{at}].{name}");
    let text = |name: &str| destination[name].as_str().unwrap_or_default();
    let (kind, address, format) = (text("type"), text("address"), text("format"));
    let scheme = match kind {
        "email" if address.contains('@') => "",
        "webhook" if address.starts_with("http://") => "",
        "webhook" => "https://",
        "s3" => "s3://",
        "sftp" => "sftp://",
        // An integration of the action hub: its form parameters say where it goes.
        other if other.contains("::") => "",
        "email" => {
            errors.push(FieldError::invalid(place("address"), format!("\"{address}\" is not an e-mail address")));
            ""
        }
        other => {
            errors.push(FieldError::invalid(place("type"), format!("\"{other}\" is not a destination type")));
            ""
        }
    };
    if !address.starts_with(scheme) {
        errors.push(FieldError::invalid(place("address"), format!("The address of {kind} must begin with {scheme}")));
    }
    if !FORMATS.contains(&format) {
        errors.push(FieldError::invalid(place("format"), format!("\"{format}\" is not a format")));
    } else if !dashboard && (format.contains("pdf") || format.contains("png")) {
        errors.push(FieldError::invalid(place("format"), format!("{format} is for dashboards only")));
    }
    for name in ["parameters", "secret_parameters"] {
        let given = text(name);
        if !given.is_empty() && serde_json::from_str::<Map<String, Json>>(given).is_err() {
            errors.push(FieldError::invalid(place(name), format!("{name} must be a JSON object as a string")));
        }
    }
    errors
}

/// Five fields of numbers, names, `*`, `-`, `,` and `/`.
fn is_crontab(text: &str) -> bool {
    let fields: Vec<&str> = text.split_whitespace().collect();
    let sign = |sign: char| sign.is_ascii_alphanumeric() || "*-,/".contains(sign);
    fields.len() == 5 && fields.iter().all(|field| field.chars().all(sign))
}
