//! Creates and extends tables, and nothing else.

use engine::Result;
use engine::model::table::{ColumnType, TableSpec};
use rusqlite::Connection;

use super::super::schema::{self, Dialect, ExistingColumn, ExistingTable, Fit, Step};
use super::super::{meta, quoted, quoted_list};
use super::values::storage;
use super::{NOW, failed};

/// The ledger, the history of the tables' shapes, and what SQLite cannot say of a column itself.
const LEDGER: &str = "
CREATE TABLE IF NOT EXISTS etl_load_batches (
    batch_id BLOB NOT NULL, part INTEGER NOT NULL, sync TEXT NOT NULL, run_id TEXT NOT NULL, seq INTEGER NOT NULL,
    entity TEXT NOT NULL, version INTEGER NOT NULL, rows_in INTEGER, inserted INTEGER, updated INTEGER,
    unchanged INTEGER, superseded INTEGER, deleted INTEGER, rejected INTEGER, outcomes BLOB, rejects TEXT,
    started_at TEXT NOT NULL, finished_at TEXT, PRIMARY KEY (batch_id, part)) STRICT;
CREATE TABLE IF NOT EXISTS etl_schema_versions (
    entity TEXT NOT NULL, version INTEGER NOT NULL, fingerprint TEXT NOT NULL, applied_at TEXT NOT NULL,
    PRIMARY KEY (entity, version)) STRICT;
CREATE TABLE IF NOT EXISTS etl_columns (
    entity TEXT NOT NULL, name TEXT NOT NULL, kind TEXT NOT NULL, description TEXT NOT NULL,
    PRIMARY KEY (entity, name)) STRICT;
";

/// The types as they are declared, because SQLite's own say too little.
struct Declared;

impl Dialect for Declared {
    fn column_type(&self, kind: ColumnType) -> String {
        kind.to_string()
    }

    fn meta_type(&self, column: &str) -> &'static str {
        match column {
            meta::ROW_HASH | meta::BATCH_ID => "BLOB",
            meta::IS_DELETED | meta::SEQ | meta::VERSION | meta::MAPPING => "INTEGER",
            _ => "TEXT",
        }
    }

    fn fit(&self, there: &str, wanted: ColumnType) -> Fit {
        // A column that we did not make is known by its storage class alone.
        if there == "TEXT" && matches!(wanted, ColumnType::Text { .. }) {
            return Fit::Holds;
        }
        match (there.parse::<ColumnType>(), wanted) {
            (Ok(there), wanted) if there == wanted => Fit::Holds,
            (Ok(ColumnType::Text { max: there }), ColumnType::Text { max: wanted }) => match (there, wanted) {
                (None, _) => Fit::Holds,
                (Some(there), Some(wanted)) if wanted <= there => Fit::Holds,
                _ => Fit::Widens,
            },
            (Ok(ColumnType::Decimal { precision: p, scale: s }), ColumnType::Decimal { precision, scale }) => {
                if s != scale {
                    Fit::Rewrites
                } else if p >= precision {
                    Fit::Holds
                } else {
                    Fit::Widens
                }
            }
            _ => Fit::Differs,
        }
    }

    fn change_type(&self, table: &TableSpec, _: &str, _: &str) -> String {
        format!("ALTER TABLE {} RENAME TO {}", quoted(&table.name), quoted(&format!("{}_old", table.name)))
    }
}

