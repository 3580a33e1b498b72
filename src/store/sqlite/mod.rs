//! The embedded backend: one SQLite file (or memory), one thread that writes, a few that read. This file is the store as
//! a whole and the way of an operation to its thread (`worker`); each trait has its file, `query` the forms in which
//! SQLite is asked, `holders` and `seed` what several of them need, `schema/` the tables.

mod activation;
mod audit;
mod batch;
#[cfg(test)]
mod batch_tests;
mod check;
mod copies;
mod directory;
mod holders;
mod lock;
mod login_failures;
mod members;
mod open;
mod organization_record;
mod organizations;
mod others;
#[cfg(test)]
mod others_tests;
mod permissions;
#[cfg(test)]
mod plan_tests;
#[cfg(any(test, feature = "fault-injection"))]
mod plans;
mod query;
mod receipts;
mod recovery;
mod repair;
mod roles;
mod room_changes;
mod room_members;
mod rooms;
mod second_factors;
mod seed;
mod settings;
#[cfg(test)]
mod tests;
mod tokens;
mod user_changes;
mod user_deletion;
mod users;
mod worker;

use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use rusqlite::Connection;

use crate::clock::Ids;
use crate::domain::audit::AuditContext;
use crate::domain::audit_chain::Sealer;
use crate::domain::fact::Fact;
use crate::store::feed::{Feed, Listener};
use crate::store::{Result, Rights, Seed, Store};
pub use copies::{CopyError, Existing, back_up, restore};
use lock::Held;
use query::{Query as _, Tx};
use worker::{Access, Workers};

/// Threads that only read; more than the cores of a small machine would only wait for each other.
const READERS: usize = 3;

/// Where the data lives.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Location {
    /// In that file, created if it is absent; its directory must exist.
    File(PathBuf),
    /// Nowhere: everything ends with the store.
    Memory,
}

/// The embedded store. Dropping it waits until every operation it has accepted is done.
pub struct SqliteStore {
    /// `None` in memory, where one connection does everything. Dropped before the writer, whose connection then is
    /// the last one and tidies the files up.
    readers: Option<Workers>,
    writer: Workers,
    ids: Arc<dyn Ids>,
    sealer: Sealer,
    feed: Arc<Feed>,
    location: Location,
    /// Keeps others from putting another file in place; `None` in memory. Dropped last.
    _held: Option<Held>,
}

impl SqliteStore {
    /// Opens the store, creating or upgrading its schema.
    ///
    /// # Errors
    /// `Unavailable`, naming the path and the reason, when the file cannot be created, opened or written, is not a
    /// database of Rolekeeper, or has a schema newer than this program knows.
    pub fn open(location: Location, ids: Arc<dyn Ids>) -> Result<Self> {
        let feed = Arc::new(Feed::default());
        let mut held = None;
        let (writer, readers) = match &location {
            Location::File(path) => {
                held = Some(open::share(path)?);
                let (writer, readers) = open::open_file(path, READERS)?;
                (writer, Some(Workers::start("sqlite-reader", readers, &feed)?))
            }
            Location::Memory => (open::open_memory()?, None),
        };
        let writer = Workers::start("sqlite-writer", vec![writer], &feed)?;
        Ok(Self { readers, writer, ids, sealer: Sealer::default(), feed, location, _held: held })
    }

    /// Seals what is put on record with the operator's key.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = sealer;
        self
    }

    /// Runs statements as they are, in one transaction, so that a test can plant data that no operation would write.
    ///
    /// # Errors
    /// Whatever SQLite answers.
    #[cfg(feature = "fault-injection")]
    pub async fn run_sql(&self, sql: &str) -> Result<()> {
        let sql = sql.to_owned();
        let outcome = self.writer.run(Access::Write, move |db, _| query::execute_plain(db, &sql)).await;
        self.feed.lost();
        outcome
    }

    /// Reads in one consistent view.
    async fn read<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Clone + Send + 'static,
    {
        self.readers.as_ref().unwrap_or(&self.writer).run(Access::Read, move |db, _| work(db)).await
    }

    /// Decides and writes in one transaction, which is kept exactly when `work` gives `Ok` and the receipt that goes along
    /// with `by`, if there is one, could be written.
    async fn write<T, F>(&self, by: &AuditContext, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Tx<'_>) -> Result<T> + Clone + Send + 'static,
    {
        let (by, ids, sealer) = (by.clone(), Arc::clone(&self.ids), self.sealer.clone());
        self.writer
            .run(Access::Write, move |db, facts| {
                let tx = Tx::new(db, &by, ids.as_ref(), &sealer);
                let outcome = receipts::with_pending(&tx, work);
                facts.append(&mut tx.facts.into_inner());
                outcome
            })
            .await
    }

    /// As [`SqliteStore::write`], for what leaves nothing on record.
    async fn change<T, F>(&self, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Clone + Send + 'static,
    {
        self.change_facts(Vec::new(), work).await
    }

    /// As [`SqliteStore::change`], where these facts are not as they were afterwards.
    async fn change_facts<T, F>(&self, changed: Vec<Fact>, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Clone + Send + 'static,
    {
        self.writer
            .run(Access::Write, move |db, facts| {
                facts.extend(changed);
                work(db)
            })
            .await
    }
}

#[async_trait]
impl Store for SqliteStore {
    async fn seed(&self, seed: Seed, by: &AuditContext) -> Result<()> {
        self.write(by, move |tx| seed::insert_absent(tx, seed)).await
    }

    async fn ping(&self) -> Result<()> {
        if let Location::File(path) = &self.location {
            others::require_present(path)?;
        }
        let question = "SELECT 1 FROM roles LIMIT 1";
        self.read(move |db| db.exists(question, ())).await?;
        // Beginning takes the right to write; nothing is changed with it.
        self.writer.run(Access::Write, move |db, _| db.exists(question, ())).await?;
        Ok(())
    }

    async fn rights(&self) -> Result<Arc<Rights>> {
        self.read(|db| {
            let permissions = permissions::list(db)?;
            Ok(Arc::new(Rights::new(permissions, settings::all(db)?)))
        })
        .await
    }

    fn report_to(&self, listener: Arc<dyn Listener>) {
        self.feed.report_to(listener);
    }

    async fn follow(&self) {
        others::follow(self).await;
    }

    async fn confirm(&self) -> Result<()> {
        // There is one file, and reading it shows what was written to it.
        Ok(())
    }

    fn describe(&self) -> String {
        match &self.location {
            Location::File(path) => format!("SQLite file {}", path.display()),
            Location::Memory => "SQLite in memory".to_owned(),
        }
    }
}
