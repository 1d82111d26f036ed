//! `audit`: what happened to one record, from its first load to now.

use chrono::{DateTime, Utc};
use engine::model::audit::{AuditLine, Held};
use engine::model::id::{RecordKey, SyncId};
use engine::ports::HeldFilter;
use serde::Serialize;
use serde_json::{Map, Value as Json};

use crate::archive;
use crate::args::Options;
use crate::exit::{Exit, not_found};
use crate::held;
use crate::output::{Answer, Output};
use crate::setup::Setup;
use crate::words::{Columns, indented, time};

/// Keys that are suggested for one that is not known.
const SUGGESTIONS: usize = 10;

/// `audit`.
#[derive(Debug, clap::Args)]
pub struct Args {
    /// The sync
    sync: String,
    /// The record's key as it is printed, such as '70412|PV|00070|001', or its parts one by one
    #[arg(required = true)]
    key: Vec<String>,
    /// Also show the newest archived row, as the source sent it
    #[arg(long)]
    row: bool,
}

/// Shows the time line.
pub async fn run(options: &Options, args: &Args, output: &Output) -> anyhow::Result<Exit> {
    let setup = Setup::look(options).await?;
    let sync = setup.find(&args.sync)?;
    let Some(key) = find(&setup, &sync, &args.key).await? else {
        return Err(unknown(&setup, &sync, &args.key.join("|")).await?);
    };
    let lines = setup.context.store.audit_of(&sync, &key).await?;
    let held = held_of(&setup, &sync, &key).await?;
    let row = match args.row {
        true => newest_row(&setup, &sync, &key, &lines, held.as_ref()).await?,
        false => None,
    };
    let no_row = args.row && row.is_none();
    let history = History::new(&sync, &key, lines, held, row);
    output.answer(&history)?;
    if no_row {
        output.say("its row is not in the archive any more: `preview --key` reads it from the source");
    }
    Ok(Exit::Ok)
}

/// The key that was meant: as written, or its parts written one by one.
async fn find(setup: &Setup, sync: &SyncId, written: &[String]) -> anyhow::Result<Option<RecordKey>> {
    let joined = RecordKey::join(written.iter().map(String::as_str));
    let spaced = RecordKey::new(written.join(" ").split_whitespace().collect::<Vec<_>>().join("|"));
    let candidates = match written {
        [one] => vec![RecordKey::new(one), spaced],
        _ => vec![joined, spaced],
    };
    for key in candidates {
        let known = !setup.context.store.audit_of(sync, &key).await?.is_empty();
        if known || held_of(setup, sync, &key).await?.is_some() {
            return Ok(Some(key));
        }
    }
    Ok(None)
}

async fn held_of(setup: &Setup, sync: &SyncId, key: &RecordKey) -> anyhow::Result<Option<Held>> {
    let store = &setup.context.store;
    if store.held_among(sync, std::slice::from_ref(key)).await?.is_empty() {
        return Ok(None);
    }
    Ok(held::all(store, sync, &HeldFilter::default()).await?.into_iter().find(|held| held.key == *key))
}

async fn unknown(setup: &Setup, sync: &SyncId, written: &str) -> anyhow::Result<anyhow::Error> {
    let stream = &sync.stream;
    let mut similar = archive::similar_keys(&setup.context, sync, written, SUGGESTIONS).await?;
    let held = held::all(&setup.context.store, sync, &HeldFilter::default()).await?;
    similar.extend(held.into_iter().map(|held| held.key.to_string()).filter(|key| key.contains(written)));
    if similar.is_empty() {
        return Ok(not_found(format!(
            "no record `{written}` of {stream} is known here: look at how keys are written with `preview {stream}`"
        )));
    }
    let keys: String = similar.iter().take(SUGGESTIONS).map(|key| format!("\n  {key}")).collect();
    Ok(not_found(format!("no record `{written}` of {stream} is known here; keys like it are:{keys}")))
}

