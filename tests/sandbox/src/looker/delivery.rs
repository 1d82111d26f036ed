//! Deliveries: running a plan, rendering its content and bringing it to each destination.
//!
//! Invariant: a run of a plan is one job with one outcome, recorded whatever happens; webhooks are really posted, every
//! other destination is written down.

use base64::prelude::{BASE64_STANDARD, Engine};
use chrono::{DateTime, Utc};
use serde_json::{Map, Value as Json, json};

use super::plans::Plan;
use super::post::post;
use super::query::Stored;
use super::render::{Format, rows};
use super::run::{Failure, How, Ran};
use super::server::Shared;
use crate::http::decode;

/// One run of a plan.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) id: u64,
    pub(super) plan_id: u64,
    pub(super) created: DateTime<Utc>,
    /// When it ended and what went wrong, if anything.
    outcome: Option<(DateTime<Utc>, Result<(), String>)>,
    /// How many queries of the activity still show it as under way.
    pub(super) hidden: u32,
}

impl Job {
    /// Status, detail and end, as the activity shows them.
    pub(super) fn shown(&self) -> (&'static str, Option<&str>, Option<DateTime<Utc>>) {
        match &self.outcome {
            Some((at, Ok(()))) if self.hidden == 0 => ("success", None, Some(*at)),
            Some((at, Err(why))) if self.hidden == 0 => ("failure", Some(why), Some(*at)),
            _ => ("inprogress", None, None),
        }
    }
}

/// Something that was sent, or could not be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Delivery {
    /// The plan that ran: for a run-once call the copy, not the original.
    pub plan_id: u64,
    /// The plan's name at that time.
    pub plan_name: String,
    /// The job, as in `scheduled_job.id`.
    pub job_id: u64,
    /// `email`, `webhook`, `s3`, `sftp` or an integration.
    pub kind: String,
    /// Where it went.
    pub address: String,
    /// `csv`, `json`, …
    pub format: String,
    /// The content; Base64 for binary formats.
    pub content: String,
    /// Why it did not arrive.
    pub failure: Option<String>,
}

/// The content of a delivery.
struct Content {
    mimetype: &'static str,
    extension: &'static str,
    data: String,
    /// The rows stand in the payload itself.
    inline: bool,
}

/// What a plan sends.
struct Subject {
    kind: &'static str,
    title: String,
    path: String,
    queries: Vec<Stored>,
    filtered: bool,
}

impl Shared {
    /// Runs a plan: one job, all its destinations.
    pub(super) async fn deliver(&self, plan: &Plan) {
        let (job, now) = {
            let now = self.clock.now();
            let mut state = self.state();
            let id = state.jobs.len() as u64 + 90_001;
            let hidden = self.settings.job_polls;
            state.jobs.push(Job { id, plan_id: plan.id, created: now, outcome: None, hidden });
            if let Some(plan) = state.plans.by_id(plan.id) {
                plan.last_run = Some(now);
            }
            (id, now)
        };
        let mut failures = Vec::new();
        for destination in plan.destinations() {
            let delivery = self.deliver_to(plan, destination, job).await;
            if let Some(delivery) = delivery {
                failures.extend(delivery.failure.clone());
                self.state().deliveries.push(delivery);
            }
        }
        let ended = self.clock.now().max(now);
        let outcome = if failures.is_empty() { Ok(()) } else { Err(failures.join("; ")) };
        let mut state = self.state();
        if let Some(job) = state.jobs.iter_mut().find(|found| found.id == job) {
            job.outcome = Some((ended, outcome));
        }
        if plan.yes("run_once")
            && self.settings.run_once_vanishes
            && let Some(plan) = state.plans.by_id(plan.id)
        {
            plan.gone = true;
        }
    }

    /// Nothing when the plan's conditions keep it from being sent.
    async fn deliver_to(&self, plan: &Plan, destination: &Map<String, Json>, job_id: u64) -> Option<Delivery> {
        let text = |name: &str| destination.get(name).and_then(Json::as_str).unwrap_or_default().to_owned();
        let mut delivery = Delivery {
            plan_id: plan.id,
            plan_name: plan.name().into(),
            job_id,
            kind: text("type"),
            address: text("address"),
            format: text("format"),
            content: String::new(),
            failure: None,
        };
        let formatted = destination.get("apply_formatting").and_then(Json::as_bool).unwrap_or(true);
        let (subject, content) = match self.content(plan, &delivery.format, formatted).await {
            Ok(Some(found)) => found,
            Ok(None) => return None,
            Err(why) => {
                delivery.failure = Some(why);
                return Some(delivery);
            }
        };
        delivery.content.clone_from(&content.data);
        if delivery.kind == "webhook" {
            let payload = self.payload(plan, &subject, content).to_string();
            let headers = [
                ("x-looker-instance", self.base.clone()),
                ("x-looker-webhook-token", "sandbox-webhook-token".to_owned()),
            ];
            let answer = post(&delivery.address, &headers, payload, self.settings.webhook_timeout).await;
            delivery.failure = match answer {
                Ok(status) if status < 300 => None,
                Ok(status) => Some(format!("The webhook receiver answered {status}")),
                Err(why) => Some(why),
            };
        }
        Some(delivery)
    }

