//! Second factors at log-in: every way to send a code, every way to fail, and that no code lets in twice. The calls that
//! ask for one are in `second_factor_calls`.

use futures_util::future::join_all;
use reqwest::Method;
use rolekeeper::domain::audit::Change;
use serde_json::{Value, json};

use crate::support::server::{Actor, Answer, PASSWORD, TestServer};

const MINUTE: i64 = 60_000;
const STEP: i64 = 30_000;
const BACKUP: [&str; 2] = ["Xk3mP9qR", "aB7cD2eF"];

/// Somebody with an authenticator app and two backup codes.
async fn with_app<'s>(server: &'s TestServer, name: &str) -> Actor<'s> {
    let actor = server.user(name).await;
    server.plant_authenticator(actor.id(), &BACKUP).await;
    actor
}

fn password(name: &str) -> Value {
    json!({"user": name, "password": PASSWORD})
}

async fn login(server: &TestServer, body: Value) -> Answer {
    server.anonymous().post("login", body).await
}

async fn login_with(server: &TestServer, name: &str, code: &str) -> Answer {
    login(server, json!({"user": name, "password": PASSWORD, "code": code})).await
}

async fn login_by_headers(server: &TestServer, name: &str, headers: &[(&str, &str)]) -> Answer {
    let nobody = server.anonymous();
    let request = nobody.request(Method::POST, "/api/v1/login").json(&password(name));
    nobody.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

#[track_caller]
fn refused(answer: &Answer, code: &str, message: &str, method: &str, available: &[&str]) {
    let details = json!({"method": method, "codeGenerated": false, "availableMethods": available});
    let body = json!({"success": false, "error": code, "status": "error", "details": details, "message": message});
    answer.is(401, body);
}

#[track_caller]
fn invalid(answer: &Answer) {
    refused(answer, "totp-invalid", "TOTP Invalid", "totp", &["totp"]);
}

#[track_caller]
fn exhausted(answer: &Answer) {
    refused(answer, "totp-max-attempts", "TOTP Maximun Failed Attempts Reached", "totp", &["totp"]);
}

#[track_caller]
fn wrong_password(answer: &Answer) {
    answer.is(401, json!({"success": false, "error": "Unauthorized", "status": "error", "message": "Unauthorized"}));
}

async fn a_code_lets_in_wherever_it_is_sent(server: &TestServer) {
    with_app(server, "bob").await;
    let next = || {
        server.clock.advance(STEP);
        server.app_code(0)
    };
    login_with(server, "bob", &next()).await.ok();
    login_with(server, "bob", &format!(" {} ", next())).await.ok();
    login_with(server, "bob@example.org", &next()).await.ok();
    let wrapped = json!({"totp": {"code": next(), "login": {"user": {"username": "bob"}, "password": PASSWORD}}});
    login(server, wrapped).await.ok();
    let form = format!("user=bob&password=correct+horse&code={}", next());
    server.anonymous().post_bytes("login", Some("application/x-www-form-urlencoded"), form).await.ok();
    login_by_headers(server, "bob", &[("X-2fa-Code", &next())]).await.ok();
    let answer = login_by_headers(server, "bob", &[("X-2fa-Code", &next()), ("X-2fa-Method", "totp")]).await.ok();
    let (user, token) = (answer["data"]["userId"].as_str().unwrap(), answer["data"]["authToken"].as_str().unwrap());
    let me = server.with(user, token).get("me").await.ok();
    assert_eq!((&me["username"], &me["services"]["totp"]), (&json!("bob"), &json!({"enabled": true})));
}

async fn without_the_right_code_nobody_gets_in(server: &TestServer) {
    let bob = with_app(server, "bob").await;
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &["totp"]);
    refused(&login_with(server, "bob", "  ").await, "totp-required", "TOTP Required", "totp", &["totp"]);
    for code in ["000000", &server.app_code(2), &server.app_code(-2), "no code"] {
        invalid(&login_with(server, "bob", code).await);
    }
    let right = server.app_code(0);
    wrong_password(&login(server, json!({"user": "bob", "password": "wrong", "code": right})).await);
    login_with(server, "bob", &right).await.ok();
    // A token needs no code, and neither needs one who has no app.
    login(server, json!({"resume": bob.token()})).await.ok();
    server.user("amy").await;
    login_with(server, "amy", "000000").await.ok();
}

