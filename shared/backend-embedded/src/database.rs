//! The SQLite file: opening it, and the two threads that talk to it.
//!
//! One thread writes and one reads, because SQLite blocks and the engine is asynchronous. Requests that wait while the
//! writer is busy share its next transaction, and so one flush to the disk; each runs in a savepoint of its own, and all
//! are answered once the transaction has been flushed.

use std::fmt;
use std::fs::{DirBuilder, File, OpenOptions};
use std::path::Path;
use std::sync::mpsc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use engine::{Error, Result};
use rusqlite::{Connection, ErrorCode, OptionalExtension};
use tokio::sync::oneshot;

pub(crate) const FILE: &str = "state.db";

/// The schemas, each the step from the one before: `user_version` counts those that were applied.
const MIGRATIONS: [&str; 2] = [include_str!("schema.sql"), include_str!("schema_links.sql")];

/// How many requests share one transaction at most: what they carry is held in memory until it ends.
const GROUP: usize = 32;

/// How long a statement waits for another process that writes.
const BUSY: Duration = Duration::from_secs(10);

/// What went wrong inside a request.
#[derive(Debug)]
pub(crate) enum Fault {
    Sqlite(rusqlite::Error),
    Engine(Error),
}

impl From<rusqlite::Error> for Fault {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl From<Error> for Fault {
    fn from(error: Error) -> Self {
        Self::Engine(error)
    }
}

/// The database, asked through threads of its own.
pub(crate) struct Database {
    writer: Thread,
    // A database in memory has one connection, which does both.
    reader: Option<Thread>,
}

impl Database {
    pub(crate) fn open(dir: &Path) -> Result<Self> {
        create(dir).map_err(|e| Error::stop(format!("{} cannot be used for state: {e}", dir.display())))?;
        let path = dir.join(FILE);
        let place = Place(dir.display().to_string());
        let writer = prepared(&place, || Connection::open(&path))?;
        let reader = prepared(&place, || Connection::open(&path))?;
        Ok(Self {
            writer: Thread::start("state-writer", writer, place.clone(), write_groups)?,
            reader: Some(Thread::start("state-reader", reader, place, read_all)?),
        })
    }

    pub(crate) fn in_memory() -> Result<Self> {
        let place = Place("memory".to_owned());
        let connection = prepared(&place, Connection::open_in_memory)?;
        Ok(Self { writer: Thread::start("state-writer", connection, place, write_groups)?, reader: None })
    }

    /// Does `work` in a transaction. It is on the disk when this returns.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.writer.ask(work).await
    }

    /// Reads what has been written when it is called, or later.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        self.reader.as_ref().unwrap_or(&self.writer).ask(work).await
    }
}

fn create(dir: &Path) -> std::io::Result<()> {
    let mut builder = DirBuilder::new();
    builder.recursive(true);
    let mut options = OpenOptions::new();
    options.write(true).create(true).truncate(false);
    // Records are the customer's: nobody else on the machine reads them.
    #[cfg(unix)]
    {
        use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
        builder.mode(0o700);
        options.mode(0o600);
    }
    builder.create(dir)?;
    drop(options.open(dir.join(FILE))?);
    #[cfg(unix)]
    File::open(dir)?.sync_all()?;
    Ok(())
}

fn prepared(place: &Place, open: impl FnOnce() -> rusqlite::Result<Connection>) -> Result<Connection> {
    let attempt = || -> Result<Connection, Fault> {
        let mut connection = open()?;
        connection.busy_timeout(BUSY)?;
        connection.set_prepared_statement_cache_capacity(64);
        for (name, value) in [
            // Rows travel in blobs of some hundred kilobytes: larger pages are fewer pages. Only matters to a new file.
            ("page_size", 16_384),
            ("journal_size_limit", 64 << 20),
            // In pages: what is copied from the log into the file at once.
            ("wal_autocheckpoint", 1000),
            // In KiB. What is written is rarely read again: a greater cache only holds memory, the more the longer it runs.
            ("cache_size", -512),
        ] {
            connection.pragma_update(None, name, value)?;
        }
        for (name, value) in [("journal_mode", "wal"), ("synchronous", "full"), ("temp_store", "memory")] {
            connection.pragma_update(None, name, value)?;
        }
        // Some systems answer a flush before the disk has done it unless they are told so.
        connection.pragma_update(None, "fullfsync", true)?;
        connection.pragma_update(None, "checkpoint_fullfsync", true)?;
        migrate(&mut connection)?;
        Ok(connection)
    };
    attempt().map_err(|fault| place.explain(fault))
}

