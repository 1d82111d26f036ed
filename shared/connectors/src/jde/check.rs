//! What `check` tells an administrator: what works, what does not, and which switch to turn.

use chrono::{DateTime, NaiveDateTime, TimeDelta, Utc};
use engine::Error;
use engine::plan::StreamSpec;
use engine::ports::Finding;
use serde::Deserialize;

use super::client::Client;
use super::dates::{time_stamp, to_utc};
use super::decode::Layout;
use super::refusal::Failure;
use super::source::{DB_FETCH_LIMIT, JdeSource, into_error};
use super::{Auth, Paging};

/// Calls that one table may cost when its columns are tried in halves to find the unreadable ones.
const MOST_PROBES: usize = 40;

/// What `defaultconfig` tells. Only the capability list is documented; nothing is required.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct DefaultConfig {
    ais_version: Option<String>,
    default_environment: Option<String>,
    default_role: Option<String>,
    capability_list: Option<Vec<Capability>>,
}

#[derive(Deserialize)]
struct Capability {
    #[serde(default)]
    name: String,
}

/// Tries everything, in the order in which things can be mended.
pub(super) async fn check(source: &JdeSource, streams: &[&StreamSpec]) -> Vec<Finding> {
    let client = &source.client;
    let mut findings = vec![server(client).await];
    if findings.iter().any(|finding| !finding.ok && finding.what == REACH) {
        return findings;
    }
    if client.settings.auth == Auth::Token {
        match log_in(client).await {
            Ok(finding) => findings.push(finding),
            Err(error) => {
                findings.push(Finding::bad("log in", error.to_string()));
                return findings;
            }
        }
    }
    let mut stamp = None;
    for stream in streams {
        let (found, seen) = table(source, stream).await;
        let refused = found.iter().any(|finding| !finding.ok && finding.what == LOG_IN);
        findings.extend(found);
        stamp = stamp.or(seen);
        if refused {
            return findings;
        }
    }
    if let Some(local) = stamp {
        findings.push(zone(client, local, client.clock.now()).await);
    }
    findings.extend(page_size(client, streams));
    findings
}

const REACH: &str = "reach the AIS Server";
const LOG_IN: &str = "log in";

async fn server(client: &Client) -> Finding {
    let path = format!("{}defaultconfig", client.settings.api.prefix());
    let host = client.http.host();
    let answer = match client.http.send(client.http.get(&path, None).header("Accept", "application/json")).await {
        Ok(answer) => answer,
        Err(error) => return Finding::bad(REACH, error.to_string()),
    };
    if answer.status == 404 || answer.is_html() {
        let page = answer.page_title().map(|title| format!(" with a web page «{title}»")).unwrap_or_default();
        return Finding::bad(
            REACH,
            format!(
                "{host} answered {}{page} for {path}: `url` must end with the context root of the AIS Server, usually \
                 /jderest, and `api: v2` needs Tools release 9.2.1.2; a proxy in front must pass it on",
                answer.status
            ),
        );
    }
    if answer.status != 200 {
        // The page may be closed to the unknown; logging in will tell.
        return Finding::good(
            REACH,
            format!("{host} answers, but does not show its configuration ({})", answer.status),
        );
    }
    let config: DefaultConfig = serde_json::from_slice(&answer.body).unwrap_or_default();
    let names: Vec<_> = config.capability_list.iter().flatten().map(|capability| capability.name.as_str()).collect();
    let mut needed = vec!["dataservice", "outputType"];
    if client.settings.paging == Paging::NextLinks {
        needed.push("nextPage");
    }
    let missing: Vec<_> = needed.into_iter().filter(|name| !names.contains(name)).collect();
    if !names.is_empty() && !missing.is_empty() {
        return Finding::bad(
            "capabilities of the AIS Server",
            format!("{host} lacks {}: its Tools release is too old, at least 9.2.0.5 is needed", missing.join(", ")),
        );
    }
    let mut detail = format!("{host} answers");
    for (name, value) in [
        ("AIS version", config.ais_version),
        ("environment", config.default_environment),
        ("role", config.default_role),
    ] {
        detail.extend(value.map(|value| format!(", {name} {value}")));
    }
    Finding::good(REACH, detail)
}

async fn log_in(client: &Client) -> Result<Finding, Error> {
    let user = client.user().await?;
    let mut detail = "the service user is let in".to_owned();
    for (name, value) in [
        ("environment", user.environment),
        ("role", user.role),
        ("release", user.apps_release),
        ("date format", user.simple_date_format),
    ] {
        detail.extend(value.map(|value| format!(", {name} {value}")));
    }
    Ok(Finding::good(LOG_IN, detail))
}

