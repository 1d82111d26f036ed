//! One worker per directory: a lock file that the system releases when its process ends, however it ends.

use std::fs::{File, OpenOptions, TryLockError};
use std::io::{Read, Seek, Write};
use std::path::Path;

use engine::{Error, Result};

const FILE: &str = "work.lock";

/// The right to work on a directory, until it is dropped.
#[derive(Debug)]
#[must_use = "the lock is released when it is dropped"]
pub struct WorkLock {
    // Closing the file releases the lock.
    _file: Option<File>,
}

impl WorkLock {
    pub(crate) fn of_memory() -> Self {
        Self { _file: None }
    }

    pub(crate) fn take(dir: &Path) -> Result<Self> {
        let cannot = |e: std::io::Error| Error::stop(format!("{} cannot be locked: {e}", dir.join(FILE).display()));
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false);
        let mut file = options.open(dir.join(FILE)).map_err(cannot)?;
        match file.try_lock() {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(in_use(dir, &mut file)),
            Err(TryLockError::Error(e)) => return Err(cannot(e)),
        }
        file.set_len(0).map_err(cannot)?;
        file.rewind().map_err(cannot)?;
        writeln!(file, "{}", std::process::id()).map_err(cannot)?;
        Ok(Self { _file: Some(file) })
    }
}

fn in_use(dir: &Path, file: &mut File) -> Error {
    let mut holder = String::new();
    let process = match file.read_to_string(&mut holder) {
        Ok(_) if !holder.trim().is_empty() => format!(" (process {})", holder.trim()),
        _ => String::new(),
    };
    Error::stop(format!(
        "another ml-connector{process} is working in {}; wait for it or use another --state",
        dir.display()
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_worker_is_told_who_works() {
        let dir = tempfile::tempdir().unwrap();
        let lock = WorkLock::take(dir.path()).unwrap();
        let error = WorkLock::take(dir.path()).unwrap_err().to_string();
        assert!(error.contains(&format!("(process {})", std::process::id())), "{error}");
        drop(lock);
        drop(WorkLock::take(dir.path()).unwrap());
    }
}
