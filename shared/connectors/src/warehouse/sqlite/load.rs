//! Writes one batch, row by row: within one process that costs no round trips.

use engine::model::audit::Outcome;
use engine::model::batch::MappedBatch;
use engine::model::table::TableSpec;
use engine::ports::Written;
use engine::{Error, Result};
use rusqlite::{Connection, ErrorCode, Row as Found, Statement, ToSql};

use super::super::incoming::{Incoming, Row};
use super::super::judge::{Standing, Verdict, judge};
use super::super::{ledger, meta, quoted};
use super::values::{Kept, kept, micros, timestamp};
use super::{NOW, failed};

/// Loads a batch within the caller's transaction, or returns what the ledger knows of it.
pub(super) fn load(connection: &Connection, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
    let id = batch.id.as_bytes();
    let added = connection
        .execute(
            "INSERT INTO etl_load_batches (batch_id, part, sync, run_id, seq, entity, version, started_at) VALUES (?1, ?2, \
             ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT (batch_id, part) DO NOTHING",
            (
                &id,
                batch.part,
                batch.sync.to_string(),
                batch.id.run.as_str(),
                batch.id.seq,
                &table.name,
                batch.version.0,
                timestamp(batch.at.timestamp_micros()),
            ),
        )
        .map_err(failed)?;
    if added == 0 {
        return known(connection, &id, batch);
    }
    let mut loader = Loader::new(connection, table, batch)?;
    let mut written = Vec::new();
    let mut incoming = Incoming::new(table, batch)?;
    while let Some(row) = incoming.next()? {
        written.push(match row.misfit(table) {
            Some(reason) => Written { outcome: Outcome::Rejected, reason: Some(reason) },
            None => loader.write(&row)?,
        });
    }
    let entry = ledger::Entry::new(&written)?;
    let counts = [
        entry.counts.polled,
        entry.counts.inserted,
        entry.counts.updated,
        entry.counts.unchanged,
        entry.counts.superseded,
        entry.counts.deleted,
        entry.counts.rejected,
    ]
    .map(|count| i64::try_from(count).unwrap_or(i64::MAX));
    let [polled, inserted, updated, unchanged, superseded, deleted, rejected] = counts;
    connection
        .execute(
            &format!(
                "UPDATE etl_load_batches SET rows_in = ?3, inserted = ?4, updated = ?5, unchanged = ?6, superseded = ?7, \
             deleted = ?8, rejected = ?9, outcomes = ?10, rejects = ?11, finished_at = {NOW} WHERE batch_id = ?1 AND part = ?2"
            ),
            rusqlite::params![
                id,
                batch.part,
                polled,
                inserted,
                updated,
                unchanged,
                superseded,
                deleted,
                rejected,
                entry.outcomes,
                entry.rejects
            ],
        )
        .map_err(failed)?;
    Ok(written)
}

fn known(connection: &Connection, id: &[u8; 16], batch: &MappedBatch) -> Result<Vec<Written>> {
    let (outcomes, rejects) = connection
        .query_row(
            "SELECT outcomes, rejects FROM etl_load_batches WHERE batch_id = ?1 AND part = ?2",
            (id, batch.part),
            |row| Ok((row.get::<_, Vec<u8>>(0)?, row.get::<_, Option<String>>(1)?)),
        )
        .map_err(failed)?;
    ledger::read(&outcomes, rejects.as_deref(), batch.rows.count()?)
}

/// The statements for one batch and what all its rows have in common.
struct Loader<'c> {
    find: Statement<'c>,
    upsert: Statement<'c>,
    touch: Statement<'c>,
    table: &'c TableSpec,
    batch: &'c MappedBatch,
    batch_id: [u8; 16],
    at: String,
}

impl<'c> Loader<'c> {
    fn new(connection: &'c Connection, table: &'c TableSpec, batch: &'c MappedBatch) -> Result<Self> {
        let target = quoted(&table.name);
        let key: Vec<String> = table.key_columns().map(|c| quoted(&c.name)).collect();
        let same_key: Vec<String> = key.iter().enumerate().map(|(i, k)| format!("{k} = ?{}", i + 1)).collect();
        let same_key = same_key.join(" AND ");
        let names: Vec<String> =
            table.columns.iter().map(|c| quoted(&c.name)).chain(meta::COLUMNS.map(str::to_owned)).collect();
        let places: Vec<String> = (1..=names.len()).map(|i| format!("?{i}")).collect();
        let assignments: Vec<String> = names
            .iter()
            .filter(|name| !key.contains(name) && *name != meta::FIRST_LOADED_AT)
            .map(|name| format!("{name} = excluded.{name}"))
            .collect();
        let prepare = |sql: String| connection.prepare(&sql).map_err(failed);
        let touched = key.len() + 1;
        Ok(Self {
            find: prepare(format!(
                "SELECT _version, _source_updated_at, _mapping, _row_hash, _is_deleted FROM {target} WHERE {same_key}"
            ))?,
            upsert: prepare(format!(
                "INSERT INTO {target} ({}) VALUES ({}) ON CONFLICT ({}) DO UPDATE SET {}",
                names.join(", "),
                places.join(", "),
                key.join(", "),
                assignments.join(", ")
            ))?,
            touch: prepare(format!(
                "UPDATE {target} SET _version = ?{touched}, _mapping = ?{}, _source_updated_at = ?{} WHERE {same_key}",
                touched + 1,
                touched + 2
            ))?,
            table,
            batch,
            batch_id: batch.id.as_bytes(),
            at: timestamp(batch.at.timestamp_micros()),
        })
    }

