//! Applies what a run has landed: one MERGE over all of its files, then what became of their rows.
//!
//! Each call does one step and returns; what is under way is known by the id of its statement, which the engine keeps. A step
//! whose id was lost is looked for in the history and else begun again: nothing here does harm a second time.

use std::time::Duration;

use chrono::DateTime;
use engine::model::audit::{Counts, Outcome};
use engine::model::batch::Version;
use engine::model::id::RecordKey;
use engine::model::table::TableSpec;
use engine::ports::{Applied, Landed, Settlement};
use engine::{Error, Result};
use serde::{Deserialize, Serialize};

use super::client::Client;
use super::merge::{self, Source};
use super::refusal::Failure;
use super::small::{Ledger, ledger_entry, outcome_of};
use super::sql::Place;
use super::statements::{OnWait, Origin, Parameter, State, Statement, Table};

/// Rows that one page of outcomes has at most.
const MOST_ROWS: usize = 50_000;

/// Bytes that one page of outcomes may have: Databricks fails a statement whose rows are more than 25 MiB of JSON.
const MOST_BYTES: usize = 20 << 20;

/// The version of the progress text.
const VERSION: u32 = 1;

/// How far applying has come.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
struct Progress {
    v: u32,
    step: Step,
    /// The statement of this step that is under way.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    statement: Option<String>,
    /// When it was begun, in microseconds since 1970.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    since: Option<i64>,
}

/// What is done next.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Step {
    /// Copy the files into the table of everything that came.
    Raw,
    /// Apply them.
    Merge,
    /// Count what became of their rows, and note it in the ledger.
    Count,
    /// List the rows behind this batch and row, so many at a time.
    List { batch: i64, seq: i64, rows: usize },
    /// Nothing.
    End,
}

impl Progress {
    fn at(step: Step) -> Self {
        Self { v: VERSION, step, statement: None, since: None }
    }

    fn read(text: &str) -> Result<Self> {
        let progress: Option<Self> = serde_json::from_str(text).ok();
        progress.filter(|progress| progress.v == VERSION).ok_or_else(|| {
            Error::stop(
                "how far the run was applied was written by another version of this program: go on with that one",
            )
        })
    }

    fn text(&self) -> Result<String> {
        serde_json::to_string(self).map_err(|e| Error::stop(format!("progress cannot be written: {e}")))
    }

    /// Goes on at once with the next step.
    fn then(step: Step) -> Result<Applied> {
        Ok(Applied::UnderWay { progress: Self::at(step).text()?, after: Duration::ZERO })
    }
}

/// Does the next step.
///
/// # Errors
/// As [`engine::ports::Destination::apply`].
pub(super) async fn apply(
    client: &Client,
    place: &Place,
    table: &TableSpec,
    landed: &Landed<'_>,
    progress: Option<&str>,
) -> Result<Applied> {
    let directory = client.run_directory(&table.name, landed.run)?;
    let mut progress = match progress {
        Some(text) => Progress::read(text)?,
        None if client.list(&directory, 1).await?.is_empty() => return Ok(Applied::Done),
        None => Progress::at(if place.raw.is_some() { Step::Raw } else { Step::Merge }),
    };
    let Some(statement) = statement(place, table, landed, &directory, &progress.step) else {
        return Ok(Applied::Done);
    };
    let Some(rows) = advance(client, &statement, &mut progress).await? else {
        return Ok(Applied::UnderWay { progress: progress.text()?, after: client.settings.ask_every.0 });
    };
    match progress.step {
        Step::Raw => Progress::then(Step::Merge),
        Step::Merge => Progress::then(Step::Count),
        Step::Count => counted(client, place, landed, &rows).await,
        Step::List { rows: limit, .. } => listed(rows, limit),
        Step::End => Ok(Applied::Done),
    }
}

fn statement(place: &Place, table: &TableSpec, landed: &Landed<'_>, directory: &str, step: &Step) -> Option<Statement> {
    let source = Source::Files(directory);
    let system = || vec![Parameter::text("system", table.source_system.as_str())];
    let (name, sql, parameters) = match step {
        Step::Raw => ("copy", merge::copy_into(place.raw.as_deref()?, directory), Vec::new()),
        Step::Merge => ("merge", merge::merge(table, place, source), system()),
        Step::Count => ("count", merge::counts(table, place, source), Vec::new()),
        Step::List { batch, seq, rows } => (
            "list",
            merge::page(table, place, source, landed.every_row, *rows),
            vec![Parameter::integer("batch", *batch), Parameter::integer("seq", *seq)],
        ),
        Step::End => return None,
    };
    Some(Statement {
        what: format!("the {name} of run {} into {}", landed.run, place.table),
        sql,
        parameters,
        origin: Origin {
            run: landed.run.to_string(),
            sync: landed.sync.to_string(),
            // Runs of two syncs may go into one table, and one run into one table only.
            step: name.to_owned(),
        },
    })
}

