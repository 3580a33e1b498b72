//! Long lists in a workspace of 100,000 accounts: a page is right wherever it is cut, and MongoDB reads no more accounts
//! for it than it gives back. What SQLite looks at is tested beside its statements.

use mongodb::Database;
use mongodb::bson::{Document, doc};
use rolekeeper::domain::role::USER;
use rolekeeper::domain::user_list::{UserOrder, UserSort};
use rolekeeper::store::Page;

use crate::fixtures::{names, role_id, run};
use crate::support::stores::{Backend, Raw, TestStore};

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
    database.run_command(doc! { "profile": 2 }).await.unwrap();
    act().await;
    database.run_command(doc! { "profile": 0 }).await.unwrap();
    let profile = database.collection::<Document>("system.profile");
    let filter = doc! { "ns": format!("{}.users", database.name()) };
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

fn refs(names: &[String]) -> Vec<&str> {
    names.iter().map(String::as_str).collect()
}

#[tokio::test]
async fn sqlite_cuts_pages_of_a_hundred_thousand() {
    run(Backend::SqliteFile, async |test: &TestStore| {
        plant(test).await;
        pages_are_right(test).await;
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
        println!("{} questions, the longest {} ms", questions.len(), slowest(&questions));
    })
    .await;
}

fn slowest(questions: &[Document]) -> i64 {
    questions.iter().map(|question| number(question, "millis")).max().unwrap_or_default()
}