    fn subject(&self, plan: &Plan) -> Result<Subject, String> {
        let state = self.state();
        let gone = || "The content of the plan is gone".to_owned();
        let title = plan.name().to_owned();
        if let Some(id) = plan.text("look_id") {
            let look = state.looks.iter().find(|look| look.id == id).ok_or_else(gone)?;
            let filters = filters(plan.text("filters_string").unwrap_or_default());
            let query = look.query.with_filters(&filters);
            let path = format!("/looks/{id}");
            return Ok(Subject {
                kind: "Look",
                title: look.title.clone(),
                path,
                queries: vec![query],
                filtered: !filters.is_empty(),
            });
        }
        if let Some(id) = plan.text("dashboard_id") {
            let dashboard = state.dashboards.iter().find(|dashboard| dashboard.id == id).ok_or_else(gone)?;
            let queries = dashboard.elements.iter().map(|(_, query)| query.clone()).collect();
            let (title, path) = (dashboard.title.clone(), format!("/dashboards/{id}"));
            return Ok(Subject { kind: "Dashboard", title, path, queries, filtered: false });
        }
        let query = plan.text("query_id").and_then(|id| state.queries.find(id)).cloned().ok_or_else(gone)?;
        Ok(Subject { kind: "Query", title, path: "/explore".into(), queries: vec![query], filtered: false })
    }

    async fn content(&self, plan: &Plan, format: &str, formatted: bool) -> Result<Option<(Subject, Content)>, String> {
        let subject = self.subject(plan)?;
        let limit = plan.yes("send_all_results").then_some(-1);
        let mut results = Vec::new();
        for stored in &subject.queries {
            let ran = self.run(&stored.query, How { limit, ..How::cached() }).await;
            results.push(ran.map_err(|failure| match failure {
                Failure::Query { message, .. } => message,
                Failure::Refused(refusal) => refusal.render().2.to_string(),
            })?);
        }
        let empty = results.iter().all(|ran| ran.table.rows.is_empty());
        if plan.yes("require_results") && empty || plan.yes("require_no_results") && !empty {
            return Ok(None);
        }
        let content = render(&results, format, formatted, subject.kind == "Dashboard");
        Ok(Some((subject, content)))
    }

    fn payload(&self, plan: &Plan, subject: &Subject, content: Content) -> Json {
        let query = subject.queries.first().filter(|_| subject.queries.len() == 1);
        let (data, attachment) = if content.inline {
            (json!(content.data), Json::Null)
        } else {
            let attachment =
                json!({"mimetype": content.mimetype, "extension": content.extension, "data": content.data});
            (Json::Null, attachment)
        };
        json!({
            "type": if subject.kind == "Dashboard" { "dashboard" } else { "query" },
            "scheduled_plan": {
                "scheduled_plan_id": plan.id,
                "title": subject.title,
                "type": subject.kind,
                "url": format!("{}{}", self.base, subject.path),
                "query_id": query.map(|stored| stored.id),
                "query": query.map(|stored| stored.json(&self.base)),
                "filters_differ_from_look": subject.filtered,
            },
            "attachment": attachment,
            "data": data,
            "form_params": {},
        })
    }
}

/// `?f[view.field]=expression&view.other=expression`, percent-encoded.
fn filters(text: &str) -> Vec<(String, String)> {
    let pairs = text.trim_start_matches('?').split('&').filter_map(|pair| pair.split_once('='));
    pairs
        .map(|(name, value)| {
            let name = decode(name);
            let inner = name.strip_prefix("f[").and_then(|rest| rest.strip_suffix(']'));
            (inner.unwrap_or(&name).to_owned(), decode(value))
        })
        .collect()
}

fn render(results: &[Ran], format: &str, formatted: bool, dashboard: bool) -> Content {
    let all = |format: Format| results.iter().map(|ran| rows(ran, format, formatted)).collect::<Vec<_>>();
    let text =
        |mimetype, extension, format| Content { mimetype, extension, data: all(format).join("\n"), inline: false };
    // What a binary file would hold is not made; its bytes are the CSV of the same rows.
    let binary = |mimetype, extension| Content {
        mimetype,
        extension,
        data: BASE64_STANDARD.encode(all(Format::Csv).join("\n")),
        inline: false,
    };
    match format {
        "xlsx" => binary("application/vnd.openxmlformats-officedocument.spreadsheetml.sheet;base64", "xlsx"),
        "wysiwyg_pdf" | "assembled_pdf" => binary("application/pdf;base64", "pdf"),
        "wysiwyg_png" => binary("image/png;base64", "png"),
        "csv" | "txt" if dashboard => binary("application/zip;base64", "zip"),
        "csv" => text("text/csv", "csv", Format::Csv),
        "json_detail" => text("application/json", "json", Format::JsonDetail),
        "json" => text("application/json", "json", Format::Json),
        "inline_json" => Content { inline: true, ..text("application/json", "json", Format::Json) },
        "html" => text("text/html", "html", Format::Txt),
        _ => text("text/plain", "txt", Format::Txt),
    }
}
