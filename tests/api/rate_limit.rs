//! The rate limiter: ten requests a minute from one address to one route unless the workspace says otherwise, told in
//! the headers of every answer that was counted. The test's clock decides when a window is over.

use std::collections::BTreeMap;

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::clock::START;
use crate::support::server::{Actor, Answer, PASSWORD, Start, TestServer};
use crate::support::stores::Backend;

const CALLS: u32 = 10;
const WINDOW: i64 = 60_000;

/// Limit, what remains, and milliseconds from the start of the test until it is all there again.
#[track_caller]
fn told(answer: &Answer) -> (u32, u32, i64) {
    let number = |name| answer.header(name).parse::<i64>().unwrap_or_else(|_| panic!("{name}: {answer:?}"));
    let small = |name| u32::try_from(number(name)).unwrap();
    let reset = number("x-ratelimit-reset") - START.as_millis();
    (small("x-ratelimit-limit"), small("x-ratelimit-remaining"), reset)
}

#[track_caller]
fn tells_nothing(answer: &Answer) {
    for name in ["x-ratelimit-limit", "x-ratelimit-remaining", "x-ratelimit-reset", "retry-after"] {
        assert_eq!(answer.header(name), "", "{name}: {answer:?}");
    }
}

#[track_caller]
fn is_too_many(answer: &Answer, seconds: u32) {
    let text = format!(
        "Error, too many requests. Please slow down. You must wait {seconds} seconds before trying this endpoint again. \
         [error-too-many-requests]"
    );
    answer.is(429, json!({"success": false, "error": text}));
    assert_eq!(answer.header("retry-after"), seconds.to_string());
    assert_eq!(answer.header("content-type"), "application/json");
    assert_eq!(answer.header("x-ratelimit-remaining"), "0");
}

async fn from(actor: &Actor<'_>, path: &str, headers: &[(&str, &str)]) -> Answer {
    let request = actor.request(Method::GET, path);
    actor.send(headers.iter().fold(request, |request, (name, value)| request.header(*name, *value))).await
}

/// Uses up a window.
async fn exhaust(actor: &Actor<'_>, path: &str, headers: &[(&str, &str)]) {
    for _ in 0..CALLS {
        from(actor, path, headers).await.ok();
    }
    assert_eq!(from(actor, path, headers).await.status, 429);
}

/// Says which roles bypass the limit from now on.
async fn let_bypass(admin: &Actor<'_>, roles: &[&str]) {
    let body = json!({"permissions": [{"_id": "api-bypass-rate-limit", "roles": roles}]});
    admin.post("permissions.update", body).await.ok();
}

async fn the_eleventh_request_of_a_minute_waits_for_the_next(server: &TestServer) {
    let bob = server.user("bob").await;
    for used in 1..=CALLS {
        let answer = bob.get("me").await;
        answer.ok();
        assert_eq!(told(&answer), (CALLS, CALLS - used, WINDOW));
    }
    let answer = bob.get("me").await;
    is_too_many(&answer, 60);
    assert_eq!(told(&answer), (CALLS, 0, WINDOW));
    server.clock.advance(WINDOW - 1_001);
    is_too_many(&bob.get("me").await, 2);
    server.clock.advance(1_000);
    is_too_many(&bob.get("me").await, 1);
    server.clock.advance(1);
    let answer = bob.get("me").await;
    answer.ok();
    assert_eq!(told(&answer), (CALLS, CALLS - 1, 2 * WINDOW));
}

async fn one_address_registers_one_account_a_minute(server: &TestServer) {
    let register = async |name: &str| {
        let body = json!({"username": name, "name": name, "email": format!("{name}@example.org"), "pass": "p"});
        server.anonymous().post("users.register", body).await
    };
    let first = register("eve").await;
    first.ok();
    assert_eq!(told(&first), (1, 0, WINDOW));
    is_too_many(&register("amy").await, 60);
    server.clock.advance(WINDOW);
    register("amy").await.ok();
}

