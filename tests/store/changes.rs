//! What one node hears of the others, and of those who write past every node: nothing is missing, and a node that may
//! have missed something knows it. MongoDB only; an embedded store has no other writers.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use mongodb::bson::{Document, doc};
use mongodb::options::{CollectionOptions, WriteConcern};
use mongodb::{Collection, Database};
use rolekeeper::clock::Stopwatch;
use rolekeeper::domain::fact::Fact;
use rolekeeper::domain::ids::UserId;
use rolekeeper::domain::permission::ACCESS_PERMISSIONS;
use rolekeeper::domain::role::{RoleScope, USER};
use rolekeeper::domain::setting::SETTINGS;
use rolekeeper::domain::token::TokenHash;
use rolekeeper::domain::user::Activation;
use rolekeeper::store::mongo::MongoStore;
use rolekeeper::store::{Listener, Rights, Store, StoreError};
use tokio::sync::Notify;
use tokio::task::JoinHandle;

use crate::fixtures::{assignment, definition, grant, role_id, run};
use crate::support::clock::TestIds;
use crate::support::mongod::{Mongod, Options};
use crate::support::stores::{Backend, Raw, TestStore};

/// How long something may take that must happen.
const PATIENCE: Duration = Duration::from_secs(30);

/// What a listener was told.
#[derive(Debug, Clone)]
enum Told {
    Changed(Vec<Fact>),
    CaughtUp(Stopwatch),
    Lost,
}

impl Told {
    fn concerns(&self, fact: &Fact) -> bool {
        matches!(self, Self::Changed(facts) if facts.contains(fact))
    }

    fn is_caught_up(&self) -> bool {
        matches!(self, Self::CaughtUp(_))
    }

    /// Whether everything was reported that was done before `moment`.
    fn reaches(&self, moment: Stopwatch) -> bool {
        matches!(self, Self::CaughtUp(told) if told.elapsed() < moment.elapsed())
    }
}

#[derive(Default)]
struct Notes {
    told: Mutex<Vec<Told>>,
    more: Notify,
}

impl Notes {
    fn note(&self, told: Told) {
        self.told.lock().unwrap().push(told);
        self.more.notify_one();
    }

    fn all(&self) -> Vec<Told> {
        self.told.lock().unwrap().clone()
    }

    fn count(&self, which: impl Fn(&Told) -> bool) -> usize {
        self.all().iter().filter(|told| which(told)).count()
    }

    /// Waits until what was told from the note number `since` on is as wanted.
    async fn until(&self, since: usize, wanted: impl Fn(&[Told]) -> bool) {
        let listening = async {
            while !wanted(&self.all()[since..]) {
                self.more.notified().await;
            }
        };
        let heard = tokio::time::timeout(PATIENCE, listening).await;
        assert!(heard.is_ok(), "not told in time: {:?}", &self.all()[since..]);
    }

    /// Waits until it was told that everything done so far was reported.
    async fn caught_up(&self) {
        let (since, now) = (self.all().len(), Stopwatch::start());
        self.until(since, |told| told.iter().any(|told| told.reaches(now))).await;
    }
}

impl Listener for Notes {
    fn changed(&self, facts: &[Fact]) {
        self.note(Told::Changed(facts.to_vec()));
    }

    fn caught_up(&self, moment: Stopwatch) {
        self.note(Told::CaughtUp(moment));
    }

    fn lost(&self) {
        self.note(Told::Lost);
    }
}

/// Another node on a workspace, which only listens.
struct Node {
    store: Arc<MongoStore>,
    notes: Arc<Notes>,
    following: JoinHandle<()>,
}

impl Node {
    async fn at(url: &str) -> Self {
        let store = Arc::new(MongoStore::connect(url, Arc::new(TestIds::default())).await.unwrap());
        let notes = Arc::new(Notes::default());
        store.report_to(Arc::clone(&notes) as _);
        let follower = Arc::clone(&store);
        let following = tokio::spawn(async move { follower.follow().await });
        notes.caught_up().await;
        Self { store, notes, following }
    }

    async fn beside(test: &TestStore) -> Self {
        Self::at(&url(test, "beside").await).await
    }

    /// Asserts that it is told of each fact after `act`.
    async fn hears(&self, facts: &[Fact], act: impl Future<Output = ()>) {
        let since = self.notes.all().len();
        act.await;
        let all = |told: &[Told]| facts.iter().all(|fact| told.iter().any(|told| told.concerns(fact)));
        self.notes.until(since, all).await;
    }

