//! What was acknowledged is still there after the server, or the MongoDB server under it, was killed in the middle of
//! changes; what was not acknowledged is there completely or not at all.
//!
//! Each client takes roles through the same life, made, granted, assigned, unassigned, deleted, and notes before each
//! step that it tries and after it that it was told of success. Half of the roles stop after the third step, so that
//! there is something to lose.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use mongodb::bson::doc;
use serde_json::{Value, json};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::client::Session;
use crate::facts::{Facts, Source};
use crate::support::mongod::{Mongod, Options};
use crate::support::process::Launch;
use crate::{PASSWORD, data_directory, launch};

const CLIENTS: usize = 4;
/// A client gives up after that; the server must have answered before. It tries for fifteen seconds.
const LONGEST_ANSWER: Duration = Duration::from_secs(20);

/// The steps of a role's life, in order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Step {
    Nothing,
    Made,
    Granted,
    Assigned,
    Unassigned,
    Deleted,
}

/// What a client knows of one role.
#[derive(Debug, Clone)]
struct Life {
    name: String,
    /// Known once it was told.
    id: Option<String>,
    tried: Step,
    told: Step,
}

/// One client: an account of its own to assign to, a permission of its own to grant with.
struct Worker {
    session: Session,
    username: String,
    permission: String,
    lives: Vec<Life>,
    /// Counts what was acknowledged to all clients of a round.
    told: Arc<AtomicU32>,
    news: watch::Sender<u32>,
}

/// Why a client did not go on with a role.
enum Trouble {
    /// No answer: the server is gone.
    Gone,
    /// 503.
    Unavailable,
}

impl Worker {
    /// Takes roles through their lives until the server is gone, or until `enough` were taken.
    async fn work(mut self, round: u32, mut enough: watch::Receiver<bool>) -> Self {
        for number in 0.. {
            if *enough.borrow_and_update() {
                break;
            }
            let last = if number % 2 == 0 { Step::Deleted } else { Step::Assigned };
            let name = format!("r{round}-{}-{number}", self.username);
            self.lives.push(Life { name, id: None, tried: Step::Nothing, told: Step::Nothing });
            match self.live(last).await {
                Ok(()) | Err(Trouble::Unavailable) => {}
                Err(Trouble::Gone) => break,
            }
        }
        self
    }

    async fn live(&mut self, last: Step) -> Result<(), Trouble> {
        let name = self.life().name.clone();
        let made = self.step(Step::Made, "roles.create", json!({"name": name})).await?;
        let id = made["role"]["_id"].as_str().unwrap().to_owned();
        self.life().id = Some(id.clone());
        let permissions = json!([{"_id": self.permission, "roles": self.grantees()}]);
        self.step(Step::Granted, "permissions.update", json!({"permissions": permissions})).await?;
        let holding = json!({"username": self.username, "roleId": id});
        self.step(Step::Assigned, "roles.addUserToRole", holding.clone()).await?;
        if last == Step::Assigned {
            return Ok(());
        }
        self.step(Step::Unassigned, "roles.removeUserFromRole", holding).await?;
        self.step(Step::Deleted, "roles.delete", json!({"roleId": id})).await?;
        Ok(())
    }

    async fn step(&mut self, step: Step, method: &str, body: Value) -> Result<Value, Trouble> {
        self.life().tried = step;
        let reply = match self.session.post(method, &body).await {
            Ok(reply) => reply,
            Err(error) => {
                assert!(!error.is_timeout(), "no answer to {method} within {LONGEST_ANSWER:?}");
                return Err(Trouble::Gone);
            }
        };
        if reply.status == 503 {
            reply.assert_unavailable();
            return Err(Trouble::Unavailable);
        }
        let body = reply.ok();
        self.life().told = step;
        self.news.send_replace(self.told.fetch_add(1, Ordering::SeqCst) + 1);
        Ok(body)
    }

    fn life(&mut self) -> &mut Life {
        self.lives.last_mut().unwrap()
    }

    /// Who has the permission: the administrators and every role that was granted it and is there for certain.
    fn grantees(&self) -> Vec<&str> {
        let current = self.lives.last().and_then(|life| life.id.as_deref());
        let kept = self.lives.iter().filter(|life| life.told >= Step::Granted && life.tried < Step::Deleted);
        let kept = kept.filter_map(|life| life.id.as_deref());
        ["admin"].into_iter().chain(kept).chain(current).collect()
    }
}

/// The clients between rounds.
struct Crew {
    workers: Vec<Worker>,
    told: Arc<AtomicU32>,
    counted: watch::Receiver<u32>,
}

