//! What all calls see: the catalog, the files, and the rows.
//!
//! Invariant: the locks are taken in the order storage, catalog, files, and none is held across a wait.

use std::sync::{Mutex, MutexGuard, PoisonError};

use super::catalog::Catalog;
use super::sql::Storage;
use super::volumes::Files;

/// The catalog, the files and the rows, each behind its own lock.
pub(super) struct World {
    catalog: Mutex<Catalog>,
    files: Mutex<Files>,
    storage: Mutex<Storage>,
}

impl World {
    pub(super) fn new(catalog: Catalog, storage: Storage) -> Self {
        Self { catalog: Mutex::new(catalog), files: Mutex::new(Files::default()), storage: Mutex::new(storage) }
    }

    pub(super) fn catalog(&self) -> MutexGuard<'_, Catalog> {
        self.catalog.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn files(&self) -> MutexGuard<'_, Files> {
        self.files.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn storage(&self) -> MutexGuard<'_, Storage> {
        self.storage.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
