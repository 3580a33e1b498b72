//! What operations that share a transaction notice of each other: nothing, whatever happens to one of them.

use std::path::Path;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use rusqlite::Connection;
use tempfile::TempDir;
use tokio::sync::oneshot::Receiver;
use tokio::sync::oneshot::error::TryRecvError;

use super::batch::{Access, Operation, perform_alone, perform_together};
use super::open::open_file;
use super::query::{Query as _, execute_plain, text};
use super::worker::operation;
use crate::clock::Stopwatch;
use crate::domain::fact::Fact;
use crate::store::feed::{Feed, Listener};
use crate::store::{Noun, Result, StoreError, Unique};

const TAKEN: StoreError = StoreError::AlreadyExists(Unique::RoleName);

type Waiting = (Box<dyn Operation>, Receiver<Result<()>>);

struct File {
    directory: TempDir,
    db: Connection,
}

impl File {
    fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (db, _) = open_file(&directory.path().join("rolekeeper.sqlite3"), 0).unwrap();
        Self { directory, db }
    }

    /// What is committed, as another process sees it.
    fn committed(&self) -> Vec<String> {
        committed(self.directory.path())
    }

    /// Performs them in one transaction and gives back what each caller was told.
    fn together(&self, operations: Vec<Waiting>) -> Vec<Result<()>> {
        let (mut operations, answers): (Vec<_>, Vec<_>) = operations.into_iter().unzip();
        let first = operations.remove(0);
        let mut rest = operations.into_iter();
        perform_together(&self.db, &Feed::default(), first, |_| rest.next());
        // What a failure left over is performed as the thread would do it.
        rest.for_each(|operation| perform_alone(&self.db, &Feed::default(), Access::Write, operation));
        assert!(self.db.is_autocommit(), "nothing stays open");
        answers.into_iter().map(|mut answer| answer.try_recv().unwrap()).collect()
    }
}

fn committed(directory: &Path) -> Vec<String> {
    let db = Connection::open(directory.join("rolekeeper.sqlite3")).unwrap();
    db.all("SELECT id FROM settings ORDER BY id", (), text).unwrap()
}

/// Something small to change.
fn put(db: &Connection, name: &str) -> Result<()> {
    db.change("INSERT INTO settings (id, value) VALUES (?1, 'null')", [name])
}

fn putting(name: &'static str) -> Waiting {
    operation(Access::Write, move |db, _| put(db, name))
}

/// Refused when `name` is there, and otherwise done.
fn unless_there(name: &'static str, performed: Arc<AtomicUsize>) -> Waiting {
    operation(Access::Write, move |db, _| {
        performed.fetch_add(1, Ordering::SeqCst);
        match db.exists("SELECT 1 FROM settings WHERE id = ?1", [name])? {
            true => Err(TAKEN),
            false => put(db, name),
        }
    })
}

fn filling_the_disk() -> Waiting {
    operation(Access::Write, |db, _| {
        db.change("INSERT INTO settings (id, value) VALUES ('large', ?1)", ["x".repeat(1_000_000)])
    })
}

#[test]
fn a_refusal_an_error_and_a_panic_take_back_their_own_part_alone() {
    let file = File::new();
    let answers = file.together(vec![
        putting("a"),
        operation(Access::Write, |db, _| put(db, "b").and(Err(StoreError::NotFound(Noun::Role)))),
        operation(Access::Write, |db, _| put(db, "c").and_then(|()| put(db, "a"))),
        operation(Access::Write, |db, _| {
            put(db, "d").unwrap();
            panic!("a defect")
        }),
        unless_there("a", Arc::default()),
        putting("e"),
    ]);
    assert_eq!(file.committed(), ["a", "e"]);
    let [a, b, c, d, again, e] = answers.try_into().unwrap();
    assert_eq!((a, b, again, e), (Ok(()), Err(StoreError::NotFound(Noun::Role)), Err(TAKEN), Ok(())));
    assert!(matches!(c, Err(StoreError::Backend(reason)) if reason.contains("UNIQUE")));
    assert!(matches!(d, Err(StoreError::Backend(reason)) if reason.contains("panicked")));
}

#[test]
fn a_first_operation_that_is_refused_is_answered_before_anybody_else_is_taken_in() {
    let file = File::new();
    let (first, mut answer) =
        operation(Access::Write, |db, _| put(db, "a").and(Err::<(), _>(StoreError::NotFound(Noun::Role))));
    perform_together(&file.db, &Feed::default(), first, |_| panic!("nobody is asked for"));
    assert_eq!(answer.try_recv().unwrap(), Err(StoreError::NotFound(Noun::Role)));
    assert!(file.committed().is_empty() && file.db.is_autocommit());
}