impl Crew {
    /// Makes the accounts and picks the permissions, none of which the administrator needs here.
    async fn gather(url: &str) -> Self {
        let mut session = Session::with_limit(url, LONGEST_ANSWER);
        session.log_in("admin", PASSWORD).await;
        let listed = session.get("permissions.listAll", &[]).await.unwrap().ok();
        let ids = listed["update"].as_array().unwrap().iter().map(|permission| permission["_id"].as_str().unwrap());
        let mut spare = ids.filter(|id| id.starts_with("delete-") || id.starts_with("edit-")).map(str::to_owned);
        let told = Arc::new(AtomicU32::new(0));
        let (news, counted) = watch::channel(0);
        let mut workers = Vec::new();
        for number in 0..CLIENTS {
            let username = format!("holder{number}");
            let email = format!("{username}@example.org");
            let user = json!({"name": "H", "username": username, "email": email, "password": PASSWORD});
            session.post("users.create", &user).await.unwrap().ok();
            let (session, permission) = (session.clone(), spare.next().unwrap());
            let (told, news) = (Arc::clone(&told), news.clone());
            workers.push(Worker { session, username, permission, lives: Vec::new(), told, news });
        }
        Self { workers, told, counted }
    }

    /// Sends them to work.
    fn start(&mut self, url: &str, round: u32) -> Shift {
        let (enough, until) = watch::channel(false);
        let mut working = JoinSet::new();
        for mut worker in self.workers.drain(..) {
            worker.session = worker.session.moved_to(url);
            working.spawn(worker.work(round, until.clone()));
        }
        Shift { working, enough }
    }

    /// Waits until that many more changes were acknowledged.
    async fn until_told(&mut self, more: u32) {
        let wanted = self.told.load(Ordering::SeqCst) + more;
        self.counted.wait_for(|count| *count >= wanted).await.unwrap();
    }

    /// Waits until all of them have come back.
    async fn gather_again(&mut self, shift: Shift) {
        self.workers = shift.working.join_all().await;
    }

    fn lives(&self) -> impl Iterator<Item = &Life> {
        self.workers.iter().flat_map(|worker| &worker.lives)
    }
}

struct Shift {
    working: JoinSet<Worker>,
    enough: watch::Sender<bool>,
}

/// Compares what is there with what the clients were told.
fn compare(facts: &Facts, lives: &[Life]) {
    for life in lives {
        let by_name = facts.roles.iter().find(|(_, name)| **name == life.name).map(|(id, _)| id.clone());
        let Some(id) = life.id.clone().or_else(|| by_name.clone()) else { continue };
        assert_whole(facts, &id, life);
        let there = by_name.as_deref() == Some(&*id);
        let (granted, held) = (facts.granted.contains(&id), facts.held.contains(&id));
        let state = format!("{life:?}: there {there}, granted {granted}, held {held}");
        // What must be: done and told, and nothing tried that undoes it.
        assert!(there || life.told < Step::Made || life.tried >= Step::Deleted, "lost: {state}");
        assert!(granted || life.told < Step::Granted || life.tried >= Step::Deleted, "lost: {state}");
        assert!(held || life.told < Step::Assigned || life.tried >= Step::Unassigned, "lost: {state}");
        // What must not be: undone and told, or never tried.
        assert!(!there || life.told < Step::Deleted, "back again: {state}");
        assert!(!granted || life.tried >= Step::Granted, "never asked for: {state}");
        assert!(!held || (life.tried >= Step::Assigned && life.told < Step::Unassigned), "back again: {state}");
    }
}

/// No half of anything: neither a name of a role that is gone, nor a change without its entry, nor the reverse.
fn assert_whole(facts: &Facts, id: &str, life: &Life) {
    let (there, held) = (facts.roles.contains_key(id), facts.held.contains(id));
    assert!(there || !facts.granted.contains(id), "a permission names a role that is gone: {life:?}");
    assert!(there || !held, "an account holds a role that is gone: {life:?}");
    let times = |action| facts.recorded(action, id);
    let entries = (times("role_created"), times("role_deleted"), times("role_assigned"), times("role_unassigned"));
    assert_eq!(entries.0, 1, "made: {life:?} {entries:?}");
    assert_eq!(entries.1, u32::from(!there), "deleted: {life:?} {entries:?}");
    assert_eq!(entries.2, entries.3 + u32::from(held), "assigned and unassigned: {life:?} {entries:?}");
}

/// Kills the server `rounds` times in the middle of changes.
async fn survives_kills_of_the_server(launch: &Launch, source: &Source, rounds: u32) {
    let first = launch.serve();
    let mut crew = Crew::gather(&first.url()).await;
    let mut server = Some(first);
    for round in 0..rounds {
        let running = server.take().unwrap_or_else(|| launch.serve());
        let shift = crew.start(&running.url(), round);
        // Another moment each time.
        crew.until_told(20 + 7 * round).await;
        running.kill();
        crew.gather_again(shift).await;
    }
    // The store is opened by a server again before it is looked at: that is how anybody would see it.
    let last = launch.serve();
    let mut session = crew.workers[0].session.moved_to(&last.url());
    let listed = session.get("roles.list", &[]).await.unwrap().ok();
    session.log_in("admin", PASSWORD).await;
    last.stop();
    let facts = Facts::read(source).await;
    assert_eq!(listed["roles"].as_array().unwrap().len(), facts.roles.len(), "the server sees what there is");
    compare(&facts, &crew.lives().cloned().collect::<Vec<_>>());
    assert!(
        crew.lives().any(|life| life.told == Step::Assigned) && crew.lives().any(|life| life.told == Step::Deleted)
    );
}