async fn over_a_hundred_windows_every_one_lets_exactly_its_number_through(server: &TestServer) {
    let bob = server.user("bob").await;
    for window in 0..100 {
        let mut through = 0;
        for request in 0..CALLS + 2 {
            // The last one comes in the last millisecond; how the others lie is different in each window.
            let step = if request == 0 { 0 } else { (window * 37 + i64::from(request) * 101) % 5_000 };
            let now = server.clock.advance(step);
            if request == CALLS + 1 {
                server.clock.advance(WINDOW * (window + 1) - 1 - (now.as_millis() - START.as_millis()));
            }
            let answer = bob.get("roles.list").await;
            assert!(matches!(answer.status, 200 | 429), "{answer:?}");
            assert_eq!(told(&answer).2, WINDOW * (window + 1));
            through += u32::from(answer.status == 200);
        }
        assert_eq!(through, CALLS, "window {window}");
        server.clock.advance(1);
    }
}

async fn requests_at_the_same_moment_are_counted_one_by_one(server: &TestServer) {
    let bob = server.user("bob").await;
    let answers = futures_util::future::join_all((0..30).map(|_| bob.get("me"))).await;
    let mut remaining: Vec<_> = answers.iter().filter(|answer| answer.status == 200).map(|a| told(a).1).collect();
    remaining.sort_unstable();
    assert_eq!(remaining, (0..CALLS).collect::<Vec<_>>());
}

async fn every_route_counts_for_itself_and_head_is_get(server: &TestServer) {
    let bob = server.user("bob").await;
    let head = bob.send(bob.request(Method::HEAD, "/api/v1/me")).await;
    assert_eq!(told(&head), (CALLS, CALLS - 1, WINDOW));
    for _ in 1..CALLS {
        bob.get("me?whatever=1").await.ok();
    }
    is_too_many(&bob.get("me").await, 60);
    let answer = bob.get("roles.list").await;
    answer.ok();
    assert_eq!(told(&answer).1, CALLS - 1);
    // The same path under another method is another route.
    assert_eq!(told(&server.session_of("bob").await.get("logout").await).1, CALLS - 1);
    assert_eq!(told(&server.session_of("bob").await.post("logout", json!({})).await).1, CALLS - 1);
}

async fn one_address_is_one_client_whatever_it_says_of_itself(server: &TestServer) {
    let (bob, amy) = (server.user("bob").await, server.user("amy").await);
    exhaust(&bob, "/api/v1/me", &[]).await;
    is_too_many(&amy.get("me").await, 60);
    for name in ["X-Forwarded-For", "X-Real-IP", "X-Client-IP", "Forwarded"] {
        is_too_many(&from(&bob, "/api/v1/me", &[(name, "10.0.0.1")]).await, 60);
    }
}

async fn behind_a_proxy_the_client_is_who_the_proxy_says(server: &TestServer) {
    const FORWARDED: &str = "X-Forwarded-For";
    let bob = server.user("bob").await;
    exhaust(&bob, "/api/v1/me", &[(FORWARDED, "10.0.0.1")]).await;
    // What stands further left came from the client.
    is_too_many(&from(&bob, "/api/v1/me", &[(FORWARDED, "10.9.9.9, 10.0.0.1")]).await, 60);
    is_too_many(&from(&bob, "/api/v1/me", &[(FORWARDED, "10.9.9.9"), (FORWARDED, "10.0.0.1")]).await, 60);
    for headers in [&[(FORWARDED, "10.0.0.1, 10.0.0.2")][..], &[("X-Real-IP", "10.0.0.3")], &[]] {
        let answer = from(&bob, "/api/v1/me", headers).await;
        answer.ok();
        assert_eq!(told(&answer).1, CALLS - 1, "{headers:?}");
    }
    // The record of changes means the same address.
    from(&bob, "/api/v1/logout", &[(FORWARDED, "10.9.9.9, 10.0.0.7")]).await.ok();
    let latest = server.store.list_audit_entries(1).await.unwrap().remove(0);
    assert_eq!(latest.context.address.as_deref(), Some("10.0.0.7"));
}

async fn who_may_bypass_the_limit_is_neither_limited_nor_counted(server: &TestServer) {
    let (admin, bob) = (server.admin().await, server.user("bob").await);
    for _ in 0..3 * CALLS {
        let answer = admin.get("me").await;
        answer.ok();
        tells_nothing(&answer);
    }
    exhaust(&bob, "/api/v1/me", &[]).await;
    admin.get("me").await.ok();

    // It is asked each time: given, it holds at once, and taken, it is gone at once.
    let_bypass(&admin, &["admin", "user"]).await;
    let answer = bob.get("me").await;
    answer.ok();
    tells_nothing(&answer);
    let_bypass(&admin, &["bot"]).await;
    is_too_many(&bob.get("me").await, 60);
    is_too_many(&admin.get("me").await, 60);
    let bot = server.user_with("robot", &["bot"]).await;
    bot.get("me").await.ok();
}

