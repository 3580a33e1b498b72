//! `Idempotency-Key` on the Rocket.Chat surface: a request that comes again changes nothing again and gets the same bytes,
//! also after a restart. That this holds of every operation is tested in `idempotency_routes`, that of a client who hangs up
//! in `idempotency_cut`. What goes without the header is all the tests beside these.

use std::collections::BTreeSet;

use futures_util::future::join_all;
use reqwest::Method;
use rolekeeper::clock::Clock as _;
use rolekeeper::domain::receipt::{Fingerprint, Found, ReceiptKey, Ticket};
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::server::{Actor, Answer, PASSWORD, Start, TestServer};
use crate::support::stores::Backend;

const DAY_MS: i64 = 24 * 60 * 60 * 1_000;
/// After so long a new account is none any more, and is asked for a second factor.
const HALF_AN_HOUR_MS: i64 = 30 * 60 * 1_000;
fn sha256(text: &str) -> String {
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// `POST /api/v1/<route>` under a key.
pub async fn keyed(actor: &Actor<'_>, key: &str, route: &str, body: &Value) -> Answer {
    let request = actor.request(Method::POST, &format!("/api/v1/{route}")).header("Idempotency-Key", key);
    actor.send(request.json(body)).await
}

/// Asserts that the answer is the kept one.
#[track_caller]
pub fn again(first: &Answer, second: &Answer) {
    assert_eq!((second.status, &second.text), (first.status, &first.text));
    for header in ["content-type", "cache-control", "pragma"] {
        assert_eq!(second.header(header), first.header(header));
    }
    assert_eq!((first.header("idempotency-replayed"), second.header("idempotency-replayed")), ("", "true"));
}

#[track_caller]
pub fn reused(answer: &Answer) {
    answer.refused("The Idempotency-Key belongs to another request", "error-idempotency-key-reused");
}

#[track_caller]
fn running(answer: &Answer) {
    let text = "The same request is still running [error-idempotency-key-in-progress]";
    answer.is(409, json!({"success": false, "error": text, "errorType": "error-idempotency-key-in-progress"}));
    assert_eq!(answer.header("retry-after"), "1");
}

#[track_caller]
pub fn shown_once(answer: &Answer) {
    let text = "The request was carried out, and its answer held a secret, which is shown only once \
                [error-idempotency-answer-secret]";
    answer.is(409, json!({"success": false, "error": text, "errorType": "error-idempotency-answer-secret"}));
    assert_eq!(answer.header("idempotency-replayed"), "true");
}

pub async fn entries(server: &TestServer) -> usize {
    server.store.list_audit_entries(10_000).await.unwrap().len()
}

/// Until a turn that was given up has come to the store; each attempt in between is told that the turn is taken.
pub async fn until(done: impl AsyncFn() -> bool) {
    for _ in 0..1_000 {
        if done().await {
            return;
        }
    }
    panic!("the key stays taken");
}
pub async fn role(actor: &Actor<'_>, name: &str) -> String {
    let made = actor.post("roles.create", json!({"name": name})).await.ok();
    made["role"]["_id"].as_str().unwrap().to_owned()
}

/// The control: what the key is there for.
async fn without_a_key_the_effect_is_double(server: &TestServer) {
    let admin = server.admin().await;
    server.user("bob").await;
    let deputy = role(&admin, "deputy").await;
    let body = json!({"roleId": deputy, "name": "deputy", "description": "d"});
    let before = entries(server).await;
    for _ in 0..2 {
        admin.post("roles.update", body.clone()).await.ok();
    }
    assert_eq!(entries(server).await, before + 2);
    let body = json!({"username": "bob", "roleId": deputy});
    admin.post("roles.addUserToRole", body.clone()).await.ok();
    assert_eq!(admin.post("roles.addUserToRole", body).await.status, 400, "he who heard nothing hears of a failure");
}

async fn a_refusal_is_kept_as_it_was_given(server: &TestServer) {
    let admin = server.admin().await;
    server.user("bob").await;
    let deputy = role(&admin, "deputy").await;
    let held = json!({"username": "bob", "roleId": deputy});
    admin.post("roles.addUserToRole", held.clone()).await.ok();
    let body = json!({"roleId": deputy});
    let first = keyed(&admin, "k", "roles.delete", &body).await;
    assert_eq!(first.status, 400);
    admin.post("roles.removeUserFromRole", held).await.ok();
    again(&first, &keyed(&admin, "k", "roles.delete", &body).await);
    keyed(&admin, "l", "roles.delete", &body).await.ok();
}

async fn a_success_without_effect_is_kept_too(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({"permissionId": "view-logs", "role": "bot"});
    admin.post("permissions.addRole", body.clone()).await.ok();
    let before = entries(server).await;
    let first = keyed(&admin, "k", "permissions.addRole", &body).await;
    first.ok();
    again(&first, &keyed(&admin, "k", "permissions.addRole", &body).await);
    assert_eq!(entries(server).await, before);
}

/// Its answer is kept after the last portion, which changes nothing.
async fn what_is_done_in_portions_is_answered_as_a_whole(server: &TestServer) {
    server.user("bob").await;
    server.clock.advance(100 * DAY_MS);
    let admin = server.admin().await;
    let body = json!({"daysIdle": 90});
    let first = keyed(&admin, "k", "users.deactivateIdle", &body).await;
    assert_eq!(first.ok()["count"], 1);
    again(&first, &keyed(&admin, "k", "users.deactivateIdle", &body).await);
    assert_eq!(keyed(&admin, "l", "users.deactivateIdle", &body).await.ok()["count"], 0);
}

async fn a_key_belongs_to_one_request_of_one_account(server: &TestServer) {
    let (admin, other) = (server.admin().await, server.user_with("amy", &["admin"]).await);
    let body = json!({"name": "deputy"});
    let first = keyed(&admin, "k", "roles.create", &body).await;
    let made = first.ok();
    reused(&keyed(&admin, "k", "roles.create", &json!({"name": "other"})).await);
    reused(&keyed(&admin, "k", "channels.create", &body).await);
    reused(&keyed(&admin, "k", "roles.create?and=more", &body).await);
    again(&first, &keyed(&admin, "k", "roles.create", &body).await);
    again(&first, &keyed(&server.admin().await, "k", "roles.create", &body).await);
    let hers = keyed(&other, "k", "roles.create", &json!({"name": "other"})).await;
    assert_ne!(hers.ok()["role"]["_id"], made["role"]["_id"]);
    assert_eq!(hers.header("idempotency-replayed"), "");
    for key in ["", "a b", &"k".repeat(256)] {
        let text = "The Idempotency-Key must have 1 to 255 visible ASCII characters";
        keyed(&admin, key, "roles.create", &json!({"name": "none"}))
            .await
            .refused(text, "error-idempotency-key-invalid");
    }
    keyed(&admin, &"k".repeat(255), "roles.create", &json!({"name": "longest"})).await.ok();
    server.clock.advance(DAY_MS - 1);
    again(&first, &keyed(&admin, "k", "roles.create", &body).await);
    server.clock.advance(1);
    keyed(&admin, "k", "roles.create", &json!({"name": "tomorrow"})).await.ok();
}

async fn what_is_read_takes_no_key_and_neither_does_a_session(server: &TestServer) {
    let admin = server.admin().await;
    let send = async |method: Method, path: &str, body: Value| {
        let request = admin.request(method, path).header("Idempotency-Key", "k");
        admin.send(request.json(&body)).await
    };
    let login = json!({"user": "root", "password": PASSWORD});
    let mut tokens = BTreeSet::new();
    for _ in 0..2 {
        assert_eq!(send(Method::GET, "/api/v1/roles.list", json!({})).await.header("idempotency-replayed"), "");
        let answer = send(Method::POST, "/api/v1/login", login.clone()).await;
        tokens.insert(answer.ok()["data"]["authToken"].to_string());
    }
    assert_eq!(tokens.len(), 2);
    send(Method::POST, "/api/v1/logout", json!({})).await.ok();
    keyed(&admin, "k", "roles.create", &json!({"name": "r"})).await.unauthenticated();
    for (table, rows) in server.dump(&[]).await {
        let is_theirs = table.contains("receipts") || table.contains("idempotency");
        assert!(!is_theirs || rows.is_empty(), "{rows:?}");
    }
}

async fn what_was_refused_on_the_way_in_takes_no_key(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    let body = json!({"permissionId": "view-logs", "role": "bot"});
    keyed(&bob, "k", "permissions.addRole", &body).await.forbidden();
    admin.post("roles.addUserToRole", json!({"username": "bob", "roleId": "admin"})).await.ok();
    until(async || keyed(&bob, "k", "permissions.addRole", &body).await.status == 200).await;
}

/// Whoever has lost the permission by his own change still hears how it ended; whoever may not come in hears nothing.
async fn an_answer_is_for_whoever_may_come_in(server: &TestServer) {
    let (admin, amy) = (server.admin().await, server.user_with("amy", &["admin"]).await);
    let body = json!({"username": "amy", "roleId": "admin"});
    let first = keyed(&amy, "k", "roles.removeUserFromRole", &body).await;
    first.ok();
    again(&first, &keyed(&amy, "k", "roles.removeUserFromRole", &body).await);
    keyed(&amy, "l", "roles.removeUserFromRole", &body).await.forbidden();
    admin.post("users.setActiveStatus", json!({"userId": amy.id(), "activeStatus": false})).await.ok();
    keyed(&amy, "k", "roles.removeUserFromRole", &body).await.unauthenticated();
    // Where somebody goes, the answer that he missed is that he has gone.
    server.plant_setting("Accounts_AllowDeleteOwnAccount", "true").await;
    let bob = server.user("bob").await;
    let body = json!({"password": sha256(PASSWORD)});
    keyed(&bob, "k", "users.deleteOwnAccount", &body).await.ok();
    keyed(&bob, "k", "users.deleteOwnAccount", &body).await.unauthenticated();
    keyed(&admin, "k", "users.logout", &json!({})).await.ok();
    keyed(&admin, "k", "users.logout", &json!({})).await.unauthenticated();
}

async fn a_second_factor_is_asked_for_once(server: &TestServer) {
    server.clock.advance(HALF_AN_HOUR_MS + 1);
    let admin = server.admin().await;
    server.plant_authenticator(admin.id(), &[]).await;
    let body = json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": "let me in"});
    let create = async |code: Option<&str>| {
        let request = admin.request(Method::POST, "/api/v1/users.create").header("Idempotency-Key", "k").json(&body);
        admin
            .send(match code {
                Some(code) => request.header("x-2fa-code", code).header("x-2fa-method", "totp"),
                None => request,
            })
            .await
    };
    assert_eq!(create(None).await.json()["errorType"], "totp-required");
    let code = server.app_code(0);
    let mut first = create(Some(&code)).await;
    while first.status == 409 {
        // The turn that was given up is still on its way.
        first = create(Some(&code)).await;
    }
    first.ok();
    again(&first, &create(None).await);
}

async fn no_secret_is_kept(server: &TestServer) {
    let admin = server.admin().await;
    let key = "a-key-of-the-client";
    let made = keyed(&admin, key, "users.generatePersonalAccessToken", &json!({"tokenName": "ci"})).await.ok();
    let token = made["token"].as_str().unwrap();
    let password = "battery staple";
    let amy = json!({"username": "amy", "name": "Amy", "email": "amy@example.org", "password": password});
    keyed(&admin, "another-key", "users.create", &amy).await.ok();
    keyed(&admin, "third-key", "users.logoutOtherClients", &json!({})).await.ok();
    // Whoever tries passwords against what is kept of a request needs the key, which is not kept either.
    let guess = amy.to_string();
    let fingerprint = Fingerprint::of(&[b"POST", b"/api/v1/users.create", guess.as_bytes()]);
    for (table, rows) in server.dump(&[]).await {
        for secret in [token, password, admin.token(), key, "another-key", fingerprint.as_str()] {
            assert!(rows.iter().all(|row| !row.contains(secret)), "{secret} in {table}");
        }
    }
}

async fn a_request_that_runs_is_not_run_beside_itself(server: &TestServer) {
    let admin = server.admin().await;
    let body = json!({"name": "deputy"});
    let text = body.to_string();
    let request = Fingerprint::of(&[b"k", b"POST", b"/api/v1/roles.create", text.as_bytes()]);
    let key = ReceiptKey::sealed(&admin.user_id(), "k").unwrap();
    let ticket = Ticket { key, run: "elsewhere".to_owned() };
    let taken = server.store.take_receipt(&ticket, &request, server.clock.now()).await.unwrap();
    assert_eq!(taken, Found::Vacant);
    let before = entries(server).await;
    running(&keyed(&admin, "k", "roles.create", &body).await);
    assert_eq!(entries(server).await, before);
    server.store.drop_receipt(&ticket).await.unwrap();
    keyed(&admin, "k", "roles.create", &body).await.ok();
}

async fn of_many_at_once_one_is_made(server: &TestServer) {
    let admin = server.admin().await;
    for round in 0..10 {
        let (key, body) = (format!("k{round}"), json!({"name": format!("role {round}")}));
        let answers = join_all((0..6).map(|_| keyed(&admin, &key, "roles.create", &body))).await;
        let made: Vec<_> = answers.iter().filter(|answer| answer.status == 200).collect();
        assert!(!made.is_empty() && made.iter().all(|answer| answer.text == made[0].text));
        answers.iter().filter(|answer| answer.status != 200).for_each(running);
    }
}

async fn an_answer_outlives_the_server(backend: Backend) {
    let server = Start::fresh(backend).await.go().await;
    let admin = server.admin().await;
    let body = json!({"name": "deputy"});
    let first = keyed(&admin, "k", "roles.create", &body).await;
    first.ok();
    let (id, token) = (admin.id().to_owned(), admin.token().to_owned());
    let server = Start::again(server.halt().await).go().await;
    let before = entries(&server).await;
    again(&first, &keyed(&server.with(&id, &token), "k", "roles.create", &body).await);
    assert_eq!(entries(&server).await, before);
    server.finish().await;
}

#[tokio::test]
async fn an_answer_outlives_the_server_on_sqlite() {
    an_answer_outlives_the_server(Backend::SqliteFile).await;
}

#[tokio::test]
async fn an_answer_outlives_the_server_on_mongo() {
    an_answer_outlives_the_server(Backend::Mongo).await;
}

on_every_store!(
    without_a_key_the_effect_is_double,
    a_refusal_is_kept_as_it_was_given,
    a_success_without_effect_is_kept_too,
    what_is_done_in_portions_is_answered_as_a_whole,
    a_key_belongs_to_one_request_of_one_account,
    what_is_read_takes_no_key_and_neither_does_a_session,
    what_was_refused_on_the_way_in_takes_no_key,
    an_answer_is_for_whoever_may_come_in,
    a_second_factor_is_asked_for_once,
    no_secret_is_kept,
    a_request_that_runs_is_not_run_beside_itself,
    of_many_at_once_one_is_made,
);
