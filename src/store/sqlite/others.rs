//! What other processes do to the file: an administrator with a shell of SQLite, a command of this program beside the
//! server. SQLite tells only that there was something, so whatever is kept of this store in memory stops counting then.
//! Changes of our own are reported by `batch`.

use std::path::Path;
use std::time::Duration;

use super::query::Query as _;
use super::worker::Access;
use super::{Location, SqliteStore};
use crate::clock::Stopwatch;
use crate::store::{Result, StoreError};

/// How often others are looked for.
pub(super) const PERIOD: Duration = Duration::from_millis(500);

/// Looks for others until it is dropped, at once and then after every period. Where it is not known whether there were
/// any (the file is gone, the writer does not come to it), nobody is told that he has caught up.
///
/// **The bound**: a change that another process has committed is reported one [`PERIOD`] (half a second) later at most,
/// and the time that the question waits behind other work of the writer. Changes made through this store are reported
/// before their caller is answered and have no such bound.
pub(super) async fn follow(store: &SqliteStore) {
    // Before the first look there is nothing to compare with, so it finds a change wherever there can be one.
    let mut seen = matches!(store.location, Location::Memory).then_some(0);
    loop {
        let moment = Stopwatch::start();
        if let Ok(version) = version(store).await {
            if seen.replace(version).is_none_or(|before| before != version) {
                store.feed.lost();
            }
            store.feed.caught_up(moment);
        }
        tokio::time::sleep(PERIOD).await;
    }
}

/// A number that differs from the last one exactly when somebody else has committed in between.
async fn version(store: &SqliteStore) -> Result<u64> {
    let Location::File(path) = &store.location else { return Ok(0) };
    require_present(path)?;
    // On the connection that writes: what a connection commits itself does not count for it, and the others only read.
    store.writer.run(Access::Read, |db, _| db.count("PRAGMA data_version", ())).await
}

/// Refuses when the file is not there any more: SQLite would go on with one that nobody else can open.
pub(super) fn require_present(path: &Path) -> Result<()> {
    if path.exists() {
        return Ok(());
    }
    Err(StoreError::Unavailable(format!("the database {} is gone", path.display())))
}
