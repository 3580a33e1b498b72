//! Long lists in a workspace of 100,000 accounts: a page is right wherever it is cut, and MongoDB reads no more accounts
//! for it than it gives back. What SQLite looks at is tested beside its statements.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use rolekeeper::domain::fact::Fact;
use rolekeeper::domain::ids::{RoomId, UserId};
use rolekeeper::domain::role::{MAX_COUNTED_HOLDERS, OWNER, USER};
use rolekeeper::domain::user_list::{UserOrder, UserSort};
use rolekeeper::store::cached::epochs::Epochs;
use rolekeeper::store::cached::pages::{Pages, Source};
use rolekeeper::store::{Page, Position, UsernameMatch};

use crate::fixtures::{names, role_id, run};
use crate::support::profile;
use crate::support::stores::{Backend, Raw, TestStore, fresh};

const ACCOUNTS: u64 = 100_000;
/// Puts the accounts into another order than that of their names; has no divisor in common with their number.
const STRIDE: u64 = 7_919;

/// Plants accounts past the traits, because making each would take minutes.
async fn plant(test: &TestStore) {
    match &test.raw {
        Raw::Sqlite(store) => {
            let numbers =
                format!("WITH RECURSIVE n(n) AS (SELECT 0 UNION ALL SELECT n + 1 FROM n WHERE n + 1 < {ACCOUNTS})");
            let name = format!("printf('u%06d', n * {STRIDE} % {ACCOUNTS})");
            let users = format!(
                "{numbers} INSERT INTO users (id, username, username_key, name, kind, active, created_at, updated_at, \
                 last_login, profile) SELECT 'id' || n, {name}, {name}, {name}, 'user', 1, n, n, n, '{{}}' FROM n"
            );
            store.run_sql(&users).await.unwrap();
            let roles = "INSERT INTO user_roles (user_id, position, role_id) SELECT id, 0, 'user' FROM users";
            store.run_sql(roles).await.unwrap();
        }
        Raw::Mongo(database) => plant_documents(database).await,
    }
}

/// The server makes the documents itself.
async fn plant_documents(database: &Database) {
    let number =
        doc! { "$mod": [{ "$multiply": ["$n", i64::try_from(STRIDE).unwrap()] }, i64::try_from(ACCOUNTS).unwrap()] };
    // 1,000,000 and more, of which the first digit is cut off: six digits with zeros in front.
    let padded = doc! { "$substrBytes": [{ "$toString": { "$toLong": { "$add": [1_000_000, number] } } }, 1, 6] };
    let name = doc! { "$concat": ["u", padded] };
    let pipeline = vec![
        doc! { "$documents": [{ "n": { "$range": [0, i32::try_from(ACCOUNTS).unwrap()] } }] },
        doc! { "$unwind": "$n" },
        doc! { "$project": {
            "_id": { "$concat": ["id", { "$toString": "$n" }] },
            "username": name.clone(),
            "name": name,
            "type": "user",
            "active": { "$literal": true },
            "roles": ["user"],
            "createdAt": { "$toDate": { "$toLong": "$n" } },
            "lastLogin": { "$toDate": { "$toLong": "$n" } },
        } },
        doc! { "$merge": { "into": "users", "whenMatched": "fail", "whenNotMatched": "insert" } },
    ];
    let command = doc! { "aggregate": 1, "pipeline": pipeline, "cursor": {} };
    database.run_command(command).await.unwrap();
}

/// What the server did for `act`, question by question.
async fn profiled(database: &Database, act: impl AsyncFnOnce()) -> Vec<Document> {
    profiled_of(database, "users", act).await
}

/// The same of another collection.
async fn profiled_of(database: &Database, collection: &str, act: impl AsyncFnOnce()) -> Vec<Document> {
    database.run_command(doc! { "profile": 2, "filter": "unset" }).await.unwrap();
    act().await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let profile = database.collection::<Document>("system.profile");
    let filter = doc! { "ns": format!("{}.{collection}", database.name()) };
    let mut cursor = profile.find(filter).await.unwrap();
    let mut questions = Vec::new();
    while cursor.advance().await.unwrap() {
        questions.push(cursor.deserialize_current().unwrap());
    }
    profile.drop().await.unwrap();
    questions
}

fn number(question: &Document, field: &str) -> i64 {
    question.get(field).map_or(0, |value| value.as_i64().or_else(|| value.as_i32().map(i64::from)).unwrap())
}

