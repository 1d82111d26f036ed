//! Sends plans off, once each, and finds out what became of them.
//!
//! Looker has no key by which it would know a request again and no list of deliveries. So the copy that it makes carries the
//! tag in its name, by which it is found among the plans and in Looker's own records of what it did (System Activity), also
//! when the answer to the request was lost and the copy is gone.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;

use chrono::{DateTime, Utc};
use engine::ports::{Progress, Sent};
use engine::{Error, Result};
use reqwest::Url;
use serde::Serialize;

use super::client::{Ask, Client};
use super::datagroups;
use super::plans::{self, Plan};
use super::queries::{Query, Row, exactly, hours_since, run};
use crate::http::Method;

const MAY_SEND: &str = "`see_schedules`, and for each kind of destination `schedule_look_emails`, `send_outgoing_webhook`, \
                        `send_to_s3` or `send_to_sftp`; only administrators may run plans of others";
const MAY_SEE_OUTCOMES: &str = "`see_system_activity`";

/// The explore with plans, their jobs and their destinations.
const EXPLORE: &str = "scheduled_plan";
const PLAN_ID: &str = "scheduled_plan.id";
const PLAN_NAME: &str = "scheduled_plan.name";
const STATUS: &str = "scheduled_job.status";
const DETAIL: &str = "scheduled_job.status_detail";
const CREATED: &str = "scheduled_job.created_time";
const FINALIZED: &str = "scheduled_job.finalized_time";
const TYPE: &str = "scheduled_plan_destination.type";
const ADDRESS: &str = "scheduled_plan_destination.address";
const FORMAT: &str = "scheduled_plan_destination.format";
const FIELDS: [&str; 9] = [PLAN_ID, PLAN_NAME, STATUS, DETAIL, CREATED, FINALIZED, TYPE, ADDRESS, FORMAT];

/// What of the copy is another than the plan.
#[derive(Serialize)]
struct Copy<'a> {
    name: &'a str,
}

/// Runs a plan once under a name that carries the tag. Returns the id of the copy that Looker makes for it.
///
/// # Errors
/// Stops when the plan is not there, not the only one of its name, switched off, or runs by itself anyway; Later only when
/// it certainly was not accepted; Unknown when it may have been.
pub(super) async fn deliver(client: &Client, called: &str, tag: &str) -> Result<String> {
    let shown = plans::list(client).await?;
    let plan = plans::find(client, &shown, called)?;
    let triggered = datagroups::triggered(client);
    if let Some(why) = triggered.and_then(|datagroup| plans::runs_anyway(client, plan, &datagroup)) {
        return Err(Error::stop(why));
    }
    if plan.enabled == Some(false) {
        return Err(Error::stop(format!(
            "the plan `{}` (id {}) is switched off in Looker: enable it",
            plan.name(),
            plan.id()
        )));
    }
    let name = copy_name(plan.name(), tag);
    let what = format!("the delivery `{name}`");
    let ask = Ask::new(Method::POST, &["scheduled_plans", plan.id(), "run_once"], &what, MAY_SEND);
    let copy: Plan = client.ask(&ask.json(&Copy { name: &name })?.once()).await?;
    match copy.id() {
        "" => Err(Error::unknown(format!("{} answered the delivery `{name}` without an id", client.http.host()))),
        id if id == plan.id() => Err(Error::unknown(format!(
            "{} answered the delivery `{name}` with the id of the plan itself, from which its outcome cannot be told",
            client.http.host()
        ))),
        id => Ok(id.to_owned()),
    }
}

/// Looks for the copy that carries the tag.
///
/// # Errors
/// As every call.
pub(super) async fn find(client: &Client, called: &str, tag: &str, since: DateTime<Utc>) -> Result<Option<Sent>> {
    let shown = plans::list(client).await?;
    // The plan itself may be gone by now, its deliveries are not.
    let plan = plans::find(client, &shown, called).map(Plan::name).unwrap_or_else(|_| plans::name_of(client, called));
    let name = copy_name(plan, tag);
    let rows = outcomes(client, PLAN_NAME, &exactly(&name), since).await?;
    let mut rows_of: BTreeMap<String, Vec<&Row>> = BTreeMap::new();
    for row in &rows {
        // The database may compare without regard to case.
        if row.text(PLAN_NAME)?.as_deref() == Some(&name) {
            rows_of.entry(row.text(PLAN_ID)?.unwrap_or_default()).or_default().push(row);
        }
    }
    for copy in shown.iter().filter(|copy| copy.name() == name && !copy.id().is_empty()) {
        rows_of.entry(copy.id().to_owned()).or_default();
    }
    rows_of.remove("");
    if rows_of.len() > 1 {
        let ids: Vec<_> = rows_of.keys().map(String::as_str).collect();
        tracing::warn!(delivery = name, ids = ids.join(", "), "Looker knows more than one delivery of this name");
    }
    // Whatever has rows has at least begun.
    let best = rows_of.into_iter().max_by_key(|(_, rows)| !rows.is_empty());
    best.map(|(reference, rows)| Ok(Sent { progress: judge(client, &rows)?, reference })).transpose()
}

