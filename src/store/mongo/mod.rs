//! The production backend, on the collections of a Rocket.Chat workspace: whatever Rocket.Chat wrote stays as it is
//! but for the fields that a change concerns, and nothing of ours is added to its documents.
//!
//! Here: connecting, and what all parts share. `transaction` and `locks` hold the rules of concurrency, `documents`
//! the shapes, `indexes` the names of collections; the other modules implement one trait each.

mod activation;
mod audit;
mod audit_seal;
mod bonds;
mod changes;
mod check;
mod connect;
mod directory;
mod documents;
mod error;
mod holders;
mod indexes;
mod invariants;
mod invited;
mod locks;
mod login_failures;
mod members;
mod organization_documents;
mod organization_record;
mod organizations;
mod permissions;
mod queues;
mod receipts;
mod recovery;
mod repair;
mod rights;
mod roles;
mod room_changes;
mod room_documents;
mod room_members;
mod rooms;
mod second_factors;
mod seed;
mod settings;
mod tokens;
mod transaction;
mod trash;
mod user_changes;
mod user_deletion;
mod users;
mod values;

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::{Collation, CollationStrength};
use mongodb::{Client, Collection, Database};
use tokio::runtime::Handle;
use tokio::task::JoinError;

use self::audit_seal::Sealing;
use self::changes::heart::Heart;
pub use self::check::Collections;
use self::error::store_error;
use self::queues::Queues;
use self::transaction::Transaction;
use self::transaction::transact;
use super::feed::{Feed, Listener};
use super::{Result, Rights, Seed, Store, StoreError};
use crate::clock::Ids;
use crate::domain::audit::AuditContext;
use crate::domain::audit_chain::Sealer;
use crate::domain::ids::RoleId;

/// How long a ping may take, finding the primary included.
const PING_TIMEOUT: Duration = Duration::from_secs(8);

/// A Rocket.Chat workspace in MongoDB. A clone is another handle to the same store.
#[derive(Clone)]
pub struct MongoStore {
    client: Client,
    database: Database,
    ids: Arc<dyn Ids>,
    place: Arc<str>,
    sharded: bool,
    queues: Arc<Queues>,
    feed: Arc<Feed>,
    heart: Arc<Heart>,
    sealer: Sealer,
    sealing: Arc<Sealing>,
    /// Where the connections are served.
    home: Handle,
    #[cfg(feature = "fault-injection")]
    role_locks: bool,
}

impl MongoStore {
    /// Connects to the database that `url` (the setting `MONGO_URL`) names, and makes the collections and indexes that
    /// are missing there.
    ///
    /// # Errors
    /// `Unavailable` with one sentence for an operator, which never quotes the URL: it cannot be parsed or names no
    /// database; nothing answers, or no primary does, within 5 seconds (or the URL's `serverSelectionTimeoutMS`); the
    /// server is not a member of a replica set; a unique index cannot be built.
    pub async fn connect(url: &str, ids: Arc<dyn Ids>) -> Result<Self> {
        let (client, database, place) = connect::open(url).await?;
        indexes::prepare(&database).await?;
        let sharded = connect::is_cluster(&place);
        let store = Self {
            client,
            database,
            ids,
            place: place.into(),
            sharded,
            queues: Arc::default(),
            feed: Arc::default(),
            heart: Arc::default(),
            sealer: Sealer::default(),
            sealing: Arc::default(),
            home: Handle::current(),
            #[cfg(feature = "fault-injection")]
            role_locks: true,
        };
        store.first_beat().await?;
        Ok(store)
    }

    /// Seals what is put on record with the operator's key.
    #[must_use]
    pub fn with_sealer(mut self, sealer: Sealer) -> Self {
        self.sealer = sealer;
        self
    }

    /// As [`MongoStore::connect`], but neither roles, rooms and organizations nor the administration are locked: shows that
    /// the locks are what keeps a deleted role from being held, a deleted account from being a member, a room and an
    /// organization from losing the last owner, and the last administrator from going.
    ///
    /// # Errors
    /// As [`MongoStore::connect`].
    #[cfg(feature = "fault-injection")]
    pub async fn connect_without_role_locks(url: &str, ids: Arc<dyn Ids>) -> Result<Self> {
        Ok(Self::connect(url, ids).await?.without_locks())
    }

    /// The same store, whose operations take none of those locks from now on.
    #[cfg(feature = "fault-injection")]
    #[must_use]
    pub fn without_locks(mut self) -> Self {
        self.role_locks = false;
        self
    }

    /// As [`MongoStore::connect`], but statements are those for a sharded cluster, which a replica set understands as well.
    ///
    /// # Errors
    /// As [`MongoStore::connect`].
    #[cfg(feature = "fault-injection")]
    pub async fn connect_as_if_sharded(url: &str, ids: Arc<dyn Ids>) -> Result<Self> {
        let mut store = Self::connect(url, ids).await?;
        store.sharded = true;
        Ok(store)
    }

    /// The database, for tests that plant and read raw documents.
    #[cfg(feature = "fault-injection")]
    pub fn database(&self) -> Database {
        self.database.clone()
    }

    fn users(&self) -> Collection<Document> {
        self.database.collection(indexes::USERS)
    }

    fn roles(&self) -> Collection<Document> {
        self.database.collection(indexes::ROLES)
    }

    fn permissions(&self) -> Collection<Document> {
        self.database.collection(indexes::PERMISSIONS)
    }