/// The newest archived row: of the batch that holds it, or of the last one that touched it.
async fn newest_row(
    setup: &Setup,
    sync: &SyncId,
    key: &RecordKey,
    lines: &[AuditLine],
    held: Option<&Held>,
) -> anyhow::Result<Option<Map<String, Json>>> {
    let plan = setup.context.plans.plan(sync)?;
    let batches = held.map(|held| &held.batch).into_iter().chain(lines.iter().rev().map(|line| &line.batch));
    for batch in batches {
        if let Some(row) = archive::row_of(&setup.context, &plan, batch, key).await? {
            return Ok(Some(row));
        }
    }
    Ok(None)
}

#[derive(Debug, Serialize)]
struct History {
    sync: String,
    key: String,
    history: Vec<Line>,
    held: Option<HeldNow>,
    #[serde(skip_serializing_if = "Option::is_none")]
    row: Option<Map<String, Json>>,
}

#[derive(Debug, Serialize)]
struct Line {
    at: DateTime<Utc>,
    outcome: String,
    detail: Option<String>,
    run: String,
    batch: String,
    mapping: u32,
}

#[derive(Debug, Serialize)]
struct HeldNow {
    state: &'static str,
    since: DateTime<Utc>,
    field: Option<String>,
    value: Option<String>,
    reason: String,
    batch: String,
}

impl History {
    fn new(
        sync: &SyncId,
        key: &RecordKey,
        lines: Vec<AuditLine>,
        held: Option<Held>,
        row: Option<Map<String, Json>>,
    ) -> Self {
        let line = |line: AuditLine| Line {
            at: line.at,
            outcome: line.outcome.to_string(),
            detail: line.detail,
            run: line.batch.run.to_string(),
            batch: line.batch.to_string(),
            mapping: line.mapping,
        };
        Self {
            sync: sync.stream.clone(),
            key: key.to_string(),
            history: lines.into_iter().map(line).collect(),
            held: held.map(|held| HeldNow {
                state: if held.is_waiting() { "waiting" } else { "rejected" },
                since: held.since,
                field: held.field,
                value: held.value,
                reason: held.reason,
                batch: held.batch.to_string(),
            }),
            row,
        }
    }
}

impl Answer for History {
    fn text(&self) -> String {
        let mut text = format!("{} {}\n\n", self.sync, self.key);
        let mut columns = Columns::new(&["when (UTC)", "what", "batch", "mapping", "why"]);
        for line in &self.history {
            columns.row([
                time(line.at),
                line.outcome.clone(),
                line.batch.clone(),
                line.mapping.to_string(),
                line.detail.clone().unwrap_or_default(),
            ]);
        }
        text.push_str(&columns.text());
        if let Some(held) = &self.held {
            let place = match (&held.field, &held.value) {
                (Some(field), Some(value)) if !field.is_empty() => format!("{field} = `{value}`: "),
                (Some(field), None) if !field.is_empty() => format!("{field}: "),
                _ => String::new(),
            };
            text.push_str(&format!("\n{} since {}: {place}{}\n", held.state, time(held.since), held.reason));
        }
        if let Some(row) = &self.row {
            let mut columns = Columns::new(&["source column", "value"]);
            for (name, value) in row {
                columns.row([name.clone(), value.to_string()]);
            }
            text.push_str("\nas the source sent it:\n");
            text.push_str(&indented(&columns.text(), 2));
        }
        text
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_history_ends_with_how_the_record_is_held() {
        let at = DateTime::from_timestamp(1_795_262_581, 0).unwrap();
        let history = History {
            sync: "ap_invoices".to_owned(),
            key: "70412|PV|00070|001".to_owned(),
            history: vec![Line {
                at,
                outcome: "inserted".to_owned(),
                detail: None,
                run: "r1".to_owned(),
                batch: "r1/0".to_owned(),
                mapping: 1,
            }],
            held: Some(HeldNow {
                state: "rejected",
                since: at,
                field: Some("invoice_date".to_owned()),
                value: Some("20261399".to_owned()),
                reason: "`20261399` is not a date".to_owned(),
                batch: "r2/0".to_owned(),
            }),
            row: None,
        };
        assert_eq!(
            history.text(),
            "\
ap_invoices 70412|PV|00070|001

when (UTC)           what      batch  mapping  why
2026-11-21 12:03:01  inserted  r1/0   1

rejected since 2026-11-21 12:03:01: invoice_date = `20261399`: `20261399` is not a date
"
        );
    }
}
