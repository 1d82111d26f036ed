//! Writes a small batch at once: one MERGE over a parameter, then what became of each row.
//!
//! That spares a run of few changes its file and the wait for its end. It is done only while the warehouse is awake: a
//! statement that does not end in the time a call waits is cancelled, and the batch lands as any other.

use std::collections::HashMap;

use engine::model::audit::{Counts, Outcome};
use engine::model::batch::MappedBatch;
use engine::model::table::TableSpec;
use engine::model::value::Value;
use engine::ports::Written;
use engine::{Error, Result};
use serde_json::Value as Json;

use super::client::Client;
use super::merge::{self, Source};
use super::sql::{BATCH, LANDED, Place, hex};
use super::statements::{OnWait, Origin, Parameter, State, Statement};
use crate::warehouse::incoming::{Incoming, Row};
use crate::warehouse::meta;

/// The longest parameter that is worth it.
const MOST_BYTES: usize = 1 << 20;

/// A small batch, taken apart.
pub(super) struct Small {
    /// What becomes of each row: refused, or landed as far as is known yet.
    pub(super) written: Vec<Written>,
    /// The rows that fit.
    pub(super) rows: Texts,
}

/// Rows as texts.
pub(super) struct Texts {
    objects: Vec<Json>,
    /// Where each of them stands in the batch, by its number.
    positions: HashMap<i64, usize>,
}

impl Texts {
    pub(super) fn is_empty(&self) -> bool {
        self.objects.is_empty()
    }

    /// The parameter, unless it is too long, with the places of the rows.
    pub(super) fn parameter(self) -> Option<(Parameter, HashMap<i64, usize>)> {
        let text = Json::Array(self.objects).to_string();
        (text.len() < MOST_BYTES).then(|| (Parameter::text("rows", text), self.positions))
    }
}

/// Whether the batch is one that is written at once: small, the first of its run, and kept nowhere as a file.
pub(super) fn fits(client: &Client, batch: &MappedBatch) -> Result<bool> {
    let settings = &client.settings;
    let may = settings.small_batch > 0 && settings.raw.is_none() && batch.id.seq == 0 && batch.part == 0;
    Ok(may && batch.rows.size() < MOST_BYTES && batch.rows.count()? <= settings.small_batch)
}

/// Takes the batch apart.
///
/// # Errors
/// Stops when its rows are not those of the table.
pub(super) fn read(table: &TableSpec, batch: &MappedBatch) -> Result<Small> {
    let mut incoming = Incoming::new(table, batch)?;
    let (mut written, mut objects, mut positions) = (Vec::new(), Vec::new(), HashMap::new());
    while let Some(row) = incoming.next()? {
        match row.misfit(table) {
            Some(reason) => written.push(Written { outcome: Outcome::Rejected, reason: Some(reason) }),
            None => {
                if positions.insert(row.seq.into(), written.len()).is_some() {
                    return Err(Error::stop(format!(
                        "batch {} has two rows with one row number: replay its run",
                        batch.id
                    )));
                }
                objects.push(object(batch, &row));
                written.push(Outcome::Landed.into());
            }
        }
    }
    Ok(Small { written, rows: Texts { objects, positions } })
}

fn object(batch: &MappedBatch, row: &Row<'_, '_>) -> Json {
    let text = |value: &Value<'_>| match value {
        Value::Null => Json::Null,
        value => Json::String(value.to_text().into_owned()),
    };
    let own = row.cells.iter().map(text);
    let landed = LANDED.map(|(column, _)| match column {
        meta::SOURCE_ID => row.key.into(),
        meta::SOURCE_UPDATED_AT => row.stamp.map_or(Json::Null, |stamp| text(&Value::Timestamp(stamp))),
        meta::ROW_HASH => format!("{:032x}", row.hash).into(),
        meta::IS_DELETED => row.deleted.to_string().into(),
        meta::BATCH_ID => hex(&batch.id.as_bytes()).into(),
        meta::SEQ => row.seq.to_string().into(),
        meta::VERSION => batch.version.0.to_string().into(),
        meta::MAPPING => batch.mapping.to_string().into(),
        meta::LOADED_AT => text(&Value::Timestamp(batch.at.timestamp_micros())),
        BATCH => batch.id.seq.to_string().into(),
        _ => batch.touch.to_string().into(),
    });
    Json::Object(own.chain(landed).enumerate().map(|(i, value)| (format!("c{i}"), value)).collect())
}

