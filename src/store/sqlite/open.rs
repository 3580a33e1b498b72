//! Opening the database: the file, the pragmas of each connection, the schema and its version. Every refusal is one
//! sentence that tells an operator which file it is about and what is wrong with it.

use std::fs::OpenOptions;
use std::io::ErrorKind;
use std::path::Path;
use std::time::Duration;

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, MAIN_DB, OpenFlags, TransactionBehavior};

use super::lock::{self, Held};
use super::query::outage;
use crate::store::{Result, StoreError};

/// The schema, one file per version.
const SCHEMAS: [&str; 2] = [include_str!("schema/001_initial.sql"), include_str!("schema/002_trash_in_order.sql")];

/// The version that they make.
const KNOWN: i64 = SCHEMAS.len() as i64;

/// "Role" in ASCII; tells our files from those of other programs, which also count versions of their own.
const APPLICATION_ID: i64 = 0x526F_6C65;

/// How long a connection waits for another process before it gives up.
pub(super) const BUSY_TIMEOUT: Duration = Duration::from_secs(5);

/// Distinct statements are few; all of them stay prepared.
const PREPARED_STATEMENTS: usize = 160;

/// Why a database cannot be used, before it is put into a sentence.
enum Refusal {
    System(std::io::Error),
    Sqlite(rusqlite::Error),
    ReadOnly,
    NotOurs,
    Missing,
    Older(i64),
    Newer(i64),
    NoWriteAheadLog,
    Damaged(String),
    Replaced,
}

impl From<rusqlite::Error> for Refusal {
    fn from(error: rusqlite::Error) -> Self {
        Self::Sqlite(error)
    }
}

impl Refusal {
    fn reason(&self) -> String {
        match self {
            Self::System(error) => error.to_string(),
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::NotADatabase) => {
                "it is not a SQLite database".to_owned()
            }
            Self::Sqlite(error) if error.sqlite_error_code() == Some(ErrorCode::DatabaseCorrupt) => {
                "it is damaged".to_owned()
            }
            Self::Sqlite(error) => outage(error).map_or_else(|| error.to_string(), str::to_owned),
            Self::ReadOnly => "its file may be read but not written".to_owned(),
            Self::NotOurs => "it is the database of another program".to_owned(),
            Self::Missing => "there is no such file".to_owned(),
            Self::Older(version) => {
                format!("its schema has version {version}; start the server once to bring it up to date")
            }
            Self::Newer(version) => format!(
                "its schema has version {version}, and this Rolekeeper knows versions up to {}; use the Rolekeeper that wrote it or a later one",
                SCHEMAS.len()
            ),
            Self::Damaged(first) => format!("it is damaged: {first}"),
            Self::Replaced => "another file is just being put in its place".to_owned(),
            Self::NoWriteAheadLog => "its file system does not allow a write-ahead log".to_owned(),
        }
    }

    fn about(&self, path: &Path) -> StoreError {
        StoreError::Unavailable(format!("the database {} cannot be used: {}", path.display(), self.reason()))
    }
}

/// Opens (and if need be creates) the file with one connection that writes and `readers` that only read.
///
/// # Errors
/// `Unavailable` with the path and the reason.
pub(super) fn open_file(path: &Path, readers: usize) -> Result<(Connection, Vec<Connection>)> {
    connect_all(path, readers).map_err(|refusal| refusal.about(path))
}

/// Opens the file with one connection that only reads, as it is, and takes part in using it.
///
/// # Errors
/// `Unavailable` with the path and the reason, also when there is no such file or it has another schema.
pub(super) fn open_to_read(path: &Path) -> Result<(Connection, Held)> {
    open_as_it_is(path, KNOWN)
}

/// As [`open_to_read`], but the schema may be an earlier one: whoever brings it up to date wants a copy of before.
///
/// # Errors
/// As [`open_to_read`].
pub(super) fn open_to_copy(path: &Path) -> Result<(Connection, Held)> {
    open_as_it_is(path, 1)
}

fn open_as_it_is(path: &Path, oldest: i64) -> Result<(Connection, Held)> {
    if !path.exists() {
        return Err(Refusal::Missing.about(path));
    }
    let held = share(path)?;
    let db = connect_as_it_is(path, oldest).map_err(|refusal| refusal.about(path))?;
    Ok((db, held))
}

/// Takes part in using the database of that path, as long as the value is kept.
///
/// # Errors
/// `Unavailable` with the path and the reason, also when somebody puts another file in its place.
pub(super) fn share(path: &Path) -> Result<Held> {
    match lock::share(path) {
        Ok(Some(held)) => Ok(held),
        Ok(None) => Err(Refusal::Replaced.about(path)),
        Err(error) => Err(Refusal::System(error).about(path)),
    }
}

/// How much of a file is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Depth {
    /// Whose it is, and of which version.
    Header,
    /// Every page as well.
    Everything,
}