/// No question without an index, and none that reads accounts which it does not give back.
fn assert_frugal(questions: &[Document]) {
    assert!(!questions.is_empty());
    for question in questions {
        let plan = question.get_str("planSummary").unwrap();
        assert!(plan.starts_with("IXSCAN") || plan.starts_with("COUNT_SCAN"), "{question}");
        assert!(!question.get_bool("hasSortStage").unwrap_or(false), "{question}");
        assert!(number(question, "docsExamined") <= 2 * number(question, "nreturned") + 1, "{question}");
    }
}

/// Nor one that passes over anybody on its way to those whom it gives back.
fn assert_begins_there(questions: &[Document]) {
    assert_frugal(questions);
    for question in questions {
        assert!(number(question, "keysExamined") <= 2 * number(question, "nreturned") + 2, "{question}");
    }
}

fn expected(first: u64, count: u64) -> Vec<String> {
    (first..first + count).map(|number| format!("u{number:06}")).collect()
}

async fn pages_are_right(test: &TestStore) {
    let user = test.store.find_role(&role_id(USER)).await.unwrap().unwrap();
    for offset in [0, 50_000, ACCOUNTS - 30] {
        let page = Page { offset, count: Some(50) };
        let count = 50.min(ACCOUNTS - offset);
        let listed = test.store.list_users(UserOrder::default(), page).await.unwrap();
        assert_eq!((names(&listed.items), listed.total), (refs(&expected(offset, count)), ACCOUNTS));
        let listed = test.store.list_holders(&user, None, page).await.unwrap();
        assert_eq!((names(&listed.items), listed.total), (refs(&expected(offset, count)), ACCOUNTS));
    }
    let newest = UserOrder { sort: UserSort::CreatedAt, descending: true };
    let page = Page { offset: 0, count: Some(1) };
    let listed = test.store.list_users(newest, page).await.unwrap();
    assert_eq!(listed.items[0].id.as_str(), format!("id{}", ACCOUNTS - 1));
    let found = test.store.suggest_users("U00004", &[], None, 10).await.unwrap();
    assert_eq!(names(&found), refs(&expected(40, 10)));
}

/// As far down as it gets, behind a position.
async fn parts_are_right(test: &TestStore) {
    let user = test.store.find_role(&role_id(USER)).await.unwrap().unwrap();
    for before in [0, 50_000, ACCOUNTS - 51] {
        let username = format!("u{before:06}");
        // Behind everybody of that name, of whom there is one.
        let position = Position { username, id: UserId::from_stored("z") };
        let page = Page { offset: 0, count: Some(50) };
        let found = test.store.page_holders(&user, None, Some(&position), page).await.unwrap();
        assert_eq!(names(&found), refs(&expected(before + 1, 50)));
        let found = test.store.page_users_after(&position, page).await.unwrap();
        assert_eq!(names(&found), refs(&expected(before + 1, 50)));
    }
}

/// Everybody a member of one room, and the first ten thousand its owners.
async fn plant_members(database: &Database) {
    let pipeline = vec![
        doc! { "$project": {
            "rid": "GENERAL",
            "u": { "_id": "$_id", "username": "$username" },
            "roles": { "$cond": [{ "$lt": ["$username", "u010000"] }, [OWNER], "$$REMOVE"] },
        } },
        doc! { "$merge": { "into": "rocketchat_subscription", "whenMatched": "fail", "whenNotMatched": "insert" } },
    ];
    database.run_command(doc! { "aggregate": "users", "pipeline": pipeline, "cursor": {} }).await.unwrap();
}

async fn owners_are_right(test: &TestStore) {
    let (owner, room) = (test.store.find_role(&role_id(OWNER)).await.unwrap().unwrap(), RoomId::from_stored("GENERAL"));
    let page = Page { offset: 0, count: Some(50) };
    let first = test.store.list_holders(&owner, Some(&room), page).await.unwrap();
    assert_eq!((names(&first.items), first.total), (refs(&expected(0, 50)), 10_000));
    let position = Position { username: "u009000".to_owned(), id: UserId::from_stored("z") };
    let found = test.store.page_holders(&owner, Some(&room), Some(&position), page).await.unwrap();
    assert_eq!(names(&found), refs(&expected(9_001, 50)));
}

/// Many who ask at once, first for the beginning and then far down.
async fn many_ask(test: &TestStore, pages: &Pages, epochs: &Epochs) {
    let user = test.store.find_role(&role_id(USER)).await.unwrap().unwrap();
    let source = Source { store: &*test.store, epochs, live: &|| true };
    for offset in [0, 70_000] {
        let page = Page { offset, count: Some(50) };
        let asked = (0..64).map(|_| pages.list_holders(source, &user, None, page));
        for listed in futures_util::future::join_all(asked).await {
            let listed = listed.unwrap();
            assert_eq!((names(&listed.items), listed.total), (refs(&expected(offset, 50)), ACCOUNTS));
        }
    }
}