async fn a_code_of_the_step_before_and_after_counts_too(server: &TestServer) {
    with_app(server, "bob").await;
    login_with(server, "bob", &server.app_code(-1)).await.ok();
    login_with(server, "bob", &server.app_code(1)).await.ok();
    // The one between them is older than one that was used.
    invalid(&login_with(server, "bob", &server.app_code(0)).await);
}

async fn a_code_lets_in_once(server: &TestServer) {
    with_app(server, "bob").await;
    let code = server.app_code(0);
    login_with(server, "bob", &code).await.ok();
    invalid(&login_with(server, "bob", &code).await);
    server.clock.advance(STEP);
    invalid(&login_with(server, "bob", &code).await);
    login_with(server, "bob", &server.app_code(0)).await.ok();
    // Somebody else's app may show the same.
    with_app(server, "amy").await;
    login_with(server, "amy", &server.app_code(0)).await.ok();
}

async fn a_backup_code_lets_in_once_and_is_on_record(server: &TestServer) {
    let bob = with_app(server, "bob").await;
    login_with(server, "bob", BACKUP[0]).await.ok();
    invalid(&login_with(server, "bob", BACKUP[0]).await);
    invalid(&login_with(server, "bob", &BACKUP[1].to_lowercase()).await);
    login_with(server, "bob", BACKUP[1]).await.ok();
    invalid(&login_with(server, "bob", BACKUP[1]).await);
    let entries = server.store.list_audit_entries(100).await.unwrap();
    let left = entries.iter().filter_map(|entry| match &entry.change {
        Change::BackupCodeUsed { user, left } if *user == bob.user_id() => Some(*left),
        _ => None,
    });
    let left: Vec<u64> = left.collect();
    assert_eq!(left, [0, 1], "newest first");
    let record = format!("{entries:?}");
    assert!(BACKUP.iter().all(|code| !record.contains(code)));
}

async fn of_many_with_the_same_code_one_gets_in(server: &TestServer) {
    with_app(server, "bob").await;
    for round in 0..4 {
        server.clock.advance(16 * MINUTE);
        let code = if round < 2 { server.app_code(0) } else { BACKUP[round - 2].to_owned() };
        let answers = join_all((0..5).map(|_| login_with(server, "bob", &code))).await;
        let inside = answers.iter().filter(|answer| answer.status == 200).count();
        assert_eq!(inside, 1, "{code}");
        for answer in answers.iter().filter(|answer| answer.status != 200) {
            invalid(answer);
        }
    }
}

async fn codes_cannot_be_tried_for_ever(server: &TestServer) {
    with_app(server, "bob").await;
    // All at once are no more than one after the other.
    let answers = join_all((0..8).map(|number| {
        let code = format!("00000{number}");
        async move { login_with(server, "bob", &code).await }
    }))
    .await;
    let tried = answers.iter().filter(|answer| answer.json()["error"] == "totp-invalid").count();
    assert_eq!(tried, 5);
    exhausted(&login_with(server, "bob", &server.app_code(0)).await);
    exhausted(&login_with(server, "bob", BACKUP[0]).await);
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &["totp"]);
    server.clock.advance(15 * MINUTE - 1);
    exhausted(&login_with(server, "bob", &server.app_code(0)).await);
    server.clock.advance(1);
    login_with(server, "bob", &server.app_code(0)).await.ok();
    for number in 0..5 {
        invalid(&login_with(server, "bob", &format!("00000{number}")).await);
    }
    exhausted(&login_with(server, "bob", "000009").await);
}

async fn codes_by_email_are_asked_for_and_never_right(server: &TestServer) {
    let bob = server.user("bob").await;
    server.plant_email_codes(bob.id()).await;
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "email", &["email"]);
    refused(&login_with(server, "bob", "123456").await, "totp-invalid", "TOTP Invalid", "email", &["email"]);
    // Naming the way that he does not have is no way around the one that he has.
    let answer = login_by_headers(server, "bob", &[("X-2fa-Method", "totp"), ("X-2fa-Code", "123456")]).await;
    refused(&answer, "totp-invalid", "TOTP Invalid", "totp", &["email"]);
    let answer = login_by_headers(server, "bob", &[("X-2fa-Method", "password"), ("X-2fa-Code", PASSWORD)]).await;
    refused(&answer, "totp-invalid", "TOTP Invalid", "email", &["email"]);
}

