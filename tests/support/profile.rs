//! Whether MongoDB did more for the store than it gave back: its profiler watches the database of every test, and at the
//! test's end a question that read a whole collection, or more documents than it answered with, is a failure. What the
//! tests ask themselves comes over connections of another name and does not count.

use mongodb::bson::{Document, doc};
use mongodb::options::{ClientOptions, WriteConcern};
use mongodb::{Client, Database};

/// The name of the store's connections.
const STORE: &str = "rolekeeper";
/// The name of the tests' connections.
const TESTS: &str = "rolekeeper-tests";
/// The comment of questions that look at everything there is, because that is what an operator asked for.
const EXAMINATION: &str = "rolekeeper examination";
/// Documents that may be read beside those that are answered with or changed, twice.
const SLACK: i64 = 20;
/// Of how many collections the profiler's own entries tell at most in a failure.
const SHOWN: i64 = 5;

/// Collections that may be read whole, and why.
const WHOLE: [(&str, &str); 5] = [
    ("rocketchat_roles", "made by hand, few, and read whole for every list and for every comparison of names"),
    ("rocketchat_permissions", "as many as there are kinds of actions; read whole for every list"),
    ("rocketchat_settings", "as many as a version of the workspace has"),
    ("rolekeeper_locks", "no more than roles, rooms and accounts that were changed; asked for by id only"),
    ("rolekeeper_audit", "the latest entries in reverse order of insertion, as many as are asked for and no more"),
];

/// The tests' own way to the database of that URL.
pub async fn database(url: &str) -> Database {
    let mut options = ClientOptions::parse(url).await.unwrap();
    options.app_name = Some(TESTS.to_owned());
    options.write_concern = Some(WriteConcern::majority());
    let client = Client::with_options(options).unwrap();
    client.default_database().unwrap()
}

/// Has the server note from now on what the store asks for that costs more than it gives.
pub async fn watch(database: &Database) {
    let costly = doc! { "$or": [{ "planSummary": { "$regex": "COLLSCAN" } }, { "docsExamined": { "$gt": SLACK } }] };
    let filter = doc! { "$and": [{ "appName": STORE }, costly] };
    database.run_command(doc! { "profile": 2, "filter": filter }).await.unwrap();
}

/// Fails when the server has noted anything since [`watch`].
pub async fn assert_frugal(database: &Database) {
    let excesses = excesses(database).await;
    assert!(excesses.is_empty(), "MongoDB did more than its answers needed:\n{}", excesses.join("\n"));
}

/// What was noted, in words.
pub async fn excesses(database: &Database) -> Vec<String> {
    database.run_command(doc! { "profile": 0, "filter": "unset" }).await.unwrap();
    let profile = database.collection::<Document>("system.profile");
    let mut noted = profile.find(doc! { "appName": STORE }).await.unwrap();
    let mut excesses = Vec::new();
    while noted.advance().await.unwrap() && excesses.len() < usize::try_from(SHOWN).unwrap() {
        let question = noted.deserialize_current().unwrap();
        excesses.extend(excess(&question).map(|reason| format!("{reason}: {question}")));
    }
    excesses
}

/// What is wrong with a question.
fn excess(question: &Document) -> Option<&'static str> {
    let ns = question.get_str("ns").unwrap_or_default();
    let collection = ns.split_once('.').map_or(ns, |(_, collection)| collection);
    // Reads no collection but the changes of all.
    if collection.starts_with("$cmd") {
        return None;
    }
    let command = question.get_document("command").or_else(|_| question.get_document("originatingCommand")).ok();
    if command.is_some_and(|command| command.get_str("comment").ok() == Some(EXAMINATION)) {
        return None;
    }
    let aggregation = command.filter(|command| command.contains_key("aggregate") || command.contains_key("pipeline"));
    if aggregation.is_some_and(|aggregation| collection == "users" && is_total(aggregation)) {
        return None;
    }
    let plan = question.get_str("planSummary").unwrap_or_default();
    if plan.contains("COLLSCAN") && WHOLE.iter().all(|(whole, _)| *whole != collection) {
        return Some("a whole collection was read");
    }
    // Whoever looks whether the record is whole looks for entries that no index has: where none should be.
    let stray = |filter: &Document| collection == "rolekeeper_audit" && filter.contains_key("$and");
    if command.and_then(|command| command.get_document("filter").ok()).is_some_and(stray) {
        return None;
    }
    // What an aggregation gives says nothing of what it is made of.
    if aggregation.is_some() {
        return None;
    }
    if command.is_some_and(is_search) {
        return None;
    }
    let given = ["nreturned", "nMatched", "ndeleted"].map(|field| number(question, field)).into_iter().max();
    let fair = 2 * given.unwrap_or_default() + SLACK;
    (number(question, "docsExamined") > fair).then_some("more documents were read than answered with")
}

/// Whether it looks for a text in the middle of names: no index finds that, and those of one room are read for it.
fn is_search(command: &Document) -> bool {
    let by_room = command.get_document("filter").ok().filter(|filter| filter.contains_key("rid"));
    let places = by_room.and_then(|filter| filter.get_array("$or").ok()).into_iter().flatten();
    places.filter_map(|place| place.as_document()).any(|place| {
        place.values().any(|wanted| wanted.as_document().is_some_and(|wanted| wanted.contains_key("$regex")))
    })
}

/// Whether it counts all accounts of a list that is filtered by anything: the total of such a list is exact, and nothing
/// but the accounts themselves tells it. A count that stops at a limit has no such excuse, nor one of a role's holders.
fn is_total(aggregation: &Document) -> bool {
    let stages: Vec<&Document> =
        aggregation.get_array("pipeline").into_iter().flatten().filter_map(|stage| stage.as_document()).collect();
    let [first, last] = stages.as_slice() else { return false };
    let by_role = first.get_document("$match").is_ok_and(|filter| filter.contains_key("roles"));
    !by_role && last.get_document("$group").is_ok_and(|group| group.contains_key("n"))
}

fn number(question: &Document, field: &str) -> i64 {
    question.get(field).and_then(|value| value.as_i64().or_else(|| value.as_i32().map(i64::from))).unwrap_or_default()
}