#[test]
fn nothing_is_committed_and_nobody_answered_before_the_last_one_is_done() {
    let file = File::new();
    let (a, mut answer_a) = putting("a");
    let (b, answer_b) = unless_there("a", Arc::default());
    let mut rest = vec![putting("c").0, b];
    perform_together(&file.db, &Feed::default(), a, |already| {
        assert_eq!(already, 3 - rest.len());
        assert!(file.committed().is_empty());
        assert_eq!(answer_a.try_recv(), Err(TryRecvError::Empty));
        rest.pop()
    });
    assert_eq!(file.committed(), ["a", "c"]);
    assert_eq!(answer_a.try_recv().unwrap(), Ok(()));
    assert_eq!(answer_b.blocking_recv().unwrap(), Err(TAKEN), "it saw what its neighbour had written");
}

#[test]
fn who_fills_the_disk_fails_alone() {
    let file = File::new();
    execute_plain(&file.db, "PRAGMA max_page_count = 150").unwrap();
    let performed = Arc::new(AtomicUsize::new(0));
    let answers = file.together(vec![
        putting("a"),
        unless_there("a", Arc::clone(&performed)),
        filling_the_disk(),
        unless_there("b", Arc::clone(&performed)),
    ]);
    let full = StoreError::Unavailable("the disk is full".to_owned());
    assert_eq!(answers, [Ok(()), Err(TAKEN), Err(full), Ok(())]);
    assert_eq!(file.committed(), ["a", "b"]);
    assert_eq!(performed.load(Ordering::SeqCst), 3, "the one before the failure was done again, the other not");
}

#[test]
fn a_commit_that_fails_is_the_failure_of_the_one_that_made_it_fail() {
    let file = File::new();
    let orphan = "INSERT INTO backup_codes (user_id, hash) VALUES ('nobody', 'x')";
    let answers = file.together(vec![
        unless_there("a", Arc::default()),
        operation(Access::Write, move |db, _| {
            execute_plain(db, "PRAGMA defer_foreign_keys = ON")?;
            db.change(orphan, ())
        }),
        unless_there("a", Arc::default()),
        putting("b"),
    ]);
    let [a, orphan, again, b] = answers.try_into().unwrap();
    assert_eq!((a, again, b), (Ok(()), Err(TAKEN), Ok(())));
    assert!(matches!(orphan, Err(StoreError::Backend(reason)) if reason.contains("FOREIGN KEY")));
    assert_eq!(file.committed(), ["a", "b"]);
}

#[test]
fn a_refusal_that_rested_on_what_was_lost_is_not_heard() {
    let file = File::new();
    let attempts = Arc::new(AtomicUsize::new(0));
    // Writes at the first attempt only, as if its second met a disk that has become full.
    let once = Arc::clone(&attempts);
    let fleeting = operation(Access::Write, move |db, _| match once.fetch_add(1, Ordering::SeqCst) {
        0 => put(db, "a"),
        _ => Err(StoreError::Unavailable("the disk is full".to_owned())),
    });
    execute_plain(&file.db, "PRAGMA max_page_count = 150").unwrap();
    let answers = file.together(vec![fleeting, unless_there("a", Arc::default()), filling_the_disk()]);
    assert!(matches!(&answers[0], Err(StoreError::Unavailable(_))));
    assert_eq!(answers[1], Ok(()), "the name was free after all");
    assert_eq!(file.committed(), ["a"]);
}

/// Looks, when it is told of a change, what others can see by then.
struct Witness {
    directory: std::path::PathBuf,
    answers: Mutex<Vec<Receiver<Result<()>>>>,
    seen: Mutex<Vec<(usize, usize)>>,
}

impl Listener for Witness {
    fn changed(&self, _: &[Fact]) {
        let mut answers = self.answers.lock().unwrap();
        let unanswered = answers.iter_mut().filter_map(|answer| answer.try_recv().err()).count();
        self.seen.lock().unwrap().push((committed(&self.directory).len(), unanswered));
    }

    fn caught_up(&self, _: Stopwatch) {}

    fn lost(&self) {}
}

#[test]
fn every_change_is_durable_when_it_is_reported_and_reported_before_anybody_is_answered() {
    let file = File::new();
    let reporting = |name: &'static str| {
        operation(Access::Write, move |db, facts| {
            facts.push(Fact::Rights);
            put(db, name)
        })
    };
    let ((a, answer_a), (b, answer_b)) = (reporting("a"), reporting("b"));
    let witness = Arc::new(Witness {
        directory: file.directory.path().to_owned(),
        answers: Mutex::new(vec![answer_a, answer_b]),
        seen: Mutex::default(),
    });
    let feed = Feed::default();
    feed.report_to(Arc::clone(&witness) as Arc<dyn Listener>);
    let mut rest = Some(b);
    perform_together(&file.db, &feed, a, |_| rest.take());
    assert_eq!(*witness.seen.lock().unwrap(), [(2, 2), (2, 2)]);
}