    /// The number of its last beat that is stored.
    async fn beat(&self) -> i64 {
        let nodes = self.store.database().collection::<Document>("rolekeeper_nodes");
        let latest = nodes.find_one(doc! {}).sort(doc! { "at": -1 }).await.unwrap().unwrap();
        latest.get_i64("beat").unwrap()
    }

    /// Waits until it has beaten `count` times more.
    async fn beats(&self, count: i64) {
        let before = self.beat().await;
        let mut ticks = tokio::time::interval(Duration::from_millis(20));
        let beating = async {
            while self.beat().await < before + count {
                ticks.tick().await;
            }
        };
        assert!(tokio::time::timeout(PATIENCE, beating).await.is_ok(), "it does not beat");
    }
}

impl Drop for Node {
    fn drop(&mut self) {
        self.following.abort();
    }
}

fn database(test: &TestStore) -> &Database {
    let Raw::Mongo(database) = &test.raw else { panic!("a database") };
    database
}

/// The URL of a test's database, for a client that calls itself `name` there.
async fn url(test: &TestStore, name: &str) -> String {
    let hello = database(test).run_command(doc! { "hello": 1 }).await.unwrap();
    let (host, set) = (hello.get_str("me").unwrap(), hello.get_str("setName").unwrap());
    format!("mongodb://{host}/{}?replicaSet={set}&appName={name}", database(test).name())
}

/// A collection whose writes are acknowledged by the primary alone, as Rocket.Chat's are.
fn careless(test: &TestStore, name: &str) -> Collection<Document> {
    let concern = WriteConcern::nodes(1);
    let options = CollectionOptions::builder().write_concern(concern).build();
    database(test).collection_with_options(name, options)
}

fn account(id: &UserId) -> Fact {
    Fact::Account(id.clone())
}

#[tokio::test]
async fn every_kind_of_change_of_another_node_is_told() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        test.admin("root").await;
        let ann = test.user("ann").await;
        let role = test.new_role("helper", RoleScope::Users);
        let (id, by) = (role.id.clone(), test.by());
        node.hears(&[Fact::Roles], async { drop(test.store.create_role(role, &by).await.unwrap()) }).await;
        let wanted = definition("helpers", RoleScope::Users);
        node.hears(&[Fact::Roles], async { drop(test.store.update_role(&id, wanted, &by).await.unwrap()) }).await;
        let given = assignment(&id, &ann, None);
        let own = [account(&ann.id), Fact::Holders];
        node.hears(&own, async { test.store.assign_role(&given, &by).await.unwrap() }).await;
        node.hears(&own, async { test.store.unassign_role(&given, &by).await.unwrap() }).await;
        let grants = vec![grant(ACCESS_PERMISSIONS, &[&role_id("admin"), &id])];
        node.hears(&[Fact::Rights], async { drop(test.store.update_permissions(grants, &by).await.unwrap()) }).await;
        node.hears(&[Fact::Roles, Fact::Rights], async { test.store.delete_role(&id, &by).await.unwrap() }).await;
        let hash = TokenHash::from_stored("a".repeat(43));
        let session = test.store.add_session_token(&ann.id, &hash, 10, &by);
        node.hears(&[account(&ann.id)], async { session.await.unwrap() }).await;
        let ended = test.store.remove_token(&ann.id, &hash, &by);
        node.hears(&[account(&ann.id)], async { assert!(ended.await.unwrap()) }).await;
        let left = test.store.set_user_active(&ann.id, Activation::Deactivate, &by);
        node.hears(&[account(&ann.id)], async { drop(left.await.unwrap()) }).await;
    })
    .await;
}

