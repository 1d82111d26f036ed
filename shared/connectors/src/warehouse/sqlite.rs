//! SQLite as a destination: the embedded default, for trying things out and for small installations.
//!
//! The same tables as in the large warehouses, in one file. SQLite has no schemas, so the ledger's tables begin with
//! `etl_`; it has few types, so decimals, dates and timestamps are text in one canonical form each, which sorts as the
//! values do (decimals aside) and loses nothing. Their declared types are kept in `etl_columns`.

mod load;
mod migrate;
mod read;
mod sweep;
mod values;

use std::collections::HashSet;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use engine::model::batch::{MappedBatch, Version};
use engine::model::id::{RecordKey, SyncId};
use engine::model::rows::Rows;
use engine::model::table::TableSpec;
use engine::model::totals::{GroupBy, GroupTotal};
use engine::ports::{AfterRun, Destination, DestinationCapabilities, Finding, Landed, Totals, Which, Written};
use engine::{Error, Result};
use rusqlite::{Connection, ErrorCode, TransactionBehavior};

use super::{SqliteSettings, check_table, fingerprint, quoted, schema, summable};

/// How long to wait for another process that writes to the file.
const BUSY_TIMEOUT: Duration = Duration::from_secs(10);
/// How long until it is worth looking whether a full disk has room again.
const DISK_FULL_WAIT: Duration = Duration::from_secs(60);

/// A SQLite file as a destination.
pub struct Sqlite {
    path: PathBuf,
    file: Arc<Mutex<File>>,
}

/// The opened file.
#[derive(Default)]
struct File {
    connection: Option<Connection>,
    /// The tables that were found to be as declared, by their fingerprints.
    prepared: HashSet<u128>,
}

impl File {
    fn open(&mut self, path: &Path) -> Result<&mut Connection> {
        let connection = match self.connection.take() {
            Some(connection) => connection,
            None => connect(path)?,
        };
        Ok(self.connection.insert(connection))
    }

    fn ready(&mut self, path: &Path, table: &TableSpec) -> Result<&mut Connection> {
        let key = fingerprint(table);
        if !self.prepared.contains(&key) {
            check_table(table)?;
            let connection = self.open(path)?;
            let transaction = begin(connection)?;
            migrate::apply(&transaction, table, &format!("{key:032x}"))?;
            transaction.commit().map_err(failed)?;
            self.prepared.insert(key);
        }
        self.open(path)
    }
}

fn connect(path: &Path) -> Result<Connection> {
    if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
        std::fs::create_dir_all(folder)
            .map_err(|e| Error::stop(format!("the folder of `path` cannot be created: {e}")))?;
    }
    let connection = Connection::open(path).map_err(failed)?;
    connection.busy_timeout(BUSY_TIMEOUT).map_err(failed)?;
    // Readers go on while a batch is written, and a batch that was reported as written survives a power cut.
    connection.execute_batch("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL").map_err(failed)?;
    Ok(connection)
}

/// Begins a transaction that may write: one that began by reading could not wait for its turn later.
fn begin(connection: &mut Connection) -> Result<rusqlite::Transaction<'_>> {
    connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(failed)
}

/// SQLite's errors, by what must be done about them.
fn failed(error: rusqlite::Error) -> Error {
    match error.sqlite_error_code() {
        Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
            Error::later("another process writes to the file: it is tried again")
        }
        Some(ErrorCode::DiskFull) => Error::later_after(DISK_FULL_WAIT, "the disk is full: give it room"),
        Some(ErrorCode::SystemIoFailure | ErrorCode::OutOfMemory | ErrorCode::OperationInterrupted) => {
            Error::later(format!("the file cannot be used just now: {error}"))
        }
        Some(ErrorCode::CannotOpen | ErrorCode::PermissionDenied | ErrorCode::ReadOnly) => {
            Error::stop(format!("{error}: give the user of this process the right to write to the file and its folder"))
        }
        Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => {
            Error::stop(format!("{error}: name another file, or restore this one from a copy"))
        }
        _ => Error::stop(error.to_string()),
    }
}

impl Sqlite {
    /// Takes the settings; opens nothing yet.
    pub fn open(settings: &SqliteSettings) -> Self {
        Self { path: settings.path.clone(), file: Arc::default() }
    }

    /// Runs `work` on the file, off the threads that serve everything else.
    async fn on_file<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut File, &Path) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (file, path) = (Arc::clone(&self.file), self.path.clone());
        let done = tokio::task::spawn_blocking(move || {
            let mut file = file.lock().unwrap_or_else(PoisonError::into_inner);
            work(&mut file, &path).map_err(|e| e.at(format!("SQLite file `{}`", path.display())))
        });
        done.await.map_err(|e| Error::later(format!("writing to SQLite was broken off: {e}")))?
    }
}

/// The time in the form of all timestamps. SQLite tells milliseconds.
const NOW: &str = "strftime('%Y-%m-%dT%H:%M:%f000Z', 'now')";

#[async_trait]
impl Destination for Sqlite {
    fn capabilities(&self) -> DestinationCapabilities {
        // SQLite has one writer at a time.
        DestinationCapabilities { totals: true, parallel_batches: 1, applies_at_once: None, one_by_one: None }
    }