async fn only_what_passes_all_other_checks_is_counted(server: &TestServer) {
    let (admin, bob, nobody) = (server.admin().await, server.user("bob").await, server.anonymous());
    let_bypass(&admin, &[]).await;
    let refused_before = async || {
        let answers = [
            nobody.post("roles.delete", json!({"roleId": "none"})).await,
            server.with(admin.id(), "wrong").post("roles.delete", json!({"roleId": "none"})).await,
            bob.post("roles.delete", json!({"roleId": "none"})).await,
            admin.post("roles.delete", json!({})).await,
            admin.post_bytes("roles.delete", Some("application/json"), "{").await,
        ];
        assert_eq!(answers.each_ref().map(|answer| answer.status), [401, 401, 403, 400, 400]);
        answers.iter().for_each(tells_nothing);
    };
    for _ in 0..CALLS {
        refused_before().await;
    }
    for used in 1..=CALLS {
        // Refused by the action itself: counted like a success, and told.
        let answer = admin.post("roles.delete", json!({"roleId": "none"})).await;
        answer.refused("This role does not exist", "error-invalid-roleId");
        assert_eq!(told(&answer), (CALLS, CALLS - used, WINDOW));
    }
    is_too_many(&admin.post("roles.delete", json!({"roleId": "none"})).await, 60);
    refused_before().await;
}

async fn a_request_too_many_does_nothing(server: &TestServer) {
    let admin = server.admin().await;
    let_bypass(&admin, &[]).await;
    for number in 0..CALLS {
        admin.post("roles.create", json!({"name": format!("deputy-{number}")})).await.ok();
    }
    let on_record = server.store.list_audit_entries(1_000).await.unwrap().len();
    is_too_many(&admin.post("roles.create", json!({"name": "surplus"})).await, 60);
    assert!(!admin.get("roles.list").await.text.contains("surplus"));
    assert_eq!(server.store.list_audit_entries(1_000).await.unwrap().len(), on_record);
}

async fn log_ins_are_counted_whether_they_succeed_or_not(server: &TestServer) {
    server.user("bob").await;
    let log_in =
        async |password: &str| server.anonymous().post("login", json!({"user": "bob", "password": password})).await;
    for used in 1..=CALLS {
        let (password, status) = if used % 2 == 0 { (PASSWORD, 200) } else { ("wrong", 401) };
        let answer = log_in(password).await;
        assert_eq!(answer.status, status);
        assert_eq!(told(&answer), (CALLS, CALLS - used, WINDOW));
    }
    is_too_many(&log_in(PASSWORD).await, 60);
    // Nobody is somebody at a log-in, whatever tokens he sends along.
    let admin = server.admin().await;
    is_too_many(&admin.post("login", json!({"user": "bob", "password": PASSWORD})).await, 60);
    server.clock.advance(WINDOW);
    log_in(PASSWORD).await.ok();
}

async fn what_is_not_part_of_the_api_is_not_limited(server: &TestServer) {
    let nobody = server.anonymous();
    for _ in 0..=CALLS {
        for path in ["/health", "/ready", "/metrics", "/api/info"] {
            let answer = from(&nobody, path, &[]).await;
            assert_eq!(answer.status, 200, "{path}");
            tells_nothing(&answer);
        }
        let missing = from(&nobody, "/api/v1/nothing", &[]).await;
        let options = nobody.send(nobody.request(Method::OPTIONS, "/api/v1/me")).await;
        assert_eq!((missing.status, options.status), (404, 200));
        tells_nothing(&missing);
        tells_nothing(&options);
    }
    exhaust(&nobody, "/api/v1/info", &[]).await;
}

on_every_store!(
    limited, "OVERWRITE_SETTING_API_Enable_Rate_Limiter" = "true";
    the_eleventh_request_of_a_minute_waits_for_the_next,
    one_address_registers_one_account_a_minute,
    over_a_hundred_windows_every_one_lets_exactly_its_number_through,
    requests_at_the_same_moment_are_counted_one_by_one,
    every_route_counts_for_itself_and_head_is_get,
    one_address_is_one_client_whatever_it_says_of_itself,
    who_may_bypass_the_limit_is_neither_limited_nor_counted,
    only_what_passes_all_other_checks_is_counted,
    a_request_too_many_does_nothing,
    log_ins_are_counted_whether_they_succeed_or_not,
    what_is_not_part_of_the_api_is_not_limited,
);