#[tokio::test]
async fn writes_past_every_node_are_told_whoever_acknowledged_them() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        let users = careless(test, "users");
        let bob = UserId::from_stored("bobBobBobBobBob23");
        let (itself, own) = (doc! { "_id": bob.as_str() }, [account(&bob), Fact::Holders]);
        let new = doc! { "_id": bob.as_str(), "username": "bob", "roles": ["user"], "active": true };
        node.hears(&own, async { drop(users.insert_one(new.clone()).await.unwrap()) }).await;
        for change in [
            doc! { "$push": { "roles": "bot" } },
            doc! { "$set": { "roles.0": "guest" } },
            doc! { "$unset": { "roles": "" } },
            doc! { "$set": { "username": "bobby" } },
            doc! { "$set": { "type": "bot" } },
            doc! { "$set": { "active": false } },
        ] {
            node.hears(&own, async { drop(users.update_one(itself.clone(), change.clone()).await.unwrap()) }).await;
        }
        node.hears(&own, async { drop(users.replace_one(itself.clone(), new).await.unwrap()) }).await;
        let since = node.notes.all().len();
        let token = doc! { "$set": { "services.resume.loginTokens": [{ "hashedToken": "h" }] } };
        node.hears(&[account(&bob)], async { drop(users.update_one(itself.clone(), token).await.unwrap()) }).await;
        assert!(!node.notes.all()[since..].iter().any(|told| told.concerns(&Fact::Holders)));
        node.hears(&own, async { users.delete_one(itself).await.map(|_| ()).unwrap() }).await;
        for (name, fact) in [("rocketchat_roles", Fact::Roles), ("rocketchat_permissions", Fact::Rights)] {
            let collection = careless(test, name);
            let planted = doc! { "_id": "planted", "name": "planted", "roles": ["user"] };
            node.hears(std::slice::from_ref(&fact), async { drop(collection.insert_one(planted).await.unwrap()) })
                .await;
            let gone = collection.delete_one(doc! { "_id": "planted" });
            node.hears(&[fact], async { gone.await.map(|_| ()).unwrap() }).await;
        }
    })
    .await;
}

#[tokio::test]
async fn only_settings_that_have_an_effect_are_told() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        let settings = careless(test, "rocketchat_settings");
        let since = node.notes.all().len();
        settings.insert_one(doc! { "_id": "uniqueID_of_no_effect", "value": 1 }).await.unwrap();
        node.notes.caught_up().await;
        assert!(!node.notes.all()[since..].iter().any(|told| told.concerns(&Fact::Rights)));
        let known = doc! { "_id": SETTINGS[0].id, "value": true };
        node.hears(&[Fact::Rights], async { drop(settings.insert_one(known).await.unwrap()) }).await;
    })
    .await;
}

#[tokio::test]
async fn being_caught_up_is_told_after_everything_that_was_done_before() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        let ann = test.user("ann").await;
        for round in 0..12_u32 {
            let since = node.notes.all().len();
            if round % 2 == 0 {
                let given = assignment(&test.role(&format!("r{round}"), RoleScope::Users).await.id, &ann, None);
                test.store.assign_role(&given, &test.by()).await.unwrap();
            } else {
                // Acknowledged by the majority, which is when it is done for others.
                let users = database(test).collection::<Document>("users");
                let change = doc! { "$set": { "statusText": round } };
                users.update_one(doc! { "_id": ann.id.as_str() }, change).await.unwrap();
            }
            let done = Stopwatch::start();
            node.notes.until(since, |told| told.iter().any(|told| told.reaches(done))).await;
            let told = node.notes.all().split_off(since);
            let change = told.iter().position(|told| told.concerns(&account(&ann.id))).expect("it was told");
            assert!(change < told.iter().position(|told| told.reaches(done)).unwrap(), "{told:?}");
        }
    })
    .await;
}

#[tokio::test]
async fn nothing_counts_that_was_read_before_the_first_beat_of_a_stream() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        let told = node.notes.all();
        let first = told.iter().position(Told::is_caught_up).unwrap();
        assert!(matches!(told[..first], [Told::Lost, .., Told::Lost]), "{told:?}");
        for _ in 0..3 {
            node.notes.caught_up().await;
        }
        assert!(!node.notes.all()[first..].iter().any(|told| matches!(told, Told::Lost)));
    })
    .await;
}

/// Ends the stream of the one node that listens, on the server.
async fn kill_stream(test: &TestStore) {
    let admin = database(test).client().database("admin");
    let ours =
        doc! { "ns": format!("{}.$cmd.aggregate", database(test).name()), "cursor.cursorId": { "$exists": true } };
    let current = vec![doc! { "$currentOp": { "localOps": true, "idleCursors": true } }, doc! { "$match": ours }];
    let killing = async {
        // It is in nobody's hands for a moment whenever an answer was sent.
        loop {
            let mut operations = admin.aggregate(current.clone()).await.unwrap();
            while operations.advance().await.unwrap() {
                let operation: Document = operations.deserialize_current().unwrap();
                let id = operation.get_document("cursor").unwrap().get_i64("cursorId").unwrap();
                let order = doc! { "killCursors": "$cmd.aggregate", "cursors": [id] };
                let killed = database(test).run_command(order).await.unwrap();
                if !killed.get_array("cursorsKilled").unwrap().is_empty() {
                    return;
                }
            }
        }
    };
    assert!(tokio::time::timeout(PATIENCE, killing).await.is_ok(), "nobody listens");
}

