//! The threads that own the connections, and the queue in front of them: how an operation gets to its thread and what
//! happens to a waiting caller. When a transaction begins and ends is decided in `batch`, what is done inside one in the
//! files beside this one, and how a connection is opened in `open`.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::thread::JoinHandle;
use std::time::Duration;

use crossbeam_channel::{Receiver, Sender, TrySendError, bounded};
use rusqlite::Connection;
use tokio::sync::oneshot;

pub(super) use super::batch::Access;
use super::batch::{Operation, perform_alone, perform_together};
use crate::clock::Stopwatch;
use crate::domain::fact::Fact;
use crate::store::feed::Feed;
use crate::store::{Result, StoreError};

/// The most operations that wait; beyond them a caller is sent away at once instead of waiting without end.
const QUEUE_LENGTH: usize = 1024;

/// The most operations that share a transaction.
const MOST_TOGETHER: usize = 128;

/// How long a shared transaction takes in more operations: what the first one waits at most for those after it, the
/// last of them and the commit aside.
const LONGEST_TOGETHER: Duration = Duration::from_millis(10);

struct Work<T, F> {
    access: Access,
    work: F,
    facts: Vec<Fact>,
    outcome: Option<Result<T>>,
    reply: oneshot::Sender<Result<T>>,
}

impl<T, F> Operation for Work<T, F>
where
    T: Send,
    F: FnOnce(&Connection, &mut Vec<Fact>) -> Result<T> + Clone + Send,
{
    fn perform(&mut self, db: &Connection) -> bool {
        if self.access == Access::Read && self.reply.is_closed() {
            // Nobody waits for what it would find; under load others do.
            return false;
        }
        // A copy, because what fails together is done again alone.
        let work = self.work.clone();
        // A defect in one operation must not take the thread, and with it every later operation, away.
        let outcome = catch_unwind(AssertUnwindSafe(|| work(db, &mut self.facts)))
            .unwrap_or_else(|_| Err(StoreError::Backend("an operation panicked; nothing of it was kept".to_owned())));
        let keep = outcome.is_ok();
        self.outcome = Some(outcome);
        keep
    }

    fn report(&self, feed: &Feed) {
        // Also after a failure: what is not certain is read again.
        feed.changed(&self.facts);
    }

    fn answer(self: Box<Self>, ended: Result<()>) {
        // What was decided in a transaction that failed counts for nothing, a refusal included.
        let performed = || StoreError::Backend("an operation was not performed".to_owned());
        let Self { outcome, reply, .. } = *self;
        let answer = ended.and_then(|()| outcome.ok_or_else(performed)?);
        // Nobody listens when the caller has gone; what was accepted is done all the same.
        let _ = reply.send(answer);
    }
}

/// An operation, and where its outcome comes out.
pub(super) fn operation<T, F>(access: Access, work: F) -> (Box<dyn Operation>, oneshot::Receiver<Result<T>>)
where
    T: Send + 'static,
    F: FnOnce(&Connection, &mut Vec<Fact>) -> Result<T> + Clone + Send + 'static,
{
    let (reply, answer) = oneshot::channel();
    (Box::new(Work { access, work, facts: Vec::new(), outcome: None, reply }), answer)
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
    pub(super) fn start(name: &str, connections: Vec<Connection>, feed: &Arc<Feed>) -> Result<Self> {
        let (queue, tasks) = bounded(QUEUE_LENGTH);
        let mut workers = Self { queue: Some(queue), threads: Vec::with_capacity(connections.len()) };
        for connection in connections {
            let (tasks, feed): (Receiver<Task>, _) = (tasks.clone(), Arc::clone(feed));
            let thread = std::thread::Builder::new()
                .name(name.to_owned())
                .spawn(move || serve(&connection, &feed, &tasks))
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
        F: FnOnce(&Connection, &mut Vec<Fact>) -> Result<T> + Clone + Send + 'static,
    {
        let (operation, answer) = operation(access, work);
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

/// Performs what comes, in order, until nobody can send any more.
fn serve(db: &Connection, feed: &Feed, tasks: &Receiver<Task>) {
    // The one that did not fit to those before it.
    let mut kept_back = None;
    while let Some(task) = kept_back.take().or_else(|| tasks.recv().ok()) {
        if task.access == Access::Read {
            perform_alone(db, feed, Access::Read, task.operation);
            continue;
        }
        let began = Stopwatch::start();
        perform_together(db, feed, task.operation, |already| {
            if already == MOST_TOGETHER || began.elapsed() > LONGEST_TOGETHER || kept_back.is_some() {
                return None;
            }
            // Only what is here already: waiting for more would slow down whoever is alone.
            let task = tasks.try_recv().ok()?;
            if task.access == Access::Write {
                return Some(task.operation);
            }
            // It must not see what is not committed.
            kept_back = Some(task);
            None
        });
    }
}