/// Writes the rows and notes what became of each; `false` where the batch has to land instead.
///
/// # Errors
/// As [`engine::ports::Destination::write`].
pub(super) async fn apply(
    client: &Client,
    place: &Place,
    table: &TableSpec,
    batch: &MappedBatch,
    (rows, positions): (Parameter, HashMap<i64, usize>),
    written: &mut [Written],
) -> Result<bool> {
    let statement = |step: &str, what: &str, sql: String, parameters: Vec<Parameter>| Statement {
        what: format!("{what} of batch {}", batch.id),
        sql,
        parameters,
        origin: Origin {
            run: batch.id.run.to_string(),
            sync: batch.sync.to_string(),
            step: format!("{step}-{}", batch.id.seq),
        },
    };
    let merge = merge::merge(table, place, Source::Rows);
    let system = Parameter::text("system", table.source_system.as_str());
    let merge = statement("merge", "the merge", merge, vec![rows.clone(), system]);
    match client.start(&merge, OnWait::Cancel).await {
        Ok(State::Finished(_) | State::Closed) => {}
        Ok(State::UnderWay(id)) => {
            // A cancellation may lose the race; that the batch then lands too changes nothing.
            client.cancel(&id).await?;
            return Ok(false);
        }
        Ok(State::Cancelled | State::Forgotten) => return Ok(false),
        Err(failure) => return Err(failure.into_error()),
    }
    let page = merge::page(table, place, Source::Rows, true, positions.len());
    let from = [Parameter::integer("batch", -1), Parameter::integer("seq", -1)];
    let page = statement("outcomes", "the outcomes", page, [rows].into_iter().chain(from).collect());
    let mut counts = Counts::default();
    for row in client.run(&page).await? {
        let [_, Some(seq), _, Some(outcome), ..] = row.as_slice() else {
            return Err(Error::later(format!("the outcomes of batch {} came damaged", batch.id)));
        };
        let outcome = outcome_of(outcome)?;
        let at = seq.parse().ok().and_then(|seq: i64| positions.get(&seq));
        if let Some(entry) = at.and_then(|at| written.get_mut(*at)) {
            entry.outcome = outcome;
            counts.add(outcome);
        }
    }
    if written.iter().any(|row| row.outcome == Outcome::Landed) {
        return Err(Error::later(format!("the outcomes of batch {} are not complete", batch.id)));
    }
    let entry =
        ledger_entry(&hex(&batch.id.as_bytes()), batch.id.seq, batch.version.0, batch.at.timestamp_micros(), &counts);
    let ledger = Ledger { client, place, run: batch.id.run.as_str(), sync: &batch.sync.to_string() };
    client.run(&ledger.statement(vec![entry])).await?;
    Ok(true)
}

/// An outcome by its word.
///
/// # Errors
/// Later when it is none that a statement of ours gives.
pub(super) fn outcome_of(word: &str) -> Result<Outcome> {
    let known = [Outcome::Inserted, Outcome::Updated, Outcome::Deleted, Outcome::Unchanged, Outcome::Superseded];
    known
        .into_iter()
        .find(|outcome| outcome.as_str() == word)
        .ok_or_else(|| Error::later("what became of a row came damaged".to_owned()))
}

/// A batch in the ledger.
pub(super) fn ledger_entry(id: &str, seq: u32, version: i64, at: i64, counts: &Counts) -> Json {
    let Counts { inserted, updated, unchanged, superseded, deleted, .. } = *counts;
    let rows = inserted + updated + unchanged + superseded + deleted;
    serde_json::json!({
        "batch_id": id, "seq": seq.to_string(), "version": version.to_string(), "at": at.to_string(),
        "rows_in": rows.to_string(), "inserted": inserted.to_string(), "updated": updated.to_string(),
        "unchanged": unchanged.to_string(), "superseded": superseded.to_string(), "deleted": deleted.to_string(),
    })
}

/// Whoever writes into the ledger.
pub(super) struct Ledger<'a> {
    pub(super) client: &'a Client,
    pub(super) place: &'a Place,
    pub(super) run: &'a str,
    pub(super) sync: &'a str,
}

impl Ledger<'_> {
    /// The statement that notes these batches.
    pub(super) fn statement(&self, entries: Vec<Json>) -> Statement {
        let now = self.client.clock.now().timestamp_micros();
        Statement {
            what: "the entry in the ledger".to_owned(),
            sql: merge::ledger(self.place),
            parameters: vec![
                Parameter::text("batches", Json::Array(entries).to_string()),
                Parameter::text("entity", self.place.entity.as_str()),
                Parameter::text("sync", self.sync),
                Parameter::text("run", self.run),
                Parameter::text("finished", now.to_string()),
            ],
            origin: Origin { run: self.run.to_owned(), sync: self.sync.to_owned(), step: "ledger".to_owned() },
        }
    }
}
