//! `Idempotency-Key` on every operation that changes something. Which those are, and what each of them must be sent, comes
//! from the table of routes and the conversation of the examples: a route that is added is tested by that alone.

use std::collections::BTreeSet;

use mongodb::bson::doc;
use reqwest::Method;
use rolekeeper::http::routes::operations;

use crate::examples::conversation::{Conversation, Request};
use crate::examples::steps::{NOBODY, Step, steps};
use crate::idempotency::{again, entries, reused, shown_once};
use crate::support::server::TestServer;
use crate::support::stores::Raw;

/// Where sessions begin or end, or an account of one's own: without a key.
const WITHOUT_KEY: [&str; 3] = ["/api/v1/login", "/api/v1/logout", "/api/v1/users.register"];
/// Whose answer is shown once.
const SECRET: [&str; 4] = [
    "/api/v1/users.createToken",
    "/api/v1/users.generatePersonalAccessToken",
    "/api/v1/users.logoutOtherClients",
    "/api/v1/users.regeneratePersonalAccessToken",
];
/// What is put on record in several operations of the store, or not at all in the conversation: its answer is kept
/// afterwards.
const KEPT_AFTERWARDS: [&str; 1] = ["/api/v1/users.deactivateIdle"];
/// What there is nothing to change for in the conversation.
const UNRECORDED: [&str; 1] = KEPT_AFTERWARDS;
/// Afterwards there is nobody to answer to.
const FAREWELL: &str = "/api/v1/users.deleteOwnAccount";

#[test]
fn whatever_changes_something_takes_a_key() {
    for operation in operations().iter().filter(|operation| operation.path.starts_with("/api/v1/")) {
        let changes = operation.method == "POST" && !WITHOUT_KEY.contains(&operation.path);
        assert_eq!(operation.takes_key, changes, "{} {}", operation.method, operation.path);
    }
}

async fn every_operation_that_takes_a_key_says_so(server: &TestServer) {
    let nobody = server.anonymous();
    let document = nobody.send(nobody.request(Method::GET, "/openapi.json")).await.ok();
    for operation in operations().iter().filter(|operation| operation.path.starts_with("/api/v1/")) {
        let described = &document["paths"][operation.path][operation.method.as_str().to_lowercase()];
        let mut parameters = described["parameters"].as_array().into_iter().flatten();
        let says_so = parameters.any(|parameter| parameter["name"] == "Idempotency-Key" && parameter["in"] == "header");
        assert_eq!(says_so, operation.takes_key, "{}", operation.path);
        assert_eq!(described["responses"].get("409").is_some(), operation.takes_key, "{}", operation.path);
    }
}

/// The steps of the conversation, each with a key of its own where its operation takes one.
fn keyed_steps() -> Vec<(Step, Option<&'static str>)> {
    let keyed = |(number, mut step): (usize, Step)| {
        let key = (step.method == Method::POST).then(|| &*format!("step-{number}").leak());
        step.headers.extend(key.map(|key| ("Idempotency-Key", key)));
        (step, key)
    };
    steps().into_iter().enumerate().map(keyed).collect()
}

fn takes_key(conversation: &Conversation<'_>, request: &Request) -> bool {
    conversation.operation(request).is_some_and(|operation| operation.takes_key)
}

/// The same request with something else in its body.
fn another(request: &Request) -> Request {
    let mut body = request.body.clone().unwrap();
    body["and"] = "more".into();
    Request { body: Some(body), ..request.clone() }
}

async fn every_change_is_made_once(server: &TestServer) {
    let mut conversation = Conversation::with(server).await;
    let mut succeeded = BTreeSet::new();
    for (step, key) in keyed_steps() {
        if key.is_none() {
            conversation.take(&step).await;
            continue;
        }
        // Beside the session that the step opens.
        let before = entries(server).await + usize::from(step.actor != NOBODY);
        let (request, first) = conversation.take(&step).await;
        let name = format!("{} ({})", request.path, step.title);
        assert_eq!(first.status, step.status, "{name}: {}", first.text);
        // Refusals on the way in are not kept, and the others have a test of their own.
        if first.status != 200 || !takes_key(&conversation, &request) {
            continue;
        }
        succeeded.insert(request.route);
        let made = entries(server).await - before;
        let expected = usize::from(!UNRECORDED.contains(&request.route));
        assert_eq!(made, expected, "{name}: entries in the record");
        if request.route == FAREWELL {
            continue;
        }
        // Of another session of the same account.
        let actor = conversation.actor(step.actor).await;
        let before = server.dump(&[]).await;
        let second = request.send(&actor).await;
        if SECRET.contains(&request.route) {
            shown_once(&second);
        } else {
            again(&first, &second);
        }
        if request.body.is_some() {
            reused(&another(&request).send(&actor).await);
        }
        assert_eq!(server.dump(&[]).await, before, "{name}");
    }
    let all: BTreeSet<_> = operations().iter().filter(|it| it.takes_key).map(|it| it.path).collect();
    assert_eq!(succeeded, all);
}

impl TestServer {
    /// From now on no answer can be kept, or again.
    async fn lose_answers(&self, lost: bool) {
        match &self.raw {
            Raw::Sqlite(store) => {
                let sql = match lost {
                    true => "CREATE TRIGGER lost BEFORE UPDATE ON receipts BEGIN SELECT RAISE(ABORT, 'lost'); END",
                    false => "DROP TRIGGER lost",
                };
                store.run_sql(sql).await.unwrap();
            }
            Raw::Mongo(database) => {
                let rule = if lost {
                    doc! { "status": { "$exists": false } }
                } else {
                    doc! {}
                };
                let change = doc! { "collMod": "rolekeeper_idempotency", "validator": rule };
                database.run_command(change).await.unwrap();
            }
        }
    }
}

/// What could not be kept was not done: the answer is part of the change, for every operation.
async fn a_change_whose_answer_cannot_be_kept_is_not_made(server: &TestServer) {
    let mut conversation = Conversation::with(server).await;
    let mut refused = BTreeSet::new();
    for (step, _) in keyed_steps() {
        let request = conversation.request(&step);
        if step.status == 200 && takes_key(&conversation, &request) && !KEPT_AFTERWARDS.contains(&request.route) {
            let name = format!("{} ({})", request.path, step.title);
            let actor = conversation.actor(step.actor).await;
            let before = server.dump(&["receipts", "idempotency"]).await;
            server.lose_answers(true).await;
            let mut lost = request.clone();
            lost.headers.retain(|(name, _)| *name != "Idempotency-Key");
            lost.headers.push(("Idempotency-Key", format!("lost {name}").replace(' ', "-").leak()));
            let answer = lost.send(&actor).await;
            server.lose_answers(false).await;
            assert_eq!(answer.status, 500, "{name}: {}", answer.text);
            assert_eq!(server.dump(&["receipts", "idempotency"]).await, before, "{name}");
            refused.insert(request.route);
        }
        conversation.take(&step).await;
    }
    let all = operations().into_iter().filter(|it| it.takes_key && !KEPT_AFTERWARDS.contains(&it.path));
    assert_eq!(refused, all.map(|it| it.path).collect());
}

on_every_store!(every_operation_that_takes_a_key_says_so);

on_every_store!(
    whole_conversation, "CREATE_TOKENS_FOR_USERS" = "true", "CREATE_TOKENS_FOR_USERS_SECRET" = "open sesame";
    every_change_is_made_once,
    a_change_whose_answer_cannot_be_kept_is_not_made,
);