on_every_store!(
    behind_a_proxy, "OVERWRITE_SETTING_API_Enable_Rate_Limiter" = "true", "HTTP_FORWARDED_COUNT" = "1";
    behind_a_proxy_the_client_is_who_the_proxy_says,
);

async fn nobody_is_limited_when_the_operator_says_so(server: &TestServer) {
    server.plant_setting("API_Enable_Rate_Limiter", "true").await;
    let bob = server.user("bob").await;
    for _ in 0..3 * CALLS {
        let answer = bob.get("me").await;
        answer.ok();
        tells_nothing(&answer);
    }
}

on_every_store!(
    switched_off, "OVERWRITE_SETTING_API_Enable_Rate_Limiter" = "false";
    nobody_is_limited_when_the_operator_says_so,
);

async fn the_operators_numbers_hold_over_the_workspaces(server: &TestServer) {
    server.plant_setting("API_Enable_Rate_Limiter_Limit_Calls_Default", "99").await;
    server.plant_setting("API_Enable_Rate_Limiter_Limit_Time_Default", "99000").await;
    let bob = server.user("bob").await;
    assert_eq!(told(&bob.get("me").await), (2, 1, 1_500));
    assert_eq!(told(&bob.get("me").await), (2, 0, 1_500));
    is_too_many(&bob.get("me").await, 2);
    server.clock.advance(1_500);
    bob.get("me").await.ok();
}

on_every_store!(
    other_numbers,
    "OVERWRITE_SETTING_API_Enable_Rate_Limiter" = "true",
    "OVERWRITE_SETTING_API_Enable_Rate_Limiter_Limit_Calls_Default" = "2",
    "OVERWRITE_SETTING_API_Enable_Rate_Limiter_Limit_Time_Default" = "1500";
    the_operators_numbers_hold_over_the_workspaces,
);

/// Nothing is fixed by the operator.
mod as_the_workspace_says {
    use super::*;

    async fn settings_of_the_workspace_hold_at_once(backend: Backend) {
        let server = Start::fresh(backend).await.with_rates_of_the_workspace().go().await;
        let bob = server.user("bob").await;
        assert_eq!(told(&bob.get("me").await), (CALLS, 9, WINDOW), "the defaults");
        server.plant_setting("API_Enable_Rate_Limiter_Limit_Calls_Default", "3").await;
        assert_eq!(told(&bob.get("me").await), (3, 1, WINDOW));
        server.plant_setting("API_Enable_Rate_Limiter_Limit_Time_Default", "5000.0").await;
        assert_eq!(told(&bob.get("me").await), (3, 0, 5_000));
        is_too_many(&bob.get("me").await, 5);
        server.plant_setting("API_Enable_Rate_Limiter", "false").await;
        let answer = bob.get("me").await;
        answer.ok();
        tells_nothing(&answer);
        server.finish().await;
    }

    async fn a_senseless_setting_means_the_default(backend: Backend) {
        let server = Start::fresh(backend).await.with_rates_of_the_workspace().go().await;
        let senseless: BTreeMap<&str, Value> = BTreeMap::from([
            ("API_Enable_Rate_Limiter", json!("no")),
            ("API_Enable_Rate_Limiter_Limit_Calls_Default", json!(0)),
            ("API_Enable_Rate_Limiter_Limit_Time_Default", json!(-1)),
        ]);
        for (id, value) in senseless {
            server.plant_setting(id, &value.to_string()).await;
        }
        assert_eq!(told(&server.user("bob").await.get("me").await), (CALLS, CALLS - 1, WINDOW));
        server.finish().await;
    }

    #[tokio::test]
    async fn sqlite_settings_hold_at_once() {
        settings_of_the_workspace_hold_at_once(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_settings_hold_at_once() {
        settings_of_the_workspace_hold_at_once(Backend::Mongo).await;
    }

    #[tokio::test]
    async fn sqlite_a_senseless_setting_means_the_default() {
        a_senseless_setting_means_the_default(Backend::SqliteFile).await;
    }

    #[tokio::test]
    async fn mongo_a_senseless_setting_means_the_default() {
        a_senseless_setting_means_the_default(Backend::Mongo).await;
    }
}