    fn write(&mut self, row: &Row<'_, '_>) -> Result<Written> {
        let came = Standing {
            version: self.batch.version.0,
            stamp: row.stamp,
            mapping: i64::from(self.batch.mapping),
            hash: Some(row.hash),
            deleted: row.deleted,
        };
        let there = self.find(row)?;
        let written = match judge(there.as_ref(), &came, self.batch.touch) {
            Verdict::Leave(outcome) => return Ok(outcome.into()),
            Verdict::Touch => self.touch(row).map(|()| Outcome::Unchanged),
            Verdict::Write(outcome) => self.upsert(row).map(|()| outcome),
        };
        match written {
            Ok(outcome) => Ok(outcome.into()),
            // SQLite takes back the statement alone; the transaction goes on.
            Err(error) => match error.sqlite_error_code() {
                Some(ErrorCode::ConstraintViolation | ErrorCode::TypeMismatch | ErrorCode::TooBig) => {
                    Ok(Written { outcome: Outcome::Rejected, reason: Some(error.to_string()) })
                }
                _ => Err(failed(error)),
            },
        }
    }

    fn find(&mut self, row: &Row<'_, '_>) -> Result<Option<Standing>> {
        bind_key(&mut self.find, self.table, row).map_err(failed)?;
        let mut rows = self.find.raw_query();
        rows.next().map_err(failed)?.map(standing).transpose()
    }

    fn touch(&mut self, row: &Row<'_, '_>) -> rusqlite::Result<()> {
        bind_key(&mut self.touch, self.table, row)?;
        let next = self.table.key.len() + 1;
        self.touch.raw_bind_parameter(next, self.batch.version.0)?;
        self.touch.raw_bind_parameter(next + 1, self.batch.mapping)?;
        self.touch.raw_bind_parameter(next + 2, row.stamp.map(timestamp))?;
        self.touch.raw_execute().map(|_| ())
    }

    fn upsert(&mut self, row: &Row<'_, '_>) -> rusqlite::Result<()> {
        let company = self.table.company.and_then(|i| row.cells.get(i)).filter(|value| !value.is_null());
        let company = company.map(|value| value.to_text());
        let stamp = row.stamp.map(timestamp);
        let hash = row.hash.to_be_bytes();
        let meta: [&dyn ToSql; 13] = [
            &self.table.source_system,
            &company.as_deref(),
            &row.key,
            &stamp,
            &hash,
            if row.deleted { &"D" } else { &"U" },
            &row.deleted,
            &self.batch_id,
            &row.seq,
            &self.batch.version.0,
            &self.batch.mapping,
            &self.at,
            &self.at,
        ];
        for (i, (column, value)) in self.table.columns.iter().zip(row.cells).enumerate() {
            self.upsert.raw_bind_parameter(i + 1, Kept(kept(column.kind, value)))?;
        }
        for (i, value) in meta.into_iter().enumerate() {
            self.upsert.raw_bind_parameter(self.table.columns.len() + i + 1, value)?;
        }
        self.upsert.raw_execute().map(|_| ())
    }
}

fn bind_key(statement: &mut Statement<'_>, table: &TableSpec, row: &Row<'_, '_>) -> rusqlite::Result<()> {
    for (i, column) in table.key.iter().enumerate() {
        if let (Some(spec), Some(value)) = (table.columns.get(*column), row.cells.get(*column)) {
            statement.raw_bind_parameter(i + 1, Kept(kept(spec.kind, value)))?;
        }
    }
    Ok(())
}

/// What a found row stands for. A row that something else put there is older than any of ours.
fn standing(row: &Found<'_>) -> Result<Standing> {
    let stamp: Option<String> = row.get(1).map_err(failed)?;
    let hash: Option<Vec<u8>> = row.get(3).map_err(failed)?;
    let damaged = || Error::stop("a row of the table has metadata that was not written here");
    Ok(Standing {
        version: row.get::<_, Option<i64>>(0).map_err(failed)?.unwrap_or(-1),
        stamp: stamp.map(|text| micros(&text).ok_or_else(damaged)).transpose()?,
        mapping: row.get::<_, Option<i64>>(2).map_err(failed)?.unwrap_or(-1),
        hash: hash.and_then(|bytes| bytes.try_into().ok()).map(u128::from_be_bytes),
        deleted: row.get::<_, Option<bool>>(4).map_err(failed)?.unwrap_or(false),
    })
}