fn migrate(connection: &mut Connection) -> Result<(), Fault> {
    let version = |connection: &Connection| connection.pragma_query_value(None, "user_version", |r| r.get(0));
    let known = MIGRATIONS.len();
    if version(connection)? == known {
        return Ok(());
    }
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    // Looked at again under the lock: another process may have been faster.
    let applied: usize = version(&transaction)?;
    if applied > known {
        return Err(Error::stop(format!(
            "a newer ml-connector wrote this state (version {applied}, known is {known}): use that one, or another --state"
        ))
        .into());
    }
    for migration in MIGRATIONS.iter().skip(applied) {
        transaction.execute_batch(migration)?;
    }
    transaction.pragma_update(None, "user_version", known)?;
    Ok(transaction.commit()?)
}

/// Where the state lies, for messages.
#[derive(Clone)]
struct Place(String);

impl Place {
    fn explain(&self, fault: Fault) -> Error {
        let place = self;
        let error = match fault {
            Fault::Engine(error) => return error.at(format_args!("state in {place}")),
            Fault::Sqlite(error) => error,
        };
        match error.sqlite_error_code() {
            Some(ErrorCode::DiskFull) => {
                Error::stop(format!("the disk of {place} is full: nothing is lost; free some space and run again"))
            }
            Some(ErrorCode::SystemIoFailure) => Error::stop(format!(
                "the disk of {place} cannot be read or written ({error}): nothing that was confirmed is lost; look at \
                 the disk and its free space, then run again"
            )),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => {
                Error::later(format!("another process is writing to the state in {place}"))
            }
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Error::stop(format!(
                "{place}/{FILE} is damaged ({error}): put back a copy of it, or move it away and run again, which reads \
                 everything from the source once more; what the destination holds is not touched by this"
            )),
            Some(ErrorCode::CannotOpen | ErrorCode::ReadOnly | ErrorCode::PermissionDenied) => Error::stop(format!(
                "{place}/{FILE} cannot be opened for writing ({error}): give this user the right to, or use another \
                 --state"
            )),
            _ => Error::stop(format!("the state in {place} cannot be read or written: {error}")),
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A request on its way through a thread.
trait Job: Send {
    /// Does the work and says what went wrong.
    fn run(&mut self, connection: &Connection, place: &Place) -> Option<Error>;

    /// Answers whoever asked. `lost` says why nothing of it was kept.
    fn answer(self: Box<Self>, lost: Option<Error>);
}

struct Request<T, F> {
    work: Option<F>,
    outcome: Option<Result<T>>,
    answer: oneshot::Sender<Result<T>>,
}

impl<T: Send, F: FnOnce(&Connection) -> Result<T, Fault> + Send> Job for Request<T, F> {
    fn run(&mut self, connection: &Connection, place: &Place) -> Option<Error> {
        let outcome = self.work.take()?(connection).map_err(|fault| place.explain(fault));
        let error = outcome.as_ref().err().cloned();
        self.outcome = Some(outcome);
        error
    }

    fn answer(self: Box<Self>, lost: Option<Error>) {
        let answer = match (self.outcome, lost) {
            (Some(Err(error)), _) | (_, Some(error)) => Err(error),
            (Some(outcome), None) => outcome,
            (None, None) => return,
        };
        if self.answer.send(answer).is_err() {
            tracing::trace!("nobody waits for this answer any more");
        }
    }
}

/// A thread with a connection. It ends, and closes the connection, when it is dropped.
struct Thread {
    jobs: Option<mpsc::Sender<Box<dyn Job>>>,
    handle: Option<JoinHandle<()>>,
}

impl Thread {
    fn start(
        name: &str,
        connection: Connection,
        place: Place,
        serve: fn(&Connection, &mpsc::Receiver<Box<dyn Job>>, &Place),
    ) -> Result<Self> {
        let (jobs, waiting) = mpsc::channel();
        let handle = thread::Builder::new()
            .name(name.to_owned())
            .spawn(move || serve(&connection, &waiting, &place))
            .map_err(|e| Error::stop(format!("no thread can be started for the state: {e}")))?;
        Ok(Self { jobs: Some(jobs), handle: Some(handle) })
    }

    async fn ask<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Result<T, Fault> + Send + 'static,
    ) -> Result<T> {
        let gone = || Error::stop("the thread that keeps the state has ended: run again");
        let (answer, answered) = oneshot::channel();
        let jobs = self.jobs.as_ref().ok_or_else(gone)?;
        jobs.send(Box::new(Request { work: Some(work), outcome: None, answer })).map_err(|_| gone())?;
        answered.await.map_err(|_| gone())?
    }
}

impl Drop for Thread {
    fn drop(&mut self) {
        drop(self.jobs.take());
        if self.handle.take().is_some_and(|handle| handle.join().is_err()) {
            tracing::error!("the thread that keeps the state has panicked");
        }
    }
}

fn read_all(connection: &Connection, jobs: &mpsc::Receiver<Box<dyn Job>>, place: &Place) {
    for mut job in jobs {
        job.run(connection, place);
        job.answer(None);
    }
}

fn write_groups(connection: &Connection, jobs: &mpsc::Receiver<Box<dyn Job>>, place: &Place) {
    while let Ok(first) = jobs.recv() {
        let mut group: Vec<_> = std::iter::once(first).chain(jobs.try_iter()).take(GROUP).collect();
        let lost = write_group(connection, &mut group, place).err();
        for job in group {
            job.answer(lost.clone());
        }
    }
}

/// Runs the jobs in one transaction. A job that fails takes back what it did and nothing else, unless SQLite has given
/// up the whole transaction, as it does when the disk is full.
fn write_group(connection: &Connection, group: &mut [Box<dyn Job>], place: &Place) -> Result<()> {
    let execute = |sql| execute(connection, sql, ()).map_err(|fault| place.explain(fault));
    execute("BEGIN IMMEDIATE")?;
    let jobs = || {
        for job in group {
            execute("SAVEPOINT job")?;
            if let Some(error) = job.run(connection, place) {
                if connection.is_autocommit() {
                    return Err(error);
                }
                execute("ROLLBACK TO job")?;
            }
            execute("RELEASE job")?;
        }
        execute("COMMIT")
    };
    let outcome = jobs();
    if outcome.is_err() && !connection.is_autocommit() {
        execute("ROLLBACK")?;
    }
    outcome.map(|_| ())
}

/// One row or none, by a statement that is parsed once.
pub(crate) fn one<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    row: impl FnOnce(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Option<T>, Fault> {
    Ok(connection.prepare_cached(sql)?.query_row(parameters, row).optional()?)
}

/// All rows, by a statement that is parsed once.
pub(crate) fn all<T>(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
    row: impl FnMut(&rusqlite::Row<'_>) -> rusqlite::Result<T>,
) -> Result<Vec<T>, Fault> {
    Ok(connection.prepare_cached(sql)?.query_map(parameters, row)?.collect::<rusqlite::Result<_>>()?)
}

/// Changes rows by a statement that is parsed once, and says how many.
pub(crate) fn execute(connection: &Connection, sql: &str, parameters: impl rusqlite::Params) -> Result<usize, Fault> {
    Ok(connection.prepare_cached(sql)?.execute(parameters)?)
}
