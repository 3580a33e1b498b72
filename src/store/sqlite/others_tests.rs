//! Changes that another process makes, as a listener hears of them.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};
use tokio::time::timeout;

use super::*;
use crate::clock::{RandomIds, Stopwatch};
use crate::domain::time::Timestamp;
use crate::store::RoleStore as _;

/// Only a test that fails waits that long.
const DEADLINE: Duration = Duration::from_secs(60);

#[derive(Debug, PartialEq, Eq)]
enum Heard {
    Changed,
    CaughtUp,
    Lost,
}

struct Ear(UnboundedSender<Heard>);

impl Listener for Ear {
    fn changed(&self, _: &[Fact]) {
        let _ = self.0.send(Heard::Changed);
    }

    fn caught_up(&self, _: Stopwatch) {
        let _ = self.0.send(Heard::CaughtUp);
    }

    fn lost(&self) {
        let _ = self.0.send(Heard::Lost);
    }
}

async fn next(heard: &mut UnboundedReceiver<Heard>) -> Heard {
    timeout(DEADLINE, heard.recv()).await.expect("in time").unwrap()
}

fn watched(location: Location) -> (Arc<SqliteStore>, UnboundedReceiver<Heard>) {
    let store = Arc::new(SqliteStore::open(location, Arc::new(RandomIds)).unwrap());
    let (ear, heard) = unbounded_channel();
    store.report_to(Arc::new(Ear(ear)));
    let following = Arc::clone(&store);
    tokio::spawn(async move { following.follow().await });
    (store, heard)
}

fn place() -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("rolekeeper.sqlite3");
    (directory, path)
}

#[tokio::test]
async fn a_change_by_another_process_is_heard_of_and_our_own_work_is_not_taken_for_one() {
    let (_directory, path) = place();
    let (store, mut heard) = watched(Location::File(path.clone()));
    assert_eq!(next(&mut heard).await, Heard::Lost, "nobody knows what was before");
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);

    let by = AuditContext::system(Timestamp::EPOCH);
    store.seed(Seed::defaults(Timestamp::EPOCH), &by).await.unwrap();
    assert_eq!(next(&mut heard).await, Heard::Changed);
    let admin = crate::domain::ids::RoleId::from_stored("admin");
    store.delete_role(&admin, &by).await.unwrap_err();
    store.list_roles().await.unwrap();
    // Writing the journal back changes the file, and nothing in it.
    let shell = Connection::open(&path).unwrap();
    shell.execute_batch("PRAGMA wal_checkpoint(PASSIVE)").unwrap();
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);

    shell.execute("UPDATE roles SET description = 'by hand' WHERE id = 'admin'", ()).unwrap();
    // A look that had begun before may still find nothing.
    while next(&mut heard).await != Heard::Lost {}
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);
    assert_eq!(store.find_role(&admin).await.unwrap().unwrap().description, "by hand");
}

#[tokio::test]
async fn nobody_catches_up_with_a_file_that_is_gone() {
    let (_directory, path) = place();
    let (_store, mut heard) = watched(Location::File(path.clone()));
    assert_eq!(next(&mut heard).await, Heard::Lost);
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);
    std::fs::remove_file(&path).unwrap();
    // Whatever was being asked when it went is answered; after that nothing is heard, however many periods pass.
    let silent = async { while timeout(3 * others::PERIOD, heard.recv()).await.is_ok() {} };
    timeout(DEADLINE, silent).await.expect("silence");
}

#[tokio::test]
async fn nobody_else_writes_into_memory() {
    let (_store, mut heard) = watched(Location::Memory);
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);
    assert_eq!(next(&mut heard).await, Heard::CaughtUp);
}
