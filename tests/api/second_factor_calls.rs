//! The calls that ask for a second factor: who is asked and who is not, what is right, for how long it is remembered, and
//! where among the other checks the question stands.

use mongodb::bson::{DateTime, Document, doc};
use reqwest::Method;
use rolekeeper::domain::role::{ADMIN, USER};
use rolekeeper::http::routes::operations;
use serde_json::{Value, json};
use sha2::Digest as _;

use crate::support::server::{Actor, Answer, PASSWORD, ROOT, Start, TestServer};
use crate::support::stores::{Backend, Raw};

const SECOND: i64 = 1_000;
/// After so long a new account is none any more, and what was shown must be shown again.
const HALF_AN_HOUR: i64 = 1_800 * SECOND;

fn sha256(text: &str) -> String {
    sha2::Sha256::digest(text).iter().map(|byte| format!("{byte:02x}")).collect()
}

fn amy(number: u32) -> Value {
    let name = format!("amy{number}");
    json!({"username": name, "name": "Amy", "email": format!("{name}@example.org"), "password": "x"})
}

/// `users.create` with these headers.
async fn create(actor: &Actor<'_>, number: u32, headers: &[(&str, &str)]) -> Answer {
    let request = actor.request(Method::POST, "/api/v1/users.create").json(&amy(number));
    actor.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[track_caller]
fn required(answer: &Answer, method: &str, available: &[&str]) {
    let details = json!({"method": method, "codeGenerated": false, "availableMethods": available});
    answer.refused_with("TOTP Required", "totp-required", details);
}

#[track_caller]
fn invalid(answer: &Answer, method: &str, available: &[&str]) {
    let details = json!({"method": method, "codeGenerated": false, "availableMethods": available});
    answer.refused_with("TOTP Invalid", "totp-invalid", details);
}

/// An administrator whose account is not new any more.
async fn settled(server: &TestServer) -> Actor<'_> {
    server.clock.advance(HALF_AN_HOUR + 1);
    server.admin().await
}

#[test]
fn the_calls_that_ask_are_those() {
    let asking: Vec<_> = operations()
        .iter()
        .filter(|operation| operation.parameters.is_some_and(|parameters| parameters.second_factor))
        .map(|operation| operation.path.trim_start_matches("/api/v1/").to_owned())
        .collect();
    for path in [
        "users.create",
        "users.createToken",
        "users.generatePersonalAccessToken",
        "users.regeneratePersonalAccessToken",
        "users.removePersonalAccessToken",
    ] {
        assert!(asking.iter().any(|asking| asking == path), "{path}");
    }
}

async fn a_new_account_is_not_asked(server: &TestServer) {
    let admin = server.admin().await;
    create(&admin, 1, &[]).await.ok();
    server.clock.advance(HALF_AN_HOUR);
    create(&admin, 2, &[]).await.ok();
    server.clock.advance(1);
    required(&create(&admin, 3, &[]).await, "password", &[]);
}

async fn an_account_without_a_factor_is_asked_for_its_password(server: &TestServer) {
    let admin = settled(server).await;
    required(&create(&admin, 1, &[]).await, "password", &[]);
    required(&create(&admin, 1, &[("X-2fa-Method", "password")]).await, "password", &[]);
    for wrong in [PASSWORD, &sha256("wrong"), "123456"] {
        invalid(&create(&admin, 1, &[("X-2fa-Code", wrong)]).await, "password", &[]);
    }
    let digest = sha256(PASSWORD);
    invalid(&create(&admin, 1, &[("X-2fa-Code", &digest), ("X-2fa-Method", "totp")]).await, "totp", &[]);
    create(&admin, 1, &[("X-2fa-Code", &digest), ("X-2fa-Method", "password")]).await.ok();
}

async fn what_was_shown_is_remembered_for_that_token_and_that_client(server: &TestServer) {
    let admin = settled(server).await;
    let (ours, digest) = (("User-Agent", "ours/1"), sha256(PASSWORD));
    create(&admin, 1, &[ours, ("X-2fa-Code", &digest)]).await.ok();
    create(&admin, 2, &[ours]).await.ok();
    required(&create(&admin, 3, &[("User-Agent", "another/1")]).await, "password", &[]);
    required(&create(&admin, 3, &[]).await, "password", &[]);
    required(&create(&server.session_of(ROOT).await, 3, &[ours]).await, "password", &[]);
    server.clock.advance(HALF_AN_HOUR - 1);
    create(&admin, 3, &[ours]).await.ok();
    server.clock.advance(1);
    required(&create(&admin, 4, &[ours]).await, "password", &[]);
}

