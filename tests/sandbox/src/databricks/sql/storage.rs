//! The embedded database that holds the rows, and how tables of the catalog lie in it.
//!
//! Invariant: the table and column names in it are numbers of the catalog, so that no name of a caller ever reaches it.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI64, Ordering};

use chrono::{DateTime, Utc};
use rusqlite::Connection;
use rusqlite::functions::FunctionFlags;
use rusqlite::types::Value;

use super::error::Result;
use super::{decimal, functions};
use crate::databricks::catalog::types::Type;
use crate::databricks::catalog::{Column, Commit, Table};

/// Rows, in a private database that lies in a temporary file once it is large.
pub(in super::super) struct Storage {
    pub(super) connection: Connection,
    /// The version and the time that changes are recorded under.
    commit: Arc<(AtomicI64, AtomicI64)>,
    temporaries: u64,
}

impl Storage {
    pub(in super::super) fn open() -> rusqlite::Result<Self> {
        let connection = Connection::open("")?;
        connection.execute_batch(
            "PRAGMA journal_mode = MEMORY; PRAGMA synchronous = OFF; PRAGMA cache_size = -262144; PRAGMA locking_mode = EXCLUSIVE",
        )?;
        connection.create_collation("DECIMALS", decimal::compare)?;
        functions::register(&connection)?;
        let commit = Arc::new((AtomicI64::new(0), AtomicI64::new(0)));
        let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_INNOCUOUS;
        let version = Arc::clone(&commit);
        connection
            .create_scalar_function("commit_version", 0, flags, move |_| Ok(version.0.load(Ordering::Relaxed)))?;
        let at = Arc::clone(&commit);
        connection.create_scalar_function("commit_time", 0, flags, move |_| Ok(at.1.load(Ordering::Relaxed)))?;
        Ok(Self { connection, commit, temporaries: 0 })
    }

    /// Looks at a flag from time to time and stops what runs once it is set.
    pub(super) fn stop_when(&mut self, flag: Option<Arc<AtomicBool>>) -> Result<()> {
        let handler = flag.map(|flag| move || flag.load(Ordering::Relaxed));
        Ok(self.connection.progress_handler(10_000, handler)?)
    }

    /// The version and time (microseconds) that recorded changes get from now on.
    pub(super) fn set_commit(&self, version: i64, micros: i64) {
        self.commit.0.store(version, Ordering::Relaxed);
        self.commit.1.store(micros, Ordering::Relaxed);
    }

    pub(super) fn execute(&self, sql: &str) -> Result<usize> {
        Ok(self.connection.execute(sql, [])?)
    }

    /// A name that no other temporary table has.
    pub(super) fn temporary(&mut self) -> String {
        self.temporaries += 1;
        format!("x{}", self.temporaries)
    }

    /// Makes a temporary table with columns `c0`, `c1`, … of these types.
    pub(super) fn make_temporary(&mut self, types: &[Type]) -> Result<String> {
        let name = self.temporary();
        let columns: Vec<String> = types.iter().enumerate().map(|(at, ty)| format!("c{at} {}", affinity(ty))).collect();
        let columns = if columns.is_empty() { "nothing".into() } else { columns.join(", ") };
        self.connection.execute(&format!("CREATE TEMP TABLE {name} ({columns})"), [])?;
        Ok(name)
    }

    /// Removes all temporary tables.
    pub(super) fn clear_temporaries(&self) -> Result<()> {
        let mut statement = self.connection.prepare("SELECT name FROM sqlite_temp_schema WHERE type = 'table'")?;
        let names = statement.query_map([], |row| row.get::<_, String>(0))?.collect::<rusqlite::Result<Vec<_>>>()?;
        drop(statement);
        for name in names {
            self.execute(&format!("DROP TABLE temp.{name}"))?;
        }
        Ok(())
    }

    pub(super) fn create(&self, table: &Table) -> Result<()> {
        let columns: Vec<String> = table.columns.iter().map(declared).collect();
        self.execute(&format!("CREATE TABLE {} ({})", table.storage(), columns.join(", ")))?;
        self.record_changes(table)
    }

    pub(super) fn drop(&self, table: &Table) -> Result<()> {
        self.execute(&format!("DROP TABLE IF EXISTS {}", table.storage()))?;
        self.execute(&format!("DROP TABLE IF EXISTS {}", table.feed()))?;
        Ok(())
    }

    pub(super) fn add_column(&self, table: &Table, column: &Column) -> Result<()> {
        let nullable = Column { nullable: true, ..column.clone() };
        self.execute(&format!("ALTER TABLE {} ADD COLUMN {}", table.storage(), declared(&nullable)))?;
        if self.has(&table.feed())? {
            self.execute(&format!("ALTER TABLE {} ADD COLUMN {}", table.feed(), declared(&nullable)))?;
        }
        self.record_changes(table)
    }

