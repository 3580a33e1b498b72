//! `users.register`: making one's own account, every reason not to get one, and the first administrator who does.

use serde_json::{Value, json};

use crate::support::server::{Answer, Start, TestServer};
use crate::support::stores::Backend;

fn eve() -> Value {
    json!({"username": "eve", "name": "Eve", "email": "eve@example.org", "pass": "let me in"})
}

fn with(changes: Value) -> Value {
    let mut body = eve();
    body.as_object_mut().unwrap().extend(changes.as_object().unwrap().clone());
    body
}

async fn register(server: &TestServer, body: Value) -> Answer {
    server.anonymous().post("users.register", body).await
}

async fn log_in(server: &TestServer) -> Answer {
    server.anonymous().post("login", json!({"user": "eve", "password": "let me in"})).await
}

#[track_caller]
fn refused_plainly(answer: &Answer, text: &str) {
    answer.is(400, json!({"success": false, "error": text}));
}

async fn an_account_of_ones_own_works_at_once(server: &TestServer) {
    let user = register(server, eve()).await.ok()["user"].clone();
    assert_eq!((&user["username"], &user["active"], &user["roles"]), (&json!("eve"), &json!(true), &json!(["user"])));
    assert!(user.get("services").is_none());
    let me = log_in(server).await.ok()["data"]["me"].clone();
    assert_eq!((&me["_id"], &me["roles"]), (&user["_id"], &json!(["user"])));
}

async fn every_reason_not_to_get_one_has_its_text(server: &TestServer) {
    server.user("bob").await;
    for (changes, text) in [
        (json!({"name": "<b>Eve</b>"}), "Name contains invalid characters"),
        (json!({"username": "e v e"}), "The username provided is not valid"),
        (json!({"username": ""}), "The username provided is not valid"),
        (json!({"username": "system"}), "The username provided is not valid"),
        (json!({"username": "BOB"}), "Username is already in use"),
        (json!({"email": "Bob@Example.org"}), "Email already exists"),
    ] {
        refused_plainly(&register(server, with(changes)).await, text);
    }
    register(server, with(json!({"email": "eve"}))).await.refused("Invalid email", "error-invalid-email");
    let empty = register(server, with(json!({"pass": ""}))).await;
    empty.refused("The field Password is required", "error-the-field-is-required");
    refused_plainly(
        &server.admin().await.post("users.register", eve()).await,
        "Logged in users can not register again.",
    );
    register(server, eve()).await.ok();
}

async fn roles_cannot_be_asked_for(server: &TestServer) {
    let answer = register(server, with(json!({"roles": ["admin"]}))).await;
    answer.invalid_params("must NOT have additional properties");
}

async fn nobody_gets_one_where_registering_is_off(server: &TestServer) {
    let answer = register(server, eve()).await;
    answer.refused("User registration is disabled", "error-user-registration-disabled");
}

#[track_caller]
fn takes_the_secret(answer: &Answer) {
    answer.refused("User registration is only allowed via Secret URL", "error-user-registration-secret");
}

async fn the_secret_is_needed_where_one_is_set(server: &TestServer) {
    for changes in [json!({}), json!({"secret": "opensesame"}), json!({"secret": ""})] {
        takes_the_secret(&register(server, with(changes)).await);
    }
    register(server, with(json!({"secret": "open sesame"}))).await.ok();
}

async fn no_secret_is_right_where_none_is_set(server: &TestServer) {
    takes_the_secret(&register(server, with(json!({"secret": ""}))).await);
}

async fn an_account_waits_where_accounts_are_approved(server: &TestServer) {
    let user = register(server, with(json!({"reason": "I work here"}))).await.ok()["user"].clone();
    assert_eq!((&user["active"], &user["reason"]), (&json!(false), &json!("I work here")));
    assert_eq!(log_in(server).await.json()["error"], "error-user-is-not-activated");
    let approval = json!({"userId": user["_id"], "activeStatus": true});
    server.admin().await.post("users.setActiveStatus", approval).await.ok();
    log_in(server).await.ok();
}

async fn the_first_is_ordinary_while_there_is_an_administrator(server: &TestServer) {
    assert_eq!(register(server, eve()).await.ok()["user"]["roles"], json!(["user"]));
}

on_every_store!(
    an_account_of_ones_own_works_at_once,
    every_reason_not_to_get_one_has_its_text,
    roles_cannot_be_asked_for,
);

on_every_store!(
    closed, "OVERWRITE_SETTING_Accounts_RegistrationForm" = "Disabled";
    nobody_gets_one_where_registering_is_off,
);

on_every_store!(
    by_secret,
    "OVERWRITE_SETTING_Accounts_RegistrationForm" = "Secret URL",
    "OVERWRITE_SETTING_Accounts_RegistrationForm_SecretURL" = "open sesame";
    the_secret_is_needed_where_one_is_set,
);

on_every_store!(
    by_secret_without_one, "OVERWRITE_SETTING_Accounts_RegistrationForm" = "Secret URL";
    no_secret_is_right_where_none_is_set,
);

on_every_store!(
    by_hand, "OVERWRITE_SETTING_Accounts_ManuallyApproveNewUsers" = "true";
    an_account_waits_where_accounts_are_approved,
);

on_every_store!(
    first_user_is_administrator, "ROLEKEEPER_FIRST_USER_IS_ADMIN" = "true";
    the_first_is_ordinary_while_there_is_an_administrator,
);

/// While nobody is an administrator and the operator wants it so, exactly one of those who register becomes one.
async fn exactly_one_of_eight_becomes_the_administrator(backend: Backend) {
    let start = Start::fresh(backend).await.unprepared();
    let server = start.set("ROLEKEEPER_FIRST_USER_IS_ADMIN", "true").go().await;
    assert_eq!(server.announcement, None);
    let bodies =
        (0..8).map(|number| with(json!({"username": format!("u{number}"), "email": format!("u{number}@x.org")})));
    let answers = futures_util::future::join_all(bodies.map(|body| register(&server, body))).await;
    let administrators = answers.iter().filter(|answer| answer.ok()["user"]["roles"] == json!(["user", "admin"]));
    assert_eq!(administrators.count(), 1);
    server.finish().await;
}

#[tokio::test]
async fn sqlite_exactly_one_of_eight_becomes_the_administrator() {
    exactly_one_of_eight_becomes_the_administrator(Backend::SqliteFile).await;
}

#[tokio::test]
async fn mongo_exactly_one_of_eight_becomes_the_administrator() {
    exactly_one_of_eight_becomes_the_administrator(Backend::Mongo).await;
}