async fn a_code_of_the_app_is_what_its_owner_is_asked_for(server: &TestServer) {
    let admin = settled(server).await;
    server.plant_authenticator(admin.id(), &["Xk3mP9qR"]).await;
    required(&create(&admin, 1, &[]).await, "totp", &["totp"]);
    let digest = sha256(PASSWORD);
    invalid(&create(&admin, 1, &[("X-2fa-Code", &digest)]).await, "totp", &["totp"]);
    invalid(&create(&admin, 1, &[("X-2fa-Code", &digest), ("X-2fa-Method", "password")]).await, "totp", &["totp"]);
    let code = server.app_code(0);
    invalid(&create(&admin, 1, &[("X-2fa-Code", &code), ("X-2fa-Method", "email")]).await, "email", &["totp"]);
    create(&admin, 1, &[("X-2fa-Code", &code), ("X-2fa-Method", "totp")]).await.ok();
    create(&admin, 2, &[]).await.ok();
    // Remembered is the session; another one has to show a code of its own, and not that one.
    let other = server.session_of(ROOT).await;
    invalid(&create(&other, 3, &[("X-2fa-Code", &code)]).await, "totp", &["totp"]);
    create(&other, 3, &[("X-2fa-Code", "Xk3mP9qR")]).await.ok();
}

async fn a_code_shown_at_log_in_is_remembered(server: &TestServer) {
    let admin = settled(server).await;
    server.plant_authenticator(admin.id(), &[]).await;
    let body = json!({"user": ROOT, "password": PASSWORD, "code": server.app_code(0)});
    let answer = server.anonymous().post("login", body).await.ok();
    let session = server.with(admin.id(), answer["data"]["authToken"].as_str().unwrap());
    create(&session, 1, &[]).await.ok();
    required(&create(&session, 2, &[("User-Agent", "another/1")]).await, "totp", &["totp"]);
}

async fn codes_cannot_be_tried_for_ever(server: &TestServer) {
    let admin = settled(server).await;
    for number in 0..5 {
        invalid(&create(&admin, 1, &[("X-2fa-Code", &format!("00000{number}"))]).await, "password", &[]);
    }
    let details = json!({"method": "password", "codeGenerated": false, "availableMethods": []});
    let answer = create(&admin, 1, &[("X-2fa-Code", &sha256(PASSWORD))]).await;
    answer.refused_with("TOTP Maximun Failed Attempts Reached", "totp-max-attempts", details);
    server.clock.advance(HALF_AN_HOUR);
    create(&admin, 1, &[("X-2fa-Code", &sha256(PASSWORD))]).await.ok();
}

async fn a_token_made_to_bypass_it_does(server: &TestServer) {
    let admin = server.admin().await;
    let make = async |name: &str, bypass: bool| {
        let body = json!({"tokenName": name, "bypassTwoFactor": bypass});
        let answer = admin.post("users.generatePersonalAccessToken", body).await.ok();
        server.with(admin.id(), answer["token"].as_str().unwrap())
    };
    let (bypassing, plain) = (make("bypassing", true).await, make("plain", false).await);
    server.clock.advance(HALF_AN_HOUR + 1);
    create(&bypassing, 1, &[]).await.ok();
    required(&create(&plain, 2, &[]).await, "password", &[]);
    required(&create(&admin, 2, &[]).await, "password", &[]);
}

