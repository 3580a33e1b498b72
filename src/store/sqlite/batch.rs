//! How operations get their transactions: one that reads has its own, those that write and wait together share one, so
//! that the disk is asked once for all of them. Here is what that means for each of them when something fails; where
//! operations come from and who hears their outcome is in `worker`, what they do in the files beside it.
//!
//! The promise is that nobody can tell the difference from one transaction each:
//! * They are performed one after the other, and every one sees what those before it have left. One that comes after a
//!   kept change has a savepoint, so that its refusal, error or panic takes back its own part and nothing else.
//! * Nobody is answered before the commit, the refused included: a refusal may rest on what a neighbour has just
//!   written ("the name is taken"), and must not be heard while that can still be lost. Only the first may be: nothing
//!   comes before it. When it is refused, its transaction ends with it, without a commit.
//! * When a shared transaction fails, nothing of it is kept: SQLite rolls back as a whole when the disk is full or
//!   cannot be read or when memory runs out in the middle, and we do when it cannot commit. Then every operation in it is
//!   performed again, in the same order, in a transaction of its own, and has the outcome of that: the one that filled
//!   the disk fails, and those that fit are done. What the first attempt decided is forgotten, refusals included.

use rusqlite::Connection;

use super::query::control;
use crate::store::feed::Feed;
use crate::store::{Result, StoreError};

/// What an operation needs of its transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Access {
    /// One consistent view of the data.
    Read,
    /// The right to write, taken before the first read, so that a decision cannot go stale before its write.
    Write,
}

impl Access {
    const fn begin(self) -> &'static str {
        match self {
            Self::Read => "BEGIN DEFERRED",
            Self::Write => "BEGIN IMMEDIATE",
        }
    }
}

/// One waiting operation. Doing, reporting and answering are steps of their own, so that several operations can share
/// one commit and still be answered only once all of them are durable.
pub(super) trait Operation: Send {
    /// Does the work inside a transaction that somebody else began; `true` when its effects are to be kept. Can be
    /// done again after nothing was kept.
    fn perform(&mut self, db: &Connection) -> bool;

    /// Tells `feed` what changed.
    fn report(&self, feed: &Feed);

    /// Tells the caller the outcome; `ended` is how the transaction ended.
    fn answer(self: Box<Self>, ended: Result<()>);
}

/// Performs one operation in a transaction of its own.
pub(super) fn perform_alone(db: &Connection, feed: &Feed, access: Access, mut operation: Box<dyn Operation>) {
    let ended = control(db, access.begin()).and_then(|()| match operation.perform(db) {
        true => control(db, "COMMIT"),
        false => Ok(()),
    });
    roll_back_rest(db);
    operation.report(feed);
    operation.answer(ended);
}

/// Performs an operation that writes, together with those that `next` gives when it is told how many there are.
pub(super) fn perform_together(
    db: &Connection,
    feed: &Feed,
    first: Box<dyn Operation>,
    next: impl FnMut(usize) -> Option<Box<dyn Operation>>,
) {
    let mut batch = vec![first];
    let ended = commit_together(db, &mut batch, next);
    roll_back_rest(db);
    if ended.is_err() && batch.len() > 1 {
        return batch.into_iter().for_each(|operation| perform_alone(db, feed, Access::Write, operation));
    }
    // Everything is reported before anybody is answered: what one caller may see by now, no copy contradicts.
    batch.iter().for_each(|operation| operation.report(feed));
    batch.into_iter().for_each(|operation| operation.answer(ended.clone()));
}

/// Everything that was taken from `next` is in `batch` afterwards.
fn commit_together(
    db: &Connection,
    batch: &mut Vec<Box<dyn Operation>>,
    mut next: impl FnMut(usize) -> Option<Box<dyn Operation>>,
) -> Result<()> {
    control(db, Access::Write.begin())?;
    if !batch.iter_mut().all(|first| first.perform(db)) {
        return Ok(());
    }
    while let Some(mut operation) = next(batch.len()) {
        let taken = perform_behind_savepoint(db, operation.as_mut());
        batch.push(operation);
        taken?;
    }
    control(db, "COMMIT")
}

fn perform_behind_savepoint(db: &Connection, operation: &mut dyn Operation) -> Result<()> {
    control(db, "SAVEPOINT operation")?;
    let keep = operation.perform(db);
    if db.is_autocommit() {
        return Err(StoreError::Unavailable("the database took a transaction back".to_owned()));
    }
    if !keep {
        control(db, "ROLLBACK TO operation")?;
    }
    control(db, "RELEASE operation")
}

/// Ends what was not committed: a refusal, or a commit that failed and left its transaction open.
fn roll_back_rest(db: &Connection) {
    if !db.is_autocommit() {
        // Should this fail, no later transaction can begin, and every operation says so.
        let _ = control(db, "ROLLBACK");
    }
}
