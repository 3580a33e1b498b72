//! Many failures to log in stop further attempts for a while: those of one account, those from one address, and nothing
//! at all unless the workspace wants it so.

use reqwest::Method;
use rolekeeper::domain::login_failure::{AccountKey, Limit, Limits};
use rolekeeper::domain::role::USER;
use serde_json::{Value, json};

use crate::support::server::{Answer, PASSWORD, Start, TestServer};
use crate::support::stores::Backend;

const MINUTE: i64 = 60_000;
const HOME: &str = "192.0.2.1";
const AWAY: &str = "2001:db8::1";

async fn send(server: &TestServer, address: &str, body: Value) -> Answer {
    let nobody = server.anonymous();
    let request = nobody.request(Method::POST, "/api/v1/login").json(&body);
    nobody.send(request.header("X-Forwarded-For", address)).await
}

async fn login_from(server: &TestServer, address: &str, name: &str, password: &str) -> Answer {
    send(server, address, json!({"user": name, "password": password})).await
}

/// So many failures in a row, each told as such.
async fn fail(server: &TestServer, address: &str, name: &str, times: usize) {
    for _ in 0..times {
        wrong(&login_from(server, address, name, "wrong").await);
    }
}

#[track_caller]
fn wrong(answer: &Answer) {
    answer.is(401, json!({"success": false, "error": "Unauthorized", "status": "error", "message": "Unauthorized"}));
}

#[track_caller]
fn blocked(answer: &Answer, code: &str, message: &str) {
    let details = json!({"function": "Accounts.validateLoginAttempt"});
    let body = json!({"success": false, "error": code, "status": "error", "details": details, "message": message});
    answer.is(401, body);
}

#[track_caller]
fn blocked_by_address(answer: &Answer) {
    blocked(answer, "error-login-blocked-for-ip", "Login has been temporarily blocked For IP");
}

#[track_caller]
fn blocked_by_account(answer: &Answer) {
    blocked(answer, "error-login-blocked-for-user", "Login has been temporarily blocked For User");
}

async fn an_account_is_blocked_and_free_again_when_its_time_is_over(server: &TestServer) {
    server.user("bob").await;
    fail(server, HOME, "bob", 3).await;
    blocked_by_account(&login_from(server, HOME, "bob", "wrong").await);
    blocked_by_account(&login_from(server, AWAY, "bob", PASSWORD).await);
    server.clock.advance(2 * MINUTE - 1);
    blocked_by_account(&login_from(server, HOME, "bob", PASSWORD).await);
    server.clock.advance(1);
    login_from(server, HOME, "bob", PASSWORD).await.ok();
}

async fn every_name_of_an_account_is_that_account(server: &TestServer) {
    server.user("bob").await;
    server.user("amy").await;
    fail(server, HOME, "bob", 1).await;
    fail(server, AWAY, "BOB", 1).await;
    fail(server, HOME, "Bob@example.org", 1).await;
    blocked_by_account(&login_from(server, HOME, "bob@example.org", PASSWORD).await);
    login_from(server, HOME, "amy", PASSWORD).await.ok();
}

/// Being blocked must not tell which names exist.
async fn a_name_that_nobody_has_is_blocked_like_an_account(server: &TestServer) {
    fail(server, HOME, "nobody", 2).await;
    fail(server, HOME, "NoBody", 1).await;
    blocked_by_account(&login_from(server, HOME, "nobody", PASSWORD).await);
    fail(server, HOME, "nobody-else", 1).await;
    server.clock.advance(2 * MINUTE);
    fail(server, HOME, "nobody", 1).await;
}

async fn failures_count_since_the_last_success(server: &TestServer) {
    server.user("bob").await;
    for _ in 0..2 {
        fail(server, HOME, "bob", 2).await;
        login_from(server, AWAY, "bob", PASSWORD).await.ok();
    }
    fail(server, HOME, "bob", 3).await;
    blocked_by_account(&login_from(server, HOME, "bob", PASSWORD).await);
}