async fn with_both_the_app_is_asked_for_and_the_client_may_choose(server: &TestServer) {
    let bob = with_app(server, "bob").await;
    server.plant_email_codes(bob.id()).await;
    let both = ["totp", "email"];
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &both);
    let answer = login_by_headers(server, "bob", &[("X-2fa-Method", "email")]).await;
    refused(&answer, "totp-required", "TOTP Required", "email", &both);
    let code = server.app_code(0);
    let answer = login_by_headers(server, "bob", &[("X-2fa-Method", "email"), ("X-2fa-Code", &code)]).await;
    refused(&answer, "totp-invalid", "TOTP Invalid", "email", &both);
    login_by_headers(server, "bob", &[("X-2fa-Method", "unheard-of"), ("X-2fa-Code", &code)]).await.ok();
}

async fn what_keeps_out_anyway_is_told_before_a_code_is_asked_for(server: &TestServer) {
    let (admin, bob) = (server.admin().await, with_app(server, "bob").await);
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": false})).await.ok();
    let code = server.app_code(0);
    assert_eq!(login_with(server, "bob", &code).await.json()["error"], "error-user-is-not-activated");
    admin.post("users.setActiveStatus", json!({"userId": bob.id(), "activeStatus": true})).await.ok();
    login_with(server, "bob", &code).await.ok();
}

async fn an_app_without_a_secret_lets_nobody_in(server: &TestServer) {
    let bob = server.user("bob").await;
    server.plant_totp(bob.id()).await;
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &["totp"]);
    for code in ["000000", "755224", "any code"] {
        invalid(&login_with(server, "bob", code).await);
    }
}

async fn where_second_factors_are_off_the_password_is_enough(server: &TestServer) {
    let bob = with_app(server, "bob").await;
    server.plant_email_codes(bob.id()).await;
    login(server, password("bob")).await.ok();
    login_with(server, "bob", "000000").await.ok();
}

async fn only_the_present_code_counts_where_clocks_may_not_be_off(server: &TestServer) {
    with_app(server, "bob").await;
    invalid(&login_with(server, "bob", &server.app_code(-1)).await);
    invalid(&login_with(server, "bob", &server.app_code(1)).await);
    login_with(server, "bob", &server.app_code(0)).await.ok();
}

async fn no_other_setting_is_a_way_around_the_app(server: &TestServer) {
    with_app(server, "bob").await;
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &["totp"]);
    login_with(server, "bob", &server.app_code(0)).await.ok();
    refused(&login(server, password("bob")).await, "totp-required", "TOTP Required", "totp", &["totp"]);
}

on_every_store!(
    a_code_lets_in_wherever_it_is_sent,
    without_the_right_code_nobody_gets_in,
    a_code_of_the_step_before_and_after_counts_too,
    a_code_lets_in_once,
    a_backup_code_lets_in_once_and_is_on_record,
    of_many_with_the_same_code_one_gets_in,
    codes_cannot_be_tried_for_ever,
    codes_by_email_are_asked_for_and_never_right,
    with_both_the_app_is_asked_for_and_the_client_may_choose,
    what_keeps_out_anyway_is_told_before_a_code_is_asked_for,
    an_app_without_a_secret_lets_nobody_in,
);

on_every_store!(
    switched_off, "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_Enabled" = "false";
    where_second_factors_are_off_the_password_is_enough,
);

on_every_store!(
    exact_clocks, "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_MaxDelta" = "0";
    only_the_present_code_counts_where_clocks_may_not_be_off,
);

on_every_store!(
    everything_else_off,
    "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_By_Email_Enabled" = "false",
    "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_Enforce_Password_Fallback" = "false",
    "OVERWRITE_SETTING_Accounts_TwoFactorAuthentication_RememberFor" = "31536000";
    no_other_setting_is_a_way_around_the_app,
);
