//! The history of queries.

use serde_json::{Value as Json, json};

use super::{State, Statement};
use crate::databricks::answer::{Answer, Refusal};
use crate::databricks::server::Shared;
use crate::http::Request;

/// What a list is narrowed by: `filter_by.…`, flattened into the query string.
#[derive(Default)]
struct Filter {
    statements: Vec<String>,
    statuses: Vec<String>,
    warehouses: Vec<String>,
    from: Option<i64>,
    to: Option<i64>,
    most: usize,
    skip: usize,
}

impl Shared {
    /// `GET /api/2.0/sql/history/queries`: the latest first.
    pub(in super::super) fn history(&self, request: &Request) -> Result<Answer, Refusal> {
        let filter = filter(request)?;
        let state = self.state();
        let found = state.statements.all.iter().rev().filter(|one| filter.takes(one));
        let mut page: Vec<Json> = found.skip(filter.skip).take(filter.most + 1).map(shown).collect();
        let more = page.len() > filter.most;
        page.truncate(filter.most);
        let mut body = json!({"res": page, "has_next_page": more});
        if let (true, Some(body)) = (more, body.as_object_mut()) {
            body.insert("next_page_token".into(), (filter.skip + filter.most).to_string().into());
        }
        Ok(Answer::json(&body))
    }
}

fn filter(request: &Request) -> Result<Filter, Refusal> {
    let mut filter = Filter { most: 100, ..Filter::default() };
    let number = |name: &str, text: &str| {
        text.parse::<i64>().map_err(|_| Refusal::invalid(format!("{name} is no number: '{text}'")))
    };
    for (name, value) in request.parameters() {
        match name.as_str() {
            "filter_by.statement_ids" => filter.statements.push(value),
            "filter_by.statuses" => filter.statuses.push(value),
            "filter_by.warehouse_ids" => filter.warehouses.push(value),
            "filter_by.query_start_time_range.start_time_ms" => filter.from = Some(number(&name, &value)?),
            "filter_by.query_start_time_range.end_time_ms" => filter.to = Some(number(&name, &value)?),
            "filter_by.user_ids" | "include_metrics" => {}
            "max_results" => {
                let most = number(&name, &value)?;
                filter.most = usize::try_from(most)
                    .ok()
                    .filter(|most| (1..1000).contains(most))
                    .ok_or_else(|| Refusal::invalid(format!("max_results must be less than 1000, but was {most}.")))?;
            }
            "page_token" => filter.skip = usize::try_from(number(&name, &value)?).unwrap_or_default(),
            other => return Err(Refusal::invalid(format!("Unknown parameter '{other}'."))),
        }
    }
    const LONGEST: i64 = 30 * 24 * 3600 * 1000;
    if filter.from.zip(filter.to).is_some_and(|(from, to)| to - from > LONGEST) {
        return Err(Refusal::invalid("The time range must be less than or equal to 30 days."));
    }
    Ok(filter)
}

impl Filter {
    fn takes(&self, one: &Statement) -> bool {
        let listed = |list: &[String], value: &str| list.is_empty() || list.iter().any(|known| known == value);
        let at = one.submitted.timestamp_millis();
        listed(&self.statements, &one.id)
            && listed(&self.statuses, status(one))
            && listed(&self.warehouses, &one.order.warehouse)
            && self.from.is_none_or(|from| at >= from)
            && self.to.is_none_or(|to| at <= to)
    }
}

fn status(one: &Statement) -> &'static str {
    match one.seen() {
        State::Pending => "QUEUED",
        State::Running => "RUNNING",
        State::Succeeded | State::Closed => "FINISHED",
        State::Failed => "FAILED",
        State::Canceled => "CANCELED",
    }
}

fn shown(one: &Statement) -> Json {
    let first =
        one.order.text.split_whitespace().find(|word| !word.starts_with("/*")).unwrap_or_default().to_uppercase();
    let kind = match first.as_str() {
        "WITH" => "SELECT",
        "COPY" => "COPY",
        word => word,
    };
    let submitted = one.submitted.timestamp_millis();
    let ended = one.ended.filter(|_| one.seen().is_final()).map(|at| at.timestamp_millis());
    let tags: Vec<Json> = one.order.tags.iter().map(|(key, value)| json!({"key": key, "value": value})).collect();
    let mut shown = json!({
        "query_id": one.id, "status": status(one), "query_text": one.order.text, "query_start_time_ms": submitted,
        "user_id": 1, "user_name": one.order.principal.name, "executed_as_user_name": one.order.principal.name,
        "warehouse_id": one.order.warehouse, "endpoint_id": one.order.warehouse, "statement_type": kind,
        "rows_produced": one.rows, "is_final": one.seen().is_final(), "query_tags": tags,
        "client_application": "Databricks SQL Statement Execution API", "lookup_key": one.id,
    });
    if let (Some(ended), Some(shown)) = (ended, shown.as_object_mut()) {
        shown.insert("query_end_time_ms".into(), ended.into());
        shown.insert("execution_end_time_ms".into(), ended.into());
        shown.insert("duration".into(), (ended - submitted).into());
        if let Some(failure) = &one.failure {
            shown.insert("error_message".into(), failure.message.as_str().into());
        }
    }
    shown
}
