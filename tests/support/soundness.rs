//! What a server leaves behind is examined as an operator would: by a store of its own that only reads, with everything
//! that `rolekeeper doctor` asks.

use std::sync::Arc;

use rolekeeper::app::DATABASE_FILE;
use rolekeeper::domain::finding::{Finding, Severity};
use rolekeeper::service::doctor::{Report, Treatment, examine};
use rolekeeper::store::CheckStore;
use rolekeeper::store::mongo::{Collections, MongoStore};
use rolekeeper::store::sqlite::SqliteStore;

use super::clock::{TestClock, TestIds};
use super::server::{Place, TestServer};

impl TestServer {
    /// Asserts that no invariant of the workspace is broken.
    pub async fn assert_sound(&self) {
        let ids = Arc::new(TestIds::default());
        let store: Box<dyn CheckStore> = match &self.place {
            Place::Folder(folder) => {
                Box::new(SqliteStore::open_to_check(&folder.path().join(DATABASE_FILE), ids).unwrap())
            }
            Place::Database(url) => {
                Box::new(MongoStore::connect_to_check(url, ids, Collections::AsTheyAre).await.unwrap())
            }
        };
        let mut broken: Vec<Finding> = Vec::new();
        let mut keep = |report: Report<'_>| match report {
            Report::Found(finding) if finding.severity() == Severity::Problem => broken.push(finding.clone()),
            _ => {}
        };
        examine(store.as_ref(), &TestClock::default(), Treatment::Examine, &mut keep).await.unwrap();
        assert_eq!(broken, [], "the workspace is sound");
    }
}