async fn an_address_is_blocked_whoever_it_tries_to_be(server: &TestServer) {
    let bob = server.user("bob").await;
    for name in ["a", "b", "c", "d", "e"] {
        fail(server, HOME, name, 1).await;
    }
    blocked_by_address(&login_from(server, HOME, "bob", PASSWORD).await);
    blocked_by_address(&login_from(server, HOME, "f", "wrong").await);
    // Also with a token, and with what is no way to log in at all.
    blocked_by_address(&send(server, HOME, json!({"resume": bob.token()})).await);
    blocked_by_address(&send(server, HOME, json!({})).await);
    send(server, AWAY, json!({"resume": bob.token()})).await.ok();
    login_from(server, AWAY, "bob", PASSWORD).await.ok();
    // One who is in already stays in.
    let request = bob.request(Method::GET, "/api/v1/me").header("X-Forwarded-For", HOME);
    bob.send(request).await.ok();
    server.clock.advance(4 * MINUTE - 1);
    blocked_by_address(&login_from(server, HOME, "bob", PASSWORD).await);
    server.clock.advance(1);
    login_from(server, HOME, "bob", PASSWORD).await.ok();
}

async fn the_address_is_told_before_the_account(server: &TestServer) {
    server.user("bob").await;
    fail(server, HOME, "bob", 3).await;
    fail(server, HOME, "a", 2).await;
    blocked_by_address(&login_from(server, HOME, "bob", PASSWORD).await);
    blocked_by_account(&login_from(server, AWAY, "bob", PASSWORD).await);
}

/// Otherwise somebody with an account of his own could guess at others for ever.
async fn a_success_forgives_only_the_failures_of_its_own_account(server: &TestServer) {
    server.user("eve").await;
    for name in ["a", "b", "c", "d"] {
        fail(server, HOME, name, 1).await;
        login_from(server, HOME, "eve", PASSWORD).await.ok();
    }
    fail(server, HOME, "e", 1).await;
    blocked_by_address(&login_from(server, HOME, "eve", PASSWORD).await);
}

async fn a_listed_address_is_never_blocked(server: &TestServer) {
    server.user("bob").await;
    for number in 0..12 {
        fail(server, "198.51.100.7", &format!("name{number}"), 1).await;
    }
    login_from(server, "198.51.100.7", "bob", PASSWORD).await.ok();
    // The account is another matter.
    fail(server, "198.51.100.7", "bob", 3).await;
    blocked_by_account(&login_from(server, "198.51.100.7", "bob", PASSWORD).await);
}

async fn a_wrong_code_is_a_failure_and_a_missing_one_is_not(server: &TestServer) {
    let bob = server.user("bob").await;
    server.plant_authenticator(bob.id(), &[]).await;
    let with_code =
        async |code: &str| send(server, HOME, json!({"user": "bob", "password": PASSWORD, "code": code})).await;
    for _ in 0..6 {
        assert_eq!(login_from(server, HOME, "bob", PASSWORD).await.json()["error"], "totp-required");
    }
    for _ in 0..3 {
        assert_eq!(with_code("000000").await.json()["error"], "totp-invalid");
    }
    blocked_by_account(&with_code(&server.app_code(0)).await);
    server.clock.advance(2 * MINUTE);
    with_code(&server.app_code(0)).await.ok();
}

on_every_store!(
    switched_on,
    "HTTP_FORWARDED_COUNT" = "1",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled" = "true",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_by_User" = "3",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Time_To_Unblock_By_User_In_Minutes" = "2",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_By_Ip" = "5",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Time_To_Unblock_By_Ip_In_Minutes" = "4",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Ip_Whitelist" = "203.0.113.9, 198.51.100.7";
    an_account_is_blocked_and_free_again_when_its_time_is_over,
    every_name_of_an_account_is_that_account,
    a_name_that_nobody_has_is_blocked_like_an_account,
    failures_count_since_the_last_success,
    an_address_is_blocked_whoever_it_tries_to_be,
    the_address_is_told_before_the_account,
    a_success_forgives_only_the_failures_of_its_own_account,
    a_listed_address_is_never_blocked,
    a_wrong_code_is_a_failure_and_a_missing_one_is_not,
);

