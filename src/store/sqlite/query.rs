//! The few forms in which this backend talks to SQLite: ask for rows, ask whether there is one, change some. Errors of
//! the driver become errors of the store here and nowhere else.

use std::cell::{Cell, RefCell};

use rusqlite::types::ValueRef;
use rusqlite::{CachedStatement, Connection, ErrorCode, Params, Row, RowIndex};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::clock::Ids;
use crate::domain::audit::AuditContext;
use crate::domain::audit_chain::Sealer;
use crate::domain::fact::Fact;
use crate::domain::time::Timestamp;
use crate::store::{Result, StoreError};

/// A transaction that may write, and on whose behalf it does.
pub(super) struct Tx<'a> {
    pub(super) db: &'a Connection,
    pub(super) by: &'a AuditContext,
    pub(super) ids: &'a dyn Ids,
    /// Makes the digests of what is put on record.
    pub(super) sealer: &'a Sealer,
    /// What this transaction makes untrue; see [`Tx::touch`].
    pub(super) facts: RefCell<Vec<Fact>>,
    /// Whether a change was put on record.
    pub(super) recorded: Cell<bool>,
}

impl<'a> Tx<'a> {
    /// Before anything was done in it.
    pub(super) fn new(db: &'a Connection, by: &'a AuditContext, ids: &'a dyn Ids, sealer: &'a Sealer) -> Self {
        Self { db, by, ids, sealer, facts: RefCell::default(), recorded: Cell::new(false) }
    }

    /// Notes what is not as it was after this transaction, for what leaves nothing on record.
    pub(super) fn touch(&self, facts: Vec<Fact>) {
        self.facts.borrow_mut().extend(facts);
    }

    /// The time of the change: `_updatedAt` of everything it touches.
    pub(super) fn now(&self) -> i64 {
        self.by.at.as_millis()
    }

    /// Keeps what a document was before it goes. Of several with one id the last counts.
    pub(super) fn trash(&self, collection: &str, id: &str, document: &impl Serialize) -> Result<()> {
        self.db.change(
            "INSERT INTO trash (collection, id, document, deleted_at) VALUES (?1, ?2, ?3, ?4)",
            (collection, id, to_json(document)?, self.now()),
        )
    }
}

/// Queries with prepared statements and the store's errors.
pub(super) trait Query {
    /// Every row, in order.
    fn all<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>>;

    /// The first row, if there is one.
    fn first<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Option<T>>;