    fn subscriptions(&self) -> Collection<Document> {
        self.database.collection(indexes::SUBSCRIPTIONS)
    }

    fn rooms(&self) -> Collection<Document> {
        self.database.collection(indexes::ROOMS)
    }

    fn settings(&self) -> Collection<Document> {
        self.database.collection(indexes::SETTINGS)
    }

    fn trash(&self) -> Collection<Document> {
        self.database.collection(indexes::TRASH)
    }

    fn locks(&self) -> Collection<Document> {
        self.database.collection(indexes::LOCKS)
    }

    fn second_factors(&self) -> Collection<Document> {
        self.database.collection(indexes::SECOND_FACTORS)
    }

    fn login_failures(&self) -> Collection<Document> {
        self.database.collection(indexes::LOGIN_FAILURES)
    }

    fn audit(&self) -> Collection<Document> {
        self.database.collection(indexes::AUDIT)
    }

    fn audit_heads(&self) -> Collection<Document> {
        self.database.collection(indexes::AUDIT_HEADS)
    }

    /// Does `work` where the connections are served, so that an answer of the server wakes the one who waits for it and no
    /// other thread in between: with six statements each, that is a third of the time of a change. And it goes on when
    /// whoever asked for it has gone.
    async fn at_home<T: Send + 'static>(&self, work: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
        let cut_short = |ended: JoinError| match ended.is_panic() {
            true => StoreError::Backend("an operation panicked".to_owned()),
            false => StoreError::Unavailable("the server is being stopped".to_owned()),
        };
        self.home.spawn(work).await.map_err(cut_short)?
    }

    /// A transaction for one operation; see [`transact`].
    async fn transaction(&self) -> Result<Transaction> {
        Transaction::new(&self.client, Arc::clone(&self.ids), Arc::clone(&self.feed)).await
    }

    /// One document, outside of any transaction.
    async fn find_one(
        &self,
        collection: &Collection<Document>,
        filter: Document,
        projection: Document,
    ) -> Result<Option<Document>> {
        collection.find_one(filter).projection(projection).await.map_err(store_error)
    }

    /// All documents that match, outside of any transaction, in the order of `sort` (of insertion when it is empty).
    async fn find(
        &self,
        collection: &Collection<Document>,
        filter: Document,
        projection: Document,
        sort: Document,
    ) -> Result<Vec<Document>> {
        let find = collection.find(filter).projection(projection).sort(sort).batch_size(transaction::AT_ONCE);
        find.await.map_err(store_error)?.try_collect().await.map_err(store_error)
    }
}

impl MongoStore {
    async fn ping_primary(&self) -> Result<()> {
        let answer = self.database.run_command(doc! { "hello": 1 }).await.map_err(unavailable)?;
        if !answer.get_bool("isWritablePrimary").unwrap_or(false) {
            return Err(StoreError::Unavailable("the MongoDB replica set has no writable primary".to_owned()));
        }
        self.roles().find_one(Document::new()).projection(doc! { "_id": 1 }).await.map_err(unavailable)?;
        Ok(())
    }
}

/// Compares without regard to case, as Rocket.Chat's own indexes do.
fn ignore_case() -> Collation {
    Collation::builder().locale("en").strength(CollationStrength::Secondary).build()
}

/// What MongoDB takes as a pattern, in bytes, with room to spare for what it makes of it; a longer one is refused as an
/// error of the query.
const LONGEST_PATTERN: usize = 16_000;

/// Whatever holds that text, in any case. Nothing of it is more than a text; nothing that is looked for in this way is as
/// long as a pattern cannot be.
fn holding(text: &str) -> Document {
    // A pattern ends at the first NUL, which the driver refuses; written out it is a character as any other.
    let pattern = regex::escape(text).replace('\0', r"\x00");
    if pattern.len() > LONGEST_PATTERN {
        doc! { "$in": [] }
    } else {
        doc! { "$regex": pattern, "$options": "i" }
    }
}

/// Role ids as a query takes them.
fn strings(roles: &[RoleId]) -> Vec<&str> {
    roles.iter().map(RoleId::as_str).collect()
}

#[async_trait]
impl Store for MongoStore {
    async fn seed(&self, seed: Seed, by: &AuditContext) -> Result<()> {
        transact!(self, tx => self.seed_in(&mut tx, &seed, by))
    }

    async fn ping(&self) -> Result<()> {
        // A server that hangs keeps its connections open; only a limit of our own notices.
        match tokio::time::timeout(PING_TIMEOUT, self.ping_primary()).await {
            Ok(answer) => answer,
            Err(_) => Err(StoreError::Unavailable("MongoDB does not answer in time".to_owned())),
        }
    }

    async fn rights(&self) -> Result<Arc<Rights>> {
        self.read_rights().await.map(Arc::new)
    }

    fn report_to(&self, listener: Arc<dyn Listener>) {
        self.feed.report_to(listener);
    }

    async fn follow(&self) {
        self.follow_changes().await;
    }

    async fn confirm(&self) -> Result<()> {
        self.confirm_reign().await
    }

    fn describe(&self) -> String {
        self.place.to_string()
    }
}

/// Whatever stands in the way of a ping means that the store cannot be used now.
fn unavailable(error: mongodb::error::Error) -> StoreError {
    match store_error(error) {
        StoreError::Backend(reason) | StoreError::Corrupt(reason) => StoreError::Unavailable(reason),
        other => other,
    }
}
