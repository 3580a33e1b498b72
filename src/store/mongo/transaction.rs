//! Runs one business operation as one MongoDB transaction, again when another transaction was in the way. Which locks
//! an operation takes is in `locks`; what the driver's errors mean is in `error`.
//!
//! A body can run more than once, so it must not log, count or hand anything out: only its last run happened.

use std::collections::HashSet;
use std::sync::Arc;
use std::time::Duration;

use futures_util::TryStreamExt as _;
use mongodb::bson::{Document, doc};
use mongodb::options::{ReadConcern, ReadPreference, SelectionCriteria, WriteConcern};
use mongodb::{Client, ClientSession, Collection};

use super::audit_seal::Sealing;
use super::error::{Failure, Step, is_commit_unknown, is_transient, store_error};
use super::queues::Turn;
use crate::clock::{Ids, Stopwatch};
use crate::domain::fact::Fact;
use crate::domain::receipt::{KeptAnswer, Pending, Ticket};
use crate::store::feed::Feed;
use crate::store::{Result, StoreError};

/// How long an operation is tried; the statements and the commit of its last attempt may each take as long again.
const PATIENCE: Duration = Duration::from_secs(10);
/// The first pause, in milliseconds, before another attempt; each following one is twice as long up to the last.
const FIRST_PAUSE_MS: u64 = 4;
const LAST_PAUSE_MS: u64 = 64;
/// How long an abort is waited for; the server ends the transaction by itself if it does not come.
const ABORT_TIMEOUT: Duration = Duration::from_secs(1);
/// Documents that one answer may hold, so that short lists come with the first: the server sends 101 unless it is asked
/// for more.
pub(super) const AT_ONCE: u32 = 10_000;
/// How long a commit waits for the majority.
const WRITE_TIMEOUT: Duration = Duration::from_secs(5);

/// Runs `body`, which may use the transaction `tx`, until it is committed or refused. The receipt that goes along with a
/// change is written in the same transaction.
macro_rules! transact {
    ($store:expr, $tx:ident => $body:expr) => {{
        let mut $tx = $store.transaction().await?;
        loop {
            $tx.begin().await?;
            let outcome = crate::store::mongo::transaction::patiently(async {
                let outcome = $body.await?;
                let due = $tx.due(&outcome)?;
                $store.write_due(&mut $tx, due).await?;
                Ok(outcome)
            })
            .await;
            if let Some(result) = $tx.conclude(outcome).await {
                break result;
            }
        }
    }};
}
pub(super) use transact;

/// Runs one attempt's statements, but no longer than an operation is tried: neither very many statements nor a server
/// that keeps its connections open and says nothing may hold locks and callers for ever.
pub(super) async fn patiently<T>(body: impl Future<Output = Step<T>>) -> Step<T> {
    match tokio::time::timeout(PATIENCE, body).await {
        Ok(outcome) => outcome,
        Err(_) => Err(StoreError::Unavailable("MongoDB did not carry out the change in time".to_owned()).into()),
    }
}

/// Acknowledged writes are on the disks of a majority.
pub(super) fn write_concern() -> WriteConcern {
    let mut concern = WriteConcern::majority();
    concern.journal = Some(true);
    concern.w_timeout = Some(WRITE_TIMEOUT);
    concern
}

fn outcome_unknown() -> StoreError {
    StoreError::Unavailable("MongoDB did not confirm the change in time; its outcome is unknown".to_owned())
}

/// Tells what changed when it is dropped, whether whoever asked for the change still waits or not.
pub(super) struct Report {
    pub(super) feed: Arc<Feed>,
    pub(super) facts: Vec<Fact>,
}

impl Drop for Report {
    fn drop(&mut self) {
        self.feed.changed(&self.facts);
    }
}

/// One operation's transaction, through all its attempts.
pub(super) struct Transaction {
    /// For the driver's calls inside the transaction.
    pub(super) session: ClientSession,
    /// Keys of the locks that this attempt has taken.
    pub(super) held: HashSet<String>,
    /// Keys of locks that an earlier attempt turned out to need.
    pub(super) missed: HashSet<String>,
    /// The queues in which this attempt is at the head.
    pub(super) turns: Vec<Turn>,
    /// What this attempt makes untrue, once it is committed.
    pub(super) facts: Vec<Fact>,
    /// The receipt that goes along with whoever made the change that this attempt has put on record.
    pub(super) receipt: Option<Pending>,
    /// Who is to be told when this attempt is committed, because it has put something on record.
    pub(super) recorded: Option<Arc<Sealing>>,
    feed: Arc<Feed>,
    ids: Arc<dyn Ids>,
    since: Stopwatch,
    attempts: u32,
}

impl Transaction {
    /// Prepares a transaction; nothing is sent yet.
    pub(super) async fn new(client: &Client, ids: Arc<dyn Ids>, feed: Arc<Feed>) -> Result<Self> {
        let session = client.start_session().await.map_err(store_error)?;
        let (held, since) = (HashSet::new(), Stopwatch::start());
        let missed = HashSet::new();
        let (turns, facts) = (Vec::new(), Vec::new());
        let (receipt, recorded) = (None, None);
        Ok(Self { session, held, missed, turns, facts, receipt, recorded, feed, ids, since, attempts: 0 })
    }