/// Refuses what cannot be a database of this program or an earlier one.
///
/// # Errors
/// `Unavailable` with the path and the reason.
pub(super) fn require_sound(db: &Connection, path: &Path, depth: Depth) -> Result<()> {
    find_sound(db, depth).map_err(|refusal| refusal.about(path))
}

fn find_sound(db: &Connection, depth: Depth) -> Result<(), Refusal> {
    match version_of_ours(db)? {
        version if version > KNOWN => return Err(Refusal::Newer(version)),
        version if version < 1 => return Err(Refusal::NotOurs),
        _ => {}
    }
    if depth == Depth::Header {
        return Ok(());
    }
    let first: String = db.query_row("PRAGMA integrity_check(1)", (), |row| row.get(0))?;
    if first == "ok" { Ok(()) } else { Err(Refusal::Damaged(first.replace('\n', " "))) }
}

fn connect_as_it_is(path: &Path, oldest: i64) -> Result<Connection, Refusal> {
    let db = connect_reader(path)?;
    match version_of_ours(&db)? {
        version if version < oldest => Err(Refusal::Older(version)),
        version if version > KNOWN => Err(Refusal::Newer(version)),
        _ => Ok(db),
    }
}

/// A fresh database without a file; it ends with its connection.
///
/// # Errors
/// `Backend` when SQLite cannot make one.
pub(super) fn open_memory() -> Result<Connection> {
    let mut db = Connection::open_in_memory()?;
    configure(&db)?;
    migrate(&mut db).map_err(|refusal| StoreError::Backend(refusal.reason()))?;
    Ok(db)
}

fn connect_all(path: &Path, readers: usize) -> Result<(Connection, Vec<Connection>), Refusal> {
    create_privately(path).map_err(Refusal::System)?;
    let mut writer = connect(path)?;
    // SQLite falls back to reading when it may not write, and would say so only at the first change.
    if writer.is_readonly(MAIN_DB)? {
        return Err(Refusal::ReadOnly);
    }
    migrate(&mut writer)?;
    // What a savepoint would restore is kept in a file otherwise, written anew for each operation of a shared transaction.
    writer.pragma_update(None, "temp_store", "MEMORY")?;
    // Only after the file has proved to be ours: the journal's mode is stored in it.
    let mode: String = writer.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get(0))?;
    if !mode.eq_ignore_ascii_case("wal") {
        return Err(Refusal::NoWriteAheadLog);
    }
    let readers = (0..readers).map(|_| connect_reader(path)).collect::<rusqlite::Result<_>>()?;
    Ok((writer, readers))
}

/// Creates the file if it is absent, readable by its owner alone: it holds password hashes.
pub(super) fn create_privately(path: &Path) -> std::io::Result<()> {
    let mut options = OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    match options.open(path) {
        Err(error) if error.kind() == ErrorKind::AlreadyExists => Ok(()),
        outcome => outcome.map(drop),
    }
}

fn connect(path: &Path) -> rusqlite::Result<Connection> {
    let db = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX)?;
    configure(&db)?;
    Ok(db)
}

fn connect_reader(path: &Path) -> rusqlite::Result<Connection> {
    let db = connect(path)?;
    db.pragma_update(None, "query_only", true)?;
    Ok(db)
}

fn configure(db: &Connection) -> rusqlite::Result<()> {
    db.busy_timeout(BUSY_TIMEOUT)?;
    db.set_prepared_statement_cache_capacity(PREPARED_STATEMENTS);
    // Otherwise SQLite plans a statement anew each time a `LIMIT ?` or the like gets another value.
    db.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    db.pragma_update(None, "foreign_keys", true)?;
    db.pragma_update(None, "synchronous", "FULL")
}

/// Brings the schema to the newest version, inside one transaction, so that two processes that start together do it
/// once.
fn migrate(db: &mut Connection) -> Result<(), Refusal> {
    if version_of_ours(db)? == KNOWN {
        return Ok(());
    }
    let tx = db.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let applied = version_of_ours(&tx)?;
    if applied > KNOWN {
        return Err(Refusal::Newer(applied));
    }
    for schema in SCHEMAS.iter().skip(usize::try_from(applied).unwrap_or(0)) {
        tx.execute_batch(schema)?;
    }
    tx.pragma_update(None, "application_id", APPLICATION_ID)?;
    tx.pragma_update(None, "user_version", KNOWN)?;
    Ok(tx.commit()?)
}

/// The version of the schema; 0 for an empty database.
fn version_of_ours(db: &Connection) -> Result<i64, Refusal> {
    let number = |pragma| db.pragma_query_value(None, pragma, |row| row.get::<_, i64>(0));
    let version = number("user_version")?;
    if !is_empty(db)? && number("application_id")? != APPLICATION_ID {
        return Err(Refusal::NotOurs);
    }
    Ok(version)
}

fn is_empty(db: &Connection) -> rusqlite::Result<bool> {
    db.query_row("SELECT NOT EXISTS (SELECT 1 FROM sqlite_schema)", (), |row| row.get(0))
}