    /// Whether any row meets `wanted`; reads no further than the first that does.
    fn any(&self, sql: &str, params: impl Params, wanted: impl Fn(&Row<'_>) -> Result<bool>) -> Result<bool>;

    /// Changes rows; how many does not matter.
    fn change(&self, sql: &str, params: impl Params) -> Result<()>;

    /// Whether there is a row.
    fn exists(&self, sql: &str, params: impl Params) -> Result<bool> {
        self.any(sql, params, |_| Ok(true))
    }

    /// The number in the first column of the first row.
    fn count(&self, sql: &str, params: impl Params) -> Result<u64> {
        let number = self.first(sql, params, |row| Ok(row.get::<_, i64>(0)?))?;
        Ok(number.map_or(0, i64::unsigned_abs))
    }
}

impl Query for Connection {
    fn all<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Vec<T>> {
        let mut statement = prepared(self, sql)?;
        let mut rows = statement.query(params)?;
        let mut found = Vec::new();
        while let Some(row) = rows.next()? {
            found.push(read(row)?);
        }
        Ok(found)
    }

    fn first<T>(&self, sql: &str, params: impl Params, read: impl Fn(&Row<'_>) -> Result<T>) -> Result<Option<T>> {
        let mut statement = prepared(self, sql)?;
        let mut rows = statement.query(params)?;
        rows.next()?.map(read).transpose()
    }

    fn any(&self, sql: &str, params: impl Params, wanted: impl Fn(&Row<'_>) -> Result<bool>) -> Result<bool> {
        let mut statement = prepared(self, sql)?;
        let mut rows = statement.query(params)?;
        while let Some(row) = rows.next()? {
            if wanted(row)? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    fn change(&self, sql: &str, params: impl Params) -> Result<()> {
        prepared(self, sql)?.execute(params)?;
        Ok(())
    }
}

/// The statement, ready to run. Tests refuse one that reads a whole table which grows.
fn prepared<'a>(db: &'a Connection, sql: &str) -> Result<CachedStatement<'a>> {
    #[cfg(any(test, feature = "fault-injection"))]
    super::plans::require_bounded(db, sql)?;
    Ok(db.prepare_cached(sql)?)
}

/// Begins or ends a transaction or a part of one.
pub(super) fn control(db: &Connection, sql: &str) -> Result<()> {
    db.prepare_cached(sql)?.execute(())?;
    Ok(())
}

/// Runs a statement that has no parameters and no result.
#[cfg(feature = "fault-injection")]
pub(super) fn execute_plain(db: &Connection, sql: &str) -> Result<()> {
    Ok(db.execute_batch(sql)?)
}

/// The first column as text.
pub(super) fn text(row: &Row<'_>) -> Result<String> {
    Ok(row.get(0)?)
}

/// A column that holds a time.
pub(super) fn time(row: &Row<'_>, column: &str) -> Result<Timestamp> {
    Ok(Timestamp::from_millis(row.get(column)?))
}

/// A column that may hold a time.
pub(super) fn optional_time(row: &Row<'_>, column: impl RowIndex) -> Result<Option<Timestamp>> {
    Ok(row.get::<_, Option<i64>>(column)?.map(Timestamp::from_millis))
}

/// A column that holds JSON of a certain form.
pub(super) fn json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<T> {
    optional_json(row, column)?.ok_or_else(|| unreadable(column))
}

/// A column that may hold JSON of a certain form.
pub(super) fn optional_json<T: DeserializeOwned>(row: &Row<'_>, column: &str) -> Result<Option<T>> {
    parsed(row.get_ref(column)?, column)
}

/// A value that may hold JSON of a certain form, of the column of that name.
pub(super) fn parsed<T: DeserializeOwned>(stored: ValueRef<'_>, column: &str) -> Result<Option<T>> {
    let text = stored.as_str_or_null().map_err(|_| unreadable(column))?;
    // The parser's own message could quote the value, which has no place in a log.
    text.map(|text| serde_json::from_str(text).map_err(|_| unreadable(column))).transpose()
}

/// The error for a column with a value that nobody of ours wrote.
pub(super) fn unreadable(column: &str) -> StoreError {
    StoreError::Corrupt(format!("the column {column} holds a value of another form"))
}

/// A value as it is stored in a JSON column.
pub(super) fn to_json(value: &impl Serialize) -> Result<String> {
    serde_json::to_string(value).map_err(|error| StoreError::Backend(format!("a value cannot be written: {error}")))
}

/// A number of items as SQLite's `LIMIT` and `OFFSET` take it.
pub(super) fn bounded(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// What an operator reads when SQLite cannot do its work now; `None` when the reason is another.
pub(super) fn outage(error: &rusqlite::Error) -> Option<&'static str> {
    match error.sqlite_error_code()? {
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked => Some("another process keeps the database locked"),
        ErrorCode::DiskFull => Some("the disk is full"),
        ErrorCode::SystemIoFailure => Some("the disk cannot be read or written"),
        ErrorCode::ReadOnly => Some("the database or its directory cannot be written"),
        ErrorCode::CannotOpen => Some("the database or a file beside it cannot be opened"),
        ErrorCode::FileLockingProtocolFailed => Some("the file system does not lock files as SQLite needs it"),
        ErrorCode::PermissionDenied => Some("the system denies access to the database"),
        _ => None,
    }
}

impl From<rusqlite::Error> for StoreError {
    fn from(error: rusqlite::Error) -> Self {
        if let Some(reason) = outage(&error) {
            return Self::Unavailable(reason.to_owned());
        }
        match error {
            rusqlite::Error::InvalidColumnType(_, column, _) => unreadable(&column),
            rusqlite::Error::FromSqlConversionFailure(..)
            | rusqlite::Error::IntegralValueOutOfRange(..)
            | rusqlite::Error::Utf8Error(..) => Self::Corrupt("a column holds a value of another form".to_owned()),
            error => match error.sqlite_error_code() {
                Some(ErrorCode::DatabaseCorrupt | ErrorCode::NotADatabase) => {
                    Self::Corrupt("the database file is damaged".to_owned())
                }
                // Statements of ours have no values in their text, so neither has SQLite's message.
                _ => Self::Backend(error.to_string()),
            },
        }
    }
}