    async fn check(&self, tables: &[&TableSpec]) -> Vec<Finding> {
        let what = format!("open SQLite file `{}`", self.path.display());
        let tables: Vec<TableSpec> = tables.iter().map(|table| (*table).clone()).collect();
        let findings = self.on_file(move |file, path| {
            let connection = file.open(path)?;
            let mut findings = vec![Finding::good(
                format!("open SQLite file `{}`", path.display()),
                format!("SQLite {}", rusqlite::version()),
            )];
            for table in &tables {
                let what = format!("load table `{}`", table.name);
                let tried = check_table(table).and_then(|()| {
                    let transaction = begin(connection)?;
                    let steps = migrate::apply(&transaction, table, "check")?;
                    transaction.rollback().map_err(failed)?;
                    Ok(schema::describe(&steps))
                });
                findings.push(match tried {
                    Ok(words) => Finding::good(what, words),
                    Err(error) => Finding::bad(what, error.to_string()),
                });
            }
            Ok(findings)
        });
        findings.await.unwrap_or_else(|error| vec![Finding::bad(what, error.to_string())])
    }

    async fn prepare(&self, table: &TableSpec) -> Result<()> {
        let table = table.clone();
        self.on_file(move |file, path| file.ready(path, &table).map(|_| ())).await
    }

    async fn write(&self, table: &TableSpec, batch: &MappedBatch) -> Result<Vec<Written>> {
        let (table, batch) = (table.clone(), batch.clone());
        let id = batch.id.clone();
        let written = self.on_file(move |file, path| {
            let transaction = begin(file.ready(path, &table)?)?;
            let written = load::load(&transaction, &table, &batch)?;
            transaction.commit().map_err(failed)?;
            Ok(written)
        });
        written.await.map_err(|e| e.at(format!("batch {id}")))
    }

    async fn count_stale(&self, table: &TableSpec, _: &SyncId, before: Version, except: &[String]) -> Result<u64> {
        let (table, except) = (table.clone(), except.to_vec());
        self.on_file(move |file, path| {
            Ok(sweep::stale(file.ready(path, &table)?, &table, before, &except)?.len() as u64)
        })
        .await
    }

    async fn delete_stale(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        except: &[String],
    ) -> Result<Vec<String>> {
        let (table, sync, except) = (table.clone(), sync.clone(), except.to_vec());
        self.on_file(move |file, path| {
            let transaction = begin(file.ready(path, &table)?)?;
            let keys = sweep::sweep(&transaction, &table, &sync, before, &except)?;
            transaction.commit().map_err(failed)?;
            Ok(keys)
        })
        .await
    }

    async fn newer_among(&self, table: &TableSpec, _: &SyncId, keys: &[String], than: Version) -> Result<Vec<String>> {
        let (table, keys) = (table.clone(), keys.iter().cloned().collect::<HashSet<_>>());
        self.on_file(move |file, path| {
            let connection = file.ready(path, &table)?;
            let target = quoted(&table.name);
            let sql = format!("SELECT _source_id FROM {target} WHERE _version > ?1 AND _source_system = ?2");
            let mut statement = connection.prepare(&sql).map_err(failed)?;
            let mut rows = statement.query((than.0, &table.source_system)).map_err(failed)?;
            let mut newer = Vec::new();
            while let Some(row) = rows.next().map_err(failed)? {
                let key = row.get_ref(0).map_err(failed)?.as_str().unwrap_or_default();
                if keys.contains(key) {
                    newer.push(key.to_owned());
                }
            }
            Ok(newer)
        })
        .await
    }

    async fn totals(&self, table: &TableSpec, _: &SyncId, columns: &[&str], except: &[String]) -> Result<Totals> {
        for column in columns {
            summable(table, column)?;
        }
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        let (table, except) = (table.clone(), except.to_vec());
        self.on_file(move |file, path| read::totals(file.ready(path, &table)?, &table, &columns, &except)).await
    }

    async fn control_totals(
        &self,
        table: &TableSpec,
        _: &SyncId,
        by: &GroupBy,
        columns: &[&str],
    ) -> Result<Vec<GroupTotal>> {
        let (table, by) = (table.clone(), by.clone());
        let columns: Vec<String> = columns.iter().map(|c| (*c).to_owned()).collect();
        self.on_file(move |file, path| read::control_totals(file.ready(path, &table)?, &table, &by, &columns)).await
    }

    async fn standing(&self, table: &TableSpec, _: &SyncId, which: Which<'_>) -> Result<Rows> {
        let (table, asked) = (table.clone(), read::Asked::from(which));
        self.on_file(move |file, path| read::standing(file.ready(path, &table)?, &table, &asked)).await
    }

    async fn count_standing(&self, table: &TableSpec, _: &SyncId) -> Result<u64> {
        let table = table.clone();
        self.on_file(move |file, path| read::count_standing(file.ready(path, &table)?, &table)).await
    }

    async fn forget(&self, table: &TableSpec, _: &SyncId, keys: &[RecordKey]) -> Result<()> {
        let (table, keys) = (table.clone(), keys.to_vec());
        self.on_file(move |file, path| {
            let transaction = begin(file.ready(path, &table)?)?;
            sweep::forget(&transaction, &table, &keys)?;
            transaction.commit().map_err(failed)
        })
        .await
    }

    async fn mark_deleted(
        &self,
        table: &TableSpec,
        sync: &SyncId,
        before: Version,
        keys: &[RecordKey],
    ) -> Result<Vec<RecordKey>> {
        let (table, sync, keys) = (table.clone(), sync.clone(), keys.to_vec());
        self.on_file(move |file, path| {
            let transaction = begin(file.ready(path, &table)?)?;
            let marked = sweep::mark(&transaction, &table, &sync, before, &keys)?;
            transaction.commit().map_err(failed)?;
            Ok(marked)
        })
        .await
    }

    async fn after_run(&self, table: &TableSpec, _: &Landed<'_>, _: Option<&str>) -> Result<AfterRun> {
        let table = table.clone();
        // Analyses what has grown a lot since the last time, and nothing else.
        self.on_file(move |file, path| file.ready(path, &table)?.execute_batch("PRAGMA optimize").map_err(failed))
            .await?;
        Ok(AfterRun::Done { note: None })
    }
}