/// However many there are, it is said of the first.
async fn usage_is_told_as_far_as_it_is_looked_at(test: &TestStore) {
    let usage = test.store.role_usage(&role_id(USER)).await.unwrap();
    assert_eq!((usage.users, usage.rooms, usage.names), (MAX_COUNTED_HOLDERS, 0, expected(0, 10)));
}

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn sqlite_cuts_pages_of_a_hundred_thousand() {
    run(Backend::SqliteFile, async |test: &TestStore| {
        plant(test).await;
        pages_are_right(test).await;
        parts_are_right(test).await;
        usage_is_told_as_far_as_it_is_looked_at(test).await;
    })
    .await;
}

#[tokio::test]
async fn mongo_cuts_pages_of_a_hundred_thousand_and_reads_no_more() {
    run(Backend::Mongo, async |test: &TestStore| {
        plant(test).await;
        let Raw::Mongo(database) = &test.raw else { panic!("a database") };
        let questions = profiled(database, async || pages_are_right(test).await).await;
        assert_frugal(&questions);
        usage_is_told_as_far_as_it_is_looked_at(test).await;
        println!("{} questions, the longest {} ms", questions.len(), slowest(&questions));
        let questions = profiled(database, async || parts_are_right(test).await).await;
        assert_begins_there(&questions);
        kept_lists_are_counted_once(test, database).await;
        owners_of_a_room_come_from_an_index(test, database).await;
    })
    .await;
}

/// However many ask, one of them counts; the same again asks nobody; and where an account on a part has changed since, the
/// part is read from where it is cut, for somebody was there.
async fn kept_lists_are_counted_once(test: &TestStore, database: &Database) {
    let (pages, epochs) = (Pages::default(), Epochs::default());
    let questions = profiled(database, async || many_ask(test, &pages, &epochs).await).await;
    let is_count = |question: &&Document| question.get_document("command").unwrap().contains_key("pipeline");
    assert_eq!(questions.iter().filter(is_count).count(), 1);
    let questions = profiled(database, async || many_ask(test, &pages, &epochs).await).await;
    assert_eq!(questions, []);
    for username in ["u000000", "u070000"] {
        let user = test.store.find_user_by_username(username, UsernameMatch::Exact).await.unwrap().unwrap();
        epochs.changed(&[Fact::Account(user.id)]);
    }
    let questions = profiled(database, async || many_ask(test, &pages, &epochs).await).await;
    assert!((2..=128).contains(&questions.len()), "{}", questions.len());
    assert_begins_there(&questions);
}

async fn owners_of_a_room_come_from_an_index(test: &TestStore, database: &Database) {
    plant_members(database).await;
    let questions = profiled_of(database, "rocketchat_subscription", async || owners_are_right(test).await).await;
    assert_frugal(&questions);
    let pages: Vec<Document> =
        questions.into_iter().filter(|question| question.get_str("op").unwrap() == "query").collect();
    assert_begins_there(&pages);
}

fn slowest(questions: &[Document]) -> i64 {
    questions.iter().map(|question| number(question, "millis")).max().unwrap_or_default()
}

/// The control of what every test on MongoDB ends with.
#[tokio::test]
async fn mongo_is_watched_by_every_test() {
    let test = fresh(Backend::Mongo).await;
    let Raw::Mongo(database) = &test.raw else { panic!("a database") };
    let users = database.collection::<Document>("users");
    users.insert_one(doc! { "_id": "ann", "username": "ann", "nickname": "an" }).await.unwrap();
    users.find_one(doc! { "nickname": "an" }).await.unwrap().unwrap();
    test.store.find_user_by_username("ann", UsernameMatch::Exact).await.unwrap().unwrap();
    let noted = profile::excesses(database).await;
    assert_eq!(noted, Vec::<String>::new(), "an index finds it, and what a test asks itself does not count");
    // The indexes gone, the same question reads everybody.
    users.drop_indexes().await.unwrap();
    profile::watch(database).await;
    test.store.find_user_by_username("ann", UsernameMatch::Exact).await.unwrap().unwrap();
    let noted = profile::excesses(database).await;
    assert!(noted.iter().any(|excess| excess.starts_with("a whole collection was read")), "{noted:?}");
    database.drop().await.unwrap();
}
