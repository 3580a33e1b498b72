//! The threads that own the connections, and the queue in front of them. Here is when a transaction begins and ends
//! and what happens to a waiting caller; what is done inside one is the business of the files beside this one, and how
//! a connection is opened that of `open`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::thread::JoinHandle;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

use super::query::execute_plain;
use crate::store::{Result, StoreError};

/// The most operations that wait; beyond them a caller is sent away at once instead of waiting without end.
const QUEUE_LENGTH: usize = 1024;

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

/// One waiting operation. Doing and answering are two steps, so that several operations can share one commit (each
/// behind its savepoint) and still be answered only once all of them are durable.
trait Operation: Send {
    /// Does the work inside a transaction that somebody else began; `true` when its effects are to be kept.
    fn perform(&mut self, db: &Connection) -> bool;

    /// Tells the caller the outcome; `ended` is how the transaction ended.
    fn answer(self: Box<Self>, ended: Result<()>);
}

struct Work<T, F> {
    access: Access,
    work: Option<F>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Operation for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection) -> Result<T> + Send,
{
    fn perform(&mut self, db: &Connection) -> bool {
        if self.access == Access::Read && self.reply.is_closed() {
            // Nobody waits for what it would find; under load others do.
            return false;
        }
        let Some(work) = self.work.take() else { return false };
        // A defect in one operation must not take the thread, and with it every later operation, away.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(db)))
            .unwrap_or_else(|_| Err(StoreError::Backend("an operation panicked; nothing of it was kept".to_owned())));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn answer(self: Box<Self>, ended: Result<()>) {
        let answer = match (self.outcome, ended) {
            (Some(Err(refusal)), _) => Err(refusal),
            (_, Err(failure)) => Err(failure),
            (Some(done), Ok(())) => done,
            (None, Ok(())) => Err(StoreError::Backend("an operation was not performed".to_owned())),
        };
        // Nobody listens when the caller has gone; what was accepted is done all the same.
        let _ = self.reply.send(answer);
    }
}

struct Task {
    access: Access,
    operation: Box<dyn Operation>,
}

/// Threads with one connection each, fed by one queue. Dropping it waits until everything accepted is done.
pub(super) struct Workers {
    queue: Option<Sender<Task>>,
    threads: Vec<JoinHandle<()>>,
}

impl Workers {
    /// Starts one thread per connection.
    ///
    /// # Errors
    /// `Unavailable` when the system gives no thread.
    pub(super) fn start(name: &str, connections: Vec<Connection>) -> Result<Self> {
        let (queue, tasks) = bounded(QUEUE_LENGTH);
        let mut workers = Self { queue: Some(queue), threads: Vec::with_capacity(connections.len()) };
        for connection in connections {
            let tasks: Receiver<Task> = tasks.clone();
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || tasks.iter().for_each(|task| run(&connection, task)))
                .map_err(|error| StoreError::Unavailable(format!("a thread for the database cannot start: {error}")))?;
            workers.threads.push(thread);
        }
        Ok(workers)
    }

    /// Hands `work` to a thread and waits for its outcome, which is `Ok` only after the commit.
    ///
    /// # Errors
    /// Those of `work`; `Unavailable` when too much waits already.
    pub(super) async fn run<T, F>(&self, access: Access, work: F) -> Result<T>
    where
        T: Send + 'static,
        F: FnOnce(&Connection) -> Result<T> + Send + 'static,
    {
        let (reply, answer) = oneshot::channel();
        let operation = Box::new(Work { access, work: Some(work), outcome: None, reply });
        self.enqueue(Task { access, operation })?;
        answer.await.unwrap_or_else(|_| {
            Err(StoreError::Unavailable("the database thread ended before it could answer".to_owned()))
        })
    }

    fn enqueue(&self, task: Task) -> Result<()> {
        let closing = || StoreError::Unavailable("the database is being closed".to_owned());
        self.queue.as_ref().ok_or_else(closing)?.try_send(task).map_err(|error| match error {
            TrySendError::Full(_) => StoreError::Unavailable("too many operations wait for the database".to_owned()),
            TrySendError::Disconnected(_) => closing(),
        })
    }
}

impl Drop for Workers {
    fn drop(&mut self) {
        // Without a sender the threads end once the queue is empty.
        self.queue = None;
        for thread in self.threads.drain(..) {
            let _ = thread.join();
        }
    }
}

fn run(db: &Connection, mut task: Task) {
    let ended = execute_plain(db, task.access.begin()).and_then(|()| {
        let keep = task.operation.perform(db);
        execute_plain(db, if keep { "COMMIT" } else { "ROLLBACK" })
    });
    if !db.is_autocommit() {
        // A commit that failed leaves its transaction open; the next operation needs a fresh one.
        let _ = execute_plain(db, "ROLLBACK");
    }
    task.operation.answer(ended);
}