#[tokio::test]
async fn on_sqlite_acknowledged_changes_survive_kills_of_the_server() {
    let directory = data_directory();
    let source = Source::Sqlite(directory.path().join("rolekeeper.sqlite3"));
    survives_kills_of_the_server(&launch(&directory), &source, 8).await;
}

#[tokio::test]
async fn on_mongodb_acknowledged_changes_survive_kills_of_the_server() {
    let mongod = Mongod::start(Options::ReplicaSet).await;
    let url = mongod.url("rocketchat");
    end_abandoned_transactions_soon(&url).await;
    let launch = Launch::on_mongo(&url).env("ADMIN_PASS", PASSWORD);
    survives_kills_of_the_server(&launch, &Source::Mongo(url), 4).await;
}

/// What a killed server left open holds others up until MongoDB ends it, by default after a minute: too long for a test.
async fn end_abandoned_transactions_soon(url: &str) {
    let admin = mongodb::Client::with_uri_str(url).await.unwrap().database("admin");
    admin.run_command(doc! { "setParameter": 1, "transactionLifetimeLimitSeconds": 3 }).await.unwrap();
}

#[tokio::test]
async fn acknowledged_changes_survive_a_kill_of_mongodb_and_the_server_recovers_by_itself() {
    let mongod = Mongod::start(Options::ReplicaSet).await;
    let url = mongod.url("rocketchat");
    let server = Launch::on_mongo(&url).env("ADMIN_PASS", PASSWORD).serve();
    let mut crew = Crew::gather(&server.url()).await;
    let shift = crew.start(&server.url(), 0);
    crew.until_told(30).await;
    mongod.kill();

    // While there is no store, everything says so, and the process itself is well.
    let outsider = Session::with_limit(&server.url(), LONGEST_ANSWER);
    let reply = outsider.post("login", &json!({"user": "admin", "password": PASSWORD})).await.unwrap();
    assert_eq!(reply.status, 503, "{reply:?}");
    reply.assert_unavailable();
    let told = crew.told.load(Ordering::SeqCst);
    assert_eq!(outsider.get_path("/ready").await.unwrap().status, 503);
    assert_eq!(outsider.get_path("/health").await.unwrap().status, 200);
    assert_eq!(crew.told.load(Ordering::SeqCst), told, "acknowledged without a store");

    mongod.restart().await;
    crew.until_told(30).await;
    assert_eq!(outsider.get_path("/ready").await.unwrap().status, 200);
    shift.enough.send_replace(true);
    crew.gather_again(shift).await;
    let ended = server.stop();
    assert_eq!(ended.code(), Some(0), "{ended:?}");
    let refused = crew.lives().filter(|life| life.tried > life.told).count();
    assert!(refused > 0, "nobody noticed");
    compare(&Facts::read(&Source::Mongo(url)).await, &crew.lives().cloned().collect::<Vec<_>>());
}

/// What a client knows of a role, and what is there, for the tests of the comparison itself.
fn one_role(tried: Step, told: Step) -> (Facts, Vec<Life>) {
    let (id, name) = ("id".to_owned(), "name".to_owned());
    let entries = [("role_created", 1), ("role_assigned", 1)];
    let facts = Facts {
        roles: [(id.clone(), name.clone())].into(),
        granted: [id.clone()].into(),
        held: [id.clone()].into(),
        record: entries.map(|(action, times)| ((action.to_owned(), id.clone()), times)).into(),
    };
    (facts, vec![Life { name, id: Some(id), tried, told }])
}

#[test]
fn what_was_told_or_at_least_tried_passes() {
    for (tried, told) in
        [(Step::Assigned, Step::Assigned), (Step::Assigned, Step::Granted), (Step::Unassigned, Step::Assigned)]
    {
        let (facts, lives) = one_role(tried, told);
        compare(&facts, &lives);
    }
}

#[test]
#[should_panic(expected = "lost")]
fn a_lost_assignment_is_found() {
    let (mut facts, lives) = one_role(Step::Assigned, Step::Assigned);
    facts.held.clear();
    facts.record.remove(&("role_assigned".to_owned(), "id".to_owned()));
    compare(&facts, &lives);
}

#[test]
#[should_panic(expected = "back again")]
fn a_role_that_came_back_is_found() {
    let (mut facts, lives) = one_role(Step::Deleted, Step::Deleted);
    facts.held.clear();
    facts.record.insert(("role_unassigned".to_owned(), "id".to_owned()), 1);
    compare(&facts, &lives);
}

#[test]
#[should_panic(expected = "names a role that is gone")]
fn a_grant_without_its_role_is_found() {
    let (mut facts, lives) = one_role(Step::Deleted, Step::Unassigned);
    facts.roles.clear();
    compare(&facts, &lives);
}

#[test]
#[should_panic(expected = "made")]
fn a_role_without_its_entry_is_found() {
    let (mut facts, lives) = one_role(Step::Assigned, Step::Granted);
    facts.record.clear();
    compare(&facts, &lives);
}