#[tokio::test]
async fn a_stream_that_is_killed_is_lost_and_another_takes_its_place() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        let since = node.notes.all().len();
        kill_stream(test).await;
        let lost_then_caught_up = |told: &[Told]| {
            let lost = told.iter().position(|told| matches!(told, Told::Lost));
            lost.is_some_and(|lost| told[lost..].iter().any(Told::is_caught_up))
        };
        node.notes.until(since, lost_then_caught_up).await;
        node.hears(&[Fact::Roles], async { drop(test.role("after", RoleScope::Users).await) }).await;
    })
    .await;
}

#[tokio::test]
async fn history_that_is_gone_is_lost_and_not_passed_over() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::at(&url(test, "historian").await).await;
        let since = node.notes.all().len();
        let admin = database(test).client().database("admin");
        // The error that the server answers when the oplog does not reach back far enough.
        let failure = doc! { "failCommands": ["getMore"], "errorCode": 286, "appName": "historian" };
        let once = doc! { "configureFailPoint": "failCommand", "mode": { "times": 1 }, "data": failure };
        admin.run_command(once).await.unwrap();
        node.notes.until(since, |told| told.iter().any(|told| matches!(told, Told::Lost))).await;
        node.notes.caught_up().await;
        node.hears(&[Fact::Roles], async { drop(test.role("after", RoleScope::Users).await) }).await;
    })
    .await;
}

#[tokio::test]
async fn a_dropped_collection_makes_everything_uncertain() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        for name in ["rocketchat_permissions", "users"] {
            let since = node.notes.all().len();
            database(test).collection::<Document>(name).drop().await.unwrap();
            node.notes.until(since, |told| told.iter().any(|told| matches!(told, Told::Lost))).await;
            node.notes.caught_up().await;
        }
        let since = node.notes.all().len();
        database(test).collection::<Document>("elsewhere").insert_one(doc! {}).await.unwrap();
        database(test).collection::<Document>("elsewhere").drop().await.unwrap();
        node.notes.caught_up().await;
        assert!(!node.notes.all()[since..].iter().any(|told| matches!(told, Told::Lost)), "of no concern");
    })
    .await;
}

#[tokio::test]
async fn a_node_whose_stream_is_cut_without_a_word_does_not_take_itself_for_caught_up() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        node.store.hold_changes(true);
        // One may have been heard already and be acknowledged only now.
        node.beats(2).await;
        let before = node.notes.count(Told::is_caught_up);
        test.role("unheard", RoleScope::Users).await;
        node.beats(5).await;
        assert_eq!(node.notes.count(Told::is_caught_up), before);
        assert_eq!(node.notes.count(|told| told.concerns(&Fact::Roles)), 0);
        let since = node.notes.all().len();
        node.store.hold_changes(false);
        node.notes.caught_up().await;
        assert!(node.notes.all()[since..].iter().any(|told| matches!(told, Told::Lost)));
    })
    .await;
}

#[tokio::test]
async fn were_beats_to_come_another_way_than_changes_a_node_would_be_out_of_date_without_knowing() {
    run(Backend::Mongo, async |test: &TestStore| {
        let node = Node::beside(test).await;
        node.store.hold_facts(true);
        test.role("unheard", RoleScope::Users).await;
        node.notes.caught_up().await;
        assert_eq!(node.notes.count(|told| told.concerns(&Fact::Roles)), 0);
    })
    .await;
}

