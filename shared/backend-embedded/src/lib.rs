//! The engine's ports on one machine: queue, store and vault in one directory, without a server.
//!
//! Start with [`Embedded`], which is queue and store at once. Everything lies in `state.db`, a SQLite file: when a call
//! returns, its effect has reached the disk. One process at a time works on a directory ([`WorkLock`]); any number may
//! look at it meanwhile.
//!
//! The files carry the names of their counterparts in a cloud backend. Nothing in here decides anything: rules are the
//! engine's, this crate remembers.

mod database;
mod lock;
mod queue;
mod store;
#[cfg(test)]
mod tests;
mod vault;

use std::path::{Path, PathBuf};
use std::sync::Arc;

use engine::Result;
use engine::ports::{Clock, SystemClock};

pub use lock::WorkLock;
pub use queue::DeadLetter;
pub use vault::{ChainVault, EnvVault, FileVault, PASSPHRASE_VARIABLE, environment};

use database::Database;
use queue::Wakes;

/// Queue and store of one machine. Clones share the same state.
#[derive(Clone)]
pub struct Embedded {
    inner: Arc<Inner>,
}

struct Inner {
    database: Database,
    clock: Arc<dyn Clock>,
    wakes: Wakes,
    dir: Option<PathBuf>,
}

impl Embedded {
    /// Opens the state in `dir`, which is created where it is missing, on the system's clock.
    ///
    /// # Errors
    /// Stops when the directory cannot be used, or when a newer version wrote its state.
    pub fn open(dir: &Path) -> Result<Self> {
        Self::open_with(dir, Arc::new(SystemClock::new()))
    }

    /// Opens the state in `dir` on a clock of the caller's.
    ///
    /// # Errors
    /// As [`Embedded::open`].
    pub fn open_with(dir: &Path, clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self::new(Database::open(dir)?, clock, Some(dir.to_owned())))
    }

    /// State that is gone when the last clone is dropped, on the system's clock.
    ///
    /// # Errors
    /// Stops when memory for it cannot be had.
    pub fn in_memory() -> Result<Self> {
        Self::in_memory_with(Arc::new(SystemClock::new()))
    }

    /// State that is gone when the last clone is dropped, on a clock of the caller's.
    ///
    /// # Errors
    /// As [`Embedded::in_memory`].
    pub fn in_memory_with(clock: Arc<dyn Clock>) -> Result<Self> {
        Ok(Self::new(Database::in_memory()?, clock, None))
    }

    fn new(database: Database, clock: Arc<dyn Clock>, dir: Option<PathBuf>) -> Self {
        Self { inner: Arc::new(Inner { database, clock, wakes: Wakes::default(), dir }) }
    }

    /// Takes the right to work on this state until the lock is dropped. Reading needs no lock.
    ///
    /// # Errors
    /// Stops when another process works on it, and names that process.
    pub fn lock(&self) -> Result<WorkLock> {
        match &self.inner.dir {
            Some(dir) => WorkLock::take(dir),
            None => Ok(WorkLock::of_memory()),
        }
    }

    fn database(&self) -> &Database {
        &self.inner.database
    }
}
