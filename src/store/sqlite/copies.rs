//! Copies of the database file: one that is made while others write, and one that is put in place of the file. Both are
//! made under another name, proved, written through to the disk and only then given their own name, so that at no moment
//! a half of one is taken for a whole.

use std::ffi::OsString;
use std::fs::{self, File};
use std::io::{self, ErrorKind, Read as _};
use std::path::{Path, PathBuf};

use rusqlite::backup::{Backup, StepResult};
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::lock::{self, directory_of};
use super::open::{BUSY_TIMEOUT, Depth, create_privately, open_to_copy, require_sound};
use crate::domain::time::Timestamp;
use crate::store::StoreError;

/// What every database of SQLite begins with.
const HEADER: &[u8] = b"SQLite format 3\0";

/// Why there is no copy: one sentence for an operator each. Nothing is changed then.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CopyError {
    /// It must not be done as things are.
    #[error("{0}")]
    Refused(String),
    /// It cannot be done.
    #[error("{0}")]
    Failed(String),
}

/// What becomes of a file that has the copy's name already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Existing {
    /// It stays, and there is no copy.
    Stays,
    /// The copy takes its place.
    IsReplaced,
}

type Result<T> = std::result::Result<T, CopyError>;

/// Copies the database to a file, whether others write meanwhile or not: everything that was acknowledged before is in
/// it, and of everything after either all or nothing.
///
/// # Errors
/// `Refused` when there is a file that must stay, or it is the database itself; `Failed` when something cannot be read,
/// written or is damaged.
pub fn back_up(database: &Path, target: &Path, existing: Existing) -> Result<()> {
    let (source, _held) = open_to_copy(database).map_err(failed_to_open)?;
    if existing == Existing::Stays && target.exists() {
        return Err(CopyError::Refused(format!("{} exists already; add --force to replace it", target.display())));
    }
    require_other_file(database, target)?;
    let partial = Partial::beside(target);
    partial.fill(&source, database)?;
    drop(source);
    partial.take_name(target, existing)
}

/// Puts a copy in the place of the database, and gives where that is kept; `None` when there was none.
///
/// # Errors
/// `Refused` when somebody has the database open, or the file is not one that can take its place; `Failed` when something
/// cannot be read or written.
pub fn restore(database: &Path, source: &Path, at: Timestamp) -> Result<Option<PathBuf>> {
    let directory = directory_of(database);
    let copy = open_source(source)?;
    require_other_file(database, source)?;
    fs::create_dir_all(&directory).map_err(|reason| cannot("make", &directory, &reason))?;
    let alone = lock::have_alone(database).map_err(|reason| cannot("lock", &directory, &reason))?;
    let Some(_alone) = alone else { return Err(in_use(database)) };
    let partial = Partial::beside(database);
    partial.fill(&copy, source)?;
    drop(copy);
    partial.give_to_owner_of(if database.exists() { database } else { &directory })?;
    let kept = set_aside(database, at)?;
    partial.take_name(database, Existing::IsReplaced)?;
    Ok(kept)
}

fn open_source(path: &Path) -> Result<Connection> {
    if !path.is_file() {
        return Err(CopyError::Refused(format!("there is no file {}", path.display())));
    }
    let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_NO_MUTEX;
    let opened = Connection::open_with_flags(path, flags);
    let source = opened.map_err(|error| CopyError::Failed(format!("cannot read {}: {error}", path.display())))?;
    require_sound(&source, path, Depth::Header).map_err(refused)?;
    Ok(source)
}

/// A file on its way to its name. Whatever ends it before, it leaves nothing.
struct Partial {
    path: PathBuf,
}

impl Partial {
    /// In the same directory, so that its name can be changed in one step.
    fn beside(target: &Path) -> Self {
        Self { path: with_ending(target, &format!(".partial-{}", std::process::id())) }
    }

    /// Copies everything, in one view of it, and proves that what came out can be used: what is wrong with it, is wrong
    /// with the file `of`.
    fn fill(&self, source: &Connection, of: &Path) -> Result<()> {
        let path = &self.path;
        create_privately(path).map_err(|reason| cannot("make", path, &reason))?;
        copy(source, path).map_err(|error| damaged(path, of, error))?;
        let written = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE);
        let written = written.map_err(|error| failed(path, error))?;
        // The pages say how the file was written that they come from. A copy is one file, and needs no other beside it.
        written
            .pragma_update_and_check(None, "journal_mode", "DELETE", |_| Ok(()))
            .map_err(|error| damaged(path, of, error))?;
        require_sound(&written, of, Depth::Everything).map_err(refused)?;
        drop(written);
        File::open(path).and_then(|file| file.sync_all()).map_err(|reason| cannot("write", path, &reason))
    }

    fn give_to_owner_of(&self, other: &Path) -> Result<()> {
        #[cfg(unix)]
        {
            use std::os::unix::fs::{MetadataExt as _, chown};
            let owners = |path: &Path| fs::metadata(path).map(|found| (found.uid(), found.gid()));
            let given = owners(other).and_then(|wanted| match owners(&self.path)? {
                own if own == wanted => Ok(()),
                _ => chown(&self.path, Some(wanted.0), Some(wanted.1)),
            });
            given.map_err(|reason| cannot("give away", &self.path, &reason))?;
        }
        Ok(())
    }

    fn take_name(self, target: &Path, existing: Existing) -> Result<()> {
        let named = match existing {
            Existing::IsReplaced => fs::rename(&self.path, target),
            // A link is not made over a file that has come since it was looked for.
            Existing::Stays => match fs::hard_link(&self.path, target) {
                Err(reason) if reason.kind() != ErrorKind::AlreadyExists && !target.exists() => {
                    fs::rename(&self.path, target)
                }
                linked => linked,
            },
        };
        named.map_err(|reason| cannot("write", target, &reason))?;
        sync_directory(target)
    }
}

