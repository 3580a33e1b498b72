//! Where the data of a measurement are: a folder with a SQLite file, or a database of the run's MongoDB server.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::{Result, bail};
use clap::ValueEnum;
use mongodb::Database;
use rolekeeper::app::DATABASE_FILE;
use rusqlite::Connection;
use rusqlite::config::DbConfig;
use tempfile::TempDir;

/// The two stores.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Kind {
    /// The embedded store.
    Sqlite,
    /// MongoDB.
    Mongo,
}

impl Display for Kind {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Sqlite => "SQLite",
            Self::Mongo => "MongoDB",
        })
    }
}

/// Data that go with the run.
pub enum Place {
    /// A folder for the server's data.
    Folder(TempDir),
    /// A database.
    Database {
        /// Its URL, for the server.
        url: String,
        /// The database, for everybody else.
        database: Database,
    },
}

impl Place {
    /// Which store it is.
    pub fn kind(&self) -> Kind {
        match self {
            Self::Folder(_) => Kind::Sqlite,
            Self::Database { .. } => Kind::Mongo,
        }
    }

    /// What tells a server to work here.
    pub fn environment(&self) -> (&'static str, String) {
        match self {
            Self::Folder(folder) => ("ROLEKEEPER_DATA_DIR", folder.path().display().to_string()),
            Self::Database { url, .. } => ("MONGO_URL", url.clone()),
        }
    }

    /// The SQLite file, with the settings that the server has for its own connections.
    pub fn connection(&self) -> Result<Connection> {
        let Self::Folder(folder) = self else { bail!("this is no SQLite store") };
        open(folder.path().join(DATABASE_FILE))
    }

    /// The database.
    pub fn database(&self) -> Result<Database> {
        let Self::Database { database, .. } = self else { bail!("this is no MongoDB store") };
        Ok(database.clone())
    }
}

fn open(file: PathBuf) -> Result<Connection> {
    let connection = Connection::open(file)?;
    connection.pragma_update(None, "synchronous", "FULL")?;
    connection.pragma_update(None, "foreign_keys", "ON")?;
    connection.busy_timeout(std::time::Duration::from_secs(5))?;
    connection.set_prepared_statement_cache_capacity(64);
    connection.set_db_config(DbConfig::SQLITE_DBCONFIG_ENABLE_QPSG, true)?;
    Ok(connection)
}
