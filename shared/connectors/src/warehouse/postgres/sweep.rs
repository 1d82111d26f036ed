//! Marks deleted what is gone at the source.

use engine::model::batch::Version;
use engine::model::id::{RecordKey, SyncId};
use engine::model::table::TableSpec;
use tokio_postgres::types::{ToSql, Type};

use super::super::{SWEEP, sweep_id};
use super::Postgres;
use super::errors::Failure;
use super::read::Keys;
use super::types::Uuid;

/// The records a full read did not find: those of this source only, so that two systems can share a table.
const STALE: &str = "NOT _is_deleted AND _version < $1 AND _source_system = $2 AND _source_id <> ALL ($3)";

/// Marks a row deleted with the version `$1` by the sweep `$4`.
const MARKED: &str = "_is_deleted = true, _op = 'D', _version = $1, _batch_id = $4, _seq = NULL, _loaded_at = \
                      clock_timestamp()";

pub(super) async fn count(
    postgres: &Postgres,
    table: &TableSpec,
    before: Version,
    except: &[String],
) -> Result<u64, Failure> {
    let sql = postgres.ready(table).await?;
    let parameters: [(&(dyn ToSql + Sync), Type); 3] =
        [(&before.0, Type::INT8), (&table.source_system, Type::TEXT), (&except, Type::TEXT_ARRAY)];
    let rows = postgres.query(&format!("SELECT count(*) FROM {} WHERE {STALE}", sql.table), &parameters).await?;
    let count: i64 = rows.first().map_or(Ok(0), |row| row.try_get(0))?;
    Ok(u64::try_from(count).unwrap_or(0))
}

/// Marks the stale records deleted and returns all keys that this sweep has marked, by this call or an earlier one.
pub(super) async fn sweep(
    postgres: &Postgres,
    table: &TableSpec,
    sync: &SyncId,
    before: Version,
    except: &[String],
) -> Result<Vec<String>, Failure> {
    let sql = postgres.ready(table).await?;
    // What an earlier call marked comes from the table as it was before this statement.
    let statement = format!(
        "WITH swept AS (UPDATE {table} SET {MARKED} WHERE {STALE} RETURNING _source_id), noted AS ({noted}) SELECT \
         _source_id FROM swept UNION ALL SELECT _source_id FROM {table} WHERE _batch_id = $4 AND _is_deleted",
        table = sql.table,
        noted = noted(postgres)
    );
    let (id, sync) = (Uuid(sweep_id(sync, before)), sync.to_string());
    let parameters: [(&(dyn ToSql + Sync), Type); 6] = [
        (&before.0, Type::INT8),
        (&table.source_system, Type::TEXT),
        (&except, Type::TEXT_ARRAY),
        (&id, Type::UUID),
        (&sync, Type::TEXT),
        (&sql.entity, Type::TEXT),
    ];
    let rows = postgres.query(&statement, &parameters).await?;
    rows.iter().map(|row| Ok(row.try_get(0)?)).collect()
}

/// As [`sweep`], for just these records.
pub(super) async fn mark(
    postgres: &Postgres,
    table: &TableSpec,
    sync: &SyncId,
    before: Version,
    keys: &[RecordKey],
) -> Result<Vec<RecordKey>, Failure> {
    let sql = postgres.ready(table).await?;
    let given = Keys::new(table, keys)?;
    let statement = format!(
        "WITH swept AS (UPDATE {table} AS t SET {MARKED} FROM {given} WHERE {same_key} AND NOT t._is_deleted AND \
         t._version < $1 AND t._source_system = $2 RETURNING given.given_at), noted AS ({noted}) SELECT given_at FROM \
         swept UNION ALL SELECT given.given_at FROM {given} JOIN {table} AS t ON {same_key} WHERE t._batch_id = $4 AND \
         t._is_deleted",
        table = sql.table,
        given = given.given(7),
        same_key = given.same_key(),
        noted = noted(postgres)
    );
    let (id, sync) = (Uuid(sweep_id(sync, before)), sync.to_string());
    // Nobody is excepted; the statements share their numbering.
    let none: Option<Vec<String>> = None;
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![
        (&before.0, Type::INT8),
        (&table.source_system, Type::TEXT),
        (&none, Type::TEXT_ARRAY),
        (&id, Type::UUID),
        (&sync, Type::TEXT),
        (&sql.entity, Type::TEXT),
    ];
    parameters.extend(given.parameters());
    let rows = postgres.query(&statement, &parameters).await?;
    let mut marked = Vec::with_capacity(rows.len());
    for row in &rows {
        let at = usize::try_from(row.try_get::<_, i64>(0)?).unwrap_or(0);
        marked.extend(at.checked_sub(1).and_then(|at| keys.get(at)).cloned());
    }
    Ok(marked)
}

/// Notes in the ledger how many were marked.
fn noted(postgres: &Postgres) -> String {
    format!(
        "INSERT INTO {} AS b (batch_id, part, sync, run_id, seq, entity, version, rows_in, deleted, started_at, \
         finished_at) SELECT $4, 0, $5, '{SWEEP}', 0, $6, $1, count(*), count(*), now(), clock_timestamp() FROM swept \
         HAVING count(*) > 0 ON CONFLICT (batch_id, part) DO UPDATE SET rows_in = b.rows_in + excluded.rows_in, deleted \
         = b.deleted + excluded.deleted, finished_at = excluded.finished_at",
        postgres.schemas.batches()
    )
}

/// Forgets the hashes of these records.
pub(super) async fn forget(postgres: &Postgres, table: &TableSpec, keys: &[RecordKey]) -> Result<(), Failure> {
    let sql = postgres.ready(table).await?;
    let given = Keys::new(table, keys)?;
    let statement = format!(
        "UPDATE {} AS t SET _row_hash = NULL FROM {} WHERE {} AND t._source_system = $1",
        sql.table,
        given.given(2),
        given.same_key()
    );
    let mut parameters: Vec<(&(dyn ToSql + Sync), Type)> = vec![(&table.source_system, Type::TEXT)];
    parameters.extend(given.parameters());
    postgres.query(&statement, &parameters).await?;
    Ok(())
}