impl Drop for Partial {
    fn drop(&mut self) {
        let _ = fs::remove_file(&self.path);
        let _ = fs::remove_file(with_ending(&self.path, "-journal"));
    }
}

fn copy(source: &Connection, target: &Path) -> rusqlite::Result<()> {
    let mut target = Connection::open_with_flags(target, OpenFlags::SQLITE_OPEN_READ_WRITE)?;
    let backup = Backup::new(source, &mut target)?;
    // All in one step: between two of them another process could write, and the copying would begin again each time.
    match backup.step(-1)? {
        StepResult::Done => Ok(()),
        _ => Err(rusqlite::Error::SqliteFailure(rusqlite::ffi::Error::new(rusqlite::ffi::SQLITE_BUSY), None)),
    }
}

/// Keeps the database beside its place, under a name that tells when. It stays in its place as well, for another to be
/// renamed over it.
fn set_aside(database: &Path, at: Timestamp) -> Result<Option<PathBuf>> {
    let kept = with_ending(database, &format!(".before-restore-{}", at.to_string().replace(':', "-")));
    let is_there = database.exists();
    if is_there {
        gather(database)?;
        fs::hard_link(database, &kept)
            .or_else(|_| fs::copy(database, &kept).and_then(|_| File::open(&kept)?.sync_all()))
            .map_err(|reason| cannot("keep", &kept, &reason))?;
    }
    // Only where the database is damaged, or gone, are they still there. With another one they would be taken for its own.
    for ending in ["-wal", "-journal"] {
        move_aside(&with_ending(database, ending), &with_ending(&kept, ending))?;
    }
    let index = with_ending(database, "-shm");
    match fs::remove_file(&index) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => return Err(cannot("remove", &index, &reason)),
        _ => {}
    }
    sync_directory(database)?;
    Ok(is_there.then_some(kept))
}

/// Brings what is still in the write-ahead log into the file, and removes the log: SQLite does so only for somebody who
/// is alone, so that this also finds those who do not know of our lock. What is damaged is left as it is.
fn gather(database: &Path) -> Result<()> {
    if !has_header(database).map_err(|reason| cannot("read", database, &reason))? {
        // SQLite would take a log beside it for nothing, and remove it.
        return Ok(());
    }
    let gathered = Connection::open_with_flags(database, OpenFlags::SQLITE_OPEN_READ_WRITE).and_then(|db| {
        db.busy_timeout(BUSY_TIMEOUT)?;
        db.pragma_update_and_check(None, "journal_mode", "DELETE", |row| row.get::<_, String>(0))
    });
    match gathered {
        Ok(mode) if mode.eq_ignore_ascii_case("wal") => Err(in_use(database)),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(in_use(database)),
            Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => Ok(()),
            _ => Err(failed(database, error)),
        },
        Ok(_) => Ok(()),
    }
}

fn has_header(database: &Path) -> io::Result<bool> {
    let mut first = Vec::new();
    File::open(database)?.take(HEADER.len() as u64).read_to_end(&mut first)?;
    Ok(first == HEADER)
}

fn move_aside(from: &Path, to: &Path) -> Result<()> {
    match fs::rename(from, to) {
        Err(reason) if reason.kind() != ErrorKind::NotFound => Err(cannot("keep", to, &reason)),
        _ => Ok(()),
    }
}

fn require_other_file(database: &Path, other: &Path) -> Result<()> {
    let same = matches!((database.canonicalize(), other.canonicalize()), (Ok(one), Ok(two)) if one == two);
    if same {
        return Err(CopyError::Refused(format!("{} is the database itself", other.display())));
    }
    Ok(())
}

fn sync_directory(of: &Path) -> Result<()> {
    let directory = directory_of(of);
    let synced = File::open(&directory).and_then(|directory| directory.sync_all());
    synced.map_err(|reason| cannot("write", &directory, &reason))
}

fn with_ending(path: &Path, ending: &str) -> PathBuf {
    let mut name = OsString::from(path);
    name.push(ending);
    PathBuf::from(name)
}

fn in_use(database: &Path) -> CopyError {
    CopyError::Refused(format!("the database {} is in use; stop the server first", database.display()))
}

fn cannot(act: &str, path: &Path, reason: &io::Error) -> CopyError {
    CopyError::Failed(format!("cannot {act} {}: {reason}", path.display()))
}

fn failed(path: &Path, error: rusqlite::Error) -> CopyError {
    CopyError::Failed(format!("cannot write {}: {}", path.display(), StoreError::from(error)))
}

/// What a copy proves not to be, its source was not before.
fn damaged(path: &Path, of: &Path, error: rusqlite::Error) -> CopyError {
    match StoreError::from(error) {
        StoreError::Corrupt(_) => CopyError::Refused(format!("the database {} is damaged", of.display())),
        other => CopyError::Failed(format!("cannot write {}: {other}", path.display())),
    }
}

fn failed_to_open(error: StoreError) -> CopyError {
    CopyError::Failed(sentence(error))
}

fn refused(error: StoreError) -> CopyError {
    CopyError::Refused(sentence(error))
}

fn sentence(error: StoreError) -> String {
    match error {
        StoreError::Unavailable(sentence) => sentence,
        other => other.to_string(),
    }
}
