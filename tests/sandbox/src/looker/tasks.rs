//! Query tasks: queries that are asked for now and fetched later.

use serde_json::{Value as Json, json};

use super::answer::Answer;
use super::error::{FieldError, Refusal, error};
use super::members::{self, QUERY_TASK};
use super::parameters::Parameters;
use super::render::{self, Format};
use super::run::{Failure, How, Ran};
use super::server::Shared;
use crate::http::Request;

/// A query task; it runs when it is created and is shown as running for a while.
#[derive(Clone, Debug)]
pub(super) struct Task {
    id: String,
    query_id: String,
    format_name: String,
    format: Format,
    formatted: bool,
    /// How often it is still found running.
    polls: u32,
    result: Result<Ran, Failure>,
}

impl Task {
    fn status(&self) -> &'static str {
        match (self.polls, &self.result) {
            (1.., _) => "running",
            (0, Ok(_)) => "complete",
            (0, Err(_)) => "error",
        }
    }

    fn json(&self) -> Json {
        json!({
            "id": self.id, "query_id": self.query_id, "result_format": self.format_name, "status": self.status(),
            "source": "api4", "runtime": 0.01, "cache": true, "generate_links": false, "force_production": false,
            "can": {},
        })
    }
}

impl Shared {
    pub(super) async fn create_task(&self, request: &Request, parameters: &Parameters) -> Result<Json, Refusal> {
        let body = members::read(request, QUERY_TASK, self.settings.unknown_members)?;
        let text = |name: &str| body.get(name).and_then(Json::as_str).map(str::to_owned);
        let (Some(query_id), Some(format_name)) = (text("query_id"), text("result_format")) else {
            let missing = ["query_id", "result_format"].into_iter().filter(|name| text(name).is_none());
            return Err(Refusal::Invalid(missing.map(FieldError::missing).collect()));
        };
        let format = find_format("result_format", &format_name)?;
        let stored = self.state().queries.find(&query_id).cloned().ok_or(Refusal::NotFound)?;
        let result = self.run(&stored.query, how(parameters, format)).await;
        let formatted = self.formatted(parameters);
        let mut state = self.state();
        let id = format!("{:032x}", state.tasks.len() + 0x5eed);
        let polls = self.settings.task_polls;
        let task = Task { id, query_id, format_name, format, formatted, polls, result };
        let shown = task.json();
        state.tasks.push(task);
        Ok(shown)
    }

    /// The task as it is now; each look brings it nearer to its end.
    fn look_at_task(&self, id: &str) -> Result<Task, Refusal> {
        let mut state = self.state();
        let task = state.tasks.iter_mut().find(|task| task.id == id).ok_or(Refusal::NotFound)?;
        let seen = task.clone();
        task.polls = task.polls.saturating_sub(1);
        Ok(seen)
    }

    pub(super) fn get_task(&self, id: &str) -> Result<Json, Refusal> {
        Ok(self.look_at_task(id)?.json())
    }

    /// 202 while it runs. A database that failed is a 400 here, except in the format that has a place for errors.
    pub(super) fn task_results(&self, id: &str) -> Result<Answer, Refusal> {
        let task = self.look_at_task(id)?;
        if task.polls > 0 {
            return Ok(Answer::with_status(202, &json!({"status": task.status()})));
        }
        if let (Err(Failure::Query { message, .. }), false) = (&task.result, task.format == Format::JsonDetail) {
            return Ok(Answer::with_status(400, &error(message)));
        }
        render::answer(task.result, task.format, task.formatted)
    }

    pub(super) fn formatted(&self, parameters: &Parameters) -> bool {
        parameters.yes("apply_formatting").unwrap_or(self.settings.formatted_by_default)
    }
}

/// The format of a name, or a refusal that names it.
pub(super) fn find_format(field: &str, name: &str) -> Result<Format, Refusal> {
    Format::find(name).ok_or_else(|| Refusal::invalid(field, format!("result format \"{name}\" is not simulated")))
}

/// How the parameters of a run call want it.
pub(super) fn how(parameters: &Parameters, format: Format) -> How {
    How {
        limit: parameters.integer("limit"),
        cache: parameters.yes("cache").unwrap_or(true),
        cache_only: parameters.yes("cache_only").unwrap_or(false),
        dry: format == Format::Sql,
    }
}