    /// Writes the table anew, each column by an expression over the old one: for another type or another NOT NULL.
    pub(super) fn rebuild(&mut self, table: &Table, of: impl Fn(&Column) -> String) -> Result<()> {
        let (storage, old) = (table.storage(), format!("{}_old", table.storage()));
        self.stop_recording(table)?;
        self.execute(&format!("ALTER TABLE {storage} RENAME TO {old}"))?;
        let columns: Vec<String> = table.columns.iter().map(declared).collect();
        self.execute(&format!("CREATE TABLE {storage} ({})", columns.join(", ")))?;
        let values: Vec<String> = table.columns.iter().map(of).collect();
        self.execute(&format!("INSERT INTO {storage} SELECT {} FROM {old}", values.join(", ")))?;
        self.execute(&format!("DROP TABLE {old}"))?;
        self.record_changes(table)
    }

    fn has(&self, name: &str) -> Result<bool> {
        let mut statement = self.connection.prepare("SELECT 1 FROM sqlite_schema WHERE name = ?1")?;
        Ok(statement.exists([name])?)
    }

    fn stop_recording(&self, table: &Table) -> Result<()> {
        for event in ["insert", "update", "delete"] {
            self.execute(&format!("DROP TRIGGER IF EXISTS {}_{event}", table.feed()))?;
        }
        Ok(())
    }

    /// Begins or ends to record changes, as the table's properties say.
    pub(super) fn record_changes(&self, table: &Table) -> Result<()> {
        self.stop_recording(table)?;
        if !table.records_changes() {
            return Ok(());
        }
        let (storage, feed) = (table.storage(), table.feed());
        if !self.has(&feed)? {
            let columns = table.columns.iter().map(|column| format!(", c{} {}", column.id, affinity(&column.ty)));
            let columns: String = columns.collect();
            self.execute(&format!("CREATE TABLE {feed} (kind TEXT, version INTEGER, at INTEGER{columns})"))?;
            self.execute(&format!("CREATE INDEX {feed}_version ON {feed} (version)"))?;
        }
        let row =
            |side: &str| -> String { table.columns.iter().map(|column| format!(", {side}.c{}", column.id)).collect() };
        let names: String = table.columns.iter().map(|column| format!(", c{}", column.id)).collect();
        let record = |kind: &str, side: &str| {
            let values = row(side);
            format!(
                "INSERT INTO {feed} (kind, version, at{names}) VALUES ('{kind}', commit_version(), commit_time(){values});"
            )
        };
        let triggers = [
            ("insert", record("insert", "new")),
            ("update", record("update_preimage", "old") + &record("update_postimage", "new")),
            ("delete", record("delete", "old")),
        ];
        for (event, body) in triggers {
            self.execute(&format!("CREATE TRIGGER {feed}_{event} AFTER {event} ON {storage} BEGIN {body} END"))?;
        }
        Ok(())
    }
}

fn declared(column: &Column) -> String {
    let null = if column.nullable { "" } else { " NOT NULL" };
    format!("c{} {}{null}", column.id, affinity(&column.ty))
}

/// How the storage keeps values of a type.
pub(super) fn affinity(ty: &Type) -> &'static str {
    match ty {
        Type::Null => "BLOB",
        Type::Boolean | Type::Byte | Type::Short | Type::Int | Type::Long => "INTEGER",
        Type::Date | Type::Timestamp | Type::TimestampNtz => "INTEGER",
        Type::Float | Type::Double => "REAL",
        Type::Binary => "BLOB",
        Type::Decimal(..) | Type::String | Type::Char(_) | Type::Varchar(_) | Type::Variant => "TEXT",
        Type::Array(_) | Type::Map(..) | Type::Struct(_) => "TEXT",
    }
}

impl Storage {
    /// Forgets what was changed before a version.
    pub(in super::super) fn forget_changes(&self, table: &Table, version: i64) -> Result<()> {
        if self.has(&table.feed())? {
            self.execute(&format!("DELETE FROM {} WHERE version < {version}", table.feed()))?;
        }
        Ok(())
    }

    /// Adds rows to a table as one version of it.
    pub(in super::super) fn insert(&self, table: &mut Table, rows: &[Vec<Value>], now: DateTime<Utc>) -> Result<()> {
        self.set_commit(table.version() + 1, now.timestamp_micros());
        self.execute("BEGIN")?;
        let names: Vec<String> = table.columns.iter().map(|column| format!("c{}", column.id)).collect();
        let marks: Vec<String> = (1..=names.len()).map(|at| format!("?{at}")).collect();
        let (storage, names, marks) = (table.storage(), names.join(", "), marks.join(", "));
        let mut statement = self.connection.prepare(&format!("INSERT INTO {storage} ({names}) VALUES ({marks})"))?;
        for row in rows {
            if let Err(error) = statement.execute(rusqlite::params_from_iter(row)) {
                self.execute("ROLLBACK")?;
                return Err(error.into());
            }
        }
        drop(statement);
        self.execute("COMMIT")?;
        let version = table.version() + 1;
        let recorded = table.records_changes();
        table.history.push(Commit {
            version,
            at: now,
            user: "somebody@example.com".into(),
            operation: "WRITE",
            parameters: vec![("mode".into(), "Append".into())],
            metrics: vec![("numOutputRows".into(), rows.len().to_string())],
            blind_append: true,
            recorded,
        });
        table.updated_at = now;
        Ok(())
    }
}