/// Reads one row of a table with all columns.
async fn table(source: &JdeSource, stream: &StreamSpec) -> (Vec<Finding>, Option<NaiveDateTime>) {
    let what = format!("read {}", stream.object);
    if let Some(finding) = update_columns(stream) {
        return (vec![finding], None);
    }
    let (grid, _) = match source.probe(stream, &stream.columns, false).await {
        Ok(answered) => answered,
        Err(failure) => {
            let error = into_error(failure, stream);
            if error.is_refused_credentials() {
                return (vec![Finding::bad(LOG_IN, error.to_string())], None);
            }
            if error.is_later() {
                return (vec![Finding::bad(what, error.to_string())], None);
            }
            let unreadable = unreadable(source, stream).await;
            let detail = if unreadable.is_empty() || unreadable.len() == stream.columns.len() {
                format!(
                    "{error}. Does the table exist in this environment, and does row, column and action security let the user read it?"
                )
            } else {
                advice(&unreadable)
            };
            return (vec![Finding::bad(what, detail)], None);
        }
    };
    let stamp = grid.time_stamp.as_deref().and_then(time_stamp);
    let layout = Layout::new(&StreamSpec { key: Vec::new(), ..stream.clone() }, &stream.columns, usize::MAX);
    if let (Ok(layout), false) = (layout, grid.columns.is_empty()) {
        let missing = layout.absent(&grid.columns);
        if !missing.is_empty() {
            return (
                vec![Finding::bad(what, advice(&missing.iter().map(|c| (*c).to_owned()).collect::<Vec<_>>()))],
                stamp,
            );
        }
    }
    let columns = stream.columns.len();
    let detail = match grid.rows {
        0 => format!(
            "{columns} columns can be read, but there is no row: is the table empty, or does row security hide all?"
        ),
        _ => format!("{columns} columns can be read"),
    };
    (vec![Finding::good(what, detail)], stamp)
}

fn advice(columns: &[String]) -> String {
    format!(
        "{} cannot be read: the administrator has to check that the columns exist in this release and that column security \
         (application P00950) lets the service user see them; or leave them out of the mapping",
        columns.join(", ")
    )
}

fn update_columns(stream: &StreamSpec) -> Option<Finding> {
    let updated = stream.updated.as_ref()?;
    let columns = [Some(&updated.date), updated.time.as_ref()];
    let absent: Vec<_> =
        columns.into_iter().flatten().filter(|column| !stream.columns.contains(column)).cloned().collect();
    (!absent.is_empty()).then(|| {
        let detail =
            format!("stream `{}` tells changes by {}, which it does not read", stream.name, absent.join(" and "));
        Finding::bad(format!("read {}", stream.object), detail)
    })
}

/// The columns that cannot be read, by trying halves.
async fn unreadable(source: &JdeSource, stream: &StreamSpec) -> Vec<String> {
    let mut open = vec![stream.columns.clone()];
    let mut bad = Vec::new();
    let mut probes = 0;
    while let Some(columns) = open.pop() {
        probes += 1;
        if probes > MOST_PROBES {
            break;
        }
        let readable = match source.probe(stream, &columns, false).await {
            Ok(_) => true,
            Err(Failure::Failed(error)) if error.is_later() || error.is_refused_credentials() => break,
            Err(_) => false,
        };
        if readable {
            continue;
        }
        if let [column] = columns.as_slice() {
            bad.push(column.clone());
            continue;
        }
        let (left, right) = columns.split_at(columns.len() / 2);
        open.extend([right.to_vec(), left.to_vec()]);
    }
    bad
}

/// The server's wall clock against ours: whole hours between them are a wrong `zone`.
async fn zone(client: &Client, local: NaiveDateTime, now: DateTime<Utc>) -> Finding {
    let what = "time zone of the server";
    let configured = client.settings.zone;
    let shown = local.format("%Y-%m-%d %H:%M");
    let ahead = to_utc(configured, local) - now;
    if ahead.abs() <= TimeDelta::minutes(10) {
        return Finding::good(what, format!("its clock shows {shown}, which fits {configured}"));
    }
    // Zones lie on quarters of an hour.
    let offset = local - now.naive_utc();
    let quarters = (offset.num_minutes() + if offset < TimeDelta::zero() { -7 } else { 7 }) / 15;
    let off = offset - TimeDelta::minutes(quarters * 15);
    if off.abs() > TimeDelta::minutes(5) {
        let detail = format!(
            "its clock shows {shown} and is {} minutes off from ours in {configured}: set the clocks of the servers",
            ahead.num_minutes()
        );
        return Finding::bad(what, detail);
    }
    let told = client.user().await.ok().and_then(|user| user.time_zone_offset);
    let told = told.map(|offset| format!(" The profile of the user says {offset}.")).unwrap_or_default();
    Finding::bad(
        what,
        format!(
            "its clock shows {shown}, which does not fit `zone: {configured}` but {}.{told} Set `zone` to the server's zone, \
             such as America/Chicago",
            utc_offset(quarters)
        ),
    )
}

fn utc_offset(quarters: i64) -> String {
    let sign = if quarters < 0 { '-' } else { '+' };
    let minutes = quarters.abs() * 15;
    format!("UTC{sign}{:02}:{:02}", minutes / 60, minutes % 60)
}

fn page_size(client: &Client, streams: &[&StreamSpec]) -> Option<Finding> {
    let default = client.settings.page_size;
    let largest = streams.iter().filter_map(|stream| stream.page_size).fold(default, usize::max);
    (largest > DB_FETCH_LIMIT).then(|| {
        Finding::bad(
            "page size",
            format!(
                "pages of {largest} records are more than the JAS setting \"DB Fetch Limit\", {DB_FETCH_LIMIT} unless the site \
                 changed it: answers are cut there and every read needs one call more; use {DB_FETCH_LIMIT} or less"
            ),
        )
    })
}