async fn without_further_words_ten_of_an_account_or_fifty_of_an_address_are_too_many(server: &TestServer) {
    server.user("bob").await;
    server.user("amy").await;
    fail(server, HOME, "bob", 10).await;
    blocked_by_account(&login_from(server, HOME, "bob", PASSWORD).await);
    for number in 0..40 {
        fail(server, HOME, &format!("name{number}"), 1).await;
    }
    blocked_by_address(&login_from(server, HOME, "amy", PASSWORD).await);
    server.clock.advance(5 * MINUTE);
    login_from(server, HOME, "bob", PASSWORD).await.ok();
}

on_every_store!(
    by_default,
    "HTTP_FORWARDED_COUNT" = "1",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled" = "true";
    without_further_words_ten_of_an_account_or_fifty_of_an_address_are_too_many,
);

async fn only_addresses_are_blocked_where_accounts_are_not(server: &TestServer) {
    server.user("bob").await;
    fail(server, HOME, "bob", 4).await;
    login_from(server, AWAY, "bob", PASSWORD).await.ok();
    fail(server, HOME, "bob", 5).await;
    blocked_by_address(&login_from(server, HOME, "bob", PASSWORD).await);
}

on_every_store!(
    not_by_account,
    "HTTP_FORWARDED_COUNT" = "1",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled" = "true",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_By_User" = "false",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_by_User" = "3",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_By_Ip" = "5";
    only_addresses_are_blocked_where_accounts_are_not,
);

async fn only_accounts_are_blocked_where_addresses_are_not(server: &TestServer) {
    server.user("bob").await;
    for number in 0..6 {
        fail(server, HOME, &format!("name{number}"), 1).await;
    }
    login_from(server, HOME, "bob", PASSWORD).await.ok();
    fail(server, HOME, "bob", 3).await;
    blocked_by_account(&login_from(server, HOME, "bob", PASSWORD).await);
}

on_every_store!(
    not_by_address,
    "HTTP_FORWARDED_COUNT" = "1",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled" = "true",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_By_Ip" = "false",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_by_User" = "3",
    "OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Attempts_Until_Block_By_Ip" = "5";
    only_accounts_are_blocked_where_addresses_are_not,
);

/// Unless the workspace wants it, nobody can lock anybody out, and nothing is kept.
async fn nothing_is_blocked_unless_it_is_wanted(server: &TestServer) {
    let bob = server.user_with("bob", &[USER]).await;
    fail(server, HOME, "bob", 12).await;
    let limit = Limit { attempts: 100, millis: 100 * MINUTE };
    let limits = Limits { account: Some(limit), address: Some(limit) };
    let (key, now) = (AccountKey::account(&bob.user_id()), server.by().at);
    let kept = server.store.count_login_failures(&key, Some(HOME), limits, now).await.unwrap();
    assert_eq!((kept.account, kept.address), (0, 0));
    login_from(server, HOME, "bob", PASSWORD).await.ok();
}

on_every_store!(nothing_is_blocked_unless_it_is_wanted);

/// What failed at one server is known to the next on the same store.
mod another_server {
    use super::*;

    async fn knows_what_failed(backend: Backend) {
        let switch = |start: Start| start.set("OVERWRITE_SETTING_Block_Multiple_Failed_Logins_Enabled", "true");
        let server = switch(Start::fresh(backend).await).go().await;
        server.user("bob").await;
        fail(&server, HOME, "bob", 10).await;
        let server = switch(Start::again(server.halt().await)).go().await;
        blocked_by_account(&login_from(&server, HOME, "bob", PASSWORD).await);
        server.clock.advance(5 * MINUTE);
        login_from(&server, HOME, "bob", PASSWORD).await.ok();
        server.finish().await;
    }

    #[tokio::test]
    async fn knows_what_failed_sqlite() {
        knows_what_failed(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn knows_what_failed_mongo() {
        knows_what_failed(Backend::Mongo).await;
    }
}
