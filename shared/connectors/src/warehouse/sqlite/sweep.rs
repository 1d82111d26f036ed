//! Marks deleted what is gone at the source.

use std::collections::HashSet;

use engine::Result;
use engine::model::batch::Version;
use engine::model::id::{RecordKey, SyncId};
use engine::model::table::TableSpec;
use rusqlite::Connection;

use super::super::{SWEEP, quoted, sweep_id};
use super::read::{bind_key, same_key};
use super::{NOW, failed};

/// The records a full read did not find: those of this source only, so that two systems can share a table.
const STALE: &str = "_is_deleted = 0 AND _version < ?1 AND _source_system = ?2";

/// The rows and keys of the stale records that are not among `except`.
pub(super) fn stale(
    connection: &Connection,
    table: &TableSpec,
    before: Version,
    except: &[String],
) -> Result<Vec<(i64, String)>> {
    let except: HashSet<&str> = except.iter().map(String::as_str).collect();
    let sql = format!("SELECT rowid, _source_id FROM {} WHERE {STALE}", quoted(&table.name));
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    let mut rows = statement.query((before.0, &table.source_system)).map_err(failed)?;
    let mut found = Vec::new();
    while let Some(row) = rows.next().map_err(failed)? {
        let key: String = row.get(1).map_err(failed)?;
        if !except.contains(key.as_str()) {
            found.push((row.get(0).map_err(failed)?, key));
        }
    }
    Ok(found)
}

/// Marks the stale records deleted and returns all keys that this sweep has marked, by this call or an earlier one.
pub(super) fn sweep(
    connection: &Connection,
    table: &TableSpec,
    sync: &SyncId,
    before: Version,
    except: &[String],
) -> Result<Vec<String>> {
    let (id, target) = (sweep_id(sync, before), quoted(&table.name));
    let found = stale(connection, table, before, except)?;
    let mark = format!("{} WHERE rowid = ?3", marked(table));
    let mut mark = connection.prepare(&mark).map_err(failed)?;
    for (row, _) in &found {
        mark.execute((before.0, &id, row)).map_err(failed)?;
    }
    note(connection, table, sync, before, found.len())?;
    let swept = format!("SELECT _source_id FROM {target} WHERE _batch_id = ?1 AND _is_deleted = 1");
    let mut swept = connection.prepare(&swept).map_err(failed)?;
    let keys = swept.query_map((&id,), |row| row.get(0)).map_err(failed)?;
    keys.collect::<Result<_, _>>().map_err(failed)
}

/// Marks these records deleted, if they are older, and returns those that this mark stands on.
pub(super) fn mark(
    connection: &Connection,
    table: &TableSpec,
    sync: &SyncId,
    before: Version,
    keys: &[RecordKey],
) -> Result<Vec<RecordKey>> {
    let id = sweep_id(sync, before);
    let mark = format!(
        "{} WHERE _is_deleted = 0 AND _version < ?1 AND _source_system = ?3 AND {}",
        marked(table),
        same_key(table, 4)
    );
    let mut mark = connection.prepare(&mark).map_err(failed)?;
    let is_marked = format!(
        "SELECT 1 FROM {} WHERE _is_deleted = 1 AND _batch_id = ?1 AND {}",
        quoted(&table.name),
        same_key(table, 2)
    );
    let mut is_marked = connection.prepare(&is_marked).map_err(failed)?;
    let (mut count, mut found) = (0, Vec::new());
    for key in keys {
        bind_key(&mut mark, table, key, 4)?;
        mark.raw_bind_parameter(1, before.0).map_err(failed)?;
        mark.raw_bind_parameter(2, id).map_err(failed)?;
        mark.raw_bind_parameter(3, &table.source_system).map_err(failed)?;
        count += mark.raw_execute().map_err(failed)?;
        bind_key(&mut is_marked, table, key, 2)?;
        is_marked.raw_bind_parameter(1, id).map_err(failed)?;
        if is_marked.raw_query().next().map_err(failed)?.is_some() {
            found.push(key.clone());
        }
    }
    note(connection, table, sync, before, count)?;
    Ok(found)
}

/// Marks rows deleted with the version `?1` by the sweep `?2`.
fn marked(table: &TableSpec) -> String {
    format!(
        "UPDATE {} SET _is_deleted = 1, _op = 'D', _version = ?1, _batch_id = ?2, _seq = NULL, _loaded_at = {NOW}",
        quoted(&table.name)
    )
}

/// Notes in the ledger that so many more were marked.
fn note(connection: &Connection, table: &TableSpec, sync: &SyncId, before: Version, count: usize) -> Result<()> {
    if count == 0 {
        return Ok(());
    }
    let note = format!(
        "INSERT INTO etl_load_batches AS b (batch_id, part, sync, run_id, seq, entity, version, rows_in, deleted, \
         started_at, finished_at) VALUES (?1, 0, ?2, '{SWEEP}', 0, ?3, ?4, ?5, ?5, {NOW}, {NOW}) ON CONFLICT (batch_id, \
         part) DO UPDATE SET rows_in = b.rows_in + excluded.rows_in, deleted = b.deleted + excluded.deleted, \
         finished_at = excluded.finished_at"
    );
    let (id, count) = (sweep_id(sync, before), i64::try_from(count).unwrap_or(i64::MAX));
    connection.execute(&note, (&id, sync.to_string(), &table.name, before.0, count)).map_err(failed)?;
    Ok(())
}

/// Forgets the hashes of these records.
pub(super) fn forget(connection: &Connection, table: &TableSpec, keys: &[RecordKey]) -> Result<()> {
    let sql = format!(
        "UPDATE {} SET _row_hash = NULL WHERE _source_system = ?1 AND {}",
        quoted(&table.name),
        same_key(table, 2)
    );
    let mut statement = connection.prepare(&sql).map_err(failed)?;
    for key in keys {
        bind_key(&mut statement, table, key, 2)?;
        statement.raw_bind_parameter(1, &table.source_system).map_err(failed)?;
        statement.raw_execute().map_err(failed)?;
    }
    Ok(())
}