/// How far the copy with this id has come.
///
/// # Errors
/// As every call.
pub(super) async fn progress(client: &Client, reference: &str, since: DateTime<Utc>) -> Result<Progress> {
    let rows = outcomes(client, PLAN_ID, reference, since).await?;
    judge(client, &rows.iter().collect::<Vec<_>>())
}

/// Whether the outcomes can be read at all.
///
/// # Errors
/// As every call.
pub(super) async fn try_outcomes(client: &Client) -> Result<()> {
    let query = query(client, 1).filter(CREATED, "2 hours");
    run(client, &query, "the outcomes of deliveries", MAY_SEE_OUTCOMES).await.map(|_| ()).map_err(Error::from)
}

fn copy_name(plan: &str, tag: &str) -> String {
    format!("{plan} [{tag}]")
}

fn query(client: &Client, limit: usize) -> Query {
    let fields = FIELDS.iter().map(|field| (*field).to_owned()).collect();
    Query::new(&client.settings.outcome_model, EXPLORE, fields, limit)
}

async fn outcomes(client: &Client, field: &str, expression: &str, since: DateTime<Utc>) -> Result<Vec<Row>> {
    let limit = client.settings.row_limit;
    let query = query(client, limit)
        .filter(field, expression)
        .filter(CREATED, hours_since(since, client.clock.now()))
        .sort(format!("{CREATED} desc"));
    let rows = run(client, &query, "the outcomes of deliveries", MAY_SEE_OUTCOMES).await?;
    if rows.len() >= limit {
        return Err(Error::stop(format!(
            "{} shows {limit} or more outcomes of one delivery: they cannot all be read; look there, or raise `row_limit`",
            client.http.host()
        )));
    }
    Ok(rows)
}

/// All destinations have to succeed. Rows come with the newest first, and of each destination the newest counts.
fn judge(client: &Client, rows: &[&Row]) -> Result<Progress> {
    let mut ends: BTreeMap<String, End> = BTreeMap::new();
    for row in rows {
        if let Entry::Vacant(newest) = ends.entry(place(row)?) {
            newest.insert(End::of(client, row)?);
        }
    }
    let failed: Vec<_> = ends
        .iter()
        .filter_map(|(place, end)| match end {
            End::Failed(why) => Some(format!("{place}: {why}")),
            _ => None,
        })
        .collect();
    if !failed.is_empty() {
        return Ok(Progress::Failed(failed.join("; ")));
    }
    if ends.is_empty() || ends.values().any(|end| matches!(end, End::Open)) {
        return Ok(Progress::Pending);
    }
    Ok(Progress::Delivered(ends.into_keys().collect::<Vec<_>>().join(", ")))
}

/// How a job stands.
enum End {
    Open,
    Succeeded,
    Failed(String),
}

impl End {
    /// Looker's words for jobs on their way are not documented: what is finalized and in none of them has failed.
    fn of(client: &Client, row: &Row) -> Result<Self> {
        let status = row.text(STATUS)?.unwrap_or_default().to_lowercase();
        let why = || -> Result<Self> {
            let detail = row.text(DETAIL)?.map(|detail| client.quote(&detail)).filter(|detail| !detail.is_empty());
            Ok(Self::Failed(detail.unwrap_or_else(|| format!("Looker says `{status}` and not why"))))
        };
        match status.as_str() {
            "success" => Ok(Self::Succeeded),
            "failure" | "failed" | "error" | "killed" | "canceled" | "cancelled" => why(),
            "" | "inprogress" | "in_progress" | "running" | "queued" | "pending" | "scheduled" | "complete" => {
                Ok(Self::Open)
            }
            _ if row.text(FINALIZED)?.is_none() => Ok(Self::Open),
            _ => why(),
        }
    }
}

/// Where a row says that it went, in words. The path of a webhook is often its password.
fn place(row: &Row) -> Result<String> {
    let cell = |field| row.text(field).map(Option::unwrap_or_default);
    let (kind, address, format) = (cell(TYPE)?, cell(ADDRESS)?, cell(FORMAT)?);
    let address = match Url::parse(&address) {
        Ok(url) if url.has_host() && kind == "webhook" => url.origin().ascii_serialization(),
        Ok(url) if url.has_host() => format!("{}://{}{}", url.scheme(), url.host_str().unwrap_or_default(), url.path()),
        _ => address,
    };
    let words = [kind, address].into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" to ");
    let words = if words.is_empty() { "a destination that Looker does not show".to_owned() } else { words };
    Ok(if format.is_empty() { words } else { format!("{words} ({format})") })
}