/// What is made would be a way around the factor for ever, so that whoever has one must have shown it.
async fn a_token_that_bypasses_a_factor_takes_the_factor(server: &TestServer) {
    let admin = server.admin().await;
    let bypassing = admin.post("users.generatePersonalAccessToken", json!({"tokenName": "a", "bypassTwoFactor": true}));
    let bypassing = server.with(admin.id(), bypassing.await.ok()["token"].as_str().unwrap());
    server.plant_authenticator(admin.id(), &[]).await;
    let make = async |actor: &Actor<'_>, name: &str, bypass: bool, code: Option<&str>| {
        let body = json!({"tokenName": name, "bypassTwoFactor": bypass});
        let request = actor.request(Method::POST, "/api/v1/users.generatePersonalAccessToken").json(&body);
        actor.send(request.header("X-2fa-Code", code.unwrap_or_default())).await
    };
    // The account is new: it may do anything else.
    make(&admin, "plain", false, None).await.ok();
    required(&make(&admin, "b", true, None).await, "totp", &["totp"]);
    required(&make(&bypassing, "b", true, None).await, "totp", &["totp"]);
    required(&admin.post("users.regeneratePersonalAccessToken", json!({"tokenName": "a"})).await, "totp", &["totp"]);
    make(&admin, "b", true, Some(&server.app_code(0))).await.ok();
    make(&admin, "c", true, None).await.ok();
    admin.post("users.regeneratePersonalAccessToken", json!({"tokenName": "a"})).await.ok();
    bypassing.get("me").await.unauthenticated();
}

async fn the_question_comes_after_the_body_and_before_the_permission(server: &TestServer) {
    let bob = server.user("bob").await;
    server.clock.advance(HALF_AN_HOUR + 1);
    let request = |body: Value| bob.request(Method::POST, "/api/v1/users.create").json(&body);
    bob.send(request(json!({}))).await.invalid_params("must have required property 'email'");
    required(&bob.send(request(amy(1))).await, "password", &[]);
    let answer = bob.send(request(amy(1)).header("X-2fa-Code", sha256(PASSWORD))).await;
    assert_eq!(answer.json()["errorType"], "error-action-not-allowed", "{}", answer.text);
    server.anonymous().post("users.create", amy(1)).await.unauthenticated();
}

async fn calls_that_do_not_ask_do_not_ask(server: &TestServer) {
    let admin = settled(server).await;
    server.plant_authenticator(admin.id(), &[]).await;
    admin.post("roles.create", json!({"name": "deputy"})).await.ok();
    admin.get("users.getPersonalAccessTokens").await.ok();
    admin.post("users.logout", json!({})).await.ok();
}

/// Counted first, so that nobody can try codes faster than the rate allows.
async fn the_question_comes_after_the_rate(backend: Backend) {
    let start = Start::fresh(backend).await.with_rates_of_the_workspace();
    let server = start.set("OVERWRITE_SETTING_API_Enable_Rate_Limiter_Limit_Calls_Default", "2").go().await;
    let bob = server.user("bob").await;
    server.clock.advance(HALF_AN_HOUR + 1);
    for remaining in ["1", "0"] {
        let answer = create(&bob, 1, &[]).await;
        required(&answer, "password", &[]);
        assert_eq!(answer.header("x-ratelimit-remaining"), remaining);
    }
    assert_eq!(create(&bob, 1, &[("X-2fa-Code", &sha256(PASSWORD))]).await.status, 429);
    server.finish().await;
}

#[tokio::test]
async fn the_question_comes_after_the_rate_sqlite() {
    the_question_comes_after_the_rate(Backend::SqliteFile).await;
}

#[tokio::test]
async fn the_question_comes_after_the_rate_mongo() {
    the_question_comes_after_the_rate(Backend::Mongo).await;
}

/// A session that Rocket.Chat remembered: MD5 of the JSON of its client.
async fn what_another_server_noted_counts(server: &TestServer) {
    let admin = settled(server).await;
    let Raw::Mongo(database) = &server.raw else { return };
    let users = database.collection::<Document>("users");
    // node: crypto.createHash("md5").update(JSON.stringify({userAgent: "ours/1", clientAddress: "127.0.0.1"}))
    let noted = doc! { "$set": {
        "services.resume.loginTokens.$[].twoFactorAuthorizedHash": "9498ffa8a11dbe9522890948d6305828",
        "services.resume.loginTokens.$[].twoFactorAuthorizedUntil":
            DateTime::from_millis(server.by().at.as_millis() + 60_000),
    } };
    users.update_one(doc! { "_id": admin.id() }, noted).await.unwrap();
    server.changed_past_it();
    create(&admin, 1, &[("User-Agent", "ours/1")]).await.ok();
    required(&create(&admin, 2, &[("User-Agent", "ours/2")]).await, "password", &[]);
    server.clock.advance(60_000);
    required(&create(&admin, 2, &[("User-Agent", "ours/1")]).await, "password", &[]);
    create(&admin, 2, &[("User-Agent", "ours/1"), ("X-2fa-Code", &sha256(PASSWORD))]).await.ok();
    let account = users.find_one(doc! { "_id": admin.id() }).await.unwrap().unwrap();
    let tokens = account.get_document("services").unwrap().get_document("resume").unwrap();
    let token = tokens.get_array("loginTokens").unwrap()[0].as_document().unwrap();
    assert_eq!(token.get_str("twoFactorAuthorizedHash").unwrap(), "9498ffa8a11dbe9522890948d6305828");
    let until = token.get_datetime("twoFactorAuthorizedUntil").unwrap().timestamp_millis();
    assert_eq!(until, server.by().at.as_millis() + HALF_AN_HOUR);
}