    /// Begins an attempt. The server takes its snapshot at the first statement that follows.
    pub(super) async fn begin(&mut self) -> Result<()> {
        self.held.clear();
        self.facts.clear();
        if let Some(receipt) = self.receipt.take() {
            receipt.forget();
        }
        self.recorded = None;
        self.session
            .start_transaction()
            .read_concern(ReadConcern::snapshot())
            .write_concern(write_concern())
            .selection_criteria(SelectionCriteria::ReadPreference(ReadPreference::Primary))
            .await
            .map_err(store_error)
    }

    /// What is to be written besides, now that this came of the change.
    pub(super) fn due<T: 'static>(&self, outcome: &T) -> Result<Option<(Ticket, KeptAnswer)>> {
        let Some(pending) = &self.receipt else { return Ok(None) };
        Ok(Some((pending.ticket.clone(), pending.answer(outcome).map_err(StoreError::Backend)?)))
    }

    /// Ends an attempt: commits what came to its end, aborts everything else. `None` asks for another attempt.
    pub(super) async fn conclude<T>(&mut self, outcome: Step<T>) -> Option<Result<T>> {
        let error = match outcome {
            // Reported by a guard: whoever asked may go while the commit is under way, and it may have happened even where
            // its answer says nothing of the kind.
            Ok(value) => match self.commit_and_report().await {
                Ok(()) => return Some(Ok(value)),
                Err(Failure::Refused(error)) => return Some(Err(error)),
                Err(Failure::Driver(error)) => Some(error),
                Err(Failure::Outdated) => None,
            },
            Err(failure) => {
                // An abort that fails leaves the transaction to the server, which ends it by itself.
                let _ = tokio::time::timeout(ABORT_TIMEOUT, self.session.abort_transaction()).await;
                match failure {
                    Failure::Refused(error) => return Some(Err(error)),
                    Failure::Driver(error) => Some(error),
                    Failure::Outdated => None,
                }
            }
        };
        self.turns.clear();
        match error {
            Some(error) if !is_transient(&error) => Some(Err(store_error(error))),
            Some(error) if self.since.elapsed() >= PATIENCE => Some(Err(store_error(error))),
            None if self.since.elapsed() >= PATIENCE => {
                Some(Err(StoreError::Unavailable("other changes of the same things kept coming first".to_owned())))
            }
            _ => {
                self.pause().await;
                None
            }
        }
    }

    async fn commit_and_report(&mut self) -> Step<()> {
        let _report = Report { feed: Arc::clone(&self.feed), facts: std::mem::take(&mut self.facts) };
        let committed = self.commit().await;
        if let Some(sealing) = self.recorded.take() {
            sealing.want();
        }
        committed
    }

    /// Commits, and asks again while the answer is unknown: repeating a commit is safe.
    async fn commit(&mut self) -> Step<()> {
        loop {
            let Ok(committed) = tokio::time::timeout(PATIENCE, self.session.commit_transaction()).await else {
                return Err(outcome_unknown().into());
            };
            let Err(error) = committed else {
                return Ok(());
            };
            if !is_commit_unknown(&error) {
                return Err(error.into());
            }
            if self.since.elapsed() >= PATIENCE {
                return Err(outcome_unknown().into());
            }
            self.pause().await;
        }
    }

    /// Waits between half and all of a time that doubles with each attempt, so that rivals do not meet again.
    async fn pause(&mut self) {
        let longest = FIRST_PAUSE_MS.saturating_mul(1 << self.attempts.min(10)).min(LAST_PAUSE_MS);
        self.attempts += 1;
        let dice: u64 = self.ids.text(b"0123456789", 3).parse().unwrap_or_default();
        tokio::time::sleep(Duration::from_millis(longest / 2 + dice * longest / 2_000)).await;
    }

    /// One document, reduced to the fields of `projection` (all when it is empty).
    pub(super) async fn find_one(
        &mut self,
        collection: &Collection<Document>,
        filter: Document,
        projection: Document,
    ) -> Step<Option<Document>> {
        Ok(collection.find_one(filter).projection(projection).session(&mut self.session).await?)
    }

    /// Whether a document matches.
    pub(super) async fn exists(&mut self, collection: &Collection<Document>, filter: Document) -> Step<bool> {
        Ok(self.find_one(collection, filter, doc! { "_id": 1 }).await?.is_some())
    }

    /// All documents that match, in the order of `sort` (of insertion when it is empty), at most `limit` (0: all).
    pub(super) async fn find(
        &mut self,
        collection: &Collection<Document>,
        filter: Document,
        projection: Document,
        sort: Document,
        limit: i64,
    ) -> Step<Vec<Document>> {
        let find = collection.find(filter).projection(projection).sort(sort).limit(limit).batch_size(AT_ONCE);
        let mut cursor = find.session(&mut self.session).await?;
        Ok(cursor.stream(&mut self.session).try_collect().await?)
    }

    /// What an aggregation gives.
    pub(super) async fn aggregate(
        &mut self,
        collection: &Collection<Document>,
        pipeline: Vec<Document>,
    ) -> Step<Vec<Document>> {
        let mut cursor = collection.aggregate(pipeline).session(&mut self.session).await?;
        Ok(cursor.stream(&mut self.session).try_collect().await?)
    }
}