/// Makes the table what the blueprint declares, within the caller's transaction, and says what was missing.
pub(super) fn apply(connection: &Connection, table: &TableSpec, fingerprint: &str) -> Result<Vec<Step>> {
    connection.execute_batch(LEDGER).map_err(failed)?;
    let newest = "SELECT fingerprint FROM etl_schema_versions WHERE entity = ?1 ORDER BY version DESC LIMIT 1";
    let newest: Option<String> = match connection.query_row(newest, (&table.name,), |row| row.get(0)) {
        Ok(newest) => Some(newest),
        Err(rusqlite::Error::QueryReturnedNoRows) => None,
        Err(error) => return Err(failed(error)),
    };
    let existing = existing(connection, table)?;
    let steps = schema::diff(table, existing.as_ref(), &Declared)?;
    if steps.is_empty() && newest.as_deref() == Some(fingerprint) {
        return Ok(steps);
    }
    for step in &steps {
        if let Some(sql) = sql(table, step) {
            connection.execute_batch(&sql).map_err(failed)?;
        }
    }
    let declare = "INSERT INTO etl_columns (entity, name, kind, description) VALUES (?1, ?2, ?3, ?4) ON CONFLICT (entity, \
                   name) DO UPDATE SET kind = excluded.kind, description = excluded.description";
    for column in &table.columns {
        // A column that holds more than is wanted stays as it is.
        let kept = existing.as_ref().and_then(|e| e.columns.iter().find(|c| c.name == column.name));
        let is_kept = kept.is_some_and(|kept| Declared.fit(&kept.kind, column.kind) == Fit::Holds);
        let kind = kept.filter(|_| is_kept).map_or_else(|| column.kind.to_string(), |kept| kept.kind.clone());
        connection.execute(declare, (&table.name, &column.name, &kind, &column.description)).map_err(failed)?;
    }
    connection
        .execute(
            &format!(
                "INSERT INTO etl_schema_versions (entity, version, fingerprint, applied_at) SELECT ?1, COALESCE(max(version), \
             0) + 1, ?2, {NOW} FROM etl_schema_versions WHERE entity = ?1"
            ),
            (&table.name, fingerprint),
        )
        .map_err(failed)?;
    Ok(steps)
}

fn sql(table: &TableSpec, step: &Step) -> Option<String> {
    let target = quoted(&table.name);
    let storage_of = |name: &str| match table.column(name).and_then(|i| table.columns.get(i)) {
        Some(column) => storage(column.kind),
        None => Declared.meta_type(name),
    };
    match step {
        // Only the declaration changes; text has no length here.
        Step::Widen { .. } => None,
        Step::Add { column, .. } => {
            Some(format!("ALTER TABLE {target} ADD COLUMN {} {}", quoted(column), storage_of(column)))
        }
        Step::Create => {
            let mut columns = Vec::new();
            for (i, column) in table.columns.iter().enumerate() {
                let required = if table.key.contains(&i) { " NOT NULL" } else { "" };
                columns.push(format!("{} {}{required}", quoted(&column.name), storage(column.kind)));
            }
            columns.extend(meta::COLUMNS.map(|name| format!("{name} {}", Declared.meta_type(name))));
            let key = quoted_list(table.key_columns().map(|c| c.name.as_str()));
            Some(format!("CREATE TABLE {target} ({}, PRIMARY KEY ({key})) STRICT", columns.join(", ")))
        }
    }
}

fn existing(connection: &Connection, table: &TableSpec) -> Result<Option<ExistingTable>> {
    let text = |sql: &str, parameter: &str| -> Result<Vec<String>> {
        let mut statement = connection.prepare(sql).map_err(failed)?;
        let rows = statement.query_map((parameter,), |row| row.get(0)).map_err(failed)?;
        rows.collect::<Result<_, _>>().map_err(failed)
    };
    let mut columns = connection
        .prepare(
            "SELECT i.name, COALESCE(c.kind, i.type), i.\"notnull\" AND i.dflt_value IS NULL FROM pragma_table_info(?1) i \
             LEFT JOIN etl_columns c ON c.entity = ?1 AND c.name = i.name",
        )
        .map_err(failed)?;
    let columns: Vec<ExistingColumn> = columns
        .query_map((&table.name,), |row| {
            Ok(ExistingColumn { name: row.get(0)?, kind: row.get(1)?, required: row.get(2)? })
        })
        .map_err(failed)?
        .collect::<Result<_, _>>()
        .map_err(failed)?;
    if columns.is_empty() {
        // What `etl_columns` says of a table that somebody dropped or renamed is no longer true.
        connection.execute("DELETE FROM etl_columns WHERE entity = ?1", (&table.name,)).map_err(failed)?;
        return Ok(None);
    }
    let mut unique = Vec::new();
    for index in text("SELECT name FROM pragma_index_list(?1) WHERE \"unique\" = 1 AND partial = 0", &table.name)? {
        unique.push(text("SELECT COALESCE(name, '') FROM pragma_index_info(?1)", &index)?);
    }
    // A lone integer key is the row's own number and has no index.
    let key = text("SELECT name FROM pragma_table_info(?1) WHERE pk > 0", &table.name)?;
    unique.push(key);
    Ok(Some(ExistingTable { columns, unique }))
}