/// Begins the statement of a step, or looks how it stands. Its rows when it is done; nothing while it is under way.
async fn advance(client: &Client, statement: &Statement, progress: &mut Progress) -> Result<Option<Table>> {
    let what = &statement.what;
    let has_effect = matches!(progress.step, Step::Raw | Step::Merge);
    let known = match progress.statement.take() {
        Some(id) => Some(id),
        // A process may have died before it could keep the id.
        None if has_effect => client.find_running(&statement.origin).await,
        None => None,
    };
    let state = match known {
        None => None,
        Some(id) => match client.look(&id, what).await {
            Ok(State::Closed) if !has_effect => None,
            Ok(State::Cancelled | State::Forgotten) => None,
            Ok(state) => Some(state),
            // What went wrong may have been mended since: it is tried anew.
            Err(Failure::Sql { error, .. }) => {
                tracing::info!(reason = %error, "begun again");
                None
            }
            Err(failure) => return Err(failure.into_error()),
        },
    };
    let state = match state {
        Some(state) => state,
        None => {
            progress.since = None;
            client.start(statement, OnWait::Continue).await.map_err(|failure| explained(failure, what))?
        }
    };
    let now = client.clock.now();
    match state {
        State::Finished(rows) => Ok(Some(rows)),
        State::Closed => Ok(Some(Table::new())),
        State::Cancelled | State::Forgotten => {
            Err(Error::later(format!("{what} was cancelled at {}", client.http.host())))
        }
        State::UnderWay(id) => {
            let since = *progress.since.get_or_insert(now.timestamp_micros());
            let begun = DateTime::from_timestamp_micros(since).unwrap_or(now);
            let longest = client.settings.statement_timeout;
            if (now - begun).to_std().is_ok_and(|taken| taken > longest.0) {
                client.cancel(&id).await?;
                return Err(Error::stop(format!(
                    "{what} took longer than {longest} and was cancelled: is the SQL warehouse {} starting, is it too small? \
                     Raise `statement_timeout` otherwise",
                    client.settings.warehouse
                )));
            }
            progress.statement = Some(id);
            Ok(None)
        }
    }
}

fn explained(failure: Failure, what: &str) -> Error {
    match failure.is_class("PATH_NOT_FOUND") {
        true => Error::stop(format!(
            "{what}: its files are gone: somebody removed them before they were applied; replay the run, which lands them again"
        )),
        false => failure.into_error(),
    }
}

/// Notes the counts in the ledger and tells them.
async fn counted(client: &Client, place: &Place, landed: &Landed<'_>, rows: &Table) -> Result<Applied> {
    let mut counts = Counts::default();
    let (mut entries, mut longest) = (Vec::new(), 0_usize);
    let mut batch: Option<(u32, String, i64, i64, Counts)> = None;
    let mut entry = |batch: Option<(u32, String, i64, i64, Counts)>| {
        if let Some((seq, id, version, at, counts)) = batch {
            entries.push(ledger_entry(&id, seq, version, at, &counts));
        }
    };
    for row in rows {
        let [Some(seq), Some(id), Some(version), Some(at), Some(outcome), Some(count), bytes] = row.as_slice() else {
            return Err(damaged());
        };
        let (seq, version, at) = (number(seq)?, number(version)?, number(at)?);
        let (outcome, count): (Outcome, u64) = (outcome_of(outcome)?, number(count)?);
        longest = longest.max(bytes.as_deref().map_or(Ok(0), number)?);
        if batch.as_ref().is_none_or(|(current, ..)| *current != seq) {
            entry(batch.take());
            batch = Some((seq, id.clone(), version, at, Counts::default()));
        }
        for counts in [&mut counts].into_iter().chain(batch.as_mut().map(|(.., counts)| counts)) {
            add(counts, outcome, count);
        }
    }
    entry(batch.take());
    if !entries.is_empty() {
        let ledger = Ledger { client, place, run: landed.run.as_str(), sync: &landed.sync.to_string() };
        client.run(&ledger.statement(entries)).await?;
    }
    // A byte may become two as it is written, and the other columns take their part.
    let limit = (MOST_BYTES / (2 * longest + 120)).clamp(1, MOST_ROWS);
    let has_lines = landed.every_row || counts.unchanged < total(&counts);
    let next = if has_lines { Step::List { batch: -1, seq: -1, rows: limit } } else { Step::End };
    Ok(Applied::Settled { rows: Vec::new(), counts, progress: Progress::at(next).text()? })
}

fn add(counts: &mut Counts, outcome: Outcome, count: u64) {
    match outcome {
        Outcome::Inserted => counts.inserted += count,
        Outcome::Updated => counts.updated += count,
        Outcome::Deleted => counts.deleted += count,
        Outcome::Unchanged => counts.unchanged += count,
        _ => counts.superseded += count,
    }
}

fn total(counts: &Counts) -> u64 {
    counts.inserted + counts.updated + counts.deleted + counts.unchanged + counts.superseded
}

/// A page of rows. They were counted before.
fn listed(rows: Table, limit: usize) -> Result<Applied> {
    let mut settled = Vec::with_capacity(rows.len());
    for row in rows {
        let columns: [Option<String>; 6] = row.try_into().map_err(|_| damaged())?;
        let [Some(batch), Some(seq), Some(id), Some(outcome), Some(version), Some(mapping)] = columns else {
            return Err(damaged());
        };
        settled.push(Settlement {
            seq: number(&batch)?,
            row: number(&seq)?,
            key: RecordKey::new(id),
            outcome: outcome_of(&outcome)?,
            version: Version(number(&version)?),
            mapping: number(&mapping)?,
        });
    }
    let next = match settled.last() {
        Some(last) if settled.len() >= limit => {
            Step::List { batch: last.seq.into(), seq: last.row.into(), rows: limit }
        }
        _ => Step::End,
    };
    Ok(Applied::Settled { rows: settled, counts: Counts::default(), progress: Progress::at(next).text()? })
}

fn number<T: std::str::FromStr>(text: &str) -> Result<T> {
    text.parse().map_err(|_| damaged())
}

fn damaged() -> Error {
    Error::later("what became of the rows of a run came damaged")
}