#[tokio::test]
async fn a_primary_is_confirmed_and_another_election_is_not_taken_for_the_same() {
    let server = Mongod::start(Options::ReplicaSet).await;
    let node = Node::at(&format!("{}&serverSelectionTimeoutMS=2000", server.url("confirm"))).await;
    let store = &node.store;
    let many = (0..32).map(|_| store.confirm());
    assert!(futures_util::future::join_all(many).await.iter().all(Result::is_ok));
    server.kill();
    assert!(matches!(store.confirm().await, Err(StoreError::Unavailable(_))));
    // Nobody beats in between, so that the first to notice is whoever asks.
    node.following.abort();
    let since = node.notes.all().len();
    server.restart().await;
    let refused = store.confirm().await;
    assert!(matches!(refused, Err(StoreError::Unavailable(_))), "{refused:?}");
    let asked_again = async {
        while store.confirm().await.is_err() {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(PATIENCE, asked_again).await.unwrap();
    assert!(node.notes.all()[since..].iter().any(|told| matches!(told, Told::Lost)));
}

#[tokio::test]
async fn after_an_outage_a_node_catches_up_again() {
    let server = Mongod::start(Options::ReplicaSet).await;
    let node = Node::at(&format!("{}&serverSelectionTimeoutMS=2000", server.url("outage"))).await;
    server.kill();
    let since = node.notes.all().len();
    server.restart().await;
    node.notes.caught_up().await;
    assert!(node.notes.all()[since..].iter().any(|told| matches!(told, Told::Lost)));
}

#[tokio::test]
async fn rights_are_of_one_moment_and_hold_what_was_just_acknowledged() {
    run(Backend::Mongo, async |test: &TestStore| {
        let store = &test.store;
        test.plant_setting(SETTINGS[0].id, "true").await;
        test.plant_setting("uniqueID_of_no_effect", "true").await;
        let rights = store.rights().await.unwrap();
        assert_eq!(rights.permissions(), store.list_permissions().await.unwrap());
        assert_eq!(rights.settings().keys().collect::<Vec<_>>(), [SETTINGS[0].id]);
        let (asking, by) = (Arc::clone(store), test.by());
        let done = Arc::new(AtomicBool::new(false));
        let is_done = Arc::clone(&done);
        // Both lists are changed together, always.
        let pair = ["view-logs", "create-c"];
        let of = |rights: &Rights, id: &str| rights.permission_named(id).unwrap().roles.clone();
        store.update_permissions(pair.map(|id| grant(id, &[])).to_vec(), &by).await.unwrap();
        let asker = tokio::spawn(async move {
            while !is_done.load(Ordering::SeqCst) {
                let rights = asking.rights().await.unwrap();
                assert_eq!(of(&rights, pair[0]), of(&rights, pair[1]), "half of a change");
            }
        });
        for round in 0..25 {
            let role = test.role(&format!("r{round}"), RoleScope::Users).await;
            store.update_permissions(pair.map(|id| grant(id, &[&role.id])).to_vec(), &by).await.unwrap();
            let rights = store.rights().await.unwrap();
            assert_eq!(of(&rights, pair[0]), std::slice::from_ref(&role.id), "acknowledged, and not read");
            store.delete_role(&role.id, &by).await.unwrap();
            assert!(of(&store.rights().await.unwrap(), pair[0]).is_empty(), "gone, and read");
        }
        done.store(true, Ordering::SeqCst);
        asker.await.unwrap();
    })
    .await;
}

#[tokio::test]
async fn nothing_is_read_that_could_be_taken_back() {
    run(Backend::Mongo, async |test: &TestStore| {
        let ann = test.user("ann").await;
        let hash = TokenHash::from_stored("a".repeat(43));
        test.store.add_session_token(&ann.id, &hash, 10, &test.by()).await.unwrap();
        database(test).run_command(doc! { "profile": 2, "filter": "unset" }).await.unwrap();
        assert!(test.store.find_token(&ann.id, &hash).await.unwrap().is_some());
        assert!(test.store.find_token_owner(&hash).await.unwrap().is_some());
        test.store.rights().await.unwrap();
        let user = test.store.find_role(&role_id(USER)).await.unwrap().unwrap();
        test.store.list_holders(&user, None, crate::fixtures::ALL).await.unwrap();
        database(test).run_command(doc! { "profile": 0 }).await.unwrap();
        let profile = database(test).collection::<Document>("system.profile");
        let of_the_store = doc! { "op": { "$in": ["query", "command"] }, "appName": "rolekeeper" };
        let mut reads = profile.find(of_the_store).await.unwrap();
        let mut seen = 0;
        while reads.advance().await.unwrap() {
            let read: Document = reads.deserialize_current().unwrap();
            let command = read.get_document("command").unwrap();
            // A transaction says once, with its first statement, what all of it reads.
            if command.contains_key("profile") || command.contains_key("autocommit") {
                continue;
            }
            let concern = command.get_document("readConcern").and_then(|concern| concern.get_str("level"));
            assert!(matches!(concern, Ok("majority" | "snapshot")), "{command}");
            seen += 1;
        }
        assert!(seen >= 4, "{seen}");
    })
    .await;
}
