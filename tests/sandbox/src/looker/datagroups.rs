//! Datagroups: what tells caches that the data has changed.
//!
//! Invariant: times are whole UNIX seconds, never in the future; triggering is an event only when the time moves
//! forward, so that a repeated call does not run the schedules again.

use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::error::{FieldError, Refusal};
use super::lookml::Project;

/// A datagroup of a model.
#[derive(Clone, Debug)]
pub(super) struct Datagroup {
    id: String,
    pub(super) model: String,
    pub(super) name: String,
    created_at: i64,
    stale_before: Option<i64>,
    triggered_at: Option<i64>,
}

/// One datagroup per declaration; ids differ from server to server, so they do not begin with 1.
pub(super) fn of(project: &Project, now: DateTime<Utc>) -> Vec<Datagroup> {
    let declared =
        project.models().iter().flat_map(|model| model.datagroups.iter().map(move |found| (&model.name, &found.name)));
    declared
        .zip(17..)
        .map(|((model, name), id)| Datagroup {
            id: id.to_string(),
            model: model.clone(),
            name: name.clone(),
            created_at: now.timestamp(),
            stale_before: None,
            triggered_at: None,
        })
        .collect()
}

/// Whether a result of `at` is stale under a datagroup.
pub(super) fn is_stale(datagroups: &[Datagroup], model: &str, name: &str, at: DateTime<Utc>) -> bool {
    let found = datagroups.iter().find(|datagroup| datagroup.model == model && datagroup.name == name);
    let limits = found.into_iter().flat_map(|datagroup| [datagroup.stale_before, datagroup.triggered_at]);
    limits.flatten().any(|limit| at < DateTime::from_timestamp(limit, 0).unwrap_or(DateTime::<Utc>::MAX_UTC))
}

impl Datagroup {
    /// Whether a plan's `datagroup` means this one.
    pub(super) fn is_called(&self, name: &str) -> bool {
        name == self.name
            || name == format!("{}::{}", self.model, self.name)
            || name == format!("{}/{}", self.model, self.name)
    }

    pub(super) fn json(&self) -> Json {
        json!({
            "id": self.id, "model_name": self.model, "name": self.name, "created_at": self.created_at,
            "stale_before": self.stale_before, "triggered_at": self.triggered_at,
            "trigger_check_at": null, "trigger_error": null, "trigger_value": null, "can": {"update": true},
        })
    }
}

pub(super) fn find<'a>(datagroups: &'a mut [Datagroup], id: &str) -> Result<&'a mut Datagroup, Refusal> {
    datagroups.iter_mut().find(|datagroup| datagroup.id == id).ok_or(Refusal::NotFound)
}

/// Applies a PATCH; true when the datagroup became triggered by it.
pub(super) fn update(datagroup: &mut Datagroup, body: &Map<String, Json>, now: DateTime<Utc>) -> Result<bool, Refusal> {
    let value = |name: &str| body.get(name).and_then(Json::as_i64);
    let mut errors = Vec::new();
    for name in ["stale_before", "triggered_at"] {
        if value(name).is_some_and(|at| at > now.timestamp()) {
            errors.push(FieldError::invalid(name, format!("{name} cannot be in the future")));
        }
    }
    Refusal::check(errors)?;
    datagroup.stale_before = value("stale_before").or(datagroup.stale_before);
    let before = datagroup.triggered_at;
    datagroup.triggered_at = value("triggered_at").or(before);
    Ok(datagroup.triggered_at > before)
}