async fn where_second_factors_are_off_nobody_is_asked(server: &TestServer) {
    let admin = settled(server).await;
    create(&admin, 1, &[]).await.ok();
    server.plant_authenticator(admin.id(), &[]).await;
    create(&admin, 2, &[]).await.ok();
    let body = json!({"tokenName": "ci", "bypassTwoFactor": true});
    admin.post("users.generatePersonalAccessToken", body).await.ok();
}

async fn where_passwords_do_not_stand_in_only_those_with_a_factor_are_asked(server: &TestServer) {
    let admin = settled(server).await;
    create(&admin, 1, &[]).await.ok();
    server.plant_authenticator(admin.id(), &[]).await;
    required(&create(&admin, 2, &[]).await, "totp", &["totp"]);
}

async fn a_memory_of_less_than_nothing_is_none(server: &TestServer) {
    server.plant_setting("Accounts_TwoFactorAuthentication_RememberFor", "-1").await;
    required(&create(&server.admin().await, 1, &[]).await, "password", &[]);
}

async fn where_nothing_is_remembered_everybody_is_asked_every_time(server: &TestServer) {
    let admin = server.admin().await;
    let digest = sha256(PASSWORD);
    for number in 1..3 {
        required(&create(&admin, number, &[]).await, "password", &[]);
        create(&admin, number, &[("X-2fa-Code", &digest)]).await.ok();
    }
}

async fn a_bot_without_a_password_is_not_asked(server: &TestServer) {
    let (bot, _) = (server.user_with("robo", &[ADMIN, USER]).await, server.admin().await);
    match &server.raw {
        Raw::Sqlite(store) => {
            let sql = format!("UPDATE users SET password_bcrypt = NULL WHERE id = '{}'", bot.id());
            store.run_sql(&sql).await.unwrap();
        }
        Raw::Mongo(database) => {
            let without = doc! { "$unset": { "services.password": "" } };
            let users = database.collection::<Document>("users");
            users.update_one(doc! { "_id": bot.id() }, without).await.unwrap();
        }
    }
    server.changed_past_it();
    server.clock.advance(HALF_AN_HOUR + 1);
    create(&bot, 1, &[]).await.ok();
}

on_every_store!(
    a_new_account_is_not_asked,
    an_account_without_a_factor_is_asked_for_its_password,
    what_was_shown_is_remembered_for_that_token_and_that_client,
    a_code_of_the_app_is_what_its_owner_is_asked_for,
    a_code_shown_at_log_in_is_remembered,
    codes_cannot_be_tried_for_ever,
    a_token_made_to_bypass_it_does,
    a_token_that_bypasses_a_factor_takes_the_factor,
    the_question_comes_after_the_body_and_before_the_permission,
    calls_that_do_not_ask_do_not_ask,
    what_another_server_noted_counts,
    a_bot_without_a_password_is_not_asked,
    a_memory_of_less_than_nothing_is_none,
);

on_every_store!(
    switched_off, "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_Enabled" = "false";
    where_second_factors_are_off_nobody_is_asked,
);

on_every_store!(
    without_fallback, "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_Enforce_Password_Fallback" = "false";
    where_passwords_do_not_stand_in_only_those_with_a_factor_are_asked,
);

on_every_store!(
    without_memory, "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_RememberFor" = "0";
    where_nothing_is_remembered_everybody_is_asked_every_time,
);
