//! Fresh stores for tests, one function for every backend. What a test wants to see that no method of the traits can
//! make (a bot, a personal token, a role that others left behind) is written past them by [`Raw`].

use std::sync::Arc;

use mongodb::Database;
use rolekeeper::clock::Clock as _;
use rolekeeper::clock::Ids;
use rolekeeper::domain::audit::{Actor, AuditContext};
use rolekeeper::domain::ids::UserId;
use rolekeeper::store::cached::CachedStore;
use rolekeeper::store::mongo::MongoStore;
use rolekeeper::store::sqlite::{Location, SqliteStore};
use rolekeeper::store::{CheckStore, Listener, Store};
use tempfile::TempDir;
use tokio::task::JoinHandle;

use super::clock::{TestClock, TestIds};
use super::{mongod, profile, wheel};

/// Every backend there is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Backend {
    /// SQLite in a file.
    SqliteFile,
    /// SQLite in memory.
    SqliteMemory,
    /// MongoDB, real.
    Mongo,
    /// SQLite in memory, with its facts kept.
    CachedSqlite,
    /// MongoDB, with its facts kept.
    CachedMongo,
}

/// Whether MongoDB takes the locks that keep roles and assignments, rooms and their owners, and an administrator in his
/// place together; SQLite has one writer either way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RoleLocks {
    /// As in a released binary.
    On,
    /// To show what they are for.
    Off,
    /// As in a released binary, with the statements for a sharded cluster.
    OnAsIfSharded,
}

/// The way past the traits.
pub enum Raw {
    /// SQL on the store's own connection.
    Sqlite(Arc<SqliteStore>),
    /// The store's database.
    Mongo(Database),
}

/// A store of its own for one test.
pub struct TestStore {
    /// What is tested.
    pub store: Arc<dyn Store>,
    /// The same, as it is examined and repaired.
    pub keeper: Arc<dyn CheckStore>,
    /// What time it is for [`TestStore::by`].
    pub clock: Arc<TestClock>,
    /// Where the store's ids come from.
    pub ids: Arc<TestIds>,
    /// The way past the traits.
    pub raw: Raw,
    /// Where facts are kept: what would tell of changes that are made past the traits.
    facts: Option<Facts>,
    // Removed with the store.
    directory: Option<TempDir>,
}

/// A store's facts in memory and who follows the changes.
struct Facts {
    listener: Arc<dyn Listener>,
    follower: JoinHandle<()>,
}

impl Drop for Facts {
    fn drop(&mut self) {
        self.follower.abort();
    }
}

/// An empty store: not even seeded.
pub async fn fresh(backend: Backend) -> TestStore {
    fresh_with(backend, RoleLocks::On).await
}

/// An empty store with or without its locks.
pub async fn fresh_with(backend: Backend, locks: RoleLocks) -> TestStore {
    let (clock, ids) = (Arc::new(TestClock::default()), Arc::new(TestIds::default()));
    match backend {
        Backend::SqliteFile => {
            std::fs::create_dir_all(wheel::scratch()).unwrap();
            let directory = tempfile::tempdir_in(wheel::scratch()).unwrap();
            let location = Location::File(directory.path().join("rolekeeper.db"));
            sqlite(location, clock, ids, Some(directory))
        }
        Backend::SqliteMemory => sqlite(Location::Memory, clock, ids, None),
        Backend::Mongo => mongo(locks, clock, ids).await,
        Backend::CachedSqlite => keeping_facts(sqlite(Location::Memory, clock, ids, None)).await,
        Backend::CachedMongo => keeping_facts(mongo(locks, clock, ids).await).await,
    }
}

/// The same store with its facts in memory, from which they are answered.
async fn keeping_facts(test: TestStore) -> TestStore {
    let cached = Arc::new(CachedStore::new(Arc::clone(&test.store), 100));
    let listener = cached.listener();
    let following = Arc::clone(&test.store);
    let follower = tokio::spawn(async move { following.follow().await });
    cached.until_live().await;
    TestStore { store: cached, facts: Some(Facts { listener, follower }), ..test }
}

fn sqlite(location: Location, clock: Arc<TestClock>, ids: Arc<TestIds>, directory: Option<TempDir>) -> TestStore {
    let store = Arc::new(SqliteStore::open(location, Arc::clone(&ids) as Arc<dyn Ids>).unwrap());
    let (plain, keeper) = (Arc::clone(&store) as _, Arc::clone(&store) as _);
    TestStore { store: plain, keeper, clock, ids, raw: Raw::Sqlite(store), facts: None, directory }
}

async fn mongo(locks: RoleLocks, clock: Arc<TestClock>, ids: Arc<TestIds>) -> TestStore {
    // Starting the shared server takes seconds and must not hold up the runtime's other tasks.
    let url = tokio::task::spawn_blocking(mongod::fresh_database_url).await.unwrap();
    let for_store = Arc::clone(&ids) as Arc<dyn Ids>;
    let store = match locks {
        RoleLocks::On => MongoStore::connect(&url, for_store).await,
        RoleLocks::Off => MongoStore::connect_without_role_locks(&url, for_store).await,
        RoleLocks::OnAsIfSharded => MongoStore::connect_as_if_sharded(&url, for_store).await,
    };
    let store = Arc::new(store.unwrap());
    let database = profile::database(&url).await;
    profile::watch(&database).await;
    let raw = Raw::Mongo(database);
    TestStore { store: Arc::clone(&store) as _, keeper: store, clock, ids, raw, facts: None, directory: None }
}

/// The id of the account that [`TestStore::by`] names.
pub const ACTOR_ID: &str = "actorActorActor23";

impl TestStore {
    /// The circumstances of a change that is made now.
    pub fn by(&self) -> AuditContext {
        AuditContext {
            actor: Actor::User { id: UserId::from_stored(ACTOR_ID), username: "root".to_owned() },
            at: self.clock.now(),
            request_id: Some("req-1".to_owned()),
            address: Some("192.0.2.7".to_owned()),
            reason: None,
            receipt: None,
        }
    }

    /// The circumstances of a change that is made one second later than the last.
    pub fn later(&self) -> AuditContext {
        self.clock.advance(1_000);
        self.by()
    }

    /// Where the store's file is, if it has one.
    pub fn file(&self) -> Option<std::path::PathBuf> {
        self.directory.as_ref().map(|directory| directory.path().join("rolekeeper.db"))
    }

    /// Tells that something was changed past the traits, as it would be told of other writers a little later.
    pub fn changed_past_it(&self) {
        if let Some(facts) = &self.facts {
            facts.listener.lost();
        }
    }

    /// Fails when the store had MongoDB do more than its answers needed; removes what the end of the process would not: a
    /// database on a server that stays.
    pub async fn finish(self) {
        drop(self.facts);
        if let Raw::Mongo(database) = self.raw {
            profile::assert_frugal(&database).await;
            database.drop().await.unwrap();
        }
    }
}
