//! Who has the database: everybody who opens it shares a lock, and whoever puts another file in its place has it alone.
//! SQLite's own locks are those of one file, and would not notice that its name has become another's.
//!
//! It is the directory that is locked: it stays when the file is replaced, and nothing has to be made for it.

use std::fs::{File, TryLockError};
use std::io;
use std::path::{Path, PathBuf};

/// A lock that is held until it is dropped, or until the process ends in whatever way.
#[derive(Debug)]
pub(super) struct Held {
    _directory: File,
}

/// Takes part in using the database; `None` when somebody is putting another in its place.
pub(super) fn share(database: &Path) -> io::Result<Option<Held>> {
    let directory = File::open(directory_of(database))?;
    held(directory.try_lock_shared(), directory)
}

/// Has the database alone; `None` when somebody else uses it.
pub(super) fn have_alone(database: &Path) -> io::Result<Option<Held>> {
    let directory = File::open(directory_of(database))?;
    held(directory.try_lock(), directory)
}

fn held(outcome: Result<(), TryLockError>, directory: File) -> io::Result<Option<Held>> {
    match outcome {
        Ok(()) => Ok(Some(Held { _directory: directory })),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Where the database is.
pub(super) fn directory_of(database: &Path) -> PathBuf {
    match database.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    }
}
